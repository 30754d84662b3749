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
use thermocline_core::staging::{ObjectFilter, ObjectState, Request, RequestId, RequestObject, Staging};
use thermocline_core::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

/// Files that are read of a request at a time.
const FILES_AT_A_TIME: usize = 10_000;

/// Shortest time between two lists of a request that is still under way.
const REWRITE_AFTER_NS: i64 = 2_000_000_000;

/// Most requests of which it is remembered what their list says.
const MAX_REMEMBERED: usize = 10_000;

/// Lists that are written at the same time, at most.
const WRITTEN_AT_ONCE: usize = 16;

/// Shortest time between two looks for lists that are not needed any more.
const TIDY_EVERY_NS: i64 = 3_600_000_000_000;

/// Age at which what a writer left that did not end is deleted.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(3600);

const SUFFIX: &str = ".txt";

/// How a list is called until it is whole.
const PREFIX: &str = ".staged-";

/// The folder of the lists.
#[derive(Clone)]
pub(crate) struct StagedFiles {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    /// Age below which no list is deleted: another server's may lie in the same folder.
    keep: Duration,
    written: Lock<HashMap<RequestId, Written>>,
    /// When lists were last deleted.
    tidied_ns: Lock<Option<i64>>,
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
    pub(crate) fn new(folder: PathBuf, keep: Duration) -> Self {
        let shared = Shared {
            folder,
            keep,
            written: Lock::default(),
            tidied_ns: Lock::default(),
            turns: Default::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// A folder that cannot be made or written.
    pub(crate) async fn prepare(&self) -> Result<()> {
        let folder = self.shared.folder.clone();
        blocking(move || {
            fs::create_dir_all(&folder).map_err(|cause| failed(&folder, cause))?;
            NamedTempFile::new_in(&folder).map(drop).map_err(|cause| failed(&folder, cause))
        })
        .await
    }

    /// Deletes old lists of requests that are not known any more, once an hour at most.
    ///
    /// # Errors
    /// A folder that cannot be listed, requests that cannot be read.
    pub(crate) async fn tidy(&self, staging: &Staging) -> Result<()> {
        let now_ns = staging.clock().now_ns();
        {
            let mut tidied_ns = self.shared.tidied_ns.lock();
            if tidied_ns.is_some_and(|then_ns| now_ns.saturating_sub(then_ns) < TIDY_EVERY_NS) {
                return Ok(());
            }
            *tidied_ns = Some(now_ns);
        }
        let (folder, keep) = (self.shared.folder.clone(), self.shared.keep);
        for (id, list) in blocking(move || lists(&folder, now_ns, keep)).await? {
            if staging.get(&id).await?.is_none() {
                self.shared.written.lock().remove(&id);
                // It is looked at again in an hour.
                let _ = tokio::fs::remove_file(list).await;
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
        if let Err(error) = self.tidy(staging).await {
            tracing::warn!(%error, "lists of staged files that nobody can ask for were not deleted");
        }
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
        let is_last = request.state.is_ended();
        blocking(move || replace(&folder, &target, &staged, is_last)).await?;
        self.remember(request, now_ns);
        Ok(path)
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

/// Files of a request that were brought online, spelt in every way in which they were asked for.
async fn staged(staging: &Staging, request: &Request) -> Result<Vec<Arc<str>>> {
    let mut staged = Vec::new();
    for state in [ObjectState::Hot, ObjectState::Released] {
        let mut after = None;
        loop {
            let filter = ObjectFilter { state: Some(state), since: None, after, limit: FILES_AT_A_TIME };
            let objects = staging.objects(&request.id, filter).await?;
            let is_last = objects.len() < FILES_AT_A_TIME;
            after = objects.last().map(|object| object.position);
            let spellings = |object: RequestObject| (object.spelling, object.other_spellings);
            staged.extend(objects.into_iter().map(|object| (object.position, spellings(object))));
            if is_last {
                break;
            }
        }
    }
    staged.sort_unstable_by_key(|(position, _)| *position);
    // A file may have been released between two pages.
    staged.dedup_by_key(|(position, _)| *position);
    let all = staged.into_iter().flat_map(|(_, (first, others))| std::iter::once(first).chain(others));
    Ok(all.collect())
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

/// The lists in the folder that are older than `keep`, by their requests. What writers left that did not end is deleted.
fn lists(folder: &Path, now_ns: i64, keep: Duration) -> Result<Vec<(RequestId, PathBuf)>> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(now_ns).unwrap_or_default());
    let mut lists = Vec::new();
    for entry in fs::read_dir(folder).map_err(|cause| failed(folder, cause))?.flatten() {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let age = modified.and_then(|modified| now.duration_since(modified).ok());
        let is_older = |than: Duration| age.is_some_and(|age| age > than);
        if let Some(id) = name.strip_suffix(SUFFIX).filter(|id| is_id(id)) {
            if is_older(keep) {
                lists.push((RequestId(id.into()), entry.path()));
            }
        } else if name.starts_with(PREFIX) && is_older(LEFT_OVER_AFTER) {
            // It is looked at again in an hour.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(lists)
}

fn is_id(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::internal("work on the lists of staged files stopped by a mistake"))?
}

fn failed(folder: &Path, cause: std::io::Error) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(60) };
    Error::new(kind, format!("the lists of staged files cannot be written below {}", folder.display()))
        .with_source(cause)
}
