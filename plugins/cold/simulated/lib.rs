//! A simulated tape library: drives, mounts, positions, failures. The cold store of the demo and of tests.
//!
//! # Serves
//! Every file below its roots as if it lay on tape. The root's directory is the archive: names, sizes and times
//! of modification can be looked at there at any time, as in the catalog of a library; bytes come only through
//! [`ColdStore::read`], of files that were staged, until their lifetime is over or they are released.
//!
//! # Specification
//! Files in the order of their names fill one tape after the other, or lie where a table says. A recall costs
//! what a real one costs (`thermocline_core::staging::tape`): mounting, locating, reading; `speed` makes it
//! faster. A drive takes first what waits on the tape that is in it, then the tape for which was waited
//! longest; interactive recalls come first on their tape. Two batches that want the same file share its recall.
//! Everything follows the clock that is given, so that tests decide how time passes.
//!
//! ```toml
//! [cold.tape]
//! kind = "simulated"
//! roots = ["archive"]
//! speed = 60                                    # a minute in a second
//! [[cold.tape.faults]]
//! path = "**/bad-*.nc"
//! fault = "fail"                                # fail slow corrupt lie busy stall lost denied
//! times = 2                                     # the first two recalls of each
//! ```
//!
//! # Limits
//! Two million files are laid out in the order of their names, those beyond them in the order in which they are
//! asked for. Lifetimes and the `delay` of faults are not made faster by `speed`. Batches are kept in the
//! folder of the state, without a flush: the library survives the end of the server, not that of the machine.

mod config;
mod faults;
mod journal;
mod layout;
mod library;
mod read;
mod time;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::cold::files::{ArchiveFile, ArchiveFiles, LookLimits};
use thermocline_core::cold::{
    Capabilities, Checksum, ColdObject, ColdStore, Landing, Locality, ObjectId, ObjectStatus, StageFailure,
    StageRequest, StageState, StageTicket, StoreContext,
};
use thermocline_core::staging::tape::Media;
use thermocline_core::{Error, ErrorKind, Result};
use tracing::warn;

pub use config::{Config, FaultConfig, FaultKind};
use faults::Attempts;
use journal::{Input, Journal};
use layout::Layout;
pub use library::EndedRecall;
use library::{Key, Library, NewBatch, Rules, TapeFile, nanoseconds};
use time::SteadyTime;

/// Most ended recalls that can be asked for.
const MAX_ENDED_RECALLS: usize = 100_000;

/// Most files whose checksums are kept.
const MAX_CHECKSUMS: usize = 1_000_000;

/// A simulated tape library. Cloning gives the same one.
#[derive(Clone)]
pub struct SimulatedStore {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    rules: Rules,
    files: ArchiveFiles,
    clock: Arc<dyn Clock>,
    layout: Mutex<Layout>,
    state: Mutex<State>,
    checksums: Mutex<HashMap<ObjectId, (String, u32)>>,
    is_out: AtomicBool,
}

/// The library with what is kept beside it.
struct State {
    library: Library,
    journal: Option<Journal>,
    time: SteadyTime,
    refusals: Attempts,
    ended: VecDeque<EndedRecall>,
    recall_log: Option<File>,
    trouble: Option<String>,
}

impl SimulatedStore {
    /// The library of the files below the roots of `context`, which have to be directories of this machine. What
    /// it knows is kept in the folder for the state; without one it ends with this store. Blocking.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a configuration that makes no sense; a folder that cannot be used.
    pub fn new(config: Config, context: &StoreContext) -> Result<Self> {
        let clock = Arc::clone(&context.clock);
        let rules = Rules::new(&config)?;
        let layout = Layout::new(config.table.as_deref(), config.tape_fill)?;
        // What bounds looking at files is the machine's time, whatever passes in the library.
        let files = ArchiveFiles::new(&context.roots, LookLimits::default(), Arc::new(SystemClock))?;
        let (journal, library) = match &context.state {
            Some(folder) => {
                Journal::open(folder, &rules).map(|(journal, library)| (Some(journal), library))?
            }
            None => (None, Library::default()),
        };
        let is_new = library.now_ns() == 0;
        let time = SteadyTime::from(if is_new { clock.now_ns() } else { library.now_ns() });
        let recall_log = config.recall_log.as_deref().map(open_log).transpose()?;
        let mut state = State {
            library,
            journal,
            time,
            refusals: Attempts::default(),
            ended: VecDeque::new(),
            recall_log,
            trouble: None,
        };
        if config.forgets_batches {
            state.catch_up(&rules, clock.now_ns());
            state.tell(&rules, Input::Forget)?;
        }
        let shared = Shared {
            config,
            rules,
            files,
            clock,
            layout: Mutex::new(layout),
            state: Mutex::new(state),
            checksums: Mutex::default(),
            is_out: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Recalls that have ended since this store was made, oldest first; the last 100,000.
    pub fn recalls(&self) -> Vec<EndedRecall> {
        self.shared.at_present().ended.iter().cloned().collect()
    }

    /// Recalls that drives have taken up, those of earlier servers too.
    pub fn n_recalls(&self) -> u64 {
        self.shared.at_present().library.n_recalls()
    }

    /// How often a tape was put into a drive.
    pub fn n_mounts(&self) -> u64 {
        self.shared.at_present().library.n_mounts()
    }

    /// Lets the library answer, or not: then every call is [`ErrorKind::Unavailable`], and recalls go on.
    pub fn set_available(&self, is_available: bool) {
        self.shared.is_out.store(!is_available, Ordering::Relaxed);
    }

    /// Work for the blocking pool: it looks at files, writes, or catches up with much that has happened.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.shared.check_available()?;
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&shared)).await.map_err(|cause| {
            Error::internal("a task of a simulated library did not finish").with_source(cause)
        })?
    }
}

