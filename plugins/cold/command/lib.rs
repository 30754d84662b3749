//! Archives that are driven by commands: slk, or any tool of a site with a few lines of script around it.
//!
//! # Serves
//! Objects that commands bring online: read in place where the archive's file system is mounted, or copied from a
//! spool into which a command fetches them.
//!
//! # Specification
//! Commands are split into words once and never go through a shell; what stands for a path is always an argument of
//! its own. Places are `{path}` (one object a command), `{paths}` (as many arguments), `{key}` (our key of the
//! batch), `{id}` (the archive's name for it), `{lifetime}` (seconds), `{target}` (a file to be written). A command
//! with neither `{path}` nor `{paths}` reads paths, one a line.
//!
//! | command | what it does | what it prints |
//! |---|---|---|
//! | `locality` | says where objects are; recalls nothing | a line for each object |
//! | `stage` | asks for objects; the same key again must not be another recall | nothing, the archive's name for the batch, or what failed |
//! | `progress` | says how far a batch is | a line for each object, or one for all |
//! | `fetch` | writes the object `{path}` to the file `{target}` | |
//! | `cancel`, `release` | drop a recall, give up a copy | |
//!
//! A line is a JSON object or plain words:
//! ```text
//! {"path": "/arch/a.nc", "locality": "nearline", "size": 1234, "version": "2024-01-01T00:00:00", "tape": "A00001", "position": 0, "checksum": "adler32:0a1b2c3d"}
//! nearline<tab>/arch/a.nc<tab>1234<tab>2024-01-01T00:00:00
//! {"path": "/arch/a.nc", "state": "failed", "cause": "denied", "reason": "not yours"}
//! staged<tab>/arch/a.nc
//! active
//! {"id": "4711"}
//! ```
//! Localities are `online nearline online+nearline lost missing unavailable`, states `queued active staged failed
//! unknown` and, for failures, `not-found denied lost busy`; `words` translates those of the site. Sizes are needed
//! where objects are copied. A state without a path counts for all objects of the batch, a single word that is
//! none is the archive's name for it. What is not understood says nothing: an object of which nothing is said is
//! neither there nor absent. Exit code 0 is success; others may be tried again unless `exit_codes` says more.
//!
//! slk, with scripts around `slk_helpers` and `slk` that print these lines:
//! ```toml
//! [cold.hsm]
//! kind = "command"
//! roots = ["arch"]
//! spool = "/scratch/thermocline"
//! locality = "/etc/thermocline/slk-locality {paths}"
//! stage = "/etc/thermocline/slk-recall {paths}"
//! progress = "/etc/thermocline/slk-job {id}"
//! fetch = "/etc/thermocline/slk-retrieve {path} {target}"
//! words = { COMPLETED = "staged", PROCESSING = "active", QUEUED = "queued" }
//! # As many as batch_objects: each batch is one job, and is found again by its name after a restart.
//! objects_per_command = 500
//! ```
//! A mounted file system with a tool of its own:
//! ```toml
//! landing = "in-place"
//! locality = "hsmtool where {paths}"
//! stage = "hsmtool recall --key {key} {paths}"
//! progress = "hsmtool job --key {key}"
//! release = "hsmtool release {paths}"
//! exit_codes = { 2 = "not-found", 13 = "denied", 75 = "busy" }
//! ```
//!
//! # Limits
//! Batches end with the server. A `progress` command that takes `{key}` or `{id}` is asked afterwards about those that
//! one command has asked for (`batch_objects` of no more than `objects_per_command`); others are unknown and asked for
//! again. Without a version from the archive the time of the object's file on this machine counts; where there is no
//! such file either, an object that is replaced by one of the same size is not noticed. Where the archive's tool fills the spool, what it leaves there is its own
//! to remove.

mod batch;
mod config;
mod fetch;
mod output;
mod spool;
mod status;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_core::clock::Clock;
use thermocline_core::cold::batches::{BatchLimits, Batches};
use thermocline_core::cold::command::{
    CommandLimits, CommandOutput, CommandRunner, CommandTemplate, Slot, Values, reason,
};
use thermocline_core::cold::files::{ArchiveFiles, LookLimits};
use thermocline_core::cold::{
    Capabilities, ColdObject, ColdStore, Landing, ObjectId, ObjectStatus, StageFailure, StageRequest,
    StageState, StageTicket, StoreContext,
};
use thermocline_core::{Error, ErrorKind, Result};
use tokio_util::task::TaskTracker;
use tracing::warn;

