//! One attempt to tell somebody.

use std::sync::Arc;
use std::time::Duration;

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
        let target = match self.hosts.get().target(&due.delivery.url) {
            Ok(target) => target,
            Err(error) => return Outcome::Hopeless(error.message().to_owned()),
        };
        let key = self.key.clone();
        let signer = match blocking(move || key.read()).await {
            Ok(signer) => signer,
            Err(error) => return Outcome::Failed { why: error.to_string(), after: None },
        };
        let timestamp = now_ns / 1_000_000_000;
        let Signatures { body, dated } = signer.sign(&due.delivery.event, timestamp, due.body.as_bytes());
        let request = self
            .http
            .post(target.url)
            .header(CONTENT_TYPE, EVENT)
            .header("webhook-id", &due.delivery.event)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", dated)
            .header(SIGNATURE, body)
            .body(due.body.clone());
        match request.send().await {
            Ok(response) => of_answer(&response),
            Err(error) => Outcome::Failed { why: short(&deepest(&error)), after: None },
        }
    }
}

/// What an answer means. Its body is never read.
fn of_answer(response: &reqwest::Response) -> Outcome {
    let status = response.status();
    if status.is_success() {
        return Outcome::Arrived;
    }
    if status == http::StatusCode::GONE {
        return Outcome::Hopeless("the receiver answers 410: it wants no more of them".to_owned());
    }
    let after =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let redirected = if status.is_redirection() { ", and redirections are not followed" } else { "" };
    Outcome::Failed {
        why: format!("the receiver answers {}{redirected}", status.as_u16()),
        after: after.map(Duration::from_secs),
    }
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
