//! Summaries on disk, so that a start does not make them all again.
//!
//! A row for each dataset: the key of what its summary was made from, what is searched for, and the summary itself,
//! compressed. The number of a summary never means another one. The file may be deleted at any time: it is made
//! again, with new times of creation. So is one that is damaged or of another program.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thermocline_core::state::{Database, DatabaseSettings};
use thermocline_core::{Error, ErrorKind, Result};
use tracing::warn;

use crate::entry::Entry;
use crate::summary::Summary;

/// Version of what is kept: changes with every change of [`Summary`] or [`Entry`] and of what they mean.
pub(crate) const VERSION: u32 = 3;

/// Name of the file.
pub(crate) const FILE: &str = "search.sqlite";

/// Level of compression: summaries are written once and read often.
const LEVEL: i32 = 3;

/// Longest summary that is kept, in bytes before it is compressed.
const MAX_SUMMARY_BYTES: usize = 64 << 20;

const MIGRATIONS: &[&str] = &["
CREATE TABLE datasets (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    key BLOB NOT NULL,
    created_ns INTEGER NOT NULL,
    entry BLOB NOT NULL,
    hrefs BLOB NOT NULL
) STRICT;
CREATE TABLE summaries (number INTEGER PRIMARY KEY, summary BLOB NOT NULL) STRICT;
"];

/// What a summary was made from.
pub(crate) type Key = [u8; 16];

/// What is kept of a dataset besides its summary.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// When it was first summarised.
    pub(crate) created_ns: i64,
    /// The rest; `None` if another version of the program wrote it.
    pub(crate) content: Option<Content>,
}

/// What this version of the program wrote of a dataset.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) number: i64,
    pub(crate) key: Key,
    pub(crate) entry: Entry,
    /// All source objects.
    pub(crate) hrefs: Vec<String>,
}

/// What is to be kept of a dataset.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) key: Key,
    pub(crate) created_ns: i64,
    pub(crate) entry: Entry,
    pub(crate) hrefs: Vec<String>,
    pub(crate) summary: Packed,
}

/// A summary as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Packed(Vec<u8>);

impl Packed {
    /// That of a summary.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] if it is too long to be read again.
    pub(crate) fn of(summary: &Summary) -> Result<Self> {
        let plain = postcard::to_stdvec(summary).map_err(unwritten)?;
        if plain.len() > MAX_SUMMARY_BYTES {
            let message =
                format!("a summary has {} bytes, at most {MAX_SUMMARY_BYTES} are kept", plain.len());
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        compress(&plain).map(Self)
    }
}

/// Keeps summaries.
#[derive(Clone)]
pub(crate) enum Store {
    /// In the file of a folder.
    Disk(Database),
    /// As long as the process runs.
    Memory(Arc<RwLock<Memory>>),
}

#[derive(Default)]
pub(crate) struct Memory {
    last_number: i64,
    by_id: HashMap<String, (i64, Content)>,
    summaries: HashMap<i64, Vec<u8>>,
}

impl Store {
    /// In a folder, or in memory. Blocking.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(crate) fn open(dir: Option<&Path>) -> Result<Self> {
        let Some(dir) = dir else { return Ok(Self::Memory(Arc::default())) };
        let path = dir.join(FILE);
        match open(&path) {
            Err(error) if error.kind() == ErrorKind::Corrupt || error.kind() == ErrorKind::Internal => {
                warn!(path = %path.display(), %error, "summaries are not readable and will be made again");
                for file in ["", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(PathBuf::from(format!("{}{file}", path.display())));
                }
                open(&path)
            }
            opened => opened,
        }
        .map(Self::Disk)
    }

    /// What is kept of some datasets, by their ids. Blocking.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub(crate) fn find(&self, ids: &[&str]) -> Result<HashMap<String, Stored>> {
        match self {
            Self::Disk(database) => database.read_blocking(|connection| find(connection, ids)),
            Self::Memory(memory) => {
                let memory = memory.read();
                let stored = |id: &&str| {
                    let (created_ns, content) = memory.by_id.get(*id)?.clone();
                    Some(((*id).to_owned(), Stored { created_ns, content: Some(content) }))
                };
                Ok(ids.iter().filter_map(stored).collect())
            }
        }
    }

    /// The summary of a number; `Ok(None)` if it is not kept any more. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if that summary is damaged, others if the database cannot be read.
    pub(crate) fn summary(&self, number: i64) -> Result<Option<Summary>> {
        let packed = match self {
            Self::Disk(database) => database
                .read_blocking(|connection| {
                    let mut select =
                        connection.prepare_cached("SELECT summary FROM summaries WHERE number = ?1")?;
                    Ok(select.query_row([number], |row| row.get::<_, Vec<u8>>(0)).optional()?)
                })
                .map_err(away)?,
            Self::Memory(memory) => memory.read().summaries.get(&number).cloned(),
        };
        packed.map(|packed| unpack(&packed)).transpose()
    }

    /// Keeps summaries in place of those of the same datasets, and says under which numbers. What was kept before stays
    /// until [`Store::forget`].
    ///
    /// # Errors
    /// A database that cannot be written.
    pub(crate) async fn save(&self, new: Vec<New>) -> Result<Vec<i64>> {
        match self {
            Self::Disk(database) => database.write(move |connection| save(connection, &new)).await,
            Self::Memory(memory) => memory.write().save(new),
        }
    }

    /// Forgets summaries by their numbers, and datasets by their ids.
    ///
    /// # Errors
    /// A database that cannot be written.
    pub(crate) async fn forget(&self, numbers: Vec<i64>, ids: Vec<String>) -> Result<()> {
        if numbers.is_empty() && ids.is_empty() {
            return Ok(());
        }
        match self {
            Self::Disk(database) => {
                database.write(move |connection| forget(connection, &numbers, &ids)).await
            }
            Self::Memory(memory) => {
                let mut memory = memory.write();
                let of_ids: Vec<i64> = ids
                    .iter()
                    .filter_map(|id| memory.by_id.remove(id))
                    .map(|(_, content)| content.number)
                    .collect();
                for number in numbers.iter().chain(&of_ids) {
                    memory.summaries.remove(number);
                }
                Ok(())
            }
        }
    }

    /// Ids of all datasets of which something is kept.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub(crate) fn ids(&self) -> Result<Vec<String>> {
        match self {
            Self::Disk(database) => database.read_blocking(|connection| {
                let mut select = connection.prepare("SELECT id FROM datasets")?;
                let ids = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
                Ok(ids)
            }),
            Self::Memory(memory) => Ok(memory.read().by_id.keys().cloned().collect()),
        }
    }
}

