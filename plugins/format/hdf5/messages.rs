//! The messages that describe an array: its shape, layout, filters, fill value and external files.
//!
//! # Specification
//! HDF5 File Format Specification 3.0, IV.A.2.

use bytes::Bytes;
use thermocline_core::{Error, Result};

use crate::cursor::Cursor;
use crate::global_heap::HeapId;

/// Most axes of an array (the library's limit).
const MAX_RANK: usize = 32;

/// The shape of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dataspace {
    /// No elements at all, and no shape.
    Null,
    /// Present and largest lengths of the axes; `None` without bound. No axes: a scalar.
    Simple { shape: Vec<u64>, max_shape: Vec<Option<u64>> },
}

impl Dataspace {
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self> {
        let version = cursor.u8()?;
        let rank = usize::from(cursor.u8()?);
        let flags = cursor.u8()?;
        if rank > MAX_RANK {
            return Err(Error::corrupt(format!("an array of {rank} dimensions")));
        }
        match version {
            1 => cursor.skip(5)?,
            2 => {
                if cursor.u8()? == 2 {
                    return Ok(Self::Null);
                }
            }
            version => return Err(Error::unsupported(format!("dataspace version {version}"))),
        }
        let shape = (0..rank).map(|_| cursor.length()).collect::<Result<Vec<_>>>()?;
        let unlimited =
            if cursor.sizes().length >= 8 { u64::MAX } else { (1 << (8 * cursor.sizes().length)) - 1 };
        let max_shape = if flags & 1 == 0 {
            shape.iter().map(|length| Some(*length)).collect()
        } else {
            (0..rank)
                .map(|_| cursor.length().map(|length| (length != unlimited).then_some(length)))
                .collect::<Result<_>>()?
        };
        Ok(Self::Simple { shape, max_shape })
    }
}

/// What unwritten elements read as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Zeros.
    #[default]
    Default,
    /// Nobody said, or it is never to be used: the library leaves what was in memory, h5py shows zeros.
    Undefined,
    /// One element in the array's type.
    Value(Bytes),
}

/// "Fill time": the fill value is never used.
const NEVER: u8 = 1;

impl Fill {
    /// The fill value message.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self> {
        let version = cursor.u8()?;
        let (write_time, is_undefined, has_value) = match version {
            1 | 2 => {
                cursor.skip(1)?;
                let write_time = cursor.u8()?;
                let is_defined = cursor.u8()? != 0;
                (write_time, !is_defined, is_defined)
            }
            3 => {
                let flags = cursor.u8()?;
                ((flags >> 2) & 3, flags & 0x10 != 0, flags & 0x20 != 0)
            }
            version => return Err(Error::unsupported(format!("fill value version {version}"))),
        };
        if is_undefined || write_time == NEVER {
            return Ok(Self::Undefined);
        }
        if !has_value {
            return Ok(Self::Default);
        }
        Self::value(cursor)
    }

    /// The message of HDF5 before 1.6.
    pub(crate) fn parse_old(cursor: &mut Cursor<'_>) -> Result<Self> {
        Self::value(cursor)
    }

    fn value(cursor: &mut Cursor<'_>) -> Result<Self> {
        // Version 1 gives a size of -1 for an undefined value.
        let len = cursor.u32()?;
        if len == 0 {
            return Ok(Self::Default);
        }
        if len == u32::MAX {
            return Ok(Self::Undefined);
        }
        Ok(Self::Value(Bytes::copy_from_slice(cursor.take(len as usize)?)))
    }
}

/// One filter of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) id: u16,
    pub(crate) name: String,
    pub(crate) client_data: Vec<u32>,
}

/// The filters in the order of writing.
pub(crate) fn parse_filters(cursor: &mut Cursor<'_>, max_filters: usize) -> Result<Vec<Filter>> {
    let version = cursor.u8()?;
    let n = usize::from(cursor.u8()?);
    if n > max_filters {
        return Err(Error::unsupported(format!("a pipeline of {n} filters, {max_filters} are allowed")));
    }
    match version {
        1 => cursor.skip(6)?,
        2 => {}
        version => return Err(Error::unsupported(format!("filter pipeline version {version}"))),
    }
    let mut filters = Vec::with_capacity(n);
    for _ in 0..n {
        let id = cursor.u16()?;
        let name_len = if version == 1 || id >= 256 { usize::from(cursor.u16()?) } else { 0 };
        let _flags = cursor.u16()?;
        let n_values = usize::from(cursor.u16()?);
        let name = cursor.take(name_len)?;
        if version == 1 {
            cursor.skip(name_len.wrapping_neg() % 8)?;
        }
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let client_data = (0..n_values).map(|_| cursor.u32()).collect::<Result<Vec<_>>>()?;
        if version == 1 && n_values % 2 == 1 {
            cursor.skip(4)?;
        }
        filters.push(Filter { id, name: crate::cursor::text(name).0, client_data });
    }
    Ok(filters)
}

/// Where the values of an array lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// In the message itself.
    Compact(Bytes),
    /// In one piece; no address: never written, or in external files.
    Contiguous { address: Option<u64> },
    /// In chunks.
    Chunked { chunk_shape: Vec<u64>, index: ChunkIndexKind, address: Option<u64>, edges_are_unfiltered: bool },
    /// In other arrays.
    Virtual { mappings: Option<HeapId> },
}

/// How chunks are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChunkIndexKind {
    /// A B-tree of version 1.
    BTree1,
    /// There is one chunk. With filters: its length and filter mask.
    Single { filtered: Option<(u64, u32)> },
    /// One after another.
    Implicit,
    /// A table.
    FixedArray,
    /// A table that grows along one axis.
    ExtensibleArray,
    /// A B-tree of version 2.
    BTree2,
}

