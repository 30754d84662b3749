//! Every request of the store passes here: at its pace, at most so many at a time, and what is wrong is kept in words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use thermocline_core::clock::Clock;
use thermocline_core::{Error, ErrorKind, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::client::{Answer, Bucket, SharedBucket, UNREACHABLE_RETRY_AFTER};
use crate::pace::Pace;
use crate::states::{Seen, credentials_trouble, seen};
use crate::xml;

/// How often an object is looked at before nothing can be said of it.
const N_TRIES: u32 = 4;

/// First wait after an answer that may be better the next time; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How long what was found out about a bucket as a whole counts.
const BUCKET_FOR_NS: i64 = 30 * 1_000_000_000;

/// When a store is asked again that denies looking at objects.
const DENIED_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Who waits for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody at this moment, or a copy that would end: such requests come first.
    Urgent,
    /// Nobody: one of them at a time stands in line with the urgent ones, however many there are.
    Batch,
}

/// The right to send one request.
pub(crate) struct Turn<'a>(
    #[expect(dead_code, reason = "held until the answer is there")] SemaphorePermit<'a>,
);

/// Sends requests.
pub(crate) struct Calls {
    pub(crate) pace: Pace,
    /// Which of the requests of [`Lane::Batch`] is the next.
    next_of_batches: Semaphore,
    permits: Semaphore,
    clock: Arc<dyn Clock>,
    /// What is wrong, by the operation that showed it and the address of the bucket: one that goes well again shows that it
    /// is over.
    trouble: Mutex<BTreeMap<(&'static str, String), String>>,
    /// What is wrong with buckets as a whole, by their addresses, and when that was found out.
    buckets: Mutex<BTreeMap<String, (i64, Option<String>)>>,
}

impl Calls {
    pub(crate) fn new(requests_per_second: f64, connections: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            pace: Pace::new(requests_per_second, Arc::clone(&clock)),
            next_of_batches: Semaphore::new(1),
            permits: Semaphore::new(connections),
            clock,
            trouble: Mutex::default(),
            buckets: Mutex::default(),
        }
    }

