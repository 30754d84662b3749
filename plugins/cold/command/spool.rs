//! Copies of staged objects, on a disk of this machine, from which they are read.
//!
//! Where a command fetches them, each lies under a name made of the object's name and version: it is whole, for it
//! got that name when it was, and it is that version. Where the archive's own tool puts them they lie under their
//! paths below the root, and count when they have their full length and the archive says that they are there.

use std::fs::{self, File};
use std::io::ErrorKind as Io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use thermocline_core::cold::{ColdObject, ObjectId};
use thermocline_core::{Error, ErrorKind, Result};
use walkdir::WalkDir;

/// Ending of a copy that is being made.
const PART: &str = "part";

/// Largest range that is read at once.
const MAX_RANGE_BYTES: u64 = 1 << 30;

/// The folder of the copies.
pub(crate) struct Spool {
    folder: PathBuf,
    filled_by: FilledBy,
    max_bytes: u64,
    keep: Duration,
    used: Mutex<Used>,
}

/// How full the spool is.
#[derive(Default)]
struct Used {
    /// Bytes of whole copies; `None` before they were counted.
    kept: Option<u64>,
    /// Bytes that were promised to copies that are being made.
    promised: u64,
}

/// Who puts copies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilledBy {
    /// The fetch command, on our behalf.
    Us,
    /// The archive's tool.
    Archive,
}

/// Room for one copy.
pub(crate) struct Room {
    pub(crate) target: PathBuf,
    len_bytes: u64,
}

impl Spool {
    pub(crate) fn new(folder: PathBuf, filled_by: FilledBy, (max_bytes, keep): (u64, Duration)) -> Self {
        Self { folder, filled_by, max_bytes, keep, used: Mutex::default() }
    }

    /// Who puts copies there.
    pub(crate) fn filled_by(&self) -> FilledBy {
        self.filled_by
    }

    /// True if a whole copy of an object is there. Blocking.
    pub(crate) fn has(&self, id: &ObjectId, version: &str, len_bytes: u64) -> bool {
        let path = self.path(id, version);
        path.metadata().is_ok_and(|found| found.is_file() && found.len() == len_bytes)
    }

    /// Bytes that are there of a copy that is being made. Blocking.
    pub(crate) fn done_bytes(&self, id: &ObjectId, version: &str) -> Option<u64> {
        let path = match self.filled_by {
            FilledBy::Us => self.path(id, version).with_extension(PART),
            FilledBy::Archive => self.path(id, version),
        };
        path.metadata().ok().map(|found| found.len())
    }

    /// Exactly the bytes of a range of a copy. Blocking.
    pub(crate) fn read(&self, object: &ColdObject, version: &str, range: &Range<u64>) -> Result<Bytes> {
        let id = &object.id;
        let path = self.path(id, version);
        let failed = |cause: std::io::Error| {
            let what = if cause.kind() == Io::NotFound { "is not staged" } else { "cannot be read" };
            Error::new(later(), format!("{id} {what}")).with_source(cause)
        };
        let file = File::open(&path).map_err(failed)?;
        let len_bytes = file.metadata().map_err(failed)?.len();
        let n_bytes = range.end.checked_sub(range.start).filter(|_| range.end <= len_bytes);
        let Some(n_bytes) = n_bytes.filter(|n_bytes| *n_bytes <= MAX_RANGE_BYTES) else {
            return Err(Error::corrupt(format!(
                "the copy of {id} has {len_bytes} bytes, {range:?} is asked for"
            )));
        };
        let mut bytes = vec![0; usize::try_from(n_bytes).unwrap_or_default()];
        file.read_exact_at(&mut bytes, range.start).map_err(failed)?;
        Ok(bytes.into())
    }

