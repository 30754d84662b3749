//! Staging what a selection of a dataset needs: exactly the objects that hold its chunks.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use thermocline_core::select::{Selection, Slice, Value};
use thermocline_http::idempotency::idempotency;
use thermocline_http::links::BaseUrl;
use thermocline_http::live::Engine;
use thermocline_http::ordering::needed;
use thermocline_http::query::Query;
use thermocline_http::{MayStage, OpenDataset, Problem};

use crate::Api;
use crate::body;
use crate::options::{Options, WrittenOptions};
use crate::staged::{Asking, Order, stage as stage_order};
use crate::walk::Unlisted;

/// The body of `POST /datasets/{dataset_id}/stage`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSelection {
    variables: Option<Names>,
    group: Option<String>,
    #[serde(default)]
    sel: Map<String, Json>,
    #[serde(default)]
    isel: Map<String, Json>,
    bbox: Option<Json>,
    time: Option<Json>,
    lifetime: Option<String>,
    priority: Option<u8>,
    dry_run: Option<bool>,
    notify: Option<String>,
}

/// One name, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        match names {
            Names::One(name) => vec![name],
            Names::Several(names) => names,
        }
    }
}

/// Stages the objects of a selection, or says what that would cost.
pub(crate) async fn stage(
    Extension(api): Extension<Arc<Api>>,
    MayStage(who): MayStage,
    Engine(staging): Engine,
    OpenDataset(manifest): OpenDataset,
    (base, query): (BaseUrl, Query),
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let key = idempotency(&parts)?;
    let read = api.bodies.read_within(body, api.settings.max_question_bytes).await?;
    let work = read.work(move |bytes| {
        let selected = selection(body::json(bytes)?)?;
        Ok((selected, key.map(|key| key.with_body(bytes))))
    });
    let (((selection, variables, written), idempotency), _turn) = work.await?;
    let options = Options::new(written, &query, &api.settings)?;
    let objects = needed(&staging, &manifest, &selection, &variables).await?;
    let (unlisted, dataset) = (Unlisted::default(), Some(manifest.id.clone()));
    let order = Order { objects, unlisted, dataset, options, idempotency };
    stage_order(&staging, &api.settings, &Asking { who: &who, base: &base, parts: &parts }, order).await
}

fn selection(written: WrittenSelection) -> Result<(Selection, Vec<String>, WrittenOptions), Problem> {
    let WrittenSelection { variables, group, sel, isel, bbox, time, .. } = written;
    let mut selection = Selection::new();
    if let Some(group) = group {
        selection.group(&group)?;
    }
    for (dim, value) in &sel {
        select(&mut selection, dim, value)?;
    }
    for (dim, positions) in &isel {
        select_positions(&mut selection, dim, positions)?;
    }
    if let Some(bbox) = &bbox {
        select_box(&mut selection, bbox)?;
    }
    if let Some(time) = &time {
        select_time(&mut selection, time)?;
    }
    let options = WrittenOptions {
        lifetime: written.lifetime,
        priority: written.priority,
        dry_run: written.dry_run,
        notify: written.notify,
    };
    Ok((selection, variables.map(Vec::from).unwrap_or_default(), options))
}

/// `{"lat": 45}`, `{"lat": [30, 60]}`, `{"time": "nearest::2000-01-01"}`.
fn select(selection: &mut Selection, dim: &str, value: &Json) -> Result<(), Problem> {
    if let Some((lo, hi)) = pair(value) {
        return Ok(selection.between(dim, end("sel", dim, lo)?, end("sel", dim, hi)?)?);
    }
    let value = scalar(value)
        .ok_or_else(|| malformed("sel", dim, "a value, or a list of the first and the last one"))?;
    Ok(selection.value(dim, value)?)
}

/// `{"time": 0}`, `{"time": [0, 12]}`, `{"time": "0:12:3"}`, as Python counts.
fn select_positions(selection: &mut Selection, dim: &str, positions: &Json) -> Result<(), Problem> {
    let wrong = || malformed("isel", dim, "a position, a list of two, or a slice such as \"0:12\"");
    if let Some((start, stop)) = pair(positions) {
        let position = |end: &Json| match end {
            Json::Null => Ok(None),
            end => end.as_i64().map(Some).ok_or_else(wrong),
        };
        let slice = Slice { start: position(start)?, stop: position(stop)?, step: 1 };
        return Ok(selection.slice(dim, slice)?);
    }
    match (positions.as_i64(), positions.as_str()) {
        (Some(position), _) => Ok(selection.position(dim, position)?),
        (None, Some(text)) => Ok(selection.positions(dim, text)?),
        (None, None) => Err(wrong()),
    }
}

/// `[west, south, east, north]`, or the same as text with commas.
fn select_box(selection: &mut Selection, bbox: &Json) -> Result<(), Problem> {
    if let Some(text) = bbox.as_str() {
        return Ok(selection.query("bbox", text)?);
    }
    let edges: Option<Vec<f64>> = bbox.as_array().and_then(|edges| edges.iter().map(Json::as_f64).collect());
    let edges: Option<[f64; 4]> = edges.and_then(|edges| edges.try_into().ok());
    let edges = edges.ok_or_else(|| {
        Problem::invalid_input("bbox is not made of four numbers: west, south, east, north")
    })?;
    Ok(selection.bounding_box(edges)?)
}

/// `["2000-01", "2000-03"]`, `"2000-01/2000-03"`, or one period.
fn select_time(selection: &mut Selection, time: &Json) -> Result<(), Problem> {
    if let Some((lo, hi)) = pair(time) {
        return Ok(selection.time(end("time", "time", lo)?, end("time", "time", hi)?)?);
    }
    let Some(value) = scalar(time) else {
        return Err(malformed("time", "time", "a time, or a list of the first and the last one"));
    };
    let text = value.to_string();
    let (lo, hi) = text.split_once('/').unwrap_or((&text, &text));
    let open = |end: &str| (!matches!(end, "" | "..")).then(|| Value::from(end));
    Ok(selection.time(open(lo), open(hi))?)
}

/// A list of two.
fn pair(value: &Json) -> Option<(&Json, &Json)> {
    match value.as_array().map(Vec::as_slice) {
        Some([lo, hi]) => Some((lo, hi)),
        _ => None,
    }
}

/// An end of a range; `null` is open.
fn end(option: &str, dim: &str, value: &Json) -> Result<Option<Value>, Problem> {
    if value.is_null() {
        return Ok(None);
    }
    scalar(value)
        .map(Some)
        .ok_or_else(|| malformed(option, dim, "a list of two values, null for an open end"))
}

fn scalar(value: &Json) -> Option<Value> {
    match value {
        Json::String(text) => Some(Value::from(text.as_str())),
        // As it is written: a number of 64 bits is exact, others are those of JSON.
        Json::Number(number) => Some(Value::from(number.to_string().as_str())),
        _ => None,
    }
}

fn malformed(option: &str, dim: &str, what: &str) -> Problem {
    Problem::invalid_input(format!("{option} of {dim:?} is not {what}"))
}
