//! The names of several series, in rows above the panel.

use super::LegendEntry;
use super::shape::{Anchor, Label, Rect, Shape};
use super::theme::{Palette, Sizes};
use crate::text;

/// Most rows; further series are counted.
const MAX_ROWS: usize = 3;

/// An entry at its place in the rows.
struct Placed {
    left: f32,
    row: usize,
    text: String,
    entry: Option<usize>,
}

/// Height of the rows.
pub(super) fn height(entries: &[LegendEntry], width: f32, sizes: Sizes) -> f32 {
    let n_rows = placed(entries, width, sizes).last().map_or(0, |last| last.row + 1);
    n_rows as f32 * text::line_height(sizes.tick()) * 1.1 + sizes.gap()
}

/// The rows with their upper left corner at a place.
pub(super) fn shapes(
    entries: &[LegendEntry],
    [left, top]: [f32; 2],
    width: f32,
    sizes: Sizes,
    palette: &Palette,
) -> Vec<Shape> {
    let size = sizes.tick();
    let mut shapes = Vec::new();
    for placed in placed(entries, width, sizes) {
        let line = top + placed.row as f32 * text::line_height(size) * 1.1 + text::ascent(size);
        let mut x = left + placed.left;
        if let Some(entry) = placed.entry.and_then(|i| entries.get(i)) {
            let thick = sizes.units(2.5).max(2.0).round();
            let middle = line - text::cap_height(size) / 2.0 - thick / 2.0;
            let stroke = Rect { left: x, top: middle.round(), width: stroke(sizes), height: thick };
            shapes.push(Shape::Box(stroke, entry.color));
            x += stroke.width + sizes.units(5.0);
        }
        let (text, at) = (placed.text, [x, line]);
        shapes.push(Shape::Text(Label {
            text,
            at,
            anchor: Anchor::Start,
            size,
            color: palette.ink,
            angle: 0.0,
        }));
    }
    shapes
}

/// Length of the stroke before a name.
fn stroke(sizes: Sizes) -> f32 {
    sizes.units(16.0)
}

fn placed(entries: &[LegendEntry], width: f32, sizes: Sizes) -> Vec<Placed> {
    let size = sizes.tick();
    let before = stroke(sizes) + sizes.units(5.0);
    let gap = sizes.units(14.0);
    let last_room = text::width("+ 0000", size);
    let mut all: Vec<Placed> = Vec::new();
    let (mut left, mut row) = (0.0, 0);
    for (i, entry) in entries.iter().enumerate() {
        let most = (width - before - gap - last_room).clamp(0.0, size * 24.0);
        let text = text::shortened(&text::printable(&entry.text), size, most);
        let wide = before + text::width(&text, size);
        let is_last_row = row + 1 == MAX_ROWS;
        let room = if is_last_row && i + 1 < entries.len() { width - last_room - gap } else { width };
        if left > 0.0 && left + wide > room {
            if is_last_row {
                let text = format!("+ {}", entries.len() - i);
                if left + text::width(&text, size) <= width {
                    all.push(Placed { left, row, text, entry: None });
                }
                return all;
            }
            (left, row) = (0.0, row + 1);
        }
        all.push(Placed { left, row, text, entry: Some(i) });
        left += wide + gap;
    }
    all
}
