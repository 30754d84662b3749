use proptest::prelude::*;

use super::super::lattice::Look;
use super::*;
use crate::Colormap;

fn plain(label_size: Option<f32>) -> ContourStyle<'static> {
    ContourStyle { color: LineColor::Plain(Color::rgb(0, 0, 0)), width: 1.0, label_size, scale: 1.0 }
}

fn lines_of(lattice: &Lattice, level: f64) -> Vec<Vec<[f32; 2]>> {
    isoline::isolines(lattice, level, &Cancel::new()).expect("lines")
}

fn gray(levels: &[f64]) -> Scale {
    let map = Colormap::named("gray").expect("gray");
    let (low, high) = (levels[0], levels[levels.len() - 1]);
    Scale::new(low, high, Norm::Linear, Levels::Edges(levels.to_vec()), map).expect("a scale")
}

/// Cells of a size in pixels, of a panel of so many pixels, each with its number.
fn blocks(side: u32, length: u32) -> CellMap {
    let cells: Vec<u32> = (0..length).map(|pixel| pixel / side).collect();
    CellMap::Separable { rows: cells.clone(), columns: cells, n_columns: length / side }
}

/// What is known of blocks of a size in a panel of so many pixels; the panel begins again at its sides if it `meets`.
struct Blocks<V> {
    side: u32,
    length: u32,
    meets: bool,
    value: V,
}

impl<V: Fn(u32) -> f64 + Sync> Look for Blocks<V> {
    fn value(&self, cell: u32) -> f64 {
        (self.value)(cell)
    }

    fn centre(&self, cell: u32) -> Option<(f64, f64)> {
        let n_columns = self.length / self.side;
        let middle = |number: u32| (f64::from(number) + 0.5) * f64::from(self.side);
        Some((middle(cell % n_columns), middle(cell / n_columns)))
    }

    fn from(&self, at: (f64, f64), (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let length = f64::from(self.length);
        Some((x + ((at.0 - x) / length).round() * length, y))
    }

    fn beyond(&self, (x, y): (f64, f64)) -> Option<u32> {
        let length = f64::from(self.length);
        let column = x.rem_euclid(length) as u32 / self.side;
        let row = (0.0..length).contains(&y).then_some(y as u32 / self.side)?;
        self.meets.then_some(row * (self.length / self.side) + column)
    }
}

#[test]
fn a_level_of_a_cone_is_a_circle() {
    let cone = Lattice::sampled((200, 160), 4.0, |x, y| (x - 100.0).hypot(y - 80.0));

    let lines = lines_of(&cone, 50.0);

    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].first(), lines[0].last());
    for [x, y] in &lines[0] {
        let radius = (f64::from(*x) - 100.0).hypot(f64::from(*y) - 80.0);
        assert!((radius - 50.0).abs() < 0.5, "{radius}");
    }
    let angles: f64 = lines[0]
        .windows(2)
        .map(|pair| f64::from((pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1])))
        .sum();
    assert!((angles - std::f64::consts::TAU * 50.0).abs() < 1.0, "{angles}");
}

#[test]
fn lines_end_at_missing_values() {
    let is_missing = |x: f64| (40.0..=60.0).contains(&x);
    let lattice = Lattice::sampled((100, 100), 5.0, |x, y| if is_missing(x) { f64::NAN } else { y });

    let lines = lines_of(&lattice, 52.0);

    assert_eq!(lines.len(), 2);
    assert!(lines.iter().flatten().all(|[x, y]| (*y - 52.0).abs() < 1e-3 && !(35.1..64.9).contains(x)));
}

#[test]
fn a_missing_pixel_between_nodes_cuts_the_line() {
    // So large that nodes are two pixels apart; the missing column lies between two of them.
    let cells = blocks(1, 1001);
    let value = |cell: u32| if cell % 1001 == 501 { f64::NAN } else { f64::from(cell / 1001) };
    let look = Blocks { side: 1, length: 1001, meets: false, value };

    let lattice = Lattice::of_pixels((1001, 1001), &cells, &look, &Cancel::new()).expect("a lattice");

    assert_eq!(lines_of(&lattice, 400.0).len(), 2);
}

