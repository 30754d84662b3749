//! Declares what the catalog files say, through edits and mistakes.
//!
//! Files are read again when their identity changes. A file with mistakes keeps what it declared before.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use thermocline_core::catalog::{DatasetSpec, Provider, SourceSpec};
use thermocline_core::{Error, Result};
use thermocline_model::DatasetId;
use tracing::{info, warn};

use crate::declare::{Declared, DeclaredSource};
use crate::file::{self, Parsed};
use crate::{CatalogRoot, Mistake, find, no_place, taken};

/// Declares what catalog files say.
pub struct CatalogFilesProvider {
    shared: Arc<Shared>,
}

struct Shared {
    paths: Vec<PathBuf>,
    roots: Vec<CatalogRoot>,
    /// The files; held while they are read.
    files: Mutex<BTreeMap<PathBuf, File>>,
    /// Mistakes of the last round, apart: who asks for them does not wait for a slow file system.
    problems: Mutex<Vec<Mistake>>,
}

/// One file, as it is and as it is in force.
#[derive(Default)]
struct File {
    identity: Option<Identity>,
    /// What the file says now.
    latest: Option<Result<Arc<Parsed>, Vec<Mistake>>>,
    /// What counts.
    in_force: Option<Arc<Parsed>>,
}

/// Size, time of modification in nanoseconds, and number of a file.
type Identity = (u64, i64, i64, u64);

impl CatalogFilesProvider {
    /// A provider of the files at `paths` (files, and folders with all below them). Paths in them are below
    /// `roots`, else below the file's own folder.
    pub fn new(paths: Vec<PathBuf>, roots: Vec<CatalogRoot>) -> Self {
        Self {
            shared: Arc::new(Shared { paths, roots, files: Mutex::default(), problems: Mutex::default() }),
        }
    }

    /// The folders of the files that exist: what lies below them may be named, so they are roots for reading.
    pub fn folders(&self) -> Vec<PathBuf> {
        let folder = |path: &PathBuf| {
            let path = absolute(path);
            match path.metadata() {
                Ok(metadata) if metadata.is_dir() => Some(path),
                Ok(_) => path.parent().map(Path::to_owned),
                Err(_) => None,
            }
        };
        self.shared.paths.iter().filter_map(folder).collect()
    }

    /// Mistakes of the files as they are now.
    pub fn mistakes(&self) -> Vec<Mistake> {
        self.shared.problems.lock().clone()
    }
}

#[async_trait]
impl Provider for CatalogFilesProvider {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.specs())
            .await
            .map_err(|cause| Error::internal("catalog files were not read").with_source(cause))
    }

    fn problems(&self) -> Vec<String> {
        self.shared.problems.lock().iter().map(Mistake::to_string).collect()
    }

    fn watched(&self) -> Vec<PathBuf> {
        self.shared.paths.iter().map(|path| absolute(path)).collect()
    }
}

impl Shared {
    fn specs(&self) -> Vec<DatasetSpec> {
        let mut files = self.files.lock();
        let problems = self.read(&mut files);
        self.report(problems);
        let mut specs = Vec::new();
        for (path, file) in files.iter() {
            let folder = path.parent().unwrap_or(Path::new("/"));
            for declared in file.in_force.iter().flat_map(|parsed| &parsed.datasets) {
                specs.extend(spec(declared, path, folder, &self.roots));
            }
        }
        specs
    }

    fn report(&self, problems: Vec<Mistake>) {
        let mut known = self.problems.lock();
        for problem in problems.iter().filter(|problem| !known.contains(problem)) {
            warn!(error = %problem, "catalog file has a mistake, its last good state stays in force");
        }
        *known = problems;
    }

    /// Reads what changed, and gives the mistakes of all files.
    fn read(&self, files: &mut BTreeMap<PathBuf, File>) -> Vec<Mistake> {
        let mut problems = Vec::new();
        let mut present: Vec<PathBuf> = Vec::new();
        let mut away: Vec<PathBuf> = Vec::new();
        for path in &self.paths {
            let path = absolute(path);
            match file::files_at(&path) {
                Ok(files) => present.extend(files),
                Err(error) => {
                    away.push(path.clone());
                    problems.push(no_place(&path, error));
                }
            }
        }
        present.sort();
        present.dedup();
        // What cannot be looked at keeps its state: a folder that is away for a moment.
        let is_away = |path: &Path| away.iter().any(|away| path.starts_with(away));
        files.retain(|path, _| present.binary_search(path).is_ok() || is_away(path));
        for path in present {
            files.entry(path.clone()).or_default().read(&path);
        }
        adopt(files, &mut problems);
        problems
    }
}

impl File {
    fn read(&mut self, path: &Path) {
        let identity = path
            .metadata()
            .ok()
            .map(|metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino()));
        if self.latest.is_none() || identity.is_none() || self.identity != identity {
            self.identity = identity;
            self.latest = Some(file::parse(path).map(Arc::new));
        }
    }
}

