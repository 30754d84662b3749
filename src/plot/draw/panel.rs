//! A panel that is ready to be drawn, with what is known of it.

use serde_json::{Map, Value};
use thermocline_render::figure::Layout;
use thermocline_render::{Extent, Figure, Mark, Scale, Statistics, View};

/// A panel that is ready to be drawn.
pub(super) struct Panel {
    /// The figure around it.
    pub figure: Figure,
    /// Where its parts are.
    pub layout: Layout,
    /// What is drawn.
    pub marks: Vec<Mark>,
    /// What is known of it.
    pub known: Known,
}

/// What is known of a panel.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The scale of its colours.
    pub scale: Option<Scale>,
    /// The map.
    pub view: Option<View>,
    /// What its axes show.
    pub extent: Option<Extent>,
    /// Of all that is selected.
    pub statistics: Option<Statistics>,
    /// Chunks that were read.
    pub n_chunks: u64,
    /// Bytes that were read from the source.
    pub bytes_read: u64,
    /// What else the `json` answer tells.
    pub more: Map<String, Value>,
}
