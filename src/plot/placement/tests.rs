//! Every family of grids is found by what its metadata say.

use std::f64::consts::PI;

use thermocline_model::cf::LonLat;
use thermocline_model::{Attribute, Attributes, DataType};
use thermocline_render::Cancel;

use super::*;
use crate::testing::{Built, F4, F8, World, float, texts};
use crate::{PlotSettings, Plotter};

fn placed(world: &Built, name: &str) -> Option<Placement> {
    let variable = world.manifest.dataset.root.variable(name).unwrap();
    Placement::of(&world.manifest, name, variable).unwrap()
}

/// A variable of nothing over some dimensions.
fn data(world: World, dims: &[(&str, u64)], attrs: Attributes) -> World {
    let shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
    let n = shape.iter().product::<u64>() as usize;
    world.with("v", dims, (F4, attrs), &shape, &vec![1.0; n])
}

const LAT: &[(&str, &str)] = &[("standard_name", "latitude"), ("units", "degrees_north")];
const LON: &[(&str, &str)] = &[("standard_name", "longitude"), ("units", "degrees_east")];

#[tokio::test]
async fn rectilinear_grids_have_latitudes_along_rows_in_any_order_of_axes() {
    let world = || {
        World::default().coordinate("breite", &[("breite", 2)], LAT, &[10.0, 20.0]).coordinate(
            "laenge",
            &[("laenge", 3)],
            LON,
            &[0.0, 10.0, 20.0],
        )
    };
    let rows_first = data(world(), &[("t", 2), ("breite", 2), ("laenge", 3)], Attributes::new()).build();
    let found = placed(&rows_first, "v").unwrap();
    assert_eq!((found.places, found.row_axis, found.column_axis), (Places::Rectilinear, Some(1), 2));
    let columns_first = data(world(), &[("laenge", 3), ("breite", 2)], Attributes::new()).build();
    let found = placed(&columns_first, "v").unwrap();
    assert_eq!((found.row_axis, found.column_axis), (Some(1), 0));
}

#[tokio::test]
async fn planes_go_before_degrees_over_both_dimensions_if_their_projection_is_known() {
    let world = |mapping: &str| {
        let pole = ("rotated_pole", mapping);
        let mut crs = texts(&[("grid_mapping_name", pole.1)]);
        crs.set("grid_north_pole_latitude", float(39.25));
        crs.set("grid_north_pole_longitude", float(-162.0));
        let rlon = [("standard_name", "grid_longitude"), ("units", "degrees")];
        let rlat = [("standard_name", "grid_latitude"), ("units", "degrees")];
        let world = World::default()
            .with(pole.0, &[], (F8, crs), &[], &[0.0])
            .coordinate("rlon", &[("rlon", 2)], &rlon, &[0.0, 1.0])
            .coordinate("rlat", &[("rlat", 2)], &rlat, &[0.0, 1.0])
            .coordinate("lat", &[("rlat", 2), ("rlon", 2)], LAT, &[0.0; 4])
            .coordinate("lon", &[("rlat", 2), ("rlon", 2)], LON, &[0.0; 4]);
        let attrs = texts(&[("coordinates", "lon lat"), ("grid_mapping", "rotated_pole")]);
        data(world, &[("rlat", 2), ("rlon", 2)], attrs).build()
    };
    assert_eq!(placed(&world("rotated_latitude_longitude"), "v").unwrap().places, Places::Plane);
    assert_eq!(placed(&world("a_map_of_my_own"), "v").unwrap().places, Places::Curvilinear);
}

#[tokio::test]
async fn cells_with_vertices_in_radians_are_polygons_in_degrees() {
    let corners = [0.0, 0.0, PI / 2.0];
    let clat = [("units", "radian"), ("standard_name", "latitude"), ("bounds", "clat_vertices")];
    let clon = [("units", "radian"), ("standard_name", "longitude"), ("bounds", "clon_vertices")];
    let world = World::default()
        .coordinate("clat", &[("n", 1)], &clat, &[PI / 6.0])
        .coordinate("clon", &[("n", 1)], &clon, &[PI / 6.0])
        .coordinate("clat_vertices", &[("n", 1), ("nv", 3)], &[], &[0.0, PI / 2.0, 0.0])
        .coordinate("clon_vertices", &[("n", 1), ("nv", 3)], &[], &corners);
    let world = data(world, &[("n", 1)], texts(&[("coordinates", "clat clon")])).build();
    let found = placed(&world, "v").unwrap();
    assert_eq!((found.places, found.row_axis, found.column_axis), (Places::Polygons, None, 0));
    let plotter = Plotter::new(world.reader, PlotSettings::default());
    let grid = plotter.grid(&world.manifest, "v", &found).await.unwrap();
    assert_eq!(grid.locate(LonLat { longitude: 20.0, latitude: 20.0 }), Some(0));
    assert_eq!(grid.locate(LonLat { longitude: -20.0, latitude: 20.0 }), None);
}

