//! Boxes and geometries as clients write them.
//!
//! # Specification
//! RFC 7946 (GeoJSON), sections 3.1 and 5.

use geo::{
    Coord, Geometry, GeometryCollection, Line, LineString, MultiLineString, MultiPoint, MultiPolygon, Point,
    Polygon, Rect,
};
use serde_json::{Map, Value};

use crate::problem::{Parsed, StacProblem};

/// Most positions of a geometry in a request.
const MAX_POSITIONS: usize = 10_000;

/// Most collections inside one another.
const MAX_NESTED_COLLECTIONS: usize = 8;

/// Types of geometry that are understood.
const TYPES: [&str; 7] =
    ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"];

/// West, south, east, north from 4 numbers, or from 6 with heights, which do not count.
///
/// # Errors
/// 400 for another count, numbers beyond ±180 and ±90, a south that lies north of the north.
pub(crate) fn parse_bbox(numbers: &[f64]) -> Parsed<[f64; 4]> {
    let [west, south, east, north] = match *numbers {
        [west, south, east, north] | [west, south, _, east, north, _] => [west, south, east, north],
        _ => {
            let message = format!("a bbox has 4 or 6 numbers, this one has {}", numbers.len());
            return Err(StacProblem::invalid(message));
        }
    };
    if numbers.iter().any(|number| !number.is_finite()) {
        return Err(StacProblem::invalid("the numbers of a bbox are finite"));
    }
    if !(-180.0..=180.0).contains(&west) || !(-180.0..=180.0).contains(&east) {
        return Err(StacProblem::invalid(format!("longitudes {west} and {east} of a bbox lie within ±180")));
    }
    if !(-90.0..=90.0).contains(&south) || !(-90.0..=90.0).contains(&north) {
        return Err(StacProblem::invalid(format!("latitudes {south} and {north} of a bbox lie within ±90")));
    }
    if south > north {
        return Err(StacProblem::invalid(format!(
            "the south {south} of a bbox lies beyond its north {north}"
        )));
    }
    Ok([west, south, east, north])
}

/// The area of a box; of one whose west lies beyond its east, both sides of the antimeridian.
pub(crate) fn area_of([west, south, east, north]: [f64; 4]) -> Geometry<f64> {
    if west > east {
        let sides = [plain_box(west, 180.0, south, north), plain_box(-180.0, east, south, north)];
        return Geometry::GeometryCollection(GeometryCollection::from(sides.to_vec()));
    }
    plain_box(west, east, south, north)
}

fn plain_box(west: f64, east: f64, south: f64, north: f64) -> Geometry<f64> {
    let (low, high) = (Coord { x: west, y: south }, Coord { x: east, y: north });
    match (west == east, south == north) {
        (true, true) => Point(low).into(),
        (false, false) => Rect::new(low, high).to_polygon().into(),
        _ => LineString::from(Line::new(low, high)).into(),
    }
}

/// A geometry from GeoJSON. Heights do not count.
///
/// # Errors
/// 400 for what is no geometry, an open ring, an empty one, more than 10,000 positions.
pub(crate) fn parse_geometry(value: &Value) -> Parsed<Geometry<f64>> {
    Reader { n_left: MAX_POSITIONS }.geometry(value, 0)
}

/// Reads a geometry with a bound on its positions.
struct Reader {
    n_left: usize,
}

impl Reader {
    fn geometry(&mut self, value: &Value, depth: usize) -> Parsed<Geometry<f64>> {
        let object =
            value.as_object().ok_or_else(|| StacProblem::invalid("a geometry is a GeoJSON object"))?;
        let name = object.get("type").and_then(Value::as_str).unwrap_or_default();
        if name == "GeometryCollection" {
            return self.collection(object, depth);
        }
        if !TYPES.contains(&name) {
            return Err(
                StacProblem::invalid("a geometry has one of the types of GeoJSON").with_allowed(TYPES)
            );
        }
        let coordinates = object
            .get("coordinates")
            .ok_or_else(|| StacProblem::invalid(format!("the {name} has no coordinates")))?;
        Ok(match name {
            "Point" => Point(self.position(coordinates)?).into(),
            "MultiPoint" => MultiPoint(self.each(coordinates, Self::point)?).into(),
            "LineString" => self.line(coordinates)?.into(),
            "MultiLineString" => MultiLineString(self.each(coordinates, Self::line)?).into(),
            "Polygon" => self.polygon(coordinates)?.into(),
            _ => MultiPolygon(self.each(coordinates, Self::polygon)?).into(),
        })
    }

    fn collection(&mut self, object: &Map<String, Value>, depth: usize) -> Parsed<Geometry<f64>> {
        if depth >= MAX_NESTED_COLLECTIONS {
            let message =
                format!("geometry collections lie at most {MAX_NESTED_COLLECTIONS} deep in one another");
            return Err(StacProblem::invalid(message));
        }
        let members = items(object.get("geometries").unwrap_or(&Value::Null), "geometries of a collection")?;
        let members: Parsed<Vec<_>> = members.iter().map(|member| self.geometry(member, depth + 1)).collect();
        Ok(Geometry::GeometryCollection(GeometryCollection::from(members?)))
    }

    fn each<T>(&mut self, value: &Value, read: fn(&mut Self, &Value) -> Parsed<T>) -> Parsed<Vec<T>> {
        items(value, "coordinates")?.iter().map(|part| read(self, part)).collect()
    }

    fn polygon(&mut self, value: &Value) -> Parsed<Polygon<f64>> {
        let mut rings = self.each(value, Self::ring)?.into_iter();
        let outer = rings.next().ok_or_else(|| StacProblem::invalid("a polygon has an outer ring"))?;
        Ok(Polygon::new(outer, rings.collect()))
    }

