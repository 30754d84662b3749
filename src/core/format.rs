//! The trait of file formats, and what it gives and takes.
//!
//! All of it blocks: the core calls it on the blocking pool.

use std::path::Path;
use std::sync::Arc;

use thermocline_model::{ArrayBytes, ChunkTable, DataType, Dataset, Object, ObjectIdentity, Variable};

use crate::Result;

/// Positioned reads from one object. Blocking.
pub trait ReadAt: Send + Sync {
    /// Where it lies and which state of it is read.
    fn object(&self) -> &Object;

    /// Exactly `len_bytes` bytes from `offset`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] when the object ends before, and whatever the store says.
    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<bytes::Bytes>;

    /// The file, when the object is one on this machine; for libraries that open files themselves.
    fn local_path(&self) -> Option<&Path>;

    /// How the file at [`ReadAt::local_path`] is at this moment, if it can be made cold at any time; `None` for
    /// every other object. What a library made of the file counts only if this is the same before and after.
    fn local_state(&self) -> Option<LocalState> {
        None
    }
}

/// How a file of a cold store is at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalState {
    /// By which name its store knows it.
    pub name: Arc<str>,
    /// What the file system says of it while it is online; `None` while it is not.
    pub seen: Option<[i64; 8]>,
}

/// Opens other objects that an object refers to: external links, raw files, the members of a directory store.
pub trait OpenOther: Send + Sync {
    /// Opens an object named relative to the one being indexed (or by an absolute path or URL),
    /// inside the declared roots only. `Ok(None)` if nothing is there.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] when the name leads out of the declared roots.
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>>;

    /// All objects below a directory or prefix named relative to the one being indexed:
    /// their names relative to it, and sizes, sorted by name.
    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>>;

    /// Like [`OpenOther::list`], with the state of each object: what a directory store needs of its chunks.
    fn list_objects(&self, prefix: &str) -> Result<Vec<(String, Object)>> {
        let mut objects = Vec::new();
        for (name, _) in self.list(prefix)? {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            if let Some(object) = self.open(&path)? {
                objects.push((name, object.object().clone()));
            }
        }
        Ok(objects)
    }
}

/// Identity of an object that is named but cannot be opened.
const MISSING: &str = "missing";

/// An object that another one names and that cannot be opened: listed among a dataset's objects, it makes
/// the catalog index the dataset again when it arrives. `name` counts from the directory of `beside`.
pub fn missing_object(beside: &str, name: &str) -> Object {
    let name = name.strip_prefix("file://").unwrap_or(name);
    let is_absolute = name.starts_with('/') || name.contains("://");
    let directory = beside.rsplit_once('/').map_or("", |(directory, _)| directory);
    let href = if is_absolute { name.to_owned() } else { format!("{directory}/{name}") };
    Object { href, len_bytes: 0, identity: ObjectIdentity::ETag(MISSING.to_owned()) }
}

/// True for an object that could not be opened when it was indexed.
pub fn is_missing(object: &Object) -> bool {
    object.len_bytes == 0 && matches!(&object.identity, ObjectIdentity::ETag(etag) if etag == MISSING)
}

/// What a format is asked to read: an object, or a directory that is one dataset.
pub struct Source<'a> {
    /// The object; for a directory store the first metadata document found in it.
    pub object: Arc<dyn ReadAt>,
    /// Other objects near it.
    pub others: &'a dyn OpenOther,
    /// Bounds for untrusted numbers.
    pub limits: &'a Limits,
}