    /// What is wrong at present, if anything is known to be.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().values().next().cloned()
    }

    fn is_in_trouble(&self, operation: &'static str, bucket: &Bucket, why: &str) {
        let mut trouble = self.trouble.lock();
        let of_bucket = (operation, bucket.address.clone());
        if trouble.get(&of_bucket).is_none_or(|known| known != why) {
            tracing::warn!(operation, why, "a store of the Glacier kind does not work");
            trouble.insert(of_bucket, why.to_owned());
        }
    }

    fn went_well(&self, operation: &'static str, bucket: &Bucket) {
        self.pace.went_well();
        let mut trouble = self.trouble.lock();
        if !trouble.is_empty() {
            trouble.remove(&(operation, bucket.address.clone()));
        }
    }

    /// Waits until a request may be sent: first for its moment, then for one of the connections.
    pub(crate) async fn turn(&self, lane: Lane) -> Result<Turn<'_>> {
        let closed = |cause| Error::internal("the limit of connections is closed").with_source(cause);
        let _next = match lane {
            Lane::Urgent => None,
            Lane::Batch => Some(self.next_of_batches.acquire().await.map_err(closed)?),
        };
        self.pace.turn().await;
        self.permits.acquire().await.map(Turn).map_err(closed)
    }

    /// Sends one request to a bucket when it is its turn.
    pub(crate) async fn once(
        &self,
        operation: &'static str,
        bucket: &Bucket,
        lane: Lane,
        request: impl Future<Output = Result<Answer>>,
    ) -> Result<Answer> {
        let turn = self.turn(lane).await?;
        self.send(turn, operation, bucket, request).await
    }

    /// Sends one request to a bucket, whose turn it is.
    pub(crate) async fn send(
        &self,
        turn: Turn<'_>,
        operation: &'static str,
        bucket: &Bucket,
        request: impl Future<Output = Result<Answer>>,
    ) -> Result<Answer> {
        let answer = request.await;
        drop(turn);
        let outcome = match &answer {
            Ok(answer) if answer.status.is_success() => "ok",
            Ok(_) => "refused",
            Err(_) => "unreachable",
        };
        metrics::counter!("thermocline_glacier_requests_total", "operation" => operation, "outcome" => outcome)
            .increment(1);
        match &answer {
            Ok(answer) if answer.status.is_success() => self.went_well(operation, bucket),
            Ok(answer) if is_too_fast(answer) => self.pace.slow_down(),
            Ok(_) => {}
            Err(error) => self.is_in_trouble(operation, bucket, &error.to_string()),
        }
        answer
    }

    /// Looks at an object. What may be better the next time is tried again.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] only if there is no such object in a bucket that exists; [`ErrorKind::Unavailable`]
    /// for everything else.
    pub(crate) async fn look(&self, bucket: &Bucket, key: &str, lane: Lane) -> Result<Seen> {
        let mut wait = FIRST_WAIT;
        let mut number = 1;
        loop {
            let answer = self.once("head", bucket, lane, bucket.head(key)).await;
            let may_be_better = match &answer {
                Ok(answer) => is_for_now(answer),
                Err(_) => true,
            };
            if !may_be_better || number == N_TRIES {
                return self.conclude((bucket, key), answer?, lane).await;
            }
            self.clock.sleep(wait).await;
            wait *= 2;
            number += 1;
        }
    }

    /// What an answer to HEAD means. Such answers have no words: why something is denied is found out otherwise.
    async fn conclude(&self, (bucket, key): (&Bucket, &str), answer: Answer, lane: Lane) -> Result<Seen> {
        let unavailable = |why: String, retry_after| Error::new(ErrorKind::Unavailable { retry_after }, why);
        match answer.status.as_u16() {
            200..=299 => seen(&answer.headers),
            404 => match self.bucket_trouble(bucket, key, lane).await {
                Some(why) => Err(unavailable(why, DENIED_RETRY_AFTER)),
                None => Err(Error::not_found(format!("no object s3://{}/{key}", bucket.name))),
            },
            301 | 307 | 400 | 401 | 403 => {
                let why = self.bucket_trouble(bucket, key, lane).await.unwrap_or_else(|| {
                    let status = answer.status;
                    format!(
                        "the store denies looking at s3://{}/{key}: {status}; s3:GetObject is needed",
                        bucket.name
                    )
                });
                self.is_in_trouble("head", bucket, &why);
                Err(unavailable(why, DENIED_RETRY_AFTER))
            }
            status => Err(unavailable(
                format!("looking at s3://{}/{key}: the store answers {status}", bucket.name),
                UNREACHABLE_RETRY_AFTER,
            )),
        }
    }

    /// What is wrong with a bucket as a whole, or keeps it from being known, by an answer that has words: nothing is only if
    /// it can be listed.
    async fn bucket_trouble(&self, bucket: &Bucket, key: &str, lane: Lane) -> Option<String> {
        let now_ns = self.clock.now_ns();
        let is_fresh = |at_ns: i64| (0..BUCKET_FOR_NS).contains(&now_ns.saturating_sub(at_ns));
        let known = self.buckets.lock().get(&bucket.address).filter(|(at_ns, _)| is_fresh(*at_ns)).cloned();
        if let Some((_, known)) = known {
            return known;
        }
        let answer = match self.once("list", bucket, lane, bucket.list(key, "", 1)).await {
            Ok(answer) if is_for_now(&answer) => {
                return Some(format!("bucket {}: the store answers {}", bucket.name, answer.status));
            }
            Ok(answer) => answer,
            Err(error) => return Some(error.to_string()),
        };
        let is_listing = answer.status.is_success() && xml::page(&answer.body).is_some();
        // A proxy in front of the store answers whatever it likes while the store is away.
        let no_listing =
            || format!("bucket {} cannot be listed: the store answers {}", bucket.name, answer.status);
        let why = self.complaint("head", bucket, &answer).or_else(|| (!is_listing).then(no_listing));
        self.buckets.lock().insert(bucket.address.clone(), (now_ns, why.clone()));
        why
    }

    /// What an answer says against the bucket or the credentials; kept as trouble. `None` if it is about something else.
    pub(crate) fn complaint(
        &self,
        operation: &'static str,
        bucket: &Bucket,
        answer: &Answer,
    ) -> Option<String> {
        if answer.status.is_success() {
            return None;
        }
        let code = answer.code();
        let name = &bucket.name;
        let words = code.as_deref().and_then(credentials_trouble);
        let why = match (answer.status.as_u16(), code.as_deref(), words) {
            (_, Some(code), Some(words)) => format!("bucket {name}: {words} ({code})"),
            (_, Some("NoSuchBucket"), _) => format!("there is no bucket {name}"),
            (301 | 307, code, _) | (400, code @ Some("IllegalLocationConstraintException"), _) => {
                let region = answer.headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
                let code = code.unwrap_or("PermanentRedirect");
                match region {
                    Some(region) => format!("bucket {name} lies in region {region} ({code})"),
                    None => format!("bucket {name} lies elsewhere ({code}): check region and endpoint"),
                }
            }
            (401 | 403, code, _) => {
                let code = code.unwrap_or("no reason given");
                format!(
                    "bucket {name}: access denied ({code}); s3:GetObject, s3:ListBucket and s3:RestoreObject are needed"
                )
            }
            _ => return None,
        };
        self.is_in_trouble(operation, bucket, &why);
        Some(why)
    }
}

/// True for an answer that may be better the next time.
fn is_for_now(answer: &Answer) -> bool {
    answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS
}

/// True if the store asks for fewer requests.
fn is_too_fast(answer: &Answer) -> bool {
    let is_said = || {
        answer.code().is_some_and(|code| {
            matches!(code.as_str(), "SlowDown" | "RequestLimitExceeded" | "ThrottlingException")
        })
    };
    match answer.status.as_u16() {
        429 => true,
        // Answers to HEAD have no words.
        503 => answer.body.is_empty() || is_said(),
        _ => false,
    }
}

/// A bucket and the key of an object in it.
pub(crate) struct Place {
    pub(crate) bucket: SharedBucket,
    pub(crate) key: String,
}

#[cfg(test)]
mod tests {
    use thermocline_core::bytes::StoreOptions;
    use thermocline_core::clock::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_request_that_somebody_waits_for_goes_before_those_of_many_batches() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bucket = Bucket::new("s3://b", &StoreOptions::default()).unwrap();
        let calls = Calls::new(200.0, 2, Arc::new(SystemClock));
        let sent = Mutex::new(Vec::new());
        let send = async |lane: Lane| {
            let request = async {
                sent.lock().push(lane);
                Err(Error::internal("no store is needed for this"))
            };
            calls.once("head", &bucket, lane, request).await.unwrap_err();
        };

        let batches = futures::future::join_all((0..40).map(|_| send(Lane::Batch)));
        tokio::join!(batches, send(Lane::Urgent));

        let sent = sent.lock();
        let place = sent.iter().position(|lane| *lane == Lane::Urgent).unwrap();
        assert!(sent.len() == 41 && place <= 2, "{place} of {}", sent.len());
    }
}
