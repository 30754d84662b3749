//! The page of a result: what xarray shows of it, a picture, and how to get it. Computes nothing; needs no script.

use std::fmt::Write;
use std::sync::Arc;

use axum::response::Response;
use http::request::Parts;
use thermocline_core::Result;
use thermocline_core::manifest::{Manifest, blocking};
use thermocline_groupby::{Described, Options, Plan};
use thermocline_http::conditional::{Representation, content_tag, respond};
use thermocline_http::html::{Escaped, attributes, link, page, shortened};
use thermocline_http::links::{BaseUrl, segment};
use thermocline_http::{App, Problem};
use thermocline_model::{ArrayBytes, Variable};
use thermocline_zarr::attribute_json;

use crate::column::{Column, Kind};
use crate::form::{Form, HTML};
use crate::plans::Planned;
use crate::sheet::decoded_attrs;
use crate::text;

/// Most labels of a coordinate on a page, from its beginning and its end together.
const MAX_LABELS: usize = 24;

/// Answers with the page of a result.
///
/// # Errors
/// Those of describing the result.
pub(crate) async fn answer(
    app: &App,
    planned: &Planned,
    (base, parts): (&BaseUrl, &Parts),
) -> Result<Response, Problem> {
    let (described, manifest) = planned.described().await?;
    let address = PageAddress {
        base: base.clone(),
        canonical: planned.plan.canonical_path(),
        picture: picture(app, base, &planned.plan, manifest),
    };
    let (described, plan) = (Arc::clone(described), Arc::clone(&planned.plan));
    let html = blocking(move || Ok(html(&plan, &described, &address))).await?;
    let representation = Representation {
        media_type: HTML,
        // The page depends on where the server is, too.
        etag: content_tag(html.as_bytes()),
        modified: None,
        max_age: app.config.metadata_max_age,
    };
    Ok(respond(&parts.method, &parts.headers, &representation, html.into()))
}

/// Where a page links to.
struct PageAddress {
    base: BaseUrl,
    /// Path of the result below the root of the server.
    canonical: String,
    /// Address of a picture of the result, if there is one.
    picture: Option<String>,
}

/// Address of a plot of the result: of numbers, on a server that draws.
fn picture(app: &App, base: &BaseUrl, plan: &Plan, result: &Manifest) -> Option<String> {
    let is_number = plan.dtype.is_number() && !result.dataset.root.variables.is_empty();
    if !is_number || !app.running().any(|plugin| plugin.id() == "plot") {
        return None;
    }
    let request = &plan.request;
    let (grouper, action) = (segment(&request.grouper_text()), request.action.word());
    let mut address = format!(
        "{}/datasets/{}/plot/{}.png?groupby={grouper}&action={action}",
        base.prefix(),
        segment(plan.manifest.id.as_str()),
        segment(&request.variable),
    );
    for (name, value) in request.pairs() {
        // What selects a plot takes of the result, if that has such a dimension, unless it is told otherwise.
        let of_source = if Options::spec(&name).is_some() || name == "group" {
            format!("&{}={}", segment(&name), segment(&value))
        } else {
            format!("&source={}", segment(&format!("{name}={value}")))
        };
        address.push_str(&of_source);
    }
    Some(address)
}

fn html(plan: &Plan, described: &Described, address: &PageAddress) -> String {
    let request = &plan.request;
    let id = plan.manifest.id.as_str();
    let dataset = format!("{}/datasets/{}", address.base.prefix(), segment(id));
    let words = format!("{} by {}: {}", request.variable, request.grouper_text(), request.action.word());
    let heading = format!(
        "<h1>{} <small class=\"muted\">of {} · {}</small></h1>",
        Escaped(&words),
        link(&dataset, id),
        link(&format!("{dataset}/groupby"), "all groupers"),
    );
    let body =
        [heading, figure(address, &words), opening(address), downloads(plan, address), repr(described)];
    page(&format!("{words} – {id}"), &body.concat())
}

fn figure(address: &PageAddress, words: &str) -> String {
    let Some(picture) = &address.picture else { return String::new() };
    format!(
        "<p><img src=\"{}\" alt=\"{}\" loading=\"lazy\" style=\"max-width:100%\"></p>",
        Escaped(picture),
        Escaped(words)
    )
}

/// The lines that open the result.
fn opening(address: &PageAddress) -> String {
    let url = format!("{}{}/zarr", address.base.0, address.canonical);
    let lines = format!(
        "import xarray as xr\nds = xr.open_dataset(\"{url}\", engine=\"zarr\", chunks={{}})\nprint(ds)"
    );
    format!("<pre>{}</pre>", Escaped(&lines))
}

