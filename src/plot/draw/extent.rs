//! The extent of a map that nobody asked for: that of the cells that are selected.

use thermocline_model::cf::{LonLat, Projection};
use thermocline_render::{Extent, Grid, MapProjection};

use super::chosen::Chosen;
use crate::plan::Content;
use crate::{Kind, Plan};

/// Widest extent of longitudes that is not the whole globe, in degrees.
const GLOBAL_SPAN: f64 = 350.0;

/// Narrowest extent that is more than one place, in degrees.
const ONE_PLACE: f64 = 1e-4;

/// Degrees shown on each side of data that lie at one place.
const ROOM: f64 = 2.0;

/// Room beside the outermost of cells without rows and columns, as a share of the extent.
const MARGIN: f64 = 0.04;

/// Cells along each side of a selection whose places are looked at.
const N_SAMPLES: u64 = 64;

/// The extent of what a plan selects of a grid.
pub(super) fn of_plan(plan: &Plan, grid: &Grid, projection: &MapProjection) -> Extent {
    let selected = plan.selected.variables.first().zip(match &plan.content {
        Content::Map(axes) => Some(axes),
        _ => None,
    });
    let chosen = selected.map(|(selected, axes)| Chosen::of(selected, axes));
    let some: Vec<[u64; 2]> = match chosen.filter(|chosen| !chosen.is_all()) {
        Some(chosen) => chosen.some(N_SAMPLES),
        None => Vec::new(),
    };
    let whole = match projection {
        MapProjection::Data(_) => grid.plane_extent().unwrap_or_else(|| grid.extent()),
        _ => grid.extent(),
    };
    let part = match projection {
        _ if some.is_empty() => None,
        MapProjection::Native => of_positions(&some),
        MapProjection::Data(projection) => of_plane(grid, &some, projection, whole),
        _ => of_earth(grid, &some),
    };
    match projection {
        MapProjection::Native | MapProjection::Data(_) => part.unwrap_or(whole),
        _ => roomy(part.unwrap_or(whole), if plan.kind == Kind::Scatter { MARGIN } else { 0.0 }),
    }
}

/// Rows and columns as an extent.
fn of_positions(some: &[[u64; 2]]) -> Option<Extent> {
    let (west, east) = ends(some.iter().map(|[_, column]| *column as f64))?;
    let (south, north) = ends(some.iter().map(|[row, _]| *row as f64))?;
    Some(Extent { west, east: east + 1.0, south, north: north + 1.0 })
}

/// What cells cover of the plane of their projection, of which `whole` is known.
fn of_plane(grid: &Grid, some: &[[u64; 2]], projection: &Projection, whole: Extent) -> Option<Extent> {
    let (n_rows, n_columns) = grid.shape();
    let places: Vec<(f64, f64)> =
        some.iter().filter_map(|at| projection.forward(centre(grid, *at)?)).collect();
    let (west, east) = ends(places.iter().map(|(x, _)| *x))?;
    let (south, north) = ends(places.iter().map(|(_, y)| *y))?;
    let across = (whole.east - whole.west) / f64::from(n_columns.max(1)) / 2.0;
    let down = (whole.north - whole.south) / f64::from(n_rows.max(1)) / 2.0;
    Some(Extent {
        west: (west - across).max(whole.west),
        east: (east + across).min(whole.east),
        south: (south - down).max(whole.south),
        north: (north + down).min(whole.north),
    })
}

/// What cells cover of the earth, across the date line if that is shorter.
fn of_earth(grid: &Grid, some: &[[u64; 2]]) -> Option<Extent> {
    let places: Vec<(LonLat, [f64; 2])> =
        some.iter().filter_map(|at| Some((centre(grid, *at)?, half_size(grid, *at)))).collect();
    let (south, north) = (
        ends(places.iter().map(|(place, [_, half])| place.latitude - half))?.0,
        ends(places.iter().map(|(place, [_, half])| place.latitude + half))?.1,
    );
    let mut longitudes: Vec<(f64, f64)> =
        places.iter().map(|(place, [half, _])| (place.longitude.rem_euclid(360.0), *half)).collect();
    longitudes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (first, last) = (*longitudes.first()?, *longitudes.last()?);
    // The extent is what the widest gap leaves.
    let (mut widest, mut from, mut to) = (first.0 + 360.0 - last.0, first, last);
    for pair in longitudes.windows(2) {
        if let [before, after] = pair
            && after.0 - before.0 > widest
        {
            (widest, from, to) = (after.0 - before.0, *after, *before);
        }
    }
    let span = (to.0 - from.0).rem_euclid(360.0);
    let west = (from.0 - from.1 + 180.0).rem_euclid(360.0) - 180.0;
    let mut found = Extent { west, east: west + from.1 + span + to.1, south, north };
    if grid.shape().0 <= 1 {
        found = wider(found, MARGIN);
    }
    Some(found)
}

