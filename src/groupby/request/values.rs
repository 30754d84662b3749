//! Values of options: read from their texts and written again.

mod seasons;

use super::options::{Bins, Frequency, FrequencyUnit, Weights};
use crate::Failure;

pub(super) use seasons::{is_in_sequence, seasons, seasons_text};

/// Most bytes of a value that are looked at.
const MAX_VALUE_BYTES: usize = 1 << 17;

/// Most bytes of a name.
pub(super) const MAX_NAME_BYTES: usize = 1024;

/// Most characters of a value that an error shows.
const MAX_SHOWN_CHARS: usize = 60;

/// Most bins.
pub(super) const MAX_BINS: u32 = 10_000;

/// Most quantiles of a request.
const MAX_QUANTILES: usize = 1000;

/// Most dimensions that one request names.
const MAX_NAMES: usize = 32;

/// Most units of a span of time: beyond all years of any calendar.
const MAX_SPAN: u32 = 1_000_000_000;

/// A value as errors show it: not longer than a line, without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN_CHARS).filter(|c| !c.is_control()).collect();
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

fn wrong(name: &str, text: &str, right: &str) -> Failure {
    Failure::mistake(format!("{name}={} is not {right}", shown(text)))
}

/// Refuses values that nobody writes.
pub(super) fn check_length(name: &str, text: &str) -> Result<(), Failure> {
    if text.len() > MAX_VALUE_BYTES {
        return Err(Failure::mistake(format!("{name} is longer than {MAX_VALUE_BYTES} bytes")));
    }
    Ok(())
}

/// One of some words.
pub(super) fn word<T: Copy>(name: &str, text: &str, words: &[(&'static str, T)]) -> Result<T, Failure> {
    let found = words.iter().find(|(known, _)| *known == text).map(|(_, value)| *value);
    let unknown = || {
        let detail = format!("{name}={} is not known", shown(text));
        Failure::mistake_among(detail, words.iter().map(|(known, _)| *known))
    };
    found.ok_or_else(unknown)
}

/// The word of a value.
pub(super) fn word_of<T: PartialEq>(value: &T, words: &[(&str, T)]) -> String {
    words.iter().find(|(_, known)| known == value).map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}

/// Yes or no.
pub(super) fn switch(name: &str, text: &str) -> Result<bool, Failure> {
    word(name, text, &[("0", false), ("1", true)])
}

/// An integer from 0.
pub(super) fn count(name: &str, text: &str) -> Result<u64, Failure> {
    digits(text).and_then(|text| text.parse().ok()).ok_or_else(|| wrong(name, text, "an integer from 0"))
}

/// A text of digits only, at least one.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// A finite number as people write it.
pub(super) fn finite(text: &str) -> Option<f64> {
    let is_number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let value = is_number.then(|| text.parse::<f64>().ok()).flatten().filter(|value| value.is_finite())?;
    // Zero has one sign, so that equal numbers are written alike.
    Some(value + 0.0)
}

/// A number with as few digits as it needs to be read again.
pub(super) fn number_text(value: f64) -> String {
    let is_short = value == 0.0 || (1e-5..1e15).contains(&value.abs());
    if is_short { format!("{value}") } else { format!("{value:e}") }
}

/// Numbers with commas between them.
pub(super) fn joined(values: &[f64]) -> String {
    values.iter().map(|value| number_text(*value)).collect::<Vec<_>>().join(",")
}

/// Ascending edges, or a number of intervals.
pub(super) fn bins(name: &str, text: &str) -> Result<Bins, Failure> {
    if let Some(number) = text.strip_prefix("n:") {
        let count = digits(number).and_then(|text| text.parse().ok());
        let count = count.filter(|count| (1..=MAX_BINS).contains(count));
        let right = format!("n: and a number of bins from 1 to {MAX_BINS}");
        return count.map(Bins::Count).ok_or_else(|| wrong(name, text, &right));
    }
    let max_edges = MAX_BINS as usize + 1;
    let edges: Option<Vec<f64>> = text.split(',').take(max_edges + 1).map(finite).collect();
    let edges =
        edges.ok_or_else(|| wrong(name, text, "a list of finite edges a,b,…, nor n:10 for ten bins"))?;
    if edges.len() > max_edges {
        return Err(Failure::mistake(format!("{name} has more than {max_edges} edges")));
    }
    if edges.len() < 2 {
        return Err(wrong(name, text, "a list of at least two edges"));
    }
    if edges.windows(2).any(|pair| matches!(pair, [lo, hi] if lo >= hi)) {
        return Err(wrong(name, text, "a list of ascending edges"));
    }
    Ok(Bins::Edges(edges))
}

/// Numbers from 0 to 1.
pub(super) fn quantiles(name: &str, text: &str) -> Result<Vec<f64>, Failure> {
    let quantile = |text: &str| finite(text).filter(|q| (0.0..=1.0).contains(q));
    let values: Option<Vec<f64>> = text.split(',').take(MAX_QUANTILES + 1).map(quantile).collect();
    let values = values.ok_or_else(|| wrong(name, text, "a number from 0 to 1, nor a list of them"))?;
    if values.len() > MAX_QUANTILES {
        return Err(Failure::mistake(format!("{name} has more than {MAX_QUANTILES} values")));
    }
    Ok(values)
}

/// Names of dimensions, each once, in the order of the alphabet: they are reduced together.
pub(super) fn names(name: &str, text: &str) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = text.split(',').take(MAX_NAMES + 1).map(str::to_owned).collect();
    if names.len() > MAX_NAMES {
        return Err(Failure::mistake(format!("{name} names more than {MAX_NAMES} dimensions")));
    }
    if names.iter().any(|name| name.is_empty() || name.len() > MAX_NAME_BYTES) {
        return Err(wrong(name, text, "a list of dimensions: lat,lon"));
    }
    names.sort();
    let twin = names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(one),
        _ => None,
    });
    match twin {
        Some(twin) => Err(Failure::mistake(format!("{name} names {} twice", shown(twin)))),
        None => Ok(names),
    }
}

