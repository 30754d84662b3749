//! File systems that keep files on tape and leave stubs: Lustre HSM, GPFS with IBM Spectrum Archive, DMF, and alike.
//!
//! # Serves
//! Every file below its roots, in place: a recall fills the stub, and the file is read where it is. Whether a file
//! is offline is found out without reading it (`state`): a stub that reads as zeros is never data, and a read of a
//! stub that blocks cannot be stopped.
//!
//! # Specification
//! The state of a file is what the first of these says: an extended attribute, a command, the share of allocated
//! blocks. A recall is what a command of the site does, `{path}` or `{paths}` in its place, each an argument of its
//! own, never through a shell. The command may return at once or when the files are there; either way a file counts
//! as staged when its state says so. Exit code 0 is success; others may be tried again, unless `exit_codes` says
//! something else. When a command fails for many files, each is asked for by itself: one bad path fails alone.
//!
//! Lustre:
//! ```toml
//! [cold.lustre]
//! kind = "posix"
//! roots = ["archive"]
//! recall = "lfs hsm_restore {paths}"
//! cancel = "lfs hsm_cancel {paths}"
//! release = "lfs hsm_release {paths}"
//! state_command = { run = "lfs hsm_state {path}", otherwise = "online", words = { lost = "lost", released = "nearline", archived = "online+nearline" } }
//! ```
//! DMF:
//! ```toml
//! recall = "dmget {paths}"
//! release = "dmput -r {paths}"
//! state_command = { run = "dmattr -a state {path}", words = { REG = "online", DUL = "online+nearline", MIG = "online", OFL = "nearline", UNM = "recalling" } }
//! ```
//! GPFS with IBM Spectrum Archive, whose command reads a list:
//! ```toml
//! recall = "eeadm recall /dev/stdin"
//! recall_input = "lines"
//! trust_blocks = true                           # a stub of GPFS has no blocks
//! ```
//! A file system whose files carry their state, such as the toy of `tests/posix_hsm`:
//! ```toml
//! recall = "setfattr -n user.hsm.restore -v 1 {path}"
//! release = "setfattr -n user.hsm.release -v 1 {path}"
//! attributes = [{ name = "user.hsm.state", values = { online = "online", restoring = "recalling", lost = "lost" } }]
//! ```
//!
//! # Limits
//! Blocks say nothing on file systems that compress (ZFS, Btrfs): they need an attribute or a command, and
//! [`ColdStore::trouble`] says so when files look offline by their blocks alone. Files of less than 4 KiB count as
//! online where only blocks can tell. Batches end with the server; they are asked for again then. Where the file
//! system does not say that a file has a copy on tape, only those count as safe that this server has seen offline
//! in the same state. How many bytes of a file are there already is not known.

mod config;
mod recall;
mod state;

#[cfg(test)]
mod conforming;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_core::clock::Clock;
use thermocline_core::cold::batches::{BatchLimits, Batches};
use thermocline_core::cold::command::{CommandLimits, CommandRunner, CommandTemplate};
use thermocline_core::cold::files::{ArchiveFiles, LookLimits};
use thermocline_core::cold::{
    Capabilities, ColdObject, ColdStore, Landing, Locality, ObjectId, ObjectStatus, StageFailure,
    StageRequest, StageState, StageTicket, StoreContext,
};
use thermocline_core::{Error, ErrorKind, Result};
use tokio_util::task::TaskTracker;
use tracing::warn;
use walkdir::WalkDir;

use config::Templates;
pub use config::{AttributeConfig, Config, FileState, RecallInput, StateCommandConfig, Trigger};
use state::Seen;

/// Most files that are remembered as having been offline.
const MAX_SEEN_OFFLINE: usize = 1_000_000;

/// Most that a command may write.
const MAX_OUTPUT_BYTES: usize = 16 << 20;

/// Entries that are looked through at the start, for files that look offline.
const N_SAMPLED: usize = 1000;

/// A hierarchical file system. Cloning gives the same one.
#[derive(Clone)]
pub struct PosixStore {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    attributes: Arc<[AttributeConfig]>,
    templates: Templates,
    files: ArchiveFiles,
    batches: Batches,
    recall_runner: CommandRunner,
    look_runner: CommandRunner,
    release_runner: CommandRunner,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    /// In which state files were seen offline.
    seen_offline: Mutex<HashMap<ObjectId, String>>,
    /// Whether files looked offline by their blocks alone, and whether one of them came online.
    looks_sparse: AtomicBool,
    blocks_proved: AtomicBool,
}

