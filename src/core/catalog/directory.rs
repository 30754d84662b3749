//! Declares what lies in files, folders and buckets that were named on the command line.
//!
//! A file is a dataset, whatever it holds. Of a folder or prefix every file below it is one that a
//! format recognises or whose extension promises it; a directory that is a store is one dataset. Cold files without such
//! an extension are left out until they are online; those that were indexed before stay.

mod changes;

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use thermocline_model::{DatasetId, Object, ObjectIdentity};
use tracing::info;
use walkdir::{DirEntry, WalkDir};

use super::ids::{id_of_path, is_ignored, is_promising};
use super::sniff::Sniffer;
use super::{DatasetSpec, Provider, SourceSpec};
use crate::bytes::{ObjectOpener, plain};
use crate::clock::{Clock, SystemClock, nanoseconds};
use crate::format::Format;
use crate::index::IndexStore;
use crate::manifest::blocking;
use crate::{Error, ErrorKind, Result};

/// Most complaints that are kept.
const MAX_PROBLEMS: usize = 20;

/// Declares what lies in one file, folder or bucket.
pub struct DirectoryProvider {
    shared: Arc<Shared>,
}

struct Shared {
    source: String,
    opener: Arc<dyn ObjectOpener>,
    clock: Arc<dyn Clock>,
    remote_every: Duration,
    /// Held while the source is walked or listed.
    state: Mutex<State>,
    /// Complaints of the last round, apart: who asks for them does not wait for a walk.
    problems: Mutex<Vec<String>>,
}

struct State {
    sniffer: Sniffer,
    /// What a remote source held when it was last listed.
    listed: Option<(i64, Vec<DatasetSpec>)>,
    /// What a local folder held when it was last looked at.
    walked: Option<Vec<DatasetSpec>>,
    /// Complaints of this round.
    problems: Vec<String>,
    /// Whether the log says that cold files are left out.
    has_told_left_out: bool,
}

impl DirectoryProvider {
    /// A provider of what lies at `source`: a path, or the URL (`s3://`, `https://`, `http://`) of a single
    /// object or, with a trailing slash or when there is no such object, of a prefix.
    pub fn new(source: String, opener: Arc<dyn ObjectOpener>, formats: Vec<Arc<dyn Format>>) -> Self {
        Self::with_clock(source, opener, formats, Arc::new(SystemClock))
    }

    /// The same on another clock: prefixes in object stores are listed at most once a minute.
    pub fn with_clock(
        source: String,
        opener: Arc<dyn ObjectOpener>,
        formats: Vec<Arc<dyn Format>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let sniffer = Sniffer::new(Arc::clone(&opener), formats);
        let state = Mutex::new(State {
            sniffer,
            listed: None,
            walked: None,
            problems: Vec::new(),
            has_told_left_out: false,
        });
        let remote_every = Duration::from_secs(60);
        let shared = Shared { source, opener, clock, remote_every, state, problems: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The same with an index that knows of cold files whether they are datasets.
    #[must_use]
    pub fn with_index(self, index: Arc<IndexStore>) -> Self {
        self.shared.state.lock().sniffer.index = Some(index);
        self
    }
}

#[async_trait]
impl Provider for DirectoryProvider {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.specs()).await
    }

    async fn specs_after(&self, changed: &[PathBuf]) -> Result<Option<Vec<DatasetSpec>>> {
        let (shared, changed) = (Arc::clone(&self.shared), changed.to_vec());
        blocking(move || Ok(shared.specs_after(&changed))).await
    }

    fn problems(&self) -> Vec<String> {
        self.shared.problems.lock().clone()
    }

    fn watched(&self) -> Vec<PathBuf> {
        let source = &self.shared.source;
        if is_url(source) { Vec::new() } else { vec![absolute(source)] }
    }
}