    /// Keeps room for a copy and gives the name under which it is made. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if there is none at present, [`ErrorKind::TooLarge`] if there never will be.
    pub(crate) fn reserve(&self, id: &ObjectId, version: &str, len_bytes: u64) -> Result<Room> {
        if len_bytes > self.max_bytes {
            let text = format!("{id} has {len_bytes} bytes, the spool holds {}", self.max_bytes);
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let target = self.path(id, version).with_extension(PART);
        let mut used = self.used.lock();
        let is_too_full = |kept: u64, promised: u64| {
            kept.saturating_add(promised).saturating_add(len_bytes) > self.max_bytes
        };
        let mut kept = used.kept.unwrap_or(u64::MAX);
        if is_too_full(kept, used.promised) {
            // Before anything is refused it is looked what is there, and what is there for too long goes.
            kept = self.clean();
            used.kept = Some(kept);
        }
        if is_too_full(kept, used.promised) {
            let text = format!("the spool is full: {kept} of {} bytes", self.max_bytes);
            return Err(Error::new(later(), text));
        }
        let parent = target.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).and_then(|()| remove(&target)).map_err(unusable)?;
        used.promised += len_bytes;
        Ok(Room { target, len_bytes })
    }

    /// Shows a copy that was made, if it is whole. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it has another length, [`ErrorKind::Unavailable`] if it cannot be shown.
    pub(crate) fn finish(&self, room: Room, id: &ObjectId) -> Result<()> {
        let finish = || {
            let found = room.target.metadata().map(|found| found.len()).map_err(unusable)?;
            if found != room.len_bytes {
                let text = format!("{found} bytes of {id} were fetched, it has {}", room.len_bytes);
                return Err(Error::corrupt(text));
            }
            fs::rename(&room.target, room.target.with_extension("")).map_err(unusable)
        };
        if let Err(error) = finish() {
            self.give_up(room);
            return Err(error);
        }
        let mut used = self.used.lock();
        used.promised = used.promised.saturating_sub(room.len_bytes);
        used.kept = used.kept.map(|kept| kept.saturating_add(room.len_bytes));
        Ok(())
    }

    /// Gives the room of a copy back that was not made. Blocking.
    pub(crate) fn give_up(&self, room: Room) {
        let _ = remove(&room.target);
        let mut used = self.used.lock();
        used.promised = used.promised.saturating_sub(room.len_bytes);
    }

    /// Removes the copy of an object; nothing of the archive's own. Blocking.
    pub(crate) fn remove(&self, id: &ObjectId, version: &str) {
        if self.filled_by == FilledBy::Archive {
            return;
        }
        let path = self.path(id, version);
        let Ok(found) = path.metadata() else { return };
        if remove(&path).is_ok() {
            let mut used = self.used.lock();
            used.kept = used.kept.map(|kept| kept.saturating_sub(found.len()));
        }
    }

    /// Where the copy of an object lies.
    fn path(&self, id: &ObjectId, version: &str) -> PathBuf {
        match self.filled_by {
            FilledBy::Us => self.folder.join(file_name(id, version)),
            // An id has no `..`, so that this stays below the folder.
            FilledBy::Archive => self.folder.join(id.path()),
        }
    }

    /// Removes what is there for too long, and gives the bytes of the whole copies that are left.
    fn clean(&self) -> u64 {
        if self.filled_by == FilledBy::Archive {
            return 0;
        }
        let oldest = SystemTime::now().checked_sub(self.keep);
        let entries = WalkDir::new(&self.folder).max_depth(2).into_iter().flatten();
        let mut used_bytes = 0_u64;
        for entry in entries.filter(|entry| entry.file_type().is_file() && is_ours(entry.path())) {
            let Ok(found) = entry.metadata() else { continue };
            let is_old =
                oldest.zip(found.modified().ok()).is_some_and(|(oldest, modified)| modified < oldest);
            let is_gone = is_old && remove(entry.path()).is_ok();
            if !is_gone && entry.path().extension().is_none() {
                used_bytes = used_bytes.saturating_add(found.len());
            }
        }
        used_bytes
    }
}