impl PosixStore {
    /// The file system below the roots of `context`, which have to be directories of this machine. Within a runtime
    /// it looks through some files in the background, to say at the start what cannot work.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a configuration that makes no sense.
    pub fn new(config: Config, context: &StoreContext) -> Result<Self> {
        let templates = config.checked()?;
        let clock = Arc::clone(&context.clock);
        let looks = LookLimits { at_once: config.looks_at_once, time_limit: config.look_time_limit };
        let batch_limits = BatchLimits { max_objects: config.max_objects, ..BatchLimits::default() };
        let runner = |at_once, time_limit| {
            let limits = CommandLimits { at_once, time_limit, max_output_bytes: MAX_OUTPUT_BYTES };
            CommandRunner::new(limits, context.clone())
        };
        let shared = Shared {
            attributes: config.attributes.clone().into(),
            templates,
            files: ArchiveFiles::new(&context.roots, looks, Arc::clone(&clock))?,
            batches: Batches::new(batch_limits, Arc::clone(&clock)),
            recall_runner: runner(config.commands_at_once, config.command_time_limit)?,
            look_runner: runner(config.looks_at_once, config.look_time_limit)?,
            release_runner: runner(config.commands_at_once, config.release_time_limit)?,
            clock,
            tasks: context.tasks.clone(),
            seen_offline: Mutex::default(),
            looks_sparse: AtomicBool::new(false),
            blocks_proved: AtomicBool::new(false),
            config,
        };
        let store = Self { shared: Arc::new(shared) };
        if tokio::runtime::Handle::try_current().is_ok() {
            let shared = Arc::clone(&store.shared);
            store.shared.tasks.spawn(async move { shared.look_around().await });
        }
        Ok(store)
    }
}

#[async_trait]
impl ColdStore for PosixStore {
    fn kind(&self) -> &'static str {
        "posix"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: Landing::InPlace,
            knows_tapes: false,
            can_cancel: self.shared.templates.cancel.is_some(),
            can_release: self.shared.templates.release.is_some(),
            n_at_once: self.shared.config.batches_at_once,
            batch_objects: self.shared.config.batch_objects,
            poll_every: self.shared.config.poll_every,
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        let looks = self.shared.look(objects).await;
        let status =
            |(object, look): (&ColdObject, Result<Seen>)| look.map(|seen| self.shared.status(object, seen));
        objects.iter().zip(looks).map(status).collect()
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        if self.shared.batches.accept(request)? {
            let work = Arc::clone(&self.shared).work_off(request.key.clone(), request.objects.clone());
            self.shared.tasks.spawn(work);
        }
        Ok(StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id: None })
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let Some(states) = self.shared.progress_of(&ticket.key).await else {
            return Ok(Batches::unknown(&ticket.objects));
        };
        self.shared.batches.told(&ticket.key, &states);
        Ok(states)
    }

    async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        let asked = self.shared.batches.cancel(&ticket.key, objects);
        let is_unwanted =
            |object: &ColdObject| !self.shared.batches.is_wanted_elsewhere(&ticket.key, &object.id);
        let unwanted: Vec<ColdObject> = asked.into_iter().filter(is_unwanted).collect();
        match &self.shared.templates.cancel {
            Some(template) => self.shared.run_on(template, &unwanted).await,
            None => Ok(()),
        }
    }

    async fn release(&self, objects: &[ColdObject]) -> Result<()> {
        let Some(template) = &self.shared.templates.release else {
            return Err(Error::unsupported("no command makes files cold again"));
        };
        let looks = self.shared.look(objects).await;
        let is_online = |look: &Result<Seen>| look.as_ref().is_ok_and(|seen| seen.state.is_online());
        let online =
            objects.iter().zip(&looks).filter(|(_, look)| is_online(look)).map(|(object, _)| object.clone());
        self.shared.run_on(template, &online.collect::<Vec<_>>()).await
    }

    async fn read(&self, object: &ColdObject, _version: &str, _range: Range<u64>) -> Result<Bytes> {
        Err(Error::unsupported(format!("{} is read in place", object.id)))
    }

    fn trouble(&self) -> Option<String> {
        let shared = &self.shared;
        let commands = || {
            [&shared.recall_runner, &shared.look_runner, &shared.release_runner]
                .into_iter()
                .find_map(CommandRunner::trouble)
        };
        shared.files.trouble().or_else(commands).or_else(|| shared.suspicion())
    }
}

