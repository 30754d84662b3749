//! Lists of staged files, which users read as files of their own machine.
//!
//! A list appears whole: it is written under another name, flushed and renamed. Of a request that has ended it does
//! not change any more, though its files may become cold again.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex as Lock;
use tempfile::NamedTempFile;
use thermocline_core::staging::{ObjectFilter, ObjectState, Request, RequestId, Staging};
use thermocline_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use crate::spellings::{self, OtherSpellings};

/// Files that are read of a request at a time.
const FILES_AT_A_TIME: usize = 10_000;

/// Shortest time between two lists of a request that is still under way.
const REWRITE_AFTER_NS: i64 = 2_000_000_000;

/// Most requests of which it is remembered what their list says.
const MAX_REMEMBERED: usize = 10_000;

/// Lists that are written at the same time, at most.
const WRITTEN_AT_ONCE: usize = 16;

/// Age at which what a writer left that did not end is deleted.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(3600);

const SUFFIX: &str = ".txt";

/// How a list is called until it is whole.
pub(crate) const PREFIX: &str = ".staged-";

/// How the other spellings of a request's files are called.
const SPELLINGS_PREFIX: &str = ".spellings-";

/// The folder of the lists.
#[derive(Clone)]
pub(crate) struct StagedFiles {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    written: Lock<HashMap<RequestId, Written>>,
    /// Of a request one list is written at a time: an older one must not replace a newer.
    turns: [Mutex<()>; WRITTEN_AT_ONCE],
}

/// What the list of a request says.
#[derive(Debug, Clone, Copy)]
struct Written {
    change: u64,
    at_ns: i64,
    is_last: bool,
}

impl StagedFiles {
    /// Lists in a folder.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { shared: Arc::new(Shared { folder, written: Lock::default(), turns: Default::default() }) }
    }

    /// Makes the folder, and deletes lists that nobody can ask for any more. Blocking.
    ///
    /// # Errors
    /// A folder that cannot be made or written.
    pub(crate) fn prepare(&self, now_ns: i64, keep: Duration) -> Result<()> {
        let folder = &self.shared.folder;
        fs::create_dir_all(folder).map_err(|cause| failed(folder, cause))?;
        NamedTempFile::new_in(folder).map_err(|cause| failed(folder, cause))?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(now_ns).unwrap_or_default());
        for entry in fs::read_dir(folder).map_err(|cause| failed(folder, cause))?.flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            let age = modified.and_then(|modified| now.duration_since(modified).ok());
            let is_left_over = begins_with(&entry.path(), PREFIX);
            let too_old = if is_left_over { LEFT_OVER_AFTER } else { keep };
            let is_ours =
                is_left_over || is_list(&entry.path()) || begins_with(&entry.path(), SPELLINGS_PREFIX);
            if is_ours && age.is_some_and(|age| age > too_old) {
                // It is looked at again at the next start.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn path(&self, id: &RequestId) -> PathBuf {
        self.shared.folder.join(format!("{id}{SUFFIX}"))
    }

    /// Brings the list of a request up to date and names it.
    ///
    /// # Errors
    /// A folder that cannot be written, requests that cannot be read.
    pub(crate) async fn write(&self, staging: &Staging, request: &Request) -> Result<PathBuf> {
        let path = self.path(&request.id);
        let now_ns = staging.clock().now_ns();
        if self.is_good(&request.id, request, now_ns) && tokio::fs::try_exists(&path).await.unwrap_or(false) {
            return Ok(path);
        }
        let _turn = self.turn(&request.id).lock().await;
        let is_there = tokio::fs::try_exists(&path).await.unwrap_or(false);
        if is_there && (self.is_newer(request) || self.was_finished(&path, request).await) {
            return Ok(path);
        }
        let staged = staged(staging, request).await?;
        let (folder, target) = (self.shared.folder.clone(), path.clone());
        let spellings = self.spellings_path(&request.id);
        let is_last = request.state.is_ended();
        let done = tokio::task::spawn_blocking(move || {
            let staged = with_spellings(staged, spellings::read(&spellings)?);
            replace(&folder, &target, &staged, is_last)
        });
        let done = done.await;
        done.map_err(|_| Error::internal("writing a list of staged files stopped by a mistake"))??;
        self.remember(request, now_ns);
        Ok(path)
    }

    fn spellings_path(&self, id: &RequestId) -> PathBuf {
        self.shared.folder.join(format!("{SPELLINGS_PREFIX}{id}"))
    }

    /// Keeps other spellings of a request's files, so that its list has all of them.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(crate) async fn keep_spellings(&self, id: &RequestId, others: OtherSpellings) -> Result<()> {
        if others.is_empty() {
            return Ok(());
        }
        let (folder, path) = (self.shared.folder.clone(), self.spellings_path(id));
        let done = tokio::task::spawn_blocking(move || {
            spellings::write(&folder, &path, &others).map_err(|cause| failed(&folder, cause))
        });
        done.await.map_err(|_| Error::internal("writing spellings of files stopped by a mistake"))?
    }

    fn turn(&self, id: &RequestId) -> &Mutex<()> {
        let number =
            id.0.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        // The rest is less than the number of turns.
        &self.shared.turns[number % WRITTEN_AT_ONCE]
    }

    /// True if the list says more than is known of the request here.
    fn is_newer(&self, request: &Request) -> bool {
        let written = self.shared.written.lock().get(&request.id).copied();
        written.is_some_and(|written| written.is_last || written.change > request.change)
    }

    /// True if the list that was written last will do.
    fn is_good(&self, id: &RequestId, request: &Request, now_ns: i64) -> bool {
        let written = self.shared.written.lock().get(id).copied();
        written.is_some_and(|written| {
            let is_young =
                now_ns.saturating_sub(written.at_ns).unsigned_abs() < REWRITE_AFTER_NS.unsigned_abs();
            written.is_last || written.change == request.change || (is_young && !request.state.is_ended())
        })
    }

    /// True if the list was written after the end of the request, by this process or another one.
    async fn was_finished(&self, path: &Path, request: &Request) -> bool {
        let path = path.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            let metadata = fs::metadata(&path).ok()?;
            // Lists of requests that have ended are read-only: that is how they are told from others.
            Some(metadata.permissions().readonly())
        });
        request.state.is_ended() && found.await.ok().flatten().unwrap_or(false)
    }

    fn remember(&self, request: &Request, now_ns: i64) {
        let mut written = self.shared.written.lock();
        if written.len() >= MAX_REMEMBERED {
            written.clear();
        }
        let is_last = request.state.is_ended();
        written.insert(request.id.clone(), Written { change: request.change, at_ns: now_ns, is_last });
    }
}

