//! A small picture of a dataset, for catalogs and its page. It recalls nothing: what is cold, or too large to be read for
//! a thumbnail, is a grey picture until it was drawn.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Method};
use quick_cache::sync::Cache;
use serde_json::Map;
use thermocline_core::manifest::Manifest;
use thermocline_core::select::ResolvedAxis;
use thermocline_http::conditional::{Representation, precondition, respond, respond_head};
use thermocline_http::{AccessMethod, AppState, OpenDataset, Problem};
use thermocline_plot::{Format, Plan, Plotter, Request};
use thermocline_render::{Image, encode};
use thermocline_search::{CubeVariable, Summary};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::debug;

use crate::api::Api;
use crate::cold::cold_objects;
use crate::form;

/// Path of the thumbnail below a dataset.
pub(crate) const PATH: &str = "/plot/thumbnail.png";

/// Width of thumbnails in pixels.
const WIDTH: u32 = 320;

/// Least and most height for that width.
const HEIGHTS: (f64, f64) = (120.0, 400.0);

/// Most bytes of decoded values that a thumbnail is made of.
const MAX_BYTES: u64 = 256 << 20;

/// Most variables of which one is looked for that has a map.
const MAX_LOOKED_AT: usize = 20;

/// How long a thumbnail waits for its turn, before it is a grey picture.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// When one that could not be drawn is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(600);

/// Most thumbnails of which is known that they could not be drawn.
const MAX_FAILED: usize = 10_000;

/// Grey of the picture without data.
const GREY: [u8; 4] = [0xd5, 0xdb, 0xe1, u8::MAX];

static PLACEHOLDER: LazyLock<Bytes> = LazyLock::new(|| {
    let (width, height) = (WIDTH, WIDTH / 2);
    let image = Image { width, height, pixels: GREY.repeat(width as usize * height as usize) };
    encode::png(&image).unwrap_or_default().into()
});

/// What is known of thumbnails beside their pictures.
pub(crate) struct Thumbnails {
    /// Held by the one that is drawn.
    turn: Mutex<()>,
    /// When one could not be drawn, by its entity tag.
    failed: Cache<Arc<str>, Instant>,
}

impl Thumbnails {
    /// Nothing drawn yet.
    pub(crate) fn new() -> Self {
        Self { turn: Mutex::new(()), failed: Cache::new(MAX_FAILED) }
    }
}

/// How catalogs name the thumbnail of a dataset; `None` if none of its variables has a picture.
pub(crate) fn access_method(summary: &Summary) -> Option<AccessMethod> {
    summary.data_variables().find(|variable| has_picture(variable))?;
    Some(AccessMethod {
        name: "thumbnail".to_owned(),
        title: "Preview",
        path: PATH.to_owned(),
        media_type: form::PNG,
        xarray_call: None,
        roles: &["thumbnail"],
        fields: Map::new(),
        thredds_service: None,
        intake_method: None,
    })
}

/// True for numbers along at least one dimension.
fn has_picture(variable: &CubeVariable) -> bool {
    let is_number = ["float", "int", "uint"].iter().any(|kind| variable.dtype.starts_with(kind));
    is_number && !variable.shape.is_empty()
}

/// The thumbnail of a dataset.
pub(crate) async fn show(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    parts: Parts,
) -> Result<Response, Problem> {
    let summary = app.search.describe(&manifest).await?;
    let plotter = api.plotter(&app.reader);
    let Some(plan) = plan(&plotter, &manifest, &summary).await else {
        return Err(Problem::not_found(format!("no variable of dataset '{}' has a picture", manifest.id)));
    };
    let representation = Representation {
        media_type: form::PNG,
        etag: plan.etag(),
        modified: None,
        max_age: app.config.metadata_max_age,
    };
    if let Some(response) = precondition(&parts.headers, &representation) {
        return Ok(response);
    }
    if parts.method == Method::HEAD {
        return Ok(respond_head(&parts.headers, &representation, None));
    }
    match picture(&api, &app, &plotter, plan).await {
        Some(picture) => Ok(respond(&parts.method, &parts.headers, &representation, picture)),
        None => Ok(placeholder()),
    }
}

fn placeholder() -> Response {
    let mut response = Response::new(PLACEHOLDER.clone().into());
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(form::PNG));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The picture, if it is at hand or can be drawn of what is online.
async fn picture(api: &Api, app: &AppState, plotter: &Arc<Plotter>, plan: Plan) -> Option<Bytes> {
    if let Some(picture) = api.pictures.get(&plan.etag()) {
        return Some(picture);
    }
    let is_cold =
        cold_objects(&app.reader, &plan.clone().into(), &[]).await.map_or(true, |cold| !cold.is_empty());
    if is_cold || decoded_bytes(&plan) > MAX_BYTES {
        return None;
    }
    let dataset = plan.manifest.id.clone();
    let etag: Arc<str> = plan.etag().into();
    if api.thumbnails.failed.get(&etag).is_some_and(|at| at.elapsed() < TRY_AGAIN) {
        return None;
    }
    // Catalogs show many at once: plots that somebody asked for do not wait for all of them.
    let _turn = tokio::time::timeout(MAX_WAIT, api.thumbnails.turn.lock()).await.ok()?;
    match api.pictures.get_or_draw(plotter, plan).await {
        Ok(picture) => Some(picture),
        Err(trouble) => {
            let problem = Problem::from(trouble);
            debug!(%dataset, error = %problem.error, "no thumbnail was drawn");
            api.thumbnails.failed.insert(etag, Instant::now());
            None
        }
    }
}

/// Bytes of all that is selected, decoded.
fn decoded_bytes(plan: &Plan) -> u64 {
    let Some(selected) = plan.selected.variables.first() else { return 0 };
    let lens = selected.axes.iter().map(ResolvedAxis::n_selected);
    lens.fold(size_of::<f64>() as u64, u64::saturating_mul)
}

/// The plot of the first variable with a map, else of the first that has a picture at all.
async fn plan(plotter: &Plotter, manifest: &Arc<Manifest>, summary: &Summary) -> Option<Plan> {
    let mut other = None;
    for variable in summary.data_variables().filter(|variable| has_picture(variable)).take(MAX_LOOKED_AT) {
        let pairs = words(summary);
        let request = Request::parse(&variable.name, Format::Png, None, &pairs);
        let Ok(request) = request else { continue };
        match plotter.plan(manifest, request).await {
            Ok(plan) if plan.placement.is_some() => return Some(plan),
            Ok(plan) => other = other.or(Some(plan)),
            // What keeps it from being drawn is told where it is asked for.
            Err(_) => {}
        }
    }
    other
}

/// The options of a thumbnail: the data alone, where they lie.
fn words(summary: &Summary) -> Vec<(String, String)> {
    let mut words = vec![("frame", "none".to_owned()), ("width", WIDTH.to_string())];
    let mut height = f64::from(WIDTH) / 2.0;
    if let Some([west, south, east, north]) = summary.extent.as_ref().map(|extent| extent.bbox) {
        let (columns, rows) = ((east - west).rem_euclid(360.0), north - south);
        let is_part = columns > 0.0 && columns < 350.0 && rows > 0.0;
        if is_part {
            words.push(("extent", format!("{west},{east},{south},{north}")));
            height = f64::from(WIDTH) * rows / columns;
        }
    }
    let (least, most) = HEIGHTS;
    words.push(("height", format!("{:.0}", height.clamp(least, most))));
    words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
