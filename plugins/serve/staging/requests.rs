//! Handlers of requests.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thermocline_core::staging::{
    ObjectState, Owner, Request, RequestFilter, RequestId, RequestState, Staging, Wanted,
};
use thermocline_http::idempotency::idempotency;
use thermocline_http::identity::{Paths, PathsToStage, Right};
use thermocline_http::links::BaseUrl;
use thermocline_http::lists::{lines, too_long, wanted};
use thermocline_http::live::{self, Engine, audit};
use thermocline_http::problem::WRONG_STATE;
use thermocline_http::query::Query;
use thermocline_http::{App, AppState, Identity, MayStage, Problem};
use thermocline_model::DatasetId;

use crate::Api;
use crate::body::{self, Label, Written};
use crate::documents::{RequestDocument, RequestPage};
use crate::find::{self, Search, WrittenSearch};
use crate::options::{Options, WrittenOptions, bounded_lifetime};
use crate::staged::{Asking, Order, stage};
use crate::walk::Unlisted;

/// Most entries of a JSON list that are read, whatever the configuration allows.
const MAX_LISTED: usize = 10_000_000;

/// The body of `POST /requests` as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRequest<'b> {
    #[serde(borrow)]
    objects: Option<Listed<'b>>,
    root: Option<String>,
    pattern: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    lifetime: Option<String>,
    priority: Option<u8>,
    dry_run: Option<bool>,
    notify: Option<String>,
}

/// What a request names.
enum Named {
    Objects(Vec<Wanted>),
    Pattern(Box<Search>),
}

/// Stages a list of objects, or what matches a pattern.
pub(crate) async fn create(
    Extension(api): Extension<Arc<Api>>,
    files: PathsToStage,
    Engine(staging): Engine,
    base: BaseUrl,
    query: Query,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let (key, label, limit) = (idempotency(&parts)?, Label::of(&parts), api.settings.max_objects);
    let paths = files.paths.clone();
    let read = api.bodies.read(body).await?;
    let work = read.work(move |bytes| {
        let named = named((label, bytes), &paths, limit)?;
        Ok((named, key.map(|key| key.with_body(bytes))))
    });
    let (((named, written), idempotency), _turn) = work.await?;
    let options = Options::new(written, &query, &api.settings)?;
    let (objects, unlisted) = match named {
        Named::Objects(objects) => (objects, Unlisted::default()),
        Named::Pattern(search) => find::all(&api, &staging, *search).await?,
    };
    if let Err(problem) = files.check(&objects) {
        let outcome = format!("refused with {}", problem.status);
        audit(&files.who, "stage", &format!("{} objects", objects.len()), &outcome);
        return Err(problem);
    }
    let order = Order { objects, unlisted, dataset: None, options, idempotency };
    stage(&staging, &api.settings, &Asking { who: &files.who, base: &base, parts: &parts }, order).await
}

/// What a body names, and how that is wanted.
fn named(
    (label, bytes): (Label, &[u8]),
    paths: &Paths,
    limit: usize,
) -> Result<(Named, WrittenOptions), Problem> {
    match label.written(bytes) {
        Written::Lines => Ok((Named::Objects(lines(paths, bytes, limit)?), WrittenOptions::default())),
        Written::Json => named_by(body::json(bytes)?, paths, limit),
    }
}

fn named_by(
    request: WrittenRequest<'_>,
    paths: &Paths,
    limit: usize,
) -> Result<(Named, WrittenOptions), Problem> {
    let WrittenRequest { objects, root, pattern, newer, older, lifetime, priority, dry_run, notify } =
        request;
    let options = WrittenOptions { lifetime, priority, dry_run, notify };
    let search = WrittenSearch { root, pattern, newer, older };
    let named = match objects {
        Some(_) if !search.is_empty() => {
            return Err(Problem::invalid_input("objects and a pattern are two requests: name either"));
        }
        Some(listed) => Named::Objects(listed.wanted(paths, limit)?),
        None if search.is_empty() => {
            return Err(Problem::invalid_input("the body names neither objects nor a root and a pattern")
                .with_allowed(["objects", "root", "pattern"]));
        }
        None => Named::Pattern(Box::new(Search::new(&search, paths)?)),
    };
    Ok((named, options))
}

/// Spellings in a JSON list, a bounded number of them. Of millions none is kept beside the body in which it stands.
#[derive(Debug)]
pub(crate) struct Listed<'b>(Vec<Cow<'b, str>>);

/// One of them.
#[derive(Deserialize)]
struct Entry<'b>(#[serde(borrow)] Cow<'b, str>);

impl<'b> Listed<'b> {
    /// The spellings.
    ///
    /// # Errors
    /// 413 for more than `limit` of them.
    fn within(self, limit: usize) -> Result<Vec<Cow<'b, str>>, Problem> {
        if self.0.len() > limit { Err(too_long(limit)) } else { Ok(self.0) }
    }

    /// What they mean.
    ///
    /// # Errors
    /// 413 for more than `limit` of them.
    pub(crate) fn wanted(self, paths: &Paths, limit: usize) -> Result<Vec<Wanted>, Problem> {
        Ok(self.within(limit)?.iter().map(|spelling| wanted(paths, spelling)).collect())
    }
}

