//! What the next bits of a block mean, for all values of some bits.

use super::code::{Code, Fill};
use super::reader::Reader;
use super::{MAX_DISTANCES, MAX_LITERALS, Refused};

/// Bits that are looked up at once.
pub(super) const STEP_BITS: u32 = 11;
const N_STEPS: usize = 1 << STEP_BITS;

/// Most bits of a step, with those that follow the distance's code.
pub(super) const MAX_STEP_BITS: u32 = 22;

/// Bits of a distance's code that are looked up at once: a length takes one at least.
const DISTANCE_BITS: u32 = STEP_BITS - 1;
const N_DISTANCES: usize = 1 << DISTANCE_BITS;

/// Longest match of a step: it is copied as so many bytes at once.
pub(super) const MAX_COPY: usize = 16;

/// Most literals of a step.
pub(super) const MAX_STEP_LITERALS: usize = 2;

/// Where the match of no byte lies that a step without a match copies: far enough not to wait for what was just written.
const FAR: u64 = 64;

/// The symbol that ends a block.
pub(super) const END_OF_BLOCK: usize = 256;

/// The symbol of codes that are longer than [`STEP_BITS`].
pub(super) const LONG_CODE: usize = 0x1ff;

/// Shortest length of each symbol from 257 on, and how many bits follow it: RFC 1951, section 3.2.5.
pub(super) const MATCH_LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// Shortest distance of each symbol, and how many bits follow it.
const MATCH_DISTANCES: [(u16, u8); MAX_DISTANCES] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

/// Order in which lengths of the code for lengths are stored: RFC 1951, section 3.2.7.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Up to two literals and a match of up to 16 bytes behind them; or a symbol that is looked at on its own.
///
/// | bits | of a step | of a symbol on its own |
/// |---|---|---|
/// | 0–7 | its bits, with those that follow the distance's code | length of its code |
/// | 8–15 | its bits without those | – |
/// | 16–23 | the bits that follow | – |
/// | 24–25 | number of literals | – |
/// | 26–30 | length of the match, 0 for none | – |
/// | 32–47 | the literals | the symbol |
/// | 48–62 | distance of the match without the bits that follow | – |
/// | 63 | 0 | 1 |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step(u64);

impl Step {
    const NOTHING: Self = Self(FAR << 48);

    fn literal(byte: usize, n_bits: u32) -> Self {
        Self((u64::from(n_bits) * 0x0101) | (1 << 24) | ((byte as u64) << 32) | (FAR << 48))
    }

    const fn alone(symbol: usize, n_bits: u32) -> Self {
        Self(n_bits as u64 | ((symbol as u64) << 32) | (1 << 63))
    }

    /// A match of `len` bytes whose length takes `n_bits`; `None` if it cannot be copied at once or is not known from [`STEP_BITS`].
    #[inline(always)]
    fn matching(len: usize, n_bits: u32, distance: Distance) -> Option<Self> {
        let fits = distance.is_known()
            && distance.shortest() >= len as u64
            && distance.n_code_bits() + n_bits <= STEP_BITS
            && distance.n_bits() + n_bits <= MAX_STEP_BITS;
        let of_distance = distance.0 & 0xffff_0000_00ff_ffff;
        fits.then_some(Self(of_distance + u64::from(n_bits) * 0x0101 + ((len as u64) << 26)))
    }

    #[inline(always)]
    pub(super) fn is_alone(self) -> bool {
        self.0 >> 63 == 1
    }

    #[inline(always)]
    pub(super) fn n_bits(self) -> u32 {
        self.0 as u32 & 0xff
    }

    /// The bits, and above them whatever: a shift takes the lowest six.
    #[inline(always)]
    pub(super) fn shift(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    fn n_code_bits(self) -> u32 {
        (self.0 >> 8) as u32 & 0xff
    }

    #[inline(always)]
    pub(super) fn n_literals(self) -> usize {
        (self.0 >> 24) as usize & 3
    }

    #[inline(always)]
    pub(super) fn literals(self) -> [u8; MAX_STEP_LITERALS] {
        ((self.0 >> 32) as u16).to_le_bytes()
    }

    #[inline(always)]
    pub(super) fn match_len(self) -> usize {
        (self.0 >> 26) as usize & 31
    }

    #[inline(always)]
    pub(super) fn symbol(self) -> usize {
        (self.0 >> 32) as usize & 0xffff
    }

    /// Distance of the match, which is beyond everything for a symbol on its own. `ahead` are the bits from the step on.
    #[inline(always)]
    pub(super) fn distance(self, ahead: u64) -> usize {
        let follow = (ahead >> ((self.0 >> 8) & 63)) & !(u64::MAX << ((self.0 >> 16) & 63));
        ((self.0 as i64 >> 48) as u64).wrapping_add(follow) as usize
    }

    /// A literal, and behind it what `rest` is.
    #[inline(always)]
    fn followed_by(self, rest: Self) -> Self {
        let own = self.0 & 0x00ff_ffff_ffff;
        let sums = rest.0 & 0xffff_0000_ffff_ffff;
        Self(own + sums + ((rest.0 & 0x00ff_0000_0000) << 8))
    }
}

/// A distance: its bits and its shortest as in [`Step`]; or, with the highest bit, none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Distance(u64);

impl Distance {
    const UNKNOWN: Self = Self(1 << 63);

