//! Rules for edges, poles, turns and gaps, by examples.

use super::*;

fn place(longitude: f64, latitude: f64) -> LonLat {
    LonLat { longitude, latitude }
}

#[test]
fn rows_reach_the_pole_if_it_is_within_one_spacing() {
    let grid = Grid::rectilinear(&[0.0, 90.0, 180.0, 270.0], &[-80.0, -40.0, 0.0, 40.0]).unwrap();
    assert_eq!(grid.locate(place(1.0, -89.9)), Some(0));
    assert_eq!(grid.locate(place(1.0, 59.9)), Some(12));
    assert_eq!(grid.locate(place(1.0, 60.1)), None);
    assert_eq!(grid.extent(), Extent { west: 0.0, east: 360.0, south: -90.0, north: 90.0 });
}

#[test]
fn a_band_round_the_globe_keeps_its_latitudes() {
    let longitudes: Vec<f64> = (0..36).map(|k| f64::from(k) * 10.0 - 175.0).collect();
    let grid = Grid::rectilinear(&longitudes, &[-25.0, -15.0, -5.0, 5.0, 15.0, 25.0]).unwrap();
    assert_eq!(grid.extent(), Extent { west: -180.0, east: 180.0, south: -30.0, north: 30.0 });
}

#[test]
fn columns_that_come_again_at_the_end_cover_the_seam() {
    for longitudes in [
        (0..=36).map(|k| f64::from(k) * 10.0).collect::<Vec<_>>(),
        (-1..=37).map(|k| f64::from(k) * 10.0).collect(),
    ] {
        let grid = Grid::rectilinear(&longitudes, &[-45.0, 45.0]).unwrap();
        for tenth in 0..3600 {
            let at = place(f64::from(tenth) / 10.0 + 0.05, 10.0);
            let centre = grid.centre(grid.locate(at).unwrap()).unwrap();
            let way = (centre.longitude - at.longitude + 180.0).rem_euclid(360.0) - 180.0;
            assert!(way.abs() <= 5.0 + 1e-9, "{at:?} {centre:?}");
        }
    }
}

#[test]
fn coordinates_that_are_missing_or_out_of_order_are_refused() {
    for (longitudes, latitudes) in [
        (vec![0.0, f64::NAN, 2.0], vec![0.0, 1.0]),
        (vec![0.0, 1.0, 1.0], vec![0.0, 1.0]),
        (vec![0.0, 1.0], vec![0.0, 2.0, 1.0]),
        (vec![0.0, 1.0], vec![0.0, 91.0]),
        (vec![0.0, f64::INFINITY], vec![0.0, 1.0]),
        (vec![], vec![0.0, 1.0]),
    ] {
        assert!(
            matches!(Grid::rectilinear(&longitudes, &latitudes), Err(Error::Invalid(_))),
            "{longitudes:?}"
        );
    }
    assert!(matches!(Grid::native(1 << 20, 1 << 13), Err(Error::TooLarge(_))));
    assert!(Grid::curvilinear((2, 3), vec![0.0; 5], vec![0.0; 5], None, &Cancel::new()).is_err());
    assert!(
        Grid::polygons(
            Corners { n_each: 3, longitudes: vec![0.0; 4], latitudes: vec![0.0; 4] },
            &Cancel::new()
        )
        .is_err()
    );
    assert!(
        Grid::polygons(Corners { n_each: 65, longitudes: vec![], latitudes: vec![] }, &Cancel::new())
            .is_err()
    );
}

#[test]
fn one_coordinate_alone_is_as_wide_as_the_others() {
    let grid = Grid::rectilinear(&[10.0], &[0.0, 2.0, 4.0]).unwrap();
    assert_eq!(grid.extent(), Extent { west: 9.0, east: 11.0, south: -1.0, north: 5.0 });
    assert_eq!(grid.locate(place(370.5, 2.2)), Some(1));
    let lone = Grid::rectilinear(&[10.0], &[20.0]).unwrap();
    assert_eq!(lone.locate(place(10.2, 20.3)), Some(0));
    assert_eq!(lone.locate(place(12.0, 20.3)), None);
}

#[test]
fn rows_and_columns_of_pixels_are_found_once_where_that_is_enough() {
    let longitudes: Vec<f64> = (0..86_400).map(|k| f64::from(k) / 240.0).collect();
    let latitudes: Vec<f64> = (0..43_200).map(|k| 90.0 - (f64::from(k) + 0.5) / 240.0).collect();
    let grid = Grid::rectilinear(&longitudes, &latitudes).unwrap();
    assert!(grid.len_bytes() < 3_000_000);
    let view = View::globe(720, 360);
    let CellMap::Separable { rows, columns, n_columns } = grid.cells(&view, &Cancel::new()).unwrap() else {
        panic!("each pixel was looked for")
    };
    assert_eq!((rows.len(), columns.len(), n_columns), (360, 720, 86_400));
    let found = grid.locate(view.place(100.5, 30.5).unwrap()).unwrap();
    assert_eq!(found, rows[30] * n_columns + columns[100]);
}

