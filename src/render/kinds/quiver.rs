//! Arrows of two components: winds, currents.
//!
//! Arrows stand on a regular lattice of pixels, whatever the grid, their middles at the places that they speak of. They
//! point where something carried along would move on the map: eastward and northward components are turned into the
//! local directions of the projection.

use rayon::prelude::*;
use thermocline_model::cf::LonLat;

use super::contour::LineColor;
use super::{lattice, range};
use crate::text;
use crate::view::CompiledView;
use crate::{Cancel, CellMap, Color, Field, MapProjection, Mark, Result, View};

/// Most arrows of a picture.
const MAX_ARROWS: usize = 40_000;

/// Length of the longest arrow in distances between arrows.
const LONGEST: f64 = 1.5;

/// A degree of latitude in which directions are measured.
const NUDGE: f64 = 0.01;

/// Along what the two components point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// Eastward and northward.
    Earth,
    /// To the right and up the panel: along the axes of a plane.
    Panel,
}

/// The arrow that tells how long arrows are.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Units as people write them.
    pub units: String,
    /// Colour of the arrow and of its text.
    pub ink: Color,
    /// Colour behind them.
    pub paper: Color,
}

/// How arrows look.
#[derive(Debug, Clone)]
pub struct QuiverStyle<'s> {
    /// Distance between arrows in pixels.
    pub spacing: f64,
    /// Their colour: one for all, or that of their speed.
    pub color: LineColor<'s>,
    /// Along what the components point.
    pub heading: Heading,
    /// The arrow in the lower right corner; `None` for none.
    pub reference: Option<Reference>,
    /// Factor for texts: [`crate::Layout::unit`], by which the figure widens them.
    pub scale: f64,
    /// The highest speed of all pictures that are compared; `None` for that of this one.
    pub max_speed: Option<f64>,
}

/// What is known of a place's vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wind {
    /// Eastward component, or the one to the right.
    pub u: f64,
    /// Northward component, or the one upwards.
    pub v: f64,
}

/// Arrows and what they mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrows {
    /// Dots of calms, arrows, the reference.
    pub marks: Vec<Mark>,
    /// The speed of the reference arrow; `None` if there is nothing to compare.
    pub reference: Option<f64>,
    /// How many arrows and dots there are.
    pub n_arrows: usize,
}

/// An arrow in pixels.
#[derive(Debug, Clone, Copy)]
struct Arrow {
    at: [f64; 2],
    /// Unit vector.
    direction: [f64; 2],
    speed: f64,
}

/// The arrows of two fields on one grid.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn quiver_map(
    (cells, u, v): (&CellMap, &Field, &Field),
    view: &View,
    style: &QuiverStyle<'_>,
    cancel: &Cancel,
) -> Result<Arrows> {
    let wind = |x: f64, y: f64| {
        let cell = lattice::cell_at(cells, view.width, x as u32, y as u32)?;
        Some(Wind { u: u.value(cell), v: v.value(cell) })
    };
    quiver(view, wind, style, cancel)
}

/// Arrows of what `wind` gives at points (x, y) of a panel.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn quiver(
    view: &View,
    wind: impl Fn(f64, f64) -> Option<Wind> + Sync,
    style: &QuiverStyle<'_>,
    cancel: &Cancel,
) -> Result<Arrows> {
    let spacing = suitable_spacing(view, style.spacing);
    let (xs, ys) = (middles(view.width, spacing), middles(view.height, spacing));
    let compiled = view.compiled();
    // A hundredth of a degree is a small part of the picture, unless the map is cut between the two places.
    let most = f64::from(view.width.max(view.height)) / 4.0;
    let rows: Vec<Vec<Arrow>> = ys
        .par_iter()
        .map(|y| {
            cancel.check()?;
            let arrow = |x: &f64| {
                let wind = wind(*x, *y).filter(|wind| wind.u.is_finite() && wind.v.is_finite())?;
                let speed = wind.u.hypot(wind.v);
                if !speed.is_finite() {
                    return None;
                }
                let direction = match style.heading {
                    _ if speed == 0.0 => [0.0, 0.0],
                    Heading::Panel => [wind.u / speed, -wind.v / speed],
                    Heading::Earth if view.projection == MapProjection::Native => {
                        [wind.u / speed, -wind.v / speed]
                    }
                    Heading::Earth => {
                        direction_on_map(&compiled, most, (*x, *y), wind.u / speed, wind.v / speed)?
                    }
                };
                Some(Arrow { at: [*x, *y], direction, speed })
            };
            Ok(xs.iter().filter_map(arrow).collect())
        })
        .collect::<Result<_>>()?;
    Ok(drawn(&rows.concat(), spacing, (view.width, view.height), style))
}

