//! Where the parts of a figure are.

use super::axes::Axes;
use super::colorbar;
use super::key;
use super::shape::{Rect, Shape};
use super::theme::Sizes;
use super::{Figure, Frame, Plane};
use crate::text;
use crate::ticks::{Direction, Ruler, Ticks};
use crate::{Color, Error, MapProjection, Result, View};

/// Width by height of a panel of two axes, if nothing else says it.
const AXES_ASPECT: f32 = 2.0;
/// Narrowest and widest panel of rows and columns without coordinates, as width by height.
const LEAST_NATIVE: f32 = 1.0 / 1.5;
const MOST_NATIVE: f32 = 3.0;
/// Most pixels of a side whose length is not asked for.
const MAX_AUTO_SIDE: f32 = 8192.0;
/// Most pixels of a picture whose height is not asked for.
const MAX_AUTO_PIXELS: f32 = (1 << 25) as f32;
/// The share of a picture that a panel with all around it takes at least, each way.
const LEAST_SHARE: f32 = 0.45;
/// What is as wide as the labels of most ranges, which are not known before values are read.
const USUAL_LABEL: &str = "−00.00";

/// What is left out of a figure, one more from each to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeftOut {
    Nothing,
    Subtitle,
    BarLabel,
    AxisLabels,
    Key,
    Bar,
    Title,
    TickLabels,
    /// Everything but the panel.
    All,
}

impl LeftOut {
    const STEPS: [Self; 9] = [
        Self::Nothing,
        Self::Subtitle,
        Self::BarLabel,
        Self::AxisLabels,
        Self::Key,
        Self::Bar,
        Self::Title,
        Self::TickLabels,
        Self::All,
    ];
}

/// Where a colour bar is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BarPlace {
    pub(super) rect: Rect,
    pub(super) direction: Direction,
    /// Most pixels across for tick labels; of a lying bar most pixels that they reach beyond its ends.
    pub(super) room: f32,
}

/// Where the parts of a figure are.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Width of the whole in pixels.
    pub width: u32,
    /// Height of the whole.
    pub height: u32,
    /// Left, top, width, height of the panel in pixels.
    pub panel: [u32; 4],
    /// Pixels of a unit: widths of lines and sizes of texts of marks are multiplied by it.
    pub unit: f32,
    pub(super) left_out: LeftOut,
    pub(super) bar: Option<BarPlace>,
    pub(super) title: Vec<String>,
    /// Where the title begins at the top.
    pub(super) top: f32,
}

impl Layout {
    /// Where the parts of a figure will be.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a figure without pixels.
    pub fn of(figure: &Figure) -> Result<Self> {
        if figure.width == 0 || figure.height == Some(0) {
            return Err(Error::Invalid("a figure has at least one pixel".into()));
        }
        if figure.frame == Frame::None {
            return Ok(Self::bare(figure));
        }
        let steps = LeftOut::STEPS.into_iter();
        let arranged = steps.filter_map(|left_out| {
            let sides: &[_] = match &figure.colorbar {
                // Names have room beside a standing bar only.
                Some((scale, _)) if left_out < LeftOut::Bar && !scale.names.is_empty() => {
                    &[Some(Direction::Vertical)]
                }
                Some(_) if left_out < LeftOut::Bar => {
                    &[Some(Direction::Vertical), Some(Direction::Horizontal)]
                }
                _ => &[None],
            };
            let tried = sides.iter().filter_map(|side| Arranging::new(figure, left_out, *side).run());
            // A standing colour bar is what people expect: a lying one must give the panel more room.
            tried.reduce(|a, b| if b.panel_area() > a.panel_area() * 1.12 { b } else { a })
        });
        let mut arranged = arranged;
        Ok(arranged.next().unwrap_or_else(|| Self::bare(figure)))
    }

