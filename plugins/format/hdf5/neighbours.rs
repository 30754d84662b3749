//! Other files that a file names: opened by name, and remembered in the state in which they were found.
//!
//! What was missing is remembered too: the index must be made again when it arrives.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use thermocline_core::format::{OpenOther, ReadAt, missing_object};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::{Object, ObjectIdentity};
use twox_hash::XxHash3_128;

use crate::storage::is_fault_of_file;

/// What a client is told to wait while changed files are indexed again.
const CHANGED: ErrorKind = ErrorKind::Changed { retry_after: Duration::from_secs(2) };

/// Source arrays of virtual datasets that may be opened for one file: they may be sources of each other.
const MAX_SOURCES: usize = 1_000_000;

/// A file that another one names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// Its name relative to the first file.
    pub(crate) name: String,
    /// Its state when it was found.
    pub(crate) object: Object,
}

/// The files around a first one, as a file in one of its folders names them.
#[derive(Clone)]
pub(crate) struct Neighbourhood<'a> {
    others: &'a dyn OpenOther,
    first: Arc<str>,
    /// The folder that names count from, relative to that of the first file; empty for the same.
    folder: String,
    is_indexing: bool,
    record: Arc<Record>,
    /// Source arrays that were opened.
    n_sources: Arc<AtomicUsize>,
}

/// What was found, here and where this is a part of.
#[derive(Default)]
struct Record {
    found: Mutex<Found>,
    whole: Option<Arc<Self>>,
}

#[derive(Default)]
struct Found {
    names: HashSet<String>,
    neighbours: Vec<Neighbour>,
}

impl Record {
    fn add(&self, neighbour: &Neighbour) {
        let mut found = self.found.lock();
        if found.names.insert(neighbour.name.clone()) {
            found.neighbours.push(neighbour.clone());
        }
        drop(found);
        if let Some(whole) = &self.whole {
            whole.add(neighbour);
        }
    }
}

impl<'a> Neighbourhood<'a> {
    /// The neighbourhood of the file at `first`.
    pub(crate) fn new(others: &'a dyn OpenOther, first: &str) -> Self {
        let (folder, record, n_sources) = (String::new(), Arc::default(), Arc::default());
        Self { others, first: Arc::from(first), folder, is_indexing: false, record, n_sources }
    }

    /// The same while indexing: a file of this machine that exists and cannot be opened is refused like a
    /// damaged one, for the rest can be served, and is waited for like a missing one.
    pub(crate) fn while_indexing(self) -> Self {
        Self { is_indexing: true, ..self }
    }

    /// The same, with a record of its own of what is found from now on.
    pub(crate) fn part(&self) -> Self {
        let record = Record { found: Mutex::default(), whole: Some(Arc::clone(&self.record)) };
        Self { record: Arc::new(record), ..self.clone() }
    }

    /// The same, seen from the folder of the file that is called `name` here.
    pub(crate) fn beside(&self, name: &str) -> Self {
        let name = self.name(name);
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        Self { folder, ..self.clone() }
    }

    /// Opens a file by the name that it has here; `None` if nothing is there.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        let name = self.name(name);
        let missing = missing_object(&self.first, &name);
        let is_near = !missing.href.contains("://");
        let (object, opened) = match self.others.open(&name) {
            Ok(Some(opened)) => (opened.object().clone(), Ok(Some(opened))),
            Ok(None) => (missing, Ok(None)),
            Err(error) if is_fault_of_file(&error) => (missing, Err(error)),
            Err(error) if self.is_indexing && is_near => {
                (missing, Err(Error::refused(format!("{name} cannot be opened")).with_source(error)))
            }
            Err(error) => return Err(error),
        };
        self.record.add(&Neighbour { name, object });
        opened
    }

    /// Counts a source array that is opened.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when there are more than any sound file needs.
    pub(crate) fn count_source(&self) -> Result<()> {
        if self.n_sources.fetch_add(1, Ordering::Relaxed) < MAX_SOURCES {
            return Ok(());
        }
        Err(Error::corrupt(format!("virtual datasets of more than {MAX_SOURCES} sources")))
    }

    /// The files that were asked for, each once, in the order of asking.
    pub(crate) fn found(&self) -> Vec<Neighbour> {
        self.record.found.lock().neighbours.clone()
    }

    /// Fails if a file is not in the state in which it was found.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`], and whatever a store says that does not answer.
    pub(crate) fn check(&self, neighbours: &[Neighbour]) -> Result<()> {
        for Neighbour { name, object } in neighbours {
            let now = match self.others.open(name) {
                Ok(Some(now)) => now.object().clone(),
                Ok(None) => missing_object(&self.first, name),
                Err(error) if is_fault_of_file(&error) => missing_object(&self.first, name),
                Err(error) => return Err(error),
            };
            if now != *object {
                return Err(changed(&object.href));
            }
        }
        Ok(())
    }

    /// A name from here as a name from the first file.
    fn name(&self, name: &str) -> String {
        if self.folder.is_empty() || name.starts_with('/') || name.contains("://") {
            return name.to_owned();
        }
        format!("{}/{name}", self.folder)
    }
}

