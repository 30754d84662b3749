//! Where datasets lie, and how that relates to what is asked for.
//!
//! # Source
//! OGC Simple Features (06-103r4), section 6.1.15, on the plane of longitudes and latitudes. A box across the
//! antimeridian is two boxes (RFC 7946, section 3.1.9).

use geo::{
    BoundingRect, Coord, Geometry, GeometryCollection, Intersects, Line, LineString, MultiPolygon, Point,
    Polygon, Rect, Relate,
};

use crate::filter::SpatialOp;

/// West, south, east, north in degrees. West beyond east crosses the antimeridian.
pub(crate) type Bbox = [f64; 4];

/// True if two boxes have a point in common.
pub(crate) fn boxes_touch(a: Bbox, b: Bbox) -> bool {
    let [a_west, south, a_east, north] = a;
    let [b_west, b_south, b_east, b_north] = b;
    let is_beside = |west: f64, east: f64| {
        if b_west <= b_east {
            return west <= b_east && east >= b_west;
        }
        west <= b_east || east >= b_west
    };
    let touches_in_longitude = if a_west <= a_east {
        is_beside(a_west, a_east)
    } else {
        is_beside(a_west, 180.0) || is_beside(-180.0, a_east)
    };
    touches_in_longitude && south <= b_north && north >= b_south
}

/// The geometry that a dataset's Item has.
pub(crate) fn geometry_of(bbox: Bbox, footprint: Option<&[[f64; 2]]>) -> Geometry<f64> {
    match footprint {
        Some(ring) => {
            let ring: Vec<Coord<f64>> = ring.iter().map(|[x, y]| Coord { x: *x, y: *y }).collect();
            Polygon::new(LineString::new(ring), Vec::new()).into()
        }
        None => geometry_of_box(bbox),
    }
}

/// The geometry of a box: a polygon, two across the antimeridian, a line or a point if it has no area.
pub(crate) fn geometry_of_box([west, south, east, north]: Bbox) -> Geometry<f64> {
    if west <= east {
        return part(west, south, east, north);
    }
    let parts = [part(west, south, 180.0, north), part(-180.0, south, east, north)];
    match parts {
        [Geometry::Polygon(a), Geometry::Polygon(b)] => MultiPolygon::new(vec![a, b]).into(),
        parts => Geometry::GeometryCollection(GeometryCollection::new_from(parts.to_vec())),
    }
}

fn part(west: f64, south: f64, east: f64, north: f64) -> Geometry<f64> {
    let (low, high) = (Coord { x: west, y: south }, Coord { x: east, y: north });
    if low == high {
        return Point::from(low).into();
    }
    if west == east || south == north {
        return LineString::from(Line::new(low, high)).into();
    }
    Rect::new(low, high).to_polygon().into()
}

/// True if the geometry of a dataset stands in a relation to another.
pub(crate) fn relates(op: SpatialOp, dataset: &Geometry<f64>, other: &Geometry<f64>) -> bool {
    match op {
        SpatialOp::Intersects => dataset.intersects(other),
        SpatialOp::Disjoint => !dataset.intersects(other),
        SpatialOp::Equals => dataset.relate(other).is_equal_topo(),
        SpatialOp::Touches => dataset.relate(other).is_touches(),
        SpatialOp::Within => dataset.relate(other).is_within(),
        SpatialOp::Overlaps => dataset.relate(other).is_overlaps(),
        SpatialOp::Crosses => dataset.relate(other).is_crosses(),
        SpatialOp::Contains => dataset.relate(other).is_contains(),
    }
}

/// The box of a geometry on the plane; `None` if it is empty.
pub(crate) fn bounds(geometry: &Geometry<f64>) -> Option<Bbox> {
    let rect = geometry.bounding_rect()?;
    Some([rect.min().x, rect.min().y, rect.max().x, rect.max().y])
}

/// The box that a geometry is, if it is one: a polygon of four corners along longitudes and latitudes, a point, or
/// two polygons of one height that meet at the antimeridian.
pub(crate) fn as_box(geometry: &Geometry<f64>) -> Option<Bbox> {
    match geometry {
        Geometry::Point(point) => Some([point.x(), point.y(), point.x(), point.y()]),
        Geometry::Rect(_) => bounds(geometry),
        Geometry::Polygon(polygon) => polygon_as_box(polygon),
        Geometry::MultiPolygon(parts) => match parts.0.as_slice() {
            [only] => polygon_as_box(only),
            [a, b] => joined(polygon_as_box(a)?, polygon_as_box(b)?),
            _ => None,
        },
        _ => None,
    }
}

fn joined(a: Bbox, b: Bbox) -> Option<Bbox> {
    let (east_of, west_of) = if a[0] > b[0] { (a, b) } else { (b, a) };
    let is_one = east_of[2] == 180.0
        && west_of[0] == -180.0
        && east_of[1] == west_of[1]
        && east_of[3] == west_of[3]
        && east_of[0] > west_of[2];
    is_one.then_some([east_of[0], east_of[1], west_of[2], east_of[3]])
}

