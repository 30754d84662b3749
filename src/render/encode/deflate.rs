//! Bytes compressed by several threads at once.
//!
//! The bytes are cut into pieces of a fixed length, each compressed for itself and ended so that the next can follow.
//! The result is the same on any number of threads.
//!
//! # Specification
//! RFC 1950 (zlib) and RFC 1951 (deflate).

use flate2::{Compress, Compression, FlushCompress, Status};
use rayon::prelude::*;

use super::failed;
use crate::{Error, Result};

/// The header of a zlib stream: deflate with a window of 32 KiB, no dictionary.
const HEADER: [u8; 2] = [0x78, 0x01];

/// The modulus of Adler-32: the largest prime below 2¹⁶.
const MODULUS: u64 = 65_521;

/// The zlib stream of pieces in order. `piece` makes the bytes of each.
pub(super) fn zlib(n_pieces: usize, level: u32, piece: impl Fn(usize) -> Vec<u8> + Sync) -> Result<Vec<u8>> {
    let compressed: Result<Vec<Piece>> = (0..n_pieces)
        .into_par_iter()
        .map(|number| Piece::of(&piece(number), level, number + 1 == n_pieces))
        .collect();
    let mut stream = HEADER.to_vec();
    let mut sum = Sum { a: 1, b: 0, n_bytes: 0 };
    for piece in compressed? {
        stream.extend_from_slice(&piece.bytes);
        sum = sum.followed_by(&piece.sum);
    }
    stream.extend_from_slice(&((sum.b << 16 | sum.a) as u32).to_be_bytes());
    Ok(stream)
}

struct Piece {
    bytes: Vec<u8>,
    sum: Sum,
}

impl Piece {
    fn of(bytes: &[u8], level: u32, is_last: bool) -> Result<Self> {
        let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
        let mut compress = Compress::new(Compression::new(level), false);
        let mut compressed = Vec::with_capacity(bytes.len() / 4 + 64);
        loop {
            let taken = usize::try_from(compress.total_in()).map_err(failed)?;
            let rest = bytes.get(taken..).unwrap_or(&[]);
            let status = compress.compress_vec(rest, &mut compressed, flush).map_err(failed)?;
            // Room that is left means that everything is out.
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => compress.total_in() == bytes.len() as u64 && compressed.len() < compressed.capacity(),
            };
            if is_done {
                return Ok(Self { bytes: compressed, sum: Sum::of(bytes) });
            }
            if compressed.len() > bytes.len() * 2 + 1024 {
                return Err(Error::Encode("compression does not end".into()));
            }
            compressed.reserve(bytes.len() / 4 + 64);
        }
    }
}

/// Adler-32 of some bytes, and how many they are.
struct Sum {
    a: u64,
    b: u64,
    n_bytes: u64,
}

impl Sum {
    fn of(bytes: &[u8]) -> Self {
        let sum = u64::from(adler2::adler32_slice(bytes));
        Self { a: sum & 0xffff, b: sum >> 16, n_bytes: bytes.len() as u64 }
    }

    /// The sum of these bytes and those that follow.
    fn followed_by(&self, next: &Self) -> Self {
        // Each following byte adds what a was before it to b; a starts from 1 in both.
        let a = (self.a + next.a + MODULUS - 1) % MODULUS;
        let carried = next.n_bytes % MODULUS * ((self.a + MODULUS - 1) % MODULUS);
        let b = (self.b + next.b + carried) % MODULUS;
        Self { a, b, n_bytes: self.n_bytes + next.n_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_parts_make_the_sum_of_the_whole() {
        let bytes: Vec<u8> =
            (0..200_000_u32).map(|number| (number.wrapping_mul(number) >> 7) as u8).collect();
        let whole = Sum::of(&bytes);

        for cut in [0, 1, 65_521, 65_522, 199_999, 200_000] {
            let (first, second) = bytes.split_at(cut);
            let sum = Sum::of(first).followed_by(&Sum::of(second));
            assert_eq!((sum.a, sum.b), (whole.a, whole.b), "{cut}");
        }
    }
}
