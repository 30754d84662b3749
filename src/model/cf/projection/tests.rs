//! Projections against the numerical examples of Snyder's appendix A, which are printed to the digits given here.

use super::*;
use crate::{Attribute, Number, NumberType};

const CLARKE: [(&str, f64); 2] = [("semi_major_axis", 6_378_206.4), ("semi_minor_axis", 6_356_583.8)];
const INTERNATIONAL: [(&str, f64); 2] = [("semi_major_axis", 6_378_388.0), ("inverse_flattening", 297.0)];

fn projection(name: &str, earth: &[(&str, f64)], numbers: &[(&str, f64)]) -> Option<Projection> {
    let mut attrs = Attributes::new();
    attrs.set("grid_mapping_name", Attribute::Text(name.to_owned()));
    for (name, value) in earth.iter().chain(numbers) {
        attrs.set(*name, Attribute::number(NumberType::F64, Number::Float(*value)));
    }
    Projection::of(&attrs)
}

fn parallels(name: &str, earth: &[(&str, f64)], parallels: [f64; 2], numbers: &[(&str, f64)]) -> Projection {
    let mut attrs = Attributes::new();
    attrs.set("grid_mapping_name", Attribute::Text(name.to_owned()));
    for (name, value) in earth.iter().chain(numbers) {
        attrs.set(*name, Attribute::number(NumberType::F64, Number::Float(*value)));
    }
    let values = parallels.map(Number::Float).to_vec();
    attrs.set("standard_parallel", Attribute::Numbers { dtype: NumberType::F64, shape: vec![2], values });
    Projection::of(&attrs).unwrap()
}

#[track_caller]
fn lies(projection: &Projection, (x, y): (f64, f64), (longitude, latitude): (f64, f64), within: f64) {
    let found = projection.inverse(x, y).unwrap();
    let turn = (found.longitude - longitude + 180.0).rem_euclid(360.0) - 180.0;
    assert!(turn.abs() < within && (found.latitude - latitude).abs() < within, "{found:?}");

    let back = projection.forward(LonLat { longitude, latitude }).unwrap();
    let unit = if projection.plane_unit() == PlaneUnit::Metre { 111e3 } else { 1.0 };
    assert!((back.0 - x).abs() < within * unit && (back.1 - y).abs() < within * unit, "{back:?}");
}

#[test]
fn mercator_of_the_ellipsoid() {
    let map = projection("mercator", &CLARKE, &[("longitude_of_projection_origin", -180.0)]).unwrap();
    lies(&map, (11_688_673.7, 4_139_145.6), (-75.0, 35.0), 1e-6);
}

#[test]
fn mercator_of_a_sphere_with_a_standard_parallel() {
    let sphere = [("earth_radius", 6_371_000.0)];
    let map =
        projection("mercator", &sphere, &[("standard_parallel", 60.0), ("false_easting", 100.0)]).unwrap();
    let x = 6_371_000.0 * 0.5 * 10_f64.to_radians();
    lies(&map, (x + 100.0, 0.0), (10.0, 0.0), 1e-9);
}

#[test]
fn transverse_mercator_of_the_ellipsoid() {
    let numbers = [("longitude_of_central_meridian", -75.0), ("scale_factor_at_central_meridian", 0.9996)];
    let map = projection("transverse_mercator", &CLARKE, &numbers).unwrap();
    lies(&map, (127_106.5, 4_484_124.4), (-73.5, 40.5), 1e-6);
}

#[test]
fn lambert_conformal_conic_with_two_parallels() {
    let numbers = [("latitude_of_projection_origin", 23.0), ("longitude_of_central_meridian", -96.0)];
    let map = parallels("lambert_conformal_conic", &CLARKE, [33.0, 45.0], &numbers);
    lies(&map, (1_894_410.9, 1_564_649.5), (-75.0, 35.0), 1e-6);
}

