//! Objects in memory, and reading variables from their chunks as a server does.

use std::path::Path;
use std::sync::Arc;

use thermocline_codec::{ChunkSpec, decode, fill_chunk, region::copy_box};
use thermocline_core::format::{Format, Indexed, OpenOther, ReadAt, Region, Source};
use thermocline_core::{Error, Result};
use thermocline_format_hdf5::Hdf5Format;
use thermocline_model::{ArrayBytes, Object, ObjectIdentity, Place, Variable};

/// An object in memory.
pub(crate) struct Memory {
    object: Object,
    bytes: bytes::Bytes,
}

impl Memory {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let identity = ObjectIdentity::ETag(String::new());
        let object = Object { href: "memory://file.h5".to_owned(), len_bytes: bytes.len() as u64, identity };
        Self { object, bytes: bytes.into() }
    }
}

impl ReadAt for Memory {
    fn object(&self) -> &Object {
        &self.object
    }

    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<bytes::Bytes> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        match start.checked_add(len_bytes) {
            Some(end) if end <= self.bytes.len() => Ok(self.bytes.slice(start..end)),
            _ => Err(Error::corrupt("beyond the end")),
        }
    }

    fn local_path(&self) -> Option<&Path> {
        None
    }
}

/// No other objects.
pub(crate) struct NoOthers;

impl OpenOther for NoOthers {
    fn open(&self, _name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        Ok(None)
    }

    fn list(&self, _prefix: &str) -> Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }
}

/// All values of a variable.
pub(crate) fn read_all(
    format: &Hdf5Format,
    source: &Source<'_>,
    indexed: &Indexed,
    variable: &Variable,
) -> Result<ArrayBytes> {
    let grid = variable.stored_grid().ok_or_else(|| Error::internal("no grid"))?;
    let n = variable.n_elements().unwrap_or(0) as usize;
    let mut values = fill_chunk(&variable.dtype, variable.fill.as_ref(), n);
    let shape = &variable.storage.chunk_shape;
    let element = variable.dtype.len_bytes().unwrap_or(1);
    for (linear, chunk) in indexed.tables[variable.storage.table as usize].iter() {
        let start = grid.start(&grid.index(linear));
        let encoding = &variable.storage.encodings[usize::from(chunk.part.encoding)];
        let spec = ChunkSpec { dtype: &encoding.dtype, shape, max_bytes: source.limits.chunk_bytes };
        let stored = match chunk.part.place {
            Place::Inline => {
                let start = chunk.offset as usize;
                bytes::Bytes::copy_from_slice(&indexed.inline[start..start + chunk.len_bytes as usize])
            }
            Place::Object(_) => source.object.read_at(chunk.offset, chunk.len_bytes as usize)?,
            Place::Format(_) | Place::Assembled(_) => bytes::Bytes::new(),
        };
        let decoded = match chunk.part.place {
            Place::Format(_) | Place::Assembled(_) => {
                format.decode(source, variable, &Region { start: start.clone(), shape: shape.clone() })?
            }
            _ if chunk.part.is_short => {
                let mut bytes = stored.to_vec();
                bytes.resize(grid.chunk_len().unwrap_or(0) as usize * element, 0);
                ArrayBytes::Fixed(bytes)
            }
            _ => decode(&encoding.codecs, chunk.part.filter_mask, &stored, &spec)?,
        };
        let lengths: Vec<u64> =
            start.iter().zip(shape).zip(&variable.shape).map(|((s, c), l)| (*c).min(l - s)).collect();
        let from = vec![0; lengths.len()];
        copy_box(&decoded, shape, &from, &mut values, &variable.shape, &start, &lengths, element)?;
    }
    Ok(values)
}
