//! Colour bars: colours, ticks by the norm or at the edges of bands, arrows for values beyond the ends.

use super::shape::{Anchor, Label, Rect, Shape};
use super::theme::{Palette, Sizes};
use crate::scale::Entry;
use crate::text;
use crate::ticks::{self, Direction, Ruler, Tick, Ticks};
use crate::{Color, Image, Norm, Scale};

/// Most bands whose edges are labelled each.
const MAX_LABELLED_BANDS: usize = 24;

/// Widest name of a band, in heights of its letters.
pub(super) const LONGEST_NAME: f32 = 14.0;

/// Where the power of ten that labels share is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FactorPlace {
    /// By the bar's end: above a standing one, right of a lying one.
    AtEnd,
    /// In the name of the bar, by who writes it.
    InName,
    /// In each label.
    InLabels,
}

/// A colour bar at its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColorBar<'f> {
    pub(super) scale: &'f Scale,
    /// Of the colours, arrows included.
    pub(super) rect: Rect,
    pub(super) direction: Direction,
    pub(super) sizes: Sizes,
    /// Most pixels across for tick labels; of a lying bar most pixels that they reach beyond its ends.
    pub(super) room: f32,
    pub(super) factor: FactorPlace,
}

impl ColorBar<'_> {
    /// Its ticks.
    pub(super) fn ticks(&self) -> Ticks {
        let ruler = Ruler { length: self.body_length(), size: self.sizes.tick(), direction: self.direction };
        let mut ticks = ticks_of(self.scale, &ruler);
        if let (FactorPlace::InLabels, Some(exponent)) = (self.factor, ticks.exponent) {
            let power = ticks::power_of_ten(exponent);
            for tick in ticks.major.iter_mut().filter(|tick| tick.label != "0") {
                tick.label = format!("{}×{power}", tick.label);
            }
            ticks.major = ruler.thinned(ticks.major);
            ticks.exponent = None;
        }
        ticks
    }

    /// Its colours, ticks and labels.
    pub(super) fn shapes(&self, palette: &Palette) -> Vec<Shape> {
        let mut shapes = self.colors();
        shapes.extend(self.border(palette.ink));
        let ticks = self.ticks();
        for place in &ticks.minor {
            shapes.push(Shape::Box(self.tick_at(*place, self.sizes.tick_length() * 0.6), palette.ink));
        }
        for tick in &ticks.major {
            shapes.push(Shape::Box(self.tick_at(tick.share, self.sizes.tick_length()), palette.ink));
            shapes.extend(self.tick_label(tick, palette.ink).map(Shape::Text));
        }
        if let Some(text) = ticks.factor().filter(|_| self.factor == FactorPlace::AtEnd) {
            shapes.push(Shape::Text(self.factor_label(text, palette.ink)));
        }
        shapes
    }

    /// Width of the labels beside a standing bar as they are drawn.
    pub(super) fn labels_width(&self) -> f32 {
        let size = self.sizes.tick();
        let widths = self.ticks().major.into_iter().map(|tick| text::width(&tick.label, size));
        widths.fold(0.0, f32::max).min(self.room)
    }

    fn is_horizontal(&self) -> bool {
        matches!(self.direction, Direction::Horizontal)
    }

    fn length(&self) -> f32 {
        if self.is_horizontal() { self.rect.width } else { self.rect.height }
    }

    fn thickness(&self) -> f32 {
        if self.is_horizontal() { self.rect.height } else { self.rect.width }
    }

    /// Length of an arrow at the lower or the upper end.
    fn arrow(&self, color: Option<Color>) -> f32 {
        let length = (self.thickness() * 0.9).min(self.length() * 0.2).round();
        color.map_or(0.0, |_| length)
    }

    fn body_length(&self) -> f32 {
        self.length() - self.arrow(self.scale.below) - self.arrow(self.scale.above)
    }

    /// The box of the colours without arrows.
    fn body(&self) -> Rect {
        let (below, above) = (self.arrow(self.scale.below), self.arrow(self.scale.above));
        if self.is_horizontal() {
            return Rect { left: self.rect.left + below, width: self.body_length(), ..self.rect };
        }
        Rect { top: self.rect.top + above, height: self.body_length(), ..self.rect }
    }

    fn colors(&self) -> Vec<Shape> {
        let body = self.body();
        let length = self.body_length().round().max(1.0) as u32;
        let edges = self.scale.edges();
        let compiled = self.scale.compiled();
        let color = |i: u32| -> Color {
            let share = (f64::from(i) + 0.5) / f64::from(length);
            let entry = match &edges {
                Some(edges) => {
                    let band = (share * (edges.len() - 1) as f64) as usize;
                    match edges.get(band..band + 2) {
                        Some(&[low, high]) => compiled.entry(low + (high - low) / 2.0),
                        _ => Entry::Bad,
                    }
                }
                None => Entry::Of((share * 256.0).min(255.0) as u8),
            };
            self.scale.color(entry)
        };
        let pixels = |order: &mut dyn Iterator<Item = u32>| -> Vec<u8> {
            order.map(color).flat_map(|c| [c.red, c.green, c.blue, c.alpha]).collect()
        };
        let image = if self.is_horizontal() {
            Image { width: length, height: 1, pixels: pixels(&mut (0..length)) }
        } else {
            Image { width: 1, height: length, pixels: pixels(&mut (0..length).rev()) }
        };
        let mut shapes = vec![Shape::Picture(body, image)];
        for (color, is_above) in [(self.scale.below, false), (self.scale.above, true)] {
            if let Some(color) = color {
                shapes.push(Shape::Polygon(self.tip(is_above), color));
            }
        }
        shapes
    }

    /// The corners of an arrow: along one side of the body, and its point.
    fn tip(&self, is_above: bool) -> Vec<[f32; 2]> {
        let (body, rect) = (self.body(), self.rect);
        let [x, y] = rect.middle();
        match (self.is_horizontal(), is_above) {
            (true, true) => vec![[body.right(), rect.top], [rect.right(), y], [body.right(), rect.bottom()]],
            (true, false) => vec![[body.left, rect.bottom()], [rect.left, y], [body.left, rect.top]],
            (false, true) => vec![[rect.left, body.top], [x, rect.top], [rect.right(), body.top]],
            (false, false) => {
                vec![[rect.right(), body.bottom()], [x, rect.bottom()], [rect.left, body.bottom()]]
            }
        }
    }

    fn border(&self, ink: Color) -> Vec<Shape> {
        let line = self.sizes.line();
        let has_arrows = self.scale.below.is_some() || self.scale.above.is_some();
        if !has_arrows {
            return super::shape::frame(self.rect, line, ink);
        }
        let body = self.body();
        let corner = |is_above: bool, color: Option<Color>| match (color, self.is_horizontal(), is_above) {
            (Some(_), _, _) => self.tip(is_above),
            (None, true, true) => vec![[body.right(), body.top], [body.right(), body.bottom()]],
            (None, true, false) => vec![[body.left, body.bottom()], [body.left, body.top]],
            (None, false, true) => vec![[body.left, body.top], [body.right(), body.top]],
            (None, false, false) => vec![[body.right(), body.bottom()], [body.left, body.bottom()]],
        };
        let mut outline = corner(true, self.scale.above);
        outline.extend(corner(false, self.scale.below));
        if let Some(first) = outline.first().copied() {
            outline.push(first);
        }
        vec![Shape::Line(outline, line, ink)]
    }

    /// Where a tick stands: right of the bar, or below.
    fn tick_at(&self, share: f64, length: f32) -> Rect {
        let (body, line) = (self.body(), self.sizes.line());
        if self.is_horizontal() {
            let left = (body.left + share as f32 * body.width - line / 2.0).round();
            return Rect { left, top: self.rect.bottom(), width: line, height: length };
        }
        let top = (body.bottom() - share as f32 * body.height - line / 2.0).round();
        Rect { left: self.rect.right(), top, width: length, height: line }
    }

    /// The label of a tick; `None` if it would reach beyond the picture.
    fn tick_label(&self, tick: &Tick, color: Color) -> Option<Label> {
        let body = self.body();
        let away = self.sizes.tick_length() + self.sizes.gap();
        let size = self.sizes.tick();
        if self.is_horizontal() {
            let at =
                [body.left + tick.share as f32 * body.width, self.rect.bottom() + away + text::ascent(size)];
            let half = text::width(&tick.label, size) / 2.0;
            let room = self.rect.left - self.room..=self.rect.right() + self.room;
            let has_room = room.contains(&(at[0] - half)) && room.contains(&(at[0] + half));
            let text = tick.label.clone();
            return has_room.then_some(Label { text, at, anchor: Anchor::Middle, size, color, angle: 0.0 });
        }
        let middle = body.bottom() - tick.share as f32 * body.height;
        // Room was laid out before the range was known: longer labels get smaller.
        let wide = text::width(&tick.label, size);
        let size = if wide > self.room { (size * self.room / wide).max(size * 0.7) } else { size };
        let at = [self.rect.right() + away, middle + text::cap_height(size) / 2.0];
        let text = text::shortened(&tick.label, size, self.room);
        Some(Label { text, at, anchor: Anchor::Start, size, color, angle: 0.0 })
    }

    /// The factor of the labels: above a standing bar, right of a lying one.
    fn factor_label(&self, text: String, color: Color) -> Label {
        let size = self.sizes.tick();
        if self.is_horizontal() {
            let at =
                [self.rect.right() + self.sizes.gap(), self.rect.middle()[1] + text::cap_height(size) / 2.0];
            return Label { text, at, anchor: Anchor::Start, size, color, angle: 0.0 };
        }
        let at = [self.rect.left, self.rect.top - self.sizes.units(5.0)];
        Label { text, at, anchor: Anchor::Start, size, color, angle: 0.0 }
    }
}

