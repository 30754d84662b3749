//! A box out of an array in C order.

use std::ops::Range;

use thermocline_model::{ArrayBytes, DataType};

/// The values of a box of an array of `shape`, in C order; `None` if the box does not lie in it, or the values are others.
pub(super) fn cut(
    values: &ArrayBytes,
    dtype: &DataType,
    shape: &[u64],
    part: &[Range<u64>],
) -> Option<ArrayBytes> {
    let n = usize::try_from(product(shape.iter().copied())?).ok()?;
    let runs = Runs::of(shape, part)?;
    match values {
        ArrayBytes::Fixed(bytes) => {
            let size = dtype.len_bytes()?;
            if bytes.len() != n.checked_mul(size)? {
                return None;
            }
            let mut cut = Vec::with_capacity(runs.n_elements.checked_mul(size)?);
            runs.each(|run| {
                cut.extend_from_slice(bytes.get(run.start * size..run.end * size)?);
                Some(())
            })?;
            Some(ArrayBytes::Fixed(cut))
        }
        ArrayBytes::Texts(texts) => {
            if texts.len() != n {
                return None;
            }
            let mut cut = Vec::with_capacity(runs.n_elements);
            runs.each(|run| {
                cut.extend_from_slice(texts.get(run)?);
                Some(())
            })?;
            Some(ArrayBytes::Texts(cut))
        }
    }
}

/// How many elements a box has; `None` beyond 64 bits.
pub(super) fn product(lens: impl IntoIterator<Item = u64>) -> Option<u64> {
    lens.into_iter().try_fold(1_u64, u64::checked_mul)
}

/// True if a box lies in an array of that shape and is not empty.
pub(super) fn lies_in(shape: &[u64], part: &[Range<u64>]) -> bool {
    let is_in = |(len, range): (&u64, &Range<u64>)| range.start < range.end && range.end <= *len;
    shape.len() == part.len() && shape.iter().zip(part).all(is_in)
}

/// The runs of elements that lie side by side in both the array and the box.
struct Runs {
    /// Along each axis but the last: steps from one element to the next, and how many of them are taken.
    outer: Vec<(usize, usize)>,
    first: usize,
    len: usize,
    n_elements: usize,
}

impl Runs {
    fn of(shape: &[u64], part: &[Range<u64>]) -> Option<Self> {
        if !lies_in(shape, part) {
            return None;
        }
        let (mut stride, mut first, mut outer) = (1_u64, 0_u64, Vec::new());
        for (len, range) in shape.iter().zip(part).rev() {
            first = first.checked_add(range.start.checked_mul(stride)?)?;
            outer.push((usize::try_from(stride).ok()?, usize::try_from(range.end - range.start).ok()?));
            stride = stride.checked_mul(*len)?;
        }
        let n_elements = usize::try_from(product(part.iter().map(|range| range.end - range.start))?).ok()?;
        let len = if outer.is_empty() { 1 } else { outer.remove(0).1 };
        outer.reverse();
        Some(Self { outer, first: usize::try_from(first).ok()?, len, n_elements })
    }

    /// Calls `take` for each run, in the order of the box.
    fn each(&self, mut take: impl FnMut(Range<usize>) -> Option<()>) -> Option<()> {
        let mut at = vec![0_usize; self.outer.len()];
        let mut start = self.first;
        loop {
            take(start..start + self.len)?;
            let mut axis = self.outer.len();
            loop {
                if axis == 0 {
                    return Some(());
                }
                axis -= 1;
                let (position, (stride, n)) = (at.get_mut(axis)?, *self.outer.get(axis)?);
                *position += 1;
                start += stride;
                if *position < n {
                    break;
                }
                start -= stride * n;
                *position = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTE: DataType = DataType::Bool;

    fn bytes(values: impl IntoIterator<Item = u8>) -> ArrayBytes {
        ArrayBytes::Fixed(values.into_iter().collect())
    }

    #[test]
    fn a_box_is_cut_in_its_own_order() {
        let values = bytes(0..24);
        assert_eq!(cut(&values, &BYTE, &[2, 3, 4], &[1..2, 0..2, 1..3]), Some(bytes([13, 14, 17, 18])));
        assert_eq!(cut(&values, &BYTE, &[24], std::slice::from_ref(&(22..24))), Some(bytes([22, 23])));
        assert_eq!(cut(&values, &BYTE, &[2, 3, 4], &[0..2, 0..3, 0..4]), Some(values));
        assert_eq!(cut(&bytes([7]), &BYTE, &[], &[]), Some(bytes([7])), "a scalar");
        let texts = ArrayBytes::Texts(vec!["a".into(), "b".into(), "c".into()]);
        let cut_texts = cut(&texts, &DataType::String, &[3], std::slice::from_ref(&(1..3)));
        assert_eq!(cut_texts, Some(ArrayBytes::Texts(vec!["b".into(), "c".into()])));
    }

    #[test]
    fn what_does_not_lie_in_the_array_is_nothing() {
        let values = bytes(0..6);
        let boxes: [&[Range<u64>]; 5] = [
            &[0..2, 0..4],
            std::slice::from_ref(&(0..2)),
            &[1..1, 0..1],
            &[0..2, 0..3, 0..1],
            &[0..u64::MAX, 0..1],
        ];
        for part in boxes {
            assert_eq!(cut(&values, &BYTE, &[2, 3], part), None, "{part:?}");
        }
        assert_eq!(cut(&values, &BYTE, &[2, 4], &[0..1, 0..1]), None, "values of another shape");
        assert_eq!(cut(&values, &BYTE, &[u64::MAX, 3], &[0..1, 0..1]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_cell_is_that_of_its_place(
            lens in prop::collection::vec((1_u64..5, 0_u64..5, 1_u64..5), 0..4),
        ) {
            let shape: Vec<u64> = lens.iter().map(|(len, ..)| *len).collect();
            let part: Vec<Range<u64>> = lens
                .iter()
                .map(|(len, start, n)| { let start = start % len; start..(start + n).min(*len) })
                .collect();
            let n = shape.iter().product::<u64>();
            let values = bytes((0..n).map(|value| u8::try_from(value).unwrap()));
            let mut expected = vec![0_u64];
            for (len, range) in shape.iter().zip(&part) {
                expected = expected.iter().flat_map(|place| range.clone().map(move |at| place * len + at)).collect();
            }
            let expected = bytes(expected.into_iter().map(|value| u8::try_from(value).unwrap()));
            prop_assert_eq!(cut(&values, &BYTE, &shape, &part), Some(expected));
        }
    }
}
