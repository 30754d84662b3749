//! What a URL asks for: the words of the path, the options of path and query, the form, the key of the Zarr group.
//!
//! The path is taken as it was sent and its segments are percent-decoded once each, so that an encoded slash is a part of a
//! name. Nothing here is looked up but the variable, whose path may be several segments.

use http::request::Parts;
use percent_encoding::percent_decode_str;
use thermocline_core::manifest::Manifest;
use thermocline_groupby::{Action, Request};
use thermocline_http::query::Query;
use thermocline_http::{Problem, find_group};
use thermocline_model::Group;

use crate::form::{Form, Forms};
use crate::trouble::problem;

/// What the paths of this plugin begin with below a dataset.
const WORD: &str = "groupby";

/// The segment before keys of the Zarr group.
const ZARR: &str = "zarr";

/// Name of the parameter that says how to answer.
const FORM: &str = "f";

/// Name of the parameter that says how long to wait; read where requests wait.
const WAIT: &str = "wait";

/// Longest name of a variable that a message repeats, in characters.
const MAX_SHOWN: usize = 200;

/// What a URL asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Name or path of the variable in its group. It exists.
    pub(crate) variable: String,
    /// The groupers as they are written.
    pub(crate) grouper: String,
    /// The action as it is written.
    pub(crate) action: String,
    /// Options and selections of path and query, in order.
    pub(crate) pairs: Vec<(String, String)>,
    /// What is asked of the result.
    pub(crate) asked: Asked,
}

/// What is asked of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it in the form that `f` names.
    Named(Form),
    /// All of it in the form that the client likes best.
    Negotiated(Form),
    /// A key of its Zarr group, percent-decoded; empty for the group itself.
    Key(String),
}

impl Address {
    /// What a request below `/groupby/` of a dataset asks for.
    ///
    /// # Errors
    /// 404 for variables and groups that do not exist; 400 for half a path and for what is no option; 406.
    pub(crate) fn of(manifest: &Manifest, parts: &Parts, forms: Forms) -> Result<Self, Problem> {
        let segments = segments(parts.uri.path())?;
        let query = Query::of(parts);
        let group = group_path(&segments, &query);
        let group = find_group(manifest, group.trim_matches('/'))?;
        let (variable, rest) = find(group, &segments)?;
        let [grouper, action, rest @ ..] = rest else { return Err(half(&variable, rest)) };
        let n_options = rest.iter().position(|segment| segment == ZARR).unwrap_or(rest.len());
        let (options, key) = rest.split_at(n_options);
        let key = key.split_first().map(|(_, key)| key.join("/"));
        let mut pairs = options.iter().map(|segment| option(segment)).collect::<Result<Vec<_>, _>>()?;
        if query.values(WAIT).nth(1).is_some() {
            return Err(Problem::invalid_input("wait is given twice"));
        }
        pairs.extend(query.pairs().filter(|(name, _)| name != WAIT));
        if let Some((name, _)) = pairs.iter().find(|(name, value)| is_odd(name) || is_odd(value)) {
            return Err(Problem::invalid_input(format!("{name:?} holds control characters")));
        }
        let form = take_form(&mut pairs, forms)?;
        let asked = match (key, form) {
            (Some(key), _) => Asked::Key(key),
            (None, Some(form)) => Asked::Named(form),
            (None, None) => Asked::Negotiated(forms.accepted(&parts.headers)?),
        };
        Ok(Self { variable, grouper: grouper.clone(), action: action.clone(), pairs, asked })
    }

    /// The request that its words make.
    ///
    /// # Errors
    /// 400 for words that make no sense.
    pub(crate) fn request(&self) -> Result<Request, Problem> {
        Request::parse(&self.variable, &self.grouper, &self.action, &self.pairs).map_err(problem)
    }
}

/// The segments of a path after that of this plugin, decoded.
fn segments(path: &str) -> Result<Vec<String>, Problem> {
    let mut segments = path.split('/').skip(1).peekable();
    // A server of one dataset has it at the root too.
    if segments.peek() == Some(&"datasets") {
        segments.nth(1);
    }
    let below = segments.skip_while(|segment| *segment != WORD).skip(1);
    below.filter(|segment| !segment.is_empty()).map(decoded).collect()
}

fn decoded(segment: &str) -> Result<String, Problem> {
    let text = percent_decode_str(segment).decode_utf8();
    let text = text.map_err(|_| Problem::invalid_input("the path is not UTF-8"))?;
    if is_odd(&text) || matches!(&*text, "." | "..") {
        return Err(Problem::invalid_input("the path holds control characters or dots for a name"));
    }
    Ok(text.into_owned())
}

fn is_odd(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// The group that the query or an option of the path selects.
fn group_path(segments: &[String], query: &Query) -> String {
    let options = segments.iter().skip(3).take_while(|segment| *segment != ZARR);
    let in_path = options.filter_map(|segment| segment.strip_prefix("group=")).next();
    in_path.map(str::to_owned).or_else(|| query.value("group")).unwrap_or_default()
}

/// The variable that a path begins with, and what follows; groups before it may be segments of their own.
fn find<'s>(group: &Group, segments: &'s [String]) -> Result<(String, &'s [String]), Problem> {
    let mut name = String::new();
    for (n_before, segment) in segments.iter().enumerate() {
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(segment);
        if group.variable(&name).is_some() {
            return Ok((name, segments.get(n_before + 1..).unwrap_or_default()));
        }
        if group.group(&name).is_none() {
            break;
        }
    }
    let shown: String =
        segments.first().map(String::as_str).unwrap_or_default().chars().take(MAX_SHOWN).collect();
    let known = group.variables_below().into_iter().take(50).map(|(path, _)| path);
    Err(Problem::not_found(format!("Variable '{shown}' not found in dataset")).with_allowed(known))
}

/// The problem of a path that ends before its action.
fn half(variable: &str, rest: &[String]) -> Problem {
    let missing = if rest.is_empty() { "a grouper and an action" } else { "an action" };
    let detail =
        format!("{variable} is not followed by {missing}: a path is {variable}/{{grouper}}/{{action}}");
    Problem::invalid_input(detail).with_allowed(Action::ALL.iter().map(|(word, _)| *word))
}

fn option(segment: &str) -> Result<(String, String), Problem> {
    let split = segment.split_once('=').filter(|(name, _)| !name.is_empty());
    if split.is_some_and(|(name, _)| name == WAIT) {
        let detail = "wait says nothing of the result: write it into the query, ?wait=60";
        return Err(Problem::invalid_input(detail));
    }
    let split = split.map(|(name, value)| (name.to_owned(), value.to_owned()));
    split.ok_or_else(|| {
        let shown: String = segment.chars().take(MAX_SHOWN).collect();
        Problem::invalid_input(format!(
            "{shown:?} is no option: what follows the action is written name=value"
        ))
    })
}

/// Takes the form out of the options.
fn take_form(pairs: &mut Vec<(String, String)>, forms: Forms) -> Result<Option<Form>, Problem> {
    let mut words = Vec::new();
    pairs.retain(|(name, value)| {
        if name == FORM {
            words.push(value.clone());
        }
        name != FORM
    });
    match words.as_slice() {
        [] => Ok(None),
        [word] => forms.named(word).map(Some),
        _ => Err(Problem::invalid_input("f is given twice")),
    }
}

#[cfg(test)]
mod tests;
