//! What ends the interest of a request: cancel, release, delete.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use thermocline_core::staging::{Request, Staging};
use thermocline_http::live::{Engine, audit};
use thermocline_http::{AppState, Identity, MayStage, Problem};

use crate::Api;
use crate::body::{self, WrittenPaths};
use crate::paths::squeezed;
use crate::poll::known;

/// Drops the interest in some files; those that are online already stay completed, and lose their pins. A path that is not
/// of the request is 400, and nothing is cancelled then.
pub(crate) async fn cancel(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    (Path(id), MayStage(who)): (Path<String>, MayStage),
    Engine(staging): Engine,
    body: Body,
) -> Result<Response, Problem> {
    let request = own((&app, &staging), &who, &id, "cancel").await?;
    let paths = paths(&api, body).await?;
    let answer = match paths.is_empty() {
        true => Ok(()),
        false => staging.cancel_objects(&request.id, paths).await.map(drop),
    };
    ended(&who, "cancel", &id, answer)
}

/// Ends the pins on some files. One that was cancelled or released before has none, which is no error.
pub(crate) async fn release(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    (Path(id), MayStage(who)): (Path<String>, MayStage),
    Engine(staging): Engine,
    body: Body,
) -> Result<Response, Problem> {
    let request = own((&app, &staging), &who, &id, "release").await?;
    let paths = paths(&api, body).await?;
    let answer = match paths.is_empty() {
        true => Ok(()),
        false => staging.release(&request.id, Some(paths)).await.map(drop),
    };
    ended(&who, "release", &id, answer)
}

/// Cancels a request and forgets it. Recalls that others want go on.
pub(crate) async fn delete(
    State(app): State<AppState>,
    (Path(id), MayStage(who)): (Path<String>, MayStage),
    Engine(staging): Engine,
) -> Result<Response, Problem> {
    let request = own((&app, &staging), &who, &id, "delete").await?;
    let answer = staging.forget(&request.id).await;
    ended(&who, "delete", &id, answer)
}

/// A request that the client may change.
async fn own(
    (app, staging): (&AppState, &Staging),
    who: &Identity,
    id: &str,
    what: &str,
) -> Result<Request, Problem> {
    let request = known(staging, id).await?;
    if who.may_change(&request.owner) {
        return Ok(request);
    }
    audit(who, &format!("wlcg {what}"), id, "refused: of another owner");
    Err(who.not_owner(app, &request.owner, &format!("request '{id}'")))
}

async fn paths(api: &Api, body: Body) -> Result<Vec<String>, Problem> {
    let (read, limit) = (api.bodies.read(body).await?, api.settings.max_objects);
    let work = read.work(move |bytes| {
        let written: WrittenPaths = body::json(bytes)?;
        let paths = written.within(limit)?;
        Ok(paths.iter().map(|path| squeezed(path).into_owned()).collect())
    });
    Ok(work.await?.0)
}

/// The answer of these calls: nothing.
fn ended(
    who: &Identity,
    what: &str,
    id: &str,
    answer: thermocline_core::Result<()>,
) -> Result<Response, Problem> {
    let outcome = match &answer {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("refused: {error}"),
    };
    audit(who, &format!("wlcg {what}"), id, &outcome);
    answer?;
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
