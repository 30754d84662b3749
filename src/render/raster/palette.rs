//! The colours of a scale in a table.

use crate::Scale;
use crate::scale::{CompiledScale, Entry};

/// A scale that gives colours as bytes.
pub(super) struct Palette {
    scale: CompiledScale,
    colors: [[u8; 4]; 256],
    below: [u8; 4],
    above: [u8; 4],
    bad: [u8; 4],
}

impl Palette {
    pub(super) fn of(scale: &Scale) -> Self {
        Self {
            scale: scale.compiled(),
            colors: scale.colormap.table.map(|[red, green, blue]| [red, green, blue, 255]),
            below: scale.color(Entry::Below).rgba(),
            above: scale.color(Entry::Above).rgba(),
            bad: scale.bad.rgba(),
        }
    }

    /// The colour of a value.
    #[inline]
    pub(super) fn color(&self, value: f64) -> [u8; 4] {
        match self.scale.entry(value) {
            Entry::Of(index) => self.colors[usize::from(index)],
            Entry::Below => self.below,
            Entry::Above => self.above,
            Entry::Bad => self.bad,
        }
    }
}
