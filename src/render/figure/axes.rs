//! Axes around a panel: ticks with their labels, of two quantities or of a map.

use thermocline_model::cf::LonLat;

use super::Plane;
use super::shape::{Anchor, Label, Rect, Shape};
use super::theme::{Palette, Sizes};
use crate::text;
use crate::ticks::{self, Axis, Compass, Direction, Quantity, Ruler, Tick, Ticks};
use crate::{Extent, MapProjection, View};

/// Ticks of both axes of a panel, with their labels.
#[derive(Debug, Clone, Default)]
pub(super) struct Axes {
    pub(super) x: Ticks,
    pub(super) y: Ticks,
    /// Ticks on the right side, of polar maps.
    pub(super) right: Ticks,
    pub(super) x_label: Option<String>,
    pub(super) y_label: Option<String>,
    /// Whether ticks have strokes; labels beside a round map stand alone.
    pub(super) has_strokes: bool,
}

/// Latitude at which Mercator's map ends.
const MERCATOR_END: f64 = 85.051_128_779_806_6;

impl Axes {
    /// The axes of a plane in a panel of a size in pixels.
    pub(super) fn of(plane: &Plane, [width, height]: [f32; 2], sizes: Sizes) -> Self {
        let size = sizes.tick();
        let across = Ruler { length: width, size, direction: Direction::Horizontal };
        let up = Ruler { length: height, size, direction: Direction::Vertical };
        match plane {
            Plane::Axes { x, y } => {
                let label =
                    |axis: &Axis| axis.label.as_deref().map(text::printable).filter(|text| !text.is_empty());
                Self {
                    x: x.ticks(&across),
                    y: y.ticks(&up),
                    right: Ticks::default(),
                    x_label: label(x),
                    y_label: label(y),
                    has_strokes: true,
                }
            }
            Plane::Map { view, .. } => Self::of_map(view, &across, &up),
        }
    }

    fn of_map(view: &View, across: &Ruler, up: &Ruler) -> Self {
        let Extent { west, east, south, north } = view.extent;
        let linear = |first: f64, last: f64, quantity: Quantity, ruler: &Ruler| {
            Axis { first, last, quantity, label: None }.ticks(ruler)
        };
        let straight = |x: Ticks, y: Ticks| Self { x, y, has_strokes: true, ..Self::default() };
        match view.projection {
            MapProjection::PlateCarree => straight(
                linear(west, east, Quantity::Longitude, across),
                linear(south, north, Quantity::Latitude, up),
            ),
            MapProjection::Mercator => {
                let ends = (south.max(-MERCATOR_END), north.min(MERCATOR_END));
                let (low, high) = (mercator(ends.0), mercator(ends.1));
                let share = |latitude: f64| (mercator(latitude) - low) / (high - low);
                let mut y = ticks::angles(Compass::NorthSouth, ends, up, &share);
                y.minor.clear();
                straight(linear(west, east, Quantity::Longitude, across), y)
            }
            MapProjection::Native => straight(
                linear(west, east, Quantity::Number, across),
                linear(south, north, Quantity::Number, up),
            ),
            MapProjection::Orthographic => Self::default(),
            MapProjection::Robinson | MapProjection::Mollweide | MapProjection::EqualEarth => {
                Self { y: beside_round(view, up), ..Self::default() }
            }
            MapProjection::NorthPolar | MapProjection::SouthPolar => {
                let meridians: Vec<f64> = (-5..=6).map(|i| f64::from(i) * 30.0).collect();
                let side =
                    |edge: Edge, ruler: &Ruler| crossings(view, edge, Compass::EastWest, &meridians, ruler);
                Self {
                    x: side(Edge::Bottom, across),
                    y: side(Edge::Left, up),
                    right: side(Edge::Right, up),
                    has_strokes: true,
                    ..Self::default()
                }
            }
            MapProjection::Lambert | MapProjection::Data(_) => {
                let (meridians, parallels) = super::graticule::lines(view);
                straight(
                    crossings(view, Edge::Bottom, Compass::EastWest, &meridians, across),
                    crossings(view, Edge::Left, Compass::NorthSouth, &parallels, up),
                )
            }
        }
    }