#[async_trait]
impl ColdStore for SimulatedStore {
    fn kind(&self) -> &'static str {
        "simulated"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: Landing::Copied,
            knows_tapes: true,
            can_cancel: true,
            can_release: true,
            n_at_once: self.shared.config.drives,
            batch_objects: self.shared.config.batch_objects,
            poll_every: self.shared.config.poll_every,
        }
    }

    fn media(&self) -> Option<Media> {
        let rules = &self.shared.rules;
        Some(rules.media.clone().sped_up(rules.speed))
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        if let Err(error) = self.blocking(Shared::lay_out).await {
            return objects.iter().map(|_| Err(Error::new(error.kind(), error.message()))).collect();
        }
        let shared = Arc::clone(&self.shared);
        self.shared.files.look(objects, move |object, file| shared.status(object, &file)).await
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        self.blocking(Shared::lay_out).await?;
        let shared = Arc::clone(&self.shared);
        let look = move |object: &ColdObject, file: ArchiveFile| Ok(shared.tape_file(object, &file));
        let found = self.shared.files.look(&request.objects, look).await;
        let wanted = request.clone();
        self.blocking(move |shared| shared.stage(&wanted, found)).await?;
        Ok(StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id: None })
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let ticket = ticket.clone();
        self.blocking(move |shared| {
            let progress = shared.at_present().library.progress(&ticket.key);
            let unknown = || ticket.objects.iter().map(|object| (object.id.clone(), StageState::Unknown));
            let known = |files: Vec<(Key, StageState)>| {
                files.into_iter().filter_map(|(key, state)| Some((key.id()?, state))).collect()
            };
            Ok(progress.map_or_else(|| unknown().collect(), known))
        })
        .await
    }

    async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        let (batch, files) = (ticket.key.clone(), objects.iter().map(Key::of).collect());
        self.blocking(move |shared| shared.tell(Input::Cancel { batch, files })).await
    }

    async fn release(&self, objects: &[ColdObject]) -> Result<()> {
        let files = objects.iter().map(|object| Key::of(&object.id)).collect();
        self.blocking(move |shared| shared.tell(Input::Release(files))).await
    }

    async fn read(&self, object: &ColdObject, version: &str, range: Range<u64>) -> Result<Bytes> {
        let (object, version) = (object.clone(), version.to_owned());
        self.blocking(move |shared| shared.read(&object, &version, range)).await
    }

    fn trouble(&self) -> Option<String> {
        let is_out = self.shared.is_out.load(Ordering::Relaxed);
        let out = is_out.then(|| "the library is switched off".to_owned());
        // Whoever holds the state may be catching up: this never waits.
        let noted = || self.shared.state.try_lock().and_then(|state| state.trouble.clone());
        out.or_else(|| self.shared.files.trouble()).or_else(noted)
    }
}