#[test]
fn lines_run_between_the_centres_of_large_cells_not_along_their_edges() {
    let value = |cell: u32| f64::from(cell % 10) * 10.0 + 5.0;
    let look = Blocks { side: 10, length: 100, meets: false, value };

    let lattice = Lattice::of_pixels((100, 100), &blocks(10, 100), &look, &Cancel::new()).expect("a lattice");

    let lines = lines_of(&lattice, 37.5);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].iter().all(|[x, _]| (*x - 37.5).abs() < 1e-3));
    let ends = [lines[0][0][1], lines[0][lines[0].len() - 1][1]];
    assert_eq!(ends.map(f32::round), if ends[0] < ends[1] { [5.0, 95.0] } else { [95.0, 5.0] });
}

#[test]
fn lines_reach_both_sides_of_a_map_around_the_earth() {
    let look = Blocks { side: 10, length: 100, meets: true, value: |cell: u32| f64::from(cell / 10) };

    let lattice = Lattice::of_pixels((100, 100), &blocks(10, 100), &look, &Cancel::new()).expect("a lattice");

    let lines = lines_of(&lattice, 4.5);
    let xs: Vec<f32> = lines.concat().iter().map(|[x, _]| *x).collect();
    assert_eq!(lines.len(), 1);
    assert!(xs.iter().any(|x| *x <= 0.0) && xs.iter().any(|x| *x >= 100.0));
}

#[test]
fn filled_levels_and_lines_agree() {
    let lattice = Lattice::sampled((90, 70), 10.0, |x, y| (x / 17.0).sin() * (y / 13.0).cos());
    let levels = [-2.0, 0.1, 2.0];
    let image = filled(&lattice, (90, 70), |_, _| 0.0, (&gray(&levels), Edges::Crisp), &Cancel::new())
        .expect("a picture");

    for [x, y] in lines_of(&lattice, 0.1).concat() {
        if (2.0..88.0).contains(&x) && (2.0..68.0).contains(&y) {
            let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy)));
            let reds: Vec<u8> = around
                .map(|(dx, dy)| image.pixel((x as i32 + dx) as u32, (y as i32 + dy) as u32).red)
                .collect();
            assert!(reds.contains(&0) && reds.contains(&255), "{x} {y} {reds:?}");
        }
    }
}

#[test]
fn missing_pixels_stay_transparent_in_filled_levels() {
    let lattice = Lattice::sampled((40, 40), 2.0, |x, _| x);
    let nearest = |column: u32, _: u32| if column == 20 { f64::NAN } else { f64::from(column) };

    for edges in [Edges::Crisp, Edges::Smooth] {
        let image = filled(&lattice, (40, 40), nearest, (&gray(&[0.0, 10.0, 40.0]), edges), &Cancel::new())
            .expect("a picture");
        assert!((0..40).all(|row| image.pixel(20, row).alpha == 0 && image.pixel(19, row).alpha == 255));
        assert_eq!((image.pixel(4, 4).red, image.pixel(30, 4).red), (0, 255));
    }
}

#[test]
fn smooth_edges_mix_the_colours_of_both_sides() {
    let lattice = Lattice::sampled((40, 40), 2.0, |x, _| x);

    let image =
        filled(&lattice, (40, 40), |_, _| 0.0, (&gray(&[0.0, 10.5, 40.0]), Edges::Smooth), &Cancel::new())
            .expect("a picture");

    assert_eq!([9, 10, 11].map(|column| image.pixel(column, 20).red), [0, 128, 255]);
}

#[test]
fn labels_stand_in_gaps_within_the_panel_and_apart_from_each_other() {
    let lattice = Lattice::sampled((600, 400), 4.0, |x, y| (x - 300.0).hypot(y - 200.0) / 100.0);
    let marks = contour(&lattice, &[0.5, 1.0, 1.5, 2.0], (600, 400), &plain(Some(10.0)), &Cancel::new())
        .expect("marks");

    let texts: Vec<_> = marks
        .iter()
        .filter_map(|mark| match mark {
            Mark::Text { at, text, angle, .. } => Some((*at, text.clone(), *angle)),
            _ => None,
        })
        .collect();
    assert!(texts.len() >= 4, "{}", texts.len());
    for (number, (at, text, angle)) in texts.iter().enumerate() {
        assert!((-90.0..=90.0).contains(angle));
        assert!(["0.5", "1.0", "1.5", "2.0"].contains(&text.as_str()));
        for mark in &marks {
            if let Mark::Line { points, .. } = mark {
                assert!(points.iter().all(|[x, y]| (x - at[0]).hypot(y - at[1]) > 6.0));
            }
        }
        assert!(texts[..number].iter().all(|(other, ..)| (other[0] - at[0]).hypot(other[1] - at[1]) > 20.0));
    }
}

