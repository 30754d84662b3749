//! Relations of geometries.

use geo::Geometry;
use serde_json::Value;
use thermocline_search::{Filter, PropertyName, SpatialOp};

use crate::geometry::{area_of, parse_bbox, parse_geometry};
use crate::problem::{Parsed, StacProblem};

/// The relation that a function tests.
pub(super) fn relation_of(name: &str) -> Option<SpatialOp> {
    Some(match name {
        "s_intersects" => SpatialOp::Intersects,
        "s_equals" => SpatialOp::Equals,
        "s_disjoint" => SpatialOp::Disjoint,
        "s_touches" => SpatialOp::Touches,
        "s_within" => SpatialOp::Within,
        "s_overlaps" => SpatialOp::Overlaps,
        "s_crosses" => SpatialOp::Crosses,
        "s_contains" => SpatialOp::Contains,
        _ => return None,
    })
}

/// A relation of the dataset's geometry to another, in either order.
pub(super) fn filter(name: &str, relation: SpatialOp, [left, right]: &[Value; 2]) -> Parsed<Filter> {
    match (is_geometry_property(left)?, is_geometry_property(right)?) {
        (true, false) => Ok(Filter::Spatial(relation, literal(right)?)),
        (false, true) => Ok(Filter::Spatial(turned(relation), literal(left)?)),
        _ => Err(StacProblem::invalid(format!("'{name}' relates the property geometry to a geometry"))),
    }
}

fn is_geometry_property(value: &Value) -> Parsed<bool> {
    let Some(name) = value.get("property") else { return Ok(false) };
    let name = name.as_str().map(PropertyName::new);
    if name.is_some_and(|name| name.as_str() == "geometry") {
        return Ok(true);
    }
    Err(StacProblem::invalid("only one property is a geometry").with_allowed(["geometry"]))
}

fn literal(value: &Value) -> Parsed<Geometry<f64>> {
    let Some(bbox) = value.get("bbox").filter(|_| value.get("type").is_none()) else {
        return parse_geometry(value);
    };
    let numbers: Option<Vec<f64>> = bbox.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    let numbers = numbers.ok_or_else(|| StacProblem::invalid("a bbox is a list of numbers"))?;
    Ok(area_of(parse_bbox(&numbers)?))
}

/// The relation with its sides exchanged.
fn turned(relation: SpatialOp) -> SpatialOp {
    match relation {
        SpatialOp::Within => SpatialOp::Contains,
        SpatialOp::Contains => SpatialOp::Within,
        symmetric => symmetric,
    }
}