impl Layout {
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self> {
        let version = cursor.u8()?;
        match version {
            1 | 2 => Self::parse_old(cursor),
            3 => Self::parse_3(cursor),
            4 | 5 => Self::parse_4(cursor),
            version => Err(Error::unsupported(format!("layout version {version}"))),
        }
    }

    fn parse_old(cursor: &mut Cursor<'_>) -> Result<Self> {
        let rank = usize::from(cursor.u8()?);
        let class = cursor.u8()?;
        cursor.skip(5)?;
        let address = if class == 0 { None } else { cursor.address()? };
        let lengths = lengths(cursor, rank, 4)?;
        match class {
            0 => {
                let len = cursor.u32()? as usize;
                Ok(Self::Compact(Bytes::copy_from_slice(cursor.take(len)?)))
            }
            1 => Ok(Self::Contiguous { address }),
            2 => Ok(Self::chunked(lengths, ChunkIndexKind::BTree1, address, false)),
            class => Err(Error::unsupported(format!("layout class {class}"))),
        }
    }

    fn parse_3(cursor: &mut Cursor<'_>) -> Result<Self> {
        match cursor.u8()? {
            0 => Self::compact(cursor),
            1 => Ok(Self::Contiguous { address: cursor.address()? }),
            2 => {
                let rank = usize::from(cursor.u8()?);
                let address = cursor.address()?;
                let lengths = lengths(cursor, rank, 4)?;
                Ok(Self::chunked(lengths, ChunkIndexKind::BTree1, address, false))
            }
            class => Err(Error::unsupported(format!("layout class {class}"))),
        }
    }

    fn parse_4(cursor: &mut Cursor<'_>) -> Result<Self> {
        match cursor.u8()? {
            0 => Self::compact(cursor),
            1 => Ok(Self::Contiguous { address: cursor.address()? }),
            2 => Self::parse_chunked_4(cursor),
            3 => {
                let collection = cursor.address()?;
                let index = cursor.u32()?;
                Ok(Self::Virtual { mappings: collection.map(|collection| HeapId { collection, index }) })
            }
            class => Err(Error::unsupported(format!("layout class {class}"))),
        }
    }

    fn compact(cursor: &mut Cursor<'_>) -> Result<Self> {
        let len = usize::from(cursor.u16()?);
        Ok(Self::Compact(Bytes::copy_from_slice(cursor.take(len)?)))
    }

    fn parse_chunked_4(cursor: &mut Cursor<'_>) -> Result<Self> {
        let flags = cursor.u8()?;
        let rank = usize::from(cursor.u8()?);
        let width = usize::from(cursor.u8()?);
        if !(1..=8).contains(&width) {
            return Err(Error::corrupt(format!("chunk lengths of {width} bytes")));
        }
        let lengths = lengths(cursor, rank, width)?;
        let index = match cursor.u8()? {
            1 => {
                let is_filtered = flags & 0x02 != 0;
                let filtered = if is_filtered { Some((cursor.length()?, cursor.u32()?)) } else { None };
                ChunkIndexKind::Single { filtered }
            }
            2 => ChunkIndexKind::Implicit,
            3 => {
                cursor.skip(1)?;
                ChunkIndexKind::FixedArray
            }
            4 => {
                cursor.skip(5)?;
                ChunkIndexKind::ExtensibleArray
            }
            5 => {
                cursor.skip(6)?;
                ChunkIndexKind::BTree2
            }
            kind => return Err(Error::unsupported(format!("chunk index type {kind}"))),
        };
        let address = cursor.address()?;
        Ok(Self::chunked(lengths, index, address, flags & 0x01 != 0))
    }

    /// The last of the `lengths` is that of an element.
    fn chunked(
        mut lengths: Vec<u64>,
        index: ChunkIndexKind,
        address: Option<u64>,
        edges_are_unfiltered: bool,
    ) -> Self {
        lengths.pop();
        Self::Chunked { chunk_shape: lengths, index, address, edges_are_unfiltered }
    }
}

fn lengths(cursor: &mut Cursor<'_>, n: usize, width: usize) -> Result<Vec<u64>> {
    if n > MAX_RANK + 1 {
        return Err(Error::corrupt(format!("chunks of {n} dimensions")));
    }
    (0..n).map(|_| cursor.uint(width)).collect()
}

/// A piece of an array in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExternalPiece {
    /// Position of the file's name in the local heap.
    pub(crate) name_offset: u64,
    /// First byte in that file.
    pub(crate) offset: u64,
    /// Bytes; `None` without bound.
    pub(crate) len_bytes: Option<u64>,
}

/// The pieces of an array in other files, and the heap of their names.
pub(crate) fn parse_external_files(cursor: &mut Cursor<'_>) -> Result<(u64, Vec<ExternalPiece>)> {
    let version = cursor.u8()?;
    if version != 1 {
        return Err(Error::unsupported(format!("external file list version {version}")));
    }
    cursor.skip(3 + 2)?;
    let n = usize::from(cursor.u16()?);
    let heap = cursor.address()?.ok_or_else(|| Error::corrupt("external files without names"))?;
    let unlimited =
        if cursor.sizes().length >= 8 { u64::MAX } else { (1 << (8 * cursor.sizes().length)) - 1 };
    let mut pieces = Vec::new();
    for _ in 0..n {
        let name_offset = cursor.length()?;
        let offset = cursor.length()?;
        let len = cursor.length()?;
        pieces.push(ExternalPiece { name_offset, offset, len_bytes: (len != unlimited).then_some(len) });
    }
    Ok((heap, pieces))
}
