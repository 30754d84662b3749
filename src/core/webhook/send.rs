//! One attempt to tell somebody.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use super::hosts::HostList;
use super::sign::{KeyFile, SIGNATURE, Signatures};
use crate::manifest::blocking;
use crate::staging::DueDelivery;
use crate::{Error, Result};

/// Media type of an event in structured mode.
const EVENT: &str = "application/cloudevents+json; charset=utf-8";

/// How long an attempt may take, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest text of an error that is kept, in characters.
const MAX_ERROR_CHARS: usize = 300;

/// Calls addresses.
#[derive(Clone)]
pub struct Sender {
    hosts: HostList,
    key: KeyFile,
    http: reqwest::Client,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has acknowledged the message.
    Arrived,
    /// It has not, or nobody can know; the receiver may have said when to come back.
    Failed {
        /// Why.
        why: String,
        /// When to try again at the earliest.
        after: Option<Duration>,
    },
    /// The receiver was not called, for a reason of ours that may pass.
    NotTried(String),
    /// Another attempt makes no sense.
    Hopeless(String),
}

impl Sender {
    /// Calls these hosts, and signs with the key of that file. The provider of TLS must have been installed.
    ///
    /// # Errors
    /// A system without certificates.
    pub fn new(hosts: HostList, key: KeyFile) -> Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            // Names are resolved for each attempt.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Resolver(hosts.clone())))
            .user_agent(concat!("thermocline/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| Error::internal("cannot make a client for webhooks").with_source(cause))?;
        Ok(Self { hosts, key, http })
    }

    /// Tells an address once. `now_ns`: nanoseconds since 1970, by which the message is dated.
    pub(super) async fn send(&self, due: &DueDelivery, now_ns: i64) -> Outcome {
        // The list may be another one than when the request was accepted.
        let url = match self.hosts.get().target(&due.delivery.url) {
            Ok(url) => url,
            Err(error) => return Outcome::Hopeless(error.message().to_owned()),
        };
        let key = self.key.clone();
        let signer = match blocking(move || key.read()).await {
            Ok(signer) => signer,
            Err(error) => return Outcome::NotTried(error.to_string()),
        };
        let timestamp = now_ns / 1_000_000_000;
        let Signatures { body, dated } = signer.sign(&due.delivery.event, timestamp, due.body.as_bytes());
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, EVENT)
            .header("webhook-id", &due.delivery.event)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", dated)
            .header(SIGNATURE, body)
            .body(due.body.clone());
        match request.send().await {
            Ok(response) => of_answer(&response, now_ns),
            Err(error) => Outcome::Failed { why: short(&deepest(&error)), after: None },
        }
    }
}

/// What an answer means. Its body is never read.
fn of_answer(response: &reqwest::Response, now_ns: i64) -> Outcome {
    let status = response.status();
    if status.is_success() {
        return Outcome::Arrived;
    }
    if status == http::StatusCode::GONE {
        return Outcome::Hopeless("the receiver answers 410: it wants no more of them".to_owned());
    }
    let redirected = if status.is_redirection() { ", and redirections are not followed" } else { "" };
    Outcome::Failed {
        why: format!("the receiver answers {}{redirected}", status.as_u16()),
        after: retry_after(response.headers(), now_ns),
    }
}

/// How long a receiver asks to be left alone: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now_ns: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = UNIX_EPOCH + Duration::from_nanos(u64::try_from(now_ns).ok()?);
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

/// The first cause of an error, which says most, without the address: that may hold a secret.
fn deepest(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

fn short(text: &str) -> String {
    text.chars().take(MAX_ERROR_CHARS).collect()
}

/// Finds the addresses of hosts, those alone that may be called.
struct Resolver(HostList);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let hosts = self.0.get();
        Box::pin(async move {
            let found = hosts.resolve(name.as_str()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_in_seconds_or_by_a_date_when_to_come_back() {
        // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, is 784111777 seconds after 1970.
        let now_ns = 784_111_700_000_000_000;
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now_ns), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
