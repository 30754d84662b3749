//! Walks the folders of a root in order, a page at a time. Nothing is opened but folders, links are not followed.

use std::fs;
use std::io::{self, ErrorKind as IoErrorKind};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thermocline_core::clock::Clock;
use thermocline_core::{Error, ErrorKind, Result};

use crate::find::Search;
use crate::listing::{Kind, Listing, Listings, MAX_FOLDER_ENTRIES};

/// Most folders within each other.
const MAX_DEPTH: usize = 256;

/// Most folders that could not be looked into and are named.
const MAX_NAMED: usize = 20;

/// Where a page ends.
pub(crate) struct Bounds<'a> {
    /// Most files that match.
    pub(crate) limit: usize,
    /// Most entries of folders that are looked at.
    pub(crate) max_entries: usize,
    /// How long entries may be looked at. Listing the folders in which the page begins does not count: each page gets
    /// further, however long that takes.
    pub(crate) time: Duration,
    pub(crate) clock: &'a dyn Clock,
    /// True once nobody waits for the page any more.
    pub(crate) is_given_up: &'a dyn Fn() -> bool,
}

impl Bounds<'_> {
    fn is_late(&self, begun_ns: i64) -> bool {
        let taken_ns = self.clock.now_ns().saturating_sub(begun_ns);
        u128::try_from(taken_ns).is_ok_and(|taken_ns| taken_ns >= self.time.as_nanos())
    }
}

/// A page of files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Paths below the root, in order.
    pub(crate) paths: Vec<String>,
    /// The last path that was looked at, if there may be more.
    pub(crate) next: Option<String>,
    /// Folders that could not be looked into.
    pub(crate) unlisted: Unlisted,
}

/// Folders that could not be looked into: what lies in them was not found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unlisted {
    /// How many they are.
    pub(crate) n: u64,
    /// Paths of the first ones below the root.
    pub(crate) first: Vec<String>,
    /// Why the first one could not.
    reason: Option<String>,
}

impl Unlisted {
    fn add(&mut self, folder: &str, reason: String) {
        self.extend(Self { n: 1, first: vec![folder.to_owned()], reason: Some(reason) });
    }

    /// Takes in those of another page. One that both name counts once: a page may begin where the one before ended.
    pub(crate) fn extend(&mut self, other: Self) {
        let n_before = other.first.len();
        let new: Vec<String> =
            other.first.into_iter().filter(|folder| !self.first.contains(folder)).collect();
        let n_known = n_before.saturating_sub(new.len()) as u64;
        self.n = self.n.saturating_add(other.n.saturating_sub(n_known));
        self.first.extend(new);
        self.first.truncate(MAX_NAMED);
        self.reason = self.reason.take().or(other.reason);
    }

    /// Writes one line of them, however many they are.
    pub(crate) fn warn(&self, root: &Path) {
        if self.n > 0 {
            let error = self.reason.as_deref().unwrap_or_default();
            tracing::warn!(root = %root.display(), n_folders = self.n, folders = ?self.first, error, "folders left out of a search");
        }
    }
}

/// The files that match, from after the path `after` on, in the order of the names in each folder.
///
/// A page may hold fewer files than there are, even none, and still be followed by another.
///
/// # Errors
/// A root that cannot be listed, a folder with more entries than are sorted. Other folders that cannot be listed, or
/// lie too deep, are named by the page.
pub(crate) fn walk(
    search: &Search,
    listings: &Listings,
    after: Option<&str>,
    bounds: &Bounds<'_>,
) -> Result<Page> {
    let mut walker = Walker::start(search, (listings, bounds.clock), after)?;
    let (mut paths, mut next) = (Vec::new(), None);
    let (mut n_entries, mut begun_ns) = (0, None);
    while let Some(entry) = walker.next_entry() {
        if entry.is_again {
            walker.enter(entry)?;
            continue;
        }
        n_entries += 1;
        let begun_ns = *begun_ns.get_or_insert_with(|| bounds.clock.now_ns());
        let is_found = entry.kind == Kind::File && walker.is_wanted(&entry);
        let path = entry.path.clone();
        if entry.kind == Kind::Folder && walker.may_hold(&entry) {
            walker.enter(entry)?;
        }
        if is_found {
            paths.push(path.clone());
        }
        let is_full = paths.len() >= bounds.limit || n_entries >= bounds.max_entries;
        if is_full || bounds.is_late(begun_ns) || (bounds.is_given_up)() {
            next = Some(path);
            walker.keep();
            break;
        }
    }
    Ok(Page { paths, next, unlisted: walker.unlisted })
}

