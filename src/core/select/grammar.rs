//! The texts of selections: what can be said without knowing the coordinates.
//!
//! # Specification
//! | form | meaning |
//! |---|---|
//! | `nearest::v`, `pad(2)::v`, `exact::v` | a method, with a tolerance if need be, and a label |
//! | `v`, `lo:hi`, `lo:`, `:hi` | a label or a range: the coordinate tells which, for times have colons too |
//! | `i`, `i:j`, `i:j:k` | positions, as Python indexes sequences |
//! | `lo_hi` | a range in a path |
//! | `w,s,e,n` | a box in degrees |

use super::horizontal::BoundingBox;
use crate::{Error, Result};

/// Longest text that is looked at, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// How a label is looked up that may not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The label itself.
    Exact,
    /// The label nearest to it; of two, the larger.
    Nearest,
    /// The label itself or the one that lies before it in the order of the coordinate.
    Pad,
    /// The label itself or the one that lies after it in the order of the coordinate.
    Backfill,
}

impl Method {
    /// The methods by name, as pandas spells them.
    const NAMES: [(&'static str, Self); 6] = [
        ("exact", Self::Exact),
        ("nearest", Self::Nearest),
        ("pad", Self::Pad),
        ("ffill", Self::Pad),
        ("backfill", Self::Backfill),
        ("bfill", Self::Backfill),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
    }
}

/// How far the label that a method finds may be from the one that was named.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// In the unit of the coordinate.
    Number(f64),
    /// A span of time, in microseconds.
    Span(i128),
}

/// Positions as Python slices them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The first, from the end if negative.
    pub start: Option<i64>,
    /// The first that is left out, from the end if negative.
    pub stop: Option<i64>,
    /// From one to the next, backwards if negative; never 0.
    pub step: i64,
}

/// What to take along a dimension or of a coordinate.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pick {
    /// One position, from the end if negative.
    Position(i64),
    /// Positions.
    Positions(Slice),
    /// `lo_hi` of a path: positions of a time when both are integers, else values without the upper end.
    PathRange { lo: String, hi: String },
    /// A label, or a range with a colon.
    Text(String),
    /// A label, looked up by a method.
    Label { label: String, method: Method, tolerance: Option<Tolerance> },
    /// Values, both ends included; an end that is `None` is open.
    Range { lo: Option<String>, hi: Option<String> },
}

/// Refuses texts that nobody writes.
pub(super) fn check_text(what: &str, text: &str) -> Result<()> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::invalid_input(format!("{what} is longer than {MAX_TEXT_BYTES} bytes")));
    }
    Ok(())
}

/// `v`, `lo:hi` or `method(tolerance)::v`.
pub(super) fn pick(name: &str, text: &str) -> Result<Pick> {
    check_text(name, text)?;
    if text.is_empty() {
        return Err(Error::invalid_input(format!("{name}= has no value")));
    }
    let Some((head, label)) = text.split_once("::") else { return Ok(Pick::Text(text.to_owned())) };
    let (method, tolerance) = match head.strip_suffix(')').and_then(|head| head.split_once('(')) {
        Some((method, tolerance)) => (method, Some(tolerance)),
        None => (head, None),
    };
    let Some(method) = Method::of(method) else {
        let names = Method::NAMES.map(|(name, _)| name).join(", ");
        return Err(Error::invalid_input(format!(
            "{name}={text}: {method:?} is no method; methods are {names} (for a label that has \"::\", exact::{text})"
        )));
    };
    if label.is_empty() {
        return Err(Error::invalid_input(format!("{name}={text} has no value after \"::\"")));
    }
    let tolerance = tolerance.map(|text| parse_tolerance(name, text)).transpose()?;
    if method == Method::Exact && tolerance.is_some() {
        return Err(Error::invalid_input(format!("{name}={text}: an exact value has no tolerance")));
    }
    Ok(Pick::Label { label: label.to_owned(), method, tolerance })
}

/// Units of spans, as pandas and the short forms of CF name them, in microseconds.
const SPANS: [(&str, i128); 30] = [
    ("us", 1),
    ("microsecond", 1),
    ("microseconds", 1),
    ("ms", 1_000),
    ("millisecond", 1_000),
    ("milliseconds", 1_000),
    ("s", 1_000_000),
    ("S", 1_000_000),
    ("sec", 1_000_000),
    ("second", 1_000_000),
    ("seconds", 1_000_000),
    ("m", 60_000_000),
    ("T", 60_000_000),
    ("min", 60_000_000),
    ("minute", 60_000_000),
    ("minutes", 60_000_000),
    ("h", 3_600_000_000),
    ("H", 3_600_000_000),
    ("hr", 3_600_000_000),
    ("hour", 3_600_000_000),
    ("hours", 3_600_000_000),
    ("d", 86_400_000_000),
    ("D", 86_400_000_000),
    ("day", 86_400_000_000),
    ("days", 86_400_000_000),
    ("w", 604_800_000_000),
    ("W", 604_800_000_000),
    ("week", 604_800_000_000),
    ("weeks", 604_800_000_000),
    ("wk", 604_800_000_000),
];

/// Longest span, in units of any kind: what is longer reaches every label.
const MAX_SPAN: f64 = 1e15;