use batch::Group;
use config::Templates;
pub use config::{Config, LandingConfig};
use spool::{FilledBy, Spool};

/// An archive that is driven by commands. Cloning gives the same one.
#[derive(Clone)]
pub struct CommandStore {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    templates: Templates,
    /// The files of the archive, if they are seen on this machine.
    files: Option<ArchiveFiles>,
    spool: Option<Spool>,
    batches: Batches,
    /// The commands by which each batch was asked for.
    groups: Mutex<HashMap<String, Vec<Group>>>,
    /// Version and size of objects as they were last seen.
    known: Mutex<HashMap<ObjectId, (String, u64)>>,
    fetching: Mutex<HashSet<ObjectId>>,
    quick: CommandRunner,
    waiting: CommandRunner,
    fetches: CommandRunner,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
}

impl CommandStore {
    /// The archive below the roots of `context`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a configuration that makes no sense, and for roots that are no directories
    /// of this machine although objects are read in place.
    pub fn new(config: Config, context: &StoreContext) -> Result<Self> {
        let templates = config.checked()?;
        let clock = Arc::clone(&context.clock);
        let runner = |at_once, time_limit| {
            let max_output_bytes = usize::try_from(config.max_output).unwrap_or(usize::MAX);
            CommandRunner::new(CommandLimits { at_once, time_limit, max_output_bytes }, context.clone())
        };
        let filled_by = if config.fetch.is_some() { FilledBy::Us } else { FilledBy::Archive };
        let bounds = (config.spool_size, config.spool_keep);
        let files = || ArchiveFiles::new(&context.roots, LookLimits::default(), Arc::clone(&clock));
        let batch_limits = BatchLimits { max_objects: config.max_objects, ..BatchLimits::default() };
        let shared = Shared {
            templates,
            files: match config.landing {
                LandingConfig::InPlace => Some(files()?),
                LandingConfig::Copied => files().ok(),
            },
            spool: config.spool.clone().map(|folder| Spool::new(folder, filled_by, bounds)),
            batches: Batches::new(batch_limits, Arc::clone(&clock)),
            groups: Mutex::default(),
            known: Mutex::default(),
            fetching: Mutex::default(),
            quick: runner(config.commands_at_once, config.command_time_limit)?,
            waiting: runner(config.recalls_at_once, config.recall_time_limit)?,
            fetches: runner(config.recalls_at_once, config.recall_time_limit)?,
            clock,
            tasks: context.tasks.clone(),
            config,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

#[async_trait]
impl ColdStore for CommandStore {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: self.shared.config.landing.into(),
            knows_tapes: self.shared.config.knows_tapes,
            can_cancel: self.shared.templates.cancel.is_some(),
            can_release: self.shared.templates.release.is_some() || self.shared.config.fetch.is_some(),
            n_at_once: self.shared.config.batches_at_once,
            batch_objects: self.shared.config.batch_objects,
            poll_every: self.shared.config.poll_every,
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        let found = Arc::clone(&self.shared).find(objects).await;
        found.into_iter().map(|found| found.map(|found| found.status)).collect()
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        if self.shared.batches.accept(request)?
            && let Err(error) = Arc::clone(&self.shared).begin(request).await
        {
            self.shared.batches.forget(&request.key);
            return Err(error);
        }
        let store_id = self.shared.batches.store_id(&request.key);
        Ok(StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id })
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let states = Arc::clone(&self.shared).progress(ticket).await?;
        self.shared.batches.told(&ticket.key, &states);
        Ok(states)
    }

    async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        self.shared.cancel(ticket, objects).await
    }

    async fn release(&self, objects: &[ColdObject]) -> Result<()> {
        if !self.capabilities().can_release {
            return Err(Error::unsupported("no command gives copies up"));
        }
        Arc::clone(&self.shared).release(objects).await
    }

    async fn read(&self, object: &ColdObject, version: &str, range: Range<u64>) -> Result<Bytes> {
        if self.shared.config.landing == LandingConfig::InPlace {
            return Err(Error::unsupported(format!("{} is read in place", object.id)));
        }
        Arc::clone(&self.shared).read(object, version, range).await
    }

