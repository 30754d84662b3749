//! Conditions on one dataset: what they mean, value by value.

use std::borrow::Cow;

use geo::Geometry;

use crate::filter::{Filter, Operand, PropertyName, TimeOperand};
use crate::rfc3339::parse_instant;
use crate::scalar::{self, Scalar};
use crate::text::{self, Pattern};
use crate::time::Interval;
use crate::{space, time};

/// One dataset, as conditions see it.
pub(crate) trait Row {
    /// The value of a property; NULL if it has none of that name.
    fn value(&self, name: &PropertyName) -> Scalar<'_>;

    /// Where it lies; `None` if nowhere.
    fn geometry(&self) -> Option<Cow<'_, Geometry<f64>>>;
}

/// True, false or NULL (`None`) of a dataset.
pub(crate) fn truth(filter: &Filter, row: &impl Row) -> Option<bool> {
    match filter {
        Filter::Constant(value) => Some(*value),
        Filter::And(all) => combined(all, row, Some(true), scalar::and),
        Filter::Or(any) => combined(any, row, Some(false), scalar::or),
        Filter::Not(filter) => truth(filter, row).map(|value| !value),
        Filter::Compare(comparison, a, b) => scalar::compare(*comparison, &value(a, row), &value(b, row)),
        Filter::In(operand, of) => {
            scalar::is_any(&value(operand, row), of.iter().map(|other| value(other, row)))
        }
        Filter::Between(operand, low, high) => {
            scalar::is_between(&value(operand, row), &value(low, row), &value(high, row))
        }
        Filter::Like(operand, pattern) => match value(operand, row) {
            Scalar::Text(text) => Some(pattern_of(operand, pattern).matches(&text)),
            _ => None,
        },
        Filter::IsNull(operand) => Some(value(operand, row).is_null()),
        Filter::Spatial(op, other) => row.geometry().map(|geometry| space::relates(*op, &geometry, other)),
        Filter::Temporal(op, a, b) => Some(time::relates(*op, interval(a, row)?, interval(b, row)?)),
    }
}

fn combined(
    parts: &[Filter],
    row: &impl Row,
    of_none: Option<bool>,
    combine: fn(Option<bool>, Option<bool>) -> Option<bool>,
) -> Option<bool> {
    let mut so_far = of_none;
    for part in parts {
        so_far = combine(so_far, truth(part, row));
    }
    so_far
}

/// The value of an operand.
pub(crate) fn value<'a>(operand: &'a Operand, row: &'a impl Row) -> Scalar<'a> {
    match operand {
        Operand::Property(name) => row.value(name),
        Operand::Text(text) => Scalar::text(text),
        Operand::Number(number) => Scalar::Number(*number),
        Operand::Boolean(value) => Scalar::Boolean(*value),
        Operand::Instant(us) => Scalar::Instant(*us),
        Operand::Function(function, operand) => scalar::folded(*function, &value(operand, row)),
        Operand::Arithmetic(op, a, b) => scalar::calculate(*op, &value(a, row), &value(b, row)),
    }
}

/// The pattern that an operand is compared with: without regard to what the operand is without regard to.
pub(crate) fn pattern_of(operand: &Operand, pattern: &str) -> Pattern {
    let mut folded = Cow::Borrowed(pattern);
    let mut functions = Vec::new();
    let mut operand = operand;
    while let Operand::Function(function, inner) = operand {
        functions.push(*function);
        operand = inner;
    }
    for function in functions.into_iter().rev() {
        folded = Cow::Owned(text::fold(function, &folded));
    }
    Pattern::new(&folded)
}

/// The interval of a side; `None` if an end of it is NULL.
pub(crate) fn interval(operand: &TimeOperand, row: &impl Row) -> Option<Interval> {
    let instant = |operand: &Operand| instant_of(&value(operand, row));
    match operand {
        TimeOperand::Instant(operand) => instant(operand).map(|us| (us, us)),
        TimeOperand::Interval(start, end) => Some((
            start.as_ref().map_or(Some(i64::MIN), instant)?,
            end.as_ref().map_or(Some(i64::MAX), instant)?,
        )),
    }
}

/// The instant that a value is, or that it says as a text.
pub(crate) fn instant_of(value: &Scalar<'_>) -> Option<i64> {
    match value {
        Scalar::Instant(us) => Some(*us),
        Scalar::Text(text) => parse_instant(text),
        _ => None,
    }
}
