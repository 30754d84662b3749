//! What stands before the routes: one pass over request and answer.

use std::fmt::Write;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures::FutureExt;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Uri};
use matchit::Match;
use thermocline_core::{Error, ErrorKind};
use tokio::sync::Semaphore;
use tower::Service;
use tracing::{Instrument, debug, debug_span};

use super::compress::Compressor;
use super::cors::Cors;
use super::cross_site;
use super::finish::{self, Asked};
use super::guard::{self, Passage};
use super::metrics::RouteMetrics;
use super::panic_text;
use super::table::Entry;
use crate::clients;
use crate::hold::{Held, Holds, copy_of, uri_copy};
use crate::identity::{AskedDataset, client_address};
use crate::keys::KeyNames;
use crate::links::peer_of;
use crate::problem::TIMEOUT;
use crate::{AppState, KeyHandler, KeyRequest, Problem};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from a client, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// How long a request waits that found objects cold again which were online a moment ago: longer each time.
const MIN_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// When to ask again for an answer that took too long.
const TIMEOUT_RETRY: Duration = Duration::from_secs(60);

/// Length of the longest id that is made here.
const MAX_OWN_ID_BYTES: usize = 25;

/// What every request passes before the routes.
pub(super) struct Front {
    router: Router,
    cors: Cors,
    compressor: Compressor,
    app: AppState,
    routes: matchit::Router<Place>,
    elsewhere: Arc<RouteMetrics>,
    /// Whether GET of a key goes straight to its plugin.
    has_keys: bool,
    working: Semaphore,
    holds: Holds,
    timeout: Duration,
    max_body_bytes: usize,
    ids: RequestIds,
}

impl Front {
    /// The front of these routes, with nothing behind it yet.
    ///
    /// # Errors
    /// Two paths that would answer the same requests.
    pub(super) fn new(app: &AppState, entries: &[Entry]) -> Result<Self, Error> {
        RouteMetrics::describe();
        let mut routes = matchit::Router::new();
        for Entry { path, plugin, is_of_dataset, keys, .. } in entries {
            let owner = app.running().find(|other| other.id() == *plugin);
            let place = Place {
                metrics: RouteMetrics::new(plugin, path),
                is_of_dataset: *is_of_dataset,
                keys: keys.clone(),
                max_body_bytes: owner
                    .and_then(|owner| owner.max_body_bytes())
                    .unwrap_or(app.config.max_body_bytes),
                only_reads: owner.is_some_and(|owner| owner.paths_that_only_read().contains(&path.as_str())),
            };
            routes.insert(path.as_str(), place).map_err(|cause| {
                Error::invalid_input(format!(
                    "plugin \"{plugin}\": the path {path} cannot be routed: {cause}"
                ))
            })?;
        }
        Ok(Self {
            router: Router::new(),
            cors: Cors::new(&app.config.cors_origins),
            compressor: Compressor::new(),
            app: Arc::clone(app),
            routes,
            elsewhere: RouteMetrics::new("none", "none"),
            has_keys: true,
            working: Semaphore::new(app.config.max_concurrent_requests.clamp(1, Semaphore::MAX_PERMITS)),
            holds: Holds::new(app),
            timeout: app.config.request_timeout,
            max_body_bytes: app.config.max_body_bytes,
            ids: RequestIds::new(),
        })
    }

    /// The same front, by which every request takes the usual way.
    pub(super) fn without_keys(mut self) -> Self {
        self.has_keys = false;
        self
    }

    /// The same front before `router`.
    pub(super) fn before(self, router: Router) -> Self {
        Self { router, ..self }
    }

