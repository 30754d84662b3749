//! Relations of times.

use serde_json::Value;
use thermocline_search::{Operand, TemporalOp, TimeOperand};

use super::json::{instant_of, operand};
use crate::problem::{Parsed, StacProblem};
use crate::times::{parse_date, parse_instant};

/// The last microsecond of a day, from its first.
const REST_OF_DAY_US: i64 = 86_400_000_000 - 1;

/// The relation that a function tests, by its name in lower case.
pub(super) fn relation_of(name: &str) -> Option<TemporalOp> {
    Some(match name {
        "t_after" => TemporalOp::After,
        "t_before" => TemporalOp::Before,
        "t_contains" => TemporalOp::Contains,
        "t_disjoint" => TemporalOp::Disjoint,
        "t_during" => TemporalOp::During,
        "t_equals" => TemporalOp::Equals,
        "t_finishedby" => TemporalOp::FinishedBy,
        "t_finishes" => TemporalOp::Finishes,
        "t_intersects" => TemporalOp::Intersects,
        "t_meets" => TemporalOp::Meets,
        "t_metby" => TemporalOp::MetBy,
        "t_overlappedby" => TemporalOp::OverlappedBy,
        "t_overlaps" => TemporalOp::Overlaps,
        "t_startedby" => TemporalOp::StartedBy,
        "t_starts" => TemporalOp::Starts,
        _ => return None,
    })
}

/// A side of a relation: an instant or an interval.
pub(super) fn side(value: &Value, depth: usize) -> Parsed<TimeOperand> {
    let Some(ends) = value.get("interval") else {
        return Ok(TimeOperand::Instant(instant(value, depth)?));
    };
    let [start, end] = ends.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(StacProblem::invalid("an interval has two ends"));
    };
    let (start, end) = (end_of(start, End::First, depth)?, end_of(end, End::Last, depth)?);
    if let (Some(Operand::Instant(start)), Some(Operand::Instant(end))) = (&start, &end)
        && start > end
    {
        return Err(StacProblem::invalid("an interval of the filter ends before it begins"));
    }
    Ok(TimeOperand::Interval(start, end))
}

/// Which end of an interval.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// An end of an interval; `None` if it is open. A date means its first instant at the first end, its last at the other.
fn end_of(value: &Value, end: End, depth: usize) -> Parsed<Option<Operand>> {
    let date = match value {
        Value::String(text) if text == ".." || text.is_empty() => return Ok(None),
        Value::String(text) if !text.contains(['T', 't']) => Some(parse_date(text)?),
        Value::Object(object) if object.contains_key("date") => instant_of(object).transpose()?,
        _ => None,
    };
    match date {
        Some(first) if end == End::Last => Ok(Some(Operand::Instant(first.saturating_add(REST_OF_DAY_US)))),
        Some(first) => Ok(Some(Operand::Instant(first))),
        None => instant(value, depth).map(Some),
    }
}

fn instant(value: &Value, depth: usize) -> Parsed<Operand> {
    match value {
        Value::String(text) => parse_instant(text).map(Operand::Instant),
        Value::Object(_) => match operand(value, depth + 1)? {
            instant @ (Operand::Instant(_) | Operand::Property(_)) => Ok(instant),
            _ => Err(StacProblem::invalid("a time is a property, a timestamp, a date or an interval")),
        },
        _ => Err(StacProblem::invalid("a time is a property, a timestamp, a date or an interval")),
    }
}
