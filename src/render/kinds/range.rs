//! Round numbers: steps, levels and ranges that people would choose.

use crate::text::raised;
use crate::{Error, Result};

/// Most levels of one picture.
pub const MAX_LEVELS: usize = 1024;

/// A step of 1, 2, 2.5 or 5 times a power of ten, kept as its parts so that its multiples are exact decimals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Ten times 1, 2, 2.5 or 5.
    tenths: f64,
    /// Power of ten of the tenths.
    exponent: i32,
}

impl Step {
    /// The smallest step of which at most `n` lie in `span`; `None` for spans that are not positive and finite.
    pub fn within(span: f64, n: usize) -> Option<Self> {
        let least = span / n.max(1) as f64;
        if !(least.is_finite() && least > f64::MIN_POSITIVE) {
            return None;
        }
        let exponent = least.log10().floor() as i32 - 1;
        let candidates = [10.0, 20.0, 25.0, 50.0, 100.0, 200.0];
        // One step too fine by a rounding error of the logarithm is caught by the tolerance, one too coarse by 10.
        candidates
            .into_iter()
            .map(|tenths| Self { tenths, exponent })
            .find(|step| step.size() >= least * (1.0 - 1e-9))
    }

    /// How large it is.
    pub fn size(self) -> f64 {
        self.multiple(1.0)
    }

    /// That many steps from 0.
    pub fn multiple(self, count: f64) -> f64 {
        // Dividing by an exact power of ten gives the double nearest to the decimal; multiplying by 0.001 does not.
        match self.exponent {
            ..=-300 => count * self.tenths * 10f64.powi(self.exponent),
            -299..=-1 => count * self.tenths / 10f64.powi(-self.exponent),
            0.. => count * self.tenths * 10f64.powi(self.exponent),
        }
    }
}

/// Round numbers within a range: multiples of 1, 2, 2.5 or 5 times a power of ten, at most about `n`. Empty for ranges
/// without any.
pub fn nice_levels(min: f64, max: f64, n: usize) -> Vec<f64> {
    let Some(step) = Step::within(max - min, n.min(MAX_LEVELS)) else { return Vec::new() };
    let slack = 1e-9;
    multiples(step, (min / step.size() - slack).ceil(), (max / step.size() + slack).floor())
}

/// Round numbers around a range: the first is not above its lower end, the last not below its upper one.
pub fn nice_edges(min: f64, max: f64, n: usize) -> Vec<f64> {
    let Some(step) = Step::within(max - min, n.min(MAX_LEVELS)) else { return Vec::new() };
    let slack = 1e-9;
    multiples(step, (min / step.size() + slack).floor(), (max / step.size() - slack).ceil())
}

fn multiples(step: Step, first: f64, last: f64) -> Vec<f64> {
    // Beyond 2^53 steps from 0 the step is below the precision of the range: nothing to tell apart.
    if !(first.abs() < 9e15 && last.abs() < 9e15 && last - first <= MAX_LEVELS as f64 * 2.0) {
        return Vec::new();
    }
    let n = (last - first).max(-1.0) as i64 + 1;
    (0..n).map(|i| step.multiple(first + i as f64) + 0.0).collect()
}

/// A range widened by a share of its width at both ends. A range of one value gets room around it; one that is no range
/// is 0 … 1.
pub fn padded(min: f64, max: f64, share: f64) -> (f64, f64) {
    if !(min.is_finite() && max.is_finite() && min <= max) {
        return (0.0, 1.0);
    }
    let span = max - min;
    let room = if span > 0.0 { span * share } else { (min.abs() * 0.05).max(0.5) };
    let (low, high) = (min - room, max + room);
    if low.is_finite() && high.is_finite() { (low, high) } else { (min, max) }
}

/// Smallest and largest finite value; `None` without any.
pub fn extremes(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| value.is_finite()).fold(None, |found, value| match found {
        None => Some((value, value)),
        Some((min, max)) => Some((value.min(min), value.max(max))),
    })
}