#[test]
fn albers_with_two_parallels() {
    let numbers = [("latitude_of_projection_origin", 23.0), ("longitude_of_central_meridian", -96.0)];
    let map = parallels("albers_conical_equal_area", &CLARKE, [29.5, 45.5], &numbers);
    lies(&map, (1_885_472.7, 1_535_925.0), (-75.0, 35.0), 1e-6);
}

#[test]
fn polar_stereographic_of_the_south_with_a_parallel() {
    let numbers = [
        ("latitude_of_projection_origin", -90.0),
        ("straight_vertical_longitude_from_pole", -100.0),
        ("standard_parallel", -71.0),
    ];
    let map = projection("polar_stereographic", &INTERNATIONAL, &numbers).unwrap();
    lies(&map, (-1_540_033.6, -560_526.4), (150.0, -75.0), 1e-6);
    assert_eq!(map.pole(), Some((0.0, 0.0, false)));
}

#[test]
fn polar_stereographic_with_a_scale_at_the_pole() {
    let numbers = [
        ("latitude_of_projection_origin", -90.0),
        ("straight_vertical_longitude_from_pole", -100.0),
        ("scale_factor_at_projection_origin", 0.994),
    ];
    let map = projection("polar_stereographic", &INTERNATIONAL, &numbers).unwrap();
    // Near the pole, lengths are those on a sphere of the pole's radius of curvature, times the scale.
    let colatitude = 1e-4_f64;
    let curvature = 6_378_388.0 / (1.0 - 1.0 / 297.0);
    lies(&map, (0.0, 0.994 * curvature * colatitude), (-100.0, -90.0 + colatitude.to_degrees()), 1e-9);
}

#[test]
fn lambert_azimuthal_equal_area_oblique_and_polar() {
    let oblique = [("latitude_of_projection_origin", 40.0), ("longitude_of_projection_origin", -100.0)];
    let map = projection("lambert_azimuthal_equal_area", &CLARKE, &oblique).unwrap();
    lies(&map, (-965_932.1, -1_056_814.9), (-110.0, 30.0), 1e-6);

    let polar = [("latitude_of_projection_origin", 90.0), ("longitude_of_projection_origin", -100.0)];
    let map = projection("lambert_azimuthal_equal_area", &INTERNATIONAL, &polar).unwrap();
    lies(&map, (1_077_459.7, 288_704.5), (5.0, 80.0), 3e-6);
    assert!(map.inverse(13e6, 0.0).is_none());
}

#[test]
fn sinusoidal_of_the_ellipsoid_ends_at_half_a_turn() {
    let map = projection("sinusoidal", &CLARKE, &[("longitude_of_projection_origin", -90.0)]).unwrap();
    lies(&map, (1_075_471.5, -5_540_628.0), (-75.0, -50.0), 1e-6);
    assert!(map.inverse(2.1e7, 0.0).is_none());
    assert!(map.inverse(2.0e7, 4.0e6).is_none());
}

#[test]
fn a_rotated_pole_puts_the_origin_opposite_to_it() {
    let numbers = [("grid_north_pole_latitude", 39.25), ("grid_north_pole_longitude", -162.0)];
    let map = projection("rotated_latitude_longitude", &[], &numbers).unwrap();
    lies(&map, (0.0, 0.0), (18.0, 50.75), 1e-9);
    assert!(map.inverse(0.0, 39.25).is_some_and(|pole| pole.latitude > 90.0 - 1e-9));
    assert!(map.inverse(0.0, 91.0).is_none());
}

