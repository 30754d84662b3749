//! The formats' reference libraries, kept in processes of their own.
//!
//! libhdf5 and libnetcdf are large C libraries that damaged files have crashed and hung before. What
//! happens to a worker costs one answer; the server goes on and starts another worker.

mod frame;
mod worker;

use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;
use thermocline_model::{ArrayBytes, DataType, Variable};
use tracing::warn;

use crate::format::{Format, ReferenceError, ReferenceReader, Region, Source};
use crate::index::record::Mirror;
use frame::{Answer, Request};

pub use worker::run_worker;

/// Opens objects through the reference library of their format.
pub trait References: Send + Sync {
    /// A reader of the object, as [`Format::reference`] gives it.
    ///
    /// # Errors
    /// Those of [`Format::reference`].
    fn open<'a>(
        &'a self,
        format: &'a dyn Format,
        source: &'a Source<'a>,
    ) -> Result<Box<dyn ReferenceReader + 'a>, ReferenceError>;
}

/// Calls the library in this process: for tests and for workers themselves.
pub struct InProcess;

impl References for InProcess {
    fn open<'a>(
        &'a self,
        format: &'a dyn Format,
        source: &'a Source<'a>,
    ) -> Result<Box<dyn ReferenceReader + 'a>, ReferenceError> {
        format.reference(source)
    }
}

/// Calls the library in worker processes.
pub struct Workers {
    command: Vec<String>,
    spool: PathBuf,
    settings: WorkerSettings,
    idle: Mutex<Vec<Worker>>,
}

/// Bounds for workers.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// How long one answer may take.
    pub timeout: Duration,
    /// Largest remote object that is copied to be compared, in bytes.
    pub max_copied_bytes: u64,
    /// Workers kept waiting for work.
    pub max_idle: usize,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), max_copied_bytes: 64 << 20, max_idle: 4 }
    }
}

impl Workers {
    /// Workers started by `command` (a program and its arguments, which must call [`run_worker`]);
    /// remote objects are copied into the directory `spool` to be compared.
    pub fn new(command: Vec<String>, spool: PathBuf, settings: WorkerSettings) -> Self {
        Self { command, spool, settings, idle: Mutex::default() }
    }

    fn start(&self) -> std::io::Result<Worker> {
        if let Some(worker) = self.idle.lock().pop() {
            return Ok(worker);
        }
        Worker::start(&self.command)
    }

    /// A local path of the object: its own, or that of a copy.
    fn local_copy(&self, source: &Source<'_>) -> Result<(PathBuf, Option<PathBuf>), ReferenceError> {
        if let Some(path) = source.object.local_path() {
            return Ok((path.to_owned(), None));
        }
        let object = source.object.object();
        if object.len_bytes > self.settings.max_copied_bytes {
            let limit = self.settings.max_copied_bytes;
            return Err(ReferenceError::Unable(format!("a remote object of more than {limit} bytes")));
        }
        let copy = self.copy(source).map_err(ReferenceError::Unable)?;
        Ok((copy.clone(), Some(copy)))
    }

    fn copy(&self, source: &Source<'_>) -> Result<PathBuf, String> {
        let object = source.object.object();
        let len_bytes = usize::try_from(object.len_bytes).map_err(|cause| cause.to_string())?;
        let bytes = source.object.read_at(0, len_bytes).map_err(|cause| cause.to_string())?;
        let name = object.href.rsplit('/').next().unwrap_or("object");
        std::fs::create_dir_all(&self.spool).map_err(|cause| cause.to_string())?;
        let unique = SPOOLED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = self.spool.join(format!("{}-{unique}-{name}", std::process::id()));
        std::fs::write(&path, bytes).map_err(|cause| cause.to_string())?;
        Ok(path)
    }
}

/// Numbers copies, so that two of the same name do not meet.
static SPOOLED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