/// The wanted distance of arrows, wider if there would be too many.
fn suitable_spacing(view: &View, wanted: f64) -> f64 {
    let area = f64::from(view.width) * f64::from(view.height);
    let least = (area / MAX_ARROWS as f64).sqrt().max(4.0);
    let most = f64::from(view.width.max(view.height)).max(least);
    if wanted.is_finite() { wanted.clamp(least, most) } else { least.max(25.0) }
}

/// Points along a side, evenly spaced, with half a spacing beyond the outermost.
fn middles(length: u32, spacing: f64) -> Vec<f64> {
    let length = f64::from(length);
    let n = (length / spacing).floor().max(1.0);
    (0..n as u32).map(|i| (f64::from(i) + 0.5) * length / n).collect()
}

/// The direction in pixels of a unit vector on the earth; `None` where the map shows no surroundings of the place.
fn direction_on_map(
    view: &CompiledView<'_>,
    most: f64,
    (x, y): (f64, f64),
    u: f64,
    v: f64,
) -> Option<[f64; 2]> {
    let place = view.place(x, y)?;
    let LonLat { longitude, latitude } = place;
    // At the poles themselves there is no east; a little beside them there is.
    let latitude = latitude.clamp(-90.0 + 2.0 * NUDGE, 90.0 - 2.0 * NUDGE);
    let turn = NUDGE / latitude.to_radians().cos();
    let east = slope(view, most, LonLat { longitude, latitude }, |by| LonLat {
        longitude: longitude + by * turn,
        latitude,
    })?;
    let north = slope(view, most, LonLat { longitude, latitude }, |by| LonLat {
        longitude,
        latitude: latitude + by * NUDGE,
    })?;
    let moved = [u * east[0] + v * north[0], u * east[1] + v * north[1]];
    let length = moved[0].hypot(moved[1]);
    (length > 0.0 && length.is_finite()).then(|| [moved[0] / length, moved[1] / length])
}

/// How far a small move on the earth leads on the map. Moves of more than `most` pixels cross the side of the map and are
/// made the other way.
fn slope(
    view: &CompiledView<'_>,
    most: f64,
    place: LonLat,
    nudged: impl Fn(f64) -> LonLat,
) -> Option<[f64; 2]> {
    let from = view.position(place)?;
    let towards = |by: f64| {
        let to = view.position(nudged(by))?;
        let moved = [(to.0 - from.0) * by, (to.1 - from.1) * by];
        (moved[0].hypot(moved[1]) < most).then_some(moved)
    };
    match (towards(1.0), towards(-1.0)) {
        (Some(one), Some(other)) => Some([(one[0] + other[0]) / 2.0, (one[1] + other[1]) / 2.0]),
        (one, other) => one.or(other),
    }
}

fn drawn(arrows: &[Arrow], spacing: f64, size: super::Size, style: &QuiverStyle<'_>) -> Arrows {
    let full_speed = match style.max_speed {
        Some(most) => Some(most / LONGEST).filter(|full| *full > 0.0),
        None => full_speed(arrows),
    };
    let color_of: Box<dyn Fn(f64) -> Color> = match style.color {
        LineColor::Plain(color) => Box::new(move |_| color),
        LineColor::Of(scale) => {
            let compiled = scale.compiled();
            Box::new(move |speed| scale.color(compiled.entry(speed)))
        }
    };
    let mut marks = Vec::with_capacity(arrows.len() + 4);
    let mut calms = Vec::new();
    for arrow in arrows {
        let color = color_of(arrow.speed);
        let length = full_speed.map_or(0.0, |full| arrow.speed / full * spacing);
        if length < 1.5 {
            calms.push(([arrow.at[0] as f32, arrow.at[1] as f32], color));
        } else {
            marks.push(shape(arrow.at, arrow.direction, length, color, spacing));
        }
    }
    // First, though there may be none: what follows discs lies above coastlines.
    marks.insert(0, Mark::Discs { discs: calms, diameter: (1.8 * style.scale) as f32 });
    let reference = full_speed.and_then(nice_speed);
    if let (Some(speed), Some(full), Some(look)) = (reference, full_speed, &style.reference) {
        marks.extend(reference_marks(speed, speed / full * spacing, (spacing, size), look, style.scale));
    }
    Arrows { marks, reference, n_arrows: arrows.len() }
}