fn downloads(plan: &Plan, address: &PageAddress) -> String {
    let titles = [
        (Form::NetCdf, "NetCDF"),
        (Form::Csv, "CSV"),
        (Form::Json, "JSON"),
        (Form::Arrow, "Arrow"),
        (Form::Estimate, "what it costs"),
    ];
    let here = format!("{}{}", address.base.prefix(), address.canonical);
    let links = titles.map(|(form, title)| link(&format!("{here}?f={}", form.word()), title));
    let shape: Vec<String> = plan.shape.iter().map(u64::to_string).collect();
    let size =
        if shape.is_empty() { "one value".to_owned() } else { format!("{} values", shape.join(" × ")) };
    format!("<p>{} · {} · {size}</p>", links.join(" · "), link(&format!("{here}/zarr"), "Zarr"))
}

/// The result as xarray shows it, values left out.
fn repr(described: &Described) -> String {
    let root = &described.root;
    let dims = root.dims.iter().map(|dim| format!("{}: {}", Escaped(&dim.name), dim.len));
    let mut html = format!("<p><b>Dimensions</b>: ({})</p>", dims.collect::<Vec<_>>().join(", "));
    let is_coord = |variable: &&Variable| described.coordinates.contains(&variable.name);
    let (coords, others): (Vec<&Variable>, Vec<&Variable>) = root.variables.iter().partition(is_coord);
    html.push_str(&variables("Coordinates", &coords, described));
    html.push_str(&variables("Data variables", &others, described));
    let _ = write!(
        html,
        "<details open><summary><b>Attributes</b> ({})</summary>{}</details>",
        root.attrs.len(),
        attributes(&root.attrs, attribute_json)
    );
    html
}

fn variables(title: &str, variables: &[&Variable], described: &Described) -> String {
    let rows = variables.iter().map(|variable| row(variable, described));
    let n = variables.len();
    format!("<details open><summary><b>{title}</b> ({n})</summary>{}</details>", rows.collect::<String>())
}

fn row(variable: &Variable, described: &Described) -> String {
    let is_index = variable.dims.as_slice() == std::slice::from_ref(&variable.name);
    let class = if is_index { " class=\"dim\"" } else { "" };
    let axes = variable.dims.iter().zip(&variable.shape).map(|(dim, len)| format!("{}: {len}", Escaped(dim)));
    let values = described.values_of(&variable.name);
    let column =
        values.and_then(|values: &Arc<ArrayBytes>| Column::of(variable, &variable.attrs, values).ok());
    let kind = column.as_ref().map(Column::kind).or_else(|| Kind::of(variable));
    let of_variable =
        kind.map_or_else(|| variable.attrs.clone(), |kind| decoded_attrs(&variable.attrs, kind));
    let is_result = variable.name == described.variable;
    format!(
        "<details{}><summary><code{class}>{}</code> <span class=\"muted\">({})</span> <code>{}</code> {}</summary>{}</details>",
        if is_result { " open" } else { "" },
        Escaped(&variable.name),
        axes.collect::<Vec<_>>().join(", "),
        kind.map_or("", Kind::name),
        Escaped(&column.as_ref().map(labels).unwrap_or_default()),
        attributes(&of_variable, attribute_json)
    )
}

/// The first and last values of a coordinate.
fn labels(column: &Column) -> String {
    let n = column.n_cells();
    let shown: Vec<usize> = if n <= MAX_LABELS {
        (0..n).collect()
    } else {
        (0..MAX_LABELS / 2).chain(n - MAX_LABELS / 2..n).collect()
    };
    let mut out = Vec::new();
    for (number, position) in shown.into_iter().enumerate() {
        if number > 0 {
            out.push(b' ');
        }
        if n > MAX_LABELS && number == MAX_LABELS / 2 {
            out.extend_from_slice("… ".as_bytes());
        }
        text::csv(column.cell(position), &mut out);
    }
    shortened(&String::from_utf8_lossy(&out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_coordinates_show_their_ends() {
        let (described, _) = crate::tests::result();
        let time = described.root.variables.iter().find(|variable| variable.name == "time").unwrap();
        let column = Column::of(time, &time.attrs, described.values_of("time").unwrap()).unwrap();
        assert_eq!(labels(&column), "2001-03-01T00:00:00  2001-03-01T12:00:00");
    }

    #[test]
    fn a_result_is_shown_with_its_dimensions_and_attributes() {
        let (described, _) = crate::tests::result();
        let html = repr(&described);
        for part in [
            "<b>Coordinates</b> (3)",
            "<code class=\"dim\">month</code>",
            "int64",
            "1 2",
            "noleap",
            "<td>K</td>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("days since"));
    }
}
