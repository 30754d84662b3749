//! Searches by GET.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use thermocline_http::links::segment;
use thermocline_search::Direction;

use super::{Fields, Given, GivenFilter, limit_in};
use crate::problem::{Parsed, StacProblem};

/// Longest query that is read, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// The query of a GET as it was sent, for links.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GetSearch<'a>(pub(crate) &'a str);

impl GetSearch<'_> {
    /// The same query with another token.
    pub(crate) fn with_token(&self, token: &str) -> String {
        self.with("token", token)
    }

    /// The same query with another value of a parameter.
    pub(crate) fn with(&self, parameter: &str, value: &str) -> String {
        let is_it = |pair: &str| decoded(pair.split_once('=').map_or(pair, |(name, _)| name)) == parameter;
        let mut kept: Vec<Cow<'_, str>> =
            self.0.split('&').filter(|pair| !pair.is_empty() && !is_it(pair)).map(Cow::Borrowed).collect();
        kept.push(Cow::Owned(format!("{parameter}={}", segment(value))));
        kept.join("&")
    }
}

/// Names and values of a query, decoded; of a name that comes again the first.
pub(crate) fn decoded_pairs(query: &str) -> Parsed<Vec<(String, String)>> {
    if query.len() > MAX_BYTES {
        return Err(StacProblem::invalid(format!("a query has at most {MAX_BYTES} bytes: use POST")));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name);
        if !pairs.iter().any(|(known, _)| *known == name) && pairs.len() < 100 {
            pairs.push((name, decoded(value)));
        }
    }
    Ok(pairs)
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The parameters of a search; others are ignored.
pub(super) fn read(query: &str) -> Parsed<Given> {
    let mut given = Given::default();
    let (mut filter, mut lang) = (None, None);
    for (name, value) in decoded_pairs(query)? {
        match name.as_str() {
            "limit" => given.limit = Some(limit_in(&value)?),
            "bbox" => given.bbox = Some(numbers(&value)?),
            "intersects" => given.intersects = Some(json("intersects", &value)?),
            "datetime" => given.datetime = Some(value),
            "ids" => given.ids = Some(list(&value)),
            "collections" => given.collections = Some(list(&value)),
            "filter" => filter = Some(value).filter(|filter| !filter.trim().is_empty()),
            "filter-lang" => lang = Some(value),
            "filter-crs" => given.filter_crs = Some(value),
            "sortby" => given.sort = sort(&value),
            "fields" => given.fields = Some(Fields::from_text(&value)?),
            "query" => given.query = Some(json("query", &value)?),
            "token" => given.token = Some(value),
            _ => {}
        }
    }
    let is_json = match lang.as_deref() {
        None | Some("cql2-text") => false,
        Some("cql2-json") => true,
        Some(_) => return Err(unknown_language()),
    };
    given.filter = match filter {
        Some(text) if is_json => Some(GivenFilter::Json(json("filter", &text)?)),
        text => text.map(GivenFilter::Text),
    };
    Ok(given)
}

/// The problem of a filter in a language that is not known.
pub(super) fn unknown_language() -> StacProblem {
    StacProblem::invalid("filter-lang is unknown").with_allowed(["cql2-text", "cql2-json"])
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Numbers with commas between them.
pub(crate) fn numbers(text: &str) -> Parsed<Vec<f64>> {
    // Rust reads words like `nan` as numbers too.
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let read =
        |part: &str| Some(part.trim()).filter(|part| is_number(part)).and_then(|part| part.parse().ok());
    let numbers: Option<Vec<f64>> = text.split(',').take(10).map(read).collect();
    numbers.ok_or_else(|| StacProblem::invalid("a bbox is 4 or 6 numbers with commas between them"))
}

fn json(name: &str, text: &str) -> Parsed<Value> {
    serde_json::from_str(text).map_err(|error| StacProblem::invalid(format!("{name} is no JSON: {error}")))
}

/// `+a,-b`; a `+` may have become a space.
fn sort(text: &str) -> Vec<(String, Direction)> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let keys = parts.map(|part| match part.strip_prefix('-') {
        Some(field) => (field.to_owned(), Direction::Descending),
        None => (part.strip_prefix('+').unwrap_or(part).to_owned(), Direction::Ascending),
    });
    keys.collect()
}
