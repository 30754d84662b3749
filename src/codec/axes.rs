//! Steps over the array itself: permuted axes and members of records.

use thermocline_model::ArrayBytes;

use crate::CodecError;
use crate::region::{self, advance};

/// The lengths of the stored axes: axis `order[i]` of the array is stored as axis `i`.
pub(crate) fn transposed_shape(shape: &[u64], order: &[usize]) -> Result<Vec<u64>, CodecError> {
    let mut seen = vec![false; shape.len()];
    let stored: Option<Vec<u64>> = order
        .iter()
        .map(|axis| {
            let seen = seen.get_mut(*axis).filter(|seen| !**seen)?;
            *seen = true;
            shape.get(*axis).copied()
        })
        .collect();
    stored.filter(|stored| stored.len() == shape.len()).ok_or_else(|| {
        CodecError::corrupt(format!("{order:?} does not permute the {} axes of the chunk", shape.len()))
    })
}

/// Brings the array's axes into the order of storage.
pub(crate) fn transpose(array: ArrayBytes, shape: &[u64], order: &[usize]) -> Result<ArrayBytes, CodecError> {
    let stored_shape = transposed_shape(shape, order)?;
    let strides = strides(shape)?;
    let strides: Vec<usize> = order.iter().filter_map(|axis| strides.get(*axis).copied()).collect();
    gather(array, &stored_shape, &strides)
}

/// Undoes [`transpose`]; `shape` is that of the array, not of what is stored.
pub(crate) fn untranspose(
    array: ArrayBytes,
    shape: &[u64],
    order: &[usize],
) -> Result<ArrayBytes, CodecError> {
    let stored_strides = strides(&transposed_shape(shape, order)?)?;
    let mut strides_of_axes = vec![0; shape.len()];
    for (axis, stride) in order.iter().zip(stored_strides) {
        if let Some(of_axis) = strides_of_axes.get_mut(*axis) {
            *of_axis = stride;
        }
    }
    gather(array, shape, &strides_of_axes)
}

/// Number of elements between neighbours along each axis.
fn strides(shape: &[u64]) -> Result<Vec<usize>, CodecError> {
    (0..shape.len()).map(|axis| region::n_elements(shape.get(axis + 1..).unwrap_or_default())).collect()
}

/// The elements in C order of `shape`, found with `strides`.
fn gather(array: ArrayBytes, shape: &[u64], strides: &[usize]) -> Result<ArrayBytes, CodecError> {
    let n_elements = region::n_elements(shape)?;
    if n_elements == 0 {
        return Ok(array);
    }
    match array {
        ArrayBytes::Fixed(bytes) => {
            let element_size = bytes.len() / n_elements;
            let mut out = Vec::with_capacity(bytes.len());
            each_position(shape, strides, |position| {
                let start = position * element_size;
                out.extend_from_slice(bytes.get(start..start + element_size).unwrap_or_default());
            });
            Ok(ArrayBytes::Fixed(out))
        }
        ArrayBytes::Texts(mut texts) => {
            let mut out = Vec::with_capacity(texts.len());
            each_position(shape, strides, |position| {
                out.extend(texts.get_mut(position).map(std::mem::take));
            });
            Ok(ArrayBytes::Texts(out))
        }
    }
}

/// Calls `visit` with the place of each element, in C order of a shape without empty axes.
fn each_position(shape: &[u64], strides: &[usize], mut visit: impl FnMut(usize)) {
    let (Some((last, outer)), Some((last_stride, outer_strides))) =
        (shape.split_last(), strides.split_last())
    else {
        return visit(0);
    };
    let mut index = vec![0; outer.len()];
    for _ in 0..outer.iter().product::<u64>() {
        let start: usize = index.iter().zip(outer_strides).map(|(i, stride)| *i as usize * stride).sum();
        (0..*last as usize).for_each(|i| visit(start + i * last_stride));
        advance(&mut index, outer);
    }
}

/// The member at `offset` of `size` bytes of each record.
pub(crate) fn member(records: &[u8], record_size: usize, offset: usize, size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.len() / record_size.max(1) * size);
    for record in records.chunks_exact(record_size.max(1)) {
        out.extend_from_slice(record.get(offset..offset + size).unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_matrix_is_stored_column_by_column() {
        let array = ArrayBytes::Fixed(vec![1, 2, 3, 4, 5, 6]);
        let stored = ArrayBytes::Fixed(vec![1, 4, 2, 5, 3, 6]);
        assert_eq!(transpose(array.clone(), &[2, 3], &[1, 0]).unwrap(), stored);
        assert_eq!(untranspose(stored, &[2, 3], &[1, 0]).unwrap(), array);
    }

    #[test]
    fn axis_order_i_of_the_array_is_stored_as_axis_i() {
        // np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1).ravel()[:7]
        let array = ArrayBytes::Fixed((0..24).collect());
        let ArrayBytes::Fixed(stored) = transpose(array, &[2, 3, 4], &[2, 0, 1]).unwrap() else { panic!() };
        assert_eq!(stored[..7], [0, 4, 8, 12, 16, 20, 1]);
    }

    #[test]
    fn what_permutes_nothing_is_refused() {
        for order in [&[0][..], &[0, 0], &[0, 2], &[0, 1, 2]] {
            assert!(transposed_shape(&[2, 3], order).is_err(), "{order:?}");
        }
    }

    #[test]
    fn members_are_picked_out_of_records() {
        assert_eq!(member(&[1, 2, 3, 4, 5, 6], 3, 1, 2), [2, 3, 5, 6]);
    }

    proptest! {
        #[test]
        fn untransposing_undoes_transposing(
            (shape, order) in proptest::collection::vec(0_u64..5, 0..5).prop_flat_map(|shape| {
                let order: Vec<usize> = (0..shape.len()).collect();
                (Just(shape), Just(order).prop_shuffle())
            }),
        ) {
            let n = region::n_elements(&shape).unwrap();
            let array = ArrayBytes::Fixed((0..n * 2).map(|i| i as u8).collect());
            let stored = transpose(array.clone(), &shape, &order).unwrap();
            prop_assert_eq!(untranspose(stored, &shape, &order).unwrap(), array);
            let texts = ArrayBytes::Texts((0..n).map(|i| i.to_string()).collect());
            let stored = transpose(texts.clone(), &shape, &order).unwrap();
            prop_assert_eq!(untranspose(stored, &shape, &order).unwrap(), texts);
        }
    }
}
