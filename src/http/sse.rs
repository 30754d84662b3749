//! Server-sent events: answers that go on until the client leaves.
//!
//! # Specification
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>
//!
//! # Limits
//! Events are asked of their source when the client has taken those before, so that a slow client takes no memory:
//! a source that cannot wait remembers the last id and reads again from there.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::Problem;
use crate::problem::TOO_MANY;

/// How often a comment is sent while nothing happens, so that neither side takes the other for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// When to ask again where too many watch.
pub(crate) const RETRY: Duration = Duration::from_secs(30);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// For nginx, which would else keep events until its buffer is full.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Media type of event streams.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// The problem of a client that would watch while as many streams are open as may be.
pub fn too_many(max_streams: usize) -> Problem {
    let detail = format!("{max_streams} event streams are open, which is the most");
    Problem::new(&TOO_MANY, detail).with_retry_after(RETRY)
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its kind.
    pub name: &'static str,
    /// By which a client that comes back says what it has seen; `None` for events that are not repeated.
    pub id: Option<u64>,
    /// What happened: JSON in one line.
    pub data: String,
}

impl From<Event> for Sent {
    fn from(event: Event) -> Self {
        // The framework panics on line ends in ids and comments only; numbers have none.
        let sent = Self::default().event(event.name).data(event.data);
        match event.id {
            Some(id) => sent.id(id.to_string()),
            None => sent,
        }
    }
}

/// Marks an answer that goes on, until the router has given it a place and an end.
#[derive(Debug, Clone)]
pub(crate) struct EventStream;

/// The answer that sends `events` as they come, until they or the server end. HEAD gets its headers only, and nothing is asked of `events`.
pub fn respond(method: &Method, events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = if method == Method::HEAD { stream::empty().boxed() } else { events.boxed() };
    let events = events.map(|event| Ok::<_, Infallible>(event.into()));
    let kept_alive = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat"));
    let mut response = kept_alive.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    if method != Method::HEAD {
        response.extensions_mut().insert(EventStream);
    }
    response
}

/// The last event that a client has seen, as it says itself.
pub fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.trim().parse().ok()
}
