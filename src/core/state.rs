//! What must survive `kill -9`: one SQLite database, written through one thread.
//!
//! Whatever [`Database::write`] returned has reached the disk (write-ahead log, `synchronous=FULL`). Several
//! writes that wait at the same time share one flush, each of several in a savepoint of its own: one that
//! fails leaves no trace and does not fail the others.

mod thread;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::oneshot;

use crate::{Error, ErrorKind, Result};

use thread::{Write, Writer};

/// How to keep the database.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// The file.
    pub path: PathBuf,
    /// How long to wait for another process that has the database locked.
    pub busy_timeout: Duration,
    /// Most writes that wait for the thread; further ones wait before they are accepted.
    pub max_waiting: usize,
}

impl DatabaseSettings {
    /// The usual settings for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), busy_timeout: Duration::from_secs(10), max_waiting: 1024 }
    }
}

/// A durable database. Cloning gives the same one.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Writer,
    /// Connections for reading that nobody uses at present.
    readers: Mutex<Vec<Connection>>,
    settings: DatabaseSettings,
}

/// When to ask again while the disk or the database fails.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Most idle connections for reading.
const MAX_IDLE_READERS: usize = 4;

impl Database {
    /// Opens or makes the database and brings its tables up to date with `migrations`: scripts that are run
    /// once each, in order. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the file cannot be opened or written, [`ErrorKind::Corrupt`] if it is none
    /// of ours or a newer program's.
    pub fn open(settings: DatabaseSettings, migrations: &'static [&'static str]) -> Result<Self> {
        if let Some(folder) = settings.path.parent() {
            std::fs::create_dir_all(folder).map_err(|cause| {
                let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(60) };
                Error::new(kind, format!("cannot make the folder {}", folder.display())).with_source(cause)
            })?;
        }
        let mut connection = connect(&settings, OpenFlags::default())?;
        prepare(&mut connection, migrations)?;
        let writer = Writer::start(connection, settings.max_waiting)?;
        Ok(Self { shared: Arc::new(Shared { writer, readers: Mutex::default(), settings }) })
    }

    /// Does `work` in a transaction. What it wrote is on the disk when this returns.
    ///
    /// # Errors
    /// Those of `work`, after which nothing of it is kept; [`ErrorKind::Unavailable`] if the disk or the database
    /// fails: whether it was kept is not known then, and the caller must not acknowledge it.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.shared.writer.send(Write::new(work, sender)).await?;
        receiver.await.map_err(|_| Error::internal("a write was dropped"))?
    }

    /// Reads on the blocking pool, from a consistent state.
    ///
    /// # Errors
    /// Those of `work`, and of a database that cannot be opened.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = self.clone();
        crate::manifest::blocking(move || database.read_blocking(work)).await
    }

    /// The same on this thread.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn read_blocking<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.shared.readers.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(
                &self.shared.settings,
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?,
        };
        let transaction = connection.unchecked_transaction()?;
        let answer = work(&transaction);
        drop(transaction);
        let mut readers = self.shared.readers.lock();
        if readers.len() < MAX_IDLE_READERS {
            readers.push(connection);
        }
        answer
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.settings.path
    }
}

fn connect(settings: &DatabaseSettings, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(&settings.path, flags)?;
    connection.busy_timeout(settings.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// Sets the rules of durability and runs the migrations that were not run yet.
fn prepare(connection: &mut Connection, migrations: &[&str]) -> Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // From the start for writing: one that becomes that later fails at once if another process wrote meanwhile.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = done as usize;
    if done > migrations.len() {
        return Err(Error::corrupt(format!(
            "the database was written by a newer version of this program: it has tables of version {done}, \
             this program knows {}",
            migrations.len()
        )));
    }
    for script in migrations.iter().skip(done) {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "user_version", migrations.len() as u32)?;
    transaction.commit()?;
    Ok(())
}

impl From<rusqlite::Error> for Error {
    fn from(cause: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let kind = match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Corrupt,
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OperationInterrupted
                | ErrorCode::OperationAborted,
            ) => ErrorKind::Unavailable { retry_after: RETRY_AFTER },
            _ => ErrorKind::Internal,
        };
        Self::new(kind, "the database of requests failed").with_source(cause)
    }
}

#[cfg(test)]
mod tests;