    fn ring(&mut self, value: &Value) -> Parsed<LineString<f64>> {
        let ring = LineString(self.each(value, Self::position)?);
        if ring.0.len() < 4 || !ring.is_closed() {
            return Err(StacProblem::invalid(
                "a ring of a polygon has 4 positions or more and ends where it begins",
            ));
        }
        Ok(ring)
    }

    fn line(&mut self, value: &Value) -> Parsed<LineString<f64>> {
        let line = LineString(self.each(value, Self::position)?);
        if line.0.len() < 2 {
            return Err(StacProblem::invalid("a line has 2 positions or more"));
        }
        Ok(line)
    }

    fn point(&mut self, value: &Value) -> Parsed<Point<f64>> {
        self.position(value).map(Point)
    }

    fn position(&mut self, value: &Value) -> Parsed<Coord<f64>> {
        self.n_left = self.n_left.checked_sub(1).ok_or_else(|| {
            StacProblem::invalid(format!("a geometry has at most {MAX_POSITIONS} positions"))
        })?;
        let numbers: Option<Vec<f64>> = value
            .as_array()
            .filter(|list| list.len() <= 4)
            .and_then(|list| list.iter().map(Value::as_f64).collect());
        match numbers.as_deref() {
            Some([x, y, ..]) if x.is_finite() && y.is_finite() => Ok(Coord { x: *x, y: *y }),
            _ => Err(StacProblem::invalid("a position is a longitude and a latitude")),
        }
    }
}

fn items<'a>(value: &'a Value, what: &str) -> Parsed<&'a [Value]> {
    match value.as_array() {
        Some(list) if !list.is_empty() => Ok(list),
        _ => Err(StacProblem::invalid(format!("{what} are a list that is not empty"))),
    }
}

#[cfg(test)]
mod tests {
    use geo::Area;
    use serde_json::json;

    use super::*;

    #[test]
    fn boxes_have_four_or_six_numbers_within_the_earth() {
        assert_eq!(parse_bbox(&[172.0, -10.0, -172.0, 10.0]).unwrap(), [172.0, -10.0, -172.0, 10.0]);
        assert_eq!(parse_bbox(&[-5.0, 45.0, 0.0, 5.0, 50.0, 100.0]).unwrap(), [-5.0, 45.0, 5.0, 50.0]);
        assert_eq!(parse_bbox(&[25.0, 3.0, 25.0, 3.0]).unwrap(), [25.0, 3.0, 25.0, 3.0]);
        for bad in [
            &[0.0][..],
            &[],
            &[0.0, 0.0],
            &[0.0, 0.0, 1.0],
            &[0.0, 0.0, 0.0, 1.0, 1.0],
            &[0.0; 7],
            &[0.0, 10.0, 1.0, 5.0],
            &[f64::NAN, 0.0, 1.0, 1.0],
            &[0.0, 0.0, f64::INFINITY, 1.0],
            &[0.0, 0.0, 1.0, 91.0],
            &[0.0, 0.0, 400.0, 1.0],
        ] {
            assert_eq!(parse_bbox(bad).unwrap_err().0.status, 400, "{bad:?}");
        }
    }

    #[test]
    fn a_box_across_the_antimeridian_lies_on_both_sides() {
        assert_eq!(area_of([172.0, -10.0, -172.0, 10.0]).unsigned_area(), 320.0);
        assert_eq!(area_of([-10.0, 0.0, 10.0, 2.0]).unsigned_area(), 40.0);
        assert!(matches!(area_of([1.0, 2.0, 1.0, 2.0]), Geometry::Point(_)));
        assert!(matches!(area_of([1.0, 2.0, 3.0, 2.0]), Geometry::LineString(_)));
    }

    #[test]
    fn every_type_of_geojson_is_read() {
        let ring = json!([[0, 0], [1, 0], [1, 1], [0, 0]]);
        for good in [
            json!({"type": "Point", "coordinates": [1, 2, 3]}),
            json!({"type": "MultiPoint", "coordinates": [[1, 2]]}),
            json!({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}),
            json!({"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]]]}),
            json!({"type": "Polygon", "coordinates": [ring]}),
            json!({"type": "MultiPolygon", "coordinates": [[ring]]}),
            json!({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]}),
        ] {
            parse_geometry(&good).unwrap();
        }
    }

    #[test]
    fn what_is_no_geometry_is_refused() {
        let mut deep = json!({"type": "Point", "coordinates": [1, 2]});
        for _ in 0..20 {
            deep = json!({"type": "GeometryCollection", "geometries": [deep]});
        }
        let long: Vec<[f64; 2]> = (0..10_001).map(|n| [0.0, f64::from(n) / 1e3]).collect();
        for bad in [
            json!({"coordinates": [0, 0]}),
            json!({"type": "Point"}),
            json!({"type": "Point", "coordinates": [1]}),
            json!({"type": "Point", "coordinates": ["1", "2"]}),
            json!({"type": "Circle", "coordinates": [1, 2]}),
            json!({"type": "LineString", "coordinates": [[1, 2]]}),
            json!({"type": "LineString", "coordinates": long}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0]]]}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}),
            json!({"type": "Polygon", "coordinates": []}),
            json!({"type": "MultiPoint", "coordinates": []}),
            json!({"type": "GeometryCollection", "geometries": []}),
            json!("POINT(1 2)"),
            deep,
        ] {
            assert_eq!(parse_geometry(&bad).unwrap_err().0.status, 400, "{bad}");
        }
    }
}
