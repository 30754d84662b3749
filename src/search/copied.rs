//! A copy of the summaries that a server keeps, for commands that run beside it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use thermocline_core::{Error, Result};

use crate::store::FILE;

/// Copies the summaries that are kept in one folder, as they are at this moment, into another. False if there are
/// none. Blocking; a server may be writing them.
///
/// # Errors
/// Summaries that cannot be read, a folder that cannot be written.
pub fn copy_summaries(from: &Path, to: &Path) -> Result<bool> {
    let source = from.join(FILE);
    if !source.is_file() {
        return Ok(false);
    }
    let failed = |cause| Error::internal(format!("cannot copy {}", source.display())).with_source(cause);
    let connection =
        Connection::open_with_flags(&source, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    let target = to.join(FILE);
    connection.execute("VACUUM INTO ?1", [target.to_string_lossy()]).map_err(failed)?;
    Ok(true)
}