const UNITS: [(&str, FrequencyUnit); 11] = [
    ("YS", FrequencyUnit::YearStart),
    ("YE", FrequencyUnit::YearEnd),
    ("QS", FrequencyUnit::QuarterStart),
    ("QS-DEC", FrequencyUnit::SeasonStart),
    ("QE", FrequencyUnit::QuarterEnd),
    ("MS", FrequencyUnit::MonthStart),
    ("ME", FrequencyUnit::MonthEnd),
    ("D", FrequencyUnit::Day),
    ("h", FrequencyUnit::Hour),
    ("min", FrequencyUnit::Minute),
    ("s", FrequencyUnit::Second),
];

/// `{n}` and a unit.
pub(super) fn freq(name: &str, text: &str) -> Result<Frequency, Failure> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit_at).unwrap_or((text, ""));
    let known = UNITS.iter().find(|(known, _)| *known == unit).map(|(_, unit)| *unit);
    let unit = known.ok_or_else(|| {
        let detail = format!("{name}={} is not a number and a unit as in MS, 2QS-DEC, 12h", shown(text));
        Failure::mistake_among(detail, UNITS.map(|(unit, _)| unit))
    })?;
    let n = if number.is_empty() { Some(1) } else { number.parse().ok() };
    let n = n.filter(|n| (1..=MAX_SPAN).contains(n));
    let n = n.ok_or_else(|| wrong(name, text, &format!("a number from 1 to {MAX_SPAN} and a unit")))?;
    Ok(Frequency { n, unit })
}

pub(super) fn freq_text(freq: Frequency) -> String {
    let unit = word_of(&freq.unit, &UNITS);
    if freq.n == 1 { unit } else { format!("{}{unit}", freq.n) }
}

const WEIGHTS: [(&str, Weights); 3] =
    [("coslat", Weights::CosLat), ("cellarea", Weights::CellArea), ("days_in_month", Weights::DaysInMonth)];

/// What values are weighted by.
pub(super) fn weights(name: &str, text: &str) -> Result<Option<Weights>, Failure> {
    if text == "none" {
        return Ok(None);
    }
    if text.is_empty() || text.len() > MAX_NAME_BYTES {
        let detail = format!("{name}={} is not known, nor a variable", shown(text));
        return Err(Failure::mistake_among(detail, ["none", "coslat", "cellarea", "days_in_month"]));
    }
    let known = WEIGHTS.into_iter().find(|(known, _)| *known == text).map(|(_, weights)| weights);
    Ok(Some(known.unwrap_or_else(|| Weights::Variable(text.to_owned()))))
}

pub(super) fn weights_text(weights: &Weights) -> String {
    match weights {
        Weights::Variable(name) => name.clone(),
        known => word_of(known, &WEIGHTS),
    }
}
