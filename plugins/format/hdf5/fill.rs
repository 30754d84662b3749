//! Fill values: what elements read as that nobody wrote.

use thermocline_codec::{ChunkSpec, decode};
use thermocline_core::{Error, Result};
use thermocline_model::{ArrayBytes, ByteOrder, DataType};

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

/// netCDF's default fill value of a type; `None` for zeros and empty texts.
///
/// # Source
/// netCDF-C, `netcdf.h`, `NC_FILL_…`.
pub(crate) fn default_fill(dtype: &DataType) -> Option<ArrayBytes> {
    let mut bytes = match dtype {
        DataType::Int { size: 1, .. } => (-127_i8).to_le_bytes().to_vec(),
        DataType::Int { size: 2, .. } => (-32_767_i16).to_le_bytes().to_vec(),
        DataType::Int { size: 4, .. } => (-2_147_483_647_i32).to_le_bytes().to_vec(),
        DataType::Int { size: 8, .. } => (-9_223_372_036_854_775_806_i64).to_le_bytes().to_vec(),
        DataType::UInt { size: 1, .. } => vec![255],
        DataType::UInt { size: 2, .. } => u16::MAX.to_le_bytes().to_vec(),
        DataType::UInt { size: 4, .. } => u32::MAX.to_le_bytes().to_vec(),
        DataType::UInt { size: 8, .. } => 18_446_744_073_709_551_614_u64.to_le_bytes().to_vec(),
        DataType::Float { size: 4, .. } => 9.969_21e36_f32.to_le_bytes().to_vec(),
        DataType::Float { size: 8, .. } => 9.969_209_968_386_869e36_f64.to_le_bytes().to_vec(),
        _ => return None,
    };
    if dtype.byte_order() == Some(ByteOrder::Big) {
        bytes.reverse();
    }
    Some(ArrayBytes::Fixed(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_of_floats_is_one_number_in_both_sizes() {
        let single = DataType::Float { size: 4, order: ByteOrder::Little };
        let bytes = 0x7cf0_0000_u32.to_le_bytes().to_vec();
        assert_eq!(default_fill(&single), Some(ArrayBytes::Fixed(bytes)));
        let double = DataType::Float { size: 8, order: ByteOrder::Big };
        let bytes = 0x479e_0000_0000_0000_u64.to_be_bytes().to_vec();
        assert_eq!(default_fill(&double), Some(ArrayBytes::Fixed(bytes)));
    }
}
