//! What of a dataset can be plotted.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use serde_json::{Value, json};
use thermocline_core::Result;
use thermocline_core::manifest::{Manifest, blocking};
use thermocline_http::conditional::vary_on_accept;
use thermocline_http::html::{Escaped, link, page};
use thermocline_http::links::{BaseUrl, segment};
use thermocline_http::negotiate::Form;
use thermocline_http::{AppState, OpenDataset, Problem};
use thermocline_plot::{Kind, Placement};
use thermocline_search::{CubeVariable, Summary};

use crate::answer::document;
use crate::form;

/// Most variables that are listed.
const MAX_VARIABLES: usize = 500;

/// A variable that can be plotted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plottable {
    /// Path of the variable.
    pub(crate) path: String,
    /// Name for people, with units.
    pub(crate) title: String,
    /// Dimensions with their lengths.
    pub(crate) dims: Vec<(String, u64)>,
    /// The kinds that suit it, the default first.
    pub(crate) kinds: Vec<Kind>,
}

impl Plottable {
    /// That of a variable; `None` for texts and for single values.
    fn of(manifest: &Manifest, found: &CubeVariable) -> Option<Self> {
        let variable = manifest.dataset.root.variable(&found.name)?;
        if !variable.dtype.is_number() || found.shape.is_empty() {
            return None;
        }
        let name = found.long_name.as_deref().or(found.standard_name.as_deref()).unwrap_or(&found.name);
        let units = found.unit.as_deref().filter(|units| !matches!(*units, "" | "1"));
        let title = units.map_or_else(|| name.to_owned(), |units| format!("{name} [{units}]"));
        // Coordinates that contradict each other are told when the variable is plotted.
        let placement = Placement::of(manifest, &found.name, variable).ok().flatten();
        Some(Self {
            path: found.name.clone(),
            title,
            dims: found.dimensions.iter().cloned().zip(found.shape.iter().copied()).collect(),
            kinds: kinds(placement.as_ref(), found.shape.len()),
        })
    }

    /// All of a dataset, at most [`MAX_VARIABLES`]. Blocking.
    pub(crate) fn all(manifest: &Manifest, summary: &Summary) -> Vec<Self> {
        let variables = summary.data_variables().take(MAX_VARIABLES);
        variables.filter_map(|variable| Self::of(manifest, variable)).collect()
    }
}

fn kinds(placement: Option<&Placement>, n_dims: usize) -> Vec<Kind> {
    let mut kinds = match placement {
        Some(placement) if placement.row_axis.is_some() => {
            vec![Kind::Image, Kind::Contour, Kind::ContourFilled]
        }
        Some(_) => vec![Kind::Image, Kind::Scatter],
        None => Vec::new(),
    };
    if n_dims == 1 && placement.is_none() {
        kinds.push(Kind::Line);
    }
    if n_dims > 1 {
        kinds.push(Kind::Section);
        kinds.push(Kind::Line);
    }
    kinds.push(Kind::Histogram);
    kinds
}

/// Variables that can be plotted, with links to their plots.
pub(crate) async fn list(
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let form = Form::of(&parts)?;
    let found = plottable(&app, &manifest).await?;
    let body = match form {
        Form::Json => listed(&manifest, &found, &base).to_string().into_bytes(),
        Form::Html => {
            page(&format!("Plots of {}", manifest.id), &list_body(&manifest, &found, &base)).into_bytes()
        }
    };
    let media_type = if form == Form::Json { form::JSON } else { form::HTML };
    Ok(vary_on_accept(document(&parts, media_type, body)))
}

/// What of a dataset can be plotted.
pub(crate) async fn plottable(app: &AppState, manifest: &Arc<Manifest>) -> Result<Vec<Plottable>> {
    let summary = app.search.describe(manifest).await?;
    let manifest = Arc::clone(manifest);
    blocking(move || Ok(Plottable::all(&manifest, &summary))).await
}

fn listed(manifest: &Manifest, found: &[Plottable], base: &BaseUrl) -> Value {
    let plots = format!("{}/plot", base.dataset(manifest.id.as_str()));
    let variables: Vec<Value> = found
        .iter()
        .map(|Plottable { path: name, title, dims, kinds }| {
            let href = format!("{plots}/{}", segment(name));
            let dims: Vec<Value> =
                dims.iter().map(|(dim, len)| json!({"name": dim, "length": len})).collect();
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            let links: Vec<Value> = thermocline_plot::Format::ALL
                .iter()
                .filter(|(word, _)| *word != "gif")
                .map(|(word, format)| {
                    json!({"rel": "plot", "type": format.media_type(), "href": format!("{href}.{word}")})
                })
                .collect();
            json!({"name": name, "title": title, "dims": dims, "kinds": kinds, "links": links})
        })
        .collect();
    json!({
        "dataset": manifest.id.as_str(),
        "variables": variables,
        "links": [
            {"rel": "kinds", "href": format!("{}/plot/kinds", base.0)},
            {"rel": "colormaps", "href": format!("{}/plot/colormaps", base.0)},
            {"rel": "projections", "href": format!("{}/plot/projections", base.0)},
        ],
    })
}

fn list_body(manifest: &Manifest, found: &[Plottable], base: &BaseUrl) -> String {
    let id = manifest.id.as_str();
    let dataset = format!("{}/datasets/{}", base.prefix(), segment(id));
    let rows = found.iter().map(|Plottable { path: name, title, dims, kinds }| {
        let href = format!("{dataset}/plot/{}.html", segment(name));
        let dims: Vec<String> = dims.iter().map(|(dim, len)| format!("{}: {len}", Escaped(dim))).collect();
        let kinds: Vec<String> =
            kinds.iter().map(|kind| link(&format!("{href}?kind={}", kind.name()), kind.name())).collect();
        format!(
            "<tr><td><code>{}</code></td><td>{}</td><td class=\"muted\">({})</td><td>{}</td></tr>",
            link(&href, name),
            Escaped(title),
            dims.join(", "),
            kinds.join(" · ")
        )
    });
    let rows: String = rows.collect();
    let shown = if rows.is_empty() {
        "<p>No variable of this dataset has a picture.</p>".to_owned()
    } else {
        format!("<table>{rows}</table>")
    };
    format!(
        "<h1>Plots of {}</h1>{shown}<p>{}</p>",
        link(&dataset, id),
        link(&format!("{}/plot/colormaps", base.prefix()), "colour maps")
    )
}