/// Refuses levels that are not finite, do not ascend, or are too many.
///
/// # Errors
/// [`Error::Invalid`], [`Error::TooLarge`] beyond [`MAX_LEVELS`].
pub fn check_levels(levels: &[f64]) -> Result<()> {
    if levels.len() > MAX_LEVELS {
        return Err(Error::TooLarge(format!("{} levels are more than {MAX_LEVELS}", levels.len())));
    }
    if levels.iter().any(|level| !level.is_finite()) || levels.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Error::Invalid("levels must be finite and ascend".into()));
    }
    Ok(())
}

/// Levels as texts with as many decimals as tell them apart.
pub fn level_texts(levels: &[f64]) -> Vec<String> {
    let largest = levels.iter().fold(0.0f64, |most, level| most.max(level.abs()));
    let gap = levels.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let gap = if gap.is_finite() && gap > 0.0 { gap } else { largest };
    if largest >= 1e6 || (largest > 0.0 && gap < 1e-5) {
        return levels.iter().map(|level| scientific(*level)).collect();
    }
    let is_enough = |decimals: usize| {
        let unit = 10f64.powi(decimals as i32);
        levels.iter().all(|level| ((level * unit).round() / unit - level).abs() <= gap * 1e-3)
    };
    let decimals = (0..8).find(|decimals| is_enough(*decimals)).unwrap_or(8);
    levels.iter().map(|level| signed(format!("{level:.decimals$}"))).collect()
}

/// A number as mantissa times a power of ten: `1.5×10⁻⁷`.
fn scientific(value: f64) -> String {
    let (shortest, rounded) = (format!("{value:e}"), format!("{value:.4e}"));
    let text = if shortest.len() < rounded.len() { shortest } else { rounded };
    let Some((mantissa, exponent)) = text.split_once('e') else { return signed(text) };
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    if exponent == "0" {
        return signed(mantissa.to_owned());
    }
    format!("{}×10{}", signed(mantissa.to_owned()), raised(exponent))
}

fn signed(text: String) -> String {
    let is_zero = !text.chars().any(|letter| letter.is_ascii_digit() && letter != '0');
    match text.strip_prefix('-') {
        Some(rest) if is_zero => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_round_numbers_within_the_range() {
        assert_eq!(nice_levels(0.03, 0.97, 10), vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
        assert_eq!(nice_levels(-7.0, 31.0, 10), vec![-5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert_eq!(
            nice_levels(250.0, 252.0, 8),
            vec![250.0, 250.25, 250.5, 250.75, 251.0, 251.25, 251.5, 251.75, 252.0]
        );
    }

    #[test]
    fn edges_enclose_the_range() {
        assert_eq!(
            nice_edges(-7.0, 31.0, 10),
            vec![-10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0]
        );
    }

    #[test]
    fn ranges_without_width_have_no_levels() {
        for (min, max) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (f64::NEG_INFINITY, f64::INFINITY)] {
            assert!(nice_levels(min, max, 10).is_empty());
        }
    }

    #[test]
    fn texts_have_as_many_decimals_as_tell_levels_apart() {
        assert_eq!(level_texts(&[-0.25, 0.0, 0.25]), ["−0.25", "0.00", "0.25"]);
        assert_eq!(level_texts(&[5.0, 10.0]), ["5", "10"]);
        assert_eq!(level_texts(&[1.5e-7, 3e-7]), ["1.5×10⁻⁷", "3×10⁻⁷"]);
        assert_eq!(level_texts(&[0.0, 2e6]), ["0", "2×10⁶"]);
    }

    #[test]
    fn a_range_of_one_value_gets_room() {
        assert_eq!(padded(0.0, 0.0, 0.05), (-0.5, 0.5));
        assert_eq!(padded(0.0, 10.0, 0.05), (-0.5, 10.5));
        assert_eq!(padded(f64::NAN, 1.0, 0.05), (0.0, 1.0));
    }

    proptest::proptest! {
        #[test]
        fn levels_never_panic_and_lie_within(min: f64, max: f64, n in 0usize..5000) {
            let levels = nice_levels(min, max, n);
            proptest::prop_assert!(levels.len() <= 2 * MAX_LEVELS + 1);
            proptest::prop_assert!(levels.windows(2).all(|pair| pair[0] <= pair[1]));
            nice_edges(min, max, n);
            level_texts(&[min, max]);
            padded(min, max, 0.05);
        }
    }
}