#[test]
fn a_geostationary_satellite_sees_space_beside_the_earth() {
    let earth = [("semi_major_axis", 6_378_137.0), ("semi_minor_axis", 6_356_752.314_14)];
    let numbers = [("perspective_point_height", 35_786_023.0), ("longitude_of_projection_origin", -75.0)];
    let mut attrs = Attributes::new();
    attrs.set("grid_mapping_name", Attribute::Text("geostationary".into()));
    attrs.set("sweep_angle_axis", Attribute::Text("x".into()));
    for (name, value) in earth.iter().chain(&numbers) {
        attrs.set(*name, Attribute::number(NumberType::F64, Number::Float(*value)));
    }
    let map = Projection::of(&attrs).unwrap();
    // The worked example of the GOES-R Product Definition and Users' Guide, volume 3, section 5.1.2.8.1.
    lies(&map, (-0.024_052, 0.095_340), (-84.690_932, 33.846_162), 1e-5);
    assert!(map.inverse(0.2, 0.0).is_none());
    assert_eq!(map.scale(Some("m")), Some(1.0 / 35_786_023.0));
    assert_eq!(map.scale(None), None);
}

#[test]
fn what_makes_no_map_is_not_known() {
    assert!(projection("lambert_conformal_conic", &[], &[]).is_none());
    assert!(projection("oblique_mercator", &[], &[]).is_none());
    assert!(projection("mercator", &[("earth_radius", 0.0)], &[]).is_none());
    assert!(projection("mercator", &[("earth_radius", f64::NAN), ("semi_major_axis", -1.0)], &[]).is_none());
    let flat = [("standard_parallel", 0.0), ("longitude_of_central_meridian", 0.0)];
    assert!(projection("lambert_conformal_conic", &[], &flat).is_none());
}

#[test]
fn what_is_given_and_cannot_be_read_is_not_taken_by_default() {
    let with = |name: &str, numbers: &[(&str, f64)], texts: &[(&str, &str)]| {
        let mut attrs = Attributes::new();
        attrs.set("grid_mapping_name", Attribute::Text(name.to_owned()));
        for (name, value) in numbers {
            attrs.set(*name, Attribute::number(NumberType::F64, Number::Float(*value)));
        }
        for (name, text) in texts {
            attrs.set(*name, Attribute::Text((*text).to_owned()));
        }
        Projection::of(&attrs)
    };
    let cone = [("latitude_of_projection_origin", 40.0), ("longitude_of_central_meridian", 10.0)];
    assert!(with("lambert_conformal_conic", &cone, &[]).is_some());
    assert!(with("lambert_conformal_conic", &cone, &[("standard_parallel", "30, 60")]).is_none());
    assert!(with("lambert_conformal_conic", &cone[1..], &[("standard_parallel", "30")]).is_some());
    let beyond = [("latitude_of_projection_origin", 95.0), cone[1], ("standard_parallel", 30.0)];
    assert!(with("albers_conical_equal_area", &beyond, &[]).is_none());
    let pole = [("latitude_of_projection_origin", 90.0), ("straight_vertical_longitude_from_pole", 0.0)];
    assert!(with("polar_stereographic", &pole, &[]).is_some());
    assert!(with("polar_stereographic", &[pole[0], pole[1], ("standard_parallel", 95.0)], &[]).is_none());
    for name in ["mercator", "sinusoidal"] {
        assert!(with(name, &[], &[]).is_some());
        assert!(with(name, &[], &[("longitude_of_projection_origin", "10W")]).is_none());
    }
    assert!(with("mercator", &[], &[("standard_parallel", "thirty")]).is_none());
    assert!(with("mercator", &[], &[("semi_major_axis", "6378 km")]).is_none());
    let meridian = [("longitude_of_central_meridian", 9.0)];
    assert!(with("transverse_mercator", &meridian, &[]).is_some());
    assert!(
        with("transverse_mercator", &meridian, &[("scale_factor_at_central_meridian", "0,9996")]).is_none()
    );
}

#[test]
fn stereographic_around_a_pole_is_the_polar_one() {
    let numbers = |latitude: f64| {
        [
            ("latitude_of_projection_origin", latitude),
            ("longitude_of_projection_origin", -105.0),
            ("scale_factor_at_projection_origin", 0.933),
        ]
    };
    let earth = [("earth_radius", 6_371_229.0)];
    let map = projection("stereographic", &earth, &numbers(90.0)).unwrap();
    assert_eq!(Some(map), projection("polar_stereographic", &earth, &numbers(90.0)));
    assert!(projection("stereographic", &earth, &numbers(60.0)).is_none());
}

