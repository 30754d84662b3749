//! Requests for cold bytes wait until they are online.
//!
//! No Zarr client can be trusted with anything but the bytes themselves: 404 reads as the fill value, 202 ends one
//! of them, and most never ask again after 503. All of them wait, though, each for a time of its own. So a handler
//! that comes upon a cold object gives [`held`] instead of an answer: what it needs, and how to go on. The request
//! then waits in [`crate::router`], where it takes no place of those that are worked on, and the handler begins
//! again once everything is online.
//!
//! # Specification
//! RFC 7240, section 4.3 (`Prefer: wait`, read by [`crate::prefer`]); RFC 9457 (problems).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http::header::{LINK, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use metrics::{Gauge, describe_gauge, gauge};
use parking_lot::Mutex;
use serde_json::json;
use thermocline_core::cold::Locality;
use thermocline_core::read::{NotOnline, ReadFor, Recalls};
use thermocline_core::staging::{Joined, Owner};
use thermocline_core::{Error, ErrorKind};
use thermocline_model::DatasetId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::identity::{Presented, Right};
use crate::links::{BaseUrl, segment};
use crate::problem::{RECALL_FAILED, STAGING_NOT_ALLOWED};
use crate::query::Query;
use crate::{App, Problem, Waiting, prefer};

const X_LOCALITY: HeaderName = HeaderName::from_static("x-locality");

/// How requests wait for cold bytes.
#[derive(Debug, Clone)]
pub struct HoldConfig {
    /// How long a client waits of which nothing better is known.
    pub hold: Duration,
    /// The longest that a client may ask for.
    pub max_hold: Duration,
    /// Most clients that wait at the same time, for bytes, events or the end of a job; further ones are answered at
    /// once.
    pub max_held: usize,
    /// Whose reads cause recalls.
    pub recall_on_read: RecallOnRead,
}

impl Default for HoldConfig {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(20),
            max_hold: Duration::from_secs(280),
            max_held: 12_000,
            recall_on_read: RecallOnRead::Anyone,
        }
    }
}

/// Whose reads cause recalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecallOnRead {
    /// Everybody's.
    Anyone,
    /// Those of clients that are known and may stage the dataset.
    Owners,
    /// Nobody's: objects are staged by request.
    Never,
}

/// Clients by how long they wait for an answer, as measured; the name that they send, and the time.
///
/// aiohttp (fsspec) gives up after 300 s in all, obstore and the Rust `object_store` after 30 s.
const CLIENTS: [(&str, Duration); 2] =
    [("aiohttp/", Duration::from_secs(280)), ("object_store/", Duration::from_secs(25))];

/// How a request waits.
pub struct Wait {
    /// Who reads what.
    pub reader: ReadFor,
    /// By what the reader is known, when it is asked again whether he may.
    presented: Presented,
    /// Whether this reader's reads cause recalls.
    pub may_recall: bool,
    /// How long the client waits.
    pub time: Duration,
    /// Where the server is for the client.
    pub base: BaseUrl,
    /// Objects that will be wanted next.
    pub ahead: Vec<Arc<str>>,
}

/// What a request says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// Its headers.
    pub headers: &'r HeaderMap,
    /// Its target.
    pub uri: &'r Uri,
    /// Who sent it, if the server noted it.
    pub peer: Option<SocketAddr>,
}

impl Wait {
    /// How a request for bytes of a dataset waits: by what it says of itself.
    pub fn of(app: &App, asked: &Asked<'_>, dataset: &DatasetId) -> Self {
        let config = &app.config.hold;
        let presented = Presented::seen_by(app, asked.headers, asked.peer);
        let who = presented.identity(app);
        let may_recall = match config.recall_on_read {
            RecallOnRead::Anyone => true,
            RecallOnRead::Owners => {
                who.owner != Owner::anonymous() && who.has(app, dataset.as_str(), Right::Stage)
            }
            RecallOnRead::Never => false,
        };
        Self {
            reader: ReadFor { owner: who.owner, dataset: dataset.clone() },
            presented,
            may_recall,
            time: time(config, asked.headers, asked.uri.query()),
            base: BaseUrl::seen_by(app, asked.headers, asked.uri, asked.peer),
            ahead: Vec::new(),
        }
    }

    /// The answer to a reader whose reads cause no recalls.
    pub fn refusal(&self) -> Problem {
        not_allowed(self)
    }

