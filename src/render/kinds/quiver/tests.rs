use super::*;
use crate::Extent;

const EAST: Wind = Wind { u: 10.0, v: 0.0 };
const NORTH: Wind = Wind { u: 0.0, v: 10.0 };

fn style(heading: Heading) -> QuiverStyle<'static> {
    let color = LineColor::Plain(Color::rgb(0, 0, 0));
    QuiverStyle { spacing: 20.0, color, heading, reference: None, scale: 1.0, max_speed: None }
}

fn view(projection: MapProjection) -> View {
    View { projection, ..View::globe(400, 400) }
}

fn direction(view: &View, at: (f64, f64), wind: Wind) -> [f64; 2] {
    let speed = wind.u.hypot(wind.v);
    direction_on_map(&view.compiled(), 100.0, at, wind.u / speed, wind.v / speed).expect("a direction")
}

fn assert_points(found: [f64; 2], expected: [f64; 2]) {
    let is_near = (0..2).all(|axis| (found[axis] - expected[axis]).abs() < 0.01);
    assert!(is_near, "{found:?}, expected {expected:?}");
}

#[test]
fn eastward_at_the_equator_is_to_the_right_and_northward_up() {
    use MapProjection::{EqualEarth, Mercator, Mollweide, Orthographic, PlateCarree, Robinson};
    for projection in [PlateCarree, Mercator, Robinson, Mollweide, EqualEarth, Orthographic] {
        let view = view(projection);
        assert_points(direction(&view, (200.0, 200.0), EAST), [1.0, 0.0]);
        assert_points(direction(&view, (200.0, 200.0), NORTH), [0.0, -1.0]);
    }
}

#[test]
fn around_the_poles_east_goes_round() {
    let north = view(MapProjection::NorthPolar);
    // 0° E points down, 90° E to the right.
    assert_points(direction(&north, (200.0, 300.0), EAST), [1.0, 0.0]);
    assert_points(direction(&north, (300.0, 200.0), EAST), [0.0, -1.0]);
    assert_points(direction(&north, (200.0, 300.0), NORTH), [0.0, -1.0]);
    let south = view(MapProjection::SouthPolar);
    // 0° E points up, 90° E to the right.
    assert_points(direction(&south, (200.0, 100.0), EAST), [1.0, 0.0]);
    assert_points(direction(&south, (300.0, 200.0), EAST), [0.0, 1.0]);
    assert_points(direction(&south, (200.0, 100.0), NORTH), [0.0, -1.0]);
}

#[test]
fn eastward_is_to_the_right_across_the_date_line_and_at_the_sides() {
    let across = View {
        extent: Extent { west: 150.0, east: 210.0, south: -30.0, north: 30.0 },
        ..view(MapProjection::PlateCarree)
    };
    for x in [0.001, 199.99, 200.0, 200.01, 399.999] {
        assert_points(direction(&across, (x, 200.0), EAST), [1.0, 0.0]);
        assert_points(direction(&view(MapProjection::PlateCarree), (x, 200.0), EAST), [1.0, 0.0]);
    }
}

#[test]
fn arrows_are_as_long_as_they_are_fast_and_calms_are_dots() {
    let view = view(MapProjection::PlateCarree);
    let wind = |x: f64, y: f64| match (x < 200.0, y < 200.0) {
        (true, true) => Some(Wind { u: 10.0, v: 0.0 }),
        (false, true) => Some(Wind { u: 0.0, v: 5.0 }),
        (true, false) => Some(Wind { u: 0.0, v: 0.0 }),
        (false, false) => None,
    };

    let arrows = quiver(&view, wind, &style(Heading::Panel), &Cancel::new()).expect("arrows");

    assert_eq!(arrows.n_arrows, 300);
    assert_eq!(arrows.reference, Some(10.0));
    let mut lengths = [0; 2];
    for mark in &arrows.marks {
        match mark {
            Mark::Area { rings, .. } => {
                let (tail, tip) = (rings[0][0], rings[0][3]);
                let length = (tip[0] - tail[0]).abs().max((tip[1] - tail[1]).abs());
                lengths[usize::from(length < 15.0)] += 1;
                assert!((length - 20.0).abs() < 0.01 || (length - 10.0).abs() < 0.01, "{length}");
            }
            Mark::Discs { discs, .. } => assert_eq!(discs.len(), 100),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lengths, [100, 100]);
}

#[test]
fn the_reference_names_its_speed_and_units() {
    let reference =
        Some(Reference {
            units: "m s⁻¹".into(), ink: Color::rgb(0, 0, 0), paper: Color::rgb(255, 255, 255)
        });
    let style = QuiverStyle { reference, ..style(Heading::Panel) };

    let arrows =
        quiver(&view(MapProjection::Native), |_, _| Some(Wind { u: 7.0, v: 0.0 }), &style, &Cancel::new())
            .expect("arrows");

    assert!(arrows.marks.iter().any(|mark| matches!(mark, Mark::Text { text, .. } if text == "10 m s⁻¹")));
}

proptest::proptest! {
    #[test]
    fn any_wind_is_drawn_without_panics(u: f64, v: f64, spacing: f64, width in 1u32..80, height in 1u32..80) {
        for projection in [MapProjection::Orthographic, MapProjection::NorthPolar, MapProjection::Mollweide] {
            let view = View { projection, ..View::globe(width, height) };
            let style = QuiverStyle { spacing, ..style(Heading::Earth) };
            let arrows = quiver(&view, |x, y| Some(Wind { u: u * x, v: v * y }), &style, &Cancel::new());
            for mark in arrows.expect("arrows").marks {
                if let Mark::Area { rings, .. } = mark {
                    proptest::prop_assert!(rings.concat().concat().iter().all(|number| number.is_finite()));
                }
            }
        }
    }
}