#[test]
fn a_plane_is_drawn_straight_in_its_own_projection() {
    let projection = rotated_pole("rotated_latitude_longitude");
    let grid = Grid::plane(&[-1.0, 0.0, 1.0], &[5.0, 6.0], projection.clone()).unwrap();
    let extent = grid.plane_extent().unwrap();
    let projection = MapProjection::Data(projection);
    let view = View { projection, extent, ..View::globe(6, 4) };
    let cells = grid.cells(&view, &Cancel::new()).unwrap();
    let (rows, columns) = (vec![1, 1, 0, 0], vec![0, 0, 1, 1, 2, 2]);
    assert_eq!(cells, CellMap::Separable { rows, columns, n_columns: 3 });
}

#[test]
fn grids_without_places_are_drawn_by_rows_and_columns_upwards() {
    let grid = Grid::native(2, 3).unwrap();
    assert_eq!(grid.extent(), Extent { west: 0.0, east: 3.0, south: 0.0, north: 2.0 });
    let view = View { projection: MapProjection::Native, extent: grid.extent(), ..View::globe(3, 2) };
    let cells = grid.cells(&view, &Cancel::new()).unwrap();
    assert_eq!(cells, CellMap::Separable { rows: vec![1, 0], columns: vec![0, 1, 2], n_columns: 3 });
    assert_eq!(grid.centre(4), Some(place(1.5, 1.5)));
    assert_eq!(grid.locate(place(1.9, 1.0)), Some(4));
    assert_eq!(grid.locate(place(3.0, 1.0)), None);
}

#[test]
fn what_was_called_off_is_not_done() {
    let (shape, longitudes, latitudes) = tripolar(36, 12, 6);
    let grid = Grid::curvilinear(shape, longitudes, latitudes, None, &Cancel::new()).unwrap();
    let cancel = Cancel::new();
    cancel.set();
    assert_eq!(grid.cells(&View::globe(10, 10), &cancel), Err(Error::Cancelled));
}

#[test]
fn missing_centres_leave_holes_and_land_filled_with_one_place_covers_nothing() {
    let (n_rows, n_columns) = (40, 50);
    let mut centres: Vec<LonLat> = (0..n_rows * n_columns)
        .map(|cell| place(100.0 + f64::from(cell % n_columns), 20.0 + f64::from(cell / n_columns)))
        .collect();
    for (row, column) in [(10, 10), (10, 11), (11, 10), (0, 0)] {
        centres[row * 50 + column].longitude = f64::NAN;
    }
    for row in 20..25 {
        for column in 30..36 {
            centres[row * 50 + column] = place(0.0, 0.0);
        }
    }
    let (longitudes, latitudes) = centres.iter().map(|at| (at.longitude, at.latitude)).unzip();
    let grid = Grid::curvilinear((40, 50), longitudes, latitudes, None, &Cancel::new()).unwrap();
    for row in 0..40 {
        for column in 0..50 {
            let cell = row * 50 + column;
            let is_filled = (20..25).contains(&row) && (30..36).contains(&column);
            let at = place(100.0 + column as f64 + 0.3, 20.0 + row as f64 - 0.3);
            let expected = (!is_filled && !centres[cell].longitude.is_nan()).then_some(cell as u32);
            assert_eq!(grid.locate(at), expected, "{row} {column}");
        }
    }
    assert_eq!(grid.locate(place(50.0, 15.0)), None);
    assert_eq!(grid.centre(0), None);
    let extent = grid.extent();
    assert!((extent.west - 99.5).abs() < 0.05 && (extent.north - 59.5).abs() < 0.2, "{extent:?}");
}

#[test]
fn grids_of_several_parts_are_not_stretched_between_them() {
    // Two patches, one above the other in memory and far apart on the earth.
    let patch = |west: f64, row: i32| (0..20).map(move |k| place(west + f64::from(k), f64::from(row % 20)));
    let centres: Vec<LonLat> =
        (0..40).flat_map(|row| patch(if row < 20 { -150.0 } else { 30.0 }, row)).collect();
    let (longitudes, latitudes) = centres.iter().map(|at| (at.longitude, at.latitude)).unzip();
    let grid = Grid::curvilinear((40, 20), longitudes, latitudes, None, &Cancel::new()).unwrap();
    for (cell, centre) in centres.iter().enumerate() {
        let at = place(centre.longitude + 0.4, centre.latitude - 0.4);
        assert_eq!(grid.locate(at), Some(cell as u32), "{at:?}");
    }
    for longitude in [-170.0, -100.0, -60.0, 0.0, 60.0, 150.0] {
        assert_eq!(grid.locate(place(longitude, 10.0)), None, "{longitude}");
    }
}

