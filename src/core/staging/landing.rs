//! Landing: a staged object is copied from its cold store into the cache, and shows there only when it is whole.
//!
//! Its space is taken first, under a temporary name beside the final one. Parts of it are read in any order,
//! some at the same time, and written down in a journal once they have reached the disk. When all are there,
//! length and checksum are those that the store told of, and the file has been flushed, it gets its final name.
//!
//! A landing that was cut off, by a crash or because its future was dropped, goes on where its journal ends. The
//! temporary name carries the version of the object: what was read of another state is never gone on with.
//!
//! # Limits
//! Memory is `parts_in_flight` × `part_bytes` for each landing, and 40 bytes for each part that has landed. A store
//! that answers more bytes than it was asked for has allocated them before that is noticed.

mod checksum;
mod failure;
mod flight;
mod journal;
mod partial;
mod parts;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::cache::{CacheDir, CacheKey};
use crate::cold::{ColdObject, ColdStore, ObjectStatus};

use flight::Flight;
use partial::{Opened, PartialFile};
use parts::Done;

pub use failure::{LandCause, LandFailure};
pub use partial::Landed;

/// How to land.
#[derive(Debug, Clone)]
pub struct LandingSettings {
    /// Bytes that are read at once. 16 MiB: a tape's buffer or a connection gives that in well under a second.
    pub part_bytes: u64,
    /// Parts of one object that are read at the same time.
    pub parts_in_flight: usize,
    /// After how many bytes they are flushed and written down. A crash loses at most these, and the parts in flight.
    pub journal_bytes: u64,
    /// How long a landing may go on without progress.
    pub stalled_after: Duration,
}

impl Default for LandingSettings {
    fn default() -> Self {
        Self {
            part_bytes: 16 << 20,
            parts_in_flight: 4,
            journal_bytes: 256 << 20,
            stalled_after: Duration::from_secs(10 * 60),
        }
    }
}

/// The object that is to land.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its store, whose objects are [`crate::cold::Landing::Copied`].
    pub store: &'a dyn ColdStore,
    /// Its name and address.
    pub object: &'a ColdObject,
    /// The state in which it is wanted: size, version, checksum.
    pub status: &'a ObjectStatus,
}

/// Is told how many bytes have come; first when the space on the disk has been taken.
pub type Progress<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// Copies a staged object into the cache. When this returns, the whole object is on the disk under its final name.
///
/// An object that is there already is not copied again. The future may be dropped at any time; what it has
/// written so far is of use to the next one. Bytes with a wrong checksum are thrown away and read again, once.
///
/// # Errors
/// What failed, and what can be done: see [`LandCause`]. No file is there under the final name then, unless the
/// landing was cancelled or stalled within its last step: [`CacheDir::remove`] cleans up after one that is
/// given up.
pub async fn land(
    source: Source<'_>,
    into: &CacheDir,
    settings: &LandingSettings,
    progress: Progress<'_>,
    cancel: &CancellationToken,
) -> Result<Landed, LandFailure> {
    let watch = Watch { source, clock: into.clock().as_ref(), stalled_after: settings.stalled_after, cancel };
    let key = CacheKey::of(source.object, source.status);
    let claim = Arc::new(watch.guard(async { Ok(into.claim(key).await) }).await?);
    let mut is_second = false;
    loop {
        let (object, status, dir) = (source.object.id.clone(), source.status.clone(), into.clone());
        let claim = Arc::clone(&claim);
        let opened = watch.blocking(move || PartialFile::open(&dir, &object, &status, claim)).await?;
        let (file, done) = match opened {
            Opened::Landed(landed) => {
                progress(landed.len_bytes);
                return Ok(landed);
            }
            Opened::Partial(file, done) => (file, done),
        };
        match fill(&watch, &file, done, settings, progress).await {
            Err(failure) if failure.cause == LandCause::Corrupt && !is_second => {
                tracing::warn!(object = %source.object.id, error = %failure, "checksum is wrong, reading again");
                watch.blocking(move || file.discard()).await?;
                is_second = true;
            }
            Err(failure) => {
                if !failure.cause.keeps_parts() {
                    watch.blocking(move || file.discard()).await?;
                }
                return Err(failure);
            }
            Ok(landed) => return Ok(landed),
        }
    }
}

