//! Filters over the blocks of a chunk.

use crate::{CodecError, bitshuffle, shuffle};

/// A filter, as far as decoding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Bytes regrouped; of elements of the chunk's type size if it names none.
    Shuffle {
        /// Size of the elements in bytes.
        element_size: Option<usize>,
    },
    /// Bits regrouped.
    BitShuffle,
    /// Exclusive or with the first block.
    Delta,
}

impl Filter {
    /// The filter of a code in a header; `None` for an empty slot and where decoding changes nothing.
    pub(crate) fn parse(code: u8, parameter: u8) -> Option<Result<Self, CodecError>> {
        match code {
            // Truncated precision stays truncated.
            0 | 4 => None,
            1 => {
                let element_size = (parameter != 0).then_some(usize::from(parameter));
                Some(Ok(Self::Shuffle { element_size }))
            }
            2 => Some(Ok(Self::BitShuffle)),
            3 => Some(Ok(Self::Delta)),
            _ => Some(Err(CodecError::unsupported(format!("blosc filter {code} has no decoder")))),
        }
    }
}

/// Undoes the bit shuffling of one block. `out` has the length of `block`.
pub(crate) fn bit_unshuffle(block: &[u8], out: &mut [u8], type_size: usize, is_v2: bool) {
    let n_elements = block.len() / type_size;
    // Version 1 leaves a block alone whose elements do not fill whole bytes of bits.
    let n_shuffled = if is_v2 || n_elements.is_multiple_of(8) { n_elements / 8 * 8 } else { 0 };
    let (shuffled, rest) = block.split_at(n_shuffled * type_size);
    let (head, tail) = out.split_at_mut(shuffled.len());
    bitshuffle::untranspose(shuffled, head, type_size);
    tail.copy_from_slice(rest);
}

/// Undoes the byte shuffling of one block. `out` has the length of `block`.
pub(crate) fn byte_unshuffle(block: &[u8], out: &mut [u8], element_size: usize) {
    shuffle::unshuffle_into(block, out, element_size);
}

/// Undoes the delta filter of the first block: each element against the one before it.
pub(crate) fn undo_delta_of_first(block: &mut [u8], type_size: usize) {
    let step = delta_step(type_size);
    for i in step..block.len() {
        block[i] ^= block[i - step];
    }
}

/// Undoes the delta filter of another block: each byte against that of the first block.
pub(crate) fn undo_delta(block: &mut [u8], first: &[u8]) {
    for (byte, reference) in block.iter_mut().zip(first) {
        *byte ^= reference;
    }
}

/// Bytes that the delta filter takes at a time: it knows elements of 1, 2, 4 and 8 bytes.
fn delta_step(type_size: usize) -> usize {
    match type_size {
        1 | 2 | 4 | 8 => type_size,
        _ if type_size.is_multiple_of(8) => 8,
        _ => 1,
    }
}
