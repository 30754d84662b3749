//! Values that conditions compare, and the rules of comparing them.
//!
//! # Source
//! OGC 21-065r2 (CQL2), section 6.3.3: a comparison with NULL is NULL.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::filter::{ArithmeticOp, Comparison, TextFunction};
use crate::rfc3339::parse_instant;
use crate::text;

/// One value of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// Missing.
    Null,
    /// A text.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// An instant, in microseconds since 1970.
    Instant(i64),
    /// Something that is there and cannot be compared: a list, an object.
    Composite,
}

impl Scalar<'_> {
    /// A text that is borrowed.
    pub(crate) fn text(text: &str) -> Scalar<'_> {
        Scalar::Text(Cow::Borrowed(text))
    }

    /// True for what is missing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// The order of two values; `None` if either is missing or they cannot be compared. A text beside an instant is read
/// as RFC 3339.
pub(crate) fn order(a: &Scalar<'_>, b: &Scalar<'_>) -> Option<Ordering> {
    match (a, b) {
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
        (Scalar::Number(a), Scalar::Number(b)) => a.partial_cmp(b),
        (Scalar::Boolean(a), Scalar::Boolean(b)) => Some(a.cmp(b)),
        (Scalar::Instant(a), Scalar::Instant(b)) => Some(a.cmp(b)),
        (Scalar::Instant(a), Scalar::Text(b)) => Some(a.cmp(&parse_instant(b)?)),
        (Scalar::Text(a), Scalar::Instant(b)) => Some(parse_instant(a)?.cmp(b)),
        _ => None,
    }
}

/// True, false or NULL of a comparison.
pub(crate) fn compare(comparison: Comparison, a: &Scalar<'_>, b: &Scalar<'_>) -> Option<bool> {
    Some(holds(comparison, order(a, b)?))
}

/// True if values in that order compare so.
pub(crate) fn holds(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

/// Equal to any: NULL if it is equal to none, and with one of them not comparable.
pub(crate) fn is_any<'a>(value: &Scalar<'_>, of: impl Iterator<Item = Scalar<'a>>) -> Option<bool> {
    let mut answer = Some(false);
    for other in of {
        match compare(Comparison::Equal, value, &other) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    if value.is_null() { None } else { answer }
}

/// Between two, both included: the conjunction of two comparisons.
pub(crate) fn is_between(value: &Scalar<'_>, low: &Scalar<'_>, high: &Scalar<'_>) -> Option<bool> {
    and(compare(Comparison::GreaterOrEqual, value, low), compare(Comparison::LessOrEqual, value, high))
}

/// Both hold, by three-valued logic.
pub(crate) fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// Either holds, by three-valued logic.
pub(crate) fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// A text without regard to case or accents; NULL of anything else.
pub(crate) fn folded<'a>(function: TextFunction, value: &Scalar<'_>) -> Scalar<'a> {
    match value {
        Scalar::Text(text) => Scalar::Text(Cow::Owned(text::fold(function, text))),
        _ => Scalar::Null,
    }
}

/// Arithmetic; NULL of anything but numbers, and of what has no finite result.
///
/// # Source
/// OGC 21-065r2, section 7.8.
pub(crate) fn calculate<'a>(op: ArithmeticOp, a: &Scalar<'_>, b: &Scalar<'_>) -> Scalar<'a> {
    let (Scalar::Number(a), Scalar::Number(b)) = (a, b) else { return Scalar::Null };
    let result = match op {
        ArithmeticOp::Add => a + b,
        ArithmeticOp::Subtract => a - b,
        ArithmeticOp::Multiply => a * b,
        ArithmeticOp::Divide => a / b,
        ArithmeticOp::Modulo => a % b,
        ArithmeticOp::Power => a.powf(*b),
        ArithmeticOp::IntegerDivide => (a / b).trunc(),
    };
    if result.is_finite() { Scalar::Number(result) } else { Scalar::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Option<bool>; 3] = [Some(true), Some(false), None];

    #[test]
    fn and_is_false_if_either_is_and_null_if_it_depends_on_a_null() {
        let table = [
            [Some(true), Some(false), None],
            [Some(false), Some(false), Some(false)],
            [None, Some(false), None],
        ];
        for (a, row) in ALL.iter().zip(table) {
            for (b, expected) in ALL.iter().zip(row) {
                assert_eq!(and(*a, *b), expected, "{a:?} AND {b:?}");
            }
        }
    }

    #[test]
    fn or_is_true_if_either_is_and_null_if_it_depends_on_a_null() {
        let table =
            [[Some(true), Some(true), Some(true)], [Some(true), Some(false), None], [Some(true), None, None]];
        for (a, row) in ALL.iter().zip(table) {
            for (b, expected) in ALL.iter().zip(row) {
                assert_eq!(or(*a, *b), expected, "{a:?} OR {b:?}");
            }
        }
    }

    #[test]
    fn values_of_different_types_do_not_compare() {
        let values = [
            Scalar::Null,
            Scalar::text("1"),
            Scalar::Number(1.0),
            Scalar::Boolean(true),
            Scalar::Instant(1),
            Scalar::Composite,
        ];
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                let is_comparable = i == j && !matches!(a, Scalar::Null | Scalar::Composite);
                assert_eq!(order(a, b).is_some(), is_comparable, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_text_beside_an_instant_is_a_time() {
        let instant = Scalar::Instant(1_000_000);
        assert_eq!(order(&instant, &Scalar::text("1970-01-01T00:00:02Z")), Some(Ordering::Less));
        assert_eq!(order(&Scalar::text("1970-01-01T01:00:01+01:00"), &instant), Some(Ordering::Equal));
        assert_eq!(order(&instant, &Scalar::text("yesterday")), None);
    }

    #[test]
    fn in_is_null_when_the_answer_depends_on_what_cannot_be_compared() {
        fn list<'a>(values: &'a [Scalar<'static>]) -> impl Iterator<Item = Scalar<'a>> {
            values.iter().cloned()
        }
        let (one, two, text) = (Scalar::Number(1.0), Scalar::Number(2.0), Scalar::text("a"));
        assert_eq!(is_any(&one, list(&[two.clone(), one.clone()])), Some(true));
        assert_eq!(is_any(&one, list(&[text.clone(), one.clone()])), Some(true));
        assert_eq!(is_any(&one, list(std::slice::from_ref(&two))), Some(false));
        assert_eq!(is_any(&one, list(&[two.clone(), text])), None);
        assert_eq!(is_any(&Scalar::Null, list(&[two])), None);
        assert_eq!(is_any(&Scalar::Null, list(&[])), None);
        assert_eq!(is_any(&one, list(&[])), Some(false));
    }

    #[test]
    fn arithmetic_without_a_finite_result_is_null() {
        let number = |value: f64| Scalar::Number(value);
        for (op, expected) in [
            (ArithmeticOp::Add, 9.0),
            (ArithmeticOp::Subtract, 5.0),
            (ArithmeticOp::Multiply, 14.0),
            (ArithmeticOp::Divide, 3.5),
            (ArithmeticOp::Modulo, 1.0),
            (ArithmeticOp::Power, 49.0),
            (ArithmeticOp::IntegerDivide, 3.0),
        ] {
            assert_eq!(calculate(op, &number(7.0), &number(2.0)), number(expected), "{op:?}");
        }
        assert_eq!(calculate(ArithmeticOp::Divide, &number(1.0), &number(0.0)), Scalar::Null);
        assert_eq!(calculate(ArithmeticOp::Add, &number(1.0), &Scalar::text("1")), Scalar::Null);
    }
}
