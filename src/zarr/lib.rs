//! The Zarr encoding of a dataset: which arrays it has, their documents, and what a key means.
//!
//! Nothing here reads a byte: a [`Hierarchy`] is made once from a dataset's metadata for each
//! [`View`]; documents and the [`ChunkForm`](thermocline_core::read::ChunkForm) in which chunks are
//! to be read follow from it.
//!
//! # Specification
//! Zarr storage specification, version 2 (<https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html>)
//! and version 3 (<https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html>); consolidated metadata
//! as zarr-python writes it; `_ARRAY_DIMENSIONS` and `_FillValue` as xarray does
//! (<https://docs.xarray.dev/en/stable/internals/zarr-encoding-spec.html>).
//!
//! # Limits
//! Compound types never arrive here: formats make one variable of each member. `_FillValue` of texts is
//! not shown in format 3, where xarray cannot open an array that has it.

mod array;
mod attributes;
mod codecs;
mod document;
mod fill;
mod hierarchy;
mod json;
mod key;
mod listing;
pub mod parse;
mod view;

pub use array::{ZarrArray, v2_dtype};
pub use attributes::{attribute_json, attributes_json};
pub use codecs::codec_names;
pub use document::{Document, document, metadata_documents};
pub use hierarchy::{Hierarchy, Node};
pub use json::ascii_json;
pub use key::{DocumentKind, ZarrKey, chunk_key};
pub use listing::{Entry, EntryKind, Listing, list};
pub use view::View;
