//! Maps of the whole earth with straight parallels, along which longitudes are spread evenly.
//!
//! y of −1 … 1 gives the latitude and the half length of its parallel, that of the equator being 1.

use std::f64::consts::{FRAC_PI_2, PI};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PseudoCylindrical {
    Robinson,
    Mollweide,
    EqualEarth,
}

/// A parallel on the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parallel {
    /// Degrees north.
    pub(super) latitude: f64,
    /// Its place between the poles, −1 … 1.
    pub(super) y: f64,
    /// Its half length, that of the equator being 1.
    pub(super) half: f64,
}

impl PseudoCylindrical {
    /// The parallel at y, which is cut at ±1.
    pub(super) fn at(self, y: f64) -> Parallel {
        let y = y.clamp(-1.0, 1.0);
        match self {
            Self::Robinson => robinson_at(y),
            Self::Mollweide => mollweide_at(y.asin(), y),
            Self::EqualEarth => {
                let theta = equal_earth_theta(y);
                let latitude = (theta.sin() / EQUAL_EARTH_M).clamp(-1.0, 1.0).asin().to_degrees();
                Parallel { latitude, y, half: equal_earth_half(theta) }
            }
        }
    }

    /// The parallel of a latitude, which is cut at ±90.
    pub(super) fn of(self, latitude: f64) -> Parallel {
        let latitude = latitude.clamp(-90.0, 90.0);
        match self {
            Self::Robinson => robinson_of(latitude),
            Self::Mollweide => {
                let theta = mollweide_theta(latitude);
                Parallel { latitude, y: theta.sin(), half: theta.cos().max(0.0) }
            }
            Self::EqualEarth => {
                let theta = (EQUAL_EARTH_M * latitude.to_radians().sin()).asin();
                let y = equal_earth_y(theta) / equal_earth_y(EQUAL_EARTH_POLE);
                Parallel { latitude, y: y.clamp(-1.0, 1.0), half: equal_earth_half(theta) }
            }
        }
    }

    /// Width by height without distortion.
    pub(super) fn aspect(self) -> f64 {
        match self {
            Self::Robinson => 0.8487 * PI / 1.3523,
            Self::Mollweide => 2.0,
            Self::EqualEarth => PI / EQUAL_EARTH[0] / EQUAL_EARTH_M / equal_earth_y(EQUAL_EARTH_POLE),
        }
    }
}

/// Length of the parallel and its distance from the equator, every 5° of latitude.
const ROBINSON: [(f64, f64); 19] = [
    (1.0000, 0.0000),
    (0.9986, 0.0620),
    (0.9954, 0.1240),
    (0.9900, 0.1860),
    (0.9822, 0.2480),
    (0.9730, 0.3100),
    (0.9600, 0.3720),
    (0.9427, 0.4340),
    (0.9216, 0.4958),
    (0.8962, 0.5571),
    (0.8679, 0.6176),
    (0.8350, 0.6769),
    (0.7986, 0.7346),
    (0.7597, 0.7903),
    (0.7186, 0.8435),
    (0.6732, 0.8936),
    (0.6213, 0.9394),
    (0.5722, 0.9761),
    (0.5322, 1.0000),
];

fn robinson_at(y: f64) -> Parallel {
    let distance = y.abs();
    let row = ROBINSON.partition_point(|(_, known)| *known <= distance).clamp(1, ROBINSON.len() - 1) - 1;
    let ((_, low), (_, high)) = (ROBINSON[row], ROBINSON[row + 1]);
    robinson_between(row, (distance - low) / (high - low), y.signum())
}

fn robinson_of(latitude: f64) -> Parallel {
    let steps = latitude.abs() / 5.0;
    let row = (steps as usize).min(ROBINSON.len() - 2);
    robinson_between(row, steps - row as f64, latitude.signum())
}

fn robinson_between(row: usize, share: f64, sign: f64) -> Parallel {
    let ((low_half, low_y), (high_half, high_y)) = (ROBINSON[row], ROBINSON[row + 1]);
    Parallel {
        latitude: sign * 5.0 * (row as f64 + share),
        y: sign * (low_y + share * (high_y - low_y)),
        half: low_half + share * (high_half - low_half),
    }
}

fn mollweide_at(theta: f64, y: f64) -> Parallel {
    let sine = (2.0 * theta + (2.0 * theta).sin()) / PI;
    let latitude = sine.clamp(-1.0, 1.0).asin().to_degrees();
    Parallel { latitude, y, half: (1.0 - y * y).sqrt() }
}

/// θ with 2θ + sin 2θ = π sin φ, by Newton's method, which the first guess makes quick near the poles too.
fn mollweide_theta(latitude: f64) -> f64 {
    let target = PI * latitude.abs().to_radians().sin();
    // Near the pole π − 2θ − sin 2θ is (π − 2θ)³ / 6.
    let mut double = PI - (6.0 * (PI - target)).cbrt();
    for _ in 0..20 {
        let slope = 1.0 + double.cos();
        if slope < 1e-14 {
            break;
        }
        let step = (double + double.sin() - target) / slope;
        double = (double - step).clamp(0.0, PI);
        if step.abs() < 1e-14 {
            break;
        }
    }
    (double / 2.0).min(FRAC_PI_2).copysign(latitude)
}

/// The coefficients A₁ … A₄ of θ, θ³, θ⁷, θ⁹.
const EQUAL_EARTH: [f64; 4] = [1.340264, -0.081106, 0.000893, 0.003796];

/// √3 / 2: sin θ = M sin φ.
const EQUAL_EARTH_M: f64 = 0.866_025_403_784_438_6;

/// θ of the pole.
const EQUAL_EARTH_POLE: f64 = PI / 3.0;

fn equal_earth_y(theta: f64) -> f64 {
    let [a1, a2, a3, a4] = EQUAL_EARTH;
    let square = theta * theta;
    theta * (a1 + square * (a2 + square * square * (a3 + square * a4)))
}

fn equal_earth_slope(theta: f64) -> f64 {
    let [a1, a2, a3, a4] = EQUAL_EARTH;
    let square = theta * theta;
    a1 + square * (3.0 * a2 + square * square * (7.0 * a3 + square * 9.0 * a4))
}

fn equal_earth_half(theta: f64) -> f64 {
    theta.cos() * EQUAL_EARTH[0] / equal_earth_slope(theta)
}

/// θ of a y of −1 … 1, by Newton's method.
fn equal_earth_theta(y: f64) -> f64 {
    let target = y * equal_earth_y(EQUAL_EARTH_POLE);
    let mut theta = y * EQUAL_EARTH_POLE;
    for _ in 0..12 {
        let step = (equal_earth_y(theta) - target) / equal_earth_slope(theta);
        theta -= step;
        if step.abs() < 1e-14 {
            break;
        }
    }
    theta.clamp(-EQUAL_EARTH_POLE, EQUAL_EARTH_POLE)
}