    /// What the axes need on each side of the panel: left, right, below.
    pub(super) fn needs(&self, sizes: Sizes) -> [f32; 3] {
        let widest = |ticks: &Ticks| {
            ticks.major.iter().map(|tick| text::width(&tick.label, sizes.tick())).fold(0.0, f32::max)
        };
        let away = sizes.tick_length() + sizes.gap();
        let beside = |ticks: &Ticks| if ticks.major.is_empty() { 0.0 } else { widest(ticks) + away };
        let line = |size: f32| text::line_height(size);
        let labelled =
            |label: &Option<String>| label.as_ref().map_or(0.0, |_| line(sizes.label()) + sizes.gap());
        let half = widest(&self.x) / 2.0;
        let mut below = labelled(&self.x_label);
        if !self.x.major.is_empty() {
            below += away + line(sizes.tick());
        }
        if !self.x.groups.is_empty() || self.x.exponent.is_some() && self.x_label.is_none() {
            below += line(sizes.tick());
        }
        let left = (beside(&self.y) + labelled(&self.y_label)).max(half);
        [left, beside(&self.right).max(half), below]
    }

    /// Ticks and labels around a panel.
    pub(super) fn shapes(&self, panel: Rect, sizes: Sizes, palette: &Palette) -> Vec<Shape> {
        let mut shapes = Vec::new();
        self.draw_x(panel, sizes, palette, &mut shapes);
        self.draw_y(panel, sizes, palette, &mut shapes);
        shapes
    }

    fn draw_x(&self, panel: Rect, sizes: Sizes, palette: &Palette, shapes: &mut Vec<Shape>) {
        let (size, ink, line) = (sizes.tick(), palette.ink, sizes.line());
        let place = |share: f64| panel.left + share as f32 * panel.width;
        let stroke = |share: f64, length: f32| {
            let left = (place(share) - line / 2.0).round().clamp(panel.left - line, panel.right());
            Shape::Box(Rect { left, top: panel.bottom(), width: line, height: length }, ink)
        };
        let text_at = |text: &str, x: f32, y: f32, size: f32, anchor: Anchor| {
            Shape::Text(Label { text: text.to_owned(), at: [x, y], anchor, size, color: ink, angle: 0.0 })
        };
        if self.has_strokes {
            shapes.extend(self.x.minor.iter().map(|share| stroke(*share, sizes.tick_length() * 0.6)));
            shapes.extend(self.x.major.iter().map(|tick| stroke(tick.share, sizes.tick_length())));
        }
        let mut top = panel.bottom() + sizes.tick_length() + sizes.gap();
        for tick in &self.x.major {
            shapes.push(text_at(
                &tick.label,
                place(tick.share),
                top + text::ascent(size),
                size,
                Anchor::Middle,
            ));
        }
        if !self.x.major.is_empty() {
            top += text::line_height(size);
        }
        for group in &self.x.groups {
            if group.from > 0.0 {
                let height = text::line_height(size) * 0.8;
                let left = (place(group.from) - line / 2.0).round();
                let between = Rect { left, top: top + text::line_height(size) * 0.15, width: line, height };
                shapes.push(Shape::Box(between, palette.faint));
            }
            if let Some((text, x)) = group_label(&group.label, place(group.from), place(group.to), size) {
                shapes.push(text_at(&text, x, top + text::ascent(size), size, Anchor::Middle));
            }
        }
        if !self.x.groups.is_empty() {
            top += text::line_height(size);
        }
        top += sizes.gap() * 0.7;
        let mut room = panel.width;
        if let Some(factor) = self.x.factor() {
            room -= 2.0 * (text::width(&factor, size) + size);
            shapes.push(text_at(&factor, panel.right(), top + text::ascent(size), size, Anchor::End));
        }
        if let Some(label) = &self.x_label {
            let label = text::shortened(label, sizes.label(), room);
            let y = top + text::ascent(sizes.label());
            shapes.push(text_at(&label, panel.middle()[0], y, sizes.label(), Anchor::Middle));
        }
    }