/// The speed whose arrow is as long as arrows are apart: nine of ten are not longer, and none is longer than half as
/// much again.
fn full_speed(arrows: &[Arrow]) -> Option<f64> {
    let mut speeds: Vec<f64> = arrows.iter().map(|arrow| arrow.speed).collect();
    speeds.sort_by(f64::total_cmp);
    let most = *speeds.last()?;
    let usual = *speeds.get(speeds.len() * 9 / 10)?;
    let full = usual.max(most / LONGEST);
    (full > 0.0).then_some(full)
}

/// A round speed near the one of a full arrow.
fn nice_speed(full: f64) -> Option<f64> {
    Some(range::Step::within(full, 1)?.size()).filter(|speed| speed.is_finite())
}

/// An arrow around its middle. Short ones are small in all their parts.
fn shape(at: [f64; 2], direction: [f64; 2], length: f64, color: Color, spacing: f64) -> Mark {
    let shaft = (spacing * 0.065).clamp(1.3, 8.0);
    let head = shaft * 4.5;
    let shrunk = (length / (head * 1.25)).min(1.0);
    let (shaft, head) = (shaft * shrunk.max(0.5), head * shrunk);
    let (half, wide) = (shaft / 2.0, head * 0.42);
    let tip = length / 2.0;
    let neck = tip - head;
    // Notched where the shaft meets the head, as barbs are.
    let outline = [
        (-tip, -half),
        (neck + head * 0.12, -half),
        (neck, -wide),
        (tip, 0.0),
        (neck, wide),
        (neck + head * 0.12, half),
        (-tip, half),
    ];
    let ring = outline
        .iter()
        .map(|(along, across)| {
            let x = at[0] + along * direction[0] - across * direction[1];
            let y = at[1] + along * direction[1] + across * direction[0];
            [x as f32, y as f32]
        })
        .collect();
    Mark::Area { rings: vec![ring], color }
}

/// The reference arrow with its speed, on paper, in the lower right corner.
fn reference_marks(
    speed: f64,
    length: f64,
    (spacing, (width, height)): (f64, super::Size),
    look: &Reference,
    scale: f64,
) -> Vec<Mark> {
    let letters = 10.0 * scale;
    let number = range::level_texts(&[speed]).concat();
    let note = if look.units.is_empty() { number } else { format!("{number} {}", look.units) };
    let text_width = f64::from(text::width(&note, letters as f32));
    let (room, gap) = (letters * 0.6, letters * 0.5);
    let box_width = room * 2.0 + length + gap + text_width;
    let box_height = letters * 1.8;
    let (right, foot) = (f64::from(width) - letters * 0.5, f64::from(height) - letters * 0.5);
    let (left, top) = (right - box_width, foot - box_height);
    if left < 0.0 || top < 0.0 {
        return Vec::new();
    }
    let middle = (top + foot) / 2.0;
    let corners = [[left, top], [right, top], [right, foot], [left, foot]];
    vec![
        Mark::Area {
            rings: vec![corners.map(|[x, y]| [x as f32, y as f32]).to_vec()],
            color: Color { alpha: 0xD8, ..look.paper },
        },
        shape([left + room + length / 2.0, middle], [1.0, 0.0], length, look.ink, spacing),
        Mark::Text {
            at: [(right - room - text_width / 2.0) as f32, middle as f32],
            text: note,
            color: look.ink,
            size: 10.0,
            angle: 0.0,
        },
    ]
}

#[cfg(test)]
mod tests;
