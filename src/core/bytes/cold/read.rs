//! Reading a file of a cold store: its store is asked between the steps on files, and no thread waits for it.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use thermocline_model::{Object, ObjectIdentity};

use super::{
    ColdFiles, ColdName, MAX_TRIES, away, changed, disagree, exchanged, is_absent, is_same_state, lost,
    needs_staging, open_file, read_exact, stamp, unreadable,
};
use crate::Result;
use crate::staging::cache::CacheKey;
use crate::staging::{CopyGuard, Presence};

/// Where steps on files are done: they may block.
pub(in crate::bytes) trait Steps: Sync {
    /// The outcome of one step.
    fn step<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send;
}

/// On the thread that asks for them.
pub(in crate::bytes) struct Here;

impl Steps for Here {
    async fn step<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        work()
    }
}

/// Which state of the archive's file is that of which copy: one that is of a state stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tie {
    copy: CacheKey,
    mtime_ns: i64,
    len_bytes: u64,
}

impl ColdFiles {
    /// Bytes of a file in the state of `object`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotStaged`] if it has to be recalled, also when it is made cold while it is read;
    /// [`crate::ErrorKind::Changed`] and [`crate::ErrorKind::Lost`] as for every other file.
    pub(in crate::bytes) async fn read(
        self: &Arc<Self>,
        cold: &ColdName,
        object: &Object,
        range: (u64, usize),
        steps: &impl Steps,
    ) -> Result<Bytes> {
        for _ in 0..MAX_TRIES {
            match self.residency.presence(&cold.name).await? {
                Presence::Cold => return Err(needs_staging(cold)),
                Presence::Unbound => return Err(disagree(cold)),
                Presence::Online { path, guard: Some(copy) } => {
                    self.check_copy(cold, object, &copy, steps).await?;
                    let (files, cold, object) = (Arc::clone(self), cold.clone(), object.clone());
                    let read = move || {
                        let file = files.open_copy(&cold, &object, &path, &copy)?;
                        read_exact(&file, range.0, range.1).map_err(|cause| unreadable(&object.href, cause))
                    };
                    return steps.step(read).await;
                }
                Presence::Online { guard: None, .. } => {
                    if let Some(bytes) = self.read_in_place(cold, object, range, steps).await? {
                        return Ok(bytes);
                    }
                }
            }
        }
        Err(exchanged(object))
    }

    /// Compares a copy with the file in the archive, as far as that is there, and that with `object`.
    ///
    /// Of which version a copy is is what the staging engine has written down. Where versions are times of files the
    /// index has the same; where they are other words, the store is asked for its version while the archive's file
    /// is in the state of `object`, once for each copy.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotStaged`] for a copy of another state, which is renewed by recalling it;
    /// [`crate::ErrorKind::Unavailable`] if it cannot be told.
    pub(super) async fn check_copy(
        self: &Arc<Self>,
        cold: &ColdName,
        object: &Object,
        copy: &CopyGuard,
        steps: &impl Steps,
    ) -> Result<()> {
        let ObjectIdentity::Modified { mtime_ns, .. } = object.identity else { return Err(changed(object)) };
        let tie = Tie { copy: *copy.key(), mtime_ns, len_bytes: object.len_bytes };
        if copy.is_of(&mtime_ns.to_string(), object.len_bytes) || self.ties.get(&object.href) == Some(tie) {
            return Ok(());
        }
        steps.step(self.archive_has(cold, object)).await?;
        if !self.residency.is_state_of(&cold.name, copy.key()).await? {
            self.residency.doubt(&cold.name);
            return Err(needs_staging(cold));
        }
        steps.step(self.archive_has(cold, object)).await?;
        self.ties.insert(object.href.clone(), tie);
        Ok(())
    }

