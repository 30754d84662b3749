//! What is drawn inside a panel: fields first, then the graticule and coastlines, then lines, discs and texts.

use super::canvas::Canvas;
use super::furniture::whole;
use super::svg::Document;
use super::theme::{Palette, Sizes};
use super::{Figure, Frame, Layout, Plane, graticule};
use crate::earth::{self, Detail};
use crate::ticks::{Direction, Ruler};
use crate::{Color, Mark, Result};

/// Lines of one look across a panel.
struct Strokes {
    lines: Vec<Vec<[f32; 2]>>,
    width: f32,
    color: Color,
}

/// Draws the panel of a figure as pixels.
///
/// # Errors
/// [`crate::Error::TooLarge`] beyond what memory holds.
pub(super) fn draw(figure: &Figure, layout: &Layout, marks: &[Mark]) -> Result<Canvas> {
    let is_smooth = figure.frame != Frame::None;
    let [_, _, width, height] = layout.panel;
    let mut canvas = Canvas::new(width, height, is_smooth)?;
    let outline = outline(figure, layout).filter(|_| is_smooth);
    let mask = outline.as_deref().and_then(|points| canvas.mask_of(points));
    let (fields, others) = parted(marks);
    for mark in fields {
        canvas.mark(mark, layout.unit, mask.as_ref());
    }
    for strokes in overlays(figure, layout) {
        canvas.strokes(&strokes.lines, strokes.width, strokes.color, None);
    }
    for mark in others {
        canvas.mark(mark, layout.unit, mask.as_ref());
    }
    Ok(canvas)
}

/// Draws the panel of a figure into an SVG document.
///
/// # Errors
/// Those of encoding an image.
pub(super) fn draw_svg(
    figure: &Figure,
    layout: &Layout,
    marks: &[Mark],
    document: &mut Document,
) -> Result<()> {
    let panel = layout.panel_rect();
    document.begin_panel(panel, outline(figure, layout).as_deref());
    let (fields, others) = parted(marks);
    let inside = whole(layout.panel[2], layout.panel[3]);
    for mark in fields {
        document.mark(mark, layout.unit, inside)?;
    }
    for strokes in overlays(figure, layout) {
        document.lines(&strokes.lines, strokes.width, &[], strokes.color);
    }
    for mark in others {
        document.mark(mark, layout.unit, inside)?;
    }
    document.end_panel();
    Ok(())
}

/// The marks that fill the panel, and those that lie above coastlines and the graticule.
fn parted(marks: &[Mark]) -> (&[Mark], &[Mark]) {
    let is_field = |mark: &Mark| matches!(mark, Mark::Image(_) | Mark::Area { .. });
    let n_fields = marks.iter().take_while(|mark| is_field(mark)).count();
    marks.split_at(n_fields)
}

/// The outline of a round map.
fn outline(figure: &Figure, layout: &Layout) -> Option<Vec<[f32; 2]>> {
    match &figure.plane {
        Plane::Map { view, .. } => layout.panel_view(view).outline(),
        Plane::Axes { .. } => None,
    }
}

/// Graticule or grid, borders and coastlines.
fn overlays(figure: &Figure, layout: &Layout) -> Vec<Strokes> {
    if figure.frame == Frame::None {
        return Vec::new();
    }
    let sizes = layout.sizes();
    let palette = Palette::of(figure.theme);
    let mut all = Vec::new();
    if figure.has_grid {
        let lines = grid(figure, layout, sizes);
        all.push(Strokes { lines, width: sizes.line(), color: palette.grid });
    }
    let Plane::Map { view, has_coast, has_borders } = &figure.plane else { return all };
    let view = layout.panel_view(view);
    if matches!(view.projection, crate::MapProjection::Native) {
        return all;
    }
    let detail = Detail::of(&view);
    let width = sizes.units(0.8).clamp(0.75, 6.0);
    if *has_borders {
        let lines = earth::project(earth::borders(detail), &view);
        all.push(Strokes { lines, width: width * 0.8, color: palette.border });
    }
    if *has_coast {
        let lines = earth::project(earth::coast(detail), &view);
        all.push(Strokes { lines, width, color: palette.coast });
    }
    all
}

/// Lines from the ticks of straight axes across the panel, or meridians and parallels.
fn grid(figure: &Figure, layout: &Layout, sizes: Sizes) -> Vec<Vec<[f32; 2]>> {
    let [_, _, width, height] = layout.panel.map(|n| n as f32);
    let straight = match &figure.plane {
        Plane::Map { view, .. } if view.is_separable() => true,
        Plane::Map { view, .. } => return graticule::project(&layout.panel_view(view)),
        Plane::Axes { .. } => false,
    };
    let (x, y) = match &figure.plane {
        Plane::Axes { x, y } => {
            let ruler = |length, direction| Ruler { length, size: sizes.tick(), direction };
            (x.ticks(&ruler(width, Direction::Horizontal)), y.ticks(&ruler(height, Direction::Vertical)))
        }
        Plane::Map { .. } => {
            let axes = super::axes::Axes::of(&figure.plane, [width, height], sizes);
            (axes.x, axes.y)
        }
    };
    // Lines through the middle of pixels are sharp.
    let sharp = |at: f32| at.floor() + 0.5;
    let is_inside = |share: &f64| !straight || (0.002..0.998).contains(share);
    let shares = |ticks: crate::ticks::Ticks| {
        ticks.major.into_iter().map(|tick| tick.share).filter(is_inside).collect::<Vec<f64>>()
    };
    let upright = shares(x).into_iter().map(|share| sharp(share as f32 * width));
    let level = shares(y).into_iter().map(|share| sharp((1.0 - share as f32) * height));
    let upright = upright.map(|x| vec![[x, 0.0], [x, height]]);
    upright.chain(level.map(|y| vec![[0.0, y], [width, y]])).collect()
}
