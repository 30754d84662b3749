//! Which numbers make a map.

use super::{Extent, MapProjection, View, cone, separable};
use crate::{Error, Result};

/// Most degrees from west to east: a map may show what is near its sides twice.
const MAX_WIDTH: f64 = 720.0;

/// Farthest longitude from Greenwich.
const MAX_LONGITUDE: f64 = 720.0;

pub(super) fn check(view: &View) -> Result<()> {
    if view.width == 0 || view.height == 0 {
        return invalid(format!("no map has {} × {} pixels", view.width, view.height));
    }
    match &view.projection {
        MapProjection::PlateCarree => check_degrees(&view.extent),
        MapProjection::Mercator => check_degrees(&view.extent).and_then(|()| check_mercator(&view.extent)),
        MapProjection::Lambert => check_degrees(&view.extent).and_then(|()| cone::check(&view.extent)),
        MapProjection::Data(_) | MapProjection::Native => check_sides(&view.extent),
        MapProjection::Robinson | MapProjection::Mollweide | MapProjection::EqualEarth => check_center(view),
        MapProjection::Orthographic => check_center(view),
        MapProjection::NorthPolar | MapProjection::SouthPolar => {
            check_center(view).and_then(|()| check_bound(view))
        }
    }
}

/// A mistake in the request.
pub(super) fn invalid<T>(detail: String) -> Result<T> {
    Err(Error::Invalid(detail))
}

fn check_sides(extent: &Extent) -> Result<()> {
    let Extent { west, east, south, north } = *extent;
    for (name, side) in [("west", west), ("east", east), ("south", south), ("north", north)] {
        if !side.is_finite() {
            return invalid(format!("extent: {name} is {side}, allowed is a finite number"));
        }
    }
    if west >= east {
        return invalid(format!("extent: west {west} is not left of east {east}"));
    }
    if south >= north {
        return invalid(format!("extent: south {south} is not below north {north}"));
    }
    if !((east - west).is_finite() && (north - south).is_finite()) {
        return invalid(format!("extent: {west} to {east}, {south} to {north} is too wide"));
    }
    Ok(())
}

fn check_degrees(extent: &Extent) -> Result<()> {
    check_sides(extent)?;
    for (name, side) in [("south", extent.south), ("north", extent.north)] {
        if !(-90.0..=90.0).contains(&side) {
            return invalid(format!("extent: {name} {side} is beyond a pole, allowed are -90 to 90"));
        }
    }
    for (name, side) in [("west", extent.west), ("east", extent.east)] {
        if side.abs() > MAX_LONGITUDE {
            return invalid(format!("extent: {name} {side} is beyond ±{MAX_LONGITUDE}"));
        }
    }
    if extent.east - extent.west > MAX_WIDTH {
        return invalid(format!("extent: {} to {} is wider than {MAX_WIDTH}°", extent.west, extent.east));
    }
    Ok(())
}

fn check_mercator(extent: &Extent) -> Result<()> {
    let limit = separable::MERCATOR_LIMIT;
    if extent.south >= limit || extent.north <= -limit {
        let Extent { south, north, .. } = extent;
        return invalid(format!("extent: {south} to {north} is beyond ±{limit}, where mercator is cut"));
    }
    Ok(())
}

fn check_center(view: &View) -> Result<()> {
    let (longitude, latitude) = view.center;
    if !(longitude.is_finite() && longitude.abs() <= MAX_LONGITUDE) {
        return invalid(format!("center: the longitude {longitude} is not within ±{MAX_LONGITUDE}"));
    }
    if !(-90.0..=90.0).contains(&latitude) {
        return invalid(format!("center: the latitude {latitude} is not within ±90"));
    }
    Ok(())
}

fn check_bound(view: &View) -> Result<()> {
    if (0.0..90.0).contains(&view.bound) {
        return Ok(());
    }
    invalid(format!("bound: {} is not from 0 to below 90", view.bound))
}
