//! Damage as disks, networks and attackers do it, the same for the same seed.

/// A copy of `bytes` with a few damages chosen by `seed`: flipped bits, overwritten words, zeroed or
/// repeated blocks, a missing end.
pub fn mutate(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut mutant = bytes.to_vec();
    let n_damages = 1 + random.below(4);
    for _ in 0..n_damages {
        damage(&mut mutant, &mut random);
    }
    mutant
}

fn damage(mutant: &mut Vec<u8>, random: &mut Random) {
    if mutant.is_empty() {
        return;
    }
    let len = mutant.len();
    // Headers are small and everything depends on them: half of the damage falls on the first 2 KiB.
    let at = if random.below(2) == 0 { random.below(len.min(2048)) } else { random.below(len) };
    match random.below(8) {
        0..=2 => mutant[at] ^= 1 << random.below(8),
        3 => mutant[at] = random.next() as u8,
        4 => {
            let word = INTERESTING[random.below(INTERESTING.len())].to_le_bytes();
            let n_bytes = (1_usize << random.below(4)).min(len - at);
            mutant[at..at + n_bytes].copy_from_slice(&word[..n_bytes]);
        }
        5 => {
            let end = (at + 1 + random.below(64)).min(len);
            mutant[at..end].fill(0);
        }
        6 => {
            let n_bytes = random.below(64).min(len - at);
            let from = random.below(len - n_bytes + 1);
            let block = mutant[from..from + n_bytes].to_vec();
            mutant[at..at + n_bytes].copy_from_slice(&block);
        }
        _ => mutant.truncate(at.max(1)),
    }
}

/// Numbers at which readers of lengths and offsets go wrong.
const INTERESTING: [u64; 8] =
    [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff];

/// xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_damage_and_most_seeds_give_some() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(mutate(&bytes, 7), mutate(&bytes, 7));
        let n_damaged = (0..100).filter(|seed| mutate(&bytes, *seed) != bytes).count();
        assert!(n_damaged > 90, "{n_damaged}");
    }
}
