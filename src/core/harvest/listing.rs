//! What lies below a place, page by page and in an order in which a listing can go on where it was broken off.
//! Blocking.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thermocline_model::{Object, ObjectIdentity};
use walkdir::{DirEntry, WalkDir};

use super::names::Naming;
use crate::bytes::ObjectOpener;
use crate::catalog::{DatasetPer, is_ignored, is_inside, outermost_stores};
use crate::format::Format;
use crate::{Error, ErrorKind, Result};

/// Names that are looked at before what was found of them is kept.
const PAGE: usize = 1000;

/// Most folders that could not be read that are named.
const MAX_COMPLAINTS: usize = 20;

/// An object or store that is a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) href: String,
    pub(super) len_bytes: u64,
    /// Changes whenever the object does.
    pub(super) identity: String,
}

/// What was found lately.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) found: Vec<Found>,
    /// What was looked at last, where the listing goes on after it was broken off; `None` if it has to begin anew.
    pub(super) cursor: Option<String>,
    /// Names that were looked at.
    pub(super) n_looked_at: u64,
    /// Folders that could not be looked into: what lies there has not vanished.
    pub(super) unread: Vec<String>,
}

/// Takes pages, in order.
pub(super) type Take<'t> = dyn FnMut(Page) -> Result<()> + 't;

/// Lists places.
#[derive(Clone)]
pub(super) struct Lister {
    pub(super) opener: Arc<dyn ObjectOpener>,
    pub(super) formats: Vec<Arc<dyn Format>>,
}

impl Lister {
    /// Lists what a harvest takes below one of its places, beginning after `after`. The answer are complaints about
    /// what could not be looked at.
    ///
    /// # Errors
    /// A place that cannot be listed, and those of `take`.
    pub(super) fn list(
        &self,
        naming: &Naming,
        base: &str,
        after: Option<&str>,
        take: &mut Take<'_>,
    ) -> Result<Vec<String>> {
        let base = match base.trim_end_matches('/') {
            "" => "/",
            base => base,
        };
        if !base.contains("://") {
            return self.walk(naming, Path::new(base), after, take);
        }
        match naming.spec.dataset_per {
            DatasetPer::Object => self.objects(naming, base, after, take)?,
            DatasetPer::Directory => self.stores(naming, base, take)?,
        }
        Ok(Vec::new())
    }

    /// Objects of a store.
    fn objects(&self, naming: &Naming, base: &str, after: Option<&str>, take: &mut Take<'_>) -> Result<()> {
        // Not every store lists in the order of names: where it does not, a listing cannot go on in the middle.
        let mut last = after.map(str::to_owned);
        let mut is_ordered = true;
        self.opener.list_pages(base, after, &mut |objects| {
            let n_looked_at = objects.len() as u64;
            for object in &objects {
                is_ordered &= last.as_deref().is_none_or(|last| order(last, &object.href) == Ordering::Less);
                last = Some(object.href.clone());
            }
            let is_wanted = |object: &Object| naming.is_wanted(&object.href);
            let found = objects.into_iter().filter(is_wanted).map(Found::from).collect();
            take(Page { found, cursor: last.clone().filter(|_| is_ordered), n_looked_at, unread: Vec::new() })
        })
    }

    /// Directory stores below a prefix: all of it is listed at once.
    fn stores(&self, naming: &Naming, base: &str, take: &mut Take<'_>) -> Result<()> {
        let objects = self.opener.list(base)?;
        let markers: Vec<&str> = self.markers().collect();
        let stores = outermost_stores(&objects, base, &markers);
        let mut documents: HashMap<&str, Vec<(u64, String)>> = HashMap::new();
        for object in &objects {
            if let Some((folder, name)) = object.href.rsplit_once('/')
                && markers.contains(&name)
            {
                let document = (object.len_bytes, identity_text(&object.identity));
                documents.entry(folder).or_default().push(document);
            }
        }
        let found = stores
            .into_iter()
            .filter(|store| naming.is_wanted(store))
            .map(|store| store_found(store, documents.remove(store).unwrap_or_default().into_iter()))
            .collect();
        take(Page { found, cursor: None, n_looked_at: objects.len() as u64, unread: Vec::new() })
    }

    fn markers(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.formats.iter().flat_map(|format| format.directory_markers()).copied()
    }