    /// True if objects may be brought online ahead of this reader: for others `ahead` is of no use.
    pub fn may_read_ahead(&self) -> bool {
        self.may_recall && self.reader.owner != Owner::anonymous()
    }
}

/// How long a client waits: what it asks for, else what its kind was measured to bear.
fn time(config: &HoldConfig, headers: &HeaderMap, query: Option<&str>) -> Duration {
    let query = Query::parse(query.unwrap_or_default());
    if let Some(asked) = prefer::wait(headers, &query, config.max_hold) {
        return asked;
    }
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let known = CLIENTS.iter().find(|(name, _)| agent.contains(name));
    known.map_or(config.hold, |(_, time)| *time).min(config.max_hold)
}

/// An answer to HEAD with where the bytes are; nothing is said of what lies on no cold store.
#[must_use]
pub fn with_locality(mut response: Response, locality: Option<Locality>) -> Response {
    if let Some(locality) = locality {
        response.headers_mut().insert(X_LOCALITY, HeaderValue::from_static(locality.as_str()));
    }
    response
}

/// Headers that share no memory with the connection that they came from.
///
/// All of them are slices of one buffer of 8 KiB, which would be kept for each request that waits.
pub fn headers_copy(headers: &HeaderMap) -> HeaderMap {
    let copied = headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        Some((name, copy_of(value)))
    });
    // Several values of one name stay.
    copied.fold(HeaderMap::with_capacity(headers.keys_len()), |mut headers, (name, value)| {
        headers.append(name, value);
        headers
    })
}

/// A value that shares no memory with the connection that it came from.
pub(crate) fn copy_of(value: &HeaderValue) -> HeaderValue {
    let copied = HeaderValue::from_bytes(value.as_bytes());
    copied.unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A target that shares no memory with the connection that it came from.
pub fn uri_copy(uri: &Uri) -> Uri {
    uri.to_string().parse().unwrap_or_default()
}

/// The head of a request that may have to wait: without memory of the connection that it came from, and without what was
/// noted of it while it was answered.
pub fn parts_copy(parts: &Parts) -> Parts {
    let (mut copy, ()) = http::Request::new(()).into_parts();
    copy.method = parts.method.clone();
    copy.uri = uri_copy(&parts.uri);
    copy.headers = headers_copy(&parts.headers);
    if let Some(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        copy.extensions.insert(*peer);
    }
    copy
}

/// Makes the answer once everything is online.
pub type Again = Box<dyn FnOnce() -> BoxFuture<'static, Response> + Send>;

/// The answer of a handler that came upon cold objects: the request waits for them as `wait` says, and `again`
/// goes on then. An error of another kind is answered as it is.
pub fn held(error: Error, wait: Wait, again: Again) -> Response {
    let objects = error.not_staged().to_vec();
    let mut response = Problem::from(error).into_response();
    if objects.is_empty() {
        return response;
    }
    // What stands here already is sent only where nothing is recalled.
    let held = Held { objects, wait, again };
    response.extensions_mut().insert(Mark(Arc::new(Mutex::new(Some(held)))));
    response
}

/// Marks the answer of a handler that came upon cold objects.
#[derive(Clone)]
struct Mark(Arc<Mutex<Option<Held>>>);

/// A request that has to wait.
pub(crate) struct Held {
    objects: Vec<Arc<str>>,
    wait: Wait,
    again: Again,
}

impl Held {
    /// The request that an answer stands for, if it is not the final one.
    pub(crate) fn take(response: &mut Response) -> Option<Self> {
        let Mark(held) = response.extensions_mut().remove()?;
        held.lock().take()
    }

    /// Who reads which dataset.
    pub(crate) fn reader(&self) -> (Presented, DatasetId) {
        (self.wait.presented.clone(), self.wait.reader.dataset.clone())
    }

    /// When the client has waited for as long as it does.
    pub(crate) fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.wait.time).unwrap_or(now)
    }
}

/// The requests that wait.
pub(crate) struct Holds {
    recalls: Option<Arc<Recalls>>,
    waiting: Arc<Waiting>,
    gauge: Gauge,
}

impl Holds {
    /// None yet.
    pub(crate) fn new(app: &App) -> Self {
        describe_gauge!("thermocline_held_requests", "Requests that wait for objects on cold stores");
        let gauge = gauge!("thermocline_held_requests");
        gauge.set(0);
        Self { recalls: app.reader.recalls().cloned(), waiting: Arc::clone(&app.waiting), gauge }
    }

