//! Random places in every family against a search of all cells.

use super::*;

/// Where the nearest coordinate along an axis is, round the globe for longitudes.
fn nearest_on_axis(axis: &[f64], at: f64, is_longitude: bool) -> u32 {
    let distance = |coordinate: &f64| {
        let way = coordinate - at;
        if is_longitude { ((way + 180.0).rem_euclid(360.0) - 180.0).abs() } else { way.abs() }
    };
    let distances = axis.iter().map(distance).enumerate();
    distances.min_by(|one, other| one.1.total_cmp(&other.1)).unwrap().0 as u32
}

#[test]
fn a_global_grid_gives_the_nearest_longitude_and_latitude() {
    let even: Vec<f64> = (0..144).map(|k| f64::from(k) * 2.5 - 178.75).collect();
    let from_zero: Vec<f64> = (0..120).map(|k| f64::from(k) * 3.0).collect();
    let uneven: Vec<f64> = (0..200).map(|k| f64::from(k) * 1.8 + 0.4 * (f64::from(k) * 0.7).sin()).collect();
    let mixed: Vec<f64> =
        (0..90).map(|k| f64::from(k) * 4.0).map(|at| if at >= 180.0 { at - 360.0 } else { at }).collect();
    let falling: Vec<f64> = even.iter().rev().copied().collect();
    let gaussian: Vec<f64> =
        (0..64).map(|k| 87.9 * (1.0 - f64::from(k) / 31.5) + 0.2 * (f64::from(k)).sin()).collect();
    let to_poles: Vec<f64> = (0..61).map(|k| f64::from(k) * 3.0 - 90.0).collect();
    let mut chance = Chance(1);
    for longitudes in [&even, &from_zero, &uneven, &mixed, &falling] {
        for latitudes in [&gaussian, &to_poles] {
            let grid = Grid::rectilinear(longitudes, latitudes).unwrap();
            assert_eq!(grid.extent().north, 90.0);
            for place in chance.places(3000) {
                let row = nearest_on_axis(latitudes, place.latitude, false);
                let column = nearest_on_axis(longitudes, place.longitude, true);
                let found = grid.locate(place).unwrap();
                let centre = grid.centre(found).unwrap();
                let is_nearest = found == row * longitudes.len() as u32 + column;
                // On an edge either side is as near.
                let way = (centre.longitude - place.longitude + 180.0).rem_euclid(360.0) - 180.0;
                let is_tie = (way.abs()
                    - (longitudes[column as usize] - place.longitude + 180.0).rem_euclid(360.0)
                    + 180.0)
                    .abs()
                    < 1e-9
                    || (nearest_on_axis(longitudes, place.longitude - 1e-9, true) != column)
                    || (nearest_on_axis(longitudes, place.longitude + 1e-9, true) != column)
                    || ((centre.latitude - place.latitude).abs()
                        - (latitudes[row as usize] - place.latitude).abs())
                    .abs()
                        < 1e-9;
                assert!(is_nearest || is_tie, "{place:?} {centre:?}");
            }
        }
    }
}

#[test]
fn a_region_across_the_date_line_ends_half_a_cell_beyond_its_centres() {
    let longitudes: Vec<f64> = (150..=210).map(f64::from).collect();
    let latitudes: Vec<f64> = (-40..=20).rev().map(f64::from).collect();
    for turn in [-360.0, 0.0, 360.0] {
        let longitudes: Vec<f64> = longitudes.iter().map(|longitude| longitude + turn).collect();
        let grid = Grid::rectilinear(&longitudes, &latitudes).unwrap();
        assert_eq!(grid.extent(), Extent { west: 149.5, east: 210.5, south: -40.5, north: 20.5 });
        for place in Chance(2).places(20_000) {
            let east = (place.longitude - 149.5).rem_euclid(360.0);
            let is_in = east < 61.0 && place.latitude > -40.5 && place.latitude < 20.5;
            let expected = (20.5 - place.latitude) as u32 * 61 + east as u32;
            assert_eq!(grid.locate(place), is_in.then_some(expected), "{place:?}");
        }
    }
}