    /// # Errors
    /// There is no such symbol.
    pub(super) fn new(symbol: usize, n_bits: u32) -> Result<Self, Refused> {
        let (shortest, n_follow) = MATCH_DISTANCES.get(symbol).ok_or(Refused)?;
        let of_follow = u64::from(*n_follow) * 0x01_0001;
        Ok(Self(u64::from(n_bits) * 0x0101 + of_follow + (u64::from(*shortest) << 48)))
    }

    #[inline(always)]
    pub(super) fn is_known(self) -> bool {
        self.0 >> 63 == 0
    }

    #[inline(always)]
    pub(super) fn n_bits(self) -> u32 {
        self.0 as u32 & 0xff
    }

    #[inline(always)]
    pub(super) fn n_code_bits(self) -> u32 {
        (self.0 >> 8) as u32 & 0xff
    }

    #[inline(always)]
    pub(super) fn shortest(self) -> u64 {
        self.0 >> 48
    }
}

/// Lengths of a block's codes in bits, 0 for symbols that have none.
pub(super) struct Lengths {
    lengths: [u8; MAX_LITERALS + 2 + MAX_DISTANCES + 2],
    n_literals: usize,
    n_distances: usize,
    code: Code,
    /// Symbol and length, for all values of seven bits.
    table: [(u8, u8); 128],
}

impl Default for Lengths {
    fn default() -> Self {
        let (lengths, table) = ([0; _], [(0, 0); 128]);
        Self { lengths, n_literals: 0, n_distances: 0, code: Code::default(), table }
    }
}

impl Lengths {
    /// RFC 1951, section 3.2.6.
    pub(super) fn set_fixed(&mut self) {
        (self.n_literals, self.n_distances) = (MAX_LITERALS + 2, MAX_DISTANCES + 2);
        for (symbol, len) in self.lengths.iter_mut().enumerate() {
            *len = match symbol {
                144..=255 => 9,
                256..=279 => 7,
                288.. => 5,
                _ => 8,
            };
        }
    }

    /// RFC 1951, section 3.2.7.
    ///
    /// # Errors
    /// The bytes end, or no lengths are meant.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Refused> {
        self.n_literals = reader.take(5)? + 257;
        self.n_distances = reader.take(5)? + 1;
        let n_code = reader.take(4)? + 4;
        if self.n_literals > MAX_LITERALS || self.n_distances > MAX_DISTANCES {
            return Err(Refused);
        }
        let mut lengths = [0_u8; ORDER.len()];
        for symbol in ORDER.iter().take(n_code) {
            *lengths.get_mut(*symbol).ok_or(Refused)? = reader.take(3)? as u8;
        }
        if self.code.set(&lengths)? != Fill::Complete {
            return Err(Refused);
        }
        let table = &mut self.table;
        self.code.each(|symbol, code, len| {
            for entry in table.iter_mut().skip(code).step_by(1 << len) {
                *entry = (symbol as u8, len as u8);
            }
        });
        self.read_runs(reader)?;
        let ends = self.lengths.get(END_OF_BLOCK).is_some_and(|len| *len > 0);
        if ends { Ok(()) } else { Err(Refused) }
    }

    fn read_runs(&mut self, reader: &mut Reader<'_>) -> Result<(), Refused> {
        let lengths = self.lengths.get_mut(..self.n_literals + self.n_distances).ok_or(Refused)?;
        let (mut at, mut last) = (0, None);
        while at < lengths.len() {
            reader.refill();
            let (symbol, n_bits) = self.table[reader.ahead() as usize & 127];
            reader.drop(u32::from(n_bits))?;
            if symbol < 16 {
                *lengths.get_mut(at).ok_or(Refused)? = symbol;
                last = Some(symbol);
                at += 1;
                continue;
            }
            let (len, n_times) = match symbol {
                16 => (last.ok_or(Refused)?, 3 + reader.take(2)?),
                17 => (0, 3 + reader.take(3)?),
                _ => (0, 11 + reader.take(7)?),
            };
            lengths.get_mut(at..at + n_times).ok_or(Refused)?.fill(len);
            last = Some(len);
            at += n_times;
        }
        Ok(())
    }

    fn literals(&self) -> &[u8] {
        self.lengths.get(..self.n_literals).unwrap_or_default()
    }

    fn distances(&self) -> &[u8] {
        self.lengths.get(self.n_literals..self.n_literals + self.n_distances).unwrap_or_default()
    }
}

