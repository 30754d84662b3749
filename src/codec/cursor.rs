//! Reads numbers and pieces off the front of untrusted bytes.

use crate::CodecError;

/// Unread bytes of something with a name.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    name: &'static str,
}

impl<'a> Cursor<'a> {
    /// All of `bytes`; `name` says in errors what they are.
    pub(crate) fn new(bytes: &'a [u8], name: &'static str) -> Self {
        Self { bytes, name }
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or_else(|| self.ends_early())?;
        self.bytes = rest;
        Ok(taken)
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next byte.
    pub(crate) fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// The next four bytes, most significant first.
    pub(crate) fn u32_be(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// The next eight bytes, most significant first.
    pub(crate) fn u64_be(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// The next four bytes, least significant first.
    pub(crate) fn u32_le(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next eight bytes, least significant first.
    pub(crate) fn u64_le(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The next four bytes, least significant first.
    pub(crate) fn i32_le(&mut self) -> Result<i32, CodecError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(|| self.ends_early())?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn ends_early(&self) -> CodecError {
        CodecError::corrupt(format!("{} ends too early", self.name))
    }
}
