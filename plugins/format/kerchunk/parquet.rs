//! References in parquet, as fsspec's lazy reference mapper writes them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use thermocline_core::Result;
use thermocline_core::format::{ReadAt, Source};

use crate::document::{Reference, refused};

/// Largest file of references, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// The name of one file of the references of an array.
pub(crate) fn name(path: &str, file: u64) -> String {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    format!("{prefix}refs.{file}.parq")
}

/// Reads one file: the references of its rows; `None` for a chunk that was never written.
///
/// At most `n_rows` rows count: what follows is padding.
pub(crate) fn read(source: &Source<'_>, name: &str, n_rows: u64) -> Result<Option<Vec<Option<Reference>>>> {
    let Some(file) = source.others.open(name)? else {
        return Ok(None);
    };
    let content = content(file, name)?;
    // The parquet library asserts what a damaged file need not hold.
    let rows = catch_unwind(AssertUnwindSafe(|| rows(content, name, n_rows)));
    rows.unwrap_or_else(|_| Err(refused(format!("{name} is damaged parquet")))).map(Some)
}

fn rows(content: Bytes, name: &str, n_rows: u64) -> Result<Vec<Option<Reference>>> {
    let broken =
        |cause: parquet::errors::ParquetError| refused(format!("{name} is no parquet")).with_source(cause);
    let reader = SerializedFileReader::new(content).map_err(broken)?;
    let mut references = Vec::new();
    for row in reader.get_row_iter(None).map_err(broken)? {
        if references.len() as u64 >= n_rows {
            break;
        }
        references.push(reference(&row.map_err(broken)?, name)?);
    }
    Ok(references)
}

fn content(file: Arc<dyn ReadAt>, name: &str) -> Result<Bytes> {
    let len_bytes = file.object().len_bytes;
    if len_bytes > MAX_FILE_BYTES {
        return Err(refused(format!("{name} has {len_bytes} bytes, {MAX_FILE_BYTES} are the most")));
    }
    file.read_at(0, len_bytes as usize)
}

/// The reference of a row with the columns `path`, `offset`, `size` and `raw`.
fn reference(row: &Row, name: &str) -> Result<Option<Reference>> {
    let (mut url, mut offset, mut size, mut raw) = (None, 0, 0, None);
    for (column, field) in row.get_column_iter() {
        match column.as_str() {
            "path" => url = text(field, name)?,
            "offset" => offset = number(field, name)?,
            "size" => size = number(field, name)?,
            "raw" => raw = binary(field, name)?,
            _ => {}
        }
    }
    Ok(match (url, raw) {
        (_, Some(bytes)) => Some(Reference::Bytes(bytes)),
        (Some(url), None) if offset == 0 && size == 0 => Some(Reference::Whole { url }),
        (Some(url), None) => Some(Reference::Range { url, offset, len_bytes: size }),
        (None, None) => None,
    })
}

fn text(field: &Field, name: &str) -> Result<Option<String>> {
    match field {
        Field::Null => Ok(None),
        Field::Str(text) => Ok(Some(text.clone())),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(refused(format!("{name} has a path that is not UTF-8"))),
        },
        other => Err(refused(format!("{name} has {other} as a path"))),
    }
}

fn binary(field: &Field, name: &str) -> Result<Option<Vec<u8>>> {
    match field {
        Field::Null => Ok(None),
        Field::Bytes(bytes) => Ok(Some(bytes.data().to_vec())),
        Field::Str(text) => Ok(Some(text.clone().into_bytes())),
        other => Err(refused(format!("{name} has {other} as bytes"))),
    }
}

fn number(field: &Field, name: &str) -> Result<u64> {
    let number = match field {
        Field::Null => Some(0),
        Field::Int(value) => u64::try_from(*value).ok(),
        Field::Long(value) => u64::try_from(*value).ok(),
        Field::UInt(value) => Some(u64::from(*value)),
        Field::ULong(value) => Some(*value),
        _ => None,
    };
    number.ok_or_else(|| refused(format!("{name} has {field} as a number of bytes")))
}