    /// Answers a request, whatever happens behind.
    pub(super) async fn answer(&self, mut request: Request) -> Response {
        let started = Instant::now();
        let request_id = self.ids.of(request.headers());
        let allowed_origin = self.cors.allowed_origin(request.headers());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let span = debug_span!("request", %method, path = uri.path(), ?request_id);
        without_trailing_slash(&mut request);
        if let Some(ready) = self.app.access.make_ready(request.headers()) {
            ready.await;
        }
        let (mut response, metrics, is_private) = {
            let path = request.uri().clone();
            let matched = self.routes.at(path.path()).ok();
            let metrics = matched.as_ref().map_or(&self.elsewhere, |matched| &matched.value.metrics);
            let passage = Passage::of(&self.app, &mut request, matched.as_ref());
            let is_private = passage.is_private();
            // Boxed: a request that waits does not keep the room of the work before.
            let answer = Box::pin(self.guarded(request, matched.as_ref(), passage));
            (answer.instrument(span.clone()).await, metrics, is_private)
        };
        let mut known = (request_id, allowed_origin, uri);
        if let Some(waiting) = Held::take(&mut response).map(|held| Box::pin(self.once_online(held))) {
            // Of what was read from the connection nothing is kept while the request waits.
            let (request_id, allowed_origin, uri) = &known;
            known = (copy_of(request_id), allowed_origin.as_ref().map(copy_of), uri_copy(uri));
            drop(response);
            response = waiting.instrument(span).await;
        }
        let (request_id, allowed_origin, uri) = known;
        let asked = Asked {
            app: &self.app,
            method: &method,
            path: uri.path(),
            request_id: request_id.to_str().unwrap_or_default(),
        };
        let response = finish::problems(response, &asked).await;
        let response = self.compressor.compress(response, path_and_query(&uri)).await;
        let mut response = finish::bodies(response, &method);
        let headers = response.headers_mut();
        self.cors.mark(allowed_origin, headers);
        if is_private {
            guard::mark_private(headers);
        }
        headers.insert(X_REQUEST_ID, request_id.clone());

        let (status, len_bytes, took) = (response.status(), len_bytes(&response, &method), started.elapsed());
        metrics.count(status, len_bytes, took);
        debug!(%method, path = asked.path, status = status.as_u16(), len_bytes, ?took, "answered");
        response
    }

    /// Lets a request through as far as the rules do.
    async fn guarded(
        &self,
        mut request: Request,
        matched: Option<&Match<'_, '_, &Place>>,
        passage: Passage,
    ) -> Response {
        if let Some(problem) = clients::refusal(&self.app, &request) {
            return self.refused(&request, matched, problem);
        }
        match passage {
            Passage::Open | Passage::Private => self.pass(request, matched).await,
            Passage::Refused(problem) => problem.into_response(),
            Passage::Hidden(asked) => {
                let call = guard::Call::of(&self.app, &request);
                request.extensions_mut().insert(asked.clone());
                let response = guard::as_unknown(&asked, self.pass(request, matched).await);
                if let Some(call) = call {
                    call.audit(response.status());
                }
                response
            }
        }
    }

    /// Lets a request through to the routes, within the limits.
    async fn pass(&self, mut request: Request, matched: Option<&Match<'_, '_, &Place>>) -> Response {
        if request.method() == Method::GET
            && let Some(matched) = matched.filter(|_| self.has_keys)
            && let Some(keys) = &matched.value.keys
            && let Some(KeyNames { dataset_id, key }) = KeyNames::of(&self.app, &matched.params)
        {
            let (parts, _) = request.into_parts();
            let request = KeyRequest { app: Arc::clone(&self.app), dataset_id, key, parts };
            return self.limited(keys.answer(request)).await;
        }
        if request.method() == Method::OPTIONS {
            return Cors::preflight(request.headers());
        }
        if !matched.is_some_and(|matched| matched.value.only_reads)
            && let Some(problem) = cross_site::refusal(&self.app, &request)
        {
            return self.refused(&request, matched, problem);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let max_body_bytes = matched.map_or(self.max_body_bytes, |matched| matched.value.max_body_bytes);
            if let Some(problem) = too_large(request.headers(), max_body_bytes) {
                return self.refused(&request, matched, problem);
            }
            DefaultBodyLimit::max(max_body_bytes).apply(&mut request);
            // Whether it may stage this dataset is asked of those only that change something.
            if request.extensions().get::<AskedDataset>().is_none()
                && let Some(asked) = matched.and_then(|matched| guard::asked_dataset(&self.app, matched))
            {
                request.extensions_mut().insert(asked);
            }
        }
        let (peer, mut router) = (peer_of(request.extensions()), self.router.clone());
        let client = client_address(&self.app, request.headers(), peer);
        // Boxed: what axum needs would be kept for each request, also for one of a key that waits.
        let work = Box::pin(async move {
            match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        });
        self.app.waiting.admit(self.limited(work).await, client)
    }

    /// The answer to what is refused before anything handles it, which is noted if it would have changed something.
    fn refused(
        &self,
        request: &Request,
        matched: Option<&Match<'_, '_, &Place>>,
        problem: Problem,
    ) -> Response {
        let changes = matched.is_some_and(|matched| !matched.value.only_reads)
            && matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
        if let Some(call) = changes.then(|| guard::Call::of(&self.app, request)).flatten() {
            call.note(problem.status);
        }
        problem.into_response()
    }