/// An entry of a folder.
struct Entry {
    kind: Kind,
    /// Path below the root.
    path: String,
    /// Whether a folder above it, or it itself, matches.
    is_inside: bool,
    /// Whether it is a folder that the page before went into: there is no page without progress.
    is_again: bool,
    /// The rest of the path after which the walk goes on, if this entry lies on it.
    resume: Vec<String>,
}

/// A folder that is being walked through.
struct Level {
    listing: Arc<Listing>,
    /// The entries of the listing that are still to come.
    rest: Range<usize>,
    /// Its path below the root, with a slash at the end; empty for the root.
    path: String,
    is_inside: bool,
    /// The rest of the path after which the walk goes on, below this folder.
    resume: Vec<String>,
}

struct Walker<'a> {
    search: &'a Search,
    listings: &'a Listings,
    clock: &'a dyn Clock,
    levels: Vec<Level>,
    unlisted: Unlisted,
}

impl<'a> Walker<'a> {
    fn start(
        search: &'a Search,
        (listings, clock): (&'a Listings, &'a dyn Clock),
        after: Option<&str>,
    ) -> Result<Self> {
        let resume: Vec<String> = after.unwrap_or_default().split('/').map(str::to_owned).collect();
        let resume = if after.is_none() { Vec::new() } else { resume };
        let mut walker = Self { search, listings, clock, levels: Vec::new(), unlisted: Unlisted::default() };
        let listing = walker.listing(&search.base, after.is_some()).map_err(cannot_list)?;
        walker.push(listing, String::new(), false, resume);
        Ok(walker)
    }

    /// What lies in a folder: now, or when the page before was in it.
    fn listing(&self, folder: &Path, is_again: bool) -> io::Result<Arc<Listing>> {
        let kept = if is_again { self.listings.kept(folder, self.clock.now_ns()) } else { None };
        kept.map_or_else(|| self.listings.list(folder), Ok)
    }

    /// Keeps the listings of the folders that it is in, for the next page.
    fn keep(&self) {
        let now_ns = self.clock.now_ns();
        for level in &self.levels {
            self.listings.keep(
                self.folder(level.path.trim_end_matches('/')),
                Arc::clone(&level.listing),
                now_ns,
            );
        }
    }

