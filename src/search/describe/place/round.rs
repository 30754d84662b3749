//! Boxes with six digits after the point, never smaller than what they hold.

use super::circle::Arc;

/// Parts of a degree that boxes are given in.
const PARTS: f64 = 1e6;

/// What is no more than rounding in the arithmetic before, in parts.
const NOISE: f64 = 1e-3;

/// West, south, east and north, rounded outwards.
pub(super) fn outwards(south: f64, north: f64, longitudes: Arc) -> [f64; 4] {
    let (south, north) = (down(south).max(-90.0), up(north).min(90.0));
    let Arc::Part { west, width } = longitudes else { return [-180.0, south, 180.0, north] };
    let east = west + width;
    let (west, east) = (down(west), up(east));
    if east - west >= 360.0 {
        return [-180.0, south, 180.0, north];
    }
    let east = if east > 180.0 { east - 360.0 } else { east };
    // Taking a turn away may leave digits behind the sixth.
    [west.max(-180.0), south, (east * PARTS).round() / PARTS, north]
}

fn down(degrees: f64) -> f64 {
    rounded(degrees, f64::floor)
}

fn up(degrees: f64) -> f64 {
    rounded(degrees, f64::ceil)
}

fn rounded(degrees: f64, outwards: impl Fn(f64) -> f64) -> f64 {
    let parts = degrees * PARTS;
    let nearest = parts.round();
    let parts = if (parts - nearest).abs() < NOISE { nearest } else { outwards(parts) };
    // No negative zero in documents.
    parts / PARTS + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_rounded_outwards() {
        let arc = Arc::Part { west: -10.123_456_78, width: 20.0 };
        assert_eq!(outwards(1.000_000_1, 2.000_000_1, arc), [-10.123_457, 1.0, 9.876_544, 2.000_001]);
    }

    #[test]
    fn exact_numbers_stay_exact() {
        let arc = Arc::Part { west: 169.5, width: 21.0 };
        assert_eq!(outwards(0.1 + 0.2, 90.0, arc), [169.5, 0.3, -169.5, 90.0]);
        assert_eq!(
            outwards(-0.0, 0.0, Arc::Part { west: -180.0, width: 360.0 - 1e-9 }),
            [-180.0, 0.0, 180.0, 0.0]
        );
        assert_eq!(outwards(0.0, 1.0, Arc::Part { west: 170.0, width: 10.0 }), [170.0, 0.0, 180.0, 1.0]);
    }
}
