//! Opens Zarr stores, version 2 and version 3, sharded ones too, in directories and object stores.
//!
//! # Serves
//! Every array whose chunks can be decoded, as the stored chunks themselves: an object each, or a byte
//! range of a shard. Record arrays become one variable a member; numpy's `U` texts become texts.
//!
//! # Specification
//! Zarr storage specification, version 2 and version 3; `sharding_indexed` (ZEP 2); consolidated metadata
//! as zarr-python writes it. What documents mean is read by `thermocline_zarr::parse`.
//!
//! # Limits
//! A store that cannot be listed (plain HTTP) must have consolidated metadata, and arrays of at most
//! 10,000 objects: each is asked for when the store is indexed, and absent ones again whenever they are
//! read. Such a store has changed when a document at its root has. Documents that consolidated metadata
//! lacks are read one by one. A chunk of a length that it cannot have is an error when it is read. What `thermocline_zarr::parse` refuses is refused here.

mod chunks;
mod decode;
mod documents;
mod index;
mod store;
mod texts;

use thermocline_core::Result;
use thermocline_core::format::{Format, Indexed, ReferenceError, ReferenceReader, Region, Source};
use thermocline_model::{ArrayBytes, Variable};

/// Names of documents that make a directory a store.
const MARKERS: [&str; 3] = ["zarr.json", ".zgroup", ".zarray"];

/// Names of the documents that a store which cannot be listed is read from.
const DOCUMENTS: [&str; 5] = ["zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs"];

/// The Zarr formats, versions 2 and 3.
#[derive(Debug, Clone, Copy, Default)]
pub struct ZarrFormat;

impl Format for ZarrFormat {
    fn id(&self) -> &'static str {
        "zarr"
    }

    /// A store is a directory: a single document is recognised by its name.
    fn sniff(&self, head: &[u8], name: &str) -> bool {
        let is_object = head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        is_object && MARKERS.contains(&name.rsplit('/').next().unwrap_or(name))
    }

    fn directory_markers(&self) -> &'static [&'static str] {
        &MARKERS
    }

    fn directory_documents(&self) -> &'static [&'static str] {
        &DOCUMENTS
    }

    fn index_version(&self) -> u32 {
        3
    }

    fn index(&self, source: &Source<'_>) -> Result<Indexed> {
        index::index(source)
    }

    fn decode(&self, source: &Source<'_>, variable: &Variable, region: &Region) -> Result<ArrayBytes> {
        decode::decode(source, variable, region)
    }

    /// Only chunks that were absent are decoded here, and they may arrive.
    fn decodes_anew(&self) -> bool {
        true
    }

    fn reference(&self, _source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
        Err(ReferenceError::Unable("no reference library for Zarr is built in".to_owned()))
    }
}
