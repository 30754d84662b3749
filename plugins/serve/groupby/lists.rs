//! What of a dataset can be grouped by what, and which results are kept.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use serde_json::{Value, json};
use thermocline_core::Result;
use thermocline_core::manifest::{Manifest, blocking};
use thermocline_groupby::{Action, Component, KeptResult, Options};
use thermocline_http::conditional::{Representation, content_tag, respond, vary_on_accept};
use thermocline_http::html::{Escaped, link, page};
use thermocline_http::links::{BaseUrl, path, segment};
use thermocline_http::negotiate::Form;
use thermocline_http::{AppState, OpenDataset, Problem};
use thermocline_model::Variable;
use thermocline_model::cf::{Calendar, Scope, TimeUnits, along};
use thermocline_search::{Summary, instant_text};

use crate::api::Api;
use crate::form::{HTML, JSON};

/// Most variables that are listed.
const MAX_VARIABLES: usize = 500;

/// Most results that are listed.
const MAX_RESULTS: usize = 1_000;

/// Components whose groups a page links to.
const COMMON: [&str; 4] = ["month", "season", "year", "month_day"];

/// A variable that can be grouped.
#[derive(Debug, Clone, PartialEq)]
struct Groupable {
    path: String,
    title: String,
    dims: Vec<(String, u64)>,
    coordinates: Vec<Coordinate>,
}

/// A coordinate that groups.
#[derive(Debug, Clone, PartialEq)]
struct Coordinate {
    name: String,
    /// Of times, the calendar.
    calendar: Option<Calendar>,
}

impl Coordinate {
    /// Components of times, each by its first word.
    fn components(&self) -> Vec<&'static str> {
        let Some(calendar) = self.calendar else { return Vec::new() };
        let has_weeks = matches!(calendar, Calendar::Standard | Calendar::ProlepticGregorian);
        let mut seen = Vec::new();
        let words = Component::WORDS.iter().filter(|(_, component)| {
            let is_new = !seen.contains(component);
            seen.push(*component);
            is_new && (has_weeks || *component != Component::Week)
        });
        words.map(|(word, _)| *word).collect()
    }
}

impl Groupable {
    /// All of a dataset, at most [`MAX_VARIABLES`].
    fn all(manifest: &Manifest, summary: &Summary) -> Vec<Self> {
        let root = &manifest.dataset.root;
        let variables = summary.data_variables().take(MAX_VARIABLES);
        let found = variables.filter_map(|found| {
            let scope = Scope::at(root, found.name.rsplit_once('/').map_or("", |(group, _)| group))?;
            let variable = root.variable(&found.name)?;
            let name = found.long_name.as_deref().or(found.standard_name.as_deref()).unwrap_or(&found.name);
            let units = found.unit.as_deref().filter(|units| !matches!(*units, "" | "1"));
            Some(Self {
                path: found.name.clone(),
                title: units.map_or_else(|| name.to_owned(), |units| format!("{name} [{units}]")),
                dims: variable.dims.iter().cloned().zip(variable.shape.iter().copied()).collect(),
                coordinates: coordinates(&scope, variable),
            })
        });
        found.collect()
    }
}

/// The coordinates by which a variable can be grouped, of its group and of those above it: those of its dimensions, and the
/// auxiliary ones that lie on some of them.
fn coordinates(scope: &Scope<'_>, variable: &Variable) -> Vec<Coordinate> {
    let named = variable.attrs.text("coordinates").unwrap_or_default();
    let is_named = |name: &str| named.split_whitespace().any(|word| word == name);
    let len_of = |variable: &Variable, dim: &String| {
        variable.dims.iter().zip(&variable.shape).find(|(name, _)| *name == dim).map(|(_, len)| *len)
    };
    let groups = |other: &&Variable| {
        let dims = along(other);
        // A dimension of the same name in a group above may be another one.
        let is_shared =
            |dim: &String| len_of(variable, dim).is_some_and(|len| Some(len) == len_of(other, dim));
        let lies_on_it = !dims.is_empty() && dims.iter().all(is_shared);
        let is_seen = scope.variable(&other.name).is_some_and(|seen| std::ptr::eq(seen, *other));
        let is_index = dims == std::slice::from_ref(&other.name);
        lies_on_it && is_seen && other.name != variable.name && (is_index || is_named(&other.name))
    };
    let found = scope.variables().filter(groups).map(|other| Coordinate {
        name: other.name.clone(),
        calendar: TimeUnits::of(&other.attrs).and_then(std::result::Result::ok).map(|units| units.calendar()),
    });
    found.collect()
}

