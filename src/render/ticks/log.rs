//! Ticks of logarithmic axes: powers of ten, and between them where there is room.

use super::{Ruler, Tick, Ticks, number, numbers, power_of_ten};

/// Ticks between two positive values at the places that `share` tells.
pub(crate) fn log_ticks(low: f64, high: f64, ruler: &Ruler, share: &dyn Fn(f64) -> f64) -> Ticks {
    if low <= 0.0 {
        return Ticks::default();
    }
    let n_decades = high.log10() - low.log10();
    if n_decades < 1.0 {
        return numbers(low, high, ruler, share);
    }
    let powers = (low.log10() - 1e-9).ceil() as i32..=(high.log10() + 1e-9).floor() as i32;
    let mantissas: &[i64] = if n_decades < 2.0 { &[1, 2, 5] } else { &[1] };
    for every in [1, 2, 3, 5, 10, 20, 50, 100, 200] {
        let decades = (powers.start() - 1..=*powers.end()).filter(|power| power.rem_euclid(every) == 0);
        let digits: Vec<(i64, i32)> =
            decades.flat_map(|power| mantissas.iter().map(move |m| (*m, power))).collect();
        let inside =
            |(m, power): &(i64, i32)| (low * 0.999_999..=high * 1.000_001).contains(&value(*m, *power));
        let digits: Vec<(i64, i32)> = digits.into_iter().filter(inside).collect();
        let is_plain = digits.iter().all(|(_, power)| (-3..=4).contains(power));
        let tick = |(m, power): &(i64, i32)| Tick {
            share: share(value(*m, *power)),
            label: label(*m, *power, is_plain),
        };
        let major: Vec<Tick> = digits.iter().map(tick).collect();
        if ruler.holds(&major) && major.len() as f64 <= ruler.most() * 1.5 + 2.0 {
            let minor = if every == 1 { minor(powers, ruler, share) } else { Vec::new() };
            return Ticks { major, minor, ..Ticks::default() };
        }
    }
    Ticks::default()
}

/// `mantissa` × 10^`power`.
fn value(mantissa: i64, power: i32) -> f64 {
    if power < 0 { mantissa as f64 / 10_f64.powi(-power) } else { mantissa as f64 * 10_f64.powi(power) }
}

/// `0.01`, `100`, or `10⁵` where one of the labels would be long.
fn label(mantissa: i64, power: i32, is_plain: bool) -> String {
    match (is_plain, mantissa) {
        (true, _) => number::decimal(mantissa, power),
        (false, 1) => power_of_ten(power),
        (false, _) => format!("{mantissa}×{}", power_of_ten(power)),
    }
}

/// Places of 2 … 9 times the powers; none where decades are short.
fn minor(powers: std::ops::RangeInclusive<i32>, ruler: &Ruler, share: &dyn Fn(f64) -> f64) -> Vec<f64> {
    let decade = (share(10.0) - share(1.0)).abs() as f32 * ruler.length;
    if decade < ruler.size * 4.0 {
        return Vec::new();
    }
    let decades = powers.start() - 1..=*powers.end();
    decades.flat_map(|power| (2..=9).map(move |m| value(m, power))).map(share).collect()
}
