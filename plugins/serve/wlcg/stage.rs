//! Recalls.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::response::Response;
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use thermocline_core::staging::{Face, IdempotencyKey, NewRequest, Request, Staging, Wanted};
use thermocline_http::bodies::Turn;
use thermocline_http::identity::{Paths, PathsToStage};
use thermocline_http::links::BaseUrl;
use thermocline_http::lists::{too_long, wanted};
use thermocline_http::live::{self, Engine, audit};
use thermocline_http::{Problem, idempotency, lifetime};

use crate::discovery::api_url;
use crate::paths::squeezed;
use crate::{Api, WlcgSettings, body};

/// Priority of these requests: their users cannot say one.
const PRIORITY: u8 = 5;

#[derive(Debug, Deserialize)]
struct WrittenStage {
    files: Vec<WrittenFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenFile {
    path: String,
    disk_lifetime: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StageAnswer {
    request_id: String,
}

/// What is to be staged, and for how long.
#[derive(Debug)]
struct Order {
    objects: Vec<Wanted>,
    lifetime: Duration,
    key: Option<IdempotencyKey>,
}

/// Recalls files: 201 with the name of the request, which is durable. Files that cannot be recalled fail by themselves.
pub(crate) async fn stage(
    Extension(api): Extension<Arc<Api>>,
    (allowed, Engine(staging)): (PathsToStage, Engine),
    (base, parts): (BaseUrl, Parts),
    body: Body,
) -> Result<Response, Problem> {
    let order = read(&api, &allowed, &parts, body).await;
    let n_objects = order.as_ref().map_or(0, |(order, _)| order.objects.len());
    let answer = match order {
        Ok((order, _turn)) => accept(&staging, &allowed, order).await,
        Err(problem) => Err(problem),
    };
    let outcome = match &answer {
        Ok(request) => format!("request {}", request.id),
        Err(problem) => format!("refused with {}", problem.status),
    };
    audit(&allowed.who, "wlcg stage", &format!("{n_objects} files"), &outcome);
    let request_id = answer?.id.to_string();
    let location = HeaderValue::try_from(format!("{}/stage/{request_id}", api_url(&base)));
    let mut response = live::json(&parts, StatusCode::CREATED, &StageAnswer { request_id })?;
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn read(
    api: &Arc<Api>,
    allowed: &PathsToStage,
    parts: &Parts,
    body: Body,
) -> Result<(Order, Turn), Problem> {
    let key = idempotency::idempotency(parts)?;
    let read = api.bodies.read(body).await?;
    let (paths, api) = (allowed.paths.clone(), Arc::clone(api));
    let work = read.work(move |bytes| {
        let order = order(bytes, &paths, &api.settings)?;
        Ok(Order { key: key.map(|key| key.with_body(bytes)), ..order })
    });
    work.await
}

async fn accept(staging: &Staging, allowed: &PathsToStage, order: Order) -> Result<Request, Problem> {
    allowed.check(&order.objects)?;
    let has_key = order.key.is_some();
    let new = NewRequest {
        owner: allowed.who.owner.clone(),
        face: Face::Native,
        objects: order.objects,
        priority: PRIORITY,
        lifetime: order.lifetime,
        dataset: None,
        idempotency: order.key,
        notify: None,
    };
    match has_key {
        true => staging.request(new).await.map_err(idempotency::refused),
        false => Ok(staging.request(new).await?),
    }
}

/// What a body asks for.
fn order(bytes: &[u8], allowed: &Paths, settings: &WlcgSettings) -> Result<Order, Problem> {
    let WrittenStage { files } = body::json(bytes)?;
    if files.is_empty() {
        return Err(Problem::invalid_input("\"files\" names no file"));
    }
    if files.len() > settings.max_objects {
        return Err(too_long(settings.max_objects));
    }
    let lifetime = longest_lifetime(&files, settings)?;
    let mut seen = HashSet::with_capacity(files.len());
    let paths: Vec<_> = files.iter().map(|file| squeezed(&file.path)).collect();
    let objects = paths.iter().filter(|path| seen.insert(&***path)).map(|path| wanted(allowed, path));
    Ok(Order { objects: objects.collect(), lifetime, key: None })
}

/// The lifetime of a request in which none of its files lives shorter than it was asked for.
///
/// # Errors
/// 400 for one that is none, or longer than is granted: none is shortened silently.
fn longest_lifetime(files: &[WrittenFile], settings: &WlcgSettings) -> Result<Duration, Problem> {
    let mut longest = Duration::ZERO;
    let mut last: Option<&str> = None;
    for file in files {
        let found = match file.disk_lifetime.as_deref() {
            // Lists mostly say the same of each file.
            Some(text) if last == Some(text) => continue,
            Some(text) => {
                last = Some(text);
                lifetime::parse(text)?
            }
            None => settings.default_lifetime,
        };
        longest = longest.max(found);
    }
    if longest <= settings.max_lifetime {
        return Ok(longest);
    }
    let limit = lifetime::write(settings.max_lifetime);
    let found = lifetime::write(longest);
    let detail = format!("diskLifetime {found} is longer than {limit}, the longest that is granted");
    Err(Problem::invalid_input(detail).with_field("limit", limit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(body: &str) -> Result<Order, Problem> {
        order(body.as_bytes(), &Paths::all(Arc::default()), &WlcgSettings::default())
    }

    #[test]
    fn no_file_lives_shorter_than_it_was_asked_for() {
        for (lifetimes, seconds) in [
            (&[Some("PT1H"), Some("P3D"), Some("PT1H")][..], 3 * 86_400),
            (&[Some("PT1H"), None], 2 * 86_400),
            (&[Some("PT1H"), Some("PT60S")], 3600),
            (&[None], 2 * 86_400),
        ] {
            let file = |lifetime: &Option<&str>| serde_json::json!({"path": "/a", "diskLifetime": lifetime});
            let files: Vec<_> = lifetimes.iter().map(file).collect();
            let found = of(&serde_json::json!({ "files": files }).to_string()).unwrap();
            assert_eq!(found.lifetime.as_secs(), seconds, "{lifetimes:?}");
        }
    }

    #[test]
    fn a_lifetime_above_the_limit_is_refused_and_the_limit_named() {
        let problem = of(r#"{"files": [{"path": "/a", "diskLifetime": "P31D"}]}"#).unwrap_err();
        assert_eq!(problem.status, 400);
        assert!(problem.detail().contains("P30D"), "{}", problem.detail());
    }

    #[test]
    fn one_path_is_meant_once_however_many_slashes_it_has() {
        let order = of(r#"{"files": [{"path": "/a/b"}, {"path": "//a///b"}, {"path": "/a/%62"}]}"#).unwrap();
        let spellings: Vec<&str> = order.objects.iter().map(|wanted| &*wanted.spelling).collect();
        assert_eq!(spellings, ["/a/b", "/a/%62"]);
    }

    #[test]
    fn bodies_that_say_nothing_are_refused() {
        for body in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"fils": []}"#,
            r#"{"files": []}"#,
            r#"{"files": [{}]}"#,
            r#"{"files": [{"path": 5}]}"#,
            r#"{"files": [{"path": "/a", "diskLifetime": "soon"}]}"#,
            r#"{"files": "/a"}"#,
        ] {
            assert_eq!(of(body).unwrap_err().status, 400, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body in ".{0,60}") {
            let _ = of(&body);
        }
    }
}