    /// A folder by its path below the root.
    fn folder(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.search.base.clone() } else { self.search.base.join(path) }
    }

    fn push(&mut self, listing: Arc<Listing>, path: String, is_inside: bool, resume: Vec<String>) {
        let only = self.search.prefix.get(self.levels.len());
        let first = resume.first().max(only);
        let entries = &listing.entries;
        let start = first.map_or(0, |first| entries.partition_point(|(name, _)| name < first));
        let end = only.map_or(entries.len(), |only| entries.partition_point(|(name, _)| name <= only));
        self.levels.push(Level { rest: start..end, listing, path, is_inside, resume });
    }

    /// The next entry, of the innermost folder that has one.
    fn next_entry(&mut self) -> Option<Entry> {
        loop {
            let level = self.levels.last_mut()?;
            let entry = level.rest.next().and_then(|number| level.listing.entries.get(number));
            let Some((name, kind)) = entry else {
                self.levels.pop();
                continue;
            };
            let kind = *kind;
            let is_hidden = name.starts_with('.') && !self.search.shows_hidden;
            let is_on_the_way = level.resume.first() == Some(name);
            if is_hidden || is_on_the_way && level.resume.len() == 1 && kind == Kind::File {
                continue;
            }
            let resume = if is_on_the_way { level.resume.split_off(1) } else { Vec::new() };
            let path = format!("{}{name}", level.path);
            if self.search.hidden.contains(&path) {
                continue;
            }
            let is_inside = level.is_inside || self.search.pattern.is_match(&path);
            let is_again = is_on_the_way && kind == Kind::Folder;
            return Some(Entry { kind, path, is_inside, is_again, resume });
        }
    }

    fn enter(&mut self, folder: Entry) -> Result<()> {
        if self.levels.len() >= MAX_DEPTH {
            self.unlisted.add(&folder.path, format!("it lies more than {MAX_DEPTH} folders deep"));
            return Ok(());
        }
        match self.listing(&self.folder(&folder.path), folder.is_again) {
            Ok(listing) => self.push(listing, format!("{}/", folder.path), folder.is_inside, folder.resume),
            // It is gone since the folder above was listed: nothing lies in it.
            Err(cause) if cause.kind() == IoErrorKind::NotFound => {}
            Err(cause) if cause.kind() == IoErrorKind::FileTooLarge => return Err(cannot_list(cause)),
            Err(cause) => self.unlisted.add(&folder.path, cause.to_string()),
        }
        Ok(())
    }

    /// True if something in a folder may match.
    fn may_hold(&self, folder: &Entry) -> bool {
        folder.is_inside || self.search.max_names.is_none_or(|most| self.levels.len() < most)
    }

    fn is_wanted(&self, file: &Entry) -> bool {
        file.is_inside && self.is_of_time(&self.search.base.join(&file.path))
    }

    fn is_of_time(&self, file: &PathBuf) -> bool {
        let (from_ns, before_ns) = (self.search.from_ns, self.search.before_ns);
        if from_ns.is_none() && before_ns.is_none() {
            return true;
        }
        let Ok(metadata) = fs::symlink_metadata(file) else { return false };
        let modified_ns =
            metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        from_ns.is_none_or(|from_ns| modified_ns >= from_ns)
            && before_ns.is_none_or(|before_ns| modified_ns < before_ns)
    }
}