/// The error of values that were to be read from a file that changed.
pub(crate) fn changed(href: &str) -> Error {
    Error::new(CHANGED, format!("{href} changed after it was indexed"))
}

/// A hash over the places and states of files; empty for none. It is stored with the index: raise the index
/// version when it changes.
pub(crate) fn fingerprint(neighbours: &[Neighbour]) -> String {
    if neighbours.is_empty() {
        return String::new();
    }
    let mut lines: Vec<String> = neighbours.iter().map(line).collect();
    lines.sort_unstable();
    lines.dedup();
    format!("{:032x}", XxHash3_128::oneshot(lines.concat().as_bytes()))
}

/// Place and state of a file, equal whichever way its name led to it, and whether its root is bound to a cold store
/// or not: a recall may put a new file in the place of a stub, so that the inode is no part of it.
fn line(neighbour: &Neighbour) -> String {
    let Object { href, len_bytes, identity } = &neighbour.object;
    let parts = href.split('/').filter(|part| !part.is_empty() && *part != ".");
    let href = parts.collect::<Vec<_>>().join("/");
    match identity {
        ObjectIdentity::Modified { mtime_ns, .. } => format!("{href}\0{len_bytes}\0{mtime_ns}\0"),
        ObjectIdentity::ETag(etag) => format!("{href}\0{len_bytes}\0{etag}\0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is anywhere.
    struct Nothing;

    impl OpenOther for Nothing {
        fn open(&self, _name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
            Ok(None)
        }

        fn list(&self, _prefix: &str) -> Result<Vec<(String, u64)>> {
            Ok(Vec::new())
        }
    }

    fn hrefs(neighbourhood: &Neighbourhood<'_>) -> Vec<String> {
        neighbourhood.found().into_iter().map(|neighbour| neighbour.object.href).collect()
    }

    #[test]
    fn what_a_part_finds_the_whole_knows() {
        let whole = Neighbourhood::new(&Nothing, "/data/main.h5");
        whole.open("a.h5").unwrap();
        let part = whole.part();
        part.beside("sub/b.h5").open("c.h5").unwrap();
        part.open("a.h5").unwrap();
        assert_eq!(hrefs(&part), ["/data/sub/c.h5", "/data/a.h5"]);
        assert_eq!(hrefs(&whole), ["/data/a.h5", "/data/sub/c.h5"]);
    }

    #[test]
    fn a_fingerprint_is_of_places_and_states_not_of_names() {
        let with_inode = |name: &str, href: &str, len_bytes, inode| {
            let identity = ObjectIdentity::Modified { mtime_ns: 1, inode };
            Neighbour { name: name.into(), object: Object { href: href.into(), len_bytes, identity } }
        };
        let neighbour = |name, href, len_bytes| with_inode(name, href, len_bytes, 2);
        let known = fingerprint(&[neighbour("sub/./a", "/data/sub/./a", 3)]);
        assert_eq!(fingerprint(&[neighbour("a", "/data/sub/a", 3)]), known);
        assert_eq!(fingerprint(&[with_inode("a", "/data/sub/a", 3, 0)]), known, "bound to a cold store");
        assert_ne!(fingerprint(&[neighbour("a", "/data/sub/a", 4)]), known);
        assert_ne!(fingerprint(&[neighbour("a", "/data/other/a", 3)]), known);
        assert_eq!(fingerprint(&[]), "");
    }
}
