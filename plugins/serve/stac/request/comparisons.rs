//! The parameter `query`.
//!
//! # Specification
//! STAC API extension query, v1.0.0: a comparison with a property that is missing never holds.

use serde_json::Value;
use thermocline_search::{Comparison, Filter, Operand, PropertyName};

use crate::cql2::check_size;
use crate::problem::{Parsed, StacProblem};

const OPERATORS: [&str; 10] =
    ["eq", "neq", "lt", "lte", "gt", "gte", "startsWith", "endsWith", "contains", "in"];

/// Most comparisons of one request.
const MAX_COMPARISONS: usize = 1000;

/// All comparisons of a request: `{property: {operator: value}}`.
pub(super) fn filter(query: &Value) -> Parsed<Filter> {
    check_size(query)?;
    let query = query.as_object().ok_or_else(|| StacProblem::invalid("query is an object of properties"))?;
    let mut comparisons = Vec::new();
    for (name, tests) in query {
        let tests = tests
            .as_object()
            .ok_or_else(|| StacProblem::invalid("each property of query has an object of operators"))?;
        for (op, value) in tests {
            if comparisons.len() >= MAX_COMPARISONS {
                return Err(StacProblem::invalid(format!("query has at most {MAX_COMPARISONS} comparisons")));
            }
            comparisons.push(comparison(PropertyName::new(name), op, value)?);
        }
    }
    Ok(Filter::And(comparisons))
}

fn comparison(property: PropertyName, op: &str, value: &Value) -> Parsed<Filter> {
    let property = Operand::Property(property);
    let compare = |comparison| Ok(Filter::Compare(comparison, property.clone(), operand(value)?));
    match op {
        "eq" => compare(Comparison::Equal),
        "neq" => compare(Comparison::NotEqual),
        "lt" => compare(Comparison::Less),
        "lte" => compare(Comparison::LessOrEqual),
        "gt" => compare(Comparison::Greater),
        "gte" => compare(Comparison::GreaterOrEqual),
        "startsWith" => Ok(Filter::Like(property, format!("{}%", literal(op, value)?))),
        "endsWith" => Ok(Filter::Like(property, format!("%{}", literal(op, value)?))),
        "contains" => Ok(Filter::Like(property, format!("%{}%", literal(op, value)?))),
        "in" => {
            let list = value.as_array().ok_or_else(|| StacProblem::invalid("'in' compares with a list"))?;
            Ok(Filter::In(property, list.iter().map(operand).collect::<Parsed<_>>()?))
        }
        other => {
            let shown: String = other.chars().take(50).collect();
            Err(StacProblem::invalid(format!("query has no operator '{shown}'")).with_allowed(OPERATORS))
        }
    }
}

fn operand(value: &Value) -> Parsed<Operand> {
    match value {
        Value::String(text) => Ok(Operand::Text(text.clone())),
        Value::Bool(boolean) => Ok(Operand::Boolean(*boolean)),
        Value::Number(number) => number
            .as_f64()
            .map(Operand::Number)
            .ok_or_else(|| StacProblem::invalid(format!("the number {number} is too large"))),
        _ => Err(StacProblem::invalid("query compares with texts, numbers, true and false")),
    }
}

/// A text as a pattern that matches nothing else.
fn literal(op: &str, value: &Value) -> Parsed<String> {
    let text = value.as_str().ok_or_else(|| StacProblem::invalid(format!("'{op}' compares with a text")))?;
    Ok(text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}
