//! One index file: a header of 64 bytes, then metadata, tables and inline bytes, then the directory.
//!
//! | Bytes of the header | What |
//! |---|---|
//! | 0–7 | `THCLINDX` |
//! | 8–11 | version, little-endian like all numbers here |
//! | 12 | 0: a dataset, 1: a refusal |
//! | 13–15 | 0 |
//! | 16–23, 24–31 | offset and length of the directory |
//! | 32–39 | length of the file |
//! | 40–55 | first half of the directory's SHA-256 |
//! | 56–59 | 0 |
//! | 60–63 | CRC-32C of bytes 0–59 |
//!
//! The directory (postcard) holds place, length and CRC-32C of every section, and a CRC-32C for each
//! [`BLOCK_BYTES`] of the inline bytes. So every byte of the file is under a checksum, and one table
//! or one piece of inline bytes is read and checked without the rest.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thermocline_model::ChunkTable;
use zstd::bulk::Compressor;

use super::record::{Metadata, Object};
use super::table;

const MAGIC: &[u8; 8] = b"THCLINDX";
pub(super) const HEADER_BYTES: usize = 64;
/// Inline bytes under one checksum.
pub(super) const BLOCK_BYTES: usize = 64 << 10;
/// Largest section that is read into memory at once.
const MAX_SECTION_BYTES: u64 = 8 << 30;
const ZSTD_LEVEL: i32 = 3;

thread_local! {
    /// A compressor's working memory takes longer to make than a small section to compress.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

fn compress(raw: &[u8]) -> std::io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::new(ZSTD_LEVEL)?),
        };
        compressor.compress(raw)
    })
}

/// Why an index file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// The file system says so.
    #[error("cannot read or write the index file")]
    Io(#[from] std::io::Error),
    /// A checksum, a length or a number does not hold.
    #[error("the index file is damaged: {0}")]
    Damaged(&'static str),
    /// It has another content than before.
    #[error("the index file was replaced")]
    Replaced,
    /// Another version of this program wrote it.
    #[error("the index file has version {0}")]
    Version(u32),
}

type Result<T, E = FileError> = std::result::Result<T, E>;

/// The first bytes of an index file. Two files with equal headers have equal contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_refusal: bool,
    directory_offset: u64,
    directory_len: u64,
    file_len: u64,
    pub(super) fingerprint: [u8; 16],
}

/// A compressed section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Section {
    offset: u64,
    len: u64,
    raw_len: u64,
    crc32c: u32,
}

/// The inline bytes, as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inline {
    offset: u64,
    len: u64,
    block_crc32c: Vec<u32>,
}

/// Everything that a file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Directory {
    pub(super) about: About,
    pub(super) metadata: Section,
    pub(super) tables: Vec<Section>,
    pub(super) inline: Inline,
}

/// What was indexed, and by whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) key: String,
    pub(super) source: Object,
    pub(super) listing: Option<[u8; 16]>,
    pub(super) format: String,
    pub(super) format_version: u32,
    pub(super) verification: u8,
    pub(super) program: String,
}

/// Writes a whole file.
pub(super) fn write(
    file: &File,
    version: u32,
    about: About,
    metadata: &Metadata,
    (tables, inline): (&[ChunkTable], &[u8]),
) -> Result<Header> {
    let mut out = Sections { out: BufWriter::with_capacity(1 << 20, file), at: 0 };
    out.raw(&[0; HEADER_BYTES])?;
    let is_refusal = matches!(metadata, Metadata::Refused(_));
    let metadata = out.compressed(&to_bytes(metadata)?)?;
    let tables = tables
        .iter()
        .map(|table| {
            let raw = table::encode(table).map_err(|_| FileError::Damaged("a table cannot be written"))?;
            out.compressed(&raw)
        })
        .collect::<Result<Vec<Section>>>()?;
    let block_crc32c = inline.chunks(BLOCK_BYTES).map(crc32c::crc32c).collect();
    let inline = Inline { offset: out.at, len: out.raw(inline)?, block_crc32c };
    let directory = to_bytes(&Directory { about, metadata, tables, inline })?;
    let header = Header {
        is_refusal,
        directory_offset: out.at,
        directory_len: out.raw(&directory)?,
        file_len: out.at,
        fingerprint: fingerprint(&directory),
    };
    out.out.seek(SeekFrom::Start(0))?;
    out.out.write_all(&header.encode(version))?;
    out.out.flush()?;
    Ok(header)
}

fn to_bytes(document: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_allocvec(document).map_err(|_| FileError::Damaged("a document cannot be written"))
}

fn fingerprint(directory: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    for (byte, digest) in half.iter_mut().zip(Sha256::digest(directory)) {
        *byte = digest;
    }
    half
}

/// Sections one after another.
struct Sections<'a> {
    out: BufWriter<&'a File>,
    at: u64,
}

impl Sections<'_> {
    fn raw(&mut self, bytes: &[u8]) -> Result<u64> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len() as u64)
    }

    fn compressed(&mut self, raw: &[u8]) -> Result<Section> {
        let bytes = compress(raw)?;
        let offset = self.at;
        let len = self.raw(&bytes)?;
        Ok(Section { offset, len, raw_len: raw.len() as u64, crc32c: crc32c::crc32c(&bytes) })
    }
}