/// Bounds for what files may claim (`contracts`: damaged and hostile files).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest header of one object (HDF5 object header, NetCDF-3 header, metadata document), in bytes.
    pub header_bytes: usize,
    /// Deepest nesting of groups.
    pub depth: usize,
    /// Most groups and variables of a dataset.
    pub n_nodes: usize,
    /// Most bytes of attributes of a dataset.
    pub attribute_bytes: usize,
    /// Longest chain of codecs.
    pub n_codecs: usize,
    /// Largest decoded chunk, in bytes.
    pub chunk_bytes: u64,
    /// Most chunks of one variable.
    pub n_chunks: u64,
    /// Largest array kept inline, in bytes (strings, awkward small arrays).
    pub inline_bytes: u64,
    /// Budget of inline bytes for coordinates of a dataset.
    pub coordinate_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 << 20,
            depth: 64,
            n_nodes: 200_000,
            attribute_bytes: 256 << 20,
            n_codecs: 32,
            chunk_bytes: 1 << 30,
            n_chunks: 100_000_000,
            inline_bytes: 16 << 20,
            coordinate_bytes: 256 << 20,
        }
    }
}

/// What indexing an object gives.
#[derive(Debug, Default)]
pub struct Indexed {
    /// The metadata. `objects[0]` is the object that was indexed; others follow as chunks name them.
    pub dataset: Dataset,
    /// Chunk tables; variables name them by number.
    pub tables: Vec<ChunkTable>,
    /// Bytes of chunks whose place is inline; their offsets count from its start.
    pub inline: Vec<u8>,
}

/// A box of elements: first element and length along each axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// First element along each axis.
    pub start: Vec<u64>,
    /// Number of elements along each axis.
    pub shape: Vec<u64>,
}

/// A file format: recognises objects, indexes them, decodes what has no byte ranges.
pub trait Format: Send + Sync {
    /// Folder name, plugin id and configuration key.
    fn id(&self) -> &'static str;

    /// True if an object that begins with `head` (up to 64 KiB) and has this file name is of this format.
    fn sniff(&self, head: &[u8], name: &str) -> bool;

    /// Names, in a directory, whose presence makes the whole directory one dataset (`zarr.json`, `.zgroup`).
    fn directory_markers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Names of documents that change whenever a directory store does: where the directory cannot be listed,
    /// their states stand for the state of the whole.
    fn directory_documents(&self) -> &'static [&'static str] {
        self.directory_markers()
    }

    /// Raised whenever indexing the same bytes gives another result: older entries of the index are
    /// then made anew.
    fn index_version(&self) -> u32 {
        1
    }

    /// Name and version of the libraries that it calls.
    fn libraries(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Reads everything but values: groups, variables, attributes, and where each chunk lies.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Refused`] with one precise message when the object cannot be a dataset.
    fn index(&self, source: &Source<'_>) -> Result<Indexed>;

    /// Values of a part of a variable whose chunks have the place `Format` or `Assembled`, in the variable's type. Of
    /// an `Assembled` chunk no objects are read but those that are listed for it: all others may lie on tape.
    /// Elements of `region` beyond the variable's shape read as its fill.
    ///
    /// # Errors
    /// Whatever keeps it from being exactly right.
    fn decode(&self, source: &Source<'_>, variable: &Variable, region: &Region) -> Result<ArrayBytes>;

    /// True if what [`Format::decode`] gives may change while the object that it decodes from does not: it is
    /// asked for at each reading, and never kept.
    fn decodes_anew(&self) -> bool {
        false
    }

    /// Opens the object through the format's reference library, if one is built in.
    ///
    /// # Errors
    /// [`ReferenceError`] tells a file that the library refuses from one that it cannot judge.
    fn reference(&self, source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError>;
}

/// Why the reference library says nothing of an object or a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceError {
    /// The library says that the object is damaged: it must not be served.
    Refused(String),
    /// The library cannot judge (too old, a filter missing, not a local file, not built in).
    Unable(String),
}

/// Reads values through the library that defines the format, to compare with ours.
pub trait ReferenceReader {
    /// Values of a region inside the variable's shape, in exactly the representation of `dtype`
    /// (byte order included), as [`Format::decode`] would give them.
    fn read(
        &mut self,
        variable: &Variable,
        dtype: &DataType,
        region: &Region,
    ) -> Result<ArrayBytes, ReferenceError>;
}
