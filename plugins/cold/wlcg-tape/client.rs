//! Talks to the site: finds its interface, signs what is sent, reads answers within bounds.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use reqwest::redirect::Policy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thermocline_core::bytes::{CredentialSource, Credentials, Refusal, Secret};
use thermocline_core::clock::Clock;
use thermocline_core::{Error, ErrorKind, Result};
use url::Url;

use crate::config::Place;
use crate::documents::{
    ArchiveInfo, Discovery, PathsBody, PollDocument, StageAnswer, StageBody, refusal, shortened,
};

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// When a site is asked again that did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// When a site is asked again that does not take our credentials: somebody has to mend them.
const ASK_AGAIN_REFUSED: Duration = Duration::from_secs(300);

/// How long it is believed where the interface is.
const DISCOVERED_FOR: Duration = Duration::from_secs(3600);

/// Longest time for which a site can send us away.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

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

struct Clients {
    /// For the interface: nobody sends us elsewhere with what we ask for.
    api: reqwest::Client,
    /// For files, which sites serve from other machines. Credentials are not taken there.
    files: reqwest::Client,
}

/// An answer that has come whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
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

/// A secret, with whoever wants to know what the site thinks of it.
struct Signature {
    header: Option<HeaderValue>,
    given: Option<(Arc<dyn CredentialSource>, Arc<Secret>)>,
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

    /// The address of a call.
    async fn url(&self, segments: &[&str], by: &Credentials) -> Result<Url> {
        let mut url = match &self.place {
            Place::Known(url) => url.clone(),
            Place::Discovered(site) => self.discovered(site, by).await?,
        };
        let is_base = url.path_segments_mut().map(|mut path| {
            path.pop_if_empty().extend(segments);
        });
        is_base.map_err(|()| Error::internal("the address of the interface has no path"))?;
        Ok(url)
    }

    /// Where the site says that its interface is. What was found before counts while it does not answer.
    async fn discovered(&self, site: &Url, by: &Credentials) -> Result<Url> {
        let known = self.found.lock().clone();
        let now_ns = self.clock.now_ns();
        if let Some((url, at_ns)) = &known
            && is_within(DISCOVERED_FOR, *at_ns, now_ns)
        {
            return Ok(url.clone());
        }
        match (self.discover(site, by).await, known) {
            (Ok(url), _) => {
                *self.found.lock() = Some((url.clone(), now_ns));
                Ok(url)
            }
            (Err(_), Some((url, _))) => Ok(url),
            (Err(error), None) => Err(error),
        }
    }

    async fn discover(&self, site: &Url, by: &Credentials) -> Result<Url> {
        let mut url = site.clone();
        let path = url.path_segments_mut().map(|mut path| {
            path.pop_if_empty().extend([".well-known", "wlcg-tape-rest-api"]);
        });
        path.map_err(|()| Error::internal("the address of the site has no path"))?;
        let answer = self.send(self.clients()?.api.get(url), by).await.map_err(|(error, _)| error)?;
        if !answer.status.is_success() {
            return Err(self.failed("wlcg-tape-rest-api", &answer));
        }
        let found: Discovery = self.document("wlcg-tape-rest-api", &answer)?;
        let endpoint = found.endpoints.iter().find(|endpoint| endpoint.version == "v1");
        let endpoint = endpoint.ok_or_else(|| {
            self.in_trouble("the site names no interface of version v1".to_owned(), ASK_AGAIN_REFUSED)
        })?;
        let url = Url::parse(endpoint.uri.trim_end_matches('/')).ok();
        // Credentials are for this host: what the site writes must not send them elsewhere.
        let url = url.filter(|url| {
            url.host() == site.host() && (url.scheme() == site.scheme() || url.scheme() == "https")
        });
        url.ok_or_else(|| {
            let uri = shortened(&endpoint.uri);
            let message = format!(
                "the site names {uri} as its interface, on another host: `api` says that it is meant"
            );
            self.in_trouble(message, ASK_AGAIN_REFUSED)
        })
    }