impl<'de: 'b, 'b> Deserialize<'de> for Listed<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListedVisitor)
    }
}

struct ListedVisitor;

impl<'de> Visitor<'de> for ListedVisitor {
    type Value = Listed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of paths, URLs or ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Listed<'de>, A::Error> {
        let mut listed = Vec::new();
        while let Some(Entry(entry)) = entries.next_element()? {
            if listed.len() >= MAX_LISTED {
                return Err(serde::de::Error::custom(format_args!(
                    "more than {MAX_LISTED} entries in a list"
                )));
            }
            listed.push(entry);
        }
        Ok(Listed(listed))
    }
}

/// How often requests are looked for that fill a page, and how many at a time from the second time on: a list ends where so
/// many in a row are not there for the client.
const MAX_LOOKS: usize = 20;
const MAX_LOOKED_AT: usize = 1000;

/// Requests of an owner, newest first.
pub(crate) async fn list(
    State(app): State<AppState>,
    MayStage(who): MayStage,
    Engine(staging): Engine,
    base: BaseUrl,
    query: Query,
    parts: Parts,
) -> Result<Response, Problem> {
    let limit = limit(&query, 100, 1000)?;
    let mut filter = RequestFilter {
        owner: listed_owner(&app, &who, &query)?,
        state: query.value("state").map(|state| request_state(&state)).transpose()?,
        dataset: query.value("dataset").map(dataset_id).transpose()?,
        created_from_ns: query.value("since").map(|time| time_ns("since", &time)).transpose()?,
        created_before_ns: query.value("until").map(|time| time_ns("until", &time)).transpose()?,
        after: query.value("cursor").map(|cursor| RequestId(cursor.into())),
        with_readers: query.value("readers").is_some(),
        limit: limit.saturating_add(1),
    };
    // Those that are not there for the client fill no page, and no cursor names them.
    let mut requests = Vec::new();
    for _ in 0..MAX_LOOKS {
        let found = staging.list(filter.clone()).await?;
        let is_last = found.len() < filter.limit;
        filter.after = found.last().map(|request| request.id.clone());
        requests.extend(found.into_iter().filter(|request| is_there(&app, &who, request)));
        if is_last || requests.len() > limit {
            break;
        }
        filter.limit = MAX_LOOKED_AT;
    }
    let has_more = requests.len() > limit;
    requests.truncate(limit);
    let last = requests.last().filter(|_| has_more).map(|request| request.id.to_string());
    let next = last.map(|cursor| page_url(&base, &parts, &cursor));
    let requests = requests.iter().map(|request| RequestDocument::new(request, &base)).collect();
    live::json(&parts, StatusCode::OK, &RequestPage { requests, next })
}

/// Whose requests are listed: one's own, or for administrators those of anybody.
fn listed_owner(app: &AppState, who: &Identity, query: &Query) -> Result<Option<Owner>, Problem> {
    match query.value("owner") {
        None => Ok(Some(who.owner.clone())),
        Some(owner) if owner == *who.owner.0 => Ok(Some(who.owner.clone())),
        Some(_) if !who.may_administer => Err(who.refusal(app, Right::Administer)),
        Some(owner) if owner == "*" => Ok(None),
        Some(owner) => Ok(Some(Owner(owner.into()))),
    }
}

fn request_state(text: &str) -> Result<RequestState, Problem> {
    let states = [
        RequestState::Queued,
        RequestState::Active,
        RequestState::Succeeded,
        RequestState::Partial,
        RequestState::Failed,
        RequestState::Cancelled,
    ];
    states.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        Problem::invalid_input(format!("'{text}' is no state of a request"))
            .with_allowed(states.map(RequestState::as_str))
    })
}

fn dataset_id(text: String) -> Result<DatasetId, Problem> {
    DatasetId::new(text.as_str()).map_err(|_| Problem::invalid_input(format!("'{text}' names no dataset")))
}

/// A request as it stands.
pub(crate) async fn show(
    (State(app), Path(id)): (State<AppState>, Path<String>),
    Engine(staging): Engine,
    (who, base): (Identity, BaseUrl),
    parts: Parts,
) -> Result<Response, Problem> {
    let request = known((&app, &staging), &who, &id).await?;
    live::json(&parts, StatusCode::OK, &RequestDocument::new(&request, &base))
}

/// Drops a request's interest and its pins.
pub(crate) async fn cancel(
    (State(app), Path(id)): (State<AppState>, Path<String>),
    MayStage(who): MayStage,
    Engine(staging): Engine,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let request = own((&app, &staging), &who, &id, "cancel").await?;
    let answer = staging.cancel(&request.id).await;
    audit(&who, "cancel", &id, outcome(answer.is_ok()));
    live::json(&parts, StatusCode::OK, &RequestDocument::new(&answer?, &base))
}

/// Which pins end.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRelease<'b> {
    #[serde(borrow)]
    paths: Option<Listed<'b>>,
}