/// Half the distance in degrees to the next column and row; nothing in grids without both.
fn half_size(grid: &Grid, [row, column]: [u64; 2]) -> [f64; 2] {
    let (n_rows, n_columns) = grid.shape();
    let Some(here) = centre(grid, [row, column]).filter(|_| n_rows > 1) else { return [0.0, 0.0] };
    let beside = |position: u64, len: u32| {
        if position + 1 < u64::from(len) { position + 1 } else { position.saturating_sub(1) }
    };
    let mut half = [0.0_f64; 2];
    for next in [[row, beside(column, n_columns)], [beside(row, n_rows), column]] {
        let Some(next) = centre(grid, next) else { continue };
        let across = (next.longitude - here.longitude + 180.0).rem_euclid(360.0) - 180.0;
        half[0] = half[0].max(across.abs() / 2.0);
        half[1] = half[1].max((next.latitude - here.latitude).abs() / 2.0);
    }
    half
}

fn centre(grid: &Grid, [row, column]: [u64; 2]) -> Option<LonLat> {
    let cell = row.checked_mul(u64::from(grid.shape().1))?.checked_add(column)?;
    grid.centre(u32::try_from(cell).ok()?)
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |found, value| {
        let (min, max) = found.unwrap_or((value, value));
        Some((f64::min(min, value), f64::max(max, value)))
    })
}

fn wider(extent: Extent, share: f64) -> Extent {
    let (across, down) = ((extent.east - extent.west) * share, (extent.north - extent.south) * share);
    Extent {
        west: extent.west - across,
        east: extent.east + across,
        south: extent.south - down,
        north: extent.north + down,
    }
}

/// The globe if data go round it; some room around a single place, and a share of the extent around many.
fn roomy(extent: Extent, share: f64) -> Extent {
    let Extent { mut west, mut east, mut south, mut north } = wider(extent, share);
    if east - west >= GLOBAL_SPAN {
        (west, east) = (-180.0, 180.0);
    }
    if east - west <= ONE_PLACE {
        (west, east) = (west - ROOM, east + ROOM);
    }
    if north - south <= ONE_PLACE {
        (south, north) = (south - ROOM, north + ROOM);
    }
    Extent { west, east, south: south.max(-90.0), north: north.min(90.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selected_cells_across_the_date_line_lie_together() {
        let longitudes: Vec<f64> = (0..36).map(|i| f64::from(i) * 10.0).collect();
        let latitudes: Vec<f64> = (0..18).map(|i| f64::from(i) * 10.0 - 85.0).collect();
        let grid = Grid::rectilinear(&longitudes, &latitudes).unwrap();
        let cells = [[9, 17], [9, 18], [9, 19], [11, 17], [11, 18], [11, 19]];
        let found = of_earth(&grid, &cells).unwrap();
        assert_eq!(found, Extent { west: 165.0, east: 195.0, south: 0.0, north: 30.0 });
        let all: Vec<[u64; 2]> = (0..36).map(|column| [12, column]).collect();
        let found = roomy(of_earth(&grid, &all).unwrap(), 0.0);
        assert_eq!((found.west, found.east), (-180.0, 180.0));
    }

    #[test]
    fn a_single_place_has_room() {
        let place = Extent { west: 10.0, east: 10.000_001, south: 50.0, north: 50.0 };
        let found = roomy(place, 0.0);
        assert!((found.east - found.west - 2.0 * ROOM).abs() < 1e-3);
        assert_eq!((found.south, found.north), (48.0, 52.0));
    }
}
