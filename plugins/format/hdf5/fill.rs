//! Fill values: what elements read as that nobody wrote.

use thermocline_codec::{ChunkSpec, decode};
use thermocline_core::{Error, Result};
use thermocline_model::{ArrayBytes, DataType};

use crate::array::Array;
use crate::cursor::text;
use crate::file::File;
use crate::mapping::Values;
use crate::messages::Fill;

/// One element as never-written parts of an array read through HDF5; `None` for zeros.
///
/// An undefined fill value reads as zeros: the library leaves memory as it was, which callers clear.
///
/// # Errors
/// [`thermocline_core::ErrorKind::Unsupported`] for a fill value that is not the same for all parts of an element.
pub(crate) fn stored_fill(file: &File, array: &Array, values: &Values) -> Result<Option<ArrayBytes>> {
    let Fill::Value(bytes) = &array.fill else { return Ok(None) };
    if values.dtype == DataType::String {
        let bytes = file.sequence(bytes, 1)?;
        let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        return Ok(Some(ArrayBytes::Texts(vec![text(bytes).0])));
    }
    let spec = ChunkSpec { dtype: &values.dtype, shape: &values.inner_shape, max_bytes: 1 << 20 };
    let ArrayBytes::Fixed(decoded) = decode(&values.codecs, 0, bytes, &spec)? else {
        return Err(Error::internal("a fill value decoded to texts"));
    };
    let size = values.dtype.len_bytes().unwrap_or(1).max(1);
    let first = decoded.get(..size).unwrap_or_default();
    if decoded.chunks_exact(size).any(|element| element != first) {
        return Err(Error::unsupported("a fill value that differs between the parts of an element"));
    }
    if first.is_empty() {
        return Ok(None);
    }
    Ok(Some(ArrayBytes::Fixed(first.to_vec())))
}
