//! What stands around a panel.

use super::axes::Axes;
use super::colorbar::{ColorBar, FactorPlace};
use super::layout::{BarPlace, LeftOut};
use super::shape::{Anchor, Label, Rect, Shape, frame};
use super::theme::Palette;
use super::{Figure, Frame, Layout, Plane, key};
use crate::Color;
use crate::text;
use crate::ticks::Direction;

/// The shapes around a panel.
pub(super) fn shapes(figure: &Figure, layout: &Layout, palette: &Palette) -> Vec<Shape> {
    let sizes = layout.sizes();
    let panel = layout.panel_rect();
    let mut shapes = outline(figure, layout, palette);
    if layout.left_out == LeftOut::All {
        return shapes;
    }
    // The factor of the labels of the y axis stands right above the panel.
    let mut above = 0.0;
    if layout.has(LeftOut::TickLabels) {
        let mut axes = Axes::of(&figure.plane, [panel.width, panel.height], sizes);
        if !layout.has(LeftOut::AxisLabels) {
            (axes.x_label, axes.y_label) = (None, None);
        }
        above = axes.y.exponent.map_or(0.0, |_| text::line_height(sizes.tick()));
        shapes.extend(axes.shapes(panel, sizes, palette));
    }
    if figure.frame == Frame::Full {
        if bar_factor(figure, layout) {
            above = text::line_height(sizes.tick());
        }
        let mut top = titles(figure, layout, palette, &mut shapes);
        if layout.has(LeftOut::Key) && !figure.legend.is_empty() {
            top = top.max(panel.top - above - key::height(&figure.legend, panel.width, sizes));
            shapes.extend(key::shapes(&figure.legend, [panel.left, top], panel.width, sizes, palette));
        }
        shapes.extend(bar(figure, layout, palette));
    }
    shapes
}

/// The frame of the panel: a box, or the outline of a round map.
fn outline(figure: &Figure, layout: &Layout, palette: &Palette) -> Vec<Shape> {
    let panel = layout.panel_rect();
    let line = layout.sizes().line();
    if let Plane::Map { view, .. } = &figure.plane
        && let Some(mut points) = layout.panel_view(view).outline()
    {
        for point in &mut points {
            *point = [point[0] + panel.left, point[1] + panel.top];
        }
        if let Some(first) = points.first().copied() {
            points.push(first);
        }
        return vec![Shape::Line(points, line, palette.ink)];
    }
    if panel.left < 1.0 {
        return Vec::new();
    }
    frame(panel, line, palette.ink)
}

/// Draws title and subtitle; the result is where they end.
fn titles(figure: &Figure, layout: &Layout, palette: &Palette, shapes: &mut Vec<Shape>) -> f32 {
    let sizes = layout.sizes();
    let width = layout.width as f32;
    let mut top = layout.top;
    let mut line = |text: String, size: f32, color: Color| {
        // As far left as the panel, unless the text needs more room.
        let most = width - sizes.pad() - text::width(&text, size);
        let left = layout.panel_rect().left.min(most).max(sizes.pad());
        let at = [left, top + text::ascent(size)];
        shapes.push(Shape::Text(Label { text, at, anchor: Anchor::Start, size, color, angle: 0.0 }));
        top += text::line_height(size);
    };
    for text in &layout.title {
        line(text.clone(), sizes.title(), palette.ink);
    }
    let has_subtitle = layout.has(LeftOut::Subtitle) && !figure.subtitle.trim().is_empty();
    if has_subtitle {
        let text = text::printable(&figure.subtitle);
        let text = text::shortened(&text, sizes.subtitle(), width - 2.0 * sizes.pad());
        line(text, sizes.subtitle(), palette.faint);
    }
    top
}

fn bar(figure: &Figure, layout: &Layout, palette: &Palette) -> Vec<Shape> {
    let (Some((scale, label)), Some(place)) = (&figure.colorbar, layout.bar) else { return Vec::new() };
    let sizes = layout.sizes();
    let BarPlace { rect, direction, room } = place;
    let factor = match direction {
        Direction::Vertical => FactorPlace::AtEnd,
        Direction::Horizontal if layout.has(LeftOut::BarLabel) => FactorPlace::InName,
        Direction::Horizontal => FactorPlace::InLabels,
    };
    let bar = ColorBar { scale, rect, direction, sizes, room, factor };
    let mut shapes = bar.shapes(palette);
    let mut label = text::printable(label);
    if !layout.has(LeftOut::BarLabel) {
        return shapes;
    }
    if let Some(power) = bar.ticks().factor().filter(|_| factor == FactorPlace::InName) {
        // What is cut of a long name must not be the factor.
        let tail = format!(" ({power})");
        let most = layout.panel_rect().width - text::width(&tail, sizes.label());
        label = text::shortened(&label, sizes.label(), most) + &tail;
    }
    if label.is_empty() {
        return shapes;
    }
    // The room was laid out for labels of any range; the label stands close to those of this one.
    let place = BarPlace { room: bar.labels_width(), ..place };
    shapes.push(Shape::Text(bar_label(label, layout, place, palette.ink)));
    shapes
}

/// True if a power of ten stands above a standing colour bar.
fn bar_factor(figure: &Figure, layout: &Layout) -> bool {
    let (Some((scale, _)), Some(place)) = (&figure.colorbar, layout.bar) else { return false };
    let BarPlace { rect, direction, room } = place;
    let bar = ColorBar { scale, rect, direction, sizes: layout.sizes(), room, factor: FactorPlace::AtEnd };
    matches!(direction, Direction::Vertical) && bar.ticks().exponent.is_some()
}

/// The label of a colour bar: along a standing one, under a lying one.
fn bar_label(label: String, layout: &Layout, place: BarPlace, color: Color) -> Label {
    let sizes = layout.sizes();
    let BarPlace { rect, direction, room } = place;
    let away = sizes.tick_length() + sizes.gap();
    let (at, angle, most) = match direction {
        Direction::Vertical => {
            let x = rect.right() + away + room + sizes.units(4.0) + text::ascent(sizes.label());
            ([x, rect.middle()[1]], -90.0, layout.panel_rect().height)
        }
        Direction::Horizontal => {
            let below = away + text::line_height(sizes.tick()) + sizes.units(1.0);
            let y = rect.bottom() + below + text::ascent(sizes.label());
            ([rect.middle()[0], y], 0.0, layout.panel_rect().width)
        }
    };
    // A label a little too long gets smaller; one much too long is cut.
    let wide = text::width(&label, sizes.label());
    let size =
        if wide > most { (sizes.label() * most / wide).max(sizes.label() * 0.8) } else { sizes.label() };
    let text = text::shortened(&label, size, most);
    Label { text, at, anchor: Anchor::Middle, size, color, angle }
}

/// A box of a size at the origin.
pub(super) fn whole(width: u32, height: u32) -> Rect {
    Rect { left: 0.0, top: 0.0, width: width as f32, height: height as f32 }
}
