//! Changes of a request as server-sent events.
//!
//! A stream is woken by changes of its own request only: what happened is read from the requests as they are kept, from
//! the last change on that the client has. So a slow client takes no memory and misses nothing, and one that comes back with
//! `Last-Event-ID` goes on where it was, also on another day and after a restart.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use thermocline_core::staging::{ObjectFilter, Request, RequestId, RequestState, Staging};
use thermocline_http::identity::Presented;
use thermocline_http::links::BaseUrl;
use thermocline_http::live::Engine;
use thermocline_http::query::Query;
use thermocline_http::sse::{self, Event};
use thermocline_http::{AppState, Problem};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::Api;
use crate::documents::{RequestDocument, RequestObjectDocument};
use crate::requests::{is_there, known, unknown};

/// Objects that are read at a time.
const OBJECTS_AT_A_TIME: usize = 500;

/// Shortest time from one look at a request to the next.
pub(crate) const PACE: Duration = Duration::from_millis(200);

/// Sends what happens to a request, from the change on that the client names, or from now on.
pub(crate) async fn watch(
    Extension(api): Extension<Arc<Api>>,
    (State(app), Path(id)): (State<AppState>, Path<String>),
    Engine(staging): Engine,
    (presented, base): (Presented, BaseUrl),
    query: Query,
    parts: Parts,
) -> Result<Response, Problem> {
    let request = known((&app, &staging), &presented.identity(&app), &id).await?;
    let since = match query.value("since") {
        Some(text) => {
            Some(text.parse().map_err(|_| Problem::invalid_input(format!("since '{text}' is no number")))?)
        }
        None => None,
    };
    let since: Option<u64> = sse::last_event_id(&parts.headers).or(since);
    if request.state.is_ended() && since.is_some_and(|since| since >= request.change) {
        // By this browsers know that they need not come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let too_many = |_| sse::too_many(api.settings.max_streams);
    let turn = Arc::clone(&api.streams).try_acquire_owned().map_err(too_many)?;
    let seen = since.unwrap_or(request.change);
    let watch = Watch::new(staging, base, (request.id, seen), turn).ok_or_else(|| unknown(&id))?;
    Ok(sse::respond(&parts.method, watch.read_by(app, presented).events()))
}

/// What a stream does when its client has taken everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Looks at the request.
    Look,
    /// Waits for something to happen.
    Wait,
    /// Ends.
    End,
}

/// A client that watches a request.
pub(crate) struct Watch {
    staging: Staging,
    changes: watch::Receiver<()>,
    base: BaseUrl,
    /// By what the client is known, to look whether it may still read of the request.
    reader: Option<(AppState, Presented)>,
    id: RequestId,
    /// The last change that the client has, or is about to get.
    seen: u64,
    /// State and counts that the client was shown last.
    shown: Option<(RequestState, Request)>,
    /// Events that the client has not taken yet.
    pub(crate) ready: VecDeque<Event>,
    next: Next,
    /// How often it has looked.
    pub(crate) n_looks: u64,
    _turn: OwnedSemaphorePermit,
}

impl Watch {
    /// Watches a request from a change on; `None` if there can be no such request.
    pub(crate) fn new(
        staging: Staging,
        base: BaseUrl,
        (id, seen): (RequestId, u64),
        turn: OwnedSemaphorePermit,
    ) -> Option<Self> {
        Some(Self {
            changes: staging.watch(&id)?,
            staging,
            base,
            reader: None,
            id,
            seen,
            shown: None,
            ready: VecDeque::new(),
            next: Next::Look,
            n_looks: 0,
            _turn: turn,
        })
    }

    /// The same, until the client may not read of the request any more.
    fn read_by(self, app: AppState, presented: Presented) -> Self {
        Self { reader: Some((app, presented)), ..self }
    }

    fn events(self) -> impl Stream<Item = Event> + Send {
        stream::unfold(self, |mut watch| async move {
            let event = watch.next_event().await?;
            Some((event, watch))
        })
    }

    pub(crate) async fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.next {
                Next::Look => self.look().await?,
                Next::Wait => {
                    // All that changes meanwhile is one look.
                    tokio::time::sleep(PACE).await;
                    self.changes.changed().await.ok()?;
                    self.next = Next::Look;
                }
                Next::End => return None,
            }
        }
    }

    /// Reads what changed. `None` if the request is gone or cannot be read: the client comes back and is told why.
    async fn look(&mut self) -> Option<()> {
        // What happens from here on wakes this stream again.
        self.changes.mark_unchanged();
        self.n_looks = self.n_looks.saturating_add(1);
        let request = self.staging.get(&self.id).await.ok()??;
        if let Some((app, presented)) = &self.reader
            && !is_there(app, &presented.identity(app), &request)
        {
            return None;
        }
        let is_ended = request.state.is_ended();
        // One that has ended is shown last, so that whoever has seen it has seen everything.
        if self.shown.is_none() && !is_ended {
            self.show(request.clone());
        }
        let filter =
            ObjectFilter { since: Some(self.seen), limit: OBJECTS_AT_A_TIME, ..ObjectFilter::default() };
        let changed = if request.change > self.seen {
            self.staging.objects(&self.id, filter).await.ok()?
        } else {
            Vec::new()
        };
        for object in &changed {
            self.seen = self.seen.max(object.change);
            self.ready.extend(event("object", Some(object.change), &RequestObjectDocument::from(object)));
        }
        if changed.len() >= OBJECTS_AT_A_TIME {
            return Some(());
        }
        self.seen = self.seen.max(request.change);
        self.show(request);
        self.next = if is_ended { Next::End } else { Next::Wait };
        Some(())
    }

    /// Shows the request if its state or its counts are other ones than those that the client knows.
    fn show(&mut self, request: Request) {
        let known = self.shown.as_ref();
        let name = match known {
            Some((state, _)) if *state != request.state => "request",
            Some((_, known)) if known.tallies != request.tallies => "progress",
            Some(_) => return,
            None => "request",
        };
        self.ready.extend(event(name, Some(self.seen), &RequestDocument::new(&request, &self.base)));
        self.shown = Some((request.state, request));
    }
}

fn event(name: &'static str, id: Option<u64>, document: &impl Serialize) -> Option<Event> {
    Some(Event { name, id, data: serde_json::to_string(document).ok()? })
}
