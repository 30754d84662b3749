//! Filters as clients write them: CQL2 as text and as JSON.
//!
//! Text becomes JSON first, so that both mean the same. Neither is read with the crate `cql2`: its grammar tries
//! parentheses in two ways at every level, so that thirty of them that are not closed keep it busy for hours, and it
//! goes down one call for every operator in a row.
//!
//! # Specification
//! OGC 21-065r2 (CQL2), sections 6 to 8, annex B (text) and the schema of JSON; `between` also in the form
//! `[value, [low, high]]` of the draft.

use serde_json::Value;
use thermocline_search::Filter;

use crate::problem::{Parsed, StacProblem};

mod json;
mod spatial;
mod temporal;
mod text;
mod tokens;

/// Longest filter, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// Most values that a filter consists of, names of operators and numbers of positions included.
const MAX_VALUES: usize = 40_000;

/// Most bytes of all texts of a filter.
const MAX_TEXTS_BYTES: usize = 256 << 10;

/// Most expressions inside one another, and most arithmetic operators in a row.
const MAX_DEPTH: usize = 64;

/// A filter from CQL2 text.
///
/// # Errors
/// 400 that names the place of what does not parse, and what would have been right.
pub(crate) fn parse_text(text: &str) -> Parsed<Filter> {
    if text.len() > MAX_BYTES {
        return Err(StacProblem::invalid(format!("a filter has at most {MAX_BYTES} bytes")));
    }
    parse_json(&text::parse(text)?)
}

/// A filter from CQL2 JSON.
///
/// # Errors
/// 400 that names what is wrong, and what would have been right.
pub(crate) fn parse_json(value: &Value) -> Parsed<Filter> {
    check_size(value)?;
    json::filter(value)
}

/// Refuses a filter that is too large to be looked at for each dataset.
///
/// # Errors
/// 400 that names what is allowed.
pub(crate) fn check_size(filter: &Value) -> Parsed<()> {
    let (mut n_values, mut texts_bytes) = (0_usize, 0_usize);
    let mut open = vec![filter];
    while let Some(value) = open.pop() {
        n_values += 1;
        match value {
            Value::Array(members) => open.extend(members),
            Value::Object(members) => open.extend(members.values()),
            Value::String(text) => texts_bytes = texts_bytes.saturating_add(text.len()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        if n_values.saturating_add(open.len()) > MAX_VALUES || texts_bytes > MAX_TEXTS_BYTES {
            let message =
                format!("a filter has at most {MAX_VALUES} values and {MAX_TEXTS_BYTES} bytes of texts");
            return Err(StacProblem::invalid(message));
        }
    }
    Ok(())
}

fn too_deep() -> StacProblem {
    StacProblem::invalid(format!("a filter has at most {MAX_DEPTH} expressions inside one another"))
}

#[cfg(test)]
mod tests;
