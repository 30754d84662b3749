//! Selections at random, against every cell and every chunk looked at one by one.
//!
//! The dataset is as a reference over 1,000 files is: each holds some steps of some variables. What is expected is
//! found without the code under test: dates are compared as texts, labels as they were written down here, chunks by
//! asking each of them whether one of its cells is selected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use thermocline_model::Place;

use super::super::objects::objects_blocking;
use super::super::resolve::resolve_blocking;
use super::super::{Selection, Slice};
use super::world::{F4, F8, I4, World, texts};
use crate::ErrorKind;
use crate::manifest::Manifest;

const N_SELECTIONS: usize = 10_000;
const N_FILES: u32 = 1_000;
/// Steps of time: two of six hours in each file.
const N_TIMES: usize = 2 * N_FILES as usize;
const N_LATS: usize = 18;
const N_LONS: usize = 36;
const N_ROWS: usize = 11;
const N_COLUMNS: usize = 13;
const N_CELLS: usize = 40;

/// Random numbers that are the same in each run: splitmix64 of G. L. Steele, D. Lea and C. H. Flood.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % n as u64) as usize
    }

    fn is(&mut self, one_of: usize) -> bool {
        self.below(one_of) == 0
    }
}

/// A date of the calendar without leap days, hours after the beginning of 1999.
fn date(hours: usize) -> String {
    const LENGTHS: [usize; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (days, hour) = (hours / 24, hours % 24);
    let (year, mut day) = (1999 + days / 365, days % 365);
    let mut month = 0;
    while day >= LENGTHS[month] {
        day -= LENGTHS[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}T{hour:02}:00:00", month + 1, day + 1)
}

/// Prefixes of a date that are dates themselves: years, months, days, hours, minutes and all of it.
const PRECISIONS: [usize; 6] = [4, 7, 10, 13, 16, 19];

fn hours(step: usize) -> usize {
    step * 6
}
fn lat(row: usize) -> f64 {
    85.0 - 10.0 * row as f64
}
fn lon(column: usize) -> f64 {
    10.0 * column as f64
}
/// Cells of a grid that is turned and lies across the antimeridian.
fn turned(row: usize, column: usize) -> (f64, f64) {
    let (row, column) = (row as f64, column as f64);
    let lon = 150.0 + 5.0 * column + row;
    (-20.0 + 4.0 * row - column, if lon > 180.0 { lon - 360.0 } else { lon })
}
fn cell(cell: usize) -> (f64, f64) {
    ((cell * 37 % 160) as f64 - 80.0, (cell * 53 % 360) as f64)
}

type Places = fn(&[u64]) -> Option<Place>;

/// A variable: name, dimensions with lengths, stored chunks, served chunks, and where each chunk lies.
type Data = (&'static str, &'static [(&'static str, u64)], &'static [u64], &'static [u64], Places);

const T: (&str, u64) = ("time", N_TIMES as u64);
const LAT: (&str, u64) = ("lat", N_LATS as u64);
const LON: (&str, u64) = ("lon", N_LONS as u64);

const DATA: [Data; 6] = [
    // One file for two steps, in quarters of the globe.
    ("tas", &[T, LAT, LON], &[2, 9, 18], &[2, 9, 18], |index| Some(Place::Object(index[0] as u32))),
    // Chunks over four steps that lie in files by turns, a tenth never written, some only decoded by the format.
    ("pr", &[T, LAT, LON], &[4, 18, 12], &[4, 18, 12], |index| {
        let number = (index[0] * 3 + index[2]) as u32 % N_FILES;
        match number % 10 {
            0 => None,
            1 => Some(Place::Format(number)),
            2 => Some(Place::Inline),
            _ => Some(Place::Object(number)),
        }
    }),
    // Rows that are served eight steps at once.
    ("zos", &[LAT, T], &[5, 3], &[10, 24], |index| {
        Some(Place::Object((index[0] * 667 + index[1]) as u32 % N_FILES))
    }),
    ("turned", &[T, ("y", N_ROWS as u64), ("x", N_COLUMNS as u64)], &[500, 4, 5], &[500, 4, 5], |index| {
        Some(Place::Object((index[0] * 9 + index[1] * 3 + index[2]) as u32))
    }),
    ("swapped", &[("x", N_COLUMNS as u64), T, ("y", N_ROWS as u64)], &[3, 1000, 2], &[3, 1000, 4], |index| {
        Some(Place::Object(100 + (index[0] * 12 + index[1] * 6 + index[2]) as u32))
    }),
    ("cells", &[T, ("cell", N_CELLS as u64)], &[400, 7], &[400, 7], |index| {
        Some(Place::Object(500 + (index[0] * 6 + index[1]) as u32))
    }),
];

fn dataset() -> Arc<Manifest> {
    let mut world = World::of(N_FILES);
    let times: Vec<f64> = (0..N_TIMES).map(|step| hours(step) as f64).collect();
    world.index("time", I4, &times, texts(&[("units", "hours since 1999-01-01"), ("calendar", "noleap")]));
    let lats: Vec<f64> = (0..N_LATS).map(lat).collect();
    world.index("lat", F4, &lats, texts(&[("units", "degrees_north")]));
    let lons: Vec<f64> = (0..N_LONS).map(lon).collect();
    world.index("lon", F8, &lons, texts(&[("units", "degrees_east")]));
    let grid: Vec<(f64, f64)> =
        (0..N_ROWS * N_COLUMNS).map(|at| turned(at / N_COLUMNS, at % N_COLUMNS)).collect();
    let cells: Vec<(f64, f64)> = (0..N_CELLS).map(cell).collect();
    for (name, dims, shape, places) in [
        ("nav", &["y", "x"][..], &[N_ROWS as u64, N_COLUMNS as u64][..], grid),
        ("c", &["cell"], &[N_CELLS as u64], cells),
    ] {
        let (lats, lons): (Vec<f64>, Vec<f64>) = places.into_iter().unzip();
        let (lat_name, lon_name) = if name == "c" { ("clat", "clon") } else { ("nav_lat", "nav_lon") };
        world.coordinate(lat_name, (dims, shape), F4, &lats, texts(&[("standard_name", "latitude")]));
        world.coordinate(lon_name, (dims, shape), F4, &lons, texts(&[("standard_name", "longitude")]));
    }
    for (name, dims, stored, served, places) in DATA {
        let variable = world.data(name, dims, stored, places);
        variable.storage.served_chunk_shape = served.to_vec();
    }
    world.build()
}

/// What one selection is expected to take: along dimensions, and of cells over two of them.
#[derive(Default)]
struct Expected {
    along: BTreeMap<&'static str, Vec<bool>>,
    /// A test of latitude and longitude.
    bounding_box: Option<[f64; 4]>,
    /// Ranges of the latitudes of the turned grid.
    nav_lat: Option<(f64, f64)>,
}

fn in_box(edges: [f64; 4], (lat, lon): (f64, f64)) -> bool {
    let [west, south, east, north] = edges;
    let turns_east = (lon - west).rem_euclid(360.0);
    let width = if east < west { east + 360.0 - west } else { east - west };
    south <= lat && lat <= north && (width >= 360.0 || turns_east <= width)
}

impl Expected {
    /// True if a cell of a variable is selected.
    fn has(&self, names: &[&str], at: &[usize]) -> bool {
        let position = |dim: &str| names.iter().position(|name| *name == dim).map(|axis| at[axis]);
        let is_along =
            names.iter().zip(at).all(|(dim, at)| self.along.get(dim).is_none_or(|along| along[*at]));
        let place = match (position("lat"), position("lon"), position("y"), position("x"), position("cell")) {
            (Some(row), Some(column), ..) => Some((lat(row), lon(column))),
            (_, _, Some(row), Some(column), _) => Some(turned(row, column)),
            (.., Some(at)) => Some(cell(at)),
            _ => None,
        };
        let is_in_box = match (self.bounding_box, place) {
            (Some(edges), Some(place)) => in_box(edges, place),
            _ => true,
        };
        let is_in_range = match (self.nav_lat, position("y"), position("x")) {
            (Some((lo, hi)), Some(row), Some(column)) => (lo..=hi).contains(&turned(row, column).0),
            _ => true,
        };
        is_along && is_in_box && is_in_range
    }

    /// Positions along the axes of a variable without time that have a selected cell; time is independent of them.
    fn objects(&self, (_, dims, stored, served, place): &Data) -> Option<BTreeSet<u32>> {
        let names: Vec<&str> = dims.iter().map(|(name, _)| *name).collect();
        let time_axis = names.iter().position(|name| *name == "time").unwrap();
        let steps: Vec<usize> =
            (0..N_TIMES).filter(|step| self.along.get("time").is_none_or(|along| along[*step])).collect();
        let other: Vec<(&str, u64)> = dims.iter().copied().filter(|(name, _)| *name != "time").collect();
        let other_names: Vec<&str> = other.iter().map(|(name, _)| *name).collect();
        // Served parts, without time, that hold a selected cell.
        let sizes: Vec<u64> =
            names.iter().zip(*served).filter(|(name, _)| **name != "time").map(|(_, size)| *size).collect();
        let mut parts = BTreeSet::new();
        let shape: Vec<usize> = other.iter().map(|(_, len)| *len as usize).collect();
        for linear in 0..shape.iter().product() {
            let mut rest = linear;
            let mut at = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                at[axis] = rest % shape[axis];
                rest /= shape[axis];
            }
            if self.has(&other_names, &at) {
                parts.insert(at.iter().zip(&sizes).map(|(at, size)| *at as u64 / size).collect::<Vec<u64>>());
            }
        }
        if parts.is_empty() || steps.is_empty() {
            return None;
        }
        let time_parts: BTreeSet<u64> = steps.iter().map(|step| *step as u64 / served[time_axis]).collect();
        // Every stored chunk is asked whether it lies below such a part.
        let counts: Vec<u64> = dims.iter().zip(*stored).map(|((_, len), size)| len.div_ceil(*size)).collect();
        let mut objects = BTreeSet::new();
        for linear in 0..counts.iter().product::<u64>() {
            let mut rest = linear;
            let mut index = vec![0; counts.len()];
            for axis in (0..counts.len()).rev() {
                index[axis] = rest % counts[axis];
                rest /= counts[axis];
            }
            let touched: Vec<(u64, u64)> = (0..dims.len())
                .map(|axis| {
                    let end = ((index[axis] + 1) * stored[axis]).min(dims[axis].1);
                    (index[axis] * stored[axis] / served[axis], (end - 1) / served[axis])
                })
                .collect();
            let is_at = |part: &[u64]| {
                let other = touched.iter().enumerate().filter(|(axis, _)| *axis != time_axis);
                other.zip(part).all(|((_, (first, last)), part)| (first..=last).contains(&part))
            };
            let (first, last) = touched[time_axis];
            if time_parts.range(first..=last).next().is_some()
                && parts.iter().any(|part| is_at(part))
                && let Some(Place::Object(number) | Place::Format(number)) = place(&index)
            {
                objects.insert(number);
            }
        }
        Some(objects)
    }
}

/// Adds a random term for time, and says what it takes; `all` are the dates of all steps.
fn time(dice: &mut Dice, selection: &mut Selection, all: &[String]) -> Vec<bool> {
    let step = dice.below(N_TIMES);
    let far = if dice.is(3) { N_TIMES } else { 60 };
    let end = (step + dice.below(far)).min(N_TIMES - 1);
    let (lo_len, hi_len) = (PRECISIONS[dice.below(6)], PRECISIONS[dice.below(6)]);
    let (lo, hi) = (&all[step][..lo_len], &all[end][..hi_len]);
    let by_date = |lo: &str, hi: &str| {
        all.iter().map(|date| date[..lo.len()] >= *lo && date[..hi.len()] <= *hi).collect()
    };
    match dice.below(8) {
        0 => {
            selection.query("time", &format!("{lo}:{hi}")).unwrap();
            by_date(lo, hi)
        }
        1 => {
            selection.time(Some(lo.into()), dice.is(2).then(|| hi.into())).unwrap();
            let is_open = format!("{selection:?}").contains("hi: None");
            by_date(lo, if is_open { "9" } else { hi })
        }
        2 => {
            selection.query("time", &all[step]).unwrap();
            (0..N_TIMES).map(|at| at == step).collect()
        }
        3 => {
            // The next step of six hours is at most three away; of two the later.
            let asked = dice.below(hours(N_TIMES));
            selection.query("time", &format!("nearest::{}", date(asked))).unwrap();
            (0..N_TIMES).map(|at| at == ((asked + 3) / 6).min(N_TIMES - 1)).collect()
        }
        4 => {
            let step_by = dice.below(400) + 1;
            selection.query("isel", &format!("time={step}:{}:{step_by}", end + 1)).unwrap();
            (0..N_TIMES).map(|at| at >= step && at <= end && (at - step).is_multiple_of(step_by)).collect()
        }
        5 => {
            let back = dice.below(300) as i64 + 1;
            selection.slice("time", Slice { start: None, stop: Some(step as i64), step: -back }).unwrap();
            (0..N_TIMES).map(|at| at > step && (N_TIMES - 1 - at).is_multiple_of(back as usize)).collect()
        }
        6 => {
            selection.path(&format!("time/{}_{}", step as i64 - N_TIMES as i64, end as i64)).unwrap();
            (0..N_TIMES).map(|at| at >= step && at < end).collect()
        }
        _ => {
            // Two years alone would be positions.
            let lo_len = lo_len.max(PRECISIONS[1]);
            let lo = &all[step][..lo_len];
            selection.path(&format!("time/{lo}_{hi}")).unwrap();
            (0..N_TIMES)
                .map(|at| {
                    all[at][..lo_len] >= *lo
                        && *all[at] < *format!("{hi}{}", &"0001-01-01T00:00:00"[hi_len..])
                })
                .collect()
        }
    }
}

/// Adds a random term for an axis of numbers, and says what it takes.
fn axis(dice: &mut Dice, selection: &mut Selection, name: &str, labels: &[f64]) -> Vec<bool> {
    let least = labels.iter().copied().fold(f64::INFINITY, f64::min);
    let lo = least + (dice.below(400) as f64 - 10.0) / 2.0;
    let hi = lo + dice.below(120) as f64 / 2.0;
    let picked = labels[dice.below(labels.len())];
    match dice.below(5) {
        0 => {
            selection.query(name, &format!("{lo}:{hi}")).unwrap();
            labels.iter().map(|label| *label >= lo && *label <= hi).collect()
        }
        1 => {
            selection.path(&format!("{name}/{lo}_{hi}")).unwrap();
            labels.iter().map(|label| *label >= lo && *label < hi).collect()
        }
        2 => {
            selection.value(name, picked).unwrap();
            labels.iter().map(|label| *label == picked).collect()
        }
        3 => {
            selection.value(name, format!("{lo}:").as_str()).unwrap();
            labels.iter().map(|label| *label >= lo).collect()
        }
        _ => {
            let asked = picked + dice.below(9) as f64 - 4.0;
            selection.query("sel", &format!("{name}=nearest(4)::{asked}")).unwrap();
            labels.iter().map(|label| *label == picked).collect()
        }
    }
}

/// A random selection with what it is expected to take.
fn random(dice: &mut Dice, dates: &[String]) -> (Selection, Expected) {
    let (mut selection, mut expected) = (Selection::new(), Expected::default());
    if !dice.is(4) {
        expected.along.insert("time", time(dice, &mut selection, dates));
    }
    if dice.is(3) {
        let labels: Vec<f64> = (0..N_LATS).map(lat).collect();
        expected.along.insert("lat", axis(dice, &mut selection, "lat", &labels));
    }
    if dice.is(3) {
        let labels: Vec<f64> = (0..N_LONS).map(lon).collect();
        expected.along.insert("lon", axis(dice, &mut selection, "lon", &labels));
    }
    if dice.is(4) {
        let (first, count) = (dice.below(N_COLUMNS), dice.below(6) + 1);
        selection.positions("x", &format!("{first}:{}", first + count)).unwrap();
        expected.along.insert("x", (0..N_COLUMNS).map(|at| at >= first && at < first + count).collect());
    }
    if dice.is(4) {
        let lo = dice.below(60) as f64 - 35.5;
        let hi = lo + dice.below(20) as f64;
        selection.query("nav_lat", &format!("{lo}:{hi}")).unwrap();
        expected.nav_lat = Some((lo, hi));
    }
    if dice.is(3) {
        let west = dice.below(700) as f64 - 359.5;
        let south = dice.below(170) as f64 - 90.5 + 1.0;
        let north = (south + dice.below(60) as f64).min(90.0);
        let mut east = (west + dice.below(380) as f64).min(720.0);
        if east > 180.0 && dice.is(2) && east - west < 360.0 && west <= 180.0 {
            east -= 360.0;
        }
        let edges = [west, south, east, north];
        selection.bounding_box(edges).unwrap();
        expected.bounding_box = Some(edges);
    }
    (selection, expected)
}

/// True for a term that takes nothing at all of dimensions that one of the variables has.
fn has_empty_term(expected: &Expected, variables: &[&Data]) -> bool {
    let has_dim = |name: &str| variables.iter().any(|(_, dims, ..)| dims.iter().any(|(dim, _)| *dim == name));
    let is_empty = |(dim, along): (&&str, &Vec<bool>)| has_dim(dim) && !along.contains(&true);
    let grid = (0..N_ROWS * N_COLUMNS).map(|at| turned(at / N_COLUMNS, at % N_COLUMNS).0);
    let is_nothing = |(lo, hi): (f64, f64)| !grid.clone().any(|lat| (lo..=hi).contains(&lat));
    expected.along.iter().any(is_empty) || (has_dim("y") && expected.nav_lat.is_some_and(is_nothing))
}

/// True if every name of the selection is one of the variables' dimensions.
fn is_known(expected: &Expected, variables: &[&Data]) -> bool {
    let has_dim = |name: &str| variables.iter().any(|(_, dims, ..)| dims.iter().any(|(dim, _)| *dim == name));
    let has_both = |a: &str, b: &str| {
        variables
            .iter()
            .any(|(_, dims, ..)| [a, b].iter().all(|name| dims.iter().any(|(dim, _)| dim == name)))
    };
    let is_placed = has_both("lat", "lon") || has_both("y", "x") || has_dim("cell");
    expected.along.keys().all(|name| has_dim(name))
        && (expected.nav_lat.is_none() || has_dim("y"))
        && (expected.bounding_box.is_none() || is_placed)
}

#[test]
fn the_objects_of_ten_thousand_selections_are_those_of_brute_force() {
    let manifest = dataset();
    let dates: Vec<String> = (0..N_TIMES).map(|step| date(hours(step))).collect();
    let mut dice = Dice(7);
    let (mut n_found, mut n_empty) = (0, 0);
    for round in 0..N_SELECTIONS {
        let (selection, expected) = random(&mut dice, &dates);
        let first = dice.below(DATA.len());
        let variables: Vec<&Data> = DATA.iter().skip(first).take(1 + dice.below(2)).collect();
        let names: Vec<String> = variables.iter().map(|data| data.0.to_owned()).collect();
        let wanted: Option<BTreeSet<u32>> =
            if is_known(&expected, &variables) && !has_empty_term(&expected, &variables) {
                let each: Option<Vec<_>> = variables.iter().map(|data| expected.objects(data)).collect();
                each.map(|each| each.into_iter().flatten().collect())
            } else {
                None
            };
        let found = resolve_blocking(&manifest, &selection, &names)
            .and_then(|resolved| objects_blocking(&manifest, &resolved, &AtomicBool::new(false)));
        match (wanted, found) {
            (Some(wanted), Ok(found)) => {
                assert!(found.is_sorted_by(|a, b| a < b), "{round}");
                assert_eq!(found, wanted.into_iter().collect::<Vec<_>>(), "{round}: {names:?} {selection:?}");
                n_found += 1;
            }
            (None, Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{round}: {error}");
                n_empty += 1;
            }
            (wanted, found) => {
                panic!("{round}: {names:?} {selection:?}: expected {wanted:?}, found {found:?}")
            }
        }
    }
    assert!(
        n_found > N_SELECTIONS / 3 && n_empty > N_SELECTIONS / 100,
        "{n_found} with objects, {n_empty} without"
    );
}
