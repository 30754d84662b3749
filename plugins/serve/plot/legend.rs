//! The colour bar of a plot alone.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::Method;
use http::request::Parts;
use thermocline_core::ErrorKind;
use thermocline_http::conditional::{Representation, precondition, respond, respond_head};
use thermocline_http::problem::UNDRAWABLE;
use thermocline_http::{AppState, OpenDataset, Problem};
use thermocline_plot::{Failure, Format};

use crate::address::Address;
use crate::api::Api;
use crate::trouble::{Trouble, problem};

/// What is said of a colour bar whose ends nobody knows: a legend alone is not worth a recall.
const COLD: &str = "the ends of the range come from data on a cold store, which legends do not bring online: give vmin and \
    vmax, or ask for the plot first";

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
    let words = address.words(address.format);
    let subject = api.subject(&app.reader, &manifest, words).await.map_err(problem)?;
    let representation = Representation {
        media_type: address.format.media_type(),
        etag: format!("legend-{}", subject.plan.etag()),
        modified: None,
        max_age: app.config.metadata_max_age,
    };
    if let Some(response) = precondition(&parts.headers, &representation) {
        return Ok(response);
    }
    if parts.method == Method::HEAD {
        return Ok(respond_head(&parts.headers, &representation, None));
    }
    let draw = move |cancel| async move {
        let plan = subject.computed(&plotter, &cancel).await?;
        Ok(plotter.draw_legend(&plan, &cancel).await?.body)
    };
    let body = match api.pictures.get_or_make(representation.etag.as_str().into(), draw).await {
        Err(Trouble(Failure::Core(error))) if error.kind() == ErrorKind::NotStaged => {
            return Err(Problem::new(&UNDRAWABLE, COLD));
        }
        drawn => drawn?,
    };
    Ok(respond(&parts.method, &parts.headers, &representation, body))
}
