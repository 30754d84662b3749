//! Section `[limits]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::format::Limits;

use super::units::Size;

/// Bounds for what a file may claim: a damaged or hostile file is refused, never believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest header (HDF5 object header, NetCDF-3 header, Zarr or kerchunk document), as a size.
    pub header: Size,
    /// Deepest nesting of groups.
    pub depth: usize,
    /// Most groups and variables of a dataset.
    pub n_nodes: usize,
    /// Most bytes of all attributes of a dataset, as a size.
    pub attributes: Size,
    /// Longest chain of filters of a variable.
    pub n_codecs: usize,
    /// Largest decoded chunk, as a size: one request must not take all memory.
    pub chunk: Size,
    /// Most chunks of a variable.
    pub n_chunks: u64,
    /// Largest array kept with the index (strings, small awkward arrays), as a size.
    pub inline: Size,
    /// Most bytes of coordinates kept with the index of a dataset, as a size: they open without the archive.
    pub coordinates: Size,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            header: Size(limits.header_bytes as u64),
            depth: limits.depth,
            n_nodes: limits.n_nodes,
            attributes: Size(limits.attribute_bytes as u64),
            n_codecs: limits.n_codecs,
            chunk: Size(limits.chunk_bytes),
            n_chunks: limits.n_chunks,
            inline: Size(limits.inline_bytes),
            coordinates: Size(limits.coordinate_bytes),
        }
    }
}

impl From<&LimitsConfig> for Limits {
    fn from(config: &LimitsConfig) -> Self {
        Self {
            header_bytes: config.header.as_usize(),
            depth: config.depth,
            n_nodes: config.n_nodes,
            attribute_bytes: config.attributes.as_usize(),
            n_codecs: config.n_codecs,
            chunk_bytes: config.chunk.0,
            n_chunks: config.n_chunks,
            inline_bytes: config.inline.0,
            coordinate_bytes: config.coordinates.0,
        }
    }
}
