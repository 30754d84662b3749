//! Indexes HDF5, NetCDF-4 and HDF-EOS5 files: which bytes of which file are which chunk of which array.
//!
//! # Serves
//! Files of superblock versions 0 to 3, every layout (compact, contiguous, chunked with every kind of index,
//! external, virtual), every filter that [`thermocline_codec`] decodes, soft, hard and external links. The
//! structure is read by this crate itself; libhdf5 (feature `libhdf5`) only verifies.
//!
//! # Specification
//! HDF5 File Format Specification 3.0 <https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html>;
//! netCDF-4 file format <https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html>;
//! HDF-EOS5 structural metadata.
//!
//! # Routes
//! None: formats are behind the datasets that the serve plugins show.
//!
//! # Opens with
//! `\x89HDF\r\n\x1a\n` at byte 0, 512, 1024, 2048, … (a user block may come first).
//!
//! # Limits
//! Refused with a reason: variable-length numbers, opaque values, references, virtual datasets of irregular
//! selections, floating-point numbers that 64 bits do not hold exactly, multi-file drivers, files that are
//! truncated or open for writing. The process should set `HDF5_USE_FILE_LOCKING=FALSE` before the first call
//! of the library.

mod array;
mod attributes;
mod btree2;
mod checksum;
mod chunks;
mod cursor;
mod datatype;
mod dimensions;
mod eos5;
mod file;
mod files;
mod fill;
mod filters;
mod global_heap;
mod header;
mod index;
mod layout;
mod links;
mod mapping;
mod messages;
mod neighbours;
mod opened;
mod reference;
mod source_path;
mod storage;
mod superblock;
mod tree;
mod values;
mod virtual_dataset;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_core::format::{Format, Indexed, ReferenceError, ReferenceReader, Region, Source};
use thermocline_core::{Error, Result};
use thermocline_model::{ArrayBytes, Object, Variable};

use crate::files::Files;
use crate::mapping::{Dialect, leaves};
use crate::neighbours::Neighbourhood;
use crate::opened::Opened;
use crate::source_path::SourcePath;

/// Arrays that stay open between calls.
const MAX_OPEN: usize = 8;

/// HDF5, NetCDF-4 and HDF-EOS5.
#[derive(Default)]
pub struct Hdf5Format {
    open: Mutex<Vec<(OpenKey, Arc<Opened>)>>,
}

/// What an open array is found by: the state of its file, its path, and the state of the files that it names.
#[derive(Debug, Clone, PartialEq)]
struct OpenKey {
    object: Object,
    path: String,
    fingerprint: String,
}

impl Format for Hdf5Format {
    fn id(&self) -> &'static str {
        "hdf5"
    }

    fn sniff(&self, head: &[u8], _name: &str) -> bool {
        superblock::find_signature(head).is_some()
    }

    fn index_version(&self) -> u32 {
        4
    }

    fn libraries(&self) -> Vec<(&'static str, String)> {
        reference::libraries()
    }

    fn index(&self, source: &Source<'_>) -> Result<Indexed> {
        guarded(&source.object.object().href, || index::index(source))
    }

    fn decode(&self, source: &Source<'_>, variable: &Variable, region: &Region) -> Result<ArrayBytes> {
        guarded(&source.object.object().href, || self.decode_part(source, variable, region))
    }

    fn reference(&self, source: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
        reference::open(source)
    }
}

impl Hdf5Format {
    fn decode_part(&self, source: &Source<'_>, variable: &Variable, region: &Region) -> Result<ArrayBytes> {
        let at = SourcePath::parse(&variable.storage.source_path);
        let around = Neighbourhood::new(source.others, &source.object.object().href);
        let opened = self.opened(source, &at, &around)?;
        let leaf =
            leaves(&opened.array.datatype, Dialect::Hdf5).into_iter().find(|leaf| leaf.suffix == at.suffix);
        let leaf =
            leaf.ok_or_else(|| Error::internal(format!("{:?} has no member {:?}", at.path, at.suffix)))?;
        let mut values = leaf.values.map_err(Error::unsupported)?;
        values.dtype = variable.dtype.clone();
        opened.read(&values, variable.fill.as_ref(), region, &around)
    }

    /// The array in the state in which it was indexed, the files that it names included.
    fn opened(
        &self,
        source: &Source<'_>,
        at: &SourcePath,
        around: &Neighbourhood<'_>,
    ) -> Result<Arc<Opened>> {
        let object = source.object.object();
        let key =
            OpenKey { object: object.clone(), path: at.path.clone(), fingerprint: at.fingerprint.clone() };
        if let Some((_, opened)) = self.open.lock().iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(opened));
        }
        let mut files = Files::new(Arc::clone(&source.object), around, source.limits)?;
        let found = files.resolve(0, &at.path)?;
        let found = found
            .ok_or_else(|| Error::corrupt(format!("{:?} is not in {} any more", at.path, object.href)))?;
        let file = Arc::clone(files.get(found.identity.0)?);
        let header = header::ObjectHeader::read(&file, found.identity.1)?;
        let array = array::Array::read(&file, found.identity.1, &header)?;
        let around = files.neighbourhood(found.identity.0)?;
        let opened = Arc::new(Opened::open_as_indexed(file, array, around, &at.fingerprint)?);
        let mut open = self.open.lock();
        if open.len() >= MAX_OPEN {
            open.remove(0);
        }
        open.push((key, Arc::clone(&opened)));
        Ok(opened)
    }
}

/// Turns a panic into an error: the last guard against files that no check foresaw.
fn guarded<T>(href: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Error::refused(format!("{href} is damaged in a way that this reader did not foresee")))
    })
}
