//! Lists of files that are to be recalled.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use thermocline_core::Error;
use thermocline_core::staging::{Face, NewRequest, Request, Staging, Wanted};
use thermocline_http::links::BaseUrl;
use thermocline_http::lists::lines;
use thermocline_http::live::{self, Engine, audit};
use thermocline_http::problem::TOO_LARGE;
use thermocline_http::{AppState, MayStage, Problem};

use crate::Api;
use crate::spellings::others;

/// Priority of these requests: their users cannot say one.
const PRIORITY: u8 = 5;

/// Recalls the files that the body names, and answers where to ask for them: a URL and a line end.
pub(crate) async fn upload(
    Extension(api): Extension<Arc<Api>>,
    State(_): State<AppState>,
    MayStage(who): MayStage,
    Engine(staging): Engine,
    base: BaseUrl,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let objects = read(&api, &staging, body).await;
    let n_objects = objects.as_ref().map_or(0, Vec::len);
    let answer = match objects {
        Ok(objects) => {
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
            take(&api, &staging, new).await
        }
        Err(problem) => Err(problem),
    };
    let outcome = match &answer {
        Ok(request) => format!("request {}", request.id),
        Err(problem) => format!("refused with {}", problem.status),
    };
    audit(&who, "upload", &format!("{n_objects} objects"), &outcome);
    Ok(live::text(&parts, StatusCode::OK, format!("{}/jobs/{}\n", base.0, answer?.id)))
}

/// Makes the request; its spellings are on the disk before anyone is told.
async fn take(api: &Api, staging: &Staging, new: NewRequest) -> Result<Request, Problem> {
    let others = others(&new.objects);
    let request = staging.request(new).await?;
    api.lists.keep_spellings(&request.id, others).await?;
    Ok(request)
}

async fn read(api: &Api, staging: &Staging, body: Body) -> Result<Vec<Wanted>, Problem> {
    let _turn = api.uploads.acquire().await;
    let limit = api.settings.max_body_bytes;
    let body = to_bytes(body, limit).await.map_err(|_| {
        let detail = format!("the body broke off, or has more than {limit} bytes");
        Problem::new(&TOO_LARGE, detail).with_field("limit", limit)
    })?;
    let namespace = Arc::clone(staging.namespace());
    let objects = tokio::task::spawn_blocking(move || lines(&namespace, &body)).await;
    let objects = objects.map_err(|_| Error::internal("reading the list stopped by a mistake"))?;
    let limit = api.settings.max_objects;
    if objects.len() > limit {
        let detail = format!("{} files are wanted, a list has at most {limit}", objects.len());
        return Err(Problem::new(&TOO_LARGE, detail).with_field("limit", limit));
    }
    if objects.iter().any(|wanted| wanted.object.is_ok()) {
        return Ok(objects);
    }
    let first = objects.iter().find_map(|wanted| wanted.object.as_ref().err());
    let reason = first.map_or("the body is empty", String::as_str);
    Err(Problem::invalid_input(format!("no line of the list can mean a file: {reason}")))
}
