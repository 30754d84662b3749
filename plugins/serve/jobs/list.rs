//! All jobs.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, json};
use thermocline_core::jobs::{JobFilter, JobId, JobPlace, JobState};
use thermocline_core::staging::Owner;
use thermocline_http::identity::Right;
use thermocline_http::jobs::{JobDocument, JobsEngine};
use thermocline_http::links::{BaseUrl, segment};
use thermocline_http::live;
use thermocline_http::query::Query;
use thermocline_http::{AppState, Identity, Problem};

use crate::job::is_there;

/// How often jobs are looked for that fill a page, and how many at a time from the second time on: a list ends where so many
/// in a row are not there for the client.
const MAX_LOOKS: usize = 20;
const MAX_LOOKED_AT: usize = 1000;

/// Jobs of an owner, newest first.
pub(crate) async fn list(
    State(app): State<AppState>,
    JobsEngine(jobs): JobsEngine,
    who: Identity,
    base: BaseUrl,
    query: Query,
    parts: Parts,
) -> Result<Response, Problem> {
    let limit = limit(&query)?;
    let mut filter = JobFilter {
        kind: query.value("kind"),
        state: query.value("state").map(|state| job_state(&state)).transpose()?,
        owner: listed_owner(&app, &who, &query)?,
        after: query.value("cursor").map(|cursor| place(&cursor)).transpose()?,
        limit: limit.saturating_add(1),
    };
    // Those that are not there for the client fill no page, and no cursor names them.
    let mut found = Vec::new();
    for _ in 0..MAX_LOOKS {
        let some = jobs.list(&filter).await?;
        let is_last = some.len() < filter.limit;
        filter.after = some.last().map(|job| JobPlace { created_ns: job.created_ns, id: job.id.clone() });
        found.extend(some.into_iter().filter(|job| is_there(&app, &who, job)));
        if is_last || found.len() > limit {
            break;
        }
        filter.limit = MAX_LOOKED_AT;
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more).map(|job| format!("{}.{}", job.created_ns, job.id));
    let next = last.map(|cursor| next_url(&base, &query, &cursor));
    let documents: Vec<JobDocument> =
        found.iter().map(|job| JobDocument::new(job, &base, Map::new())).collect();
    live::json(&parts, StatusCode::OK, &json!({"jobs": documents, "next": next}))
}

fn limit(query: &Query) -> Result<usize, Problem> {
    let Some(text) = query.value("limit") else { return Ok(100) };
    let limit = text.parse().ok().filter(|limit| (1..=1000).contains(limit));
    limit.ok_or_else(|| Problem::invalid_input(format!("limit '{text}' is none of 1 to 1000")))
}

fn job_state(text: &str) -> Result<JobState, Problem> {
    JobState::parse(text).ok_or_else(|| {
        Problem::invalid_input(format!("'{text}' is no state of a job"))
            .with_allowed(JobState::ALL.map(JobState::as_str))
    })
}

/// Whose jobs are listed: one's own, or for administrators those of anybody.
fn listed_owner(app: &AppState, who: &Identity, query: &Query) -> Result<Option<Owner>, Problem> {
    match query.value("owner") {
        None => Ok(Some(who.owner.clone())),
        Some(owner) if owner == *who.owner.0 => Ok(Some(who.owner.clone())),
        Some(_) if !who.may_administer => Err(who.refusal(app, Right::Administer)),
        Some(owner) if owner == "*" => Ok(None),
        Some(owner) => Ok(Some(Owner(owner.into()))),
    }
}

fn place(cursor: &str) -> Result<JobPlace, Problem> {
    let found = cursor.split_once('.').and_then(|(created_ns, id)| {
        Some(JobPlace { created_ns: created_ns.parse().ok()?, id: JobId(id.into()) })
    });
    found.ok_or_else(|| Problem::invalid_input(format!("cursor '{cursor}' is none of this list")))
}

fn next_url(base: &BaseUrl, query: &Query, cursor: &str) -> String {
    let kept = ["kind", "state", "owner", "limit"].into_iter().filter_map(|name| {
        let value = query.value(name)?;
        Some(format!("{name}={}&", segment(&value)))
    });
    format!("{}/jobs?{}cursor={cursor}", base.0, kept.collect::<String>())
}