/// `ab/cdef…`: a hash of the name and the version.
fn file_name(id: &ObjectId, version: &str) -> PathBuf {
    let hash = Sha256::digest([id.root(), id.path(), version].join("\0"));
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let (folder, name) = digits.split_at(2);
    Path::new(folder).join(name)
}

/// True if a name may be one of ours: nothing else is ever removed.
fn is_ours(path: &Path) -> bool {
    let is_hex = |text: Option<&str>, len: usize| {
        text.is_some_and(|text| text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_part = path.extension().is_none_or(|extension| extension == PART);
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    is_part && is_hex(path.file_stem().and_then(|name| name.to_str()), 62) && is_hex(folder, 2)
}

fn remove(path: &Path) -> std::io::Result<()> {
    fs::remove_file(path).or_else(|cause| if cause.kind() == Io::NotFound { Ok(()) } else { Err(cause) })
}

fn later() -> ErrorKind {
    ErrorKind::Unavailable { retry_after: Duration::from_secs(60) }
}

fn unusable(cause: std::io::Error) -> Error {
    Error::new(later(), "the spool cannot be used").with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str) -> ColdObject {
        ColdObject { id: ObjectId::new("a", path).unwrap(), href: format!("/a/{path}").into() }
    }

    fn spool(folder: &Path, max_bytes: u64) -> Spool {
        Spool::new(folder.to_owned(), FilledBy::Us, (max_bytes, Duration::from_secs(3600)))
    }

    fn put(spool: &Spool, path: &str, bytes: &[u8], len_bytes: u64) -> Result<()> {
        let id = &object(path).id;
        let room = spool.reserve(id, "v", len_bytes)?;
        fs::write(&room.target, bytes).unwrap();
        spool.finish(room, id)
    }

    #[test]
    fn only_whole_copies_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(folder.path(), 100);
        assert_eq!(put(&spool, "short", b"123", 5).unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(!spool.has(&object("short").id, "v", 5));
        put(&spool, "whole", b"12345", 5).unwrap();
        assert!(spool.has(&object("whole").id, "v", 5));
        assert!(!spool.has(&object("whole").id, "w", 5));
        assert_eq!(spool.read(&object("whole"), "v", &(1..3)).unwrap().as_ref(), b"23");
        assert!(spool.read(&object("whole"), "v", &(1..6)).is_err());
        assert!(spool.read(&object("short"), "v", &(0..1)).is_err());
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(folder.path(), 10);
        put(&spool, "a", b"12345", 5).unwrap();
        let room = spool.reserve(&object("b").id, "v", 5).unwrap();
        assert!(
            matches!(spool.reserve(&object("c").id, "v", 1).map(drop), Err(error) if error.kind() == later())
        );
        spool.give_up(room);
        put(&spool, "c", b"12345", 5).unwrap();
        spool.remove(&object("a").id, "v");
        put(&spool, "d", b"12345", 5).unwrap();
        assert_eq!(spool.reserve(&object("e").id, "v", 11).err().unwrap().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn what_is_there_for_too_long_goes_and_nothing_of_others() {
        let folder = tempfile::tempdir().unwrap();
        put(&spool(folder.path(), 10), "a", b"12345", 5).unwrap();
        let foreign = folder.path().join("foreign.txt");
        fs::write(&foreign, b"123456789012").unwrap();
        let old = SystemTime::now() - Duration::from_secs(7200);
        for entry in
            WalkDir::new(folder.path()).into_iter().flatten().filter(|entry| entry.file_type().is_file())
        {
            File::options().write(true).open(entry.path()).unwrap().set_modified(old).unwrap();
        }
        let spool = spool(folder.path(), 10);
        put(&spool, "b", b"1234567890", 10).unwrap();
        assert!(!spool.has(&object("a").id, "v", 5));
        assert!(foreign.exists());
    }
}
