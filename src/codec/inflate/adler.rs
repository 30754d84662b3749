//! Adler-32: RFC 1950, section 8.2.

use multiversion::multiversion;

/// The checksum of nothing.
pub(super) const START: u32 = 1;

const PRIME: u64 = 65_521;

/// Bytes whose sums are kept apart, for wide instructions.
const LANES: usize = 64;

/// Rows of lanes whose sums, and sums of sums, fit into 16 bits: 255 · 22 · 21 / 2 < 2^16.
const ROWS: usize = 22;

/// Bytes before the sum of sums might overflow 64 bits, by far.
const PIECE: usize = LANES * ROWS * 32;

/// The checksum of what gave `before` and of `bytes` behind it.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
pub(super) fn of(before: u32, bytes: &[u8]) -> u32 {
    let (mut sum, mut sums) = (u64::from(before & 0xffff), u64::from(before >> 16));
    for piece in bytes.chunks(PIECE) {
        let (rows, rest) = piece.as_chunks::<LANES>();
        for rows in rows.chunks(ROWS) {
            let mut lane_sum = [0_u16; LANES];
            // Of each lane, the sums before each row.
            let mut lane_sums = [0_u16; LANES];
            for row in rows {
                for ((sums, sum), byte) in lane_sums.iter_mut().zip(&mut lane_sum).zip(row) {
                    *sums += *sum;
                    *sum += u16::from(*byte);
                }
            }
            let (mut all, mut weighted, mut all_sums) = (0_u32, 0_u32, 0_u32);
            for (lane, (sums, sum)) in lane_sums.iter().zip(&lane_sum).enumerate() {
                all += u32::from(*sum);
                weighted += u32::from(*sum) * (LANES - lane) as u32;
                all_sums += u32::from(*sums);
            }
            sums +=
                sum * (rows.len() * LANES) as u64 + u64::from(all_sums) * LANES as u64 + u64::from(weighted);
            sum += u64::from(all);
        }
        for byte in rest {
            sum += u64::from(*byte);
            sums += sum;
        }
        sum %= PRIME;
        sums %= PRIME;
    }
    (sums << 16 | sum) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(before: u32, bytes: &[u8]) -> u32 {
        let (mut sum, mut sums) = (u64::from(before & 0xffff), u64::from(before >> 16));
        for byte in bytes {
            sum = (sum + u64::from(*byte)) % PRIME;
            sums = (sums + sum) % PRIME;
        }
        (sums << 16 | sum) as u32
    }

    #[test]
    fn the_largest_sums_do_not_overflow() {
        let bytes = vec![255; 3 * PIECE - 1];
        let most = 65_520 << 16 | 65_520;
        assert_eq!(of(most, &bytes), plain(most, &bytes));
    }

    proptest! {
        #[test]
        fn it_is_the_plain_definition(bytes in proptest::collection::vec(any::<u8>(), 0..2000), cut in 0_usize..2000) {
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(of(START, &bytes), plain(START, &bytes));
            prop_assert_eq!(of(of(START, first), second), plain(START, &bytes));
        }
    }
}
