//! The whole stack with the engine of staging and that of jobs, over an archive whose recalls take no time.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tempfile::TempDir;
use thermocline_core::bytes::{ObjectSettings, Objects, Root};
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::cold::{
    Capabilities, ColdObject, ColdStore, FailureCause, Landing, Locality, Namespace, NamespaceRoot, ObjectId,
    ObjectStatus, PathRule, StageFailure, StageRequest, StageState, StageTicket,
};
use thermocline_core::jobs::{JobKind, Jobs, JobsParts, JobsSettings};
use thermocline_core::staging::{NamedStore, Staging, StagingParts, StagingSettings};
use thermocline_core::state::{Database, DatabaseSettings};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_http::identity::{Access, AccessRules};

/// A cold store over a folder: its files are copied into the cache, each recall ends when it is asked for.
#[derive(Default)]
pub struct ToyArchive {
    staged: Mutex<HashSet<ObjectId>>,
    recalls: Mutex<HashMap<ObjectId, usize>>,
}

impl ToyArchive {
    /// How often an object was recalled.
    pub fn n_recalls(&self, path: &str) -> usize {
        let recalls = self.recalls.lock();
        recalls.iter().filter(|(id, _)| id.path() == path).map(|(_, n_recalls)| n_recalls).sum()
    }
}

fn metadata(object: &ColdObject) -> Result<fs::Metadata> {
    fs::metadata(&*object.href).map_err(|_| Error::not_found(format!("{} does not exist", object.id)))
}

fn version(metadata: &fs::Metadata) -> String {
    (i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())).to_string()
}

#[async_trait]
impl ColdStore for ToyArchive {
    fn kind(&self) -> &'static str {
        "toy"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: Landing::Copied,
            knows_tapes: false,
            can_cancel: false,
            can_release: true,
            n_at_once: 4,
            batch_objects: 1000,
            poll_every: Duration::from_millis(5),
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        let status = |object: &ColdObject| {
            let metadata = metadata(object)?;
            let is_staged = self.staged.lock().contains(&object.id);
            Ok(ObjectStatus {
                locality: if is_staged { Locality::OnlineAndNearline } else { Locality::Nearline },
                len_bytes: metadata.len(),
                version: version(&metadata),
                place: None,
                checksum: None,
                links_to: None,
                online_until_ns: None,
            })
        };
        objects.iter().map(status).collect()
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        for object in &request.objects {
            *self.recalls.lock().entry(object.id.clone()).or_default() += 1;
        }
        Ok(StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id: None })
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let state = |object: &ColdObject| {
            if metadata(object).is_err() {
                let (cause, reason) = (FailureCause::NotFound, "it does not exist".to_owned());
                return (object.id.clone(), StageState::Failed(StageFailure { cause, reason }));
            }
            self.staged.lock().insert(object.id.clone());
            (object.id.clone(), StageState::Staged)
        };
        Ok(ticket.objects.iter().map(state).collect())
    }

    async fn cancel(&self, _: &StageTicket, _: &[ObjectId]) -> Result<()> {
        Ok(())
    }

    async fn release(&self, objects: &[ColdObject]) -> Result<()> {
        let mut staged = self.staged.lock();
        for object in objects {
            staged.remove(&object.id);
        }
        Ok(())
    }

    async fn read(&self, object: &ColdObject, found: &str, range: Range<u64>) -> Result<Bytes> {
        let changed = || {
            let kind = ErrorKind::Changed { retry_after: Duration::from_secs(1) };
            Error::new(kind, format!("{} is not what it was", object.id))
        };
        let bytes = fs::read(&*object.href).map_err(|_| changed())?;
        if version(&metadata(object)?) != found {
            return Err(changed());
        }
        let part = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let part = part.and_then(|(start, end)| bytes.get(start..end)).ok_or_else(changed)?;
        Ok(Bytes::copy_from_slice(part))
    }
}

/// What a server with cold files is made of beside its datasets.
#[derive(Default)]
pub struct ColdParts {
    /// Files of the archive by their paths, beside those of datasets.
    pub files: Vec<(&'static str, &'static [u8])>,
    /// Who may do what.
    pub rules: AccessRules,
    /// Access rules that datasets name, by their ids; others name none.
    pub named_rules: Vec<(&'static str, &'static str)>,
    /// Kinds of jobs.
    pub kinds: Vec<Arc<dyn JobKind>>,
    /// Whether this is a server without jobs and without staging.
    pub has_no_engine: bool,
    /// Name of another root, and the folder of the archive that it is.
    pub inner_root: Option<(&'static str, &'static str)>,
    /// Time; that of the machine without one.
    pub clock: Option<Arc<dyn Clock>>,
}

/// The engines of a server with cold files.
pub struct Cold {
    /// The engine of staging.
    pub staging: Staging,
    /// The engine of jobs.
    pub jobs: Jobs,
    /// The archive: everything below the server's folder.
    pub archive: Arc<ToyArchive>,
    pub(crate) access: Arc<Access>,
}

impl Cold {
    /// The engines over the files below `root`, which is the root `archive` on the store `tape`; users know it as
    /// `/eodc/products` too.
    pub(crate) async fn start(root: &Path, dir: &TempDir, parts: ColdParts) -> anyhow::Result<Self> {
        for (path, bytes) in &parts.files {
            let file = root.join(path);
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(file, bytes)?;
        }
        let clock = parts.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let archive = Arc::<ToyArchive>::default();
        let base = root.to_string_lossy().into_owned();
        let map = vec![PathRule { from: "/eodc/products".to_owned(), to: base.clone() }];
        let bound = NamespaceRoot { name: "archive".into(), base, map, store: Some("tape".into()) };
        let bucket = NamespaceRoot {
            name: "bucket".into(),
            base: "s3://bucket".to_owned(),
            map: Vec::new(),
            store: Some("tape".into()),
        };
        let inner = parts.inner_root.map(|(name, folder)| NamespaceRoot {
            name: name.into(),
            base: format!("{}/{folder}", root.display()),
            map: Vec::new(),
            store: Some("tape".into()),
        });
        let roots = [bound, bucket].into_iter().chain(inner).collect();
        let runtime = tokio::runtime::Handle::current();
        let staging = Staging::open(StagingParts {
            namespace: Arc::new(Namespace::new(roots)),
            stores: vec![NamedStore { name: "tape".into(), store: Arc::clone(&archive) as _ }],
            opener: Objects::new(vec![Root::directory(root)?], ObjectSettings::default(), runtime),
            database: database(dir, "requests.sqlite", Staging::MIGRATIONS)?,
            clock: Arc::clone(&clock),
            settings: StagingSettings {
                cache_dir: dir.path().join("cache"),
                cache_bytes: 1 << 30,
                keep_free_bytes: 0,
                min_residency: Duration::ZERO,
                ..StagingSettings::default()
            },
        })
        .await?;
        staging.start().await;
        let jobs = Jobs::open(JobsParts {
            database: database(dir, "jobs.sqlite", Jobs::MIGRATIONS)?,
            kinds: parts.kinds,
            sources: vec![Arc::new(staging.clone())],
            clock: Arc::clone(&clock),
            settings: JobsSettings { results_dir: dir.path().join("results"), ..JobsSettings::default() },
        })
        .await?;
        jobs.start().await?;
        let access = Arc::new(Access::new(parts.rules, clock));
        Ok(Self { staging, jobs, archive, access })
    }
}

fn database(dir: &TempDir, name: &str, migrations: &'static [&'static str]) -> anyhow::Result<Database> {
    let path: PathBuf = dir.path().join(name);
    Ok(Database::open(DatabaseSettings::new(path), migrations)?)
}