#[test]
fn levels_follow_what_is_asked_for() {
    let range = (0.0, 10.0);
    assert_eq!(contour_levels(&Levels::Count(4), Norm::Linear, range), vec![0.0, 2.5, 5.0, 7.5, 10.0]);
    let uneven = contour_levels(&Levels::Count(10), Norm::Linear, (-4.0, 52.3));
    assert_eq!(uneven, vec![0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
    assert_eq!(filled_levels(&Levels::Count(2), Norm::Linear, range), vec![0.0, 5.0, 10.0]);
    assert_eq!(contour_levels(&Levels::Edges(vec![1.0, 7.0]), Norm::Linear, range), vec![1.0, 7.0]);
    assert_eq!(
        contour_levels(&Levels::Continuous, Norm::Log, (0.5, 30.0)),
        vec![0.5, 1.0, 2.0, 5.0, 10.0, 20.0]
    );
    assert_eq!(
        filled_levels(&Levels::Continuous, Norm::Log, (0.3, 30.0)),
        vec![0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0]
    );
}

fn anything() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -10.0..10.0f64,
        1 => Just(f64::NAN),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::MAX), Just(f64::MIN), Just(0.0)],
    ]
}

proptest! {
    #[test]
    fn lines_never_touch_missing_values(values in proptest::collection::vec(anything(), 64), level in -9.0..9.0f64) {
        let ruler: Vec<f64> = (0..8).map(|i| f64::from(i) * 10.0).collect();
        let lattice = Lattice::rectilinear(&ruler, &ruler, values.clone()).expect("a lattice");
        for line in lines_of(&lattice, level) {
            for pair in line.windows(2) {
                let middle = [0, 1].map(|axis| (pair[0][axis] + pair[1][axis]) / 20.0);
                let found = [0.0, 0.01, -0.01].into_iter().any(|nudge| {
                    let (column, row) = ((middle[0] + nudge).floor(), (middle[1] + nudge).floor());
                    (0..2).all(|dy| (0..2).all(|dx| {
                        let node = (row as usize + dy) * 8 + column as usize + dx;
                        values.get(node).is_some_and(|value| value.is_finite())
                    }))
                });
                prop_assert!(found, "{:?} {:?}", pair, values);
            }
        }
    }

    #[test]
    fn lines_without_gaps_end_at_the_border(values in proptest::collection::vec(-10.0..10.0f64, 49), level in -9.0..9.0f64) {
        let ruler: Vec<f64> = (0..7).map(|i| f64::from(i) * 10.0).collect();
        let lattice = Lattice::rectilinear(&ruler, &ruler, values).expect("a lattice");
        for line in lines_of(&lattice, level) {
            let is_at_border = |[x, y]: [f32; 2]| [x, y].iter().any(|at| *at <= 1e-3 || *at >= 59.999);
            let (first, last) = (line[0], line[line.len() - 1]);
            prop_assert!(first == last || (is_at_border(first) && is_at_border(last)), "{:?} {:?}", first, last);
        }
    }

    #[test]
    fn any_numbers_are_drawn_without_panics(
        values in proptest::collection::vec(anything(), 30),
        xs in proptest::collection::vec(prop_oneof![any::<f64>(), 0.0..50.0f64], 6),
        levels in proptest::collection::vec(anything(), 0..4),
        size in (0u32..60, 0u32..60),
    ) {
        let ys = [0.0, 9.0, 12.0, 40.0, 41.0];
        let lattice = Lattice::rectilinear(&xs, &ys, values).expect("a lattice");
        let _ = contour(&lattice, &levels, size, &plain(Some(3.0)), &Cancel::new());
        for edges in [Edges::Crisp, Edges::Smooth] {
            let image = filled(&lattice, size, |_, _| 1.0, (&gray(&[-5.0, 0.0, 5.0]), edges), &Cancel::new());
            prop_assert_eq!(image.expect("a picture").pixels.len(), (size.0 * size.1 * 4) as usize);
        }
    }
}