    /// A panel without anything around it.
    fn bare(figure: &Figure) -> Self {
        let width = figure.width;
        let auto = (width as f32 / aspect(&figure.plane)).round().max(1.0);
        let auto = auto.min(MAX_AUTO_SIDE).min((MAX_AUTO_PIXELS / width as f32).floor()).max(1.0);
        let height = figure.height.unwrap_or(auto as u32);
        let scale = if figure.scale.is_finite() { figure.scale as f32 } else { 1.0 };
        // Without a frame lines are as wide as they say: at most two pixels, as it is promised.
        let unit = if figure.frame == Frame::None { 1.0 } else { scale.clamp(0.25, 60.0) };
        Self {
            width,
            height,
            panel: [0, 0, width, height],
            unit,
            left_out: LeftOut::All,
            bar: None,
            title: Vec::new(),
            top: 0.0,
        }
    }

    /// The view of a map in the panel's size.
    pub fn panel_view(&self, view: &View) -> View {
        View { width: self.panel[2], height: self.panel[3], ..view.clone() }
    }

    pub(super) fn panel_rect(&self) -> Rect {
        let [left, top, width, height] = self.panel.map(|n| n as f32);
        Rect { left, top, width, height }
    }

    pub(super) fn sizes(&self) -> Sizes {
        Sizes { unit: self.unit }
    }

    pub(super) fn has(&self, part: LeftOut) -> bool {
        self.left_out < part
    }

    fn panel_area(&self) -> f32 {
        self.panel[2] as f32 * self.panel[3] as f32
    }
}

/// The background of a figure.
pub(super) fn background(layout: &Layout, color: Color) -> Shape {
    let (width, height) = (layout.width as f32, layout.height as f32);
    Shape::Box(Rect { left: 0.0, top: 0.0, width, height }, color)
}

/// Width by height of a panel without distortion.
fn aspect(plane: &Plane) -> f32 {
    match plane {
        Plane::Map { view, .. } if view.projection == MapProjection::Native => {
            // Rows and columns have no proportions that would be distorted.
            (view.natural_aspect() as f32).clamp(LEAST_NATIVE, MOST_NATIVE)
        }
        Plane::Map { view, .. } => {
            let natural = view.natural_aspect() as f32;
            if natural.is_finite() { natural.clamp(0.25, 6.0) } else { AXES_ASPECT }
        }
        Plane::Axes { .. } => AXES_ASPECT,
    }
}

/// Room around a panel.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Margins {
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
}

