//! What CQL2 JSON means.

use serde_json::{Map, Value};
use thermocline_search::{ArithmeticOp, Comparison, Filter, Operand, PropertyName, TextFunction};

use super::{MAX_DEPTH, spatial, temporal, too_deep};
use crate::problem::{Parsed, StacProblem};
use crate::times::{parse_date, parse_instant};

/// Operators and functions that are understood.
const OPERATORS: [&str; 46] = [
    "and",
    "or",
    "not",
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "like",
    "between",
    "in",
    "isNull",
    "casei",
    "accenti",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "div",
    "s_intersects",
    "s_equals",
    "s_disjoint",
    "s_touches",
    "s_within",
    "s_overlaps",
    "s_crosses",
    "s_contains",
    "t_after",
    "t_before",
    "t_contains",
    "t_disjoint",
    "t_during",
    "t_equals",
    "t_finishedBy",
    "t_finishes",
    "t_intersects",
    "t_meets",
    "t_metBy",
    "t_overlappedBy",
    "t_overlaps",
    "t_startedBy",
    "t_starts",
    "interval",
];

/// A filter.
pub(super) fn filter(value: &Value) -> Parsed<Filter> {
    condition(value, 0)
}

fn condition(value: &Value, depth: usize) -> Parsed<Filter> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    match value {
        Value::Bool(constant) => Ok(Filter::Constant(*constant)),
        Value::Object(object) if object.contains_key("op") => operation(object, depth),
        Value::Object(object) if object.contains_key("property") => {
            let property = operand(value, depth)?;
            Ok(Filter::Compare(Comparison::Equal, property, Operand::Boolean(true)))
        }
        _ => Err(StacProblem::invalid(format!(
            "a condition is true, false or an operator, not {}",
            kind(value)
        ))),
    }
}

fn operation(object: &Map<String, Value>, depth: usize) -> Parsed<Filter> {
    let (op, args) = op_and_args(object)?;
    let name = op.to_ascii_lowercase();
    if let Some(comparison) = comparison_of(&name) {
        let [left, right] = exactly(&name, args)?;
        return Ok(Filter::Compare(comparison, operand(left, depth + 1)?, operand(right, depth + 1)?));
    }
    if let Some(relation) = spatial::relation_of(&name) {
        return spatial::filter(&name, relation, exactly(&name, args)?);
    }
    if let Some(relation) = temporal::relation_of(&name) {
        let [left, right] = exactly(&name, args)?;
        return Ok(Filter::Temporal(relation, temporal::side(left, depth)?, temporal::side(right, depth)?));
    }
    match name.as_str() {
        "and" | "or" => {
            let members = args.iter().map(|arg| condition(arg, depth + 1)).collect::<Parsed<Vec<_>>>()?;
            if members.is_empty() {
                return Err(StacProblem::invalid(format!("'{name}' has at least one argument")));
            }
            Ok(if name == "and" { Filter::And(members) } else { Filter::Or(members) })
        }
        "not" => {
            let [negated] = exactly(&name, args)?;
            Ok(Filter::Not(Box::new(condition(negated, depth + 1)?)))
        }
        "isnull" => {
            let [value] = exactly(&name, args)?;
            Ok(Filter::IsNull(operand(value, depth + 1)?))
        }
        "like" => {
            let [value, pattern] = exactly(&name, args)?;
            like(operand(value, depth + 1)?, operand(pattern, depth + 1)?)
        }
        "between" => between(args, depth),
        "in" => {
            let [value, list] = exactly(&name, args)?;
            let list = list.as_array().ok_or_else(|| StacProblem::invalid("'in' compares with a list"))?;
            let members = list.iter().map(|member| operand(member, depth + 1)).collect::<Parsed<_>>()?;
            Ok(Filter::In(operand(value, depth + 1)?, members))
        }
        _ => Err(unknown(op)),
    }
}

/// `[value, low, high]`, or `[value, [low, high]]` of the draft.
fn between(args: &[Value], depth: usize) -> Parsed<Filter> {
    let (value, low, high) = match args {
        [value, Value::Array(ends)] => {
            let [low, high] = exactly("between", ends)?;
            (value, low, high)
        }
        _ => {
            let [value, low, high] = exactly("between", args)?;
            (value, low, high)
        }
    };
    let side = |value| operand(value, depth + 1);
    Ok(Filter::Between(side(value)?, side(low)?, side(high)?))
}

/// A side of a comparison.
pub(super) fn operand(value: &Value, depth: usize) -> Parsed<Operand> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    match value {
        Value::String(text) => Ok(Operand::Text(text.clone())),
        Value::Bool(boolean) => Ok(Operand::Boolean(*boolean)),
        Value::Number(number) => number
            .as_f64()
            .map(Operand::Number)
            .ok_or_else(|| StacProblem::invalid(format!("the number {number} is too large"))),
        Value::Object(object) => named_operand(object, depth),
        Value::Null => Err(StacProblem::invalid("nothing is compared with null: ask with 'isNull'")),
        Value::Array(_) => Err(StacProblem::invalid("a list is compared by 'in' only")),
    }
}

