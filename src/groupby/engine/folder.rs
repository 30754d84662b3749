//! Results that are kept over restarts: one file a result, in a folder that is ours alone.
//!
//! A result is written under a temporary name and renamed once it is durable, so that `kill -9` leaves the whole file or
//! none. What the folder holds is looked at once, when it is first needed; what is damaged, foreign, too old or too much is
//! removed. Everything here that blocks runs on the blocking pool.

mod file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thermocline_core::clock::Clock;
use thermocline_core::manifest::blocking;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::ArrayBytes;
use tokio::sync::OnceCell;
use tracing::warn;

use super::KeptResult;

pub(super) use file::Expected;
use file::{Unread, name};

/// Extension of results. Files with another one are nobody's business but that of who put them there.
const EXTENSION: &str = "grouped";

/// Extension of results that are being written.
const UNFINISHED: &str = "unfinished";

/// Most results in the folder.
const MAX_RESULTS: usize = 10_000;

/// When to try again where the disk does not take a result.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Bounds of the folder.
#[derive(Debug, Clone)]
pub(super) struct FolderSettings {
    pub(super) dir: PathBuf,
    /// Bytes of all files together.
    pub(super) max_bytes: u64,
    /// How long results are kept.
    pub(super) keep: Duration,
}

/// A result in the folder.
#[derive(Debug, Clone)]
struct Entry {
    about: KeptResult,
    /// Length of the file.
    file_len: u64,
}

/// The results of the folder by the names of their files.
type Index = HashMap<Arc<str>, Entry>;

struct Inner {
    settings: FolderSettings,
    clock: Arc<dyn Clock>,
    index: Mutex<Index>,
    /// Held by the one that writes.
    writing: Mutex<()>,
}

/// The folder. Copies are the same one.
#[derive(Clone)]
pub(super) struct Folder {
    inner: Arc<Inner>,
    is_known: Arc<OnceCell<()>>,
}

impl Folder {
    /// Nothing is looked at yet.
    pub(super) fn new(settings: FolderSettings, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { settings, clock, index: Mutex::default(), writing: Mutex::new(()) };
        Self { inner: Arc::new(inner), is_known: Arc::default() }
    }

    async fn known(&self) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let look = || blocking(move || inner.look().map_err(|cause| unusable(cause, "read")));
        self.is_known.get_or_try_init(look).await.copied()
    }

    /// True if a result may be there: its file is not looked at.
    pub(super) async fn may_hold(&self, etag: &str) -> Result<bool> {
        self.known().await?;
        Ok(self.inner.fresh(&name(etag, EXTENSION)).is_some())
    }

    /// The values of a result, if it is there and all of it holds.
    pub(super) async fn read(
        &self,
        etag: &Arc<str>,
        expected: Expected,
    ) -> Result<Option<(KeptResult, ArrayBytes)>> {
        self.known().await?;
        let (inner, etag) = (Arc::clone(&self.inner), Arc::clone(etag));
        blocking(move || Ok(inner.read(&etag, expected))).await
    }

    /// Keeps a result: durable when this returns. One that is there already stays as it is.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for more than the folder may hold; [`ErrorKind::Unavailable`] if the disk does not take it.
    pub(super) async fn write(&self, about: KeptResult, values: Arc<ArrayBytes>) -> Result<()> {
        self.known().await?;
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.write(&about, &values)).await
    }

    /// What it holds.
    pub(super) async fn list(&self) -> Result<Vec<KeptResult>> {
        self.known().await?;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            // Who writes makes room anyway, and is not waited for.
            if let Some(_writing) = inner.writing.try_lock() {
                inner.make_room(0);
            }
            Ok(inner.index.lock().values().map(|entry| entry.about.clone()).collect())
        })
        .await
    }
}

