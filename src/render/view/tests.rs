use proptest::prelude::*;
use thermocline_model::{Attribute, Attributes, Number, NumberType};

use super::*;
use crate::Error;

fn at(longitude: f64, latitude: f64) -> LonLat {
    LonLat { longitude, latitude }
}

fn view(projection: MapProjection) -> View {
    View { projection, ..View::globe(720, 360) }
}

/// A polar stereographic plane of 4000 km around the north pole, Greenland's meridian downwards.
fn data() -> View {
    let mut crs = Attributes::new();
    crs.set("grid_mapping_name", Attribute::Text("polar_stereographic".into()));
    for (name, value) in [
        ("latitude_of_projection_origin", 90.0),
        ("straight_vertical_longitude_from_pole", -45.0),
        ("standard_parallel", 70.0),
        ("earth_radius", 6_371_000.0),
    ] {
        crs.set(name, Attribute::number(NumberType::F64, Number::Float(value)));
    }
    let projection = Projection::of(&crs).expect("a known mapping");
    let extent = Extent { west: -4e6, east: 4e6, south: -4e6, north: 4e6 };
    View { extent, width: 400, height: 400, ..view(MapProjection::Data(projection)) }
}

/// One view of every projection that shows the earth.
fn views() -> Vec<View> {
    let europe = Extent { west: -30.0, east: 60.0, south: 25.0, north: 75.0 };
    let pacific = Extent { west: 150.0, east: 240.0, south: -60.0, north: 10.0 };
    let south = Extent { west: 10.0, east: 50.0, south: -70.0, north: -20.0 };
    vec![
        view(MapProjection::PlateCarree),
        View { extent: pacific, ..view(MapProjection::PlateCarree) },
        view(MapProjection::Mercator),
        View { extent: europe, ..view(MapProjection::Mercator) },
        view(MapProjection::Robinson),
        View { center: (150.0, 0.0), ..view(MapProjection::Robinson) },
        view(MapProjection::Mollweide),
        View { center: (-100.0, 0.0), ..view(MapProjection::EqualEarth) },
        view(MapProjection::EqualEarth),
        View { width: 400, height: 400, center: (100.0, 55.0), ..view(MapProjection::Orthographic) },
        View { width: 400, height: 400, center: (-140.0, -70.0), ..view(MapProjection::Orthographic) },
        View { width: 400, height: 400, ..view(MapProjection::NorthPolar) },
        View { width: 400, height: 400, bound: 20.0, ..view(MapProjection::SouthPolar) },
        View { extent: europe, ..view(MapProjection::Lambert) },
        View { extent: south, ..view(MapProjection::Lambert) },
        data(),
    ]
}

#[track_caller]
fn assert_near(found: Option<(f64, f64)>, expected: (f64, f64), tolerance: f64) {
    let is_near =
        found.is_some_and(|(x, y)| (x - expected.0).abs() < tolerance && (y - expected.1).abs() < tolerance);
    assert!(is_near, "{found:?} is not {expected:?}");
}

fn place(view: &View, x: f64, y: f64) -> Option<(f64, f64)> {
    view.place(x, y).map(|place| (place.longitude, place.latitude))
}

#[test]
fn every_point_comes_back_from_its_place() {
    for view in views() {
        let mut n_places = 0;
        for (x, y) in (0..19).flat_map(|column| (0..19).map(move |row| (column, row))) {
            let (x, y) = (f64::from(x) * 21.1 + 3.3, f64::from(y) * 20.3 - 2.9);
            let Some(place) = view.place(x, y) else { continue };
            n_places += 1;
            assert_near(view.position(place), (x, y), 1e-6);
        }
        assert!(n_places > 150, "{n_places} of {}", view.projection.name());
    }
}

