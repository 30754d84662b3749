//! Searches by POST.

use serde_json::{Map, Value};
use thermocline_search::Direction;

use super::get::unknown_language;
use super::{Fields, Given, GivenFilter};
use crate::problem::{Parsed, StacProblem};

/// The first integer that is too long for 64 bits: 2^64.
const HUGE: f64 = 18_446_744_073_709_551_616.0;

/// The parameters of a search; others are ignored, and null is nothing.
pub(super) fn read(body: &Value) -> Parsed<Given> {
    let body = body.as_object().ok_or_else(|| StacProblem::invalid("the body is a JSON object"))?;
    Ok(Given {
        limit: member(body, "limit").map(limit).transpose()?,
        bbox: member(body, "bbox").map(numbers).transpose()?,
        intersects: member(body, "intersects").cloned(),
        datetime: text(body, "datetime")?,
        ids: member(body, "ids").map(|value| texts("ids", value)).transpose()?,
        collections: member(body, "collections").map(collections).transpose()?,
        filter: filter(body)?,
        filter_crs: text(body, "filter-crs")?,
        sort: member(body, "sortby").map(sort).transpose()?.unwrap_or_default(),
        fields: body.get("fields").map(fields).transpose()?,
        query: member(body, "query").cloned(),
        token: text(body, "token")?,
    })
}

/// A member that is there and not null.
fn member<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn text(body: &Map<String, Value>, name: &str) -> Parsed<Option<String>> {
    let Some(value) = member(body, name) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| StacProblem::invalid(format!("{name} is a text")))?;
    Ok(Some(text.to_owned()))
}

fn limit(value: &Value) -> Parsed<u64> {
    // JSON has integers of any length; the longest are read as floating-point numbers.
    let is_huge = !value.is_u64() && value.as_f64().is_some_and(|limit| limit >= HUGE);
    let limit = if is_huge { Some(u64::MAX) } else { value.as_u64().filter(|limit| *limit > 0) };
    limit.ok_or_else(|| StacProblem::invalid("limit is an integer from 1 on"))
}

fn numbers(value: &Value) -> Parsed<Vec<f64>> {
    let list = value.as_array().filter(|list| list.len() <= 10);
    let numbers: Option<Vec<f64>> = list.and_then(|list| list.iter().map(Value::as_f64).collect());
    numbers.ok_or_else(|| StacProblem::invalid("bbox is a list of 4 or 6 numbers"))
}

fn texts(name: &str, value: &Value) -> Parsed<Vec<String>> {
    let list = value.as_array();
    let texts: Option<Vec<String>> =
        list.and_then(|list| list.iter().map(|item| item.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| StacProblem::invalid(format!("{name} is a list of texts")))
}

/// A list, or one text alone.
fn collections(value: &Value) -> Parsed<Vec<String>> {
    match value.as_str() {
        Some(only) => Ok(vec![only.to_owned()]),
        None => texts("collections", value),
    }
}

/// The language is JSON unless it is named.
fn filter(body: &Map<String, Value>) -> Parsed<Option<GivenFilter>> {
    let lang = text(body, "filter-lang")?;
    let is_text = match lang.as_deref() {
        None | Some("cql2-json") => false,
        Some("cql2-text") => true,
        Some(_) => return Err(unknown_language()),
    };
    let Some(filter) = member(body, "filter") else { return Ok(None) };
    if !is_text {
        return Ok(Some(GivenFilter::Json(filter.clone())));
    }
    let text = filter.as_str().ok_or_else(|| StacProblem::invalid("a filter in cql2-text is a text"))?;
    Ok((!text.trim().is_empty()).then(|| GivenFilter::Text(text.to_owned())))
}

fn sort(value: &Value) -> Parsed<Vec<(String, Direction)>> {
    let list = value.as_array().ok_or_else(|| StacProblem::invalid("sortby is a list of objects"))?;
    list.iter().map(sort_key).collect()
}

fn sort_key(value: &Value) -> Parsed<(String, Direction)> {
    let field = value.get("field").and_then(Value::as_str);
    let field = field.ok_or_else(|| StacProblem::invalid("each key of sortby has a field"))?;
    let direction = match value.get("direction").map(Value::as_str) {
        None | Some(Some("asc")) => Direction::Ascending,
        Some(Some("desc")) => Direction::Descending,
        Some(_) => {
            return Err(
                StacProblem::invalid("a direction of sortby is unknown").with_allowed(["asc", "desc"])
            );
        }
    };
    Ok((field.to_owned(), direction))
}

fn fields(value: &Value) -> Parsed<Fields> {
    let fields = value.as_object().ok_or_else(|| StacProblem::invalid("fields is an object"))?;
    let list = |name: &str| match fields.get(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(Vec::new())),
        Some(list) => texts(name, list).map(Some),
    };
    Fields::new(list("include")?, list("exclude")?.unwrap_or_default())
}