#[test]
fn a_line_of_a_swath_has_cells() {
    let longitudes: Vec<f64> = (0..10).map(f64::from).collect();
    let grid = Grid::curvilinear((1, 10), longitudes, vec![0.0; 10], None, &Cancel::new()).unwrap();
    assert_eq!(grid.locate(place(4.3, 0.4)), Some(4));
    assert_eq!(grid.locate(place(4.3, 0.8)), None);
    let lone = Grid::curvilinear((1, 1), vec![3.0], vec![3.0], None, &Cancel::new()).unwrap();
    assert_eq!(lone.locate(place(3.0, 3.0)), None);
    assert_eq!(lone.centre(0).map(|at| at.latitude.round()), Some(3.0));
}

#[test]
fn corners_that_do_not_go_around_their_centres_are_not_used() {
    let centres: Vec<LonLat> = (0..100).map(|k| place(f64::from(k % 10), f64::from(k / 10))).collect();
    let (longitudes, latitudes): (Vec<f64>, Vec<f64>) =
        centres.iter().map(|at| (at.longitude, at.latitude)).unzip();
    let elsewhere = Corners { n_each: 4, longitudes: vec![50.0; 400], latitudes: vec![50.0; 400] };
    let grid = Grid::curvilinear((10, 10), longitudes, latitudes, Some(elsewhere), &Cancel::new()).unwrap();
    assert_eq!(grid.locate(place(3.2, 4.2)), Some(43));
}

#[test]
fn polygons_with_fewer_corners_repeat_the_last_or_leave_it_out() {
    let missing = f64::NAN;
    let longitudes =
        vec![0.0, 2.0, 2.0, 0.0, 2.0, 4.0, 4.0, 4.0, 4.0, 6.0, 5.0, missing, missing, 1.0, 1.0, 1.0];
    let latitudes =
        vec![0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0, missing, missing, 1.0, 1.0, 1.0];
    let grid = Grid::polygons(Corners { n_each: 4, longitudes, latitudes }, &Cancel::new()).unwrap();
    assert_eq!(grid.locate(place(1.0, 1.0)), Some(0));
    assert_eq!(grid.locate(place(3.5, 0.5)), Some(1));
    assert_eq!(grid.locate(place(2.3, 1.5)), None);
    assert_eq!(grid.locate(place(365.0, 0.5)), Some(2));
    assert_eq!(grid.centre(3), None);
    let extent = grid.extent();
    assert!((extent.west - 0.0).abs() < 1e-6 && (extent.east - 6.0).abs() < 1e-6, "{extent:?}");
}

#[test]
fn polygons_that_bend_inwards_end_where_they_do() {
    // An L: the corner that is cut out is not inside.
    let longitudes = vec![0.0, 4.0, 4.0, 2.0, 2.0, 0.0];
    let latitudes = vec![0.0, 0.0, 2.0, 2.0, 4.0, 4.0];
    let grid = Grid::polygons(Corners { n_each: 6, longitudes, latitudes }, &Cancel::new()).unwrap();
    assert_eq!(grid.locate(place(3.0, 1.0)), Some(0));
    assert_eq!(grid.locate(place(1.0, 3.0)), Some(0));
    assert_eq!(grid.locate(place(3.0, 3.0)), None);
}

#[test]
fn a_cell_around_a_pole_covers_it() {
    let longitudes = vec![0.0, 90.0, 180.0, 270.0];
    let grid =
        Grid::polygons(Corners { n_each: 4, longitudes, latitudes: vec![80.0; 4] }, &Cancel::new()).unwrap();
    assert_eq!(grid.locate(place(33.0, 90.0)), Some(0));
    assert_eq!(grid.locate(place(33.0, 86.0)), Some(0));
    assert_eq!(grid.locate(place(45.0, 80.0)), None);
    let extent = grid.extent();
    assert_eq!((extent.west, extent.east, extent.north), (-180.0, 180.0, 90.0));
}