/// Reads what is missing, checks the whole, and gives it its name.
async fn fill(
    watch: &Watch<'_>,
    file: &Arc<PartialFile>,
    done: Done,
    settings: &LandingSettings,
    progress: Progress<'_>,
) -> Result<Landed, LandFailure> {
    progress(0);
    let done = check_resumed(watch, file, done).await?;
    progress(done.len_bytes());
    let flight = Flight::new(watch.source, Arc::clone(file), done, settings);
    flight.run(watch, progress).await?;
    if watch.source.status.checksum.is_none() {
        check_version(watch).await?;
    }
    let (file, status) = (Arc::clone(file), watch.source.status.clone());
    watch.blocking(move || file.finish(&status)).await
}

/// Drops parts that the journal names and the file does not have: a disk may have lost what it said it had.
async fn check_resumed(watch: &Watch<'_>, file: &Arc<PartialFile>, done: Done) -> Result<Done, LandFailure> {
    let n_parts = done.iter().count();
    let mut kept = Done::default();
    for part in done.iter() {
        let file = Arc::clone(file);
        let (part, is_there) =
            watch.blocking(move || file.has(&part).map(|is_there| (part, is_there))).await?;
        if is_there {
            kept.add(&part);
        }
    }
    let parts: Vec<_> = kept.iter().collect();
    if parts.len() < n_parts {
        let file = Arc::clone(file);
        watch.blocking(move || file.rewrite(&parts)).await?;
    }
    Ok(kept)
}

/// Asks once more for the state of an object without a checksum: all parts are of one state if it has not changed.
async fn check_version(watch: &Watch<'_>) -> Result<(), LandFailure> {
    let Source { store, object, status } = watch.source;
    let answer = watch.guard(async { Ok(store.status(std::slice::from_ref(object)).await) }).await?;
    let now = match answer.into_iter().next() {
        Some(Ok(now)) => now,
        Some(Err(error)) => return Err(LandFailure::of_store(error, &object.id)),
        None => {
            let message = format!("the store says nothing of {}", object.id);
            return Err(LandFailure::new(LandCause::Retryable { after: None }, message));
        }
    };
    if now.version == status.version && now.len_bytes == status.len_bytes {
        return Ok(());
    }
    let message = format!(
        "{} changed while it was read: version {:?} with {} bytes is now version {:?} with {} bytes",
        object.id, status.version, status.len_bytes, now.version, now.len_bytes
    );
    Err(LandFailure::new(LandCause::Changed, message))
}

/// Ends what takes too long, or is wanted no more.
struct Watch<'a> {
    source: Source<'a>,
    clock: &'a dyn crate::clock::Clock,
    stalled_after: Duration,
    cancel: &'a CancellationToken,
}

impl Watch<'_> {
    /// The outcome of `work`, which is dropped if it takes too long or is wanted no more.
    async fn guard<T>(
        &self,
        work: impl Future<Output = Result<T, LandFailure>> + Send,
    ) -> Result<T, LandFailure> {
        let object = &self.source.object.id;
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => {
                Err(LandFailure::new(LandCause::Cancelled, format!("{object} is not wanted any more")))
            }
            outcome = work => outcome,
            () = self.clock.sleep(self.stalled_after) => {
                let message = format!("nothing came of {object} for {:?}", self.stalled_after);
                Err(LandFailure::new(LandCause::Stalled, message))
            }
        }
    }

    /// The outcome of `work`, which goes on to its end on the blocking pool in any case.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, LandFailure> + Send + 'static,
    ) -> Result<T, LandFailure> {
        let object = &self.source.object.id;
        self.guard(async {
            tokio::task::spawn_blocking(work).await.map_err(|cause| LandFailure::of_task(cause, object))?
        })
        .await
    }
}

#[cfg(test)]
mod tests;
