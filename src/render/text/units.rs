//! Units as people write them.
//!
//! # Source
//! UDUNITS-2 grammar: a product of names, each with an integer power; CF Conventions 1.11, section 3.1.

/// Longest units that are typeset, in bytes; longer ones are prose.
const MAX_BYTES: usize = 80;

/// A unit as people write it: `m s-1` as `m s⁻¹`, `degC` as `°C`, `1` as nothing. What is not understood stays as it is.
///
/// ```
/// use thermocline_render::text::typeset_units;
///
/// assert_eq!(typeset_units("kg m**-2 s^-1"), "kg m⁻² s⁻¹");
/// assert_eq!(typeset_units("degrees_C"), "°C");
/// assert_eq!(typeset_units("days since 1990-01-01"), "days since 1990-01-01");
/// ```
pub fn typeset_units(units: &str) -> String {
    let units = units.trim();
    if is_dimensionless(units) {
        return String::new();
    }
    let is_prose = units.len() > MAX_BYTES || units.split_whitespace().any(|word| word == "since");
    if is_prose {
        return units.to_owned();
    }
    product(units).unwrap_or_else(|| units.to_owned())
}

/// True for what stands for no unit.
fn is_dimensionless(units: &str) -> bool {
    ["", "1", "-", "dimensionless", "unitless", "none"].iter().any(|word| units.eq_ignore_ascii_case(word))
}

/// Factors between blanks, dots, stars and slashes; `None` if one is not understood.
fn product(units: &str) -> Option<String> {
    let is_decimal = |at: usize| {
        let digit =
            |at: Option<usize>| at.and_then(|at| units.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
        digit(at.checked_sub(1)) && digit(Some(at + 1))
    };
    if units.match_indices('.').any(|(at, _)| is_decimal(at)) {
        return None;
    }
    let simple = units.replace("**", "^").replace(['*', '.', '·'], " ");
    let quotients: Option<Vec<String>> = simple.split('/').map(factors).collect();
    Some(quotients?.join("/"))
}

/// Factors between blanks.
fn factors(text: &str) -> Option<String> {
    let typeset: Option<Vec<String>> = text.split_whitespace().map(factor).collect();
    typeset.filter(|factors| !factors.is_empty()).map(|factors| factors.join(" "))
}

/// A name with its power.
fn factor(text: &str) -> Option<String> {
    let (base, power) = match text.split_once('^') {
        Some((base, power)) => (base, power.trim_matches(['{', '}', '(', ')'])),
        None if text.chars().all(|c| c.is_ascii_digit()) => (text, ""),
        None => text.split_at(
            text.find(['-', '+', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).unwrap_or(text.len()),
        ),
    };
    let is_number = !base.is_empty() && base.chars().all(|c| c.is_ascii_digit());
    let is_name = !base.is_empty() && base.chars().all(|c| c.is_alphabetic() || "%‰°µ'\"_²³¹⁻".contains(c));
    if !(is_number || is_name) {
        return None;
    }
    match power {
        "" | "1" | "+1" => Some(name(base).to_owned()),
        _ => Some(format!("{}{}", name(base), superscript(power)?)),
    }
}

/// A name as its sign, where it has one.
fn name(base: &str) -> &str {
    match base {
        "degC" | "deg_C" | "degreeC" | "degree_C" | "degreesC" | "degrees_C" | "degree_Celsius"
        | "degrees_Celsius" | "degree_celsius" | "degrees_celsius" | "celsius" | "Celsius" | "degc" => "°C",
        "degF" | "degree_F" | "degrees_F" | "degrees_fahrenheit" | "degree_fahrenheit" | "fahrenheit" => "°F",
        "degK" | "deg_K" | "degreeK" | "degree_K" | "degreesK" | "degrees_K" | "kelvin" | "Kelvin" => "K",
        "degrees_north" | "degree_north" | "degree_N" | "degrees_N" | "degreeN" | "degreesN" => "°N",
        "degrees_east" | "degree_east" | "degree_E" | "degrees_E" | "degreeE" | "degreesE" => "°E",
        "degree" | "degrees" | "deg" | "arc_degree" => "°",
        "percent" => "%",
        "um" | "micron" | "microns" => "µm",
        _ => base,
    }
}

/// An integer in raised digits.
fn superscript(power: &str) -> Option<String> {
    let power = power.strip_prefix('+').unwrap_or(power);
    let digits = power.strip_prefix(['-', '−']).unwrap_or(power);
    let is_integer = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_integer.then(|| raised(power))
}

/// A number in raised digits; what has no raised form is left out.
pub(crate) fn raised(number: &str) -> String {
    let signs = "0⁰1¹2²3³4⁴5⁵6⁶7⁷8⁸9⁹-⁻−⁻";
    let pairs: Vec<char> = signs.chars().collect();
    let raise =
        |c: char| pairs.chunks_exact(2).find(|pair| pair.first() == Some(&c)).and_then(|pair| pair.get(1));
    number.chars().filter_map(|c| raise(c).copied()).collect()
}
