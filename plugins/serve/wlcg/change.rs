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

/// What calls that name files of a request come with.
type Call = (Extension<Arc<Api>>, State<AppState>, Path<String>, MayStage, Engine);

/// How the interest in files ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Cancel,
    Release,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Release => "release",
        }
    }
}

/// Drops the interest in some files; those that are online already stay completed, and lose their pins. A path that is not
/// of the request is 400, and nothing is cancelled then.
pub(crate) async fn cancel(call: Call, body: Body) -> Result<Response, Problem> {
    end(Ending::Cancel, call, body).await
}

/// Ends the pins on some files. One that was cancelled or released before has none, which is no error.
pub(crate) async fn release(call: Call, body: Body) -> Result<Response, Problem> {
    end(Ending::Release, call, body).await
}

async fn end(ending: Ending, call: Call, body: Body) -> Result<Response, Problem> {
    let (Extension(api), State(app), Path(id), MayStage(who), Engine(staging)) = call;
    let request = own((&app, &staging), &who, &id, ending.as_str()).await?;
    let paths = paths(&api, body).await?;
    let answer = match ending {
        _ if paths.is_empty() => Ok(()),
        Ending::Cancel => staging.cancel_objects(&request.id, paths).await.map(drop),
        Ending::Release => staging.release(&request.id, Some(paths)).await.map(drop),
    };
    ended(&who, ending.as_str(), &id, answer)
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
    let request = known((app, staging), who, id).await?;
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
