//! Values of options: read from their texts and written again.

use thermocline_render::{Color, Colormap, Levels};

use super::{MAX_EDGES, MAX_SIDE, MAX_TEXT_CHARS, NormChoice, Switch};
use crate::Failure;

/// Most bytes of a value that are looked at.
const MAX_VALUE_BYTES: usize = 8192;

/// Most bytes of a value that an error shows.
const MAX_SHOWN_CHARS: usize = 60;

/// Most names that are suggested in place of an unknown colour map.
const N_SUGGESTED: usize = 5;

/// The words of norms.
pub(super) const NORMS: [&str; 5] = ["linear", "log", "symlog", "power", "centered"];

/// A value as errors show it: not longer than a line, without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN_CHARS).filter(|c| !c.is_control()).collect();
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

pub(super) fn wrong(name: &str, text: &str, right: &str) -> Failure {
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
pub(super) fn word<T: Copy>(name: &str, text: &str, words: &[(&str, T)]) -> Result<T, Failure> {
    let found = words.iter().find(|(known, _)| *known == text).map(|(_, value)| *value);
    found.ok_or_else(|| Failure::Mistake {
        detail: format!("{name}={} is not known", shown(text)),
        allowed: words.iter().map(|(known, _)| (*known).to_owned()).collect(),
    })
}

/// The word of a value.
pub(super) fn word_of<T: PartialEq>(value: &T, words: &[(&str, T)]) -> String {
    words.iter().find(|(_, known)| known == value).map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}

/// A finite number.
pub(super) fn number(name: &str, text: &str) -> Result<f64, Failure> {
    finite(text).ok_or_else(|| wrong(name, text, "a finite number"))
}

fn finite(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let value = is_number.then(|| text.parse::<f64>().ok()).flatten().filter(|value| value.is_finite())?;
    // Zero has one sign, so that equal numbers are written alike.
    Some(value + 0.0)
}

/// A number between two, both included.
pub(super) fn number_within(name: &str, text: &str, lo: f64, hi: f64) -> Result<f64, Failure> {
    let value = number(name, text)?;
    if (lo..=hi).contains(&value) {
        Ok(value)
    } else {
        Err(wrong(name, text, &format!("within {lo} and {hi}")))
    }
}

/// An integer between two, both included.
pub(super) fn integer_within(name: &str, text: &str, lo: u32, hi: u32) -> Result<u32, Failure> {
    let value = text.parse::<u32>().ok().filter(|value| (lo..=hi).contains(value));
    value.ok_or_else(|| wrong(name, text, &format!("an integer from {lo} to {hi}")))
}

/// A side of a picture: too many pixels are too many, however large the number is.
pub(super) fn side(name: &str, text: &str) -> Result<u32, Failure> {
    let digits = text.trim_start_matches('0');
    let is_count = !digits.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_count {
        return Err(wrong(name, text, &format!("a number of pixels from 1 to {MAX_SIDE}")));
    }
    match digits.parse::<u32>() {
        Ok(side) if side <= MAX_SIDE => Ok(side),
        _ => Err(Failure::too_large(format!(
            "{name}={}: a picture has at most {MAX_SIDE} pixels a side",
            shown(text)
        ))),
    }
}

/// So many numbers with commas between them.
pub(super) fn numbers<const N: usize>(name: &str, text: &str, forms: &str) -> Result<[f64; N], Failure> {
    let mut values = [0.0; N];
    let mut parts = text.split(',');
    for value in &mut values {
        *value = parts.next().and_then(finite).ok_or_else(|| wrong(name, text, forms))?;
    }
    if parts.next().is_some() { Err(wrong(name, text, forms)) } else { Ok(values) }
}

/// Longitude and latitude.
pub(super) fn place(name: &str, text: &str) -> Result<(f64, f64), Failure> {
    let [longitude, latitude] = numbers(name, text, "a place as longitude,latitude")?;
    if !(-360.0..=720.0).contains(&longitude) || !(-90.0..=90.0).contains(&latitude) {
        return Err(wrong(name, text, "a place: longitude within -360 and 720, latitude within -90 and 90"));
    }
    Ok((longitude, latitude))
}

/// A number of bands, or their edges.
pub(super) fn levels(name: &str, text: &str) -> Result<Levels, Failure> {
    if !text.contains(',') {
        let right = format!("a number of bands from 1 to {MAX_EDGES}, or edges a,b,…");
        let count = text.trim().parse::<u32>().ok().filter(|count| (1..=MAX_EDGES as u32).contains(count));
        return count.map(Levels::Count).ok_or_else(|| wrong(name, text, &right));
    }
    let edges: Option<Vec<f64>> = text.split(',').take(MAX_EDGES + 1).map(finite).collect();
    let edges = edges.ok_or_else(|| wrong(name, text, "a list of finite numbers"))?;
    if edges.len() > MAX_EDGES {
        return Err(Failure::mistake(format!("{name} has more than {MAX_EDGES} edges")));
    }
    if edges.windows(2).any(|pair| matches!(pair, [lo, hi] if lo >= hi)) {
        return Err(wrong(name, text, "a list of ascending edges"));
    }
    Ok(Levels::Edges(edges))
}

pub(super) fn levels_text(levels: &Levels) -> Option<String> {
    match levels {
        Levels::Continuous => None,
        Levels::Count(count) => Some(count.to_string()),
        Levels::Edges(edges) => Some(joined(edges)),
    }
}

/// How values are spread.
pub(super) fn norm(name: &str, text: &str) -> Result<NormChoice, Failure> {
    let (word, argument) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((word, argument)) => (word, Some(number_above_0(name, argument)?)),
        None => (text, None),
    };
    match (word, argument) {
        ("linear", None) => Ok(NormChoice::Linear),
        ("log", None) => Ok(NormChoice::Log),
        ("centered", None) => Ok(NormChoice::Centered),
        ("symlog", half_width) => Ok(NormChoice::SymLog(half_width)),
        ("power", exponent) => match exponent.unwrap_or(0.5) {
            exponent if (0.01..=100.0).contains(&exponent) => Ok(NormChoice::Power(exponent)),
            _ => Err(wrong(name, text, "a power within 0.01 and 100")),
        },
        _ => Err(Failure::Mistake {
            detail: format!("{name}={} is not known", shown(text)),
            allowed: NORMS.iter().map(|word| (*word).to_owned()).collect(),
        }),
    }
}

