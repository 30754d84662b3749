//! What of a dataset can be plotted.

use std::collections::HashMap;
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
use thermocline_model::Variable;
use thermocline_model::cf::{Horizontal, Scope};
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
    fn of(manifest: &Manifest, found: &CubeVariable, seen: Option<&Seen<'_>>) -> Option<Self> {
        let variable = manifest.dataset.root.variable(&found.name)?;
        if !variable.dtype.is_number() || found.shape.is_empty() {
            return None;
        }
        let name = found.long_name.as_deref().or(found.standard_name.as_deref()).unwrap_or(&found.name);
        let units = found.unit.as_deref().filter(|units| !matches!(*units, "" | "1"));
        let title = units.map_or_else(|| name.to_owned(), |units| format!("{name} [{units}]"));
        // Coordinates that contradict each other are told when the variable is plotted.
        let root = &manifest.dataset.root;
        let placement = seen.and_then(|seen| Placement::within(root, variable, &seen.scope, &seen.others));
        Some(Self {
            path: found.name.clone(),
            title,
            dims: found.dimensions.iter().cloned().zip(found.shape.iter().copied()).collect(),
            kinds: kinds(placement.as_ref(), found.shape.len()),
        })
    }

    /// All of a dataset, at most [`MAX_VARIABLES`]. Blocking.
    pub(crate) fn all(manifest: &Manifest, summary: &Summary) -> Vec<Self> {
        let mut groups: HashMap<&str, Option<Seen<'_>>> = HashMap::new();
        let variables = summary.data_variables().take(MAX_VARIABLES);
        let plottable = variables.filter_map(|variable| {
            let group = variable.name.rsplit_once('/').map_or("", |(group, _)| group);
            let seen = groups.entry(group).or_insert_with(|| Seen::from(manifest, group));
            Self::of(manifest, variable, seen.as_ref())
        });
        plottable.collect()
    }
}

/// What the variables of a group see, looked up once for all of them.
struct Seen<'m> {
    scope: Scope<'m>,
    others: Vec<&'m Variable>,
}

impl<'m> Seen<'m> {
    fn from(manifest: &'m Manifest, group: &str) -> Option<Self> {
        let scope = Scope::at(&manifest.dataset.root, group)?;
        let others = Horizontal::candidates(&scope);
        Some(Self { scope, others })
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
    let (found, n_left_out) = plottable(&app, &manifest).await?;
    let body = match form {
        Form::Json => listed(&manifest, (&found, n_left_out), &base).to_string().into_bytes(),
        Form::Html => {
            page(&format!("Plots of {}", manifest.id), &list_body(&manifest, (&found, n_left_out), &base))
                .into_bytes()
        }
    };
    let media_type = if form == Form::Json { form::JSON } else { form::HTML };
    Ok(vary_on_accept(document(&parts, media_type, body)))
}

/// What of a dataset can be plotted, and how many variables are not listed.
async fn plottable(app: &AppState, manifest: &Arc<Manifest>) -> Result<(Vec<Plottable>, usize)> {
    let summary = app.search.describe(manifest).await?;
    let manifest = Arc::clone(manifest);
    let n_left_out = summary.data_variables().count().saturating_sub(MAX_VARIABLES);
    let found = blocking(move || Ok(Plottable::all(&manifest, &summary))).await?;
    Ok((found, n_left_out))
}

fn listed(manifest: &Manifest, (found, n_left_out): (&[Plottable], usize), base: &BaseUrl) -> Value {
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
        "left_out": n_left_out,
        "links": [
            {"rel": "kinds", "href": format!("{}/plot/kinds", base.0)},
            {"rel": "colormaps", "href": format!("{}/plot/colormaps", base.0)},
            {"rel": "projections", "href": format!("{}/plot/projections", base.0)},
        ],
    })
}

fn list_body(manifest: &Manifest, (found, n_left_out): (&[Plottable], usize), base: &BaseUrl) -> String {
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
    let more = match n_left_out {
        0 => String::new(),
        n => format!(
            "<p>{n} further variables are not listed; their plots have addresses of the same form.</p>"
        ),
    };
    format!(
        "<h1>Plots of {}</h1>{shown}{more}<p>{}</p>",
        link(&dataset, id),
        link(&format!("{}/plot/colormaps", base.prefix()), "colour maps")
    )
}