fn polygon_as_box(polygon: &Polygon<f64>) -> Option<Bbox> {
    let [a, b, c, d, e] = polygon.exterior().0.as_slice() else { return None };
    let is_ring = polygon.interiors().is_empty() && a == e;
    let turns_at_b = a.x == b.x && b.y == c.y && c.x == d.x && d.y == a.y;
    let turns_at_a = a.y == b.y && b.x == c.x && c.y == d.y && d.x == a.x;
    let has_area = a.x != c.x && a.y != c.y;
    let rect = Rect::new(*a, *c);
    (is_ring && has_area && (turns_at_a || turns_at_b))
        .then(|| [rect.min().x, rect.min().y, rect.max().x, rect.max().y])
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{MultiPoint, coord};

    fn polygon(points: &[[f64; 2]]) -> Geometry<f64> {
        geometry_of([0.0; 4], Some(points))
    }

    #[test]
    fn boxes_touch_at_edges_corners_and_across_the_antimeridian() {
        let a = [10.0, 20.0, 30.0, 40.0];
        let across = [170.0, -10.0, -170.0, 10.0];
        for (a, b, touch) in [
            (a, [30.0, 40.0, 50.0, 60.0], true),
            (a, [30.1, 40.0, 50.0, 60.0], false),
            (a, [10.0, 40.1, 30.0, 60.0], false),
            (a, [15.0, 25.0, 15.0, 25.0], true),
            (across, [175.0, 0.0, 176.0, 1.0], true),
            (across, [-176.0, 0.0, -175.0, 1.0], true),
            (across, [-160.0, 0.0, 160.0, 1.0], false),
            (across, [-170.0, 10.0, 0.0, 20.0], true),
            (across, [178.0, -5.0, -178.0, 5.0], true),
            (across, [160.0, 20.0, -160.0, 30.0], false),
            ([-180.0, 0.0, -175.0, 1.0], [175.0, 0.0, 180.0, 1.0], false),
        ] {
            assert_eq!(boxes_touch(a, b), touch, "{a:?} {b:?}");
            assert_eq!(boxes_touch(b, a), touch, "{b:?} {a:?}");
            assert_eq!(geometry_of_box(a).intersects(&geometry_of_box(b)), touch, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_box_is_recognised_whichever_way_its_ring_goes() {
        let ring = [[0.0, 40.0], [12.0, 40.0], [12.0, 55.0], [0.0, 55.0], [0.0, 40.0]];
        let mut backwards = ring;
        backwards.reverse();
        let expected = Some([0.0, 40.0, 12.0, 55.0]);
        assert_eq!(as_box(&polygon(&ring)), expected);
        assert_eq!(as_box(&polygon(&backwards)), expected);
        assert_eq!(
            as_box(&geometry_of_box([172.0, -10.0, -172.0, 10.0])),
            Some([172.0, -10.0, -172.0, 10.0])
        );
        assert_eq!(as_box(&Point::new(1.0, 2.0).into()), Some([1.0, 2.0, 1.0, 2.0]));
    }

    #[test]
    fn other_geometries_are_no_boxes() {
        for geometry in [
            polygon(&[[0.0, 0.0], [12.0, 1.0], [12.0, 55.0], [0.0, 55.0], [0.0, 0.0]]),
            polygon(&[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 0.0]]),
            polygon(&[[0.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 0.0], [0.0, 0.0]]),
            MultiPoint::from(vec![coord! {x: 0.0, y: 0.0}]).into(),
        ] {
            assert_eq!(as_box(&geometry), None, "{geometry:?}");
        }
    }

    #[test]
    fn relations_of_boxes_are_those_of_simple_features() {
        use SpatialOp::*;
        let area = geometry_of_box([0.0, 0.0, 10.0, 10.0]);
        for (dataset, relations) in [
            ([2.0, 2.0, 4.0, 4.0], &[Intersects, Within][..]),
            ([-5.0, -5.0, 15.0, 15.0], &[Intersects, Contains]),
            ([0.0, 0.0, 10.0, 10.0], &[Intersects, Equals, Within, Contains]),
            ([10.0, 0.0, 20.0, 10.0], &[Intersects, Touches]),
            ([5.0, 5.0, 15.0, 15.0], &[Intersects, Overlaps]),
            ([20.0, 20.0, 30.0, 30.0], &[Disjoint]),
            ([5.0, 5.0, 15.0, 5.0], &[Intersects, Crosses]),
            ([5.0, 5.0, 5.0, 5.0], &[Intersects, Within]),
        ] {
            for op in [Intersects, Equals, Disjoint, Touches, Within, Overlaps, Crosses, Contains] {
                let geometry = geometry_of_box(dataset);
                assert_eq!(relates(op, &geometry, &area), relations.contains(&op), "{dataset:?} {op:?}");
            }
        }
    }
}
