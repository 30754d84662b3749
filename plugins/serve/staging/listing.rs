//! What lies in folders, in order. Listings that the next page of a search goes on in are kept until a minute after the
//! page: a file server may need long for each.

use std::collections::VecDeque;
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind as IoErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// Most entries of one folder: they are sorted in memory.
pub(crate) const MAX_FOLDER_ENTRIES: usize = 5_000_000;

/// Most listings that are kept.
const MAX_KEPT: usize = 256;

/// How long a listing is kept after the page that was in it, in nanoseconds.
const KEPT_NS: i64 = 60_000_000_000;

/// What an entry takes beside its name, in bytes, at most.
const ENTRY_BYTES: usize = 48;

/// What an entry of a folder is; others are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
}

/// Lists folders.
pub(crate) trait Lister: Send + Sync {
    /// The entries of a folder, in any order. May take long.
    ///
    /// # Errors
    /// [`IoErrorKind::FileTooLarge`] for more than [`MAX_FOLDER_ENTRIES`]; those of the file system.
    fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>>;
}

/// Lists folders of this machine.
pub(crate) struct Disk;

impl Lister for Disk {
    fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>> {
        let mut entries = Vec::new();
        for (n_before, entry) in fs::read_dir(folder)?.enumerate() {
            if n_before >= MAX_FOLDER_ENTRIES {
                return Err(IoErrorKind::FileTooLarge.into());
            }
            entries.extend(named(&entry?));
        }
        Ok(entries)
    }
}

/// Files and folders whose names are UTF-8: others have no name in this API.
fn named(entry: &DirEntry) -> Option<(String, Kind)> {
    let kind = entry.file_type().ok()?;
    let kind = match (kind.is_dir(), kind.is_file()) {
        (true, _) => Kind::Folder,
        (_, true) => Kind::File,
        _ => return None,
    };
    Some((entry.file_name().into_string().ok()?, kind))
}

/// The entries of a folder by their names, in order.
pub(crate) struct Listing {
    pub(crate) entries: Vec<(String, Kind)>,
}

impl Listing {
    fn len_bytes(&self) -> usize {
        self.entries.iter().map(|(name, _)| name.len().saturating_add(ENTRY_BYTES)).sum()
    }
}

/// Lists folders, and keeps some of the listings.
pub(crate) struct Listings {
    lister: Box<dyn Lister>,
    max_bytes: usize,
    kept: Mutex<Kept>,
}

/// Listings that are kept, the one that was kept last at the end.
#[derive(Default)]
struct Kept {
    listings: VecDeque<KeptListing>,
    len_bytes: usize,
}

struct KeptListing {
    folder: PathBuf,
    listing: Arc<Listing>,
    len_bytes: usize,
    kept_ns: i64,
}

impl Listings {
    /// Those of a lister, of which at most `max_bytes` are kept.
    pub(crate) fn new(lister: Box<dyn Lister>, max_bytes: usize) -> Self {
        Self { lister, max_bytes, kept: Mutex::default() }
    }

    /// What lies in a folder now. May take long.
    ///
    /// # Errors
    /// Those of [`Lister::list`].
    pub(crate) fn list(&self, folder: &Path) -> io::Result<Arc<Listing>> {
        let mut entries = self.lister.list(folder)?;
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Arc::new(Listing { entries }))
    }

    /// What lay in a folder when a page was in it within the last minute, if that was kept.
    pub(crate) fn kept(&self, folder: &Path, now_ns: i64) -> Option<Arc<Listing>> {
        let mut kept = self.kept.lock();
        kept.forget(|listing| is_old(listing, now_ns));
        let found = kept.listings.iter().find(|kept| kept.folder == folder)?;
        Some(Arc::clone(&found.listing))
    }

    /// Keeps a listing for a minute, or until others need its room.
    pub(crate) fn keep(&self, folder: PathBuf, listing: Arc<Listing>, now_ns: i64) {
        let len_bytes = listing.len_bytes();
        if len_bytes > self.max_bytes {
            return;
        }
        let mut kept = self.kept.lock();
        kept.forget(|other| other.folder == folder || is_old(other, now_ns));
        kept.len_bytes = kept.len_bytes.saturating_add(len_bytes);
        kept.listings.push_back(KeptListing { folder, listing, len_bytes, kept_ns: now_ns });
        while kept.len_bytes > self.max_bytes || kept.listings.len() > MAX_KEPT {
            let Some(oldest) = kept.listings.pop_front() else { break };
            kept.len_bytes = kept.len_bytes.saturating_sub(oldest.len_bytes);
        }
    }
}

/// True for a listing of more than a minute ago, or of a time to come: the clock was set back.
fn is_old(kept: &KeptListing, now_ns: i64) -> bool {
    !(0..KEPT_NS).contains(&now_ns.saturating_sub(kept.kept_ns))
}

impl Kept {
    fn forget(&mut self, is_over: impl Fn(&KeptListing) -> bool) {
        self.listings.retain(|listing| !is_over(listing));
        self.len_bytes = self.listings.iter().map(|listing| listing.len_bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(n_entries: usize) -> Arc<Listing> {
        let entries = (0..n_entries).map(|number| (format!("{number:04}"), Kind::File)).collect();
        Arc::new(Listing { entries })
    }

    #[test]
    fn listings_are_kept_for_a_minute_within_their_room() {
        let listings = Listings::new(Box::new(Disk), 100 * (4 + ENTRY_BYTES));
        let is_kept = |folder: &str, now_ns| listings.kept(Path::new(folder), now_ns).is_some();
        listings.keep("a".into(), listing(60), 0);
        listings.keep("a".into(), listing(50), 0);
        listings.keep("b".into(), listing(50), 0);
        listings.keep("too large".into(), listing(101), 0);
        assert!(is_kept("a", 0) && is_kept("b", KEPT_NS - 1) && !is_kept("too large", 0));
        listings.keep("c".into(), listing(1), 0);
        assert!(!is_kept("a", 0), "the one that was kept first makes room");
        assert!(is_kept("b", 0) && is_kept("c", 0));
        assert!(!is_kept("b", KEPT_NS) && !is_kept("c", 0), "what is old is forgotten");
        for number in 0..=MAX_KEPT {
            listings.keep(format!("folder {number}").into(), listing(0), 0);
        }
        assert!(!is_kept("folder 0", 0) && is_kept("folder 1", 0));
    }
}