/// The error of a folder without which nothing can be told.
fn cannot_list(cause: io::Error) -> Error {
    if cause.kind() == IoErrorKind::FileTooLarge {
        let message = format!("a folder has more than {MAX_FOLDER_ENTRIES} entries; search in one below it");
        return Error::new(ErrorKind::TooLarge, message);
    }
    let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(30) };
    Error::new(kind, "a folder of the root cannot be listed").with_source(cause)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;
    use tempfile::TempDir;
    use thermocline_core::clock::{ManualClock, SystemClock};
    use thermocline_core::cold::{Namespace, NamespaceRoot};
    use thermocline_http::identity::Paths;

    use super::*;
    use crate::find::WrittenSearch;
    use crate::listing::{Disk, Lister};

    const FILES: [&str; 9] = [
        "S2A_x_T33UXP_1.SAFE/GRANULE/b.jp2",
        "S2A_x_T33UXP_1.SAFE/a.xml",
        "S2A_x_T33UXP_1.nc",
        "a/b/c.nc",
        "a/b.nc",
        "a.nc",
        "a/.hidden/d.nc",
        "z/S2A_y_T33UXP_2.SAFE/c.xml",
        "z/other/c.xml",
    ];

    fn archive() -> TempDir {
        let dir = TempDir::new().unwrap();
        for file in FILES {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        symlink("/etc", dir.path().join("etc")).unwrap();
        symlink(dir.path(), dir.path().join("a/loop")).unwrap();
        dir
    }

    fn search(dir: &TempDir, pattern: &str) -> Search {
        let base = dir.path().to_str().unwrap().to_owned();
        let root = NamespaceRoot { name: "archive".into(), base, map: Vec::new(), store: None };
        let (root_name, pattern) = (Some("archive".to_owned()), Some(pattern.to_owned()));
        let written = WrittenSearch { root: root_name, pattern, ..WrittenSearch::default() };
        Search::new(&written, &Paths::all(Arc::new(Namespace::new(vec![root])))).unwrap()
    }

    /// Bounds without one of time.
    fn bounds(limit: usize, max_entries: usize) -> Bounds<'static> {
        Bounds { limit, max_entries, time: Duration::MAX, clock: &SystemClock, is_given_up: &|| false }
    }

    fn disk() -> Listings {
        Listings::new(Box::new(Disk), 1 << 20)
    }

    fn all(search: &Search, limit: usize, max_entries: usize) -> Vec<String> {
        let (mut found, mut cursor) = (Vec::new(), None);
        let listings = disk();
        loop {
            let page = walk(search, &listings, cursor.as_deref(), &bounds(limit, max_entries)).unwrap();
            assert!(page.paths.len() <= limit);
            found.extend(page.paths);
            let Some(next) = page.next else { return found };
            assert!(cursor.as_ref() != Some(&next), "no progress after {next}");
            cursor = Some(next);
        }
    }

    #[test]
    fn a_pattern_finds_files_and_all_that_lies_in_folders_that_match() {
        let dir = archive();
        for (pattern, found) in [
            ("**/S2A_*_T33UXP_*", &FILES[..3]),
            ("a/*.nc", &["a/b.nc"]),
            ("a/**", &["a/b/c.nc", "a/b.nc"]),
            ("*.nc", &["S2A_x_T33UXP_1.nc", "a.nc"]),
            ("a/.hidden/*", &["a/.hidden/d.nc"]),
            ("a.nc", &["a.nc"]),
            ("{z,a}/b.nc", &["a/b.nc"]),
            ("etc/*", &[]),
            ("nothing", &[]),
        ] {
            let mut expected: Vec<&str> = found.to_vec();
            if pattern.starts_with("**") {
                expected.push("z/S2A_y_T33UXP_2.SAFE/c.xml");
            }
            assert_eq!(all(&search(&dir, pattern), 100, 100), expected, "{pattern}");
        }
    }

    #[test]
    fn folders_that_cannot_be_looked_into_are_named() {
        let dir = archive();
        let deep = dir.path().join(vec!["d"; MAX_DEPTH + 1].join("/"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("too_deep.nc"), "").unwrap();
        // Between the listing of the root and that of the folder it becomes something that cannot be listed.
        let spoil = || {
            let folder = dir.path().join("z");
            if folder.is_dir() {
                fs::remove_dir_all(&folder).unwrap();
                fs::write(folder, "").unwrap();
            }
            false
        };
        let bounds = Bounds { is_given_up: &spoil, ..bounds(1000, 1000) };
        let page = walk(&search(&dir, "**/*.nc"), &disk(), None, &bounds).unwrap();
        assert_eq!(page.paths, ["S2A_x_T33UXP_1.nc", "a/b/c.nc", "a/b.nc", "a.nc"]);
        assert_eq!(page.unlisted.n, 2);
        assert_eq!(page.unlisted.first, [vec!["d"; MAX_DEPTH].join("/"), "z".to_owned()]);
        let mut twice = page.unlisted.clone();
        twice.extend(page.unlisted);
        assert_eq!(twice.n, 2, "a folder that two pages name counts once");
    }

    #[test]
    fn pages_go_on_where_the_page_before_ended() {
        let dir = archive();
        let search = search(&dir, "**");
        let whole = all(&search, 1000, 1000);
        assert_eq!(whole.len(), FILES.len() - 1);
        for limit in 1..4 {
            for max_entries in 1..6 {
                assert_eq!(all(&search, limit, max_entries), whole, "{limit} {max_entries}");
            }
        }
    }

    #[test]
    fn a_cursor_that_is_gone_is_no_reason_to_lose_files() {
        let dir = archive();
        let search = search(&dir, "**");
        let rest = |cursor: &str| walk(&search, &disk(), Some(cursor), &bounds(100, 100)).unwrap().paths;
        assert_eq!(rest("a/b/zzz").first().map(String::as_str), Some("a/b.nc"));
        assert_eq!(rest("b"), ["z/S2A_y_T33UXP_2.SAFE/c.xml", "z/other/c.xml"]);
        assert_eq!(rest("zz"), [""; 0]);
    }

    /// A folder of 1,000 files that takes a minute and a half to list, above one of as many.
    #[derive(Clone, Default)]
    struct SlowFolders {
        clock: ManualClock,
        n_listed: Arc<AtomicUsize>,
    }

    impl Lister for SlowFolders {
        fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>> {
            self.clock.advance(Duration::from_secs(90));
            self.n_listed.fetch_add(1, Ordering::Relaxed);
            let mut entries: Vec<_> =
                (0..1000).map(|number| (format!("{number:04}.nc"), Kind::File)).collect();
            if folder.ends_with("archive") {
                entries.push(("deep".to_owned(), Kind::Folder));
            }
            Ok(entries)
        }
    }

    fn slow_search() -> Search {
        let root = NamespaceRoot {
            name: "archive".into(),
            base: "/archive".to_owned(),
            map: Vec::new(),
            store: None,
        };
        let (root_name, pattern) = (Some("archive".to_owned()), Some("**/*.nc".to_owned()));
        let written = WrittenSearch { root: root_name, pattern, ..WrittenSearch::default() };
        Search::new(&written, &Paths::all(Arc::new(Namespace::new(vec![root])))).unwrap()
    }

    #[test]
    fn pages_in_folders_that_take_long_to_list_are_full_and_list_them_once() {
        let folders = SlowFolders::default();
        let listings = Listings::new(Box::new(folders.clone()), 1 << 20);
        let bounds = Bounds { time: Duration::from_secs(5), clock: &folders.clock, ..bounds(100, 10_000) };
        let (mut n_files, mut cursor) = (0, None);
        for number in 0..20 {
            let page = walk(&slow_search(), &listings, cursor.as_deref(), &bounds).unwrap();
            n_files += page.paths.len();
            // The page in which the folder below is listed ends with it.
            assert!(page.paths.len() == 100 || number == 10, "page {number}: {}", page.paths.len());
            cursor = page.next;
        }
        assert_eq!((n_files, folders.n_listed.load(Ordering::Relaxed)), (1900, 2));
    }

    #[test]
    fn a_search_that_begins_lists_anew_and_so_does_a_page_after_a_minute() {
        let folders = SlowFolders::default();
        let listings = Listings::new(Box::new(folders.clone()), 1 << 20);
        let bounds = Bounds { clock: &folders.clock, ..bounds(10, 10_000) };
        let n_listed = |after: Option<&str>| {
            walk(&slow_search(), &listings, after, &bounds).unwrap();
            folders.n_listed.load(Ordering::Relaxed)
        };
        assert_eq!((n_listed(None), n_listed(None)), (1, 2));
        assert_eq!((n_listed(Some("0009.nc")), n_listed(Some("0019.nc"))), (2, 2));
        folders.clock.advance(Duration::from_secs(61));
        assert_eq!(n_listed(Some("0029.nc")), 3);
    }

    #[test]
    fn a_walk_ends_when_nobody_waits_for_it() {
        let folders = SlowFolders::default();
        let listings = Listings::new(Box::new(folders.clone()), 1 << 20);
        let bounds = Bounds { clock: &folders.clock, is_given_up: &|| true, ..bounds(5000, 10_000) };
        assert_eq!(walk(&slow_search(), &listings, None, &bounds).unwrap().paths.len(), 1);
    }

    proptest! {
        #[test]
        fn no_cursor_panics(cursor in ".{0,20}") {
            let dir = archive();
            walk(&search(&dir, "**"), &disk(), Some(&cursor), &bounds(3, 5)).unwrap();
        }
    }
}
