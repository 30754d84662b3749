//! Inflates zlib streams of known length, several tokens at a time.
//!
//! Floats that were shuffled deflate into short tokens in no order: literals, and matches of three or four bytes. Whoever takes
//! one after the other waits for one table, or for two, and mispredicts every third branch. Here one look-up gives up to two
//! literals and the match behind them, which are written without asking what is there. On such data this takes 0.55 of
//! libdeflate's time, where there are hardly any short matches up to 1.4 of it: such streams are seen and left.
//!
//! # Source
//! RFC 1950 and RFC 1951.
//!
//! # Limits
//! Nothing says what is wrong with a stream: the caller asks another decoder. Preset dictionaries are refused. Tables are made
//! for each block, which takes some microseconds: short streams are better given to others.

mod adler;
mod code;
mod reader;
mod tables;
mod tokens;

use reader::Reader;
use tables::{Lengths, Tables};
use tokens::Tally;

/// Most literals and lengths, most distances: RFC 1951, section 3.2.7.
const MAX_LITERALS: usize = 286;
const MAX_DISTANCES: usize = 30;

/// Blocks that may be short, and what those of a stream of more give on average at least, in bytes: tables take their time.
const MAX_SHORT_BLOCKS: usize = 64;
const MIN_BLOCK_BYTES: usize = 1024;

/// The stream is left to other decoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// The tables of a block, to be used for the next.
#[derive(Default)]
pub(crate) struct Inflater {
    tables: Tables,
    lengths: Lengths,
}

impl Inflater {
    /// Fills `out` with the zlib stream at the start of `stored`. Bytes behind the stream have no meaning.
    ///
    /// # Errors
    /// [`Refused`] if it is no zlib stream, is damaged, has another length, is of very short blocks, or is seen not to be suited
    /// before its half; `out` then holds anything.
    pub(crate) fn zlib(&mut self, stored: &[u8], out: &mut [u8]) -> Result<(), Refused> {
        let (head, deflated) = stored.split_first_chunk::<2>().ok_or(Refused)?;
        check_head(*head)?;
        let mut reader = Reader::new(deflated);
        let mut checksum = adler::START;
        let mut tally = Tally::default();
        let (mut len, mut n_blocks) = (0, 0);
        loop {
            let is_last = reader.take(1)? == 1;
            let before = len;
            len = self.block(&mut reader, out, len, &mut tally)?;
            checksum = adler::of(checksum, out.get(before..len).ok_or(Refused)?);
            if is_last {
                break;
            }
            n_blocks += 1;
            let are_short = n_blocks > MAX_SHORT_BLOCKS && len / n_blocks < MIN_BLOCK_BYTES;
            if are_short || (len < out.len() / 2 && tally.is_unsuited()) {
                return Err(Refused);
            }
        }
        let trailer = reader.bytes().first_chunk::<4>().ok_or(Refused)?;
        let is_whole = len == out.len() && u32::from_be_bytes(*trailer) == checksum;
        if is_whole { Ok(()) } else { Err(Refused) }
    }

    /// Inflates one block behind the first `len` bytes of `out`; gives how many there are then.
    fn block(
        &mut self,
        reader: &mut Reader<'_>,
        out: &mut [u8],
        len: usize,
        tally: &mut Tally,
    ) -> Result<usize, Refused> {
        match reader.take(2)? {
            0 => return copy_stored(reader, out, len),
            1 => self.lengths.set_fixed(),
            2 => self.lengths.read(reader)?,
            _ => return Err(Refused),
        }
        self.tables.build(&self.lengths)?;
        tokens::inflate(&self.tables, reader, out, len, tally)
    }
}

/// RFC 1950, section 2.2: deflate, a window of 32 KiB at most, no dictionary.
fn check_head(head: [u8; 2]) -> Result<(), Refused> {
    let [method, flags] = head;
    let is_deflate = method & 0x0f == 8 && method >> 4 <= 7 && flags & 0x20 == 0;
    if is_deflate && u16::from_be_bytes(head).is_multiple_of(31) { Ok(()) } else { Err(Refused) }
}

/// RFC 1951, section 3.2.4.
fn copy_stored(reader: &mut Reader<'_>, out: &mut [u8], len: usize) -> Result<usize, Refused> {
    let (head, rest) = reader.bytes().split_first_chunk::<4>().ok_or(Refused)?;
    let [low, high, not_low, not_high] = *head;
    if [low, high] != [!not_low, !not_high] {
        return Err(Refused);
    }
    let n_bytes = usize::from(u16::from_le_bytes([low, high]));
    let end = len + n_bytes;
    let to = out.get_mut(len..end).ok_or(Refused)?;
    to.copy_from_slice(rest.get(..n_bytes).ok_or(Refused)?);
    reader.skip_to(rest.get(n_bytes..).ok_or(Refused)?);
    Ok(end)
}

#[cfg(test)]
mod tests;
