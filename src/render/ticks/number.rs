//! Ticks of numbers at multiples of 1, 2, 2.5 or 5 times a power of ten.

use super::{Ruler, Tick, Ticks};

/// Values whose labels share a factor: from this magnitude on.
const LARGE: f64 = 1e6;
/// And below this one.
const SMALL: f64 = 1e-3;

/// A distance of `mantissa` × 10^`exponent` between ticks.
#[derive(Debug, Clone, Copy)]
struct Step {
    mantissa: i64,
    exponent: i32,
}

impl Step {
    /// All steps from a length on, ascending, a few powers of ten.
    fn from(length: f64) -> impl Iterator<Item = Self> {
        let power = length.log10().floor() as i32;
        let steps = (power..power + 4).flat_map(|exponent| {
            [(1, exponent), (2, exponent), (25, exponent - 1), (5, exponent)]
                .map(|(mantissa, exponent)| Self { mantissa, exponent })
        });
        steps.filter(move |step| step.length() >= length * (1.0 - 1e-9))
    }

    fn length(self) -> f64 {
        self.times(1)
    }

    /// The n-th multiple, as exact as a float can be.
    fn times(self, n: i64) -> f64 {
        let digits = (n * self.mantissa) as f64;
        if self.exponent < 0 {
            digits / 10_f64.powi(-self.exponent)
        } else {
            digits * 10_f64.powi(self.exponent)
        }
    }

    /// Numbers of the multiples within a range; `None` if floats cannot tell them apart.
    fn within(self, low: f64, high: f64) -> Option<std::ops::RangeInclusive<i64>> {
        let (first, last) = ((low / self.length() - 1e-7).ceil(), (high / self.length() + 1e-7).floor());
        (first.abs().max(last.abs()) < 1e13).then_some(first as i64..=last as i64)
    }

    /// Into how many parts minor ticks divide it.
    fn n_minor(self) -> i64 {
        if self.mantissa == 2 { 4 } else { 5 }
    }
}

/// Ticks between two values at the places that `share` tells.
pub(crate) fn numbers(low: f64, high: f64, ruler: &Ruler, share: &dyn Fn(f64) -> f64) -> Ticks {
    let length = (high - low) / ruler.most();
    if !(length.is_finite() && length > 0.0) {
        return Ticks::default();
    }
    for step in Step::from(length) {
        let Some(range) = step.within(low, high) else { continue };
        let exponent = common_exponent(range.clone().map(|n| step.times(n)));
        let exponent = exponent.filter(|exponent| step.exponent - exponent >= -4);
        let label = |n| decimal(n * step.mantissa, step.exponent - exponent.unwrap_or(0));
        let tick = |n| Tick { share: share(step.times(n)), label: label(n) };
        let major: Vec<Tick> = range.clone().map(tick).collect();
        if ruler.holds(&major) {
            return Ticks { minor: minor(step, &range, ruler, share), major, groups: Vec::new(), exponent };
        }
    }
    Ticks::default()
}

/// Places of the minor ticks around and between multiples; none where they would be crowded.
fn minor(
    step: Step,
    range: &std::ops::RangeInclusive<i64>,
    ruler: &Ruler,
    share: &dyn Fn(f64) -> f64,
) -> Vec<f64> {
    let n = step.n_minor();
    let part = step.length() / n as f64;
    let places = (range.start() - 1) * n..=(range.end() + 1) * n;
    let shares: Vec<f64> = places.filter(|i| i % n != 0).map(|i| share(i as f64 * part)).collect();
    let are_apart = shares
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if (b - a).abs() as f32 * ruler.length >= ruler.size * 0.4));
    if are_apart { shares } else { Vec::new() }
}

/// The power of ten that labels of these values share; `None` if they are read well as they are.
pub(crate) fn common_exponent(values: impl Iterator<Item = f64>) -> Option<i32> {
    let largest = values.map(f64::abs).fold(0.0, f64::max);
    let is_plain = largest == 0.0 || (SMALL..LARGE).contains(&(largest * (1.0 + 1e-12)));
    // The small surplus lifts 10^n, where the logarithm falls short of n by an error of rounding.
    (!is_plain && largest.is_finite()).then(|| (largest.log10() + 1e-12).floor() as i32)
}

/// `digits` × 10^`exponent` in decimal.
pub(super) fn decimal(digits: i64, exponent: i32) -> String {
    let sign = if digits < 0 { "−" } else { "" };
    let digits = digits.unsigned_abs().to_string();
    if exponent >= 0 {
        let zeros = if digits == "0" { 0 } else { exponent as usize };
        return format!("{sign}{digits}{}", "0".repeat(zeros.min(30)));
    }
    let n_decimals = exponent.unsigned_abs() as usize;
    let padded = format!("{digits:0>width$}", width = n_decimals + 1);
    let (whole, decimals) = padded.split_at(padded.len() - n_decimals);
    format!("{sign}{whole}.{decimals}")
}

/// A number alone, with at most six digits that count: `0.25`, `−3`, `1.5×10⁻⁷`.
pub(crate) fn rounded(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    let scientific = format!("{value:.5e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let n_decimals = (5 - exponent).max(0) as usize;
        return trimmed(&format!("{value:.n_decimals$}"));
    }
    match trimmed(mantissa).as_str() {
        "1" => super::power_of_ten(exponent),
        mantissa => format!("{mantissa}×{}", super::power_of_ten(exponent)),
    }
}

/// A decimal without zeros at its end, with the sign of typesetters.
fn trimmed(text: &str) -> String {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    text.replace('-', "−")
}