impl Memory {
    fn save(&mut self, new: Vec<New>) -> Result<Vec<i64>> {
        let mut numbers = Vec::with_capacity(new.len());
        for New { key, created_ns, entry, hrefs, summary } in new {
            self.last_number += 1;
            let number = self.last_number;
            self.summaries.insert(number, summary.0);
            let id = entry.id.clone();
            self.by_id.insert(id, (created_ns, Content { number, key, entry, hrefs }));
            numbers.push(number);
        }
        Ok(numbers)
    }
}

fn open(path: &Path) -> Result<Database> {
    let database = Database::open(DatabaseSettings::new(path), MIGRATIONS)?;
    database.read_blocking(|connection| {
        let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found == "ok" { Ok(()) } else { Err(Error::corrupt(format!("the file is damaged: {found}"))) }
    })?;
    Ok(database)
}

fn find(connection: &Connection, ids: &[&str]) -> Result<HashMap<String, Stored>> {
    let mut select = connection.prepare_cached(
        "SELECT number, version, key, created_ns, entry, hrefs FROM datasets WHERE id = ?1",
    )?;
    let mut found = HashMap::with_capacity(ids.len());
    for id in ids {
        let mut rows = select.query([id])?;
        let Some(row) = rows.next()? else { continue };
        let is_ours = row.get::<_, u32>(1)? == VERSION;
        let (key, entry, hrefs): (Vec<u8>, Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(4)?, row.get(5)?);
        let content = |number| {
            Some(Content {
                number,
                key: Key::try_from(key.as_slice()).ok()?,
                entry: postcard::from_bytes(&entry).ok()?,
                hrefs: unpack(&hrefs).ok()?,
            })
        };
        let number = row.get(0)?;
        let content = if is_ours { content(number) } else { None };
        found.insert((*id).to_owned(), Stored { created_ns: row.get(3)?, content });
    }
    Ok(found)
}

fn save(connection: &Connection, new: &[New]) -> Result<Vec<i64>> {
    let mut replace = connection.prepare_cached(
        "INSERT OR REPLACE INTO datasets (id, version, key, created_ns, entry, hrefs) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO summaries (number, summary) VALUES (?1, ?2)")?;
    let mut numbers = Vec::with_capacity(new.len());
    for New { key, created_ns, entry, hrefs, summary } in new {
        let packed_entry = postcard::to_stdvec(entry).map_err(unwritten)?;
        let id = entry.id.as_str();
        replace.execute(params![id, VERSION, key, created_ns, packed_entry, pack(hrefs)?])?;
        let number = connection.last_insert_rowid();
        insert.execute(params![number, summary.0])?;
        numbers.push(number);
    }
    Ok(numbers)
}

fn forget(connection: &Connection, numbers: &[i64], ids: &[String]) -> Result<()> {
    let mut delete_summary = connection.prepare_cached("DELETE FROM summaries WHERE number = ?1")?;
    let mut delete = connection.prepare_cached("DELETE FROM datasets WHERE id = ?1 RETURNING number")?;
    for id in ids {
        if let Some(number) = delete.query_row([id], |row| row.get::<_, i64>(0)).optional()? {
            delete_summary.execute([number])?;
        }
    }
    for number in numbers {
        delete_summary.execute([number])?;
    }
    Ok(())
}

fn pack<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let plain = postcard::to_stdvec(value).map_err(unwritten)?;
    compress(&plain)
}

fn compress(plain: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(plain, LEVEL)
        .map_err(|cause| Error::internal("a summary was not compressed").with_source(cause))
}

fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T> {
    let mut plain = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(unreadable)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(decoder, MAX_SUMMARY_BYTES as u64), &mut plain)
        .map_err(unreadable)?;
    postcard::from_bytes(&plain).map_err(unreadable)
}

/// An error of the database, which is none of a single summary.
fn away(cause: Error) -> Error {
    if cause.kind() != ErrorKind::Corrupt {
        return cause;
    }
    let retry_after = std::time::Duration::from_secs(60);
    let message = "the summaries cannot be read: their file is damaged and made again at the next start";
    Error::new(ErrorKind::Unavailable { retry_after }, message).with_source(cause)
}

fn unwritten(cause: postcard::Error) -> Error {
    Error::internal("a summary was not written").with_source(cause)
}

fn unreadable(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::corrupt("a summary that is kept cannot be read").with_source(cause)
}