impl References for Workers {
    fn open<'a>(
        &'a self,
        format: &'a dyn Format,
        source: &'a Source<'a>,
    ) -> Result<Box<dyn ReferenceReader + 'a>, ReferenceError> {
        let (path, copy) = self.local_copy(source)?;
        let worker = self.start().map_err(|cause| {
            ReferenceError::Unable(format!("no process for the reference library: {cause}"))
        })?;
        let mut session = Session { workers: self, worker: Some(worker), copy };
        let path = path.to_string_lossy().into_owned();
        match session.ask(&Request::Open { format: format.id().to_owned(), path })? {
            Answer::Opened => Ok(Box::new(session)),
            _ => Err(ReferenceError::Unable("the reference process gave no answer".to_owned())),
        }
    }
}

/// One object opened in one worker. The worker goes back to the others at the end, unless it failed.
struct Session<'a> {
    workers: &'a Workers,
    worker: Option<Worker>,
    copy: Option<PathBuf>,
}

impl Session<'_> {
    fn ask(&mut self, request: &Request) -> Result<Answer, ReferenceError> {
        let Some(worker) = &mut self.worker else {
            return Err(ReferenceError::Unable("the reference process ended".to_owned()));
        };
        match worker.ask(request, self.workers.settings.timeout) {
            Ok(Answer::Refused(reason)) => Err(ReferenceError::Refused(reason)),
            Ok(Answer::Unable(reason)) => Err(ReferenceError::Unable(reason)),
            Ok(answer) => Ok(answer),
            Err(failure) => {
                self.worker = None;
                warn!(%failure, "reference process given up");
                match failure {
                    Failure::Ended => {
                        Err(ReferenceError::Refused("the reference library crashed on it".to_owned()))
                    }
                    Failure::TimedOut => {
                        Err(ReferenceError::Unable("the reference library did not answer in time".to_owned()))
                    }
                }
            }
        }
    }
}

impl ReferenceReader for Session<'_> {
    fn read(
        &mut self,
        variable: &Variable,
        dtype: &DataType,
        region: &Region,
    ) -> Result<ArrayBytes, ReferenceError> {
        let request = Request::Read {
            variable: Box::new(Mirror::record(variable)),
            dtype: Mirror::record(dtype),
            start: region.start.clone(),
            shape: region.shape.clone(),
        };
        match self.ask(&request)? {
            Answer::Values(values) => Ok(values.model()),
            _ => Err(ReferenceError::Unable("the reference process gave another answer".to_owned())),
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            let mut idle = self.workers.idle.lock();
            if idle.len() < self.workers.settings.max_idle {
                idle.push(worker);
            }
        }
        if let Some(copy) = self.copy.take() {
            // A copy that stays behind is removed with the state directory.
            let _ = std::fs::remove_file(copy);
        }
    }
}

/// Why a worker gave no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it ended")]
    Ended,
    #[error("it took too long")]
    TimedOut,
}

/// A process that answers requests one after another.
struct Worker {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<Answer>,
}

impl Worker {
    fn start(command: &[String]) -> std::io::Result<Self> {
        let [program, arguments @ ..] = command else {
            return Err(std::io::Error::other("no command is set for the reference process"));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .env("HDF5_USE_FILE_LOCKING", "FALSE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("the reference process has no pipes"));
        };
        let (sender, answers) = sync_channel(1);
        // A thread of its own: reading a pipe cannot be given a time limit.
        std::thread::Builder::new().name("reference-answers".to_owned()).spawn(move || {
            let mut stdout = BufReader::new(stdout);
            while let Ok(Some(answer)) = frame::read(&mut stdout) {
                if sender.send(answer).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { child, stdin, answers })
    }

    fn ask(&mut self, request: &Request, timeout: Duration) -> Result<Answer, Failure> {
        frame::write(&mut self.stdin, request)
            .and_then(|()| self.stdin.flush())
            .map_err(|_| Failure::Ended)?;
        self.answers.recv_timeout(timeout).map_err(|cause| match cause {
            RecvTimeoutError::Timeout => Failure::TimedOut,
            RecvTimeoutError::Disconnected => Failure::Ended,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // An error here means that the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// References as the core shares them.
pub type SharedReferences = Arc<dyn References>;