fn parse_tolerance(name: &str, text: &str) -> Result<Tolerance> {
    let wrong = || {
        Error::invalid_input(format!(
            "{name}: {text:?} is no tolerance; write a number (0.5) or a span of time (3h, 30min, 1D)"
        ))
    };
    let text = text.trim();
    if let Some(number) = parse_number(text) {
        return if number >= 0.0 { Ok(Tolerance::Number(number)) } else { Err(wrong()) };
    }
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(unit_at).ok_or_else(wrong)?;
    let number = if number.is_empty() { Some(1.0) } else { parse_number(number.trim_end()) };
    let number = number.filter(|number| (0.0..MAX_SPAN).contains(number)).ok_or_else(wrong)?;
    let (_, microseconds) = SPANS.iter().find(|(known, _)| *known == unit).ok_or_else(wrong)?;
    if number.fract() == 0.0 {
        return Ok(Tolerance::Span(number as i128 * microseconds));
    }
    Ok(Tolerance::Span((number * *microseconds as f64).round() as i128))
}

/// A finite number as people write it.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let is_number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    is_number.then(|| text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

/// `i`, `i:j` or `i:j:k`.
pub(super) fn positions(name: &str, text: &str) -> Result<Pick> {
    check_text(name, text)?;
    let wrong =
        || Error::invalid_input(format!("isel={name}={text}: positions are i, i:j or i:j:k with integers"));
    let number = |text: &str| match text.trim() {
        "" => Ok(None),
        text => text.parse::<i64>().map(Some).map_err(|_| wrong()),
    };
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [only] => Ok(Pick::Position(number(only)?.ok_or_else(wrong)?)),
        [start, stop] => slice(name, number(start)?, number(stop)?, 1),
        [start, stop, step] => slice(name, number(start)?, number(stop)?, number(step)?.unwrap_or(1)),
        _ => Err(wrong()),
    }
}

pub(super) fn slice(name: &str, start: Option<i64>, stop: Option<i64>, step: i64) -> Result<Pick> {
    if step == 0 {
        return Err(Error::invalid_input(format!("isel={name}: the step of positions cannot be 0")));
    }
    Ok(Pick::Positions(Slice { start, stop, step }))
}

/// `lo_hi` of a path.
pub(super) fn path_range(name: &str, text: &str) -> Result<Pick> {
    check_text(name, text)?;
    match text.split_once('_') {
        Some((lo, hi)) if !lo.is_empty() && !hi.is_empty() && !hi.contains('_') => {
            Ok(Pick::PathRange { lo: lo.to_owned(), hi: hi.to_owned() })
        }
        _ => Err(Error::invalid_input(format!("{name}/{text}: a path selects {name}/lo_hi, as {name}/0_10"))),
    }
}

/// `w,s,e,n` in degrees.
pub(super) fn bounding_box(text: &str) -> Result<BoundingBox> {
    check_text("bbox", text)?;
    let numbers: Option<Vec<f64>> = text.split(',').map(|part| parse_number(part.trim())).collect();
    match numbers.as_deref() {
        Some([west, south, east, north]) => BoundingBox::new([*west, *south, *east, *north]),
        _ => Err(Error::invalid_input(format!(
            "bbox={text}: a box is four numbers in degrees: west,south,east,north"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn label(text: &str) -> Pick {
        pick("x", text).unwrap()
    }

    #[test]
    fn methods_have_their_tolerance_in_brackets() {
        let near = |method, tolerance| Pick::Label { label: "v".into(), method, tolerance };
        assert_eq!(label("nearest::v"), near(Method::Nearest, None));
        assert_eq!(label("ffill(0.5)::v"), near(Method::Pad, Some(Tolerance::Number(0.5))));
        assert_eq!(label("bfill(3h)::v"), near(Method::Backfill, Some(Tolerance::Span(10_800_000_000))));
        assert_eq!(
            label("nearest(1.5 days)::v"),
            near(Method::Nearest, Some(Tolerance::Span(129_600_000_000)))
        );
        assert_eq!(label("exact::v"), near(Method::Exact, None));
        assert_eq!(
            label("exact::a::b"),
            Pick::Label { label: "a::b".into(), method: Method::Exact, tolerance: None }
        );
    }

    #[test]
    fn what_is_no_method_is_refused() {
        for text in
            ["", "linear::1", "nearest::", "nearest(::1", "nearest(-1)::1", "nearest(3y)::1", "exact(1)::1"]
        {
            assert!(pick("x", text).is_err(), "{text}");
        }
    }

    #[test]
    fn positions_are_pythons() {
        let slice = |start, stop, step| Pick::Positions(Slice { start, stop, step });
        assert_eq!(positions("x", "-1").unwrap(), Pick::Position(-1));
        assert_eq!(positions("x", "1:").unwrap(), slice(Some(1), None, 1));
        assert_eq!(positions("x", ":-2").unwrap(), slice(None, Some(-2), 1));
        assert_eq!(positions("x", "::-3").unwrap(), slice(None, None, -3));
        for text in ["", "a", "1:2:0", "1:2:3:4", "1.0", "99999999999999999999"] {
            assert!(positions("x", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_needs_both_ends() {
        let range = |lo: &str, hi: &str| Pick::PathRange { lo: lo.into(), hi: hi.into() };
        assert_eq!(path_range("time", "-12_-1").unwrap(), range("-12", "-1"));
        assert_eq!(path_range("time", "2000-01_2001").unwrap(), range("2000-01", "2001"));
        for text in ["", "5", "_5", "5_", "1_2_3"] {
            assert!(path_range("time", text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_texts_never_panic(text in ".*") {
            let _ = pick("x", &text);
            let _ = positions("x", &text);
            let _ = path_range("x", &text);
            let _ = bounding_box(&text);
        }
    }
}