#[test]
fn plate_carree_is_linear_in_degrees() {
    let pacific = Extent { west: 150.0, east: 240.0, south: -60.0, north: 10.0 };
    let view = View { extent: pacific, width: 90, height: 70, ..view(MapProjection::PlateCarree) };

    assert_near(place(&view, 0.5, 0.5), (150.5, 9.5), 1e-12);
    assert_near(view.position(at(-170.0, 0.0)), (40.0, 10.0), 1e-12);
    assert_eq!((view.column_longitude(40), view.row_latitude(10)), (Some(190.5), Some(-0.5)));
    assert!((view.natural_aspect() - 90.0 / 70.0).abs() < 1e-12);
}

#[test]
fn mercator_is_linear_in_psi_and_cut() {
    let globe = View { height: 720, ..view(MapProjection::Mercator) };

    // Snyder, page 266: latitude 35° has y = 0.6528366, longitude 105° from the meridian x = 1.8325957, on a unit sphere.
    let per_radian = 720.0 / std::f64::consts::TAU;
    assert_near(
        globe.position(at(105.0, 35.0)),
        (360.0 + 1.8325957 * per_radian, 360.0 - 0.6528366 * per_radian),
        1e-5,
    );
    assert_near(place(&globe, 360.0, 0.0), (0.0, 85.051_128_779_806_6), 1e-9);
    assert!((globe.natural_aspect() - 1.0).abs() < 1e-9);
}

#[test]
fn mollweide_is_snyders() {
    // Page 365: 15° from the meridian, latitude −50°: x = 0.1788845, y = −0.9208758 of a map 2√2 by √2.
    let root = std::f64::consts::SQRT_2;
    let (x, y) = (0.178_884_5 / (2.0 * root), -0.920_875_8 / root);

    let view = view(MapProjection::Mollweide);
    assert_near(view.position(at(15.0, -50.0)), ((x + 1.0) * 360.0, (1.0 - y) * 180.0), 1e-4);
    assert_near(place(&view, (x + 1.0) * 360.0, (1.0 - y) * 180.0), (15.0, -50.0), 1e-5);
}

#[test]
fn robinson_has_its_table() {
    let view = view(MapProjection::Robinson);

    for (latitude, half, distance) in [(45.0, 0.8962, 0.5571), (-60.0, 0.7986, -0.7346), (90.0, 0.5322, 1.0)]
    {
        assert_near(
            view.position(at(90.0, latitude)),
            ((1.0 + half / 2.0) * 360.0, (1.0 - distance) * 180.0),
            0.2,
        );
    }
    assert_near(view.position(at(90.0, 40.0)), ((1.0 + 0.9216 / 2.0) * 360.0, (1.0 - 0.4958) * 180.0), 1e-9);
    assert!((view.natural_aspect() - 1.9716).abs() < 1e-3);
}

#[test]
fn areas_on_equal_earth_and_mollweide_are_those_on_the_earth() {
    for projection in [MapProjection::EqualEarth, MapProjection::Mollweide] {
        let view = view(projection);
        let compiled = view.compiled();
        let area = |latitude: f64| {
            let corner =
                |longitude, latitude| compiled.position(at(longitude, latitude)).expect("a visible place");
            let (low, high) = (corner(20.0, latitude - 0.01), corner(20.0, latitude + 0.01));
            let width = corner(20.01, latitude).0 - corner(19.99, latitude).0;
            width * (low.1 - high.1) / latitude.to_radians().cos()
        };
        for latitude in [-85.0, -60.0, 30.0, 75.0] {
            assert!(
                (area(latitude) / area(0.0) - 1.0).abs() < 1e-5,
                "{latitude}: {}",
                area(latitude) / area(0.0)
            );
        }
    }
    assert!((view(MapProjection::EqualEarth).natural_aspect() - 2.0546).abs() < 1e-3);
}

#[test]
fn the_globe_from_afar_is_snyders() {
    // Page 311: seen from 100° W 40° N, 110° W 30° N is at x = −0.1503837, y = −0.1651911 of a unit disc.
    let view = View { center: (-100.0, 40.0), width: 200, height: 200, ..view(MapProjection::Orthographic) };

    assert_near(view.position(at(-110.0, 30.0)), (100.0 - 15.03837, 100.0 + 16.51911), 1e-5);
    assert_eq!(view.position(at(80.0, -40.0)), None);
    assert_eq!(view.place(3.0, 3.0), None);
    assert_near(place(&view, 100.0, 100.0), (-100.0, 40.0), 1e-9);
}

