//! The file of a kept result. Nothing in it is trusted: lengths are compared with what the result must have before anything
//! is allocated, and checksums before anything is believed.
//!
//! # Specification
//! | bytes | what |
//! |---|---|
//! | 8 | `TCGRPBY` and a line feed |
//! | 4 | version of this format, little-endian |
//! | 4 | length of the header, little-endian |
//! | 32 | SHA-256 of the header |
//! | … | the header: a JSON object |
//! | … | the values: as they are, little-endian, C order; of texts each with its length before it, 4 bytes |
//! | 32 | SHA-256 of the values |

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thermocline_model::ArrayBytes;

use crate::engine::KeptResult;

const MAGIC: &[u8; 8] = b"TCGRPBY\n";

/// Changes with the format. Files of other versions are not read.
const VERSION: u32 = 2;

/// Longest header, in bytes.
const MAX_HEADER_BYTES: u32 = 1 << 18;

const HASH_BYTES: usize = 32;

const PREFIX_BYTES: usize = MAGIC.len() + 4 + 4 + HASH_BYTES;

/// Bytes that are hashed at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes before each text.
const TEXT_LEN_BYTES: usize = 4;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    etag: String,
    dataset: String,
    revision: String,
    path: String,
    when_ns: i64,
    len_bytes: u64,
    are_texts: bool,
}

/// What the values must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Expected {
    /// So many bytes.
    Fixed(u64),
    /// So many texts, that take at most so many bytes.
    Texts(u64, u64),
}

/// Why a file is not a result.
#[derive(Debug)]
pub(super) enum Unread {
    /// It cannot be read at present, or is gone.
    Io(io::Error),
    /// It is damaged, foreign or of another version: it never will be one.
    Damaged(&'static str),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends before its time"),
            _ => Self::Io(error),
        }
    }
}

