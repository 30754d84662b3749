//! Chunks that were never written.

use thermocline_model::{ArrayBytes, DataType};

/// `n_elements` elements of the fill value: `fill` holds one element, `None` means zeros or empty texts.
///
/// ```
/// use thermocline_model::{ArrayBytes, ByteOrder, DataType};
///
/// let dtype = DataType::UInt { size: 2, order: ByteOrder::Little };
/// let fill = ArrayBytes::Fixed(vec![9, 0]);
/// let chunk = thermocline_codec::fill_chunk(&dtype, Some(&fill), 2);
/// assert_eq!(chunk, ArrayBytes::Fixed(vec![9, 0, 9, 0]));
/// ```
pub fn fill_chunk(dtype: &DataType, fill: Option<&ArrayBytes>, n_elements: usize) -> ArrayBytes {
    match dtype.len_bytes() {
        None => {
            let text = match fill {
                Some(ArrayBytes::Texts(texts)) => texts.first().cloned().unwrap_or_default(),
                _ => String::new(),
            };
            ArrayBytes::Texts(vec![text; n_elements])
        }
        Some(size) => match fill {
            Some(ArrayBytes::Fixed(value)) if value.len() == size && value.iter().any(|byte| *byte != 0) => {
                ArrayBytes::Fixed(value.repeat(n_elements))
            }
            _ => ArrayBytes::Fixed(vec![0; size.saturating_mul(n_elements)]),
        },
    }
}