/// What is listed of a dataset.
struct Listed {
    id: String,
    variables: Vec<Groupable>,
    n_left_out: usize,
    results: Vec<KeptResult>,
}

/// What can be grouped, as a page or JSON.
pub(crate) async fn list(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let form = Form::of_api(&parts)?;
    let summary = app.search.describe(&manifest).await?;
    let mut results = api.engine.current_results(&manifest).await;
    results.truncate(MAX_RESULTS);
    let body = blocking(move || {
        let listed = Listed {
            id: manifest.id.to_string(),
            variables: Groupable::all(&manifest, &summary),
            n_left_out: summary.data_variables().count().saturating_sub(MAX_VARIABLES),
            results,
        };
        Ok(match form {
            Form::Json => document(&listed, &base).to_string(),
            Form::Html => page(&format!("Groups of {}", listed.id), &html(&listed, &base)),
        })
    });
    let body = body.await?.into_bytes();
    let representation = Representation {
        media_type: if form == Form::Json { JSON } else { HTML },
        etag: content_tag(&body),
        modified: None,
        max_age: app.config.metadata_max_age,
    };
    Ok(vary_on_accept(respond(&parts.method, &parts.headers, &representation, body.into())))
}

fn document(listed: &Listed, base: &BaseUrl) -> Value {
    let here = format!("{}/groupby", base.dataset(&listed.id));
    let variables = listed.variables.iter().map(|variable| {
        let dims = variable.dims.iter().map(|(name, len)| json!({"name": name, "length": len}));
        let coordinates = variable
            .coordinates
            .iter()
            .map(|coordinate| json!({"name": coordinate.name, "components": coordinate.components()}));
        json!({
            "name": variable.path,
            "title": variable.title,
            "dims": dims.collect::<Vec<_>>(),
            "groupers": coordinates.collect::<Vec<_>>(),
        })
    });
    let options = Options::all().iter().map(|option| {
        let actions = Action::ALL.iter().filter(|(_, action)| option.goes_with(*action));
        json!({
            "name": option.name,
            "values": option.values,
            "default": option.default,
            "description": option.about,
            "words": option.words,
            "actions": actions.map(|(word, _)| *word).collect::<Vec<_>>(),
        })
    });
    let results = listed.results.iter().map(|result| {
        json!({
            "href": format!("{}{}", base.0, result.path),
            "etag": &*result.etag,
            "result_bytes": result.len_bytes,
            "computed": instant_text(result.when_ns / 1_000),
        })
    });
    json!({
        "dataset": listed.id,
        "template": format!("{here}/{{variable}}/{{grouper}}/{{action}}"),
        "variables": variables.collect::<Vec<_>>(),
        "left_out": listed.n_left_out,
        "actions": Action::ALL.map(|(word, _)| word),
        "options": options.collect::<Vec<_>>(),
        "results": results.collect::<Vec<_>>(),
    })
}

