//! Every request of the store passes here: at its pace, at most so many at a time, and what is wrong is kept in words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use thermocline_core::clock::Clock;
use thermocline_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

use crate::client::{Answer, Bucket, SharedBucket, UNREACHABLE_RETRY_AFTER};
use crate::pace::Pace;
use crate::states::{Seen, credentials_trouble, seen};

/// How often an object is looked at before nothing can be said of it.
const N_TRIES: u32 = 4;

/// First wait after an answer that may be better the next time; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How long what was found out about a bucket as a whole counts.
const BUCKET_FOR_NS: i64 = 30 * 1_000_000_000;

/// When a store is asked again that denies looking at objects.
const DENIED_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Sends requests.
pub(crate) struct Calls {
    pub(crate) pace: Pace,
    permits: Semaphore,
    clock: Arc<dyn Clock>,
    /// What is wrong, by the operation that showed it: one that goes well again shows that it is over.
    trouble: Mutex<BTreeMap<&'static str, String>>,
    /// What is wrong with buckets as a whole, and when that was found out.
    buckets: Mutex<Vec<(String, i64, Option<String>)>>,
}

impl Calls {
    pub(crate) fn new(requests_per_second: f64, connections: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            pace: Pace::new(requests_per_second, Arc::clone(&clock)),
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

    fn is_in_trouble(&self, operation: &'static str, why: &str) {
        let mut trouble = self.trouble.lock();
        if trouble.get(operation).is_none_or(|known| known != why) {
            tracing::warn!(operation, why, "a store of the Glacier kind does not work");
            trouble.insert(operation, why.to_owned());
        }
    }

    fn went_well(&self, operation: &'static str) {
        self.pace.went_well();
        self.trouble.lock().remove(operation);
    }

    /// Sends one request when it is its turn.
    pub(crate) async fn once(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<Answer>>,
    ) -> Result<Answer> {
        let closed = |cause| Error::internal("the limit of connections is closed").with_source(cause);
        let _permit = self.permits.acquire().await.map_err(closed)?;
        self.pace.turn().await;
        let answer = request.await;
        let outcome = match &answer {
            Ok(answer) if answer.status.is_success() => "ok",
            Ok(_) => "refused",
            Err(_) => "unreachable",
        };
        metrics::counter!("thermocline_glacier_requests_total", "operation" => operation, "outcome" => outcome)
            .increment(1);
        match &answer {
            Ok(answer) if answer.status.is_success() => self.went_well(operation),
            Ok(answer) if is_too_fast(answer) => self.pace.slow_down(),
            Ok(_) => {}
            Err(error) => self.is_in_trouble(operation, &error.to_string()),
        }
        answer
    }

    /// Looks at an object. What may be better the next time is tried again.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] only if there is no such object in a bucket that exists; [`ErrorKind::Unavailable`]
    /// for everything else.
    pub(crate) async fn look(&self, bucket: &Bucket, key: &str) -> Result<Seen> {
        let mut wait = FIRST_WAIT;
        let mut number = 1;
        loop {
            let answer = self.once("head", bucket.head(key)).await;
            let may_be_better = match &answer {
                Ok(answer) => is_for_now(answer),
                Err(_) => true,
            };
            if !may_be_better || number == N_TRIES {
                return self.conclude(bucket, key, answer?).await;
            }
            self.clock.sleep(wait).await;
            wait *= 2;
            number += 1;
        }
    }

    /// What an answer to HEAD means. Such answers have no words: why something is denied is found out otherwise.
    async fn conclude(&self, bucket: &Bucket, key: &str, answer: Answer) -> Result<Seen> {
        let unavailable = |why: String, retry_after| Error::new(ErrorKind::Unavailable { retry_after }, why);
        match answer.status.as_u16() {
            200..=299 => seen(&answer.headers),
            404 => match self.bucket_trouble(bucket, key).await {
                Some(why) => Err(unavailable(why, DENIED_RETRY_AFTER)),
                None => Err(Error::not_found(format!("no object s3://{}/{key}", bucket.name))),
            },
            301 | 307 | 400 | 401 | 403 => {
                let why = self.bucket_trouble(bucket, key).await.unwrap_or_else(|| {
                    let status = answer.status;
                    format!(
                        "the store denies looking at s3://{}/{key}: {status}; s3:GetObject is needed",
                        bucket.name
                    )
                });
                self.is_in_trouble("head", &why);
                Err(unavailable(why, DENIED_RETRY_AFTER))
            }
            status => Err(unavailable(
                format!("looking at s3://{}/{key}: the store answers {status}", bucket.name),
                UNREACHABLE_RETRY_AFTER,
            )),
        }
    }

    /// What is wrong with a bucket as a whole, or keeps it from being known, by an answer that has words.
    async fn bucket_trouble(&self, bucket: &Bucket, key: &str) -> Option<String> {
        let now_ns = self.clock.now_ns();
        let is_fresh = |at_ns: i64| (0..BUCKET_FOR_NS).contains(&now_ns.saturating_sub(at_ns));
        let known = self
            .buckets
            .lock()
            .iter()
            .find(|(name, at_ns, _)| *name == bucket.name && is_fresh(*at_ns))
            .cloned();
        if let Some((.., known)) = known {
            return known;
        }
        let answer = match self.once("list", bucket.list(key, "", 1)).await {
            Ok(answer) if is_for_now(&answer) => {
                return Some(format!("bucket {}: the store answers {}", bucket.name, answer.status));
            }
            Ok(answer) => answer,
            Err(error) => return Some(error.to_string()),
        };
        let why = self.complaint("head", bucket, &answer).await;
        let mut buckets = self.buckets.lock();
        buckets.retain(|(name, ..)| *name != bucket.name);
        buckets.push((bucket.name.clone(), now_ns, why.clone()));
        why
    }

    /// What an answer says against the bucket or the credentials; kept as trouble. `None` if it is about something else.
    pub(crate) async fn complaint(
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
            (_, Some(code), Some(words)) => {
                bucket.refused(code).await;
                format!("bucket {name}: {words} ({code})")
            }
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
        self.is_in_trouble(operation, &why);
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