#[test]
fn a_plane_and_its_two_dimensional_coordinates_give_the_same_cells() {
    let projection = rotated_pole("rotated_latitude_longitude");
    let x: Vec<f64> = (0..93).map(|k| f64::from(k) * 0.5 - 28.0).collect();
    let y: Vec<f64> = (0..90).map(|k| f64::from(k) * 0.5 - 23.0).collect();
    let plane = Grid::plane(&x, &y, projection.clone()).unwrap();
    let places = |x: f64, y: f64| projection.inverse(x, y).unwrap();
    let centres: Vec<LonLat> = y.iter().flat_map(|y| x.iter().map(|x| places(*x, *y))).collect();
    let (longitudes, latitudes): (Vec<f64>, Vec<f64>) =
        centres.iter().map(|at| (at.longitude, at.latitude)).unzip();
    let corner = |x: f64, y: f64| {
        [(-0.25, -0.25), (0.25, -0.25), (0.25, 0.25), (-0.25, 0.25)].map(|(a, b)| places(x + a, y + b))
    };
    let corners: Vec<LonLat> =
        y.iter().flat_map(|y| x.iter().flat_map(|x| corner(*x, *y)).collect::<Vec<_>>()).collect();
    let corners = Corners {
        n_each: 4,
        longitudes: corners.iter().map(|at| at.longitude + 360.0).collect(),
        latitudes: corners.iter().map(|at| at.latitude).collect(),
    };
    let alone =
        Grid::curvilinear((90, 93), longitudes.clone(), latitudes.clone(), None, &Cancel::new()).unwrap();
    let bounded = Grid::curvilinear((90, 93), longitudes, latitudes, Some(corners), &Cancel::new()).unwrap();
    let (mut n_inside, mut n_same, mut n_beyond) = (0, [0, 0], [0, 0]);
    let mut chance = Chance(3);
    for _ in 0..40_000 {
        let place = LonLat { longitude: chance.next() * 140.0 - 60.0, latitude: 15.0 + chance.next() * 65.0 };
        let expected = plane.locate(place);
        n_inside += usize::from(expected.is_some());
        for (which, grid) in [&alone, &bounded].into_iter().enumerate() {
            let found = grid.locate(place);
            n_same[which] += usize::from(expected.is_some() && found == expected);
            n_beyond[which] += usize::from(expected.is_none() && found.is_some());
        }
    }
    assert!(n_inside > 5_000);
    for which in [0, 1] {
        assert!(n_same[which] * 1000 >= n_inside * 995, "{which}: {} of {n_inside}", n_same[which]);
        assert!(n_beyond[which] * 200 <= n_inside, "{which}: {} of {n_inside}", n_beyond[which]);
    }
    let (own, other) = (plane.extent(), alone.extent());
    assert!((own.west - other.west).abs() < 1.5 && (own.east - other.east).abs() < 1.5, "{own:?} {other:?}");
    assert!(
        (own.south - other.south).abs() < 0.2 && (own.north - other.north).abs() < 0.2,
        "{own:?} {other:?}"
    );
    assert_eq!(plane.plane_extent(), Some(Extent { west: -28.25, east: 18.25, south: -23.25, north: 21.75 }));
}

#[test]
fn a_tripolar_grid_is_whole_and_its_cells_are_near() {
    let (shape, longitudes, latitudes) = tripolar(144, 48, 24);
    let centres = zip(&longitudes, &latitudes);
    let grid = Grid::curvilinear(shape, longitudes, latitudes, None, &Cancel::new()).unwrap();
    let (mut n_all, mut n_nearest, mut n_near) = (0, 0, 0);
    for place in Chance(4).places(8_000) {
        if place.latitude < -78.0 {
            assert!(place.latitude > -80.5 || grid.locate(place).is_none(), "{place:?}");
            continue;
        }
        let found = grid.locate(place).unwrap_or_else(|| panic!("nothing at {place:?}"));
        let mut distances: Vec<f64> = centres.iter().map(|centre| degrees_between(*centre, place)).collect();
        let own = distances[found as usize];
        distances.sort_unstable_by(f64::total_cmp);
        n_all += 1;
        n_nearest += usize::from(own <= distances[0] + 1e-9);
        n_near += usize::from(own <= distances[3] + 1e-9);
    }
    assert!(n_nearest * 100 >= n_all * 95 && n_near * 1000 >= n_all * 997, "{n_nearest} {n_near} of {n_all}");
    assert_eq!(grid.extent(), Extent::GLOBE);
}

#[test]
fn triangles_contain_their_places_and_leave_no_gaps() {
    let (nodes, faces) = icosphere(4);
    let corners = triangles(&nodes, &faces);
    let grid = Grid::polygons(corners, &Cancel::new()).unwrap();
    assert_eq!(grid.shape(), (1, 5120));
    let is_in = |face: &[u32; 3], point: &Direction| {
        let side = |a: usize, b: usize| {
            sphere::dot(&sphere::cross(&nodes[face[a] as usize], &nodes[face[b] as usize]), point)
        };
        let sides = [side(0, 1), side(1, 2), side(2, 0)];
        let is_near = sphere::dot(&nodes[face[0] as usize], point) > 0.0;
        is_near && (sides.iter().all(|side| *side >= -1e-8) || sides.iter().all(|side| *side <= 1e-8))
    };
    for place in Chance(5).places(5_000) {
        let found = grid.locate(place).unwrap_or_else(|| panic!("nothing at {place:?}"));
        assert!(is_in(&faces[found as usize], &at(place)), "{place:?}");
    }
    // The corners themselves, where five and six cells meet, and the middles of sides.
    for face in faces.iter().step_by(7) {
        for place in [sphere::degrees(&nodes[face[0] as usize]), sphere::degrees(&mean(&nodes, &face[..2]))] {
            let found = grid.locate(place).unwrap_or_else(|| panic!("nothing at {place:?}"));
            assert!(is_in(&faces[found as usize], &at(place)), "{place:?}");
        }
    }
    for (cell, face) in faces.iter().enumerate() {
        let centre = grid.centre(cell as u32).unwrap();
        assert!(degrees_between(centre, sphere::degrees(&mean(&nodes, face))) < 1e-6);
    }
}

