//! Declares what the catalog files say, through edits and mistakes.
//!
//! Files are read again when their identity changes. A file with mistakes keeps what it declared before. While
//! nothing changes, the same list is given again: asking costs a look at each file and at what is looked for anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use thermocline_core::catalog::{CollectionSpec, DatasetSpec, HarvestSpec, Provider, SharedSpecs};
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::harvest::HarvestSource;
use thermocline_core::{Error, Result};
use tracing::warn;

use crate::declaration::Declaration;
use crate::find::Places;
use crate::force::Files;
use crate::{CatalogRoot, Mistake, absolute};

/// Declares what catalog files say.
pub struct CatalogFilesProvider {
    shared: Arc<Shared>,
}

struct Shared {
    paths: Vec<PathBuf>,
    roots: Vec<CatalogRoot>,
    clock: Arc<dyn Clock>,
    /// The files; held while they are read and what they name is looked for.
    state: Mutex<State>,
    /// What can be told at once, apart: who asks for it does not wait for a slow file system.
    told: Mutex<Told>,
}

#[derive(Default)]
struct State {
    files: Files,
    /// Whether somebody harvests what the files say.
    is_harvested: bool,
    /// What was declared last.
    declaration: Option<Declaration>,
}

#[derive(Default)]
struct Told {
    problems: Vec<Mistake>,
    collections: Vec<Arc<CollectionSpec>>,
    harvests: Vec<Arc<HarvestSpec>>,
}

impl CatalogFilesProvider {
    /// A provider of the files at `paths` (files, and folders with all below them). Paths in them are below
    /// `roots`, else below the file's own folder.
    pub fn new(paths: Vec<PathBuf>, roots: Vec<CatalogRoot>) -> Self {
        Self::with_clock(paths, roots, Arc::new(SystemClock))
    }

    /// The same on another clock: how often families are listed depends on how long that takes.
    pub fn with_clock(paths: Vec<PathBuf>, roots: Vec<CatalogRoot>, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared { paths, roots, clock, state: Mutex::default(), told: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The same for a program that harvests what [`CatalogFilesProvider::harvests`] gives. Without, each harvest is a
    /// dataset that is refused.
    #[must_use]
    pub fn harvested(self) -> Self {
        self.shared.state.lock().is_harvested = true;
        self
    }

    /// The harvests that the files declare, as they were read last. Never waits.
    pub fn harvests(&self) -> Vec<Arc<HarvestSpec>> {
        self.shared.told.lock().harvests.clone()
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
        self.shared.told.lock().problems.clone()
    }
}

#[async_trait]
impl Provider for CatalogFilesProvider {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        Ok(self.shared_specs().await?.iter().map(|spec| DatasetSpec::clone(spec)).collect())
    }

    async fn shared_specs(&self) -> Result<SharedSpecs> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.specs()).await.map_err(unread)
    }

    fn collections(&self) -> Vec<Arc<CollectionSpec>> {
        self.shared.told.lock().collections.clone()
    }

    fn problems(&self) -> Vec<String> {
        self.shared.told.lock().problems.iter().map(Mistake::to_string).collect()
    }

    fn watched(&self) -> Vec<PathBuf> {
        self.shared.paths.iter().map(|path| absolute(path)).collect()
    }
}

#[async_trait]
impl HarvestSource for CatalogFilesProvider {
    fn harvests(&self) -> Vec<Arc<HarvestSpec>> {
        Self::harvests(self)
    }

    async fn read_once(&self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.read_once()).await.map_err(unread)
    }
}

fn unread(cause: tokio::task::JoinError) -> Error {
    Error::internal("catalog files were not read").with_source(cause)
}

impl Shared {
    fn specs(&self) -> SharedSpecs {
        self.read(&mut self.state.lock())
    }

    /// Reads the files unless that was done before.
    fn read_once(&self) {
        let mut state = self.state.lock();
        if state.declaration.is_none() {
            self.read(&mut state);
        }
    }

    fn read(&self, state: &mut State) -> SharedSpecs {
        let State { files, is_harvested, declaration } = state;
        let mut problems = Vec::new();
        let mut has_changed = files.read(&self.paths, &mut problems);
        for (path, read) in files.in_force_mut() {
            let folder = path.parent().unwrap_or(Path::new("/"));
            let places = Places { roots: &self.roots, folder };
            has_changed |= read.look(&places, *is_harvested, self.clock.as_ref());
            problems.extend(read.problems(path));
        }
        let known = declaration.take().filter(|_| !has_changed);
        let declaration = declaration.insert(known.unwrap_or_else(|| Declaration::of(files)));
        problems.extend(declaration.clashes.iter().cloned());
        self.tell(declaration, problems);
        Arc::clone(&declaration.specs)
    }

    fn tell(&self, declaration: &Declaration, problems: Vec<Mistake>) {
        let mut told = self.told.lock();
        for problem in problems.iter().filter(|problem| !told.problems.contains(problem)) {
            warn!(error = %problem, "catalog file has a mistake, its last good state stays in force");
        }
        told.problems = problems;
        told.collections.clone_from(&declaration.collections);
        told.harvests.clone_from(&declaration.harvests);
    }
}
