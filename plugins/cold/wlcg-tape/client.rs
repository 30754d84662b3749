//! Talks to the site: the calls of its interface, and what they mean.

mod discovery;
mod signature;
mod transport;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use serde::Serialize;
use thermocline_core::bytes::Credentials;
use thermocline_core::clock::Clock;
use thermocline_core::{Error, ErrorKind, Result};
use url::Url;

use crate::config::Place;
use crate::documents::{ArchiveInfo, PathsBody, PollDocument, StageAnswer, StageBody, shortened};
use transport::{ASK_AGAIN, Answer, Clients, refused, with_body};

/// The site. It is asked with the credentials of the root that a call is about.
pub(crate) struct Client {
    place: Place,
    request_timeout: Duration,
    clock: Arc<dyn Clock>,
    http: OnceLock<Clients>,
    /// Where the interface was found, and when.
    found: Mutex<Option<(Url, i64)>>,
    trouble: Mutex<Option<String>>,
}

/// What came of asking for files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The site has accepted them under this name.
    Accepted(String),
    /// The site does not take this request for what it names, in its words: it may take a part of it.
    Refused(String),
}

/// Why files could not be asked for.
#[derive(Debug)]
pub(crate) struct NotAsked {
    pub(crate) error: Error,
    /// Whether the site may have accepted them all the same.
    pub(crate) is_doubtful: bool,
}

/// What a web server says of a file without sending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileHead {
    pub(crate) len_bytes: u64,
    /// Names the state of the file.
    pub(crate) version: String,
}

impl Client {
    pub(crate) fn new(place: Place, request_timeout: Duration, clock: Arc<dyn Clock>) -> Self {
        let (found, trouble) = (Mutex::default(), Mutex::default());
        Self { place, request_timeout, clock, http: OnceLock::new(), found, trouble }
    }

    /// What is wrong with the site at present.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// Where files are, one answer for those of which the site says something.
    ///
    /// # Errors
    /// A site that does not answer, or not as the interface has it.
    pub(crate) async fn archive_info(&self, paths: &[String], by: &Credentials) -> Result<Vec<ArchiveInfo>> {
        let answer = self.ask(Method::POST, &["archiveinfo"], Some(&PathsBody { paths }), by).await?;
        self.document("archiveinfo", &answer)
    }

    /// Asks for files.
    ///
    /// # Errors
    /// A site that does not answer: whether it has accepted the files is told.
    pub(crate) async fn stage(&self, body: &StageBody<'_>, by: &Credentials) -> Result<Asked, NotAsked> {
        let certain = |error| NotAsked { error, is_doubtful: false };
        let url = self.url(&["stage"], by).await.map_err(certain)?;
        let request = self.clients().and_then(|clients| with_body(clients.api.post(url), Some(body)));
        let request = request.map_err(certain)?;
        let answer =
            self.send(request, by).await.map_err(|(error, is_doubtful)| NotAsked { error, is_doubtful })?;
        let status = answer.status;
        if status.is_success() {
            let named: Result<StageAnswer> = self.document("stage", &answer);
            let named = named.and_then(|answer| match is_name(&answer.request_id) {
                true => Ok(Asked::Accepted(answer.request_id)),
                false => Err(self.in_trouble("the site's name of a request is none".to_owned(), ASK_AGAIN)),
            });
            return named.map_err(|error| NotAsked { error, is_doubtful: true });
        }
        // Other refusals are about who asks, where and how often, and not about files.
        let is_for_files = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
        );
        if is_for_files {
            return Ok(Asked::Refused(refused("stage", &answer)));
        }
        let is_doubtful = status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE;
        Err(NotAsked { error: self.failed("stage", &answer), is_doubtful })
    }

    /// How far a request is; `None` if the site does not know it.
    ///
    /// # Errors
    /// A site that does not answer, or not as the interface has it.
    pub(crate) async fn poll(&self, id: &str, by: &Credentials) -> Result<Option<PollDocument>> {
        let asked = self.ask(Method::GET, &["stage", id], None::<&()>, by).await;
        match asked {
            Ok(answer) => self.document("poll", &answer).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Drops our interest in some files of a request. One that the site does not know has none.
    ///
    /// # Errors
    /// A site that does not answer.
    pub(crate) async fn cancel(&self, id: &str, paths: &[String], by: &Credentials) -> Result<()> {
        let asked = self.ask(Method::POST, &["stage", id, "cancel"], Some(&PathsBody { paths }), by).await;
        match asked {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Size and version of a file, by its address.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it does not exist; a web server that does not say its size, or does not answer.
    pub(crate) async fn head(&self, href: &str, by: &Credentials) -> Result<FileHead> {
        let url = Url::parse(href)
            .map_err(|cause| Error::invalid_input(format!("{href} is no address")).with_source(cause))?;
        let request = self.clients()?.files.head(url);
        let answer = self.send(request, by).await.map_err(|(error, _)| error)?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Err(Error::not_found(format!("{href} does not exist")))
            }
            status if status.is_success() => file_head(href, &answer.headers),
            _ => Err(self.failed(href, &answer)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        segments: &[&str],
        body: Option<&impl Serialize>,
        by: &Credentials,
    ) -> Result<Answer> {
        let url = self.url(segments, by).await?;
        let what = segments.first().copied().unwrap_or_default();
        let request = with_body(self.clients()?.api.request(method, url), body)?;
        let answer = self.send(request, by).await.map_err(|(error, _)| error)?;
        match answer.status {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(Error::not_found(refused(what, &answer))),
            _ => Err(self.failed(what, &answer)),
        }
    }
}

/// True for what can stand in an address and in our database.
fn is_name(id: &str) -> bool {
    !id.is_empty() && id.len() <= 200 && !id.chars().any(char::is_control) && !matches!(id, "." | "..")
}

fn file_head(href: &str, headers: &HeaderMap) -> Result<FileHead> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::trim);
    let len_bytes = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let len_bytes = len_bytes.ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("the site does not say the size of {href}"))
    })?;
    let version = text(ETAG).or_else(|| text(LAST_MODIFIED));
    Ok(FileHead { len_bytes, version: version.map_or_else(|| format!("{len_bytes} bytes"), shortened) })
}

/// True if what was seen then, in nanoseconds since 1970, may still be believed. Clocks that went back are not.
pub(crate) fn is_within(span: Duration, then_ns: i64, now_ns: i64) -> bool {
    u64::try_from(now_ns.saturating_sub(then_ns)).is_ok_and(|age_ns| u128::from(age_ns) < span.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_requests_that_lead_elsewhere_are_none() {
        for (id, is_good) in
            [("08f0b0d2-1c", true), ("a/b", true), ("", false), ("..", false), ("a\nb", false)]
        {
            assert_eq!(is_name(id), is_good, "{id:?}");
        }
        assert!(!is_name(&"a".repeat(201)));
    }

    #[test]
    fn what_was_seen_is_believed_for_a_while() {
        let second = Duration::from_secs(1);
        for (then_ns, now_ns, is_good) in
            [(0, 0, true), (0, 999_999_999, true), (0, 1_000_000_000, false), (5, 4, false)]
        {
            assert_eq!(is_within(second, then_ns, now_ns), is_good, "{then_ns} {now_ns}");
        }
        assert!(!is_within(Duration::ZERO, 0, 0));
    }
}