    fn trouble(&self) -> Option<String> {
        let shared = &self.shared;
        let files = shared.files.as_ref().and_then(ArchiveFiles::trouble);
        files.or_else(|| {
            [&shared.quick, &shared.waiting, &shared.fetches].into_iter().find_map(CommandRunner::trouble)
        })
    }
}

/// What a command is given besides its paths.
type Named<'a> = Vec<(&'static str, &'a str)>;

impl Shared {
    /// Objects that one command is given.
    fn group_size(&self, template: &CommandTemplate) -> usize {
        if template.takes("path") { 1 } else { self.config.objects_per_command }
    }

    /// Runs a command on objects. What its exit code says is a failure unless it says success.
    async fn call(
        &self,
        runner: &CommandRunner,
        template: &CommandTemplate,
        (objects, named): (&[ColdObject], Named<'_>),
    ) -> Result<CommandOutput, StageFailure> {
        let (arguments, input) = self.command_line(template, objects, named)?;
        let output = runner.run(arguments, input).await.map_err(|error| StageFailure::from(&error))?;
        self.judge(template, objects, output)
    }

    /// The same once it is its turn.
    async fn call_in(
        &self,
        slot: Slot,
        template: &CommandTemplate,
        (objects, named): (&[ColdObject], Named<'_>),
    ) -> Result<CommandOutput, StageFailure> {
        let (arguments, input) = self.command_line(template, objects, named)?;
        let output = slot.run(arguments, input).await.map_err(|error| StageFailure::from(&error))?;
        self.judge(template, objects, output)
    }

    fn command_line<'a>(
        &self,
        template: &CommandTemplate,
        objects: &'a [ColdObject],
        mut named: Named<'a>,
    ) -> Result<(Vec<std::ffi::OsString>, Option<Vec<u8>>), StageFailure> {
        let paths: Vec<&str> = objects.iter().map(|object| &*object.href).collect();
        let reads_lines = !template.takes("path") && !template.takes("paths");
        if reads_lines && paths.iter().any(|path| path.contains(['\n', '\r'])) {
            let reason = "a path has a line break in it, and the command reads lines".to_owned();
            return Err(StageFailure { cause: thermocline_core::cold::FailureCause::Denied, reason });
        }
        let lines = || paths.iter().flat_map(|path| [path.as_bytes(), b"\n"].concat()).collect();
        let input = reads_lines.then(lines);
        named.extend(paths.first().map(|path| ("path", *path)));
        let arguments =
            template.arguments(&Values { named, paths }).map_err(|error| StageFailure::from(&error))?;
        Ok((arguments, input))
    }

    fn judge(
        &self,
        template: &CommandTemplate,
        objects: &[ColdObject],
        output: CommandOutput,
    ) -> Result<CommandOutput, StageFailure> {
        let Some(cause) = self.config.exit_codes.meaning(output.code).cause(self.config.busy_after) else {
            return Ok(output);
        };
        let program = template.program().rsplit('/').next().unwrap_or_default();
        warn!(program, code = output.code, stderr = %output.stderr.trim(), n_objects = objects.len(), "a command failed");
        let names = objects.iter().map(|object| (&*object.href, object.id.to_string()));
        let why = reason(&output.stderr, names);
        let ended =
            output.code.map_or_else(|| "was killed".to_owned(), |code| format!("ended with code {code}"));
        let reason =
            if why.is_empty() { format!("{program} {ended}") } else { format!("{program} {ended}: {why}") };
        Err(StageFailure { cause, reason })
    }

    /// A failure as the error of a call.
    fn error(&self, failure: StageFailure) -> Error {
        use thermocline_core::cold::FailureCause;
        let retry_after = match failure.cause {
            FailureCause::Retryable { after: Some(after) } => after.max(Duration::from_secs(1)),
            _ => self.config.busy_after,
        };
        Error::new(ErrorKind::Unavailable { retry_after }, failure.reason)
    }

    fn is_copied(&self) -> bool {
        Landing::from(self.config.landing) == Landing::Copied
    }
}

/// Runs blocking work on files away from the runtime's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|cause| Error::internal("a task of an archive did not finish").with_source(cause))
}
