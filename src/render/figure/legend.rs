//! A colour bar alone.

use super::Theme;
use super::canvas::Canvas;
use super::colorbar::{self, ColorBar, FactorPlace};
use super::furniture::whole;
use super::shape::{Anchor, Label, Rect, Shape};
use super::svg::Document;
use super::theme::{Palette, Sizes};
use crate::text;
use crate::ticks::{Direction, Ruler};
use crate::{Error, Image, Result, Scale};

/// A colour bar alone: lying if it is wider than high.
#[derive(Debug, Clone)]
pub struct Legend {
    /// The scale.
    pub scale: Scale,
    /// Name and units.
    pub label: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The colours of texts.
    pub theme: Theme,
}

/// Draws a colour bar as pixels.
///
/// # Errors
/// [`Error::TooLarge`] beyond what memory holds; [`Error::Invalid`] without a pixel.
pub fn legend(legend: &Legend) -> Result<Image> {
    check(legend)?;
    let palette = Palette::of(legend.theme);
    let mut canvas = Canvas::new(legend.width, legend.height, true)?;
    canvas.fill(palette.background);
    shapes(legend, &palette).iter().for_each(|shape| canvas.shape(shape));
    Ok(canvas.into_image())
}

/// Draws a colour bar as an SVG document.
///
/// # Errors
/// Those of encoding an image; [`Error::Invalid`] without a pixel.
pub fn legend_svg(legend: &Legend) -> Result<String> {
    check(legend)?;
    let palette = Palette::of(legend.theme);
    let mut document = Document::new(legend.width, legend.height);
    document.title(&legend.label);
    document.shape(&Shape::Box(whole(legend.width, legend.height), palette.background))?;
    for shape in shapes(legend, &palette) {
        document.shape(&shape)?;
    }
    Ok(document.finish())
}

fn check(legend: &Legend) -> Result<()> {
    if legend.width == 0 || legend.height == 0 {
        return Err(Error::Invalid("a legend has at least one pixel".into()));
    }
    Ok(())
}

/// Units that a lying bar with labels and a name needs from top to bottom, and one without a name.
const LYING: [f32; 2] = [66.0, 44.0];
/// Units that a standing bar needs from left to right, and one without a name.
const STANDING: [f32; 2] = [88.0, 66.0];
/// Texts are at least that large, or are left out.
const LEAST_UNIT: f32 = 0.72;

fn shapes(legend: &Legend, palette: &Palette) -> Vec<Shape> {
    let (width, height) = (legend.width as f32, legend.height as f32);
    let direction = if width > height { Direction::Horizontal } else { Direction::Vertical };
    let (across, along, needs) = match direction {
        Direction::Horizontal => (height, width, LYING),
        Direction::Vertical => (width, height, STANDING),
    };
    let label = text::printable(&legend.label);
    let unit = |needed: f32| (across / needed).min((along / 260.0).max(0.8)).min(12.0);
    let has_label = !label.is_empty() && unit(needs[0]) >= LEAST_UNIT;
    let unit = if has_label { unit(needs[0]) } else { unit(needs[1]) };
    if unit < LEAST_UNIT || along < 60.0 {
        let sizes = Sizes { unit: 1.0 };
        let bar = ColorBar {
            scale: &legend.scale,
            rect: whole(legend.width, legend.height),
            direction,
            sizes,
            room: 0.0,
            factor: FactorPlace::AtEnd,
        };
        return bar.shapes(palette).into_iter().take(1).collect();
    }
    let sizes = Sizes { unit };
    match direction {
        Direction::Horizontal => lying(legend, has_label.then_some(label), sizes, palette),
        Direction::Vertical => standing(legend, has_label.then_some(label), sizes, palette),
    }
}

fn lying(legend: &Legend, label: Option<String>, sizes: Sizes, palette: &Palette) -> Vec<Shape> {
    let (width, height) = (legend.width as f32, legend.height as f32);
    let size = sizes.tick();
    let below = sizes.tick_length() + sizes.gap() + text::line_height(size);
    let label_height = label.as_ref().map_or(0.0, |_| text::line_height(sizes.label()) + sizes.units(1.0));
    let ruler = Ruler { length: width * 0.9, size, direction: Direction::Horizontal };
    let ticks = colorbar::ticks_of(&legend.scale, &ruler);
    let half = ticks.major.iter().map(|tick| text::width(&tick.label, size) / 2.0).fold(0.0, f32::max);
    let factor = ticks.factor().map_or(0.0, |factor| text::width(&factor, size) + sizes.gap());
    let side = half.max(sizes.gap()) + sizes.units(4.0);
    let right = side.max(factor + sizes.units(4.0));
    let top = sizes.units(6.0).round();
    let thick = (height - top - below - label_height - sizes.units(4.0)).min(sizes.units(30.0)).round();
    let bar_width = (width - side - right).max(1.0).round();
    let rect = Rect { left: side.round(), top, width: bar_width, height: thick.max(2.0) };
    let bar = ColorBar {
        scale: &legend.scale,
        rect,
        direction: Direction::Horizontal,
        sizes,
        room: width,
        factor: FactorPlace::AtEnd,
    };
    let mut shapes = bar.shapes(palette);
    if let Some(label) = label {
        let at = [rect.middle()[0], rect.bottom() + below + sizes.units(1.0) + text::ascent(sizes.label())];
        let most = 2.0 * (at[0].min(width - at[0]) - sizes.units(3.0));
        let text = text::shortened(&label, sizes.label(), most);
        let (size, color) = (sizes.label(), palette.ink);
        shapes.push(Shape::Text(Label { text, at, anchor: Anchor::Middle, size, color, angle: 0.0 }));
    }
    shapes
}

fn standing(legend: &Legend, label: Option<String>, sizes: Sizes, palette: &Palette) -> Vec<Shape> {
    let (width, height) = (legend.width as f32, legend.height as f32);
    let size = sizes.tick();
    let ruler = Ruler { length: height * 0.9, size, direction: Direction::Vertical };
    let has_factor = colorbar::ticks_of(&legend.scale, &ruler).exponent.is_some();
    let end = text::line_height(size) / 2.0 + sizes.units(3.0);
    let top = if has_factor { end + text::line_height(size) } else { end }.round();
    let label_width = label.as_ref().map_or(0.0, |_| text::line_height(sizes.label()) + sizes.units(2.0));
    let away = sizes.tick_length() + sizes.gap();
    let left = sizes.units(6.0).round();
    let room =
        sizes.units(40.0).min(width - left - sizes.bar() - away - label_width - sizes.units(2.0)).max(1.0);
    let rect = Rect { left, top, width: sizes.bar(), height: (height - top - end).round().max(2.0) };
    let bar = ColorBar {
        scale: &legend.scale,
        rect,
        direction: Direction::Vertical,
        sizes,
        room,
        factor: FactorPlace::AtEnd,
    };
    let mut shapes = bar.shapes(palette);
    if let Some(label) = label {
        let at =
            [rect.right() + away + room + sizes.units(2.0) + text::ascent(sizes.label()), rect.middle()[1]];
        let text = text::shortened(&label, sizes.label(), rect.height);
        let (size, color) = (sizes.label(), palette.ink);
        shapes.push(Shape::Text(Label { text, at, anchor: Anchor::Middle, size, color, angle: -90.0 }));
    }
    shapes
}