impl Margins {
    fn max(self, other: Self) -> Self {
        Self {
            left: self.left.max(other.left),
            right: self.right.max(other.right),
            top: self.top.max(other.top),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// A figure on the way to its layout.
struct Arranging<'f> {
    figure: &'f Figure,
    left_out: LeftOut,
    bar: Option<Direction>,
    sizes: Sizes,
}

impl<'f> Arranging<'f> {
    fn new(figure: &'f Figure, left_out: LeftOut, bar: Option<Direction>) -> Self {
        let width = figure.width as f32;
        let height = figure.height.map_or(width / aspect(&figure.plane), |height| height as f32);
        let bar = bar.filter(|_| figure.frame == Frame::Full);
        // A high figure of a given width has texts that suit the width.
        Self { figure, left_out, bar, sizes: Sizes::of(width, height.min(width), figure.scale) }
    }

    fn has(&self, part: LeftOut) -> bool {
        self.left_out < part
    }

    /// The layout; `None` if the panel gets too small.
    fn run(&self) -> Option<Layout> {
        let width = self.figure.width as f32;
        let ratio = aspect(&self.figure.plane);
        let mut height = self.figure.height.map_or(width / ratio, |height| height as f32);
        let mut panel = [width, height];
        let mut margins = Margins::default();
        // Margins depend on the labels that fit, which depend on the panel: they only grow, so this ends.
        for _ in 0..5 {
            let wider = margins.max(self.margins(panel));
            let across = width - wider.left - wider.right;
            if self.figure.height.is_none() {
                let most = MAX_AUTO_SIDE.min(MAX_AUTO_PIXELS / width);
                height = (across / ratio + wider.top + wider.bottom).round().clamp(1.0, most.max(1.0));
            }
            let next = self.fitted([across, height - wider.top - wider.bottom]);
            let is_settled = wider == margins && next == panel;
            (margins, panel) = (wider, next);
            if is_settled {
                break;
            }
        }
        let room = [width - margins.left - margins.right, height - margins.top - margins.bottom];
        let is_enough = match self.left_out {
            LeftOut::All => true,
            LeftOut::TickLabels => room[0] >= 0.7 * width && room[1] >= 0.7 * height,
            _ => room[0] >= LEAST_SHARE * width && room[1] >= LEAST_SHARE * height,
        };
        (is_enough && panel[0] >= 1.0 && panel[1] >= 1.0).then(|| self.place([width, height], margins, panel))
    }

    /// The largest panel in a room: of maps, without distortion.
    fn fitted(&self, [width, height]: [f32; 2]) -> [f32; 2] {
        let (width, height) = (width.max(1.0), height.max(1.0));
        if let Plane::Axes { .. } = self.figure.plane {
            return [width.floor(), height.floor()];
        }
        let ratio = aspect(&self.figure.plane);
        // A row or column of pixels more or less is no distortion, but would be a gap.
        if (height * ratio - width).abs() <= 2.0_f32.max(2.0 * ratio) {
            return [width.floor(), height.floor()];
        }
        [width.min(height * ratio).floor().max(1.0), height.min(width / ratio).floor().max(1.0)]
    }

    /// The room that everything around a panel of a size needs.
    fn margins(&self, panel: [f32; 2]) -> Margins {
        let sizes = self.sizes;
        if self.left_out == LeftOut::All {
            let line = if self.figure.width > 16 { sizes.line() } else { 0.0 };
            return Margins { left: line, right: line, top: line, bottom: line };
        }
        let pad = sizes.pad();
        let mut around = Margins { left: pad, right: pad, top: pad, bottom: pad };
        // Of the labels of the y axis or of a standing bar: it stands right above them.
        let mut has_factor = false;
        if self.has(LeftOut::TickLabels) {
            let mut axes = Axes::of(&self.figure.plane, panel, sizes);
            if !self.has(LeftOut::AxisLabels) {
                (axes.x_label, axes.y_label) = (None, None);
            }
            let [left, right, below] = axes.needs(sizes);
            around.left += left;
            around.right += right;
            around.bottom += below;
            has_factor = axes.y.exponent.is_some();
        }
        has_factor |= self.bar == Some(Direction::Vertical) && self.bar_ticks(panel).exponent.is_some();
        if has_factor {
            around.top += text::line_height(sizes.tick());
        }
        around.top += self.above();
        if self.has(LeftOut::Key) && !self.figure.legend.is_empty() {
            around.top += key::height(&self.figure.legend, panel[0], sizes);
        }
        match self.bar {
            Some(Direction::Vertical) => {
                around.right += self.bar_across(panel);
                around.top = around.top.max(pad + text::line_height(sizes.tick()));
            }
            Some(Direction::Horizontal) => around.bottom += self.bar_below(),
            None => {}
        }
        around
    }

    /// Height of the title and the subtitle.
    fn above(&self) -> f32 {
        let sizes = self.sizes;
        let mut height = self.title().len() as f32 * text::line_height(sizes.title());
        if self.has_subtitle() {
            height += text::line_height(sizes.subtitle());
        }
        if height > 0.0 { height + sizes.units(6.0) } else { 0.0 }
    }

    fn has_subtitle(&self) -> bool {
        self.figure.frame == Frame::Full
            && self.has(LeftOut::Subtitle)
            && !self.figure.subtitle.trim().is_empty()
    }

    fn title(&self) -> Vec<String> {
        if self.figure.frame != Frame::Full || !self.has(LeftOut::Title) {
            return Vec::new();
        }
        let most = self.figure.width as f32 - 2.0 * self.sizes.pad();
        text::wrap(&text::printable(&self.figure.title), self.sizes.title(), most, 2)
    }

    /// Width of a standing colour bar with all beside it.
    fn bar_across(&self, panel: [f32; 2]) -> f32 {
        let sizes = self.sizes;
        let labels = self.bar_room(panel);
        self.bar_gap() + sizes.bar() + sizes.tick_length() + sizes.gap() + labels + self.bar_label()
    }

    /// Width of the labels of a standing colour bar.
    fn bar_room(&self, panel: [f32; 2]) -> f32 {
        let size = self.sizes.tick();
        let ticks = self.bar_ticks(panel);
        let labels = ticks.major.iter().map(|tick| text::width(&tick.label, size));
        let has_names = self.figure.colorbar.as_ref().is_some_and(|(scale, _)| !scale.names.is_empty());
        let most = if has_names { colorbar::LONGEST_NAME } else { 9.0 };
        let widest = labels.fold(text::width(USUAL_LABEL, size), f32::max).min(size * most);
        let factor = ticks.factor().map_or(0.0, |factor| text::width(&factor, size));
        widest.max(factor - self.sizes.bar() - self.sizes.tick_length())
    }

    /// The ticks of a standing colour bar.
    fn bar_ticks(&self, panel: [f32; 2]) -> Ticks {
        let ruler = Ruler { length: panel[1], size: self.sizes.tick(), direction: Direction::Vertical };
        let bar = self.figure.colorbar.as_ref();
        bar.map(|(scale, _)| colorbar::ticks_of(scale, &ruler)).unwrap_or_default()
    }

    /// Height of a lying colour bar with all below it.
    fn bar_below(&self) -> f32 {
        let sizes = self.sizes;
        let labels = sizes.tick_length() + sizes.gap() + text::line_height(sizes.tick());
        self.bar_gap() + sizes.bar() * 0.8 + labels + self.bar_label()
    }

    fn bar_gap(&self) -> f32 {
        self.sizes.units(13.0)
    }

    /// Height of the colour bar's label with the gap before it.
    fn bar_label(&self) -> f32 {
        // A lying bar may need the row for the factor of its labels even without a name.
        let is_lying = self.bar == Some(Direction::Horizontal);
        let has_label = self.figure.colorbar.as_ref().is_some_and(|(_, label)| !label.trim().is_empty());
        if !((has_label || is_lying) && self.has(LeftOut::BarLabel)) {
            return 0.0;
        }
        text::line_height(self.sizes.label()) + self.sizes.units(4.0)
    }

    /// Puts everything to its place, in the middle of what room is left.
    fn place(&self, [width, height]: [f32; 2], margins: Margins, panel: [f32; 2]) -> Layout {
        let sizes = self.sizes;
        let spare_x = (width - margins.left - margins.right - panel[0]).max(0.0);
        let spare_y = (height - margins.top - margins.bottom - panel[1]).max(0.0);
        let left = (margins.left + spare_x / 2.0).round().min(width - panel[0]);
        let top = (margins.top + spare_y / 2.0).round().min(height - panel[1]);
        let rect = Rect { left, top, width: panel[0], height: panel[1] };
        let bar = self.bar.map(|direction| match direction {
            Direction::Vertical => {
                let beside = margins.right - sizes.pad() - self.bar_across(panel);
                let left = (rect.right() + beside.max(0.0) + self.bar_gap()).round();
                let away = sizes.bar() + sizes.tick_length() + sizes.gap();
                let room =
                    margins.right - sizes.pad() - beside.max(0.0) - self.bar_gap() - away - self.bar_label();
                BarPlace { rect: Rect { left, width: sizes.bar(), ..rect }, direction, room }
            }
            Direction::Horizontal => {
                let below = margins.bottom - sizes.pad() - self.bar_below();
                let top = (rect.bottom() + below + self.bar_gap()).round();
                // Labels at the ends are as wide as on both sides there is room.
                let inset = (panel[0] * 0.06).round();
                let thick = (sizes.bar() * 0.8).round();
                let rect =
                    Rect { left: rect.left + inset, top, width: rect.width - 2.0 * inset, height: thick };
                BarPlace { rect, direction, room: rect.left.min(width - rect.right()) }
            }
        });
        Layout {
            width: width as u32,
            height: height as u32,
            panel: [left as u32, top as u32, panel[0] as u32, panel[1] as u32],
            unit: sizes.unit,
            left_out: self.left_out,
            bar,
            title: self.title(),
            top: sizes.pad() + spare_y / 2.0,
        }
    }
}