/// What the bits of a block mean.
pub(super) struct Tables {
    /// As much as is known from [`STEP_BITS`] bits.
    pub(super) steps: Box<[Step; N_STEPS]>,
    /// One literal or match of it, or a symbol on its own.
    pub(super) tokens: Box<[Step; N_STEPS]>,
    /// The distance that [`DISTANCE_BITS`] bits start with.
    distances: Box<[Distance; N_DISTANCES]>,
    literal_code: Code,
    distance_code: Code,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            steps: Box::new([Step::NOTHING; N_STEPS]),
            tokens: Box::new([Step::NOTHING; N_STEPS]),
            distances: Box::new([Distance::UNKNOWN; N_DISTANCES]),
            literal_code: Code::default(),
            distance_code: Code::default(),
        }
    }
}

impl Tables {
    /// # Errors
    /// The lengths are not those of codes.
    pub(super) fn build(&mut self, lengths: &Lengths) -> Result<(), Refused> {
        if self.literal_code.set(lengths.literals())? != Fill::Complete {
            return Err(Refused);
        }
        self.distance_code.set(lengths.distances())?;
        fill_distances(&self.distance_code, &mut self.distances);
        fill_tokens(&self.literal_code, &self.distances, &mut self.tokens);
        fill_steps(&self.tokens, &mut self.steps);
        Ok(())
    }

    /// The symbol of a literal, a length or the end that `ahead` starts with, and the length of its code.
    ///
    /// # Errors
    /// It starts with no code.
    #[cold]
    pub(super) fn long_symbol(&self, ahead: u64) -> Result<(usize, u32), Refused> {
        self.literal_code.symbol(ahead)
    }

    /// The distance that `ahead` starts with.
    ///
    /// # Errors
    /// It starts with no code of a distance.
    #[inline(always)]
    pub(super) fn distance(&self, ahead: u64) -> Result<Distance, Refused> {
        let distance = self.distances[ahead as usize & (N_DISTANCES - 1)];
        if distance.is_known() { Ok(distance) } else { self.long_distance(ahead) }
    }

    #[cold]
    fn long_distance(&self, ahead: u64) -> Result<Distance, Refused> {
        let (symbol, n_bits) = self.distance_code.symbol(ahead)?;
        Distance::new(symbol, n_bits)
    }
}

fn fill_distances(code: &Code, distances: &mut [Distance; N_DISTANCES]) {
    distances.fill(Distance::UNKNOWN);
    code.each(|symbol, code, len| {
        if let Ok(distance) = Distance::new(symbol, len)
            && len <= DISTANCE_BITS
        {
            let mut at = code;
            while at < N_DISTANCES {
                distances[at] = distance;
                at += 1 << len;
            }
        }
    });
}

fn fill_tokens(code: &Code, distances: &[Distance; N_DISTANCES], tokens: &mut [Step; N_STEPS]) {
    tokens.fill(Step::alone(LONG_CODE, 0));
    code.each(|symbol, code, len| {
        if len > STEP_BITS {
            return;
        }
        if symbol > END_OF_BLOCK
            && let Some((shortest, n_follow)) = MATCH_LENGTHS.get(symbol - END_OF_BLOCK - 1)
            && usize::from(*shortest) + (1 << n_follow) <= MAX_COPY + 1
            && len + u32::from(*n_follow) < STEP_BITS
        {
            let n_bits = len + u32::from(*n_follow);
            let alone = Step::alone(symbol, len);
            for follow in 0..1 << n_follow {
                let match_len = usize::from(*shortest) + follow;
                let places = tokens.iter_mut().skip(code | follow << len).step_by(1 << n_bits);
                for (token, distance) in places.zip(distances) {
                    *token = Step::matching(match_len, n_bits, *distance).unwrap_or(alone);
                }
            }
            return;
        }
        let step = if symbol < END_OF_BLOCK { Step::literal(symbol, len) } else { Step::alone(symbol, len) };
        let mut at = code;
        while at < N_STEPS {
            tokens[at] = step;
            at += 1 << len;
        }
    });
}

/// Puts together what lies in [`STEP_BITS`] bits. There are no branches: most would be mispredicted.
fn fill_steps(tokens: &[Step; N_STEPS], steps: &mut [Step; N_STEPS]) {
    steps[0] = tokens[0];
    for bits in 0..N_STEPS {
        let first = tokens[bits];
        let n_bits = first.0 & 63;
        // What follows has fewer known bits, the others are 0.
        let n_known = u64::from(STEP_BITS).wrapping_sub(n_bits);
        let behind = bits >> n_bits;
        let (step, token) = (steps[behind & (N_STEPS - 1)], tokens[behind & (N_STEPS - 1)]);
        let fits = |rest: Step| !rest.is_alone() & (u64::from(rest.n_code_bits()) <= n_known);
        let is_step = fits(step) & (step.n_literals() < MAX_STEP_LITERALS);
        let rest = if fits(token) { token } else { Step::NOTHING };
        let rest = if is_step { step } else { rest };
        let is_literal = !first.is_alone() & (first.n_literals() == 1);
        steps[bits] = if is_literal { first.followed_by(rest) } else { first };
    }
}
