//! Coordinates that make no sense end in errors or in cells that are nowhere.

use proptest::prelude::*;

use super::*;

fn coordinate() -> impl Strategy<Value = f64> {
    let special = prop::sample::select(vec![
        0.0,
        -0.0,
        90.0,
        -90.0,
        180.0,
        -180.0,
        360.0,
        89.999_999_999,
        1e-300,
        5e-324,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e300,
        -1e300,
        f64::MAX,
        1e6,
        -1e6,
        1080.0,
    ]);
    prop_oneof![2 => special, 3 => -100.0..100.0_f64, 2 => -400.0..400.0_f64, 2 => (0..4).prop_map(f64::from)]
}

fn coordinates(n: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(coordinate(), n)
}

/// Asks a grid for everything.
fn ask(grid: &Grid) {
    let n_cells = u64::from(grid.shape().0) * u64::from(grid.shape().1);
    let extent = grid.extent();
    assert!(extent.west < extent.east || n_cells == 0 || extent.south <= extent.north, "{extent:?}");
    let globe = View::globe(16, 9);
    let polar = View { projection: MapProjection::NorthPolar, ..globe.clone() };
    let native = View { projection: MapProjection::Native, ..globe.clone() };
    for view in [globe, polar, native] {
        if let CellMap::Each(cells) = grid.cells(&view, &Cancel::new()).unwrap() {
            assert!(cells.iter().all(|cell| *cell == NO_CELL || u64::from(*cell) < n_cells));
        }
    }
    for cell in [0, 1, n_cells as u32, u32::MAX] {
        if let Some(centre) = grid.centre(cell) {
            assert!(centre.longitude.is_finite() && centre.latitude.is_finite());
        }
    }
    for (longitude, latitude) in
        [(f64::NAN, 0.0), (1e300, 0.0), (0.0, f64::INFINITY), (0.0, 1e300), (0.0, -90.0)]
    {
        let found = grid.locate(LonLat { longitude, latitude });
        assert!(found.is_none_or(|cell| u64::from(cell) < n_cells));
    }
    grid.len_bytes();
}

proptest! {
    #[test]
    fn lattices_take_any_numbers(x in coordinates(0..8), y in coordinates(0..8)) {
        if let Ok(grid) = Grid::rectilinear(&x, &y) {
            ask(&grid);
        }
        if let Ok(grid) = Grid::plane(&x, &y, rotated_pole("rotated_latitude_longitude")) {
            ask(&grid);
        }
        if let Ok(grid) = Grid::plane(&x, &y, rotated_pole("mercator")) {
            ask(&grid);
        }
    }

    #[test]
    fn rising_numbers_of_any_size_make_lattices(mut x in coordinates(1..8), mut y in coordinates(1..8)) {
        for axis in [&mut x, &mut y] {
            axis.retain(|coordinate| !coordinate.is_nan());
            axis.sort_by(f64::total_cmp);
            axis.dedup();
        }
        for projection in ["rotated_latitude_longitude", "mercator"] {
            if let Ok(grid) = Grid::plane(&x, &y, rotated_pole(projection)) {
                ask(&grid);
            }
        }
        if let Ok(grid) = Grid::rectilinear(&x, &y) {
            ask(&grid);
        }
    }

    #[test]
    fn curvilinear_grids_take_any_numbers(
        columns in 1_usize..9,
        longitudes in coordinates(72),
        latitudes in coordinates(72),
        corners in prop::option::of((coordinates(288), coordinates(288))),
    ) {
        let n = 72 / columns * columns;
        let corners = corners.map(|(longitudes, latitudes)| Corners {
            n_each: 4,
            longitudes: longitudes[..4 * n].to_vec(),
            latitudes: latitudes[..4 * n].to_vec(),
        });
        let shape = (n / columns, columns);
        let grid = Grid::curvilinear(shape, longitudes[..n].to_vec(), latitudes[..n].to_vec(), corners, &Cancel::new()).unwrap();
        ask(&grid);
    }

    #[test]
    fn polygons_and_centres_take_any_numbers(
        n_each in 3_usize..8,
        longitudes in coordinates(84),
        latitudes in coordinates(84),
    ) {
        let n = 84 / n_each * n_each;
        let corners =
            Corners { n_each, longitudes: longitudes[..n].to_vec(), latitudes: latitudes[..n].to_vec() };
        ask(&Grid::polygons(corners, &Cancel::new()).unwrap());
        ask(&Grid::centres(longitudes, latitudes, &Cancel::new()).unwrap());
    }

    #[test]
    fn pixels_take_any_numbers(nside in 1_u64..9, numbers in prop::collection::vec(any::<u64>(), 0..20)) {
        use thermocline_model::cf::HealpixOrder;
        let healpix = Healpix::new(nside, HealpixOrder::Ring).unwrap();
        let few = numbers.iter().map(|number| number % 1000).collect();
        ask(&Grid::healpix(healpix, numbers.len() as u64, Some(few)).unwrap());
        ask(&Grid::healpix(healpix, numbers.len() as u64, Some(numbers)).unwrap());
    }
}

#[test]
fn many_cells_at_one_place_are_searched_no_longer_than_others() {
    let n = 200_000;
    let same = Grid::centres(vec![10.0; n], vec![20.0; n], &Cancel::new()).unwrap();
    assert_eq!(same.locate(LonLat { longitude: 10.0, latitude: 20.0 }), Some(0));
    ask(&same);

    let circle: Vec<f64> = (0..n).map(|k| k as f64 * 360.0 / n as f64).collect();
    let round = Grid::centres(circle.clone(), vec![60.0; n], &Cancel::new()).unwrap();
    ask(&round);

    // Triangles that all lie across one another.
    let (mut longitudes, mut latitudes) = (Vec::new(), Vec::new());
    for turn in circle {
        longitudes.extend([turn, turn + 120.0, turn + 240.0]);
        latitudes.extend([80.0; 3]);
    }
    let piled = Grid::polygons(Corners { n_each: 3, longitudes, latitudes }, &Cancel::new()).unwrap();
    assert!(piled.len_bytes() < 400 * n as u64, "{}", piled.len_bytes());
    ask(&piled);
    let all_same = Grid::curvilinear((400, 500), vec![5.0; n], vec![5.0; n], None, &Cancel::new()).unwrap();
    assert_eq!(all_same.locate(LonLat { longitude: 5.0, latitude: 5.0 }), None);
    ask(&all_same);
}

#[test]
fn thin_cells_across_a_whole_face_take_a_bounded_time() {
    // Slivers in all directions through one place: every one of their boxes contains most of the others.
    let n = 20_000;
    let (mut longitudes, mut latitudes) = (Vec::new(), Vec::new());
    for k in 0..n {
        let (sine, cosine) = (k as f64 * std::f64::consts::PI / n as f64).sin_cos();
        longitudes.extend([-30.0 * cosine, 30.0 * cosine, 30.0 * cosine + 1e-4]);
        latitudes.extend([-30.0 * sine, 30.0 * sine, 30.0 * sine + 1e-4]);
    }
    let grid = Grid::polygons(Corners { n_each: 3, longitudes, latitudes }, &Cancel::new()).unwrap();
    assert!(grid.len_bytes() < 2000 * n as u64, "{}", grid.len_bytes());
    ask(&grid);
}