#[test]
fn false_coordinates_are_counted_in_the_units_of_coordinates() {
    let pole = [
        ("latitude_of_projection_origin", 90.0),
        ("straight_vertical_longitude_from_pole", 0.0),
        ("false_easting", 2000.0),
    ];
    let map = projection("polar_stereographic", &[], &pole).unwrap();
    assert_eq!(map.clone().with_units(Some("m"), None), map);
    assert_eq!(map.with_units(Some("km"), Some("km")).pole(), Some((2e6, 0.0, true)));

    let satellite = [
        ("perspective_point_height", 35_786_023.0),
        ("longitude_of_projection_origin", 0.0),
        ("false_easting", 35_786_023.0 / 64.0),
    ];
    let view = projection("geostationary", &[], &satellite).unwrap().with_units(Some("m"), Some("m"));
    let (x, _) = view.forward(LonLat { longitude: 0.0, latitude: 0.0 }).unwrap();
    assert!((x - 1.0 / 64.0).abs() < 1e-12, "{x}");
    assert!(view.proj_string().contains("+x_0=559156.609375 "), "{}", view.proj_string());
}

#[test]
fn a_conformal_cone_tells_its_scale() {
    let scale = ("scale_factor_at_projection_origin", 0.9996);
    let cone = [("longitude_of_central_meridian", 10.0), scale];
    let map = parallels("lambert_conformal_conic", &[], [30.0, 60.0], &cone);
    assert!(map.proj_string().contains(" +k_0=0.9996 "), "{}", map.proj_string());
    let plain = parallels("lambert_conformal_conic", &[], [30.0, 60.0], &cone[..1]);
    assert!(!plain.proj_string().contains("+k_0"));
}

#[test]
fn units_of_the_plane_are_scaled_and_others_refused() {
    let map = projection("mercator", &[], &[]).unwrap();
    assert_eq!(map.scale(Some("km")), Some(1000.0));
    assert_eq!(map.scale(None), Some(1.0));
    assert_eq!(map.scale(Some("degrees")), None);
    let plain = projection("latitude_longitude", &[], &[]).unwrap();
    assert_eq!(plain.scale(Some("degrees_north")), Some(1.0));
    assert_eq!(plain.scale(Some("m")), None);
}

