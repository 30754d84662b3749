//! Byte shuffling: the bytes of all elements regrouped by their position in the element.
//!
//! # Source
//! HDF5 library, `H5Zshuffle.c`: bytes after the last whole element stay where they are.

use multiversion::multiversion;

use crate::spare;

/// Elements that are moved at a time, so that both sides stay in the cache.
const TILE: usize = 512;

/// Regroups the bytes of elements: first the first byte of each, then the second, and so on.
///
/// Bytes after the last whole element are copied. An element size of 0 or 1 copies everything.
///
/// ```
/// assert_eq!(thermocline_codec::shuffle(&[1, 2, 3, 4, 9], 2), [1, 3, 2, 4, 9]);
/// ```
pub fn shuffle(bytes: &[u8], element_size: usize) -> Vec<u8> {
    let mut out = spare::take_filled(bytes.len(), 0);
    shuffle_into(bytes, &mut out, element_size);
    out
}

/// Undoes [`shuffle`].
///
/// ```
/// assert_eq!(thermocline_codec::unshuffle(&[1, 3, 2, 4, 9], 2), [1, 2, 3, 4, 9]);
/// ```
pub fn unshuffle(bytes: &[u8], element_size: usize) -> Vec<u8> {
    let mut out = spare::take_filled(bytes.len(), 0);
    unshuffle_into(bytes, &mut out, element_size);
    out
}

/// Shuffles `bytes` into `out`, which has the same length.
pub(crate) fn shuffle_into(bytes: &[u8], out: &mut [u8], element_size: usize) {
    let Some(n_elements) = whole_elements(bytes.len(), element_size) else {
        return out.copy_from_slice(bytes);
    };
    let (elements, rest) = bytes.split_at(n_elements * element_size);
    let (planes, out_rest) = out.split_at_mut(n_elements * element_size);
    out_rest.copy_from_slice(rest);
    match element_size {
        2 => split_planes::<2>(elements, planes, n_elements),
        4 => split_planes::<4>(elements, planes, n_elements),
        8 => split_planes::<8>(elements, planes, n_elements),
        _ => split_any(elements, planes, element_size),
    }
}

/// Unshuffles `bytes` into `out`, which has the same length.
pub(crate) fn unshuffle_into(bytes: &[u8], out: &mut [u8], element_size: usize) {
    let Some(n_elements) = whole_elements(bytes.len(), element_size) else {
        return out.copy_from_slice(bytes);
    };
    let (planes, rest) = bytes.split_at(n_elements * element_size);
    let (elements, out_rest) = out.split_at_mut(n_elements * element_size);
    out_rest.copy_from_slice(rest);
    match element_size {
        2 => join_planes::<2>(planes, elements, n_elements),
        4 => join_planes::<4>(planes, elements, n_elements),
        8 => join_planes::<8>(planes, elements, n_elements),
        _ => join_any(planes, elements, element_size),
    }
}

/// How many elements there are; `None` if there is nothing to regroup.
fn whole_elements(len: usize, element_size: usize) -> Option<usize> {
    let n_elements = len.checked_div(element_size)?;
    (element_size > 1 && n_elements > 1).then_some(n_elements)
}

/// Elements of `N` bytes into `N` planes.
fn split_planes<const N: usize>(elements: &[u8], planes: &mut [u8], n_elements: usize) {
    let (elements, _) = elements.as_chunks::<N>();
    for (tile, elements) in elements.chunks(TILE).enumerate() {
        for (byte, plane) in planes.chunks_exact_mut(n_elements).enumerate().take(N) {
            let plane = &mut plane[tile * TILE..][..elements.len()];
            for (out, element) in plane.iter_mut().zip(elements) {
                *out = element[byte];
            }
        }
    }
}

/// `N` planes into elements of `N` bytes.
#[multiversion(targets("x86_64+avx2"))]
fn join_planes<const N: usize>(planes: &[u8], elements: &mut [u8], n_elements: usize) {
    let planes: [&[u8]; N] = std::array::from_fn(|byte| &planes[byte * n_elements..][..n_elements]);
    let (elements, _) = elements.as_chunks_mut::<N>();
    for (i, element) in elements.iter_mut().enumerate() {
        *element = std::array::from_fn(|byte| planes[byte][i]);
    }
}

fn split_any(elements: &[u8], planes: &mut [u8], element_size: usize) {
    let n_elements = elements.len() / element_size;
    for (tile, elements) in elements.chunks(TILE * element_size).enumerate() {
        for (byte, plane) in planes.chunks_exact_mut(n_elements).enumerate() {
            let plane = &mut plane[tile * TILE..][..elements.len() / element_size];
            for (out, element) in plane.iter_mut().zip(elements.chunks_exact(element_size)) {
                *out = element[byte];
            }
        }
    }
}

fn join_any(planes: &[u8], elements: &mut [u8], element_size: usize) {
    let n_elements = elements.len() / element_size;
    for (tile, elements) in elements.chunks_mut(TILE * element_size).enumerate() {
        for (byte, plane) in planes.chunks_exact(n_elements).enumerate() {
            let plane = &plane[tile * TILE..][..elements.len() / element_size];
            for (value, element) in plane.iter().zip(elements.chunks_exact_mut(element_size)) {
                element[byte] = *value;
            }
        }
    }
}

/// Turns the byte order of every element around. Bytes after the last whole element stay.
///
/// ```
/// let mut bytes = [1, 2, 3, 4];
/// thermocline_codec::swap_byte_order(&mut bytes, 2);
/// assert_eq!(bytes, [2, 1, 4, 3]);
/// ```
pub fn swap_byte_order(bytes: &mut [u8], element_size: usize) {
    match element_size {
        0 | 1 => {}
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|element| element.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|element| element.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|element| element.reverse()),
        _ => bytes.chunks_exact_mut(element_size).for_each(<[u8]>::reverse),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, one byte after another.
    fn plain_shuffle(bytes: &[u8], element_size: usize) -> Vec<u8> {
        let n_elements = bytes.len() / element_size;
        let mut out = bytes.to_vec();
        for element in 0..n_elements {
            for byte in 0..element_size {
                out[byte * n_elements + element] = bytes[element * element_size + byte];
            }
        }
        out
    }

    #[test]
    fn a_size_that_does_not_divide_the_length_leaves_the_rest_in_place() {
        assert_eq!(shuffle(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 4), [1, 5, 2, 6, 3, 7, 4, 8, 9]);
    }

    #[test]
    fn an_element_size_of_zero_or_one_changes_nothing() {
        for element_size in [0, 1] {
            assert_eq!(shuffle(&[1, 2, 3], element_size), [1, 2, 3]);
            assert_eq!(unshuffle(&[1, 2, 3], element_size), [1, 2, 3]);
        }
    }

    proptest! {
        #[test]
        fn it_is_the_plain_definition(
            bytes in proptest::collection::vec(any::<u8>(), 0..6000),
            element_size in 1_usize..20,
        ) {
            let shuffled = shuffle(&bytes, element_size);
            prop_assert_eq!(&shuffled, &plain_shuffle(&bytes, element_size));
            prop_assert_eq!(unshuffle(&shuffled, element_size), bytes);
        }

        #[test]
        fn swapping_twice_changes_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..99), size in 0_usize..12) {
            let mut swapped = bytes.clone();
            swap_byte_order(&mut swapped, size);
            swap_byte_order(&mut swapped, size);
            prop_assert_eq!(swapped, bytes);
        }
    }
}
