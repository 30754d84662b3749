//! Areas of the cells of a regular grid: of each the product of a band's and a width.
//!
//! The area between two parallels and two meridians of a sphere is R² (sin φ₂ − sin φ₁) (λ₂ − λ₁), exactly.

use super::wrong;
use crate::Failure;

/// Radius of the sphere in metres.
///
/// # Source
/// CDO 2.1, `PlanetRadius`.
const RADIUS: f64 = 6_371_000.0;

/// R² (sin φ₂ − sin φ₁) of each cell, in m². `bounds` are the ends of the cells; without, they lie midway between latitudes.
pub(super) fn bands(name: &str, degrees: &[f64], bounds: Option<Vec<[f64; 2]>>) -> Result<Vec<f64>, Failure> {
    let pole = |degrees: f64| degrees.clamp(-90.0, 90.0).to_radians().sin();
    let ends = known_ends(name, degrees, bounds)?;
    Ok(ends.iter().map(|[low, high]| (pole(*high) - pole(*low)).abs() * RADIUS * RADIUS).collect())
}

/// λ₂ − λ₁ of each cell, in radians.
pub(super) fn widths(
    name: &str,
    degrees: &[f64],
    bounds: Option<Vec<[f64; 2]>>,
) -> Result<Vec<f64>, Failure> {
    let ends = known_ends(name, degrees, bounds)?;
    let n_westwards = ends.iter().filter(|[from, to]| to < from).count();
    // Most cells of an axis have their ends in one order; where one has not, a turn of the globe ends in it.
    let direction = if 2 * n_westwards > ends.len() { -1.0 } else { 1.0 };
    let width = |[from, to]: &[f64; 2]| {
        let width = (to - from) * direction;
        let width = if width < 0.0 { width + 360.0 } else { width };
        (0.0..=360.0 + 1e-6).contains(&width).then(|| width.to_radians())
    };
    let widths: Option<Vec<f64>> = ends.iter().map(width).collect();
    widths.ok_or_else(|| wrong(format!("cells of {name:?} are wider than the globe")))
}

/// The ends of cells: their bounds, or midway between neighbours, the outer ones as far out as the inner ones.
fn known_ends(name: &str, degrees: &[f64], bounds: Option<Vec<[f64; 2]>>) -> Result<Vec<[f64; 2]>, Failure> {
    let ends = match bounds {
        Some(bounds) => bounds,
        None => midway(degrees).ok_or_else(|| {
            wrong(format!("{name:?} has neither bounds nor ascending or descending values"))
        })?,
    };
    if ends.iter().flatten().any(|end| !end.is_finite()) {
        return Err(wrong(format!("bounds of {name:?} are missing")));
    }
    Ok(ends)
}

fn midway(degrees: &[f64]) -> Option<Vec<[f64; 2]>> {
    let ascends = degrees.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    let descends = degrees.windows(2).all(|pair| matches!(pair, [a, b] if a > b));
    let ([first, second, ..], [.., before, last]) = (degrees, degrees) else { return None };
    if !ascends && !descends {
        return None;
    }
    let mut edges = vec![first - (second - first) / 2.0];
    edges.extend(degrees.iter().zip(degrees.iter().skip(1)).map(|(a, b)| a + (b - a) / 2.0));
    edges.push(last + (last - before) / 2.0);
    Some(edges.iter().zip(edges.iter().skip(1)).map(|(low, high)| [*low, *high]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_globe_have_its_area_together() {
        let lat: Vec<f64> = (0..=36).map(|i| 90.0 - 5.0 * f64::from(i)).collect();
        let lon: Vec<f64> = (0..72).map(|i| 5.0 * f64::from(i)).collect();
        let bands: f64 = bands("lat", &lat, None).unwrap().iter().sum();
        let widths: f64 = widths("lon", &lon, None).unwrap().iter().sum();
        let globe = 4.0 * std::f64::consts::PI * RADIUS * RADIUS;
        assert!((bands * widths / globe - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_cell_across_the_end_of_a_turn_is_as_wide_as_others() {
        for bounds in [[[359.5, 0.5], [0.5, 1.5], [1.5, 2.5]], [[1.5, 0.5], [0.5, 359.5], [2.5, 1.5]]] {
            for width in widths("lon", &[0.0, 1.0, 2.0], Some(bounds.to_vec())).unwrap() {
                assert!((width - 1.0_f64.to_radians()).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_single_cell_may_go_round_the_globe() {
        let width = widths("lon", &[180.0], Some(vec![[0.0, 360.0]])).unwrap();
        assert_eq!(width, [360.0_f64.to_radians()]);
        assert!(widths("lon", &[180.0], None).is_err());
    }

    #[test]
    fn latitudes_in_disorder_have_no_cells() {
        assert!(bands("lat", &[0.0, 2.0, 1.0], None).is_err());
        assert!(bands("lat", &[0.0, f64::NAN, 1.0], None).is_err());
    }
}