impl Shared {
    fn specs(&self) -> Result<Vec<DatasetSpec>> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some((listed_ns, specs)) = &state.listed
            && self.clock.now_ns().saturating_sub(*listed_ns) < nanoseconds(self.remote_every)
        {
            return Ok(specs.clone());
        }
        state.problems.clear();
        state.sniffer.begin_round();
        let specs = if is_url(&self.source) { self.remote(state) } else { local(state, &self.source) };
        if let Ok(specs) = &specs {
            let n_left_out = state.sniffer.end_round();
            self.tell_left_out(state, n_left_out);
            let is_folder = !is_url(&self.source) && Path::new(&self.source).is_dir();
            state.walked = is_folder.then(|| specs.clone());
        }
        *self.problems.lock() = std::mem::take(&mut state.problems);
        specs
    }

    /// Once in the life of the server: they are as many at the next round.
    fn tell_left_out(&self, state: &mut State, n_files: usize) {
        if n_files == 0 || state.has_told_left_out {
            return;
        }
        state.has_told_left_out = true;
        info!(
            folder = self.source,
            n_files, "cold files are left out, nobody knows whether they are datasets"
        );
    }

    fn specs_after(&self, changed: &[PathBuf]) -> Option<Vec<DatasetSpec>> {
        let mut state = self.state.lock();
        let known = state.walked.take()?;
        let specs = changes::specs_after(&mut state, &self.source, &known, changed);
        state.walked = Some(specs.clone().unwrap_or(known));
        specs
    }

    fn remote(&self, state: &mut State) -> Result<Vec<DatasetSpec>> {
        let now_ns = self.clock.now_ns();
        let specs = self.list_remote(state, &self.source)?;
        state.listed = Some((now_ns, specs.clone()));
        Ok(specs)
    }

    fn list_remote(&self, state: &mut State, source: &str) -> Result<Vec<DatasetSpec>> {
        let base = source.trim_end_matches('/');
        let name = base.rsplit('/').next().unwrap_or_default();
        let may_be_object = !source.ends_with('/');
        let mut specs = Vec::new();
        if may_be_object && is_promising(name) && self.is_there(source)? {
            push(state, &mut specs, name, SourceSpec::Object(source.to_owned()), source);
            return Ok(specs);
        }
        // Before the address itself: web servers answer the address of a folder with a page.
        for marker in state.sniffer.markers().collect::<Vec<_>>() {
            if self.is_there(&format!("{base}/{marker}"))? {
                push(state, &mut specs, name, SourceSpec::Directory(base.to_owned()), source);
                return Ok(specs);
            }
        }
        if may_be_object && self.is_there(source)? {
            push(state, &mut specs, name, SourceSpec::Object(source.to_owned()), source);
            return Ok(specs);
        }
        match self.opener.list(base) {
            Ok(objects) if !objects.is_empty() => below(state, base, &objects, &mut specs),
            Err(error) if error.kind() != ErrorKind::Unsupported => return Err(error),
            // Nothing there yet, or a server without listings: the object that was named.
            _ if !source.ends_with('/') => {
                push(state, &mut specs, name, SourceSpec::Object(source.to_owned()), source);
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(specs)
    }

    /// True for what exists, whether it can be served or not: what cannot is listed with the reason.
    fn is_there(&self, href: &str) -> Result<bool> {
        match self.opener.stat(href) {
            Err(error) if error.kind() == ErrorKind::Refused => Ok(true),
            found => Ok(found?.is_some()),
        }
    }
}

/// Datasets among the objects below a prefix.
fn below(state: &mut State, base: &str, objects: &[Object], specs: &mut Vec<DatasetSpec>) {
    let markers: Vec<&str> = state.sniffer.markers().collect();
    let outermost = outermost_stores(objects, base, &markers);
    let mut declared = 0;
    for object in objects {
        let Some(relative) = object.href.strip_prefix(base).map(|rest| rest.trim_start_matches('/')) else {
            continue;
        };
        // Stores and objects are both sorted: a store is declared at its first object.
        if let Some(position) = outermost.iter().position(|store| is_below(&object.href, store)) {
            if position >= declared {
                declared = position + 1;
                let store = outermost.get(position).copied().unwrap_or_default();
                let name = store.get(base.len()..).unwrap_or_default();
                push(state, specs, name, SourceSpec::Directory(store.to_owned()), store);
            }
            continue;
        }
        if !relative.split('/').any(is_ignored) && state.sniffer.is_dataset(object) {
            push(state, specs, relative, SourceSpec::Object(object.href.clone()), &object.href);
        }
    }
}

/// Prefixes below `base` that hold one of the documents by which stores are known, in order, without those that lie in
/// another one.
pub(crate) fn outermost_stores<'o>(objects: &'o [Object], base: &str, markers: &[&str]) -> Vec<&'o str> {
    let mut stores: Vec<&str> = objects
        .iter()
        .filter_map(|object| object.href.rsplit_once('/'))
        .filter(|(folder, name)| markers.contains(name) && folder.len() > base.len())
        .map(|(folder, _)| folder)
        .collect();
    // As the objects in them are sorted: what lies in a store comes right after it, "a-b" before "a/b".
    stores.sort_unstable_by(|a, b| in_order(a).cmp(in_order(b)));
    let mut outermost: Vec<&str> = Vec::new();
    for store in stores {
        if !outermost.last().is_some_and(|outer| *outer == store || is_below(store, outer)) {
            outermost.push(store);
        }
    }
    outermost
}

/// What the names of objects in a folder begin with, to compare it.
fn in_order(folder: &str) -> impl Iterator<Item = u8> + '_ {
    folder.bytes().chain(std::iter::once(b'/'))
}