    /// The step that finds out whether the archive has a file in the state of `object`.
    fn archive_has(
        self: &Arc<Self>,
        cold: &ColdName,
        object: &Object,
    ) -> impl FnOnce() -> Result<()> + Send + 'static {
        let (path, object) = (cold.path.clone(), object.clone());
        move || match std::fs::metadata(path.ok_or_else(|| away(&object.href))?) {
            Ok(metadata) if is_same_state(&object, &metadata) => Ok(()),
            Ok(_) => Err(changed(&object)),
            Err(cause) if is_absent(&cause) => Err(lost(&object.href)),
            Err(cause) => Err(away(&object.href).with_source(cause)),
        }
    }

    /// Opens a copy, if it is as it landed.
    pub(super) fn open_copy(
        &self,
        cold: &ColdName,
        object: &Object,
        path: &Path,
        copy: &CopyGuard,
    ) -> Result<File> {
        self.check_archive(cold, object)?;
        let opened = open_file(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        match opened {
            Ok((file, metadata)) if copy.is_as_it_landed(&metadata) => Ok(file),
            Err(cause) if !is_absent(&cause) => Err(unreadable(&object.href, cause)),
            // Somebody wrote to it, or removed it.
            Ok(_) | Err(_) => {
                self.residency.doubt(&cold.name);
                Err(needs_staging(cold))
            }
        }
    }

    /// Notices that the file in the archive is not the one that is wanted. An archive that does not answer
    /// keeps nobody from reading a copy.
    fn check_archive(&self, cold: &ColdName, object: &Object) -> Result<()> {
        let Some(path) = cold.path.as_deref().filter(|_| !self.was_seen(object)) else { return Ok(()) };
        match std::fs::metadata(path) {
            Ok(metadata) => {
                self.saw(object, &metadata);
                if is_same_state(object, &metadata) { Ok(()) } else { Err(changed(object)) }
            }
            Err(cause) if is_absent(&cause) => Err(lost(&object.href)),
            Err(_) => Ok(()),
        }
    }

    /// Bytes of a file that is online in place; `Ok(None)` if it was exchanged meanwhile.
    async fn read_in_place(
        self: &Arc<Self>,
        cold: &ColdName,
        object: &Object,
        (offset, len_bytes): (u64, usize),
        steps: &impl Steps,
    ) -> Result<Option<Bytes>> {
        let (name, wanted) = (cold.clone(), object.clone());
        let read = steps.step(move || {
            let file = InPlace::open(&name, &wanted)?;
            let bytes = read_exact(&file.file, offset, len_bytes);
            file.now(&wanted)?;
            Ok((file, bytes))
        });
        let (file, bytes) = read.await?;
        if matches!(self.residency.presence_now(&cold.name).await?, Presence::Cold) {
            return Err(needs_staging(cold));
        }
        let (files, object) = (Arc::clone(self), object.clone());
        let checked = steps.step(move || {
            let after = file.now(&object)?;
            if !file.is_untouched(&after)? {
                return Ok(None);
            }
            files.saw(&object, &after);
            bytes.map(Some).map_err(|cause| unreadable(&object.href, cause))
        });
        checked.await
    }
}

/// A file that is online where it always lies, as it was before it was read.
struct InPlace {
    file: File,
    path: PathBuf,
    before: Metadata,
}

impl InPlace {
    fn open(cold: &ColdName, object: &Object) -> Result<Self> {
        let path = cold.path.clone().ok_or_else(|| away(&object.href))?;
        let file = open_file(&path).map_err(|cause| match is_absent(&cause) {
            true => lost(&object.href).with_source(cause),
            false => unreadable(&object.href, cause),
        })?;
        let before = state_of(&file, object)?;
        Ok(Self { file, path, before })
    }

    /// What the file is like now.
    fn now(&self, object: &Object) -> Result<Metadata> {
        state_of(&self.file, object)
    }

    /// True if neither the file nor its place on disk was exchanged while it was read: times and blocks are
    /// those from before, and the path still names it.
    fn is_untouched(&self, after: &Metadata) -> Result<bool> {
        let named = match std::fs::metadata(&self.path) {
            Ok(named) => named,
            Err(cause) if is_absent(&cause) => return Ok(false),
            Err(cause) => return Err(unreadable(self.path.display(), cause)),
        };
        let after = stamp(after);
        Ok(after == stamp(&self.before) && after == stamp(&named))
    }
}

/// What an open file is like.
///
/// # Errors
/// [`crate::ErrorKind::Changed`] if it is not in the state of `object`.
fn state_of(file: &File, object: &Object) -> Result<Metadata> {
    let metadata = file.metadata().map_err(|cause| unreadable(&object.href, cause))?;
    if is_same_state(object, &metadata) { Ok(metadata) } else { Err(changed(object)) }
}