#[test]
fn polar_maps_touch_their_bound_and_turn_the_right_way() {
    let north = View { width: 100, height: 100, ..view(MapProjection::NorthPolar) };
    let south = View { width: 100, height: 100, bound: 60.0, ..view(MapProjection::SouthPolar) };

    assert_near(north.position(at(0.0, 50.0)), (50.0, 100.0), 1e-9);
    assert_near(north.position(at(90.0, 50.0)), (100.0, 50.0), 1e-9);
    assert_near(south.position(at(0.0, -60.0)), (50.0, 0.0), 1e-9);
    assert_near(south.position(at(90.0, -60.0)), (100.0, 50.0), 1e-9);
    assert_near(place(&north, 100.0, 50.0), (90.0, 50.0), 1e-9);
    assert_near(place(&south, 50.0, 50.0), (0.0, -90.0), 1e-9);
}

#[test]
fn lambert_is_snyders_cone() {
    // Page 295: standard parallels 33° and 45° N. From 96° W 23° N to 75° W 35° N it is x = 0.2966785, y = 0.2462112.
    let extent = Extent { west: -126.0, east: -66.0, south: 30.0, north: 48.0 };
    let mut view = View { extent, ..view(MapProjection::Lambert) };
    view.height = (f64::from(view.width) / view.natural_aspect()).round() as u32;
    view.width = 2_000_000;
    view.height = (2e6 / view.natural_aspect()).round() as u32;

    let from = view.position(at(-96.0, 23.0)).expect("a visible place");
    let to = view.position(at(-75.0, 35.0)).expect("a visible place");
    assert!(((to.0 - from.0) / (from.1 - to.1) - 0.2966785 / 0.2462112).abs() < 1e-5);
    // The extent touches every side of the picture.
    assert_near(view.position(at(-96.0, 30.0)), (1e6, f64::from(view.height)), 1.0);
    assert_near(view.position(at(-66.0, 30.0)).map(|(x, _)| (x, 0.0)), (2e6, 0.0), 1.0);
    assert_near(view.position(at(-66.0, 48.0)).map(|(_, y)| (0.0, y)), (0.0, 0.0), 1.0);
}

#[test]
fn a_plane_has_its_own_coordinates() {
    let view = data();

    assert_near(place(&view, 200.0, 200.0).map(|(_, latitude)| (90.0, latitude)), (90.0, 90.0), 1e-9);
    assert_near(view.position(at(-45.0, 70.0)).map(|(x, _)| (x, 0.0)), (200.0, 0.0), 1e-6);
    assert!(view.position(at(-45.0, 70.0)).is_some_and(|(_, y)| y > 300.0));
    assert_eq!(view.natural_aspect(), 1.0);
}

#[test]
fn rows_have_the_places_of_their_pixels() {
    for view in views() {
        let compiled = view.compiled();
        for row in [0, 77, view.height - 1] {
            let places: Vec<_> = compiled.row_places(row).collect();
            assert_eq!(places.len(), view.width as usize);
            for column in [0, 1, 200, view.width - 1] {
                let place = view.place(f64::from(column) + 0.5, f64::from(row) + 0.5);
                assert_eq!(places[column as usize], place, "{}", view.projection.name());
            }
        }
    }
}

#[test]
fn a_line_over_the_date_line_goes_on_at_the_other_side() {
    let lines = View::globe(360, 180).polyline(&[at(170.0, 10.0), at(-170.0, 10.0)]);

    let ends: Vec<_> = lines.iter().map(|line| (line[0], line[line.len() - 1])).collect();
    assert_eq!(ends.len(), 2);
    assert!(ends.contains(&([350.0, 80.0], [370.0, 80.0])));
    assert!(ends.contains(&([-10.0, 80.0], [10.0, 80.0])));
}