/// Files of a request that were brought online, spelt as they were asked for.
async fn staged(staging: &Staging, request: &Request) -> Result<Vec<Arc<str>>> {
    let mut staged = Vec::new();
    for state in [ObjectState::Hot, ObjectState::Released] {
        let mut after = None;
        loop {
            let filter = ObjectFilter { state: Some(state), since: None, after, limit: FILES_AT_A_TIME };
            let objects = staging.objects(&request.id, filter).await?;
            let is_last = objects.len() < FILES_AT_A_TIME;
            after = objects.last().map(|object| object.position);
            staged.extend(objects.into_iter().map(|object| (object.position, object.spelling)));
            if is_last {
                break;
            }
        }
    }
    staged.sort_unstable_by_key(|(position, _)| *position);
    // A file may have been released between two pages.
    staged.dedup_by_key(|(position, _)| *position);
    Ok(staged.into_iter().map(|(_, spelling)| spelling).collect())
}

fn replace(folder: &Path, target: &Path, staged: &[Arc<str>], is_last: bool) -> Result<()> {
    let written = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?;
        {
            let mut writer = BufWriter::new(file.as_file_mut());
            for path in staged {
                writer.write_all(path.as_bytes())?;
                writer.write_all(b"\n")?;
            }
            writer.flush()?;
        }
        // Users are others than the server.
        let mode = if is_last { 0o444 } else { 0o644 };
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(target).map_err(|failure| failure.error)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|cause| failed(folder, cause))
}

/// Every spelling of the files, each beside the first one of its file.
fn with_spellings(staged: Vec<Arc<str>>, mut others: OtherSpellings) -> Vec<Arc<str>> {
    if others.is_empty() {
        return staged;
    }
    let all = staged.into_iter().flat_map(|spelling| {
        let others = others.remove(&spelling).unwrap_or_default();
        std::iter::once(spelling).chain(others).collect::<Vec<_>>()
    });
    all.collect()
}

fn begins_with(path: &Path, prefix: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
}

fn is_list(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(SUFFIX));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
}

fn failed(folder: &Path, cause: std::io::Error) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(60) };
    Error::new(kind, format!("the lists of staged files cannot be written below {}", folder.display()))
        .with_source(cause)
}
