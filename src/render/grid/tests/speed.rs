//! How long grids of the sizes in use take to build and to map.

use std::time::Instant;

use super::*;

fn measure(name: &str, make: impl FnOnce() -> Grid) {
    let start = Instant::now();
    let grid = make();
    let built = start.elapsed();
    let n_cells = u64::from(grid.shape().0) * u64::from(grid.shape().1);
    let start = Instant::now();
    let view = View::globe(1600, 900);
    let CellMap::Each(cells) = grid.cells(&view, &Cancel::new()).unwrap() else { return };
    let mapped = start.elapsed();
    let start = Instant::now();
    let robinson = View { projection: MapProjection::Robinson, ..view };
    grid.cells(&robinson, &Cancel::new()).unwrap();
    let other = start.elapsed();
    let start = Instant::now();
    let extent = grid.extent();
    eprintln!(
        "{name}: {n_cells} cells, built {built:?}, plate carrée {mapped:?}, Robinson {other:?}, extent {:?} {extent:?}, {:.1} bytes a cell, {:.2} % of pixels",
        start.elapsed(),
        grid.len_bytes() as f64 / n_cells as f64,
        100.0 * cells.iter().filter(|cell| **cell != NO_CELL).count() as f64 / cells.len() as f64
    );
    assert!(grid.len_bytes() < 60 * n_cells);
}

#[test]
fn a_tripolar_grid_of_a_quarter_degree() {
    let (shape, longitudes, latitudes) = tripolar(1442, 721, 300);
    measure("tripolar", || Grid::curvilinear(shape, longitudes, latitudes, None, &Cancel::new()).unwrap());
}

#[test]
fn icon_triangles_and_their_centres() {
    let (nodes, faces) = icosphere(8);
    let corners = triangles(&nodes, &faces);
    measure("ICON", || Grid::polygons(corners, &Cancel::new()).unwrap());
    let centres: Vec<LonLat> = faces.iter().map(|face| sphere::degrees(&mean(&nodes, face))).collect();
    let (longitudes, latitudes) = centres.iter().map(|place| (place.longitude, place.latitude)).unzip();
    measure("centres", || Grid::centres(longitudes, latitudes, &Cancel::new()).unwrap());
}

#[test]
fn healpix_pixels_of_level_ten() {
    let healpix = Healpix::new(1024, thermocline_model::cf::HealpixOrder::Nested).unwrap();
    measure("HEALPix", || Grid::healpix(healpix, healpix.n_pixels(), None).unwrap());
}
