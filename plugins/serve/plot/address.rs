//! What a URL asks for: the variable, the form of the answer, the words of both URL forms.

use http::request::Parts;
use percent_encoding::percent_decode_str;
use thermocline_core::manifest::Manifest;
use thermocline_http::query::Query;
use thermocline_http::{Problem, find_group};
use thermocline_model::Group;
use thermocline_plot::{Format, PathForm, has_variable};

use crate::form;
use crate::grouped::Words;
use crate::page::CONTROLLED;

/// Parameters of the query that say how to answer, not what to draw.
const OF_ANSWERS: [&str; 3] = ["f", "wait", FROM_PAGE];

/// By this the form of a page says that empty fields are no values.
const FROM_PAGE: &str = "page";

/// Before the name of a dimension: its position, as the sliders of a page send it without JavaScript.
const POSITION: &str = "isel.";

/// What a URL asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Address {
    /// Name or path of the variable in its group. It exists.
    pub(crate) variable: String,
    /// Path of the group; empty for the root.
    pub(crate) group: String,
    /// The form of the answer.
    pub(crate) format: Format,
    /// True if `Accept` chose the form.
    pub(crate) is_negotiated: bool,
    /// What follows the variable, in Cloudify's form.
    pub(crate) path: Option<PathForm>,
    /// What of the query is about the plot, in order.
    pub(crate) pairs: Vec<(String, String)>,
}

impl Address {
    /// What a request below `/{word}` of a dataset asks for.
    ///
    /// # Errors
    /// 404 for variables and groups that do not exist, 400 for unknown forms and for half a path.
    pub(crate) fn of(manifest: &Manifest, parts: &Parts, word: &str) -> Result<Self, Problem> {
        let query = Query::of(parts);
        let segments = segments(parts.uri.path(), word)?;
        let group_path = query.value("group").unwrap_or_default().trim_matches('/').to_owned();
        let group = find_group(manifest, &group_path)?;
        let Found { variable, extension, rest } = find(group, &segments)?;
        let path = path_form(&variable, rest)?;
        let (asked, is_negotiated) = match (asked_form(&query)?, extension) {
            (Some(format), _) | (None, Some(format)) => (format, false),
            (None, None) => (form::accepted(&parts.headers), true),
        };
        let pairs = plot_pairs(&query);
        Ok(Self { variable, group: group_path, format: asked, is_negotiated, path, pairs })
    }
}

impl Address {
    /// Its words, for a form of answer.
    pub(crate) fn words(&self, format: Format) -> Words<'_> {
        Words { variable: &self.variable, format, path: self.path.as_ref(), pairs: &self.pairs }
    }
}

/// The segments of a path after that of the route, decoded. An encoded slash is part of a name.
fn segments(path: &str, word: &str) -> Result<Vec<String>, Problem> {
    let mut segments = path.split('/').skip(1).peekable();
    // A server of one dataset has it at the root too.
    if segments.peek() == Some(&"datasets") {
        segments.nth(1);
    }
    let below = segments.skip_while(|segment| *segment != word).skip(1);
    let named = below.filter(|segment| !segment.is_empty());
    let decoded = named.map(|segment| percent_decode_str(segment).decode_utf8().map(String::from));
    decoded.collect::<Result<_, _>>().map_err(|_| Problem::not_found("the path is not UTF-8"))
}

/// The variable of a path.
#[derive(Debug, PartialEq)]
struct Found<'s> {
    variable: String,
    /// The form that its extension names.
    extension: Option<Format>,
    rest: &'s [String],
}

/// The variable that a path begins with; groups before it may be segments of their own.
fn find<'s>(group: &Group, segments: &'s [String]) -> Result<Found<'s>, Problem> {
    let mut name = String::new();
    for (n_before, segment) in segments.iter().enumerate() {
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(segment);
        let rest = segments.get(n_before + 1..).unwrap_or_default();
        if rest.is_empty() {
            return find_last(group, &name, segments);
        }
        if has_variable(group, &name) {
            return Ok(Found { variable: name, extension: None, rest });
        }
    }
    Err(no_variable(group, ""))
}

/// The variable of a path that ends with its name, with or without an extension.
fn find_last<'s>(group: &Group, name: &str, segments: &'s [String]) -> Result<Found<'s>, Problem> {
    let exists = |name: &str| has_variable(group, name);
    let found = |variable: &str, extension| Found { variable: variable.to_owned(), extension, rest: &[] };
    let split =
        name.rsplit_once('.').filter(|(stem, extension)| !stem.is_empty() && !extension.contains('/'));
    let known = split.and_then(|(stem, extension)| Some((stem, Format::of_extension(extension)?)));
    match (known, split) {
        (Some((stem, format)), _) if exists(stem) => Ok(found(stem, Some(format))),
        _ if exists(name) => Ok(found(name, None)),
        (Some((stem, _)), _) => Err(no_variable(group, shown(stem, segments))),
        (None, Some((stem, extension))) if exists(stem) => {
            let detail = format!("'{extension}' is no form of a plot");
            Err(Problem::invalid_input(detail).with_allowed(form::words()))
        }
        _ => Err(no_variable(group, shown(name, segments))),
    }
}

/// The name by which a variable is said not to exist: of Cloudify's path the first segment.
fn shown<'n>(name: &'n str, segments: &'n [String]) -> &'n str {
    match segments {
        [first, _, _, ..] => first,
        _ => name,
    }
}

fn no_variable(group: &Group, name: &str) -> Problem {
    let known = group.variables_below().into_iter().take(50).map(|(path, _)| path);
    Problem::not_found(format!("Variable '{name}' not found in dataset")).with_allowed(known)
}

fn path_form(variable: &str, rest: &[String]) -> Result<Option<PathForm>, Problem> {
    match rest {
        [] => Ok(None),
        [kind] => {
            let detail = format!(
                "'{kind}' follows {variable}: a path has a colour map too, {variable}/{{kind}}/{{cmap}}"
            );
            Err(Problem::invalid_input(detail))
        }
        [kind, colormap, selection @ ..] => {
            let selection = selection.join("/");
            Ok(Some(PathForm { kind: kind.clone(), colormap: colormap.clone(), selection }))
        }
    }
}

/// What of a query is about the plot.
fn plot_pairs(query: &Query) -> Vec<(String, String)> {
    let is_from_page = query.value(FROM_PAGE).is_some();
    let pairs = query.pairs().filter(|(name, value)| {
        let is_empty = is_from_page && value.is_empty() && CONTROLLED.contains(&name.as_str());
        !is_empty && !OF_ANSWERS.contains(&name.as_str())
    });
    let positions = pairs.map(|(name, value)| match name.strip_prefix(POSITION) {
        Some(dim) => ("isel".to_owned(), format!("{dim}={value}")),
        None => (name, value),
    });
    positions.collect()
}

/// The form that `f=` names.
fn asked_form(query: &Query) -> Result<Option<Format>, Problem> {
    let mut values = query.values("f");
    let Some(word) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::invalid_input("f is given twice"));
    }
    let format = Format::of_extension(&word);
    let unknown =
        || Problem::invalid_input(format!("f: '{word}' is no form of a plot")).with_allowed(form::words());
    format.map(Some).ok_or_else(unknown)
}