#[test]
fn of_polygons_of_any_resolution_the_one_around_a_place_is_found() {
    // A patch of fine triangles among coarse ones, as meshes are made that look closely at one sea.
    let (nodes, faces) = icosphere(2);
    let (fine_nodes, fine_faces) = icosphere(8);
    let is_patch =
        |face: &[u32; 3], nodes: &[Direction]| sphere::dot(&mean(nodes, face), &[0.6, 0.0, 0.8]) > 0.998;
    let mut corners = Corners { n_each: 3, longitudes: Vec::new(), latitudes: Vec::new() };
    let mut cells: Vec<[Direction; 3]> = Vec::new();
    for face in fine_faces.iter().filter(|face| is_patch(face, &fine_nodes)) {
        cells.push(face.map(|node| fine_nodes[node as usize]));
    }
    let n_fine = cells.len();
    assert!(n_fine > 1000);
    cells.extend(faces.iter().map(|face| face.map(|node| nodes[node as usize])));
    for corner in cells.iter().flatten() {
        let place = sphere::degrees(corner);
        corners.longitudes.push(place.longitude);
        corners.latitudes.push(place.latitude);
    }
    let grid = Grid::polygons(corners, &Cancel::new()).unwrap();
    for (cell, corners) in cells.iter().enumerate().take(n_fine).step_by(13) {
        let middle = sphere::degrees(&mean(corners, &[0, 1, 2]));
        assert_eq!(grid.locate(middle), Some(cell as u32));
    }
    for place in Chance(6).places(2000) {
        assert!(grid.locate(place).is_some(), "{place:?}");
    }
    assert!(grid.len_bytes() < 400 * cells.len() as u64, "{}", grid.len_bytes());
}

#[test]
fn of_centres_the_nearest_is_found_where_they_are_dense_enough() {
    let (nodes, faces) = icosphere(4);
    let centres: Vec<LonLat> = faces.iter().map(|face| sphere::degrees(&mean(&nodes, face))).collect();
    let mut reduced = Vec::new();
    for row in 0..64_i32 {
        let n = 20 + 4 * row.min(63 - row);
        let latitude = (f64::from(row) - 31.5) * 2.79;
        reduced.extend((0..n).map(|k| LonLat { longitude: f64::from(k) * 360.0 / f64::from(n), latitude }));
    }
    let flattened: Vec<LonLat> = (0..36)
        .flat_map(|row| {
            (0..72)
                .map(move |k| LonLat { longitude: f64::from(k) * 5.0, latitude: f64::from(row) * 5.0 - 87.5 })
        })
        .collect();
    for centres in [&centres, &reduced, &flattened] {
        let (longitudes, latitudes) = centres.iter().map(|at| (at.longitude, at.latitude)).unzip();
        let grid = Grid::centres(longitudes, latitudes, &Cancel::new()).unwrap();
        assert_eq!(grid.extent(), Extent::GLOBE);
        for place in Chance(7).places(2_000) {
            let (_, distance) = nearest(centres, place);
            let found = grid.locate(place).unwrap_or_else(|| panic!("nothing at {place:?} from {distance}"));
            assert!((degrees_between(centres[found as usize], place) - distance).abs() < 1e-6, "{place:?}");
        }
        let view = View::globe(90, 45);
        let CellMap::Each(cells) = grid.cells(&view, &Cancel::new()).unwrap() else { panic!() };
        for (pixel, cell) in cells.iter().enumerate() {
            let place = view.place((pixel % 90) as f64 + 0.5, (pixel / 90) as f64 + 0.5).unwrap();
            let distance = degrees_between(centres[*cell as usize], place);
            assert!((distance - nearest(centres, place).1).abs() < 1e-6, "{place:?}");
        }
    }
}

#[test]
fn pixels_of_a_part_of_the_globe_are_found_by_their_numbers() {
    use thermocline_model::cf::HealpixOrder;
    for order in [HealpixOrder::Ring, HealpixOrder::Nested] {
        let healpix = Healpix::new(16, order).unwrap();
        let rising: Vec<u64> = (0..healpix.n_pixels()).filter(|pixel| pixel % 3 != 0).collect();
        let mixed: Vec<u64> = rising.iter().rev().copied().collect();
        for numbers in [rising, mixed] {
            let grid = Grid::healpix(healpix, numbers.len() as u64, Some(numbers.clone())).unwrap();
            for place in Chance(8).places(3_000) {
                let pixel = healpix.pixel(place).unwrap();
                let expected = numbers.iter().position(|number| *number == pixel);
                assert_eq!(grid.locate(place), expected.map(|cell| cell as u32));
            }
            assert_eq!(grid.centre(5), healpix.centre(numbers[5]));
        }
        let whole = Grid::healpix(healpix, healpix.n_pixels(), None).unwrap();
        assert_eq!(whole.extent(), Extent::GLOBE);
        assert!(Chance(9).places(3_000).into_iter().all(|place| whole.locate(place).is_some()));
    }
}