#[test]
fn a_parallel_is_cut_where_the_map_is() {
    let parallel: Vec<LonLat> = (0..=36).map(|step| at(f64::from(step) * 10.0, 40.0)).collect();
    let view = view(MapProjection::Robinson);

    let lines = view.polyline(&parallel);
    let ends: Vec<_> = lines.iter().map(|line| [line[0][0], line[line.len() - 1][0]]).collect();
    let half = 360.0 * 0.9216_f32;
    assert_eq!(ends.len(), 2, "{ends:?}");
    for (found, expected) in ends.as_flattened().iter().zip([360.0 - half, 360.0, 360.0, 360.0 + half]) {
        assert!((found - expected).abs() < 0.01, "{ends:?}");
    }
}

#[test]
fn a_line_ends_at_the_limb_of_the_globe() {
    let view = View { width: 200, height: 200, ..view(MapProjection::Orthographic) };

    let lines = view.polyline(&[at(0.0, 0.0), at(100.0, 20.0), at(179.0, 0.0)]);
    let [line] = lines.as_slice() else { panic!("{} lines", lines.len()) };
    let [x, y] = line[line.len() - 1];
    assert!(((x - 100.0).hypot(y - 100.0) - 100.0).abs() < 1e-3);
    assert_eq!(line[0], [100.0, 100.0]);
}

#[test]
fn a_bent_line_is_divided_and_a_straight_one_is_not() {
    let polar = View { width: 400, height: 400, ..view(MapProjection::NorthPolar) };
    let circle: Vec<LonLat> = (0..=12).map(|step| at(f64::from(step) * 30.0, 70.0)).collect();

    let lines = polar.polyline(&circle);
    assert_eq!(lines.len(), 1);
    let radius = 200.0 * (10.0_f64.to_radians().tan() / 20.0_f64.to_radians().tan());
    for pair in lines[0].windows(2) {
        let middle = ((pair[0][0] + pair[1][0]) / 2.0 - 200.0).hypot((pair[0][1] + pair[1][1]) / 2.0 - 200.0);
        assert!((f64::from(middle) - radius).abs() < 0.3);
    }
    let meridian = View::globe(360, 180).polyline(&[at(10.0, -80.0), at(10.0, 80.0)]);
    assert!(meridian[0].len() < 40);
}

#[test]
fn an_outline_is_where_places_end() {
    for view in views() {
        let Some(outline) = view.outline() else { continue };
        assert_eq!(outline.first(), outline.last());
        let (middle_x, middle_y) = (f64::from(view.width) / 2.0, f64::from(view.height) / 2.0);
        for [x, y] in outline.iter().map(|point| point.map(f64::from)) {
            let towards =
                |share: f64| view.place(middle_x + share * (x - middle_x), middle_y + share * (y - middle_y));
            assert!(
                towards(0.998).is_some() && towards(1.002).is_none(),
                "{} {x} {y}",
                view.projection.name()
            );
        }
    }
}

#[test]
fn what_makes_no_map_is_refused_by_name() {
    let extent = |west, east, south, north| Extent { west, east, south, north };
    for (projection, extent, culprit) in [
        (MapProjection::PlateCarree, extent(0.0, 10.0, 50.0, 40.0), "south 50"),
        (MapProjection::PlateCarree, extent(0.0, 10.0, -95.0, 40.0), "south -95"),
        (MapProjection::PlateCarree, extent(0.0, f64::NAN, 0.0, 40.0), "east"),
        (MapProjection::PlateCarree, extent(20.0, 10.0, 0.0, 40.0), "west 20"),
        (MapProjection::PlateCarree, extent(-400.0, 400.0, 0.0, 40.0), "wider"),
        (MapProjection::Mercator, extent(0.0, 10.0, 86.0, 90.0), "mercator"),
        (MapProjection::Lambert, Extent::GLOBE, "lambert"),
        (MapProjection::Native, extent(0.0, 0.0, 0.0, 1.0), "west 0"),
    ] {
        let checked = View { extent, ..view(projection) }.check();
        assert!(
            matches!(&checked, Err(Error::Invalid(detail)) if detail.contains(culprit) && detail.contains("extent"))
        );
    }
    let steep = View { bound: 90.0, ..view(MapProjection::NorthPolar) };
    assert!(matches!(steep.check(), Err(Error::Invalid(detail)) if detail.contains("bound")));
    let beyond = View { center: (0.0, 91.0), ..view(MapProjection::Orthographic) };
    assert!(matches!(beyond.check(), Err(Error::Invalid(detail)) if detail.contains("center")));
    for view in views() {
        assert_eq!(view.check(), Ok(()));
    }
}