/// Two triangles over four nodes, the numbers of their corners as given.
fn mesh(start: f64, numbers: &[f64], dims: &[(&str, u64)]) -> Built {
    let mut connectivity = texts(&[("cf_role", "face_node_connectivity")]);
    connectivity.set("start_index", float(start));
    connectivity.set("_FillValue", float(-999.0));
    let topology = texts(&[
        ("cf_role", "mesh_topology"),
        ("node_coordinates", "nx ny"),
        ("face_node_connectivity", "corners"),
    ]);
    let shape: Vec<u64> = dims.iter().map(|(_, len)| *len).collect();
    let world = World::default()
        .with("mesh", &[], (F8, topology), &[], &[0.0])
        .coordinate("nx", &[("node", 4)], LON, &[0.0, 10.0, 10.0, 0.0])
        .coordinate("ny", &[("node", 4)], LAT, &[0.0, 0.0, 10.0, 10.0])
        .with("corners", dims, (F8, connectivity), &shape, numbers);
    data(world, &[("face", 2)], texts(&[("mesh", "mesh"), ("location", "face")])).build()
}

#[tokio::test]
async fn faces_of_a_mesh_count_their_nodes_from_where_it_says() {
    let row_by_row = [("face", 2), ("corner", 4)];
    let turned = [("corner", 4), ("face", 2)];
    let cases = [
        mesh(0.0, &[0.0, 1.0, 2.0, -999.0, 0.0, 2.0, 3.0, -999.0], &row_by_row),
        mesh(1.0, &[1.0, 2.0, 3.0, -999.0, 1.0, 3.0, 4.0, -999.0], &row_by_row),
        mesh(0.0, &[0.0, 0.0, 1.0, 2.0, 2.0, 3.0, -999.0, -999.0], &turned),
    ];
    for world in cases {
        let found = placed(&world, "v").unwrap();
        assert_eq!((found.places, found.column_axis), (Places::Polygons, 0));
        let plotter = Plotter::new(world.reader, PlotSettings::default());
        let grid = plotter.grid(&world.manifest, "v", &found).await.unwrap();
        assert_eq!(grid.locate(LonLat { longitude: 8.0, latitude: 2.0 }), Some(0));
        assert_eq!(grid.locate(LonLat { longitude: 2.0, latitude: 8.0 }), Some(1));
    }
}

#[tokio::test]
async fn a_face_that_names_a_node_that_does_not_exist_is_nowhere() {
    let world = mesh(0.0, &[0.0, 1.0, 2.0, -999.0, 0.0, 2.0, 9.0, -999.0], &[("face", 2), ("corner", 4)]);
    let found = placed(&world, "v").unwrap();
    let plotter = Plotter::new(world.reader, PlotSettings::default());
    let grid = plotter.grid(&world.manifest, "v", &found).await.unwrap();
    assert_eq!(grid.locate(LonLat { longitude: 2.0, latitude: 8.0 }), None);
    assert_eq!(grid.locate(LonLat { longitude: 8.0, latitude: 2.0 }), Some(0));
}

#[tokio::test]
async fn both_coordinates_along_one_dimension_are_centres_and_none_of_either_is_native() {
    let world = World::default().coordinate("lat", &[("cell", 4)], LAT, &[0.0, 1.0, 2.0, 3.0]).coordinate(
        "lon",
        &[("cell", 4)],
        LON,
        &[0.0, 1.0, 2.0, 3.0],
    );
    let world = data(world, &[("time", 2), ("cell", 4)], texts(&[("coordinates", "lon lat")])).build();
    let found = placed(&world, "v").unwrap();
    assert_eq!((found.places, found.row_axis, found.column_axis), (Places::Centres, None, 1));
    let world = data(World::default(), &[("time", 3), ("a", 2), ("b", 4)], Attributes::new()).build();
    let found = placed(&world, "v").unwrap();
    assert_eq!((found.places, found.row_axis, found.column_axis), (Places::Native, Some(1), 2));
    assert!(!found.is_on_earth());
    let world = data(World::default(), &[("time", 3), ("depth", 4)], Attributes::new()).build();
    assert_eq!(placed(&world, "v"), None, "a section is no map");
}

#[tokio::test]
async fn healpix_pixels_need_an_order_and_a_whole_globe_or_their_numbers() {
    let world = |order: Option<&str>, n: u64| {
        let mut crs = texts(&[("grid_mapping_name", "healpix")]);
        crs.set("healpix_nside", float(1.0));
        if let Some(order) = order {
            crs.set("healpix_order", Attribute::Text(order.into()));
        }
        let world = World::default().with("crs", &[], (F8, crs), &[], &[0.0]);
        data(world, &[("time", 1), ("cell", n)], texts(&[("grid_mapping", "crs")])).build()
    };
    let found = placed(&world(Some("nest"), 12), "v").unwrap();
    assert_eq!((found.places, found.column_axis), (Places::Healpix, 1));
    assert_ne!(found.key, placed(&world(Some("ring"), 12), "v").unwrap().key);
    for (order, n) in [(None, 12), (Some("ring"), 11)] {
        assert!(placed(&world(order, n), "v").is_none_or(|found| found.places != Places::Healpix));
    }
}