impl Shared {
    fn status(&self, object: &ColdObject, seen: Seen) -> ObjectStatus {
        let is_safe = || {
            self.config.assume_archived
                || self.seen_offline.lock().get(&object.id).is_some_and(|version| *version == seen.version)
        };
        let locality = match seen.state {
            FileState::Online if is_safe() => Locality::OnlineAndNearline,
            FileState::Online => Locality::Online,
            FileState::Both => Locality::OnlineAndNearline,
            FileState::Nearline | FileState::Recalling => Locality::Nearline,
            FileState::Lost => Locality::Lost,
        };
        ObjectStatus {
            locality,
            len_bytes: seen.len_bytes,
            version: seen.version,
            place: None,
            checksum: None,
            links_to: seen.links_to,
            online_until_ns: None,
        }
    }

    /// Remembers what a file has shown.
    fn note(&self, object: &ColdObject, seen: &Seen) {
        if matches!(seen.state, FileState::Nearline | FileState::Recalling) {
            let mut seen_offline = self.seen_offline.lock();
            if seen_offline.len() >= MAX_SEEN_OFFLINE {
                seen_offline.clear();
            }
            seen_offline.insert(object.id.clone(), seen.version.clone());
        }
        if !seen.by_blocks {
            return;
        }
        if seen.state == FileState::Nearline {
            let is_first = !self.looks_sparse.swap(true, Ordering::Relaxed);
            if let Some(suspicion) = self.suspicion().filter(|_| is_first) {
                warn!(object = %object.id, "{suspicion}");
            }
        } else if self.seen_offline.lock().get(&object.id).is_some_and(|version| *version == seen.version) {
            self.blocks_proved.store(true, Ordering::Relaxed);
        }
    }

    /// That blocks may say nothing, as long as no file that looked offline came online.
    fn suspicion(&self) -> Option<String> {
        let is_proved = self.config.trust_blocks || self.blocks_proved.load(Ordering::Relaxed);
        let is_suspicious = self.looks_sparse.load(Ordering::Relaxed) && !is_proved;
        is_suspicious.then(|| {
            "files look offline by their blocks alone: a file system that compresses needs attributes or \
             state_command; trust_blocks says that blocks are right here"
                .to_owned()
        })
    }

    /// Runs a command on files, in groups, and gives the first failure once all were tried.
    async fn run_on(&self, template: &CommandTemplate, objects: &[ColdObject]) -> Result<()> {
        let size = if template.takes("paths") { self.config.files_per_command } else { 1 };
        let mut first_failure = None;
        for group in objects.chunks(size) {
            let slot = self.release_runner.enter().await?;
            if let Err(failure) = self.run(slot, template, group, RecallInput::None).await {
                first_failure = first_failure.or(Some(failure));
            }
        }
        let Some(StageFailure { reason, .. }) = first_failure else { return Ok(()) };
        Err(Error::new(ErrorKind::Unavailable { retry_after: self.config.busy_after }, reason))
    }

    /// Looks at some files of each root: what looks wrong shows before anyone needs it.
    async fn look_around(&self) {
        for (name, folder) in self.files.roots() {
            let (name, folder) = (Arc::clone(name), folder.clone());
            let sample = self.files.run(move || {
                let entries = WalkDir::new(&folder).into_iter().take(N_SAMPLED).flatten();
                let files = entries.filter(|entry| entry.file_type().is_file());
                let object = |path: &std::path::Path| {
                    let below = path.strip_prefix(&folder).ok()?.to_str()?;
                    let id = ObjectId::new(Arc::clone(&name), below).ok()?;
                    Some(ColdObject { id, href: path.to_str()?.into() })
                };
                Ok(files.filter_map(|entry| object(entry.path())).take(64).collect::<Vec<_>>())
            });
            if let Ok(objects) = sample.await {
                self.look(&objects).await;
            }
        }
    }
}