/// One map of every kind, with false coordinates and a prime meridian that are not 0.
fn one_of_each() -> Vec<Projection> {
    let shift = [("false_easting", 2e5), ("false_northing", -3e5), ("longitude_of_prime_meridian", 2.337)];
    let with = |numbers: &[(&'static str, f64)]| [&shift[..], numbers].concat();
    let of = |name: &str, earth: &[(&str, f64)], numbers: &[(&'static str, f64)]| {
        projection(name, earth, &with(numbers)).unwrap()
    };
    let origin = |latitude: f64, longitude: f64| {
        [("latitude_of_projection_origin", latitude), ("longitude_of_projection_origin", longitude)]
    };
    let cone = [("latitude_of_projection_origin", 23.0), ("longitude_of_central_meridian", -96.0)];
    let south = [("latitude_of_projection_origin", -30.0), ("longitude_of_central_meridian", 140.0)];
    let vertical = |latitude: f64| {
        [("latitude_of_projection_origin", latitude), ("straight_vertical_longitude_from_pole", -45.0)]
    };
    let satellite = [("perspective_point_height", 35_786_023.0), ("longitude_of_projection_origin", 140.7)];
    let pole = [("grid_north_pole_latitude", 39.25), ("grid_north_pole_longitude", -162.0)];
    let mut maps = vec![
        projection("latitude_longitude", &[], &[]).unwrap(),
        projection("rotated_latitude_longitude", &[], &pole).unwrap(),
        projection(
            "rotated_latitude_longitude",
            &[],
            &[pole[0], pole[1], ("north_pole_grid_longitude", 20.0)],
        )
        .unwrap(),
        projection("geostationary", &INTERNATIONAL, &satellite).unwrap(),
    ];
    for earth in [&CLARKE[..], &INTERNATIONAL[..], &[("earth_radius", 6_371_229.0)]] {
        maps.push(of("mercator", earth, &[("longitude_of_projection_origin", -180.0)]));
        maps.push(of("transverse_mercator", earth, &[("longitude_of_central_meridian", 9.0)]));
        maps.push(of("sinusoidal", earth, &[("longitude_of_projection_origin", -90.0)]));
        for (latitude, longitude) in
            [(90.0, -100.0), (-90.0, 0.0), (40.0, -100.0), (0.0, 10.0), (-25.0, 170.0)]
        {
            maps.push(of("lambert_azimuthal_equal_area", earth, &origin(latitude, longitude)));
        }
        maps.push(of("polar_stereographic", earth, &vertical(90.0)));
        maps.push(of("polar_stereographic", earth, &vertical(-90.0)));
        maps.push(parallels("lambert_conformal_conic", earth, [33.0, 45.0], &with(&cone)));
        maps.push(parallels("lambert_conformal_conic", earth, [-20.0, -50.0], &with(&south)));
        maps.push(parallels("albers_conical_equal_area", earth, [29.5, 45.5], &with(&cone)));
        maps.push(parallels("albers_conical_equal_area", earth, [-18.0, -36.0], &with(&south)));
    }
    maps
}

#[test]
fn what_a_map_shows_lies_where_it_is_shown() {
    for map in one_of_each() {
        let mut n_shown = 0;
        // Series end where the transverse Mercator projection stretches most.
        let within = if matches!(map.kind, Kind::TransverseMercator(_)) { 2e-5 } else { 2e-6 };
        for longitude in (-179..=179).step_by(7).map(f64::from) {
            for latitude in (-89..=89).step_by(6).map(f64::from) {
                let Some((x, y)) = map.forward(LonLat { longitude: longitude + 360.0, latitude }) else {
                    continue;
                };
                n_shown += 1;
                let found = map.inverse(x, y).unwrap();
                let turn = (found.longitude - longitude + 180.0).rem_euclid(360.0) - 180.0;
                let across = turn * latitude.to_radians().cos();
                assert!(across.abs() < within, "{map:?} {longitude} {latitude} {found:?}");
                assert!(
                    (found.latitude - latitude).abs() < within,
                    "{map:?} {longitude} {latitude} {found:?}"
                );
            }
        }
        assert!(n_shown > 300, "{map:?}");
    }
}

#[test]
fn what_lies_behind_the_rim_is_not_shown() {
    let numbers = [("perspective_point_height", 35_786_023.0), ("longitude_of_projection_origin", 0.0)];
    let map = projection("geostationary", &[], &numbers).unwrap();
    let shows = |longitude: f64, latitude: f64| map.forward(LonLat { longitude, latitude }).is_some();
    assert!(shows(81.0, 0.0) && shows(-441.0, 0.0) && shows(0.0, -81.0));
    assert!(!shows(82.0, 0.0) && !shows(180.0, 0.0) && !shows(0.0, 90.0));
}

#[test]
fn no_map_shows_what_is_no_place() {
    for map in one_of_each() {
        for (longitude, latitude) in [(f64::NAN, 0.0), (0.0, f64::NAN), (f64::INFINITY, 0.0), (0.0, 90.5)] {
            assert_eq!(map.forward(LonLat { longitude, latitude }), None);
        }
        for latitude in [-90.0, 90.0] {
            let shown = map.forward(LonLat { longitude: 1e300, latitude });
            assert!(shown.is_none_or(|(x, y)| x.is_finite() && y.is_finite() && x.abs() < 1e9), "{map:?}");
        }
    }
}