#[tokio::test]
async fn degrees_that_are_written_once_a_step_are_those_of_the_first_if_they_stay() {
    let world = |second: f64| {
        let lat = [0.0, 0.0, 10.0, 10.0, second, 0.0, 10.0, 10.0];
        let lon = [0.0, 10.0, 0.0, 10.0, 0.0, 10.0, 0.0, 10.0];
        let dims = [("Time", 2), ("y", 2), ("x", 2)];
        let world =
            World::default().coordinate("XLAT", &dims, LAT, &lat).coordinate("XLONG", &dims, LON, &lon);
        data(world, &dims, texts(&[("coordinates", "XLONG XLAT")])).build()
    };
    let (steady, moving) = (world(0.0), world(1.0));
    let found = placed(&steady, "v").unwrap();
    assert_eq!((found.places, found.row_axis, found.column_axis), (Places::Curvilinear, Some(1), 2));
    let plotter = Plotter::new(steady.reader, PlotSettings::default());
    assert_eq!(plotter.grid(&steady.manifest, "v", &found).await.unwrap().shape(), (2, 2));
    let plotter = Plotter::new(moving.reader, PlotSettings::default());
    assert!(plotter.grid(&moving.manifest, "v", &found).await.unwrap_err().message().contains("move"));
}

#[tokio::test]
async fn texts_lie_nowhere() {
    let world = World::default().with(
        "v",
        &[("a", 2), ("b", 2)],
        (DataType::Char, Attributes::new()),
        &[2, 2],
        &[1.0; 4],
    );
    assert_eq!(placed(&world.build(), "v"), None);
}

#[tokio::test]
async fn axes_have_their_roles() {
    let world = World::default()
        .coordinate("time", &[("time", 2)], &[("units", "days since 2000-01-01")], &[0.0, 1.0])
        .coordinate("lev", &[("lev", 2)], &[("units", "hPa")], &[1000.0, 500.0])
        .coordinate("lat", &[("lat", 2)], LAT, &[0.0, 1.0])
        .coordinate("lon", &[("lon", 2)], LON, &[0.0, 1.0]);
    let dims = [("member", 2), ("time", 2), ("lev", 2), ("lat", 2), ("lon", 2)];
    let world = data(world, &dims, Attributes::new()).build();
    let variable = world.manifest.dataset.root.variable("v").unwrap();
    let roles = axis_roles(&world.manifest, "v", variable).unwrap();
    use AxisRole::{Column, Other, Row, Time, Vertical};
    assert_eq!(roles, [Other, Time, Vertical, Row, Column]);
}

#[tokio::test]
async fn a_grid_is_made_once_for_all_variables_on_it() {
    let world = World::default().coordinate("lat", &[("lat", 2)], LAT, &[0.0, 1.0]).coordinate(
        "lon",
        &[("lon", 2)],
        LON,
        &[0.0, 1.0],
    );
    let world = data(world, &[("lat", 2), ("lon", 2)], Attributes::new());
    let world =
        world.with("w", &[("t", 1), ("lat", 2), ("lon", 2)], (F4, Attributes::new()), &[1, 2, 2], &[0.0; 4]);
    let world = world.build();
    let (v, w) = (placed(&world, "v").unwrap(), placed(&world, "w").unwrap());
    assert_eq!(v.key, w.key);
    let plotter = Plotter::new(world.reader, PlotSettings::default());
    let (first, second) = (
        plotter.grid(&world.manifest, "v", &v).await.unwrap(),
        plotter.grid(&world.manifest, "w", &w).await.unwrap(),
    );
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    assert!(first.cells(&thermocline_render::View::globe(4, 2), &Cancel::new()).is_ok());
}

#[tokio::test]
async fn a_grid_that_takes_more_memory_to_be_made_than_there_is_is_refused_before_it_is_read() {
    let world = World::default().coordinate("lat", &[("y", 20), ("x", 20)], LAT, &[1.0; 400]).coordinate(
        "lon",
        &[("y", 20), ("x", 20)],
        LON,
        &[1.0; 400],
    );
    let attrs = texts(&[("coordinates", "lat lon")]);
    let world = data(world, &[("y", 20), ("x", 20)], attrs).build();
    let found = placed(&world, "v").unwrap();
    assert_eq!(found.places, Places::Curvilinear);
    let settings = PlotSettings { work_bytes: 30_000, grid_cache_bytes: 4096, ..PlotSettings::default() };
    let plotter = Plotter::new(world.reader, settings);
    let error = plotter.grid(&world.manifest, "v", &found).await.unwrap_err();
    assert_eq!(error.kind(), thermocline_core::ErrorKind::TooLarge, "{error}");
    assert!(error.message().contains("52800 bytes"), "{error}");
}