#[test]
fn a_curvilinear_grid_of_longitudes_and_latitudes_closes_around_the_globe_and_the_poles() {
    let (n_rows, n_columns) = (36, 72);
    let (longitudes, latitudes): (Vec<f64>, Vec<f64>) = (0..n_rows * n_columns)
        .map(|cell| (f64::from(cell % n_columns) * 5.0 + 2.5, f64::from(cell / n_columns) * 5.0 - 87.5))
        .unzip();
    let grid = Grid::curvilinear((36, 72), longitudes, latitudes, None, &Cancel::new()).unwrap();
    let mut n_same = 0;
    let places = Chance(11).places(20_000);
    for at in &places {
        let found = grid.locate(*at).unwrap_or_else(|| panic!("nothing at {at:?}"));
        let (row, column) = ((at.latitude + 90.0) / 5.0, at.longitude.rem_euclid(360.0) / 5.0);
        n_same += usize::from(found == row.min(35.0) as u32 * 72 + (column as u32) % 72);
    }
    assert!(n_same * 100 >= places.len() * 99, "{n_same} of {}", places.len());
    assert_eq!(grid.extent(), Extent::GLOBE);
}

#[test]
fn a_row_of_centres_on_a_pole_reaches_no_farther_than_the_pole() {
    let (n_rows, n_columns) = (18, 36);
    for (top, is_turned) in [(90.0, false), (89.999_99, false), (-90.0, false), (90.0, true)] {
        let centre = |row: usize, column: usize| {
            let latitude = top * (1.0 - row as f64 / 18.0);
            place(column as f64 * 10.0 + 5.0, latitude)
        };
        let (shape, centres): (_, Vec<LonLat>) = if is_turned {
            let cells = (0..n_columns * n_rows).map(|cell| centre(cell % n_rows, cell / n_rows));
            ((n_columns, n_rows), cells.collect())
        } else {
            let cells = (0..n_columns * n_rows).map(|cell| centre(cell / n_columns, cell % n_columns));
            ((n_rows, n_columns), cells.collect())
        };
        let (longitudes, latitudes) = centres.iter().map(|at| (at.longitude, at.latitude)).unzip();
        let grid = Grid::curvilinear(shape, longitudes, latitudes, None, &Cancel::new()).unwrap();
        // Only columns are joined around the globe: of rows, the last one ends where its neighbours tell.
        for column in 0..n_columns - usize::from(is_turned) {
            let at = place(column as f64 * 10.0 + 6.5, top * (1.0 - 1.0 / 90.0));
            let cell = if is_turned { column * n_rows } else { column };
            assert_eq!(grid.locate(at), Some(cell as u32), "{top} {is_turned} {at:?}");
        }
    }
}

#[test]
fn corners_that_are_not_around_their_centre_are_not_used() {
    // As many rows as a sample would step over: all of the cells that are wrong are in one column.
    let (n_rows, n_columns) = (4096, 20);
    let (mut longitudes, mut latitudes) = (Vec::new(), Vec::new());
    let mut corners = Corners { n_each: 4, longitudes: Vec::new(), latitudes: Vec::new() };
    for row in 0..n_rows {
        for column in 0..n_columns {
            let (x, y) = (f64::from(column) * 0.01, f64::from(row) * 0.01 - 20.0);
            longitudes.push(x);
            latitudes.push(y);
            let shift = if column == 7 { 3.0 } else { 0.0 };
            corners.longitudes.extend([-0.005, 0.005, 0.005, -0.005].map(|across| x + across + shift));
            corners.latitudes.extend([-0.005, -0.005, 0.005, 0.005].map(|up| y + up));
        }
    }
    let shape = (n_rows as usize, n_columns as usize);
    let grid = Grid::curvilinear(shape, longitudes, latitudes, Some(corners), &Cancel::new()).unwrap();
    for row in [1, 100, 4000] {
        let y = f64::from(row) * 0.01 - 20.0;
        for column in 0..n_columns {
            let at = place(f64::from(column) * 0.01 + 0.003, y + 0.002);
            assert_eq!(grid.locate(at), Some((row * n_columns + column) as u32), "{row} {column}");
        }
        assert_eq!(grid.locate(place(3.07, y)), None);
    }
}

#[test]
fn grids_that_nobody_waits_for_are_not_built() {
    let cancel = Cancel::new();
    cancel.set();
    let (shape, longitudes, latitudes) = tripolar(36, 12, 6);
    let corners = Corners { n_each: 3, longitudes: longitudes[..9].into(), latitudes: latitudes[..9].into() };
    assert_eq!(Grid::polygons(corners, &cancel).err(), Some(Error::Cancelled));
    assert_eq!(Grid::centres(longitudes.clone(), latitudes.clone(), &cancel).err(), Some(Error::Cancelled));
    assert_eq!(Grid::curvilinear(shape, longitudes, latitudes, None, &cancel).err(), Some(Error::Cancelled));
}
