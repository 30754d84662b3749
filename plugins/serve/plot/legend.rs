//! The colour bar of a plot alone.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::Method;
use http::request::Parts;
use thermocline_http::conditional::{Representation, precondition, respond, respond_head, source_modified};
use thermocline_http::{AppState, OpenDataset, Problem};
use thermocline_plot::Format;

use crate::address::Address;
use crate::answer::request;
use crate::api::Api;
use crate::trouble::problem;

/// The colour bar that a plot with the same options has. Data are read only if an end of its range is not given.
pub(crate) async fn show(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    parts: Parts,
) -> Result<Response, Problem> {
    let mut address = Address::of(&manifest, &parts, "legend")?;
    if address.is_negotiated {
        (address.format, address.is_negotiated) = (Format::Png, false);
    }
    if !matches!(address.format, Format::Png | Format::Svg | Format::Json) {
        let detail = format!("'{}' is no form of a legend", address.format.extension());
        return Err(Problem::invalid_input(detail).with_allowed(["png", "svg", "json"]));
    }
    let plotter = api.plotter(&app.reader);
    let plan = plotter.plan(&manifest, request(&address)?).await.map_err(problem)?;
    let representation = Representation {
        media_type: address.format.media_type(),
        etag: format!("legend-{}", plan.etag()),
        modified: source_modified(&manifest.dataset),
        max_age: app.config.metadata_max_age,
    };
    if let Some(response) = precondition(&parts.headers, &representation) {
        return Ok(response);
    }
    if parts.method == Method::HEAD {
        return Ok(respond_head(&parts.headers, &representation, None));
    }
    let draw = move |cancel| async move { Ok(plotter.draw_legend(&plan, &cancel).await?.body) };
    let body = api.pictures.get_or_make(representation.etag.as_str().into(), draw).await?;
    Ok(respond(&parts.method, &parts.headers, &representation, body))
}
