//! Ticks of longitudes and latitudes: degrees, minutes and seconds of arc.

use super::{Ruler, Tick, Ticks, numbers};

/// Which way degrees are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compass {
    /// Longitudes, in turns of 360°.
    EastWest,
    /// Latitudes.
    NorthSouth,
}

/// Distances between ticks in seconds of arc, with the parts into which minor ticks divide them.
const STEPS: [(i64, i64); 21] = [
    (1, 1),
    (2, 2),
    (5, 5),
    (10, 5),
    (15, 3),
    (30, 3),
    (60, 6),
    (2 * 60, 2),
    (5 * 60, 5),
    (10 * 60, 5),
    (15 * 60, 3),
    (30 * 60, 3),
    (3600, 4),
    (2 * 3600, 4),
    (5 * 3600, 5),
    (10 * 3600, 5),
    (15 * 3600, 3),
    (30 * 3600, 3),
    (45 * 3600, 3),
    (60 * 3600, 4),
    (90 * 3600, 3),
];

/// Ticks between two angles in degrees at the places that `share` tells.
pub(crate) fn angles(
    compass: Compass,
    (low, high): (f64, f64),
    ruler: &Ruler,
    share: &dyn Fn(f64) -> f64,
) -> Ticks {
    // Labels of longitudes are short and may be closer; those of latitudes look better farther apart.
    let most = match compass {
        Compass::EastWest => ruler.most() * 1.2,
        Compass::NorthSouth => ruler.most() * 0.85,
    };
    let shortest = (high - low) * 3600.0 / most.max(1.0);
    if high - low > 1e5 || low.abs() > 1e6 {
        return numbers(low, high, ruler, share);
    }
    if shortest < 0.5 {
        let mut ticks = numbers(low, high, ruler, share);
        ticks.major.iter_mut().for_each(|tick| tick.label.push('°'));
        ticks.major = ruler.thinned(ticks.major);
        return ticks;
    }
    for (step, n_parts) in STEPS.into_iter().filter(|(step, _)| *step as f64 >= shortest) {
        let tick =
            |seconds: i64| Tick { share: share(degrees(seconds)), label: label(compass, seconds, step) };
        let major: Vec<Tick> =
            multiples(step, low, high).map(tick).filter(|tick| tick.share.is_finite()).collect();
        if ruler.holds(&major) {
            let part = step / n_parts;
            let minor = multiples(part, low, high).filter(|seconds| seconds % step != 0);
            let minor: Vec<f64> = minor.map(|seconds| share(degrees(seconds))).collect();
            let room = ruler.length / (minor.len() + major.len()).max(1) as f32;
            let minor = if room >= ruler.size * 0.4 { minor } else { Vec::new() };
            return Ticks { major, minor, ..Ticks::default() };
        }
    }
    Ticks::default()
}

/// The round angles between two: parallels or meridians with about `most` in all.
pub(crate) fn round_angles(low: f64, high: f64, most: f64) -> Vec<f64> {
    let shortest = (high - low) * 3600.0 / most;
    let step =
        STEPS.into_iter().map(|(step, _)| step).find(|step| *step as f64 >= shortest).unwrap_or(90 * 3600);
    multiples(step, low, high).take(400).map(degrees).collect()
}

/// The label of a round angle.
pub(crate) fn angle_label(compass: Compass, degrees: f64) -> String {
    let seconds = (degrees * 3600.0).round() as i64;
    let step = if seconds % 3600 == 0 {
        3600
    } else if seconds % 60 == 0 {
        60
    } else {
        1
    };
    label(compass, seconds, step)
}

fn degrees(seconds: i64) -> f64 {
    seconds as f64 / 3600.0
}

/// Multiples of a step in seconds between two angles in degrees.
fn multiples(step: i64, low: f64, high: f64) -> impl Iterator<Item = i64> {
    let length = step as f64 / 3600.0;
    let (first, last) = ((low / length - 1e-7).ceil() as i64, (high / length + 1e-7).floor() as i64);
    (first..=last).map(move |n| n * step)
}

/// `30°W`, `0°`, `12°30′N`, `5°00′20″E`: as fine as the step asks for.
fn label(compass: Compass, seconds: i64, step: i64) -> String {
    const TURN: i64 = 360 * 3600;
    let seconds = match compass {
        Compass::EastWest => (seconds + TURN / 2).rem_euclid(TURN) - TURN / 2,
        Compass::NorthSouth => seconds,
    };
    let size = seconds.abs();
    let (degrees, minutes, rest) = (size / 3600, size / 60 % 60, size % 60);
    let mut text = format!("{degrees}°");
    if step % 3600 != 0 {
        text.push_str(&format!("{minutes:02}′"));
    }
    if step % 60 != 0 {
        text.push_str(&format!("{rest:02}″"));
    }
    let half_turn = matches!(compass, Compass::EastWest) && size == TURN / 2;
    if seconds != 0 && !half_turn {
        text.push_str(side(compass, seconds < 0));
    }
    text
}

fn side(compass: Compass, is_negative: bool) -> &'static str {
    match (compass, is_negative) {
        (Compass::EastWest, false) => "E",
        (Compass::EastWest, true) => "W",
        (Compass::NorthSouth, false) => "N",
        (Compass::NorthSouth, true) => "S",
    }
}

/// An angle in decimal degrees: `9.25°E`.
pub(super) fn decimal(compass: Compass, degrees: f64) -> String {
    let turned = match compass {
        Compass::EastWest => (degrees + 180.0).rem_euclid(360.0) - 180.0,
        Compass::NorthSouth => degrees,
    };
    let side = if turned == 0.0 { "" } else { side(compass, turned < 0.0) };
    format!("{}°{side}", super::rounded(turned.abs()))
}
