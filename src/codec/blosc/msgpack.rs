//! As much of MessagePack as the frames of Blosc 2 are written in.
//!
//! # Source
//! <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use crate::CodecError;
use crate::cursor::Cursor;

/// Reads values one after another.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a>(Cursor<'a>);

impl<'a> Reader<'a> {
    /// All of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(Cursor::new(bytes, "the blosc2 frame"))
    }

    /// An integer of any size, as a length or an offset.
    pub(crate) fn size(&mut self) -> Result<usize, CodecError> {
        let tag = self.0.u8()?;
        let len = match tag {
            0..0x80 => return Ok(usize::from(tag)),
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 => 2,
            0xce | 0xd2 => 4,
            0xcf | 0xd3 => 8,
            _ => return Err(unexpected("a number", tag)),
        };
        let bytes = self.0.take(len)?;
        let is_negative = tag >= 0xd0 && bytes.first().is_some_and(|first| first & 0x80 != 0);
        let value = bytes.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        usize::try_from(value)
            .ok()
            .filter(|_| !is_negative)
            .ok_or_else(|| CodecError::corrupt("the blosc2 frame has a size out of range"))
    }

    /// The number of values in the array that starts here.
    pub(crate) fn array(&mut self) -> Result<usize, CodecError> {
        match self.0.u8()? {
            tag @ 0x90..0xa0 => Ok(usize::from(tag & 0x0f)),
            0xdc => self.len(2),
            tag => Err(unexpected("an array", tag)),
        }
    }

    /// The number of pairs in the map that starts here.
    pub(crate) fn map(&mut self) -> Result<usize, CodecError> {
        match self.0.u8()? {
            tag @ 0x80..0x90 => Ok(usize::from(tag & 0x0f)),
            0xde => self.len(2),
            tag => Err(unexpected("a map", tag)),
        }
    }

    /// A text or a piece of bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let len = match self.0.u8()? {
            tag @ 0xa0..0xc0 => usize::from(tag & 0x1f),
            0xc4 | 0xd9 => self.len(1)?,
            0xc5 | 0xda => self.len(2)?,
            0xc6 | 0xdb => self.len(4)?,
            tag => return Err(unexpected("a text", tag)),
        };
        self.0.take(len)
    }

    /// A truth value.
    pub(crate) fn boolean(&mut self) -> Result<bool, CodecError> {
        match self.0.u8()? {
            0xc2 => Ok(false),
            0xc3 => Ok(true),
            tag => Err(unexpected("a truth value", tag)),
        }
    }

    /// Passes over 16 bytes of an application's type.
    pub(crate) fn skip_extension_16(&mut self) -> Result<(), CodecError> {
        match self.0.u8()? {
            0xd8 => self.0.take(17).map(|_| ()),
            tag => Err(unexpected("an extension of 16 bytes", tag)),
        }
    }

    fn len(&mut self, n_bytes: usize) -> Result<usize, CodecError> {
        Ok(self.0.take(n_bytes)?.iter().fold(0, |len, byte| (len << 8) | usize::from(*byte)))
    }
}

fn unexpected(wanted: &str, tag: u8) -> CodecError {
    CodecError::corrupt(format!("the blosc2 frame has {tag:#04x} in place of {wanted}"))
}