/// Puts in force what files say now, unless they have mistakes or name ids of other files.
fn adopt(files: &mut BTreeMap<PathBuf, File>, problems: &mut Vec<Mistake>) {
    let mut holders: HashMap<String, (PathBuf, usize)> = HashMap::new();
    let mut candidates: Vec<(PathBuf, Arc<Parsed>)> = Vec::new();
    for (path, file) in files.iter() {
        match &file.latest {
            Some(Ok(latest)) if file.in_force.as_ref().is_none_or(|known| !Arc::ptr_eq(known, latest)) => {
                candidates.push((path.clone(), Arc::clone(latest)));
            }
            Some(Err(mistakes)) => problems.extend(mistakes.iter().cloned()),
            _ => {}
        }
        hold(&mut holders, path, file.in_force.as_deref());
    }
    // A file may take an id that another gives up in the same moment, whichever is looked at first.
    loop {
        let before = candidates.len();
        candidates.retain(|(path, latest)| {
            if conflict(&holders, path, latest).is_some() {
                return true;
            }
            holders.retain(|_, (holder, _)| holder != path);
            hold(&mut holders, path, Some(latest));
            if let Some(file) = files.get_mut(path) {
                file.in_force = Some(Arc::clone(latest));
                info!(path = %path.display(), n_datasets = latest.ids.len(), "catalog file read");
            }
            false
        });
        if candidates.is_empty() || candidates.len() == before {
            break;
        }
    }
    problems.extend(candidates.iter().filter_map(|(path, latest)| conflict(&holders, path, latest)));
}

fn hold(holders: &mut HashMap<String, (PathBuf, usize)>, path: &Path, parsed: Option<&Parsed>) {
    for (id, line) in parsed.into_iter().flat_map(|parsed| &parsed.ids) {
        holders.insert(id.clone(), (path.to_owned(), *line));
    }
}

fn conflict(holders: &HashMap<String, (PathBuf, usize)>, path: &Path, latest: &Parsed) -> Option<Mistake> {
    latest.ids.iter().find_map(|(id, line)| {
        let (holder, held_line) = holders.get(id).filter(|(holder, _)| holder != path)?;
        Some(taken(path, *line, id, holder, *held_line))
    })
}

fn spec(declared: &Declared, file: &Path, folder: &Path, roots: &[CatalogRoot]) -> Option<DatasetSpec> {
    let source = match &declared.source {
        DeclaredSource::Path { path, root } => find::source(path, root.as_deref(), roots, folder),
        DeclaredSource::Url(url) => SourceSpec::Object(url.clone()),
        DeclaredSource::StoreUrl(url) => SourceSpec::Directory(url.clone()),
        DeclaredSource::Refused(reason) => SourceSpec::Refused(reason.clone()),
    };
    let source = match declared.store.as_deref().and_then(|store| elsewhere(store, &source, declared, roots))
    {
        Some(reason) => SourceSpec::Refused(reason),
        None => source,
    };
    // A family's id is a template, which may hold a slash between braces only by mistake.
    let id = DatasetId::new(declared.id.as_str()).ok()?;
    let origin = format!("{}:{}", file.display(), declared.line);
    Some(DatasetSpec {
        title: declared.title.clone(),
        description: declared.description.clone(),
        format: declared.format.clone(),
        group: declared.group.clone(),
        variables: declared.variables.clone(),
        exclude_variables: declared.exclude_variables.clone(),
        attributes: declared.attributes.clone(),
        is_hidden: declared.is_hidden,
        invalidate_after: declared.invalidate_after,
        ..DatasetSpec::new(id, source, origin)
    })
}

/// Why a dataset's files do not lie on the cold store that it names; `None` if they do. Which root lies on which store
/// is said by the configuration: what is not bound there would be read as if it were online.
fn elsewhere(store: &str, source: &SourceSpec, declared: &Declared, roots: &[CatalogRoot]) -> Option<String> {
    if !roots.iter().any(|root| root.store.as_deref() == Some(store)) {
        return Some(format!("`cold` is {store:?}, and no root lies on a cold store of that name"));
    }
    let href = match source {
        SourceSpec::Object(href) | SourceSpec::Directory(href) => href,
        _ => return None,
    };
    // References lie on disk; each object that they point at is looked up by itself.
    let is_references = declared.format.as_deref() == Some("kerchunk");
    match find::store_of(href, roots) {
        Some(found) if found == store => None,
        None if is_references => None,
        Some(found) => Some(format!("`cold` is {store:?}, and {href} lies on [cold.{found}]")),
        None => Some(format!(
            "`cold` is {store:?}, and the root of {href} is not bound to it: name it in [cold.{store}] roots"
        )),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
