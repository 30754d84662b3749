//! Prefix codes that are given by their lengths: RFC 1951, section 3.2.2.

use super::Refused;

/// Longest code in bits.
pub(super) const MAX_BITS: usize = 15;

/// The codes of an alphabet, in order of length and symbol.
#[derive(Debug, Clone)]
pub(super) struct Code {
    /// How many symbols have a code of each length.
    counts: [u16; MAX_BITS + 1],
    /// The symbols that have a code; the rest has no meaning.
    symbols: [u16; 288],
    n_symbols: usize,
}

impl Default for Code {
    fn default() -> Self {
        Self { counts: [0; MAX_BITS + 1], symbols: [0; 288], n_symbols: 0 }
    }
}

/// How much of the space of codes is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Whatever comes is a code.
    Complete,
    /// No code, or a single one of one bit.
    AtMostOne,
}

impl Code {
    /// Takes the lengths of the codes of all symbols, 0 for those without, at most 288 and each at most [`MAX_BITS`].
    ///
    /// # Errors
    /// The lengths are not those of a code that deflate allows.
    pub(super) fn set(&mut self, lengths: &[u8]) -> Result<Fill, Refused> {
        self.counts = [0; MAX_BITS + 1];
        for len in lengths {
            *self.counts.get_mut(usize::from(*len)).ok_or(Refused)? += 1;
        }
        self.counts[0] = 0;
        let mut starts = [0_usize; MAX_BITS + 1];
        let (mut used, mut n_symbols) = (0_u32, 0);
        for (len, (start, count)) in starts.iter_mut().zip(&self.counts).enumerate() {
            *start = n_symbols;
            n_symbols += usize::from(*count);
            used += u32::from(*count) << (MAX_BITS - len);
        }
        self.n_symbols = n_symbols;
        for (symbol, len) in lengths.iter().enumerate().filter(|(_, len)| **len > 0) {
            let start = starts.get_mut(usize::from(*len)).ok_or(Refused)?;
            *self.symbols.get_mut(*start).ok_or(Refused)? = symbol as u16;
            *start += 1;
        }
        match used {
            FULL => Ok(Fill::Complete),
            0 => Ok(Fill::AtMostOne),
            HALF if n_symbols == 1 => Ok(Fill::AtMostOne),
            _ => Err(Refused),
        }
    }

    /// Calls `with` for each symbol with its code, the first bit lowest, and the code's length.
    #[inline(always)]
    pub(super) fn each(&self, mut with: impl FnMut(usize, usize, u32)) {
        let mut symbols = self.symbols.iter().take(self.n_symbols);
        let mut code = 0_u16;
        for (len, count) in self.counts.iter().enumerate().skip(1) {
            for symbol in symbols.by_ref().take(usize::from(*count)) {
                with(usize::from(*symbol), usize::from(code.reverse_bits() >> (16 - len)), len as u32);
                code += 1;
            }
            code <<= 1;
        }
    }

    /// The symbol that `bits` start with and the length of its code, one bit after the other.
    ///
    /// # Errors
    /// They start with no code.
    pub(super) fn symbol(&self, bits: u64) -> Result<(usize, u32), Refused> {
        let (mut code, mut first, mut at) = (0_usize, 0_usize, 0_usize);
        for (len, count) in self.counts.iter().enumerate().skip(1) {
            let count = usize::from(*count);
            code = code << 1 | (bits >> (len - 1) & 1) as usize;
            if code < first + count {
                let symbol = self.symbols.get(at + (code - first)).ok_or(Refused)?;
                return Ok((usize::from(*symbol), len as u32));
            }
            at += count;
            first = (first + count) << 1;
        }
        Err(Refused)
    }
}

/// The space of codes, and half of it.
const FULL: u32 = 1 << MAX_BITS;
const HALF: u32 = FULL / 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_specification() {
        // The example of section 3.2.2: A to H with their codes, which come first bit first.
        let mut code = Code::default();
        assert_eq!(code.set(&[3, 3, 3, 3, 3, 2, 4, 4]), Ok(Fill::Complete));
        let expected =
            [(5, "00"), (0, "010"), (1, "011"), (2, "100"), (3, "101"), (4, "110"), (6, "1110"), (7, "1111")];
        let mut found = Vec::new();
        code.each(|symbol, bits, len| found.push((symbol, bits, len)));
        for ((symbol, text), found) in expected.into_iter().zip(&found) {
            let bits = text.bytes().rev().fold(0, |bits, byte| bits << 1 | usize::from(byte == b'1'));
            assert_eq!(*found, (symbol, bits, text.len() as u32));
            assert_eq!(code.symbol(bits as u64), Ok((symbol, text.len() as u32)));
        }
        assert_eq!(found.len(), expected.len());
    }

    #[test]
    fn a_code_is_complete_or_of_one_bit() {
        let mut code = Code::default();
        assert_eq!(code.set(&[0, 0]), Ok(Fill::AtMostOne));
        assert_eq!(code.symbol(0), Err(Refused));
        assert_eq!(code.set(&[0, 1]), Ok(Fill::AtMostOne));
        assert_eq!(code.symbol(0), Ok((1, 1)));
        assert_eq!(code.symbol(1), Err(Refused));
        assert_eq!(code.set(&[1, 15]), Err(Refused));
        assert_eq!(code.set(&[2, 2]), Err(Refused));
        assert_eq!(code.set(&[1, 1, 1]), Err(Refused));
        assert_eq!(code.set(&[15; 288]), Err(Refused));
        assert_eq!(code.set(&[16, 1]), Err(Refused));
    }
}
