//! Boxes of elements inside arrays in C order.

use thermocline_model::ArrayBytes;

use crate::CodecError;

/// Copies a box of elements from one array into another.
///
/// The box begins at `src_start` in the source and at `dst_start` in the target; all shapes and
/// starts have one length a dimension, in elements. Both arrays are of one kind; `element_size` is
/// the size of an element in bytes and does not matter for texts.
///
/// ```
/// use thermocline_codec::region::copy_box;
/// use thermocline_model::ArrayBytes;
///
/// let source = ArrayBytes::Fixed(vec![1, 2, 3, 4, 5, 6]);
/// let mut target = ArrayBytes::Fixed(vec![0; 4]);
/// copy_box(&source, &[2, 3], &[0, 1], &mut target, &[2, 2], &[0, 0], &[2, 2], 1)?;
/// assert_eq!(target, ArrayBytes::Fixed(vec![2, 3, 5, 6]));
/// # Ok::<(), thermocline_codec::CodecError>(())
/// ```
///
/// # Errors
/// [`CodecError::Corrupt`] when the box leaves an array, an array does not have the elements of its
/// shape, or the arrays are of two kinds.
#[expect(clippy::too_many_arguments, reason = "two arrays, each with its shape and start, and one box")]
pub fn copy_box(
    src: &ArrayBytes,
    src_shape: &[u64],
    src_start: &[u64],
    dst: &mut ArrayBytes,
    dst_shape: &[u64],
    dst_start: &[u64],
    copy_shape: &[u64],
    element_size: usize,
) -> Result<(), CodecError> {
    let from = Side::new(src_shape, src_start, copy_shape)?;
    let to = Side::new(dst_shape, dst_start, copy_shape)?;
    let runs = Runs::new(&from, &to, copy_shape);
    match (src, dst) {
        (ArrayBytes::Fixed(src), ArrayBytes::Fixed(dst)) => {
            has_elements(src.len(), from.n_elements, element_size)?;
            has_elements(dst.len(), to.n_elements, element_size)?;
            runs.each(|source, target, len| {
                let (source, target, len) =
                    (source * element_size, target * element_size, len * element_size);
                if let (Some(source), Some(target)) =
                    (src.get(source..source + len), dst.get_mut(target..target + len))
                {
                    target.copy_from_slice(source);
                }
            });
        }
        (ArrayBytes::Texts(src), ArrayBytes::Texts(dst)) => {
            has_elements(src.len(), from.n_elements, 1)?;
            has_elements(dst.len(), to.n_elements, 1)?;
            runs.each(|source, target, len| {
                if let (Some(source), Some(target)) =
                    (src.get(source..source + len), dst.get_mut(target..target + len))
                {
                    target.clone_from_slice(source);
                }
            });
        }
        _ => return Err(CodecError::corrupt("texts cannot be copied into numbers, nor numbers into texts")),
    }
    Ok(())
}

/// Number of elements of a shape.
///
/// # Errors
/// [`CodecError::TooLarge`] beyond what memory can address.
pub fn n_elements(shape: &[u64]) -> Result<usize, CodecError> {
    len_bytes(shape, 1)
}

/// Number of bytes of an array.
///
/// # Errors
/// [`CodecError::TooLarge`] beyond what memory can address.
pub fn len_bytes(shape: &[u64], element_size: usize) -> Result<usize, CodecError> {
    // A length of 0 makes the product 0, however large the other lengths are.
    if shape.contains(&0) || element_size == 0 {
        return Ok(0);
    }
    let product = shape.iter().try_fold(element_size, |product, length| {
        product
            .checked_mul(usize::try_from(*length).ok()?)
            .filter(|product| isize::try_from(*product).is_ok())
    });
    product.ok_or_else(|| CodecError::TooLarge {
        message: format!("an array of shape {shape:?} of elements of {element_size} bytes is too large"),
    })
}

/// Moves a position in C order to the next one; after the last it is the first again.
pub(crate) fn advance(index: &mut [u64], shape: &[u64]) {
    for (position, length) in index.iter_mut().zip(shape).rev() {
        *position += 1;
        if *position < *length {
            return;
        }
        *position = 0;
    }
}

fn has_elements(len: usize, n_elements: usize, element_size: usize) -> Result<(), CodecError> {
    if n_elements.checked_mul(element_size) == Some(len) {
        return Ok(());
    }
    Err(CodecError::corrupt(format!(
        "an array of {n_elements} elements of {element_size} bytes has {len} bytes"
    )))
}

/// One of the arrays: where the box begins in it, and how far apart neighbours are.
struct Side {
    n_elements: usize,
    first: usize,
    strides: Vec<usize>,
}

impl Side {
    fn new(shape: &[u64], start: &[u64], copied: &[u64]) -> Result<Self, CodecError> {
        let fits = shape.len() == start.len()
            && shape.len() == copied.len()
            && shape.iter().zip(start.iter().zip(copied)).all(|(length, (start, copied))| {
                start.checked_add(*copied).is_some_and(|end| end <= *length)
            });
        if !fits {
            return Err(CodecError::corrupt(format!(
                "a box of {copied:?} at {start:?} does not lie in an array of {shape:?}"
            )));
        }
        let n_elements = n_elements(shape)?;
        let mut strides = vec![0; shape.len()];
        let (mut stride, mut first) = (1_usize, 0_usize);
        // Wrapping only matters for arrays without elements, of which nothing is copied.
        for (i, (length, start)) in shape.iter().zip(start).enumerate().rev() {
            strides[i] = stride;
            first = first.wrapping_add((*start as usize).wrapping_mul(stride));
            stride = stride.wrapping_mul(*length as usize);
        }
        Ok(Self { n_elements, first, strides })
    }
}