fn is_below(href: &str, folder: &str) -> bool {
    href.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// As change notices name it.
fn absolute(source: &str) -> PathBuf {
    std::path::absolute(source).unwrap_or_else(|_| PathBuf::from(source))
}

fn local(state: &mut State, source: &str) -> Result<Vec<DatasetSpec>> {
    let mut specs = Vec::new();
    let root = std::path::absolute(source)
        .map_err(|cause| Error::invalid_input(format!("{source:?} is no path")).with_source(cause))?;
    let href = root.to_str().ok_or_else(|| Error::invalid_input(format!("{source:?} is not UTF-8")))?;
    let name = root.file_name().and_then(|name| name.to_str()).unwrap_or("root");
    if !root.is_dir() {
        // A file that is not there yet, or away for a moment, is declared all the same.
        push(state, &mut specs, name, SourceSpec::Object(href.to_owned()), href);
        return Ok(specs);
    }
    if is_store(state, &root) {
        push(state, &mut specs, name, SourceSpec::Directory(href.to_owned()), href);
        return Ok(specs);
    }
    walk(state, &root, &mut specs)?;
    Ok(specs)
}

fn walk(state: &mut State, root: &Path, specs: &mut Vec<DatasetSpec>) -> Result<()> {
    let real_root = root.canonicalize().map_err(|cause| {
        let retry_after = Duration::from_secs(5);
        Error::new(ErrorKind::Unavailable { retry_after }, format!("cannot read {}", root.display()))
            .with_source(cause)
    })?;
    let is_wanted = |entry: &DirEntry| {
        let is_hidden = entry.depth() > 0 && entry.file_name().to_str().is_some_and(is_ignored);
        !is_hidden && (!entry.path_is_symlink() || is_inside(entry.path(), &real_root))
    };
    let mut walk = WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == 0 => {
                return Err(Error::new(
                    ErrorKind::Unavailable { retry_after: Duration::from_secs(5) },
                    format!("cannot read {}", root.display()),
                )
                .with_source(error));
            }
            // What vanished between listing and looking is no problem; a link to nothing neither.
            Err(error) if error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => {
                continue;
            }
            Err(error) => {
                complain(state, format!("cannot look into a folder: {error}"));
                continue;
            }
        };
        if !is_wanted(&entry) {
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
            }
            continue;
        }
        let Some(href) = entry.path().to_str() else {
            complain(state, format!("the name {:?} is not UTF-8", entry.path()));
            continue;
        };
        let relative = entry.path().strip_prefix(root).ok().and_then(Path::to_str).unwrap_or_default();
        if entry.file_type().is_dir() {
            if entry.depth() > 0 && is_store(state, entry.path()) {
                push(state, specs, relative, SourceSpec::Directory(href.to_owned()), href);
                walk.skip_current_dir();
            }
        } else if entry.file_type().is_file() && is_dataset(state, href, || entry.metadata().ok()) {
            push(state, specs, relative, SourceSpec::Object(href.to_owned()), href);
        }
    }
    Ok(())
}

fn is_dataset(state: &mut State, href: &str, metadata: impl FnOnce() -> Option<Metadata>) -> bool {
    if is_promising(href) {
        return true;
    }
    let Some(metadata) = metadata() else { return false };
    let mtime_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
    let identity = ObjectIdentity::Modified { mtime_ns, inode: metadata.ino() };
    state.sniffer.is_dataset(&Object { href: href.to_owned(), len_bytes: metadata.len(), identity })
}

/// True if a link leads to a place below the root.
pub(crate) fn is_inside(link: &Path, real_root: &Path) -> bool {
    link.canonicalize().is_ok_and(|target| target.starts_with(real_root))
}

fn is_store(state: &State, directory: &Path) -> bool {
    state.sniffer.markers().any(|marker| directory.join(marker).is_file())
}

fn push(state: &mut State, specs: &mut Vec<DatasetSpec>, name: &str, source: SourceSpec, origin: &str) {
    match DatasetId::new(id_of_path(&plain(origin, name))) {
        Ok(id) => specs.push(DatasetSpec::new(id, source, origin)),
        Err(error) => complain(state, format!("{origin}: {error}")),
    }
}

fn complain(state: &mut State, problem: String) {
    if state.problems.len() < MAX_PROBLEMS {
        state.problems.push(problem);
    }
}

fn is_url(source: &str) -> bool {
    source.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_store_is_none_whatever_its_neighbours_are_called() {
        let object = |folder: &str| Object {
            href: format!("s3://b/{folder}/zarr.json"),
            len_bytes: 1,
            identity: ObjectIdentity::ETag("1".to_owned()),
        };
        let mut objects: Vec<Object> =
            ["era5", "era5-land", "era5-land/t2m", "era5/t2m", "era5/a/b", "x/y"].map(object).to_vec();
        objects.sort_by(|a, b| a.href.cmp(&b.href));
        let stores = outermost_stores(&objects, "s3://b", &["zarr.json"]);
        assert_eq!(stores, ["s3://b/era5-land", "s3://b/era5", "s3://b/x/y"]);
    }
}