    /// Sends a request and reads its answer. Else why not, and whether the site may have acted on it.
    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        by: &Credentials,
    ) -> Result<Answer, (Error, bool)> {
        let signature = Signature::by(by).await.map_err(|error| (error, false))?;
        let request = match signature.header.clone() {
            Some(header) => request.header(AUTHORIZATION, header),
            None => request,
        };
        let response = request.send().await.map_err(|cause| {
            let is_doubtful = !cause.is_connect() && !cause.is_builder();
            (
                self.in_trouble(format!("the site does not answer: {}", deepest(&cause)), ASK_AGAIN),
                is_doubtful,
            )
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        signature.tell(status);
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

    fn document<T: DeserializeOwned>(&self, what: &str, answer: &Answer) -> Result<T> {
        serde_json::from_slice(&answer.body).map_err(|cause| {
            let message = format!("the answer of the site to {what} is not as the interface has it: {cause}");
            self.in_trouble(message, ASK_AGAIN).with_source(cause)
        })
    }

    /// The error of an answer that is neither good nor final.
    fn failed(&self, what: &str, answer: &Answer) -> Error {
        let is_refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let usual = if is_refused { ASK_AGAIN_REFUSED } else { ASK_AGAIN };
        let after = retry_after(&answer.headers).unwrap_or(usual);
        self.in_trouble(refused(what, answer), after)
    }

    /// Notes what is wrong with the site.
    fn in_trouble(&self, message: String, retry_after: Duration) -> Error {
        *self.trouble.lock() = Some(message.clone());
        Error::new(ErrorKind::Unavailable { retry_after }, message)
    }

    /// The clients, made when they are needed: the provider of TLS is there by then.
    fn clients(&self) -> Result<&Clients> {
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

impl Signature {
    async fn by(credentials: &Credentials) -> Result<Self> {
        match credentials {
            Credentials::Bearer(token) => {
                let header = Secret::Bearer(token.clone()).authorization();
                Ok(Self { header, given: None })
            }
            Credentials::Source(source) => {
                let secret = source.secret().await?;
                Ok(Self { header: secret.authorization(), given: Some((Arc::clone(source), secret)) })
            }
            // Keys of S3 mean nothing to a tape site.
            Credentials::None | Credentials::Environment | Credentials::Key { .. } => {
                Ok(Self { header: None, given: None })
            }
        }
    }

    /// Says what the site thinks of it.
    fn tell(&self, status: StatusCode) {
        let Some((source, secret)) = &self.given else { return };
        match status {
            StatusCode::UNAUTHORIZED => source.refused(secret, Refusal::Wrong(&status.to_string())),
            StatusCode::FORBIDDEN => source.refused(secret, Refusal::Denied(&status.to_string())),
            status if status.is_success() => source.taken(secret),
            _ => {}
        }
    }
}

fn with_body(
    request: reqwest::RequestBuilder,
    body: Option<&impl Serialize>,
) -> Result<reqwest::RequestBuilder> {
    let Some(body) = body else { return Ok(request) };
    let bytes = serde_json::to_vec(body)
        .map_err(|cause| Error::internal("a question cannot be written as JSON").with_source(cause))?;
    Ok(request.header(CONTENT_TYPE, JSON).body(bytes))
}

/// A refusal in words, with the site's own.
fn refused(what: &str, answer: &Answer) -> String {
    let status = answer.status.as_u16();
    match refusal(&answer.body) {
        Some(why) => format!("the site answers {status} to {what}: {why}"),
        None => format!("the site answers {status} to {what}"),
    }
}

/// True for what can stand in an address and in our database.
fn is_name(id: &str) -> bool {
    !id.is_empty() && id.len() <= 200 && !id.chars().any(char::is_control) && !matches!(id, "." | "..")
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.max(1)).min(MAX_RETRY_AFTER))
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

    #[test]
    fn a_site_cannot_send_us_away_for_ever() {
        let headers =
            |text: &'static str| [(RETRY_AFTER, HeaderValue::from_static(text))].into_iter().collect();
        for (text, seconds) in [("5", Some(5)), ("0", Some(1)), ("999999", Some(3600)), ("soon", None)] {
            assert_eq!(retry_after(&headers(text)).map(|after| after.as_secs()), seconds, "{text}");
        }
    }
}