fn number_above_0(name: &str, text: &str) -> Result<f64, Failure> {
    finite(text).filter(|value| *value > 0.0).ok_or_else(|| wrong(name, text, "a number above 0"))
}

pub(super) fn norm_text(norm: &NormChoice) -> String {
    match norm {
        NormChoice::Linear => "linear".to_owned(),
        NormChoice::Log => "log".to_owned(),
        NormChoice::Centered => "centered".to_owned(),
        NormChoice::SymLog(None) => "symlog".to_owned(),
        NormChoice::SymLog(Some(half_width)) => format!("symlog({})", number_text(*half_width)),
        NormChoice::Power(exponent) => format!("power({})", number_text(*exponent)),
    }
}

/// A colour by name or number.
pub(super) fn color(name: &str, text: &str) -> Result<Color, Failure> {
    let right = "a colour: a name, #rrggbb, #rrggbbaa or transparent";
    Color::parse(text).map_err(|_| wrong(name, text, right))
}

pub(super) fn color_text(color: &Color) -> String {
    let Color { red, green, blue, alpha } = color;
    if *color == Color::TRANSPARENT {
        return "transparent".to_owned();
    }
    match alpha {
        255 => format!("#{red:02x}{green:02x}{blue:02x}"),
        _ => format!("#{red:02x}{green:02x}{blue:02x}{alpha:02x}"),
    }
}

/// The name of a colour map that exists.
pub(super) fn colormap(name: &str, text: &str) -> Result<String, Failure> {
    if Colormap::named(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(Failure::Mistake {
        detail: format!("{name}={} is no colour map", shown(text)),
        allowed: Colormap::nearest_names(&shown(text), N_SUGGESTED),
    })
}

/// A text for people: of bounded length, on one line.
pub(super) fn text(name: &str, text: &str) -> Result<String, Failure> {
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(Failure::mistake(format!("{name} is longer than {MAX_TEXT_CHARS} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong(name, text, "a text of one line"));
    }
    Ok(text.to_owned())
}

/// The name of a dimension, coordinate or variable.
pub(super) fn dataset_name(name: &str, value: &str) -> Result<String, Failure> {
    if value.is_empty() {
        return Err(Failure::mistake(format!("{name}= has no value")));
    }
    text(name, value)
}

/// The words of switches.
pub(super) const SWITCHES: [(&str, Switch); 3] =
    [("on", Switch::On), ("off", Switch::Off), ("auto", Switch::Auto)];

/// Something that is drawn or is not.
pub(super) fn switch(name: &str, text: &str) -> Result<Switch, Failure> {
    match text {
        "true" | "1" | "yes" => Ok(Switch::On),
        "false" | "0" | "no" => Ok(Switch::Off),
        text => word(name, text, &SWITCHES),
    }
}

/// A number with as few digits as it needs to be read again.
pub(crate) fn number_text(value: f64) -> String {
    let is_short = value == 0.0 || (1e-5..1e15).contains(&value.abs());
    if is_short { format!("{value}") } else { format!("{value:e}") }
}

pub(super) fn joined(values: &[f64]) -> String {
    values.iter().map(|value| number_text(*value)).collect::<Vec<_>>().join(",")
}
