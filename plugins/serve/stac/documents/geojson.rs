//! Where a dataset lies, as GeoJSON.
//!
//! # Specification
//! RFC 7946, sections 3.1.6 (rings, counter-clockwise) and 3.1.9 (cut at the antimeridian).

use serde_json::{Value, json};
use thermocline_search::Extent;

/// The geometry of an extent: a point, a box, its two halves, or an outline.
pub(super) fn geometry(extent: &Extent) -> Value {
    let [west, south, east, north] = extent.bbox;
    if let Some(outline) = extent.footprint.as_ref().filter(|ring| ring.len() >= 4) {
        return json!({"type": "Polygon", "coordinates": [outline]});
    }
    if west == east && south == north {
        return json!({"type": "Point", "coordinates": [west, south]});
    }
    if west > east {
        let halves = [[ring(west, south, 180.0, north)], [ring(-180.0, south, east, north)]];
        return json!({"type": "MultiPolygon", "coordinates": halves});
    }
    if west == east || south == north {
        return json!({"type": "LineString", "coordinates": [[west, south], [east, north]]});
    }
    json!({"type": "Polygon", "coordinates": [ring(west, south, east, north)]})
}

fn ring(west: f64, south: f64, east: f64, north: f64) -> [[f64; 2]; 5] {
    [[west, south], [east, south], [east, north], [west, north], [west, south]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bbox: [f64; 4]) -> Value {
        geometry(&Extent { bbox, footprint: None })
    }

    #[test]
    fn boxes_become_rings_points_lines_and_halves() {
        assert_eq!(
            of([1.0, 2.0, 3.0, 4.0]),
            json!({"type": "Polygon", "coordinates": [[[1.0, 2.0], [3.0, 2.0], [3.0, 4.0], [1.0, 4.0], [1.0, 2.0]]]})
        );
        assert_eq!(of([1.0, 2.0, 1.0, 2.0]), json!({"type": "Point", "coordinates": [1.0, 2.0]}));
        assert_eq!(
            of([1.0, 2.0, 3.0, 2.0]),
            json!({"type": "LineString", "coordinates": [[1.0, 2.0], [3.0, 2.0]]})
        );
        assert_eq!(
            of([170.0, 0.0, -170.0, 1.0])["coordinates"],
            json!([
                [[[170.0, 0.0], [180.0, 0.0], [180.0, 1.0], [170.0, 1.0], [170.0, 0.0]]],
                [[[-180.0, 0.0], [-170.0, 0.0], [-170.0, 1.0], [-180.0, 1.0], [-180.0, 0.0]]],
            ])
        );
    }

    #[test]
    fn an_outline_is_sent_as_it_is() {
        let outline = vec![[0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [0.0, 0.0]];
        let extent = Extent { bbox: [0.0, 0.0, 2.0, 1.0], footprint: Some(outline.clone()) };
        assert_eq!(geometry(&extent), json!({"type": "Polygon", "coordinates": [outline]}));
    }
}
