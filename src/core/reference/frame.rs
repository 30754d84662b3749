//! What a server and its reference workers tell each other: length-prefixed postcard frames.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::index::record::{ArrayBytes, DataType, Variable};

/// Largest frame: a decoded chunk with room for its frame.
const MAX_FRAME_BYTES: u64 = (1 << 30) + (1 << 20);

/// What a worker is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// To open a file of this machine.
    Open {
        /// Id of the format plugin.
        format: String,
        /// Absolute path.
        path: String,
    },
    /// To read values of the open file.
    Read { variable: Box<Variable>, dtype: DataType, start: Vec<u64>, shape: Vec<u64> },
}

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Opened,
    Values(ArrayBytes),
    Refused(String),
    Unable(String),
}

/// Writes one frame.
pub(super) fn write<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(&bytes)
}

/// Reads one frame; `Ok(None)` at the end of the stream.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 8];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(cause) => return Err(cause),
    }
    let len_bytes = u64::from_le_bytes(length);
    if len_bytes > MAX_FRAME_BYTES {
        return Err(io::Error::other(format!("a frame of {len_bytes} bytes")));
    }
    let mut bytes = Vec::new();
    from.take(len_bytes).read_to_end(&mut bytes)?;
    postcard::from_bytes(&bytes).map(Some).map_err(io::Error::other)
}
