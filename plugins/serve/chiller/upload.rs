//! Lists of files that are to be recalled.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use thermocline_core::staging::{Face, NewRequest, Wanted};
use thermocline_http::Problem;
use thermocline_http::bodies::Turn;
use thermocline_http::identity::PathsToStage;
use thermocline_http::links::BaseUrl;
use thermocline_http::lists::lines;
use thermocline_http::live::{self, Engine, audit};

use crate::Api;

/// Priority of these requests: their users cannot say one.
const PRIORITY: u8 = 5;

/// Recalls the files that the body names, and answers where to ask for them: a URL and a line end.
pub(crate) async fn upload(
    Extension(api): Extension<Arc<Api>>,
    files: PathsToStage,
    Engine(staging): Engine,
    base: BaseUrl,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let objects = read(&api, &files, body).await;
    let who = &files.who;
    let n_objects = objects.as_ref().map_or(0, |(objects, _)| objects.len());
    let answer = match objects {
        Ok((objects, _turn)) => {
            let new = NewRequest {
                owner: who.owner.clone(),
                face: Face::Chiller,
                objects,
                priority: PRIORITY,
                lifetime: api.settings.lifetime,
                dataset: None,
                idempotency: None,
                notify: None,
            };
            staging.request(new).await.map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    let outcome = match &answer {
        Ok(request) => format!("request {}", request.id),
        Err(problem) => format!("refused with {}", problem.status),
    };
    audit(who, "upload", &format!("{n_objects} objects"), &outcome);
    Ok(live::text(&parts, StatusCode::OK, format!("{}/jobs/{}\n", base.0, answer?.id)))
}

async fn read(api: &Api, files: &PathsToStage, body: Body) -> Result<(Vec<Wanted>, Turn), Problem> {
    let read = api.bodies.read(body).await?;
    let (paths, limit) = (files.paths.clone(), api.settings.max_objects);
    let (objects, turn) = read.work(move |bytes| lines(&paths, bytes, limit)).await?;
    files.check(&objects)?;
    if objects.iter().any(|wanted| wanted.object.is_ok()) {
        return Ok((objects, turn));
    }
    let first = objects.iter().find_map(|wanted| wanted.object.as_ref().err());
    let reason = first.map_or("the body is empty", String::as_str);
    Err(Problem::invalid_input(format!("no line of the list can mean a file: {reason}")))
}