    fn walk(
        &self,
        naming: &Naming,
        root: &Path,
        after: Option<&str>,
        take: &mut Take<'_>,
    ) -> Result<Vec<String>> {
        let unreadable = || {
            let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(30) };
            Error::new(kind, format!("cannot list {}", root.display()))
        };
        let real_root = root.canonicalize().map_err(|cause| unreadable().with_source(cause))?;
        let max_depth = if naming.spec.is_recursive { usize::MAX } else { 1 };
        let mut walk =
            WalkDir::new(root).follow_links(true).max_depth(max_depth).sort_by_file_name().into_iter();
        let mut pages = Pages { page: empty_page(), n_in_page: 0, take };
        let mut complaints = Vec::new();
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.depth() == 0 => return Err(unreadable().with_source(error)),
                // It vanished between listing and looking, or is a link that leads nowhere.
                Err(error) if error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => {
                    continue;
                }
                Err(error) => {
                    complain(&mut complaints, format!("cannot look into a folder: {error}"));
                    // What a link leads round to is found where it lies.
                    if error.loop_ancestor().is_none() {
                        pages.page.unread.push(unread(error.path(), root));
                    }
                    continue;
                }
            };
            if !is_of_interest(&entry, &real_root) || is_before(&entry, after) {
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
                continue;
            }
            let Some(href) = entry.path().to_str() else {
                complain(&mut complaints, format!("the name {:?} is not UTF-8", entry.path()));
                continue;
            };
            let is_store = entry.file_type().is_dir() && self.is_store(entry.path());
            if is_store {
                walk.skip_current_dir();
            }
            let is_candidate = match naming.spec.dataset_per {
                DatasetPer::Object => entry.file_type().is_file(),
                DatasetPer::Directory => is_store,
            };
            let is_new = after.is_none_or(|after| order(after, href) == Ordering::Less);
            let is_wanted = is_candidate && is_new && naming.is_wanted(href);
            let found = if is_wanted { self.look(&entry, href, is_store) } else { None };
            pages.add(href, found)?;
        }
        pages.end()?;
        Ok(complaints)
    }

    fn is_store(&self, directory: &Path) -> bool {
        self.markers().any(|marker| directory.join(marker).is_file())
    }

    fn look(&self, entry: &DirEntry, href: &str, is_store: bool) -> Option<Found> {
        if !is_store {
            let metadata = entry.metadata().ok()?;
            let identity = identity_of(&metadata);
            return Some(Found { href: href.to_owned(), len_bytes: metadata.len(), identity });
        }
        let documents = self.markers().filter_map(|marker| entry.path().join(marker).metadata().ok());
        Some(store_found(href, documents.map(|metadata| (metadata.len(), identity_of(&metadata)))))
    }
}

/// Gathers what is found into pages.
struct Pages<'p, 't> {
    page: Page,
    n_in_page: usize,
    take: &'p mut Take<'t>,
}

impl Pages<'_, '_> {
    fn add(&mut self, href: &str, found: Option<Found>) -> Result<()> {
        self.page.found.extend(found);
        self.page.n_looked_at += 1;
        self.n_in_page += 1;
        if self.n_in_page < PAGE {
            return Ok(());
        }
        self.page.cursor = Some(href.to_owned());
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.n_in_page = 0;
        (self.take)(std::mem::replace(&mut self.page, empty_page()))
    }
}

fn empty_page() -> Page {
    Page { found: Vec::new(), cursor: None, n_looked_at: 0, unread: Vec::new() }
}

/// The innermost folder with a name that holds what could not be looked at.
fn unread(path: Option<&Path>, root: &Path) -> String {
    let named = path.into_iter().flat_map(Path::ancestors).chain([root]).find_map(Path::to_str);
    named.unwrap_or_default().trim_end_matches('/').to_owned()
}

/// The order of listings: that of keys in stores, that of the parts of paths on disk.
fn order(a: &str, b: &str) -> Ordering {
    match a.contains("://") {
        true => a.cmp(b),
        false => Path::new(a).cmp(Path::new(b)),
    }
}

fn is_of_interest(entry: &DirEntry, real_root: &Path) -> bool {
    let is_hidden = entry.depth() > 0 && entry.file_name().to_str().is_some_and(is_ignored);
    !is_hidden && (!entry.path_is_symlink() || is_inside(entry.path(), real_root))
}

/// True for what was looked at before a listing was broken off, everything below it included.
fn is_before(entry: &DirEntry, after: Option<&str>) -> bool {
    let Some(after) = after.map(Path::new) else { return false };
    entry.path() < after && !after.starts_with(entry.path())
}

fn store_found(href: &str, documents: impl Iterator<Item = (u64, String)>) -> Found {
    let mut found = Found { href: href.to_owned(), len_bytes: 0, identity: String::new() };
    for (len_bytes, identity) in documents {
        found.len_bytes = found.len_bytes.saturating_add(len_bytes);
        found.identity.push_str(&identity);
        found.identity.push('\n');
    }
    found
}

impl From<Object> for Found {
    fn from(object: Object) -> Self {
        Self { identity: identity_text(&object.identity), href: object.href, len_bytes: object.len_bytes }
    }
}

fn identity_of(metadata: &Metadata) -> String {
    let mtime_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
    identity_text(&ObjectIdentity::Modified { mtime_ns, inode: metadata.ino() })
}

fn identity_text(identity: &ObjectIdentity) -> String {
    match identity {
        ObjectIdentity::Modified { mtime_ns, inode } => format!("{mtime_ns} {inode}"),
        ObjectIdentity::ETag(tag) => tag.clone(),
    }
}

fn complain(complaints: &mut Vec<String>, complaint: String) {
    if complaints.len() < MAX_COMPLAINTS {
        complaints.push(complaint);
    }
}