/// The ticks of a scale.
pub(super) fn ticks_of(scale: &Scale, ruler: &Ruler) -> Ticks {
    let (low, high) = scale.range();
    if low >= high {
        let label = ticks::rounded(low);
        return Ticks { major: vec![Tick { share: 0.5, label }], ..Ticks::default() };
    }
    if let Some(ticks) = band_names(scale, ruler) {
        return ticks;
    }
    let at_edges = scale.edges().and_then(|edges| edge_ticks(&edges, ruler));
    let share = |value: f64| scale.share(value);
    let mut ticks = at_edges.unwrap_or_else(|| match scale.norm {
        Norm::Log => ticks::log_ticks(low, high, ruler, &share),
        Norm::SymLog(linear) => symmetric_ticks(scale, linear, ruler),
        Norm::Linear | Norm::Power(_) | Norm::Centered => ticks::numbers(low, high, ruler, &share),
    });
    if !matches!(scale.norm, Norm::Log) {
        ticks.minor.clear();
    }
    ticks.major.retain(|tick| (-1e-9..=1.0 + 1e-9).contains(&tick.share));
    ticks.minor.retain(|share| (0.0..=1.0).contains(share));
    ticks
}

/// The names of bands in their middles; `None` if they have none.
fn band_names(scale: &Scale, ruler: &Ruler) -> Option<Ticks> {
    let n_bands = scale.edges()?.len().checked_sub(1)?;
    if scale.names.len() != n_bands || n_bands == 0 {
        return None;
    }
    let tick = |(band, name): (usize, &String)| Tick {
        share: (band as f64 + 0.5) / n_bands as f64,
        label: text::shortened(&text::printable(name), ruler.size, ruler.size * LONGEST_NAME),
    };
    let major = scale.names.iter().enumerate().map(tick).collect();
    Some(Ticks { major: ruler.thinned(major), ..Ticks::default() })
}