impl Header {
    pub(super) fn encode(&self, version: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&[u8::from(self.is_refusal), 0, 0, 0]);
        for number in [self.directory_offset, self.directory_len, self.file_len] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.fingerprint);
        bytes.extend_from_slice(&[0; 4]);
        let crc32c = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc32c.to_le_bytes());
        let mut header = [0; HEADER_BYTES];
        for (to, from) in header.iter_mut().zip(bytes) {
            *to = from;
        }
        header
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self> {
        let (body, crc32c) = bytes.split_at(HEADER_BYTES - 4);
        if crc32c != crc32c::crc32c(body).to_le_bytes() {
            return Err(FileError::Damaged("the header's checksum does not hold"));
        }
        let number = |at: usize| {
            let bytes = body.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        let fingerprint = body.get(40..56).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        Ok(Self {
            is_refusal: body.get(12).is_some_and(|kind| *kind != 0),
            directory_offset: number(16),
            directory_len: number(24),
            file_len: number(32),
            fingerprint,
        })
    }
}

/// The version that a file claims, whatever its checksums say: the same place in every version.
pub(super) fn version_of(head: &[u8]) -> Result<u32> {
    if head.get(..8) != Some(MAGIC) {
        return Err(FileError::Damaged("it does not begin as one"));
    }
    let version = head.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    version.ok_or(FileError::Damaged("it ends within its header"))
}

/// An open index file of this version.
pub(super) struct Reader {
    file: File,
    pub(super) header: Header,
}

impl Reader {
    /// Opens a file and checks its header.
    pub(super) fn open(path: &Path, version: u32) -> Result<Self> {
        let file = File::open(path)?;
        let mut head = [0; HEADER_BYTES];
        read_exact(&file, &mut head, 0)?;
        let found = version_of(&head)?;
        if found != version {
            return Err(FileError::Version(found));
        }
        let header = Header::decode(&head)?;
        if file.metadata()?.len() != header.file_len {
            return Err(FileError::Damaged("its length is not what it says"));
        }
        Ok(Self { file, header })
    }

    pub(super) fn directory(&self) -> Result<Directory> {
        let bytes = self.read(self.header.directory_offset, self.header.directory_len)?;
        if fingerprint(&bytes) != self.header.fingerprint {
            return Err(FileError::Damaged("the directory's checksum does not hold"));
        }
        let directory: Directory =
            postcard::from_bytes(&bytes).map_err(|_| FileError::Damaged("the directory is none"))?;
        let inline = &directory.inline;
        if inline.block_crc32c.len() as u64 != inline.len.div_ceil(BLOCK_BYTES as u64) {
            return Err(FileError::Damaged("the inline bytes have too many or too few checksums"));
        }
        Ok(directory)
    }

    pub(super) fn metadata(&self, section: &Section) -> Result<Metadata> {
        let raw = self.section(section)?;
        postcard::from_bytes(&raw).map_err(|_| FileError::Damaged("the metadata are none"))
    }

    pub(super) fn table(&self, section: &Section) -> Result<ChunkTable> {
        table::decode(&self.section(section)?).ok_or(FileError::Damaged("a table is none"))
    }

    fn section(&self, section: &Section) -> Result<Vec<u8>> {
        let bytes = self.read(section.offset, section.len)?;
        if crc32c::crc32c(&bytes) != section.crc32c {
            return Err(FileError::Damaged("a section's checksum does not hold"));
        }
        let raw_len = usize::try_from(section.raw_len.min(MAX_SECTION_BYTES)).unwrap_or(usize::MAX);
        let raw = zstd::bulk::decompress(&bytes, raw_len)
            .map_err(|_| FileError::Damaged("a section does not decompress"))?;
        if raw.len() as u64 != section.raw_len {
            return Err(FileError::Damaged("a section has another length than it says"));
        }
        Ok(raw)
    }

    /// Inline bytes, the blocks that hold them checked.
    pub(super) fn inline(&self, inline: &Inline, offset: u64, len: usize) -> Result<bytes::Bytes> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= inline.len);
        let Some(end) = end else { return Err(FileError::Damaged("inline bytes end before a chunk does")) };
        let block = BLOCK_BYTES as u64;
        let first = offset / block * block;
        let last = end.next_multiple_of(block).min(inline.len);
        let bytes = self.read(inline.offset + first, last.saturating_sub(first))?;
        let checksums = inline.block_crc32c.iter().skip(usize::try_from(first / block).unwrap_or(usize::MAX));
        if bytes.chunks(BLOCK_BYTES).zip(checksums).any(|(bytes, crc32c)| crc32c::crc32c(bytes) != *crc32c) {
            return Err(FileError::Damaged("a checksum of the inline bytes does not hold"));
        }
        let start = usize::try_from(offset - first).unwrap_or(usize::MAX);
        Ok(bytes::Bytes::from(bytes).slice(start..start + len))
    }

    fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let end = offset.checked_add(len);
        if len > MAX_SECTION_BYTES || end.is_none_or(|end| end > self.header.file_len) {
            return Err(FileError::Damaged("a section lies outside the file"));
        }
        let mut bytes =
            vec![0; usize::try_from(len).map_err(|_| FileError::Damaged("a section is too large"))?];
        read_exact(&self.file, &mut bytes, offset)?;
        Ok(bytes)
    }
}

fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> Result<()> {
    file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => FileError::Damaged("it is shorter than it says"),
        _ => FileError::Io(error),
    })
}

impl Section {
    pub(super) fn raw_len(&self) -> usize {
        usize::try_from(self.raw_len).unwrap_or(usize::MAX)
    }
}

impl Inline {
    pub(super) fn len(&self) -> u64 {
        self.len
    }
}