impl Shared {
    fn check_available(&self) -> Result<()> {
        if !self.is_out.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Error::new(busy(self.config.poll_every), "the library is switched off"))
    }

    /// The library as it is now.
    fn at_present(&self) -> parking_lot::MutexGuard<'_, State> {
        let mut state = self.state.lock();
        state.catch_up(&self.rules, self.clock.now_ns());
        state
    }

    fn lay_out(&self) -> Result<()> {
        self.layout.lock().list_once(self.files.roots());
        Ok(())
    }

    fn status(&self, object: &ColdObject, file: &ArchiveFile) -> Result<ObjectStatus> {
        let links_to = file.links_to.clone();
        let id = links_to.as_ref().unwrap_or(&object.id);
        let place = self.layout.lock().place(id, file.len_bytes());
        let is_staged = self.at_present().library.copy(&Key::of(id)).is_some();
        let locality = match is_staged {
            true => Locality::OnlineAndNearline,
            false if self.rules.faults.is_lost(id) => Locality::Lost,
            false => Locality::Nearline,
        };
        let checksum = self.config.checksums.then(|| self.checksum(object, file)).transpose()?;
        let (len_bytes, version) = (file.len_bytes(), file.version());
        Ok(ObjectStatus {
            locality,
            len_bytes,
            version,
            place: Some(place),
            checksum,
            links_to,
            online_until_ns: None,
        })
    }

    /// The checksum that a library would have in its catalog since the file was written.
    fn checksum(&self, object: &ColdObject, file: &ArchiveFile) -> Result<Checksum> {
        let version = file.version();
        let known =
            self.checksums.lock().get(&object.id).filter(|(of, _)| *of == version).map(|(_, sum)| *sum);
        if let Some(sum) = known {
            return Ok(Checksum::Adler32(sum));
        }
        let sum = File::open(&file.path).and_then(|file| adler2::adler32(BufReader::new(file))).map_err(
            |cause| {
                Error::new(busy(self.config.poll_every), format!("cannot read {}", object.id))
                    .with_source(cause)
            },
        )?;
        let mut checksums = self.checksums.lock();
        if checksums.len() >= MAX_CHECKSUMS {
            checksums.clear();
        }
        checksums.insert(object.id.clone(), (version, sum));
        Ok(Checksum::Adler32(sum))
    }

    fn tape_file(&self, object: &ColdObject, file: &ArchiveFile) -> TapeFile {
        let place = self.layout.lock().place(&object.id, file.len_bytes());
        TapeFile {
            root: object.id.root().to_owned(),
            path: object.id.path().to_owned(),
            len_bytes: file.len_bytes(),
            tape: place.tape.to_string(),
            position: place.position,
        }
    }

    fn stage(&self, request: &StageRequest, found: Vec<Result<TapeFile>>) -> Result<()> {
        let mut state = self.at_present();
        if state.library.knows(&request.key) {
            return Ok(());
        }
        let ids = request.objects.iter().map(|object| &object.id);
        let refuse = |id: &ObjectId| self.rules.faults.refuses(id, &mut state.refusals);
        if let Some(retry_after) = ids.filter_map(refuse).max() {
            return Err(Error::new(busy(retry_after), "the library is busy"));
        }
        let n_waiting = state.library.n_waiting().saturating_add(request.objects.len());
        if n_waiting > self.config.max_waiting {
            let text =
                format!("{n_waiting} recalls would wait, the library takes {}", self.config.max_waiting);
            return Err(Error::new(busy(self.config.poll_every), text));
        }
        let of_library = |(object, file): (&ColdObject, Result<TapeFile>)| {
            file.map_err(|error| (Key::of(&object.id), StageFailure::from(&error).into()))
        };
        let batch = NewBatch {
            key: request.key.clone(),
            files: request.objects.iter().zip(found).map(of_library).collect(),
            lifetime_ns: nanoseconds(request.lifetime),
            is_interactive: request.is_interactive,
        };
        state.tell(&self.rules, Input::Stage(batch))
    }

    fn tell(&self, input: Input) -> Result<()> {
        self.at_present().tell(&self.rules, input)
    }
}

impl State {
    /// Lets everything happen that has happened by now, and takes note of the recalls that ended.
    fn catch_up(&mut self, rules: &Rules, clock_ns: i64) {
        let now_ns = self.time.at(clock_ns);
        self.library.advance(rules, now_ns);
        let ended = self.library.take_ended();
        if ended.is_empty() {
            return;
        }
        if let Err(error) = self.note(&ended) {
            warn!(%error, "recalls of a simulated library were not noted");
            self.trouble = Some(error.to_string());
        }
        self.ended.extend(ended);
        let too_many = self.ended.len().saturating_sub(MAX_ENDED_RECALLS);
        self.ended.drain(..too_many);
    }

    fn note(&mut self, ended: &[EndedRecall]) -> Result<()> {
        if let Some(log) = &mut self.recall_log {
            let mut text = Vec::new();
            for recall in ended {
                serde_json::to_writer(&mut text, recall)
                    .map_err(|cause| Error::internal("a recall is no JSON").with_source(cause))?;
                text.push(b'\n');
            }
            log.write_all(&text)
                .map_err(|cause| Error::internal("cannot write the recall log").with_source(cause))?;
        }
        let now_ns = self.library.now_ns();
        self.journal.as_mut().map_or(Ok(()), |journal| journal.append(now_ns, &Input::Noted))
    }

    /// Tells the library something, once it is written down.
    fn tell(&mut self, rules: &Rules, input: Input) -> Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.append(self.library.now_ns(), &input)?;
        }
        input.apply(&mut self.library, rules);
        if let Some(journal) = &mut self.journal {
            journal.shorten(&self.library);
        }
        Ok(())
    }
}

fn busy(retry_after: Duration) -> ErrorKind {
    ErrorKind::Unavailable { retry_after }
}

fn open_log(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create(true).open(path).map_err(|cause| {
        Error::invalid_input(format!("recall_log: cannot write {}", path.display())).with_source(cause)
    })
}