/// Ticks at the edges of bands; `None` if there are many, or none of them are round.
fn edge_ticks(edges: &[f64], ruler: &Ruler) -> Option<Ticks> {
    let n_bands = edges.len().checked_sub(1).filter(|n| (1..=MAX_LABELLED_BANDS).contains(n))?;
    let exponent = ticks::common_exponent(edges.iter().copied());
    let factor = 10_f64.powi(-exponent.unwrap_or(0));
    let tick = |(i, edge): (usize, &f64)| Tick {
        share: i as f64 / n_bands as f64,
        label: ticks::rounded(edge * factor),
    };
    let major: Vec<Tick> = edges.iter().enumerate().map(tick).collect();
    let is_round = major.iter().all(|tick| tick.label.chars().count() <= 6);
    is_round.then(|| Ticks { major: ruler.thinned(major), exponent, ..Ticks::default() })
}

/// Ticks at 0 and at powers of ten on both sides.
fn symmetric_ticks(scale: &Scale, linear: f64, ruler: &Ruler) -> Ticks {
    let (low, high) = scale.range();
    let largest = low.abs().max(high.abs());
    let powers = linear.log10().ceil() as i32..=largest.log10().floor() as i32;
    let mut last = Ticks::default();
    for every in [1, 2, 3, 5, 10, 50] {
        let sizes =
            powers.clone().filter(|power| power.rem_euclid(every) == 0).map(|power| 10_f64.powi(power));
        let mut values: Vec<f64> = sizes.flat_map(|size| [-size, size]).chain([0.0]).collect();
        values.retain(|value| (low..=high).contains(value));
        values.sort_by(f64::total_cmp);
        let tick = |value: &f64| Tick { share: scale.share(*value), label: ticks::rounded(*value) };
        let major: Vec<Tick> = values.iter().map(tick).collect();
        last = Ticks { major, ..Ticks::default() };
        if ruler.holds(&last.major) {
            break;
        }
    }
    if last.major.len() < 3 || !ruler.holds(&last.major) {
        return ticks::numbers(low, high, ruler, &|value| scale.share(value));
    }
    last
}
