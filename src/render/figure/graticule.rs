//! Meridians and parallels across a map.

use thermocline_model::cf::LonLat;

use crate::ticks::round_angles;
use crate::{MapProjection, View};

/// About how many meridians and parallels cross a map.
const N_LINES: f64 = 8.0;

/// Round longitudes and latitudes for the lines of a map.
pub(super) fn lines(view: &View) -> (Vec<f64>, Vec<f64>) {
    match view.projection {
        MapProjection::PlateCarree | MapProjection::Mercator | MapProjection::Native => {
            (Vec::new(), Vec::new())
        }
        MapProjection::NorthPolar | MapProjection::SouthPolar => {
            let side = if matches!(view.projection, MapProjection::NorthPolar) { 1.0 } else { -1.0 };
            let end = if view.bound.is_finite() { view.bound.clamp(-80.0, 89.0) } else { 50.0 };
            // The corners show more than the parallel that touches the sides.
            let parallels =
                round_angles((end - 25.0).max(-80.0), 89.0, ((90.0 - end) / 10.0).clamp(4.0, 9.0) * 1.6);
            (by_30(), parallels.into_iter().map(|latitude| side * latitude).collect())
        }
        MapProjection::Lambert | MapProjection::Data(_) => of_region(view),
        MapProjection::Robinson
        | MapProjection::Mollweide
        | MapProjection::EqualEarth
        | MapProjection::Orthographic => (by_30(), vec![-60.0, -30.0, 0.0, 30.0, 60.0]),
    }
}

fn by_30() -> Vec<f64> {
    (-6..6).map(|i| f64::from(i) * 30.0).collect()
}

/// Round angles between the least and the largest that a map shows.
fn of_region(view: &View) -> (Vec<f64>, Vec<f64>) {
    const N_SAMPLES: u32 = 24;
    let (width, height) = (f64::from(view.width), f64::from(view.height));
    let share = |i: u32| (f64::from(i) + 0.5) / f64::from(N_SAMPLES);
    let points =
        (0..N_SAMPLES * N_SAMPLES).map(|i| (share(i % N_SAMPLES) * width, share(i / N_SAMPLES) * height));
    let places: Vec<LonLat> = points.filter_map(|(x, y)| view.place(x, y)).collect();
    let Some(middle) = places.get(places.len() / 2 + N_SAMPLES as usize / 2).or(places.first()).copied()
    else {
        return (Vec::new(), Vec::new());
    };
    let turned =
        |longitude: f64| (longitude - middle.longitude + 180.0).rem_euclid(360.0) - 180.0 + middle.longitude;
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (west, east) = range(&mut places.iter().map(|place| turned(place.longitude)));
    let (south, north) = range(&mut places.iter().map(|place| place.latitude));
    if !(west.is_finite() && east.is_finite() && south.is_finite() && north.is_finite()) {
        return (Vec::new(), Vec::new());
    }
    let parallels = round_angles(south, north, N_LINES);
    if east - west > 300.0 {
        return (by_30(), parallels);
    }
    (round_angles(west, east, N_LINES), parallels)
}

/// Meridians and parallels in the pixels of a view.
pub(super) fn project(view: &View) -> Vec<Vec<[f32; 2]>> {
    let (meridians, parallels) = lines(view);
    let steps =
        |from: f64, to: f64, n: u32| (0..=n).map(move |i| from + (to - from) * f64::from(i) / f64::from(n));
    let outermost = parallels.iter().fold(60.0_f64, |most, latitude| most.max(latitude.abs()));
    let top = if outermost > 80.0 { 90.0 } else { 89.9 };
    let along_meridian = |longitude: f64| -> Vec<LonLat> {
        steps(-top, top, 360).map(|latitude| LonLat { longitude, latitude }).collect()
    };
    let along_parallel = |latitude: f64| -> Vec<LonLat> {
        let from = middle_longitude(view) - 180.0;
        steps(from, from + 360.0, 720).map(|longitude| LonLat { longitude, latitude }).collect()
    };
    let all = meridians.into_iter().map(along_meridian).chain(parallels.into_iter().map(along_parallel));
    all.flat_map(|places| view.polyline(&places)).collect()
}

/// The longitude in the middle of a view, about.
fn middle_longitude(view: &View) -> f64 {
    let middle = view.place(f64::from(view.width) / 2.0, f64::from(view.height) / 2.0);
    middle.map(|place| place.longitude).filter(|longitude| longitude.is_finite()).unwrap_or(0.0)
}
