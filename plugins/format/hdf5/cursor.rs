//! Reads the fields of HDF5's metadata one after another; every field is checked against the end.

use thermocline_core::{Error, Result};

/// How many bytes addresses and lengths take in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Bytes of an address.
    pub(crate) address: usize,
    /// Bytes of a length.
    pub(crate) length: usize,
}

/// A position in some bytes of a file. All numbers are little-endian.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    sizes: Sizes,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], sizes: Sizes) -> Self {
        Self { bytes, position: 0, sizes }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.position.checked_add(len);
        let taken = end.and_then(|end| self.bytes.get(self.position..end));
        let taken = taken.ok_or_else(|| {
            Error::corrupt(format!("metadata ends after {} bytes, {len} more expected", self.bytes.len()))
        })?;
        self.position += len;
        Ok(taken)
    }

    pub(crate) fn skip(&mut self, len: usize) -> Result<()> {
        self.take(len).map(|_| ())
    }

    /// Skips to the next multiple of 8 after `start`.
    pub(crate) fn align(&mut self, start: usize) -> Result<()> {
        let behind = (self.position - start.min(self.position)) % 8;
        if behind == 0 { Ok(()) } else { self.skip(8 - behind) }
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.uint(1)? as u8)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(self.uint(2)? as u16)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(self.uint(4)? as u32)
    }

    /// An unsigned number of `len` bytes, at most 8.
    pub(crate) fn uint(&mut self, len: usize) -> Result<u64> {
        let bytes = self.take(len)?;
        let mut padded = [0_u8; 8];
        let low = padded.get_mut(..len).ok_or_else(|| Error::corrupt(format!("a number of {len} bytes")))?;
        low.copy_from_slice(bytes);
        Ok(u64::from_le_bytes(padded))
    }

    /// An address; `None` where the file says that there is none (all bits set).
    pub(crate) fn address(&mut self) -> Result<Option<u64>> {
        let len = self.sizes.address;
        let address = self.uint(len)?;
        Ok((address != undefined(len)).then_some(address))
    }

    /// A length in the file's own width.
    pub(crate) fn length(&mut self) -> Result<u64> {
        self.uint(self.sizes.length)
    }

    /// A length as `usize`.
    pub(crate) fn length_usize(&mut self) -> Result<usize> {
        let length = self.length()?;
        usize::try_from(length).map_err(|_| Error::corrupt(format!("a length of {length} bytes")))
    }

    /// Bytes up to a NUL, which is skipped.
    pub(crate) fn until_nul(&mut self) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let len = rest.iter().position(|byte| *byte == 0);
        let len = len.ok_or_else(|| Error::corrupt("a name without an end"))?;
        let text = self.take(len)?;
        self.skip(1)?;
        Ok(text)
    }

    /// Fails unless the next bytes are `signature`.
    pub(crate) fn expect(&mut self, signature: &[u8]) -> Result<()> {
        let found = self.take(signature.len())?;
        if found == signature {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "expected {:?}, found {:?}",
            String::from_utf8_lossy(signature),
            String::from_utf8_lossy(found)
        )))
    }
}

/// The number that stands for "no address" in `len` bytes.
fn undefined(len: usize) -> u64 {
    if len >= 8 { u64::MAX } else { (1 << (8 * len)) - 1 }
}

/// Text as UTF-8, else as Latin-1; the flag tells the second.
pub(crate) fn text(bytes: &[u8]) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (bytes.iter().map(|byte| char::from(*byte)).collect(), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { address: 8, length: 4 };

    #[test]
    fn an_address_of_all_ones_is_none() {
        let bytes = [0xff; 8];
        assert_eq!(Cursor::new(&bytes, SIZES).address().unwrap(), None);
        assert_eq!(Cursor::new(&[1, 0, 0, 0, 0, 0, 0, 0], SIZES).address().unwrap(), Some(1));
    }

    #[test]
    fn reading_past_the_end_is_an_error() {
        let mut cursor = Cursor::new(&[1, 2, 3], SIZES);
        assert_eq!(cursor.u16().unwrap(), 0x0201);
        assert!(cursor.u16().is_err());
        assert!(cursor.until_nul().is_err());
    }

    #[test]
    fn text_that_is_not_utf8_is_latin1() {
        assert_eq!(text("å".as_bytes()), ("å".to_owned(), false));
        assert_eq!(text(b"caf\xe9"), ("café".to_owned(), true));
    }
}