    /// Waits until what a request needs is online, but not beyond `deadline` nor the server's end; then gives how to go
    /// on.
    ///
    /// # Errors
    /// The answer if it is not to be had.
    pub(crate) async fn wait(&self, held: Held, deadline: Instant) -> Result<Again, Problem> {
        let Held { objects, wait, again } = held;
        let Some(recalls) = &self.recalls else {
            return Err(Error::needs_staging(objects).into());
        };
        if !wait.may_recall {
            return Err(not_allowed(&wait));
        }
        let ahead = if wait.may_read_ahead() { wait.ahead } else { Vec::new() };
        let Wait { reader, base, .. } = wait;
        // Beyond the bound the recall is joined all the same: asking again is of use then.
        let place = Place::take(self);
        let deadline = if place.is_some() { deadline } else { Instant::now() };
        let waited = recalls.wait(&objects, &reader, ahead, (deadline, self.waiting.ended())).await;
        waited.map(|()| again).map_err(|reason| not_online(reason, &base))
    }
}

/// A place of a request that waits.
struct Place<'h> {
    holds: &'h Holds,
    _permit: OwnedSemaphorePermit,
}

impl<'h> Place<'h> {
    fn take(holds: &'h Holds) -> Option<Self> {
        let permit = holds.waiting.place()?;
        holds.gauge.increment(1);
        Some(Self { holds, _permit: permit })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.holds.gauge.decrement(1);
    }
}

fn not_allowed(wait: &Wait) -> Problem {
    let dataset = &wait.reader.dataset;
    let stage = format!("{}/stage", wait.base.dataset(dataset.as_str()));
    let detail = format!(
        "what was asked for lies on a cold store, and reads of {} bring nothing online here: send the token that \
         the operator gave you, or have it staged with POST {stage}",
        wait.reader.owner
    );
    Problem::new(&STAGING_NOT_ALLOWED, detail).with_field("stage_url", stage)
}

fn not_online(reason: NotOnline, base: &BaseUrl) -> Problem {
    match reason {
        NotOnline::NotInTime(joined) => not_in_time(&joined, base),
        NotOnline::Failed(reason) => Problem::new(&RECALL_FAILED, reason),
        NotOnline::Lost(reason) => Error::new(ErrorKind::Lost, reason).into(),
        NotOnline::Damaged(reason) => Error::new(ErrorKind::Corrupt, reason).into(),
        NotOnline::NotJoined(error) if error.kind() == ErrorKind::NotFound => {
            Error::internal("what an answer is made of was not found").with_source(error).into()
        }
        NotOnline::NotJoined(error) if matches!(error.kind(), ErrorKind::OverQuota { .. }) => {
            over_quota(&error)
        }
        NotOnline::NotJoined(error) => error.into(),
    }
}

/// The problem of a reader who may have nothing more recalled at present. Never 429 for bytes: not every client of
/// Zarr tries again after that.
fn over_quota(error: &Error) -> Problem {
    let problem = Problem::new(&STAGING_NOT_ALLOWED, error.message());
    match error.kind() {
        ErrorKind::OverQuota { retry_after } => problem.with_retry_after(retry_after),
        _ => problem,
    }
}

/// The problem of a request whose time is over.
fn not_in_time(joined: &Joined, base: &BaseUrl) -> Problem {
    let status_url = format!("{}/requests/{}", base.0, segment(&joined.request.0));
    let error = Error::new(
        ErrorKind::NotStaged,
        format!("what was asked for is being brought online: {}", joined.state.as_str()),
    );
    let estimate = joined
        .estimate
        .as_ref()
        .map(|estimate| json!({"seconds": estimate.duration.as_secs_f64().ceil(), "basis": estimate.basis}));
    let mut problem = Problem::from(error)
        .with_field("state", joined.state.as_str())
        .with_field("request", joined.request.0.as_ref())
        .with_field("estimate", estimate.unwrap_or_default())
        .with_field("status_url", status_url.as_str());
    if let Some(estimate) = &joined.estimate {
        problem = problem.with_retry_after(estimate.duration);
    }
    match HeaderValue::try_from(format!("<{status_url}>; rel=\"monitor\"")) {
        Ok(link) => problem.with_header(LINK, link),
        Err(_) => problem,
    }
}
