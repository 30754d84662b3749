//! A dataset as a page: what xarray's own representation shows, and how to open it.

use std::fmt::Write;

use thermocline_http::AccessMethod;
use thermocline_http::html::{Escaped, attributes, link, shortened};
use thermocline_http::links::{BaseUrl, path, segment};
use thermocline_model::{Dataset, Group};
use thermocline_zarr::attribute_json;

use crate::decoded::{DecodedGroup, DecodedVariable};
use crate::structured;

/// Three lines of Python for each way in which the dataset can be opened.
pub(crate) fn opening(base: &BaseUrl, id: &str, methods: &[AccessMethod]) -> String {
    let mut html = String::new();
    for method in methods {
        let Some(call) = &method.xarray_call else { continue };
        let call = call.replace("{url}", &format!("{}{}", base.dataset(id), method.path));
        let name = Escaped(&method.name);
        let lines = format!("import xarray as xr\nds = {call}\nprint(ds)");
        // Writing into a text does not fail.
        let _ = write!(html, "<p class=\"muted\">{name}</p><pre>{}</pre>", Escaped(&lines));
    }
    html
}

/// A small picture of a dataset at `href`, which leads to its plots; nothing without a picture.
pub(crate) fn preview(href: &str, methods: &[AccessMethod]) -> String {
    let Some(thumbnail) = structured::thumbnail(methods, href) else { return String::new() };
    let (plots, thumbnail) = (Escaped(href), Escaped(&thumbnail));
    format!(
        "<p><a href=\"{plots}/plot\"><img src=\"{thumbnail}\" alt=\"Preview\" width=\"320\" loading=\"lazy\"></a><br>\
         <a href=\"{plots}/plot\">Plots</a></p>"
    )
}

/// Links to the other views of a dataset or a group, whose own address is `href`.
pub(crate) fn views(href: &str, names: &[&str]) -> String {
    let links: Vec<_> = names.iter().map(|name| link(&format!("{href}/{name}"), name)).collect();
    format!("<p>{}</p>", links.join(" · "))
}

/// A group as xarray shows it.
pub(crate) fn group(decoded: &DecodedGroup) -> String {
    let dims = decoded.dims.iter().map(|(name, length)| format!("{}: {length}", Escaped(name)));
    let mut html = format!("<p><b>Dimensions</b>: ({})</p>", dims.collect::<Vec<_>>().join(", "));
    html.push_str(&variables("Coordinates", decoded.coords()));
    html.push_str(&variables("Data variables", decoded.data_vars()));
    if !decoded.attrs.is_empty() {
        let _ = write!(
            html,
            "<details open><summary><b>Attributes</b> ({})</summary>{}</details>",
            decoded.attrs.len(),
            attributes(&decoded.attrs, attribute_json)
        );
    }
    html
}

/// A group on the page of all groups, indented by its depth. `shown` is HTML.
pub(crate) fn branch(group_path: &str, shown: &str) -> String {
    let depth = group_path.split('/').filter(|name| !name.is_empty()).count();
    let heading = format!("<h2><code>/{}</code></h2>", Escaped(group_path));
    format!("<div class=\"group\" style=\"margin-left:{depth}rem\">{heading}{shown}</div>")
}

/// Links to the subgroups of a group at `href_of_groups/{path}`.
pub(crate) fn subgroups(href_of_groups: &str, group_path: &str, group: &Group) -> String {
    let links: Vec<_> = group
        .groups
        .iter()
        .map(|child| {
            let below = if group_path.is_empty() { String::new() } else { format!("{}/", path(group_path)) };
            link(&format!("{href_of_groups}/{below}{}", segment(&child.name)), &child.name)
        })
        .collect();
    if links.is_empty() { String::new() } else { format!("<p><b>Groups</b>: {}</p>", links.join(", ")) }
}

/// What is not served, and why.
pub(crate) fn refusals(dataset: &Dataset) -> String {
    if dataset.refusals.is_empty() {
        return String::new();
    }
    let rows = dataset.refusals.iter().map(|refusal| {
        format!(
            "<tr><td><code>{}</code></td><td class=\"bad\">{}</td></tr>",
            Escaped(&refusal.path),
            Escaped(&refusal.reason)
        )
    });
    format!("<p><b>Not served</b></p><table>{}</table>", rows.collect::<String>())
}

fn variables<'a>(title: &str, variables: impl Iterator<Item = &'a DecodedVariable>) -> String {
    let rows: Vec<String> = variables.map(variable).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("<details open><summary><b>{title}</b> ({})</summary>{}</details>", rows.len(), rows.concat())
}

fn variable(variable: &DecodedVariable) -> String {
    let DecodedVariable { name, dims, shape, dtype, attrs: of_variable, .. } = variable;
    let is_index = dims.as_slice() == std::slice::from_ref(name);
    let class = if is_index { " class=\"dim\"" } else { "" };
    let axes = dims.iter().zip(shape).map(|(dim, length)| format!("{}: {length}", Escaped(dim)));
    let axes = axes.collect::<Vec<_>>().join(", ");
    let long_name =
        of_variable.text("long_name").or_else(|| of_variable.text("standard_name")).unwrap_or_default();
    format!(
        "<details><summary><code{class}>{}</code> <span class=\"muted\">({axes})</span> <code>{}</code> {}</summary>{}</details>",
        Escaped(name),
        Escaped(dtype),
        Escaped(&shortened(long_name)),
        attributes(of_variable, attribute_json)
    )
}