fn any_view() -> impl Strategy<Value = View> {
    let number = || prop_oneof![any::<f64>(), -400.0..400.0_f64];
    let sides = (number(), number(), number(), number());
    (0..views().len(), sides, (number(), number()), number(), 0..3000_u32, 0..3000_u32).prop_map(
        |(which, (west, east, south, north), center, bound, width, height)| {
            let projection = views()[which].projection.clone();
            View { projection, extent: Extent { west, east, south, north }, center, bound, width, height }
        },
    )
}

proptest! {
    #[test]
    fn any_numbers_are_drawn_or_refused(view in any_view(), x in any::<f64>(), y in any::<f64>(), places in prop::collection::vec((any::<f64>(), any::<f64>()), 0..4)) {
        let places: Vec<LonLat> = places.into_iter().map(|(longitude, latitude)| at(longitude, latitude)).collect();
        let _ = (view.check(), view.place(x, y), view.natural_aspect(), view.outline());
        view.position(at(x, y));
        if view.check().is_ok() {
            view.polyline(&places);
        }
    }

    #[test]
    fn lines_stay_near_the_picture_and_do_not_jump(which in 0..16_usize, steps in prop::collection::vec((-40.0..40.0_f64, -20.0..20.0_f64), 1..30), start in (-180.0..180.0_f64, -80.0..80.0_f64)) {
        let view = views().swap_remove(which);
        let mut places = vec![at(start.0, start.1)];
        for (east, north) in steps {
            let last = places[places.len() - 1];
            places.push(at(last.longitude + east, (last.latitude + north).clamp(-90.0, 90.0)));
        }
        for line in view.polyline(&places) {
            prop_assert!(line.len() > 1);
            for [x, y] in &line {
                prop_assert!((-33.0..view.width as f32 + 33.0).contains(x) && (-33.0..view.height as f32 + 33.0).contains(y));
            }
        }
    }

    #[test]
    fn visible_places_of_a_line_are_on_it(which in 0..16_usize, from in (-170.0..170.0_f64, -80.0..80.0_f64), along in (-60.0..60.0_f64, -30.0..30.0_f64), share in 0.0..1.0_f64) {
        let view = views().swap_remove(which);
        let to = at(from.0 + along.0, (from.1 + along.1).clamp(-85.0, 85.0));
        let place = at(from.0 + share * (to.longitude - from.0), from.1 + share * (to.latitude - from.1));
        let lines = view.polyline(&[at(from.0, from.1), to]);
        if let Some((x, y)) = view.position(place)
            && (0.0..f64::from(view.width)).contains(&x)
            && (0.0..f64::from(view.height)).contains(&y)
        {
            let nearest = lines.iter().flat_map(|line| line.windows(2)).map(|pair| distance((x, y), pair)).fold(f64::MAX, f64::min);
            prop_assert!(nearest < 0.5, "{nearest} from {} lines of {}", lines.len(), view.projection.name());
        }
    }
}

/// How far a point is from the line between two.
fn distance((x, y): (f64, f64), pair: &[[f32; 2]]) -> f64 {
    let [[from_x, from_y], [to_x, to_y]] = [pair[0].map(f64::from), pair[1].map(f64::from)];
    let (along_x, along_y) = (to_x - from_x, to_y - from_y);
    let square = along_x * along_x + along_y * along_y;
    let share = if square > 0.0 { ((x - from_x) * along_x + (y - from_y) * along_y) / square } else { 0.0 };
    let share = share.clamp(0.0, 1.0);
    (x - from_x - share * along_x).hypot(y - from_y - share * along_y)
}