/// The runs of elements that lie side by side in both arrays.
struct Runs {
    run_len: usize,
    /// Axes outside a run, outermost first: length, and strides in source and target.
    axes: Vec<(usize, usize, usize)>,
    first: (usize, usize),
    is_empty: bool,
}

impl Runs {
    fn new(from: &Side, to: &Side, copied: &[u64]) -> Self {
        let mut axes: Vec<(usize, usize, usize)> = copied
            .iter()
            .zip(from.strides.iter().zip(&to.strides))
            .map(|(length, (source, target))| (*length as usize, *source, *target))
            .filter(|(length, _, _)| *length != 1)
            .collect();
        let mut run_len = 1;
        // The innermost axes that are whole in both arrays are one run.
        while let Some((length, source, target)) = axes.last().copied()
            && source == run_len
            && target == run_len
        {
            run_len *= length;
            axes.pop();
        }
        Self { run_len, axes, first: (from.first, to.first), is_empty: copied.contains(&0) }
    }

    /// Calls `copy` with the first element in source and target and the length of every run.
    fn each(&self, mut copy: impl FnMut(usize, usize, usize)) {
        if !self.is_empty {
            self.descend(&self.axes, self.first, &mut copy);
        }
    }

    fn descend(
        &self,
        axes: &[(usize, usize, usize)],
        (source, target): (usize, usize),
        copy: &mut impl FnMut(usize, usize, usize),
    ) {
        let Some(((length, source_stride, target_stride), inner)) = axes.split_first() else {
            return copy(source, target, self.run_len);
        };
        for i in 0..*length {
            self.descend(inner, (source + i * source_stride, target + i * target_stride), copy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, one element after another.
    fn plain_copy(
        src: (&[u8], &[u64], &[u64]),
        dst: (&mut [u8], &[u64], &[u64]),
        copied: &[u64],
        element_size: usize,
    ) {
        let n: u64 = copied.iter().product();
        let mut index = vec![0; copied.len()];
        for _ in 0..n {
            let linear = |shape: &[u64], start: &[u64]| {
                shape
                    .iter()
                    .zip(start.iter().zip(&index))
                    .fold(0, |linear, (length, (start, i))| linear * length + start + i)
                    as usize
                    * element_size
            };
            let (from, to) = (linear(src.1, src.2), linear(dst.1, dst.2));
            dst.0[to..to + element_size].copy_from_slice(&src.0[from..from + element_size]);
            advance(&mut index, copied);
        }
    }

    /// For up to four dimensions: length of the box, then room before and behind it in both arrays.
    fn axes() -> impl Strategy<Value = Vec<[u64; 5]>> {
        proptest::collection::vec([0_u64..4, 0..3, 0..3, 0..3, 0..3], 0..5)
    }

    proptest! {
        #[test]
        fn it_is_the_plain_definition(axes in axes(), element_size in 1_usize..4) {
            let of = |f: fn(&[u64; 5]) -> u64| axes.iter().map(f).collect::<Vec<u64>>();
            let copied = of(|a| a[0]);
            let (src_shape, src_start) = (of(|a| a[0] + a[1] + a[2]), of(|a| a[1]));
            let (dst_shape, dst_start) = (of(|a| a[0] + a[3] + a[4]), of(|a| a[3]));
            let len = |shape: &[u64]| len_bytes(shape, element_size).unwrap();
            let src: Vec<u8> = (0..len(&src_shape)).map(|i| i as u8 | 1).collect();
            let mut expected = vec![0; len(&dst_shape)];
            plain_copy((&src, &src_shape, &src_start), (&mut expected, &dst_shape, &dst_start), &copied, element_size);
            let mut dst = ArrayBytes::Fixed(vec![0; len(&dst_shape)]);
            copy_box(
                &ArrayBytes::Fixed(src), &src_shape, &src_start,
                &mut dst, &dst_shape, &dst_start, &copied, element_size,
            ).unwrap();
            prop_assert_eq!(dst, ArrayBytes::Fixed(expected));
        }
    }

    #[test]
    fn texts_are_copied_like_numbers() {
        let texts = |texts: &[&str]| ArrayBytes::Texts(texts.iter().map(ToString::to_string).collect());
        let mut target = texts(&["", "", ""]);
        copy_box(&texts(&["a", "b", "c", "d"]), &[2, 2], &[0, 1], &mut target, &[3, 1], &[1, 0], &[2, 1], 99)
            .unwrap();
        assert_eq!(target, texts(&["", "b", "d"]));
    }

    #[test]
    fn a_box_outside_an_array_is_refused() {
        let array = ArrayBytes::Fixed(vec![0; 4]);
        let mut target = array.clone();
        for (start, copied) in [(&[3][..], &[2][..]), (&[u64::MAX], &[1]), (&[0, 0], &[1, 1]), (&[], &[])] {
            let copy = copy_box(&array, &[4], start, &mut target, &[4], &[0], copied, 1);
            assert!(copy.is_err(), "{start:?} {copied:?}");
        }
        assert!(copy_box(&array, &[5], &[0], &mut target, &[4], &[0], &[1], 1).is_err());
    }

    #[test]
    fn a_scalar_is_copied() {
        let mut target = ArrayBytes::Fixed(vec![0; 2]);
        copy_box(&ArrayBytes::Fixed(vec![7, 8]), &[], &[], &mut target, &[], &[], &[], 2).unwrap();
        assert_eq!(target, ArrayBytes::Fixed(vec![7, 8]));
    }
}