fn html(listed: &Listed, base: &BaseUrl) -> String {
    let dataset = format!("{}/datasets/{}", base.prefix(), segment(&listed.id));
    let rows: String = listed.variables.iter().map(|variable| row(variable, &dataset)).collect();
    let more = match listed.n_left_out {
        0 => String::new(),
        n => format!(
            "<p>{n} further variables are not listed; their results have addresses of the same form.</p>"
        ),
    };
    let actions = Action::ALL.map(|(word, _)| format!("<code>{word}</code>"));
    format!(
        "<h1>Groups of {}</h1><p>Addresses are <code>groupby/{{variable}}/{{grouper}}/{{action}}</code>, with options as \
         <code>/name=value</code> behind them.</p><table>{rows}</table>{more}\
         <h2>Actions</h2><p>{}</p><h2>Options</h2>{}{}",
        link(&dataset, &listed.id),
        actions.join(" · "),
        options(),
        results(listed, base),
    )
}

fn row(variable: &Groupable, dataset: &str) -> String {
    let here = format!("{dataset}/groupby/{}", path(&variable.path));
    let to = |grouper: &str| link(&format!("{here}/{}/mean", segment(grouper)), grouper);
    let groupers = variable.coordinates.iter().flat_map(|coordinate| match coordinate.calendar {
        Some(_) => COMMON.iter().map(|word| to(&format!("{}.{word}", coordinate.name))).collect(),
        None => vec![to(&coordinate.name)],
    });
    let groupers: Vec<String> = groupers.collect();
    let dims: Vec<String> =
        variable.dims.iter().map(|(dim, len)| format!("{}: {len}", Escaped(dim))).collect();
    format!(
        "<tr><td><code>{}</code></td><td>{}</td><td class=\"muted\">({})</td><td>{}</td></tr>",
        Escaped(&variable.path),
        Escaped(&variable.title),
        dims.join(", "),
        groupers.join(" · ")
    )
}

fn options() -> String {
    let rows = Options::all().iter().map(|option| {
        format!(
            "<tr><td><code>{}</code></td><td>{}</td><td class=\"muted\">{}</td><td>{}</td></tr>",
            Escaped(option.name),
            Escaped(option.values),
            Escaped(option.default),
            Escaped(option.about)
        )
    });
    format!("<table>{}</table>", rows.collect::<String>())
}

fn results(listed: &Listed, base: &BaseUrl) -> String {
    if listed.results.is_empty() {
        return String::new();
    }
    let rows = listed.results.iter().map(|result| {
        let href = format!("{}{}", base.prefix(), result.path);
        format!(
            "<tr><td>{}</td><td class=\"muted\">{} bytes</td><td class=\"muted\">{}</td></tr>",
            link(&href, &result.path),
            result.len_bytes,
            instant_text(result.when_ns / 1_000)
        )
    });
    format!("<h2>Results that are kept</h2><table>{}</table>", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use thermocline_model::Group;

    use super::*;

    #[test]
    fn coordinates_of_groups_above_group_too() {
        let (described, _) = crate::tests::result();
        let (tas, above): (Vec<Variable>, Vec<Variable>) =
            described.root.variables.into_iter().partition(|variable| variable.name == "tas");
        let model = Group { name: "model".to_owned(), variables: tas, ..Group::default() };
        let root = Group { variables: above, groups: vec![model], ..Group::default() };
        let found = coordinates(&Scope::at(&root, "model").unwrap(), root.variable("model/tas").unwrap());
        let names: Vec<&str> = found.iter().map(|coordinate| coordinate.name.as_str()).collect();
        assert_eq!(names, ["month", "time"]);
    }

    #[test]
    fn a_variable_is_grouped_by_what_lies_on_its_dimensions() {
        let (described, _) = crate::tests::result();
        let tas = described.result().unwrap();
        let found = coordinates(&Scope::at(&described.root, "").unwrap(), tas);
        let names: Vec<&str> = found.iter().map(|coordinate| coordinate.name.as_str()).collect();
        assert_eq!(names, ["month", "time"]);
        assert!(found[0].components().is_empty());
        let components = found[1].components();
        assert!(components.contains(&"dayofyear") && components.contains(&"season"));
        assert!(!components.contains(&"week") && !components.contains(&"day_of_year"));
    }
}
