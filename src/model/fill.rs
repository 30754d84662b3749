//! Fill values that a library defines for all its files.

use crate::{ArrayBytes, ByteOrder, DataType};

/// What netCDF writes where a program wrote nothing and named no fill value; `None` for zeros and empty texts.
///
/// # Source
/// netCDF-C, `netcdf.h`, `NC_FILL_BYTE` … `NC_FILL_UINT64`.
pub fn netcdf_default_fill(dtype: &DataType) -> Option<ArrayBytes> {
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
        assert_eq!(netcdf_default_fill(&single), Some(ArrayBytes::Fixed(bytes)));
        let double = DataType::Float { size: 8, order: ByteOrder::Big };
        let bytes = 0x479e_0000_0000_0000_u64.to_be_bytes().to_vec();
        assert_eq!(netcdf_default_fill(&double), Some(ArrayBytes::Fixed(bytes)));
    }
}