/// Writes a file, durable when this returns but for its name.
pub(super) fn write(to: &Path, about: &KeptResult, values: &ArrayBytes) -> io::Result<u64> {
    let header = Header {
        etag: about.etag.to_string(),
        dataset: about.dataset.to_string(),
        revision: about.revision.to_string(),
        path: about.path.to_string(),
        when_ns: about.when_ns,
        len_bytes: stored_bytes(values),
        are_texts: matches!(values, ArrayBytes::Texts(_)),
    };
    let header = serde_json::to_vec(&header)?;
    let header_len = u32::try_from(header.len()).ok().filter(|len| *len <= MAX_HEADER_BYTES);
    let header_len = header_len.ok_or_else(|| io::Error::other("the path of the result is too long"))?;
    let mut file = File::create(to)?;
    let mut prefix = Vec::with_capacity(PREFIX_BYTES + header.len());
    prefix.extend_from_slice(MAGIC);
    prefix.extend_from_slice(&VERSION.to_le_bytes());
    prefix.extend_from_slice(&header_len.to_le_bytes());
    prefix.extend_from_slice(&Sha256::digest(&header));
    prefix.extend_from_slice(&header);
    file.write_all(&prefix)?;
    let hash = match values {
        ArrayBytes::Fixed(bytes) => {
            file.write_all(bytes)?;
            Sha256::digest(bytes)
        }
        ArrayBytes::Texts(texts) => write_texts(&mut file, texts)?,
    };
    file.write_all(&hash)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

type Hash = sha2::digest::Output<Sha256>;

fn write_texts(file: &mut File, texts: &[String]) -> io::Result<Hash> {
    let mut hasher = Sha256::new();
    let mut piece = Vec::new();
    for text in texts {
        let len = u32::try_from(text.len()).map_err(io::Error::other)?;
        piece.extend_from_slice(&len.to_le_bytes());
        piece.extend_from_slice(text.as_bytes());
        if piece.len() >= PIECE_BYTES {
            hasher.update(&piece);
            file.write_all(&piece)?;
            piece.clear();
        }
    }
    hasher.update(&piece);
    file.write_all(&piece)?;
    Ok(hasher.finalize())
}

/// Bytes of values in a file.
pub(super) fn stored_bytes(values: &ArrayBytes) -> u64 {
    match values {
        ArrayBytes::Fixed(bytes) => bytes.len() as u64,
        ArrayBytes::Texts(texts) => texts.iter().map(|text| (text.len() + TEXT_LEN_BYTES) as u64).sum(),
    }
}

/// What a file says of itself, with its length. The values are not looked at, but for their length.
pub(super) fn read_about(path: &Path) -> Result<(KeptResult, u64), Unread> {
    let mut file = File::open(path)?;
    let (header, file_len) = read_header(&mut file)?;
    Ok((about(header), file_len))
}

/// The values of a file, if they are those of a result.
pub(super) fn read(path: &Path, etag: &str, expected: Expected) -> Result<(KeptResult, ArrayBytes), Unread> {
    let mut file = File::open(path)?;
    let (header, _) = read_header(&mut file)?;
    let len_bytes = header.len_bytes;
    let fits = match expected {
        Expected::Fixed(len) => !header.are_texts && len_bytes == len,
        Expected::Texts(_, most) => header.are_texts && len_bytes <= most,
    };
    if header.etag != etag || !fits {
        return Err(Unread::Damaged("it holds another result"));
    }
    let len = usize::try_from(len_bytes).map_err(|_| Unread::Damaged("it is too large"))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(io::Error::other)?;
    (&mut file).take(len_bytes).read_to_end(&mut bytes)?;
    let mut hash = [0_u8; HASH_BYTES];
    file.read_exact(&mut hash)?;
    if bytes.len() != len || *Sha256::digest(&bytes) != hash {
        return Err(Unread::Damaged("its checksum does not hold"));
    }
    let values = match expected {
        Expected::Fixed(_) => ArrayBytes::Fixed(bytes),
        Expected::Texts(n, _) => ArrayBytes::Texts(texts(&bytes, n)?),
    };
    Ok((about(header), values))
}

fn about(header: Header) -> KeptResult {
    KeptResult {
        etag: header.etag.into(),
        dataset: header.dataset.into(),
        revision: header.revision.into(),
        path: header.path.into(),
        len_bytes: header.len_bytes,
        when_ns: header.when_ns,
    }
}

fn read_header(file: &mut File) -> Result<(Header, u64), Unread> {
    let file_len = file.metadata()?.len();
    let mut prefix = [0_u8; PREFIX_BYTES];
    file.read_exact(&mut prefix)?;
    let (magic, rest) = prefix.split_at(MAGIC.len());
    let (version, rest) = rest.split_at(4);
    let (header_len, hash) = rest.split_at(4);
    if magic != MAGIC || version != VERSION.to_le_bytes() {
        return Err(Unread::Damaged("it is no result, or of another version"));
    }
    let header_len = u32::from_le_bytes(<[u8; 4]>::try_from(header_len).unwrap_or_default());
    if header_len > MAX_HEADER_BYTES {
        return Err(Unread::Damaged("its header is too long"));
    }
    let mut header = Vec::new();
    (&mut *file).take(header_len.into()).read_to_end(&mut header)?;
    if *Sha256::digest(&header) != *hash {
        return Err(Unread::Damaged("the checksum of its header does not hold"));
    }
    let header: Header =
        serde_json::from_slice(&header).map_err(|_| Unread::Damaged("its header is no header"))?;
    let around = (PREFIX_BYTES + HASH_BYTES) as u64 + u64::from(header_len);
    if header.len_bytes.checked_add(around) != Some(file_len) {
        return Err(Unread::Damaged("its length is not what its header says"));
    }
    Ok((header, file_len))
}

fn texts(mut bytes: &[u8], n: u64) -> Result<Vec<String>, Unread> {
    const DAMAGED: Unread = Unread::Damaged("its texts are none");
    // Each takes some bytes: more of them are never believed.
    let n = usize::try_from(n)
        .ok()
        .filter(|n| n.checked_mul(TEXT_LEN_BYTES).is_some_and(|len| len <= bytes.len()));
    let mut texts = Vec::with_capacity(n.ok_or(DAMAGED)?);
    while let Some((len, rest)) = bytes.split_first_chunk::<TEXT_LEN_BYTES>() {
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or(DAMAGED)?;
        texts.push(str::from_utf8(text).map_err(|_| DAMAGED)?.to_owned());
        bytes = rest;
    }
    let is_all = bytes.is_empty() && Some(texts.len()) == n;
    if is_all { Ok(texts) } else { Err(DAMAGED) }
}

/// The name of the file of a result: nothing of a path is in it.
pub(super) fn name(etag: &str, extension: &str) -> Arc<str> {
    let digest = Sha256::digest(etag.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.{extension}").into()
}