impl Inner {
    /// Looks at all files, and removes what is none of ours or not finished.
    fn look(&self) -> io::Result<()> {
        fs::create_dir_all(&self.settings.dir)?;
        let now_ns = self.clock.now_ns();
        let mut found = Index::new();
        for file in fs::read_dir(&self.settings.dir)? {
            let path = file?.path();
            let extension = path.extension().and_then(OsStr::to_str);
            if extension == Some(UNFINISHED) {
                remove(&path);
            }
            if extension != Some(EXTENSION) || !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
                continue;
            }
            match file::read_about(&path) {
                Ok((about, _)) if path.file_name() != Some(OsStr::new(&*name(&about.etag, EXTENSION))) => {
                    discard(&path, "it has the name of another");
                }
                Ok((mut about, file_len)) => {
                    // A clock that went back makes nothing last longer.
                    about.when_ns = about.when_ns.min(now_ns);
                    found.insert(name(&about.etag, EXTENSION), Entry { about, file_len });
                }
                Err(Unread::Damaged(reason)) => discard(&path, reason),
                Err(Unread::Io(error)) => warn!(%error, "a kept result cannot be read"),
            }
        }
        *self.index.lock() = found;
        self.make_room(0);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.settings.dir.join(name)
    }

    fn is_fresh(&self, entry: &Entry) -> bool {
        let age_ns = self.clock.now_ns().saturating_sub(entry.about.when_ns);
        u128::try_from(age_ns).unwrap_or_default() < self.settings.keep.as_nanos()
    }

    /// A result that is not too old.
    fn fresh(&self, name: &str) -> Option<Entry> {
        self.index.lock().get(name).filter(|entry| self.is_fresh(entry)).cloned()
    }

    fn read(&self, etag: &str, expected: Expected) -> Option<(KeptResult, ArrayBytes)> {
        let name = name(etag, EXTENSION);
        let entry = self.fresh(&name)?;
        let path = self.path(&name);
        match file::read(&path, etag, expected) {
            Ok((_, values)) => return Some((entry.about, values)),
            Err(Unread::Damaged(reason)) => discard(&path, reason),
            Err(Unread::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(Unread::Io(error)) => {
                warn!(%error, "a kept result cannot be read");
                return None;
            }
        }
        self.index.lock().remove(&name);
        None
    }

    fn write(&self, about: &KeptResult, values: &ArrayBytes) -> Result<()> {
        let _writing = self.writing.lock();
        let name = name(&about.etag, EXTENSION);
        let (path, unfinished) = (self.path(&name), self.path(&name).with_extension(UNFINISHED));
        let is_whole = |entry: &Entry| path.metadata().is_ok_and(|file| file.len() == entry.file_len);
        if self.fresh(&name).as_ref().is_some_and(is_whole) {
            return Ok(());
        }
        if file::stored_bytes(values) > self.settings.max_bytes {
            let message = format!(
                "the result is larger than the {} bytes that all kept results may take",
                self.settings.max_bytes
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.make_room(file::stored_bytes(values));
        let written = file::write(&unfinished, about, values).and_then(|file_len| {
            fs::rename(&unfinished, &path)?;
            File::open(&self.settings.dir)?.sync_all()?;
            Ok(file_len)
        });
        let file_len = written.map_err(|cause| {
            remove(&unfinished);
            unusable(cause, "written")
        })?;
        self.index.lock().insert(name, Entry { about: about.clone(), file_len });
        self.make_room(0);
        Ok(())
    }

    /// Removes what is too old, and the oldest as long as `more` bytes have no room. Nobody else may write meanwhile; who reads
    /// is not kept waiting by the disk.
    fn make_room(&self, more: u64) {
        let mut oldest: Vec<(Arc<str>, Entry)> =
            self.index.lock().iter().map(|(name, entry)| (Arc::clone(name), entry.clone())).collect();
        oldest.sort_unstable_by(|(name, entry), (other_name, other)| {
            entry.about.when_ns.cmp(&other.about.when_ns).then_with(|| name.cmp(other_name))
        });
        let mut total = oldest.iter().map(|(_, entry)| entry.file_len).fold(more, u64::saturating_add);
        let mut n_left = oldest.len();
        for (name, entry) in oldest {
            let is_too_much = total > self.settings.max_bytes || n_left > MAX_RESULTS;
            if !is_too_much && self.is_fresh(&entry) {
                break;
            }
            // A file that stays counts, and is tried again the next time.
            if remove(&self.path(&name)) {
                total = total.saturating_sub(entry.file_len);
                n_left -= 1;
                self.index.lock().remove(&name);
            }
        }
    }
}

/// Removes a file; false if it is still there.
fn remove(path: &Path) -> bool {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(%error, "a kept result cannot be removed");
            false
        }
        _ => true,
    }
}

fn discard(path: &Path, reason: &str) {
    warn!(file = ?path.file_name(), reason, "a kept result is removed");
    remove(path);
}

fn unusable(cause: io::Error, done: &str) -> Error {
    let kind = ErrorKind::Unavailable { retry_after: RETRY_AFTER };
    Error::new(kind, format!("kept results cannot be {done}")).with_source(cause)
}
