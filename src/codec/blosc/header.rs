//! The header of a chunk: 16 bytes in version 1, 32 in version 2.

use crate::CodecError;
use crate::cursor::Cursor;

use super::filter::Filter;

const LEN_V1: usize = 16;
const LEN_V2: usize = 32;
/// The newest format of version 1, and the format of version 2.
const FORMAT_V1: u8 = 2;
const FORMAT_V2: u8 = 5;

const SHUFFLED: u8 = 0x01;
const COPIED: u8 = 0x02;
const BIT_SHUFFLED: u8 = 0x04;
const NOT_SPLIT: u8 = 0x10;

const DICTIONARY: u8 = 0x01;
const EXTENDED_AGAIN: u8 = 0x02;
const LAZY: u8 = 0x08;
const INSTRUMENTED: u8 = 0x80;

/// What compresses the streams of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compressor {
    BloscLz,
    Lz4,
    Snappy,
    Zlib,
    Zstd,
}

/// One value that a whole chunk repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// Zero.
    Zeros,
    /// Not a number, of the chunk's type size.
    Nan,
    /// The value that follows the header.
    Repeated,
}

/// What a chunk says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// Length of the header in bytes.
    pub(crate) len: usize,
    /// True for version 2: streams may be runs, blocks of any size are split.
    pub(crate) is_v2: bool,
    /// True if the values follow the header as they are.
    pub(crate) is_copied: bool,
    /// True if every block is one stream.
    pub(crate) is_not_split: bool,
    /// What compresses the streams.
    pub(crate) compressor: Compressor,
    /// Size of the elements in bytes, at least 1.
    pub(crate) type_size: usize,
    /// Length of the values in bytes.
    pub(crate) n_bytes: usize,
    /// Length of a block in bytes, at least 1 unless the chunk is empty.
    pub(crate) block_size: usize,
    /// Length of the chunk in bytes, header included.
    pub(crate) c_bytes: usize,
    /// Filters in the order of writing.
    pub(crate) filters: Vec<Filter>,
    /// Set if the chunk repeats one value.
    pub(crate) special: Option<Special>,
}

impl Header {
    /// Reads and checks the header of a chunk that may be followed by other bytes.
    pub(crate) fn parse(stored: &[u8]) -> Result<Self, CodecError> {
        let mut cursor = Cursor::new(stored, "the blosc header");
        let version = cursor.u8()?;
        let _format_of_the_compressor = cursor.u8()?;
        let flags = cursor.u8()?;
        let type_size = usize::from(cursor.u8()?).max(1);
        let [n_bytes, block_size, c_bytes] = [size(&mut cursor)?, size(&mut cursor)?, size(&mut cursor)?];
        let is_v2 = match version {
            1..=FORMAT_V1 => false,
            FORMAT_V2 => true,
            _ => return Err(CodecError::unsupported(format!("blosc format {version} has no decoder"))),
        };
        let has_pipeline = is_v2 && flags & SHUFFLED != 0 && flags & BIT_SHUFFLED != 0;
        let pipeline = if has_pipeline { Pipeline::parse(&mut cursor)? } else { Pipeline::of_flags(flags) };
        let header = Self {
            len: if has_pipeline { LEN_V2 } else { LEN_V1 },
            is_v2,
            is_copied: flags & COPIED != 0,
            is_not_split: flags & NOT_SPLIT != 0,
            compressor: compressor(flags >> 5)?,
            type_size,
            n_bytes,
            block_size,
            c_bytes,
            filters: pipeline.filters,
            special: pipeline.special,
        };
        header.check(stored.len())?;
        Ok(header)
    }

    fn check(&self, stored_len: usize) -> Result<(), CodecError> {
        if self.c_bytes < self.len || self.c_bytes > stored_len {
            return Err(CodecError::corrupt(format!(
                "the blosc chunk says it has {} bytes, {stored_len} are stored",
                self.c_bytes
            )));
        }
        if self.n_bytes > 0 && (self.block_size == 0 || self.block_size > self.n_bytes) {
            return Err(CodecError::corrupt(format!(
                "the blosc chunk has blocks of {} bytes for {} bytes",
                self.block_size, self.n_bytes
            )));
        }
        Ok(())
    }
}

fn size(cursor: &mut Cursor<'_>) -> Result<usize, CodecError> {
    let size = cursor.i32_le()?;
    usize::try_from(size)
        .map_err(|_| CodecError::corrupt(format!("the blosc header has a negative size, {size}")))
}

fn compressor(code: u8) -> Result<Compressor, CodecError> {
    match code {
        0 => Ok(Compressor::BloscLz),
        1 => Ok(Compressor::Lz4),
        2 => Ok(Compressor::Snappy),
        3 => Ok(Compressor::Zlib),
        4 => Ok(Compressor::Zstd),
        _ => Err(CodecError::unsupported("blosc with a user-defined codec has no decoder")),
    }
}

struct Pipeline {
    filters: Vec<Filter>,
    special: Option<Special>,
}

impl Pipeline {
    fn of_flags(flags: u8) -> Self {
        let filters = match (flags & SHUFFLED != 0, flags & BIT_SHUFFLED != 0) {
            (true, _) => vec![Filter::Shuffle { element_size: None }],
            (false, true) => vec![Filter::BitShuffle],
            (false, false) => Vec::new(),
        };
        Self { filters, special: None }
    }

    /// The second half of a header of version 2.
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, CodecError> {
        let codes = cursor.take(6)?;
        let _codec_and_its_parameter = cursor.take(2)?;
        let parameters = cursor.take(6)?;
        let _reserved = cursor.u8()?;
        let flags = cursor.u8()?;
        for (flag, what) in [
            (DICTIONARY, "a dictionary"),
            (EXTENDED_AGAIN, "a header beyond 32 bytes"),
            (LAZY, "blocks elsewhere"),
            (INSTRUMENTED, "instrumented blocks"),
        ] {
            if flags & flag != 0 {
                return Err(CodecError::unsupported(format!("blosc with {what} has no decoder")));
            }
        }
        let filters: Result<Vec<_>, _> = codes
            .iter()
            .zip(parameters)
            .filter_map(|(code, parameter)| Filter::parse(*code, *parameter))
            .collect();
        Ok(Self { filters: filters?, special: special(flags)? })
    }
}

fn special(flags: u8) -> Result<Option<Special>, CodecError> {
    match (flags >> 4) & 7 {
        0 => Ok(None),
        1 => Ok(Some(Special::Zeros)),
        2 => Ok(Some(Special::Nan)),
        3 => Ok(Some(Special::Repeated)),
        4 => Err(CodecError::corrupt("the blosc chunk was never written: its values are not initialised")),
        other => Err(CodecError::corrupt(format!("the blosc chunk has the unknown special value {other}"))),
    }
}