fn named_operand(object: &Map<String, Value>, depth: usize) -> Parsed<Operand> {
    if let Some(name) = object.get("property") {
        let name = name.as_str().ok_or_else(|| StacProblem::invalid("the name of a property is a text"))?;
        return Ok(Operand::Property(PropertyName::new(name)));
    }
    if let Some(instant) = instant_of(object) {
        return instant.map(Operand::Instant);
    }
    if !object.contains_key("op") {
        let message = "a value is a text, a number, true, false, or an object with one of these keys";
        return Err(StacProblem::invalid(message).with_allowed(["property", "timestamp", "date", "op"]));
    }
    let (op, args) = op_and_args(object)?;
    let name = op.to_ascii_lowercase();
    if let Some(function) = text_function_of(&name) {
        let [text] = exactly(&name, args)?;
        return Ok(Operand::Function(function, Box::new(operand(text, depth + 1)?)));
    }
    let arithmetic = arithmetic_of(&name).ok_or_else(|| unknown(op))?;
    let mut args = args.iter().map(|arg| operand(arg, depth + 1)).collect::<Parsed<Vec<_>>>()?.into_iter();
    let first = args.next().filter(|_| (1..=MAX_DEPTH).contains(&args.len()));
    let first = first.ok_or_else(|| StacProblem::invalid(format!("'{name}' has two arguments or more")))?;
    Ok(args.fold(first, |left, right| Operand::Arithmetic(arithmetic, Box::new(left), Box::new(right))))
}

/// `{"timestamp": …}` or `{"date": …}`, the first instant of it; `None` for anything else.
pub(super) fn instant_of(object: &Map<String, Value>) -> Option<Parsed<i64>> {
    let (key, read): (&str, fn(&str) -> Parsed<i64>) =
        if object.contains_key("timestamp") { ("timestamp", parse_instant) } else { ("date", parse_date) };
    let text = object.get(key)?;
    Some(match text.as_str() {
        Some(text) => read(text),
        None => Err(StacProblem::invalid(format!("'{key}' is a text"))),
    })
}

/// A pattern is folded as the value that it is compared with: functions of it alone would mean nothing.
fn like(value: Operand, mut pattern: Operand) -> Parsed<Filter> {
    while let Operand::Function(function, inner) = pattern {
        if !has_function(&value, function) {
            let message = "the functions around the pattern of 'like' stand around its value too";
            return Err(StacProblem::invalid(message));
        }
        pattern = *inner;
    }
    match pattern {
        Operand::Text(pattern) => Ok(Filter::Like(value, pattern)),
        _ => Err(StacProblem::invalid("the pattern of 'like' is a text")),
    }
}

/// True if a function stands around an operand.
fn has_function(mut operand: &Operand, wanted: TextFunction) -> bool {
    while let Operand::Function(function, inner) = operand {
        if *function == wanted {
            return true;
        }
        operand = inner;
    }
    false
}

fn op_and_args(object: &Map<String, Value>) -> Parsed<(&str, &[Value])> {
    let op =
        object.get("op").and_then(Value::as_str).ok_or_else(|| StacProblem::invalid("'op' is a text"))?;
    let args = object.get("args").and_then(Value::as_array);
    Ok((
        op,
        args.ok_or_else(|| StacProblem::invalid(format!("the arguments of '{}' are a list", shown(op))))?,
    ))
}

/// The arguments of an operator that has `N`.
fn exactly<'a, const N: usize>(name: &str, args: &'a [Value]) -> Parsed<&'a [Value; N]> {
    args.try_into()
        .map_err(|_| StacProblem::invalid(format!("'{name}' has {N} arguments, not {}", args.len())))
}

fn unknown(op: &str) -> StacProblem {
    StacProblem::invalid(format!("'{}' is no operator or function that belongs here", shown(op)))
        .with_allowed(OPERATORS)
}

fn shown(text: &str) -> String {
    text.chars().take(50).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "such an object",
    }
}

fn comparison_of(name: &str) -> Option<Comparison> {
    Some(match name {
        "=" => Comparison::Equal,
        "<>" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn text_function_of(name: &str) -> Option<TextFunction> {
    Some(match name {
        "casei" => TextFunction::CaseInsensitive,
        "accenti" => TextFunction::AccentInsensitive,
        _ => return None,
    })
}

fn arithmetic_of(name: &str) -> Option<ArithmeticOp> {
    Some(match name {
        "+" => ArithmeticOp::Add,
        "-" => ArithmeticOp::Subtract,
        "*" => ArithmeticOp::Multiply,
        "/" => ArithmeticOp::Divide,
        "%" => ArithmeticOp::Modulo,
        "^" => ArithmeticOp::Power,
        "div" => ArithmeticOp::IntegerDivide,
        _ => return None,
    })
}