    /// The answer, once what it needs is online: a request that waits for that is none of those that are
    /// worked on.
    async fn once_online(&self, mut held: Held) -> Response {
        let deadline = held.deadline();
        let mut pause = Duration::ZERO;
        loop {
            let (presented, dataset) = held.reader();
            let waited = self.holds.wait(held, deadline).await;
            // Rules and tokens may have changed meanwhile.
            let still = guard::check_still_reads(&self.app, &presented, dataset.as_str());
            let again = match waited.and_then(|again| still.map(|()| again)) {
                Ok(again) => again,
                Err(problem) => return problem.into_response(),
            };
            // Thousands go on at once: each begins when it has a place among those that are worked on.
            let mut response = self.limited(async { again().await }).await;
            // What was made cold again at once, or other objects that only now are found to be needed.
            let Some(next) = Held::take(&mut response) else { return response };
            if tokio::time::Instant::now() >= deadline {
                // They are asked for all the same, and the answer says where that can be watched.
                return match self.holds.wait(next, deadline).await {
                    Ok(_) => response,
                    Err(problem) => problem.into_response(),
                };
            }
            held = next;
            drop(response);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).clamp(MIN_PAUSE, MAX_PAUSE);
        }
    }

    /// Waits for an answer, within the limits of number and time.
    async fn limited(&self, work: impl Future<Output = Response>) -> Response {
        let work = async {
            let _working = self.working.acquire().await;
            AssertUnwindSafe(work).catch_unwind().await
        };
        let mut work = pin!(work);
        // Most answers are there at once: they need no timer.
        let done = match futures::poll!(work.as_mut()) {
            Poll::Ready(done) => Ok(done),
            Poll::Pending => tokio::time::timeout(self.timeout, work).await,
        };
        match done {
            Ok(Ok(response)) => response,
            Ok(Err(panic)) => panicked(panic_text(panic.as_ref())).into_response(),
            Err(_) => self.timed_out().into_response(),
        }
    }

    fn timed_out(&self) -> Problem {
        let detail = format!("the answer took longer than {} s", self.timeout.as_secs());
        Problem::new(&TIMEOUT, detail).with_retry_after(TIMEOUT_RETRY)
    }
}

/// What answers a path.
pub(super) struct Place {
    metrics: Arc<RouteMetrics>,
    /// Whether it is a path of a dataset.
    pub(super) is_of_dataset: bool,
    keys: Option<Arc<dyn KeyHandler>>,
    max_body_bytes: usize,
    /// Whether no method of it changes anything.
    only_reads: bool,
}

fn too_large(headers: &HeaderMap, max_body_bytes: usize) -> Option<Problem> {
    let declared: u64 = headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    let is_too_large = usize::try_from(declared).map_or(true, |declared| declared > max_body_bytes);
    let message = format!("the body has {declared} bytes, at most {max_body_bytes} are taken");
    is_too_large.then(|| Error::new(ErrorKind::TooLarge, message).into())
}

/// How many bytes an answer sends, for what it is known of: streams announce theirs.
fn len_bytes(response: &Response, method: &Method) -> u64 {
    let body = http_body::Body::size_hint(response.body());
    let announced = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    match body.exact() {
        Some(len_bytes) => len_bytes,
        None if method == Method::HEAD => 0,
        None => announced().unwrap_or(body.lower()),
    }
}

/// What the panic said is for the log only.
fn panicked(message: String) -> Problem {
    Error::internal("the request could not be answered").with_source(format!("panic: {message}")).into()
}

/// A trailing slash never changes the answer: it is gone before the routes.
fn without_trailing_slash(request: &mut Request) {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || path.len() == 1 {
        return;
    }
    let trimmed = if trimmed.is_empty() { "/" } else { trimmed };
    let target = match request.uri().query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = target.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or_else(|| uri.path(), http::uri::PathAndQuery::as_str)
}

/// Makes ids of requests: a number of this process, and a count.
struct RequestIds {
    process: u32,
    next: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        let random = RandomState::new().build_hasher().finish();
        Self { process: u32::try_from(random >> 32).unwrap_or_default(), next: AtomicU64::new(1) }
    }

    /// The id that the request brings, if it is a plain word; else a new one.
    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(brought) = headers.get(X_REQUEST_ID).filter(|value| is_plain(value.as_bytes())) {
            return brought.clone();
        }
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = BytesMut::with_capacity(MAX_OWN_ID_BYTES);
        // Writing into a buffer does not fail.
        let _ = write!(id, "{:08x}-{count:x}", self.process);
        HeaderValue::from_maybe_shared(id.freeze()).unwrap_or(HeaderValue::from_static("none"))
    }
}

fn is_plain(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= MAX_REQUEST_ID_BYTES && id.iter().all(is_allowed)
}
