//! A tape archive of toy files: cold ones are stubs that read as zeros, and come online when a test says so.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use async_trait::async_trait;
use parking_lot::Mutex;
use thermocline_core::bytes::Residency;
use thermocline_core::cold::Locality;
use thermocline_core::staging::{Estimate, Joined, ObjectState, Outcome, Owner, Presence, RequestId};
use thermocline_core::{ErrorKind, Result};
use thermocline_model::DatasetId;
use tokio::sync::Notify;

/// A tape archive whose recalls end when a test says so. Its files come online in place, as new files with the
/// same times.
#[derive(Default)]
pub struct FakeTape {
    folder: OnceLock<PathBuf>,
    /// What stubs stand for, with their times.
    cold: Mutex<HashMap<PathBuf, (Vec<u8>, SystemTime)>>,
    failure: Mutex<Option<Outcome>>,
    joined: Mutex<Vec<(PathBuf, Owner)>>,
    ahead: Mutex<Vec<PathBuf>>,
    n_waiting: AtomicUsize,
    n_looks_ahead: AtomicUsize,
    is_releasing: AtomicBool,
    changed: Notify,
    /// How long the tape says that a recall takes.
    estimate: Mutex<Option<Duration>>,
}

impl FakeTape {
    /// An archive with nothing cold in it.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Says which folder the archive is.
    pub(crate) fn bind(&self, folder: &Path) {
        let _ = self.folder.set(folder.to_owned());
    }

    /// Puts a stub in the place of a file.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn release(&self, path: &Path) -> anyhow::Result<()> {
        let (bytes, time) = (fs::read(path)?, fs::metadata(path)?.modified()?);
        self.cold.lock().insert(path.to_owned(), (bytes.clone(), time));
        replace(path, &vec![0; bytes.len()], time)
    }

    /// Ends the recall of a file: it is online.
    ///
    /// # Errors
    /// When the file is not cold or cannot be written.
    pub fn recall(&self, path: &Path) -> anyhow::Result<()> {
        let (bytes, time) = self.cold.lock().get(path).cloned().context("a cold file")?;
        replace(path, &bytes, time)?;
        self.cold.lock().remove(path);
        self.changed.notify_waiters();
        Ok(())
    }

    /// The file that comes online next is a stub again before anybody reads it.
    pub fn release_once_online(&self) {
        self.is_releasing.store(true, Ordering::SeqCst);
    }

    /// Ends every recall with this outcome.
    pub fn fail(&self, reason: &str, is_lost: bool) {
        let kind = if is_lost { ErrorKind::Lost } else { ErrorKind::RecallFailed };
        *self.failure.lock() = Some(Outcome::Failed { reason: reason.to_owned(), kind });
        self.changed.notify_waiters();
    }

    /// Says how long recalls take.
    pub fn estimate(&self, duration: Duration) {
        *self.estimate.lock() = Some(duration);
    }

    /// Recalls that readers joined, with whose they are, in order.
    pub fn joined(&self) -> Vec<(PathBuf, Owner)> {
        self.joined.lock().clone()
    }

    /// Begins to count joined recalls anew; how many there were.
    pub fn forget_joined(&self) -> usize {
        std::mem::take(&mut *self.joined.lock()).len()
    }

    /// What was asked for ahead of readers.
    pub fn ahead(&self) -> Vec<PathBuf> {
        self.ahead.lock().clone()
    }

    /// How often it was asked how much is brought online ahead of a reader.
    pub fn n_looks_ahead(&self) -> usize {
        self.n_looks_ahead.load(Ordering::SeqCst)
    }

    /// Readers that wait at present.
    pub fn n_waiting(&self) -> usize {
        self.n_waiting.load(Ordering::SeqCst)
    }

    fn is_cold(&self, href: &str) -> bool {
        self.cold.lock().contains_key(Path::new(href))
    }
}

/// A new file under the name of an old one, modified at `time`.
fn replace(path: &Path, bytes: &[u8], time: SystemTime) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    File::options().write(true).open(&new)?.set_modified(time)?;
    Ok(fs::rename(&new, path)?)
}

/// Counts a reader as long as it waits.
struct Waiter<'t>(&'t AtomicUsize);

impl<'t> Waiter<'t> {
    fn new(count: &'t AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Residency for FakeTape {
    fn is_bound(&self, href: &str) -> bool {
        self.folder.get().is_some_and(|folder| Path::new(href).starts_with(folder))
    }

    async fn presence(&self, href: &str) -> Result<Presence> {
        if self.is_cold(href) {
            return Ok(Presence::Cold);
        }
        Ok(Presence::Online { path: href.into(), guard: None })
    }

    fn doubt(&self, _: &str) {}

    fn known_locality(&self, href: &str) -> Locality {
        if self.is_cold(href) { Locality::Nearline } else { Locality::OnlineAndNearline }
    }

    async fn join(&self, href: &str, owner: &Owner, _: Option<&DatasetId>) -> Result<Joined> {
        let mut joined = self.joined.lock();
        joined.push((href.into(), owner.clone()));
        let estimate = self.estimate.lock().map(|duration| Estimate { duration, basis: "a test" });
        let request = RequestId(format!("r{}", joined.len()).into());
        Ok(Joined { request, state: ObjectState::Queued, estimate })
    }

    async fn wait(&self, href: &str) -> Outcome {
        let _waiter = Waiter::new(&self.n_waiting);
        loop {
            // Registered before anything is looked at: a change in between is not missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(failure) = self.failure.lock().clone() {
                return failure;
            }
            if !self.is_cold(href) {
                if self.is_releasing.swap(false, Ordering::SeqCst)
                    && let Err(error) = self.release(Path::new(href))
                {
                    return Outcome::Failed { reason: error.to_string(), kind: ErrorKind::RecallFailed };
                }
                return Outcome::Online;
            }
            changed.await;
        }
    }

    fn prefetch_objects(&self) -> usize {
        self.n_looks_ahead.fetch_add(1, Ordering::SeqCst);
        2
    }

    async fn prefetch(&self, hrefs: Vec<Arc<str>>, _: &Owner, _: &DatasetId) -> Result<()> {
        self.ahead.lock().extend(hrefs.iter().map(|href| PathBuf::from(href.as_ref())));
        Ok(())
    }
}
