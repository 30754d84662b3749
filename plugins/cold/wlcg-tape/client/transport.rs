//! Sends requests, signed, and reads answers within bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thermocline_core::bytes::Credentials;
use thermocline_core::{Error, ErrorKind, Result};

use super::Client;
use super::signature::Signature;
use crate::documents::{refusal, shortened};

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// When a site is asked again that did not answer.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(30);

/// When a site is asked again that does not take our credentials: somebody has to mend them.
pub(super) const ASK_AGAIN_REFUSED: Duration = Duration::from_secs(300);

/// Longest time for which a site can send us away.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How the site is spoken to.
pub(super) struct Clients {
    /// For the interface: nobody sends us elsewhere with what we ask for.
    pub(super) api: reqwest::Client,
    /// For files, which sites serve from other machines. Credentials are not taken there.
    pub(super) files: reqwest::Client,
}

/// An answer that has come whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Client {
    /// Sends a request and reads its answer. Else why not, and whether the site may have acted on it.
    pub(super) async fn send(
        &self,
        request: reqwest::RequestBuilder,
        by: &Credentials,
    ) -> Result<Answer, (Error, bool)> {
        let signature = Signature::by(by).await.map_err(|error| (error, false))?;
        let request = match signature.header.clone() {
            Some(header) => request.header(AUTHORIZATION, header),
            None => request,
        };
        let silent = |cause: reqwest::Error| {
            let is_doubtful = !cause.is_connect() && !cause.is_builder();
            let message = format!("the site does not answer: {}", deepest(&cause));
            (self.in_trouble(message, ASK_AGAIN), is_doubtful)
        };
        let (client, request) = request.build_split();
        let request = request.map_err(silent)?;
        let asked = request.url().origin();
        let response = client.execute(request).await.map_err(silent)?;
        let (status, headers) = (response.status(), response.headers().clone());
        // Where a redirect led, our credentials were not taken: the answer there says nothing of them.
        if response.url().origin() == asked {
            signature.tell(status);
        }
        let body = self.body(response).await.map_err(|error| (error, true))?;
        if status.is_success() || status == StatusCode::NOT_FOUND {
            *self.trouble.lock() = None;
        }
        Ok(Answer { status, headers, body })
    }

    async fn body(&self, response: reqwest::Response) -> Result<Bytes> {
        let mut body = BytesMut::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let broken = |cause| format!("the answer of the site broke off: {}", deepest(&cause));
            body.extend_from_slice(&piece.map_err(|cause| self.in_trouble(broken(cause), ASK_AGAIN))?);
            if body.len() > MAX_ANSWER_BYTES {
                let message = format!("the answer of the site has more than {MAX_ANSWER_BYTES} bytes");
                return Err(self.in_trouble(message, ASK_AGAIN_REFUSED));
            }
        }
        Ok(body.freeze())
    }

    pub(super) fn document<T: DeserializeOwned>(&self, what: &str, answer: &Answer) -> Result<T> {
        serde_json::from_slice(&answer.body).map_err(|cause| {
            let message = format!("the answer of the site to {what} is not as the interface has it: {cause}");
            self.in_trouble(message, ASK_AGAIN).with_source(cause)
        })
    }

    /// The error of an answer that is neither good nor final.
    pub(super) fn failed(&self, what: &str, answer: &Answer) -> Error {
        let is_refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let usual = if is_refused { ASK_AGAIN_REFUSED } else { ASK_AGAIN };
        let after = retry_after(&answer.headers).unwrap_or(usual);
        self.in_trouble(refused(what, answer), after)
    }

    /// Notes what is wrong with the site.
    pub(super) fn in_trouble(&self, message: String, retry_after: Duration) -> Error {
        *self.trouble.lock() = Some(message.clone());
        Error::new(ErrorKind::Unavailable { retry_after }, message)
    }

    /// The clients, made when they are needed: the provider of TLS is there by then.
    pub(super) fn clients(&self) -> Result<&Clients> {
        if let Some(clients) = self.http.get() {
            return Ok(clients);
        }
        let client = |redirects: Policy| {
            let built = reqwest::Client::builder()
                .redirect(redirects)
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(self.request_timeout)
                .user_agent(concat!("thermocline/", env!("CARGO_PKG_VERSION")))
                .build();
            built.map_err(|cause| Error::internal("cannot make a client of tape sites").with_source(cause))
        };
        let made = Clients { api: client(Policy::none())?, files: client(Policy::limited(5))? };
        Ok(self.http.get_or_init(|| made))
    }
}

/// A request with its body as JSON, if it has one.
pub(super) fn with_body(
    request: reqwest::RequestBuilder,
    body: Option<&impl Serialize>,
) -> Result<reqwest::RequestBuilder> {
    let Some(body) = body else { return Ok(request) };
    let bytes = serde_json::to_vec(body)
        .map_err(|cause| Error::internal("a question cannot be written as JSON").with_source(cause))?;
    Ok(request.header(CONTENT_TYPE, JSON).body(bytes))
}

/// A refusal in words, with the site's own.
pub(super) fn refused(what: &str, answer: &Answer) -> String {
    let status = answer.status.as_u16();
    match refusal(&answer.body) {
        Some(why) => format!("the site answers {status} to {what}: {why}"),
        None => format!("the site answers {status} to {what}"),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.max(1)).min(MAX_RETRY_AFTER))
}

/// The first cause of an error, which says most.
fn deepest(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it takes too long".to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    shortened(&deepest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_cannot_send_us_away_for_ever() {
        let headers =
            |text: &'static str| [(RETRY_AFTER, HeaderValue::from_static(text))].into_iter().collect();
        for (text, seconds) in [("5", Some(5)), ("0", Some(1)), ("999999", Some(3600)), ("soon", None)] {
            assert_eq!(retry_after(&headers(text)).map(|after| after.as_secs()), seconds, "{text}");
        }
    }
}