/// The spellings whose pins end; `None` for all of the request.
fn released(bytes: &[u8], limit: usize) -> Result<Option<Vec<String>>, Problem> {
    let WrittenRelease { paths } = body::json(bytes)?;
    let paths = paths.map(|paths| paths.within(limit)).transpose()?;
    Ok(paths.map(|paths| paths.into_iter().map(Cow::into_owned).collect()))
}

/// Ends pins.
pub(crate) async fn release(
    Extension(api): Extension<Arc<Api>>,
    (State(app), Path(id)): (State<AppState>, Path<String>),
    MayStage(who): MayStage,
    Engine(staging): Engine,
    base: BaseUrl,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let request = own((&app, &staging), &who, &id, "release").await?;
    let read = api.bodies.read(body).await?;
    let limit = api.settings.max_objects;
    let (paths, _turn) = read.work(move |bytes| released(bytes, limit)).await?;
    let answer = staging.release(&request.id, paths).await;
    audit(&who, "release", &id, outcome(answer.is_ok()));
    live::json(&parts, StatusCode::OK, &RequestDocument::new(&answer?, &base))
}

/// For how long pins are kept.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenExtension {
    lifetime: Option<String>,
}

fn extension(bytes: &[u8]) -> Result<WrittenExtension, Problem> {
    body::json(bytes)
}

/// Keeps pins for a lifetime from now.
pub(crate) async fn extend(
    Extension(api): Extension<Arc<Api>>,
    (State(app), Path(id)): (State<AppState>, Path<String>),
    MayStage(who): MayStage,
    Engine(staging): Engine,
    (base, query): (BaseUrl, Query),
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let request = own((&app, &staging), &who, &id, "extend").await?;
    let read = api.bodies.read_within(body, api.settings.max_question_bytes).await?;
    let (written, _turn) = read.work(extension).await?;
    let lifetime = match written.lifetime.or_else(|| query.value("lifetime")) {
        Some(text) => bounded_lifetime(&text, &api.settings)?,
        None => api.settings.default_lifetime,
    };
    if request.state.is_ended() && request.tally(ObjectState::Hot).n == 0 {
        let detail =
            format!("request '{id}' is {} and pins nothing that could be kept", request.state.as_str());
        return Err(Problem::new(&WRONG_STATE, detail));
    }
    let answer = staging.extend(&request.id, lifetime).await;
    audit(&who, "extend", &id, outcome(answer.is_ok()));
    live::json(&parts, StatusCode::OK, &RequestDocument::new(&answer?, &base))
}

/// The request of that name.
///
/// # Errors
/// 404 if there is none, or none any more, or it concerns a dataset that is not there for this client.
pub(crate) async fn known(
    (app, staging): (&App, &Staging),
    who: &Identity,
    id: &str,
) -> Result<Request, Problem> {
    let request = staging.get(&RequestId(id.into())).await?;
    request.filter(|request| is_there(app, who, request)).ok_or_else(|| unknown(id))
}

/// True if a client may know of a request: if it may read the dataset that the request concerns.
pub(crate) fn is_there(app: &App, who: &Identity, request: &Request) -> bool {
    who.sees_of(app, &request.owner, request.dataset.as_ref().map(DatasetId::as_str))
}

/// The problem of a request that does not exist.
pub(crate) fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("Request '{id}' not found"))
}

async fn own(
    (app, staging): (&AppState, &Staging),
    who: &Identity,
    id: &str,
    what: &str,
) -> Result<Request, Problem> {
    let request = known((app, staging), who, id).await?;
    if who.may_change_of(app, &request.owner, request.dataset.as_ref().map(DatasetId::as_str)) {
        return Ok(request);
    }
    let problem = who.not_owner(app, &request.owner, &format!("request '{id}'"));
    audit(who, what, id, &format!("refused with {}", problem.status));
    Err(problem)
}

fn outcome(is_done: bool) -> &'static str {
    if is_done { "done" } else { "failed" }
}

/// How many entries a page has.
///
/// # Errors
/// 400 for what is no number of them.
pub(crate) fn limit(query: &Query, usual: usize, most: usize) -> Result<usize, Problem> {
    let Some(text) = query.value("limit") else { return Ok(usual) };
    let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| Problem::invalid_input(format!("limit '{text}' is none of 1 to {most}")))
}

/// A time in a query as nanoseconds since 1970.
///
/// # Errors
/// 400 that names the parameter.
pub(crate) fn time_ns(name: &str, text: &str) -> Result<i64, Problem> {
    let day = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = humantime::parse_rfc3339_weak(&day).ok();
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let time_ns = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
    time_ns.ok_or_else(|| {
        Problem::invalid_input(format!("{name} '{text}' is no time in UTC such as 2026-03-01T12:00:00Z"))
    })
}

/// The address of the next page: this one with another cursor.
pub(crate) fn page_url(base: &BaseUrl, parts: &Parts, cursor: &str) -> String {
    let query = parts.uri.query().unwrap_or_default();
    let kept = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("cursor"));
    let kept: String = kept.map(|pair| format!("{pair}&")).collect();
    let path = parts.uri.path().trim_end_matches('/');
    format!("{}{path}?{kept}cursor={}", base.0, thermocline_http::links::segment(cursor))
}
