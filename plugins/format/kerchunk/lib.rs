//! Opens kerchunk references: Zarr metadata whose chunks are byte ranges of other objects.
//!
//! # Serves
//! Every array whose chunks can be decoded, as byte ranges of the objects that the references name;
//! bytes inside the references are kept with the manifest.
//!
//! # Specification
//! <https://fsspec.github.io/kerchunk/spec.html>: version 0 (a bare map) and version 1 (`templates` and
//! `gen` are expanded); the parquet layout of fsspec's lazy reference mapper (`.zmetadata` with
//! `record_size`, `refs.{n}.parq`).
//!
//! # Limits
//! Of Jinja, templates may use names, integers, texts, arithmetic (`+ - * / // %`), parentheses and calls
//! of other templates with named arguments. At most 10,000,000 references. Objects are looked at once
//! each when the references are indexed; one that is missing is noted, and its chunks fail when they are
//! read: they are never fill. So do chunks of a length that they cannot have. A parquet partition that does
//! not exist has no chunks, as fsspec reads it; where the place cannot be listed (plain HTTP) it is asked for
//! again whenever such a chunk is read, and other changes of partitions are noticed with `.zmetadata`.

mod document;
mod expression;
mod generate;
mod index;
mod objects;
mod parquet;
mod template;

use thermocline_core::Result;
use thermocline_core::format::{Format, Indexed, ReferenceError, ReferenceReader, Region, Source};
use thermocline_model::{ArrayBytes, Variable};

/// kerchunk references.
#[derive(Debug, Clone, Copy, Default)]
pub struct KerchunkFormat;

impl Format for KerchunkFormat {
    fn id(&self) -> &'static str {
        "kerchunk"
    }

    fn sniff(&self, head: &[u8], name: &str) -> bool {
        let is_object = head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let has = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
        let is_references = || has(b"\"refs\"") || has(b".zgroup\"") || has(b".zarray\"");
        is_object && name.to_ascii_lowercase().ends_with(".json") && is_references()
    }

    /// A directory of parquet references has consolidated metadata and no documents of its own.
    fn directory_markers(&self) -> &'static [&'static str] {
        &[".zmetadata"]
    }

    fn index_version(&self) -> u32 {
        2
    }

    fn index(&self, source: &Source<'_>) -> Result<Indexed> {
        index::index(source)
    }

    fn decode(&self, source: &Source<'_>, variable: &Variable, region: &Region) -> Result<ArrayBytes> {
        index::decode(source, variable, region)
    }

    /// Only chunks that were absent are decoded here, and they may arrive.
    fn decodes_anew(&self) -> bool {
        true
    }

    fn reference(&self, _source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
        Err(ReferenceError::Unable("no reference library for kerchunk is built in".to_owned()))
    }
}
