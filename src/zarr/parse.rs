//! Zarr metadata documents, read: what a stored array is, in the words of the model.
//!
//! Pure: documents and names in, model types out. Both native stores and kerchunk references are
//! Zarr metadata with chunks elsewhere; what they share is here.
//!
//! # Specification
//! Zarr storage specification, version 2 and version 3 with `sharding_indexed` (ZEP 2); data types and
//! codecs of zarr-extensions (`numcodecs.*`, `string`, `null_terminated_bytes`, `fixed_length_utf32`,
//! `numpy.datetime64`, `struct`); `_ARRAY_DIMENSIONS` and `_FillValue` as xarray writes them.
//!
//! # Limits
//! Irregular chunk grids, object arrays other than texts, raw bytes and extended floats are refused
//! with their name. JSON objects, nulls and mixed lists among attributes become JSON text.

mod array;
mod attributes;
mod codecs;
mod dataset;
mod dtype;
mod fill;
mod hierarchy;
mod json;
mod keys;
mod shard;

pub use array::{ArrayMetadata, Elements, Member, array_v2, array_v3};
pub use attributes::attributes;
pub use dataset::DatasetBuilder;
pub use hierarchy::{MetadataLimits, NodeMetadata, StoreMetadata, hierarchy_v2, hierarchy_v3};
pub use json::parse as parse_json;
pub use keys::ChunkKeys;
pub use shard::{ShardEntry, ShardIndex, Sharding};

use std::fmt;

/// Why a document describes nothing that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What was found, and what was expected.
    pub reason: String,
}

impl ParseError {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ParseError {}