    fn draw_y(&self, panel: Rect, sizes: Sizes, palette: &Palette, shapes: &mut Vec<Shape>) {
        let (size, ink, line) = (sizes.tick(), palette.ink, sizes.line());
        let place = |share: f64| panel.bottom() - share as f32 * panel.height;
        let away = sizes.tick_length() + sizes.gap();
        let stroke = |share: f64, left: f32, length: f32| {
            let top = (place(share) - line / 2.0).round().clamp(panel.top - line, panel.bottom());
            Shape::Box(Rect { left, top, width: length, height: line }, ink)
        };
        let label = |tick: &Tick, x: f32, anchor: Anchor| {
            let at = [x, place(tick.share) + text::cap_height(size) / 2.0];
            Shape::Text(Label { text: tick.label.clone(), at, anchor, size, color: ink, angle: 0.0 })
        };
        if self.has_strokes {
            let (long, short) = (sizes.tick_length(), sizes.tick_length() * 0.6);
            shapes.extend(self.y.minor.iter().map(|share| stroke(*share, panel.left - short, short)));
            shapes.extend(self.y.major.iter().map(|tick| stroke(tick.share, panel.left - long, long)));
            shapes.extend(self.right.major.iter().map(|tick| stroke(tick.share, panel.right(), long)));
        }
        shapes.extend(self.y.major.iter().map(|tick| label(tick, panel.left - away, Anchor::End)));
        shapes.extend(self.right.major.iter().map(|tick| label(tick, panel.right() + away, Anchor::Start)));
        if let Some(text) = self.y.factor() {
            let at = [panel.left, panel.top - sizes.units(5.0)];
            shapes.push(Shape::Text(Label { text, at, anchor: Anchor::Start, size, color: ink, angle: 0.0 }));
        }
        if let Some(text) = &self.y_label {
            let widest = self.y.major.iter().map(|tick| text::width(&tick.label, size)).fold(0.0, f32::max);
            let x = panel.left - away - widest - sizes.gap() - sizes.label() * 0.25;
            let text = text::shortened(text, sizes.label(), panel.height);
            let at = [x, panel.middle()[1]];
            let size = sizes.label();
            shapes.push(Shape::Text(Label {
                text,
                at,
                anchor: Anchor::Middle,
                size,
                color: ink,
                angle: -90.0,
            }));
        }
    }
}

/// The label of a group in the middle of what shows of it; a year alone where more has no room, or nothing.
fn group_label(label: &str, from: f32, to: f32, size: f32) -> Option<(String, f32)> {
    let room = to - from - size * 0.4;
    (text::width(label, size) <= room).then(|| (label.to_owned(), (from + to) / 2.0))
}

/// ln tan(45° + φ/2).
fn mercator(latitude: f64) -> f64 {
    (45.0 + latitude / 2.0).to_radians().tan().ln()
}

/// Labels of parallels beside the left side of a round map.
fn beside_round(view: &View, up: &Ruler) -> Ticks {
    let view = View { width: 1000, height: up.length.max(1.0) as u32, ..view.clone() };
    let parallels = [-60.0, -30.0, 0.0, 30.0, 60.0];
    let tick = |latitude: f64| {
        let (_, y) = view.position(LonLat { longitude: view.center.0, latitude })?;
        let share = 1.0 - y / f64::from(view.height);
        Some(Tick { share, label: ticks::angle_label(Compass::NorthSouth, latitude) })
    };
    let major: Vec<Tick> = parallels.into_iter().filter_map(tick).collect();
    let major =
        if up.holds(&major) { major } else { major.into_iter().filter(|t| t.label == "0°").collect() };
    Ticks { major, ..Ticks::default() }
}

/// A side of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Bottom,
    Left,
    Right,
}

/// Where meridians or parallels meet a side of a map.
fn crossings(view: &View, edge: Edge, compass: Compass, angles: &[f64], ruler: &Ruler) -> Ticks {
    const N_SAMPLES: u32 = 400;
    let (width, height) = (f64::from(view.width), f64::from(view.height));
    let sample = |i: u32| {
        let share = f64::from(i) / f64::from(N_SAMPLES);
        let inset = 1e-6;
        let place = match edge {
            Edge::Bottom => view.place(share * width, height * (1.0 - inset)),
            Edge::Left => view.place(width * inset, height * (1.0 - share)),
            Edge::Right => view.place(width * (1.0 - inset), height * (1.0 - share)),
        }?;
        let angle = match compass {
            Compass::EastWest => place.longitude,
            Compass::NorthSouth => place.latitude,
        };
        Some((share, angle)).filter(|(_, angle)| angle.is_finite())
    };
    let samples: Vec<Option<(f64, f64)>> = (0..=N_SAMPLES).map(sample).collect();
    let mut major = Vec::new();
    for pair in samples.windows(2) {
        let &[Some((from, a)), Some((to, b))] = pair else { continue };
        for angle in angles {
            let (mut before, mut after) = (a - angle, b - angle);
            if matches!(compass, Compass::EastWest) {
                before = (before + 180.0).rem_euclid(360.0) - 180.0;
                after = (after + 180.0).rem_euclid(360.0) - 180.0;
            }
            let is_between = (before <= 0.0 && after > 0.0 || before >= 0.0 && after < 0.0)
                && (before - after).abs() < 90.0;
            if is_between {
                let share = from + (to - from) * before / (before - after);
                major.push(Tick { share, label: ticks::angle_label(compass, *angle) });
            }
        }
    }
    major.sort_by(|a, b| a.share.total_cmp(&b.share));
    Ticks { major: ruler.thinned(major), ..Ticks::default() }
}
