//! Running commands: few at a time, each in its own process group, for a bounded time.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::StoreContext;
use crate::{Error, ErrorKind, Result};

/// How much is kept of what a command writes to its error output: the end of it, in bytes.
const MAX_STDERR_BYTES: usize = 16 << 10;

/// How long a killed process may take to end, and how long is listened to one that has ended while others hold
/// its output.
const GRACE: Duration = Duration::from_secs(2);

/// Bounds for commands.
#[derive(Debug, Clone)]
pub struct CommandLimits {
    /// Most commands that run at the same time.
    pub at_once: usize,
    /// How long one may take. Then its process group is killed.
    pub time_limit: Duration,
    /// Most bytes that one may write to its output.
    pub max_output_bytes: usize,
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct CommandOutput {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// The end of what it wrote to its error output.
    pub stderr: String,
}

/// Runs commands. Cloning gives the same one.
#[derive(Clone)]
pub struct CommandRunner {
    shared: Arc<Shared>,
}

struct Shared {
    gate: Arc<Semaphore>,
    limits: CommandLimits,
    context: StoreContext,
    /// Processes that were killed and did not end: what waits for a device cannot be killed.
    hanging: Mutex<Vec<Child>>,
    trouble: Mutex<Option<String>>,
}

/// The right to run one command.
pub struct Slot {
    runner: CommandRunner,
    permit: OwnedSemaphorePermit,
}

impl CommandRunner {
    /// Runs commands within `limits`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for limits of nothing.
    pub fn new(limits: CommandLimits, context: StoreContext) -> Result<Self> {
        if limits.at_once == 0 || limits.time_limit.is_zero() || limits.max_output_bytes == 0 {
            return Err(Error::invalid_input("commands need a number, a time and an output greater than 0"));
        }
        let gate = Arc::new(Semaphore::new(limits.at_once));
        let (hanging, trouble) = (Mutex::default(), Mutex::default());
        Ok(Self { shared: Arc::new(Shared { gate, limits, context, hanging, trouble }) })
    }

    /// Waits, for as long as it takes, until one more command may run.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the server stops.
    pub async fn enter(&self) -> Result<Slot> {
        let stopping = || Error::new(self.later(), "the server is stopping");
        tokio::select! {
            biased;
            () = self.shared.context.shutdown.cancelled() => Err(stopping()),
            permit = Arc::clone(&self.shared.gate).acquire_owned() => {
                Ok(Slot { runner: self.clone(), permit: permit.map_err(|_| stopping())? })
            }
        }
    }

    /// Runs a command when it may, within bounded time. `input` is what it reads.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the others do not end in time, and those of [`Slot::run`].
    pub async fn run(&self, arguments: Vec<OsString>, input: Option<Vec<u8>>) -> Result<CommandOutput> {
        let slot = tokio::select! {
            slot = self.enter() => slot?,
            () = self.shared.context.clock.sleep(self.shared.limits.time_limit) => {
                return Err(Error::new(self.later(), format!("{} commands are under way", self.shared.limits.at_once)));
            }
        };
        slot.run(arguments, input).await
    }

    /// What is wrong with commands; `None` if the last one could be run.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().clone()
    }

    fn later(&self) -> ErrorKind {
        ErrorKind::Unavailable { retry_after: Duration::from_secs(30) }
    }

    /// Runs a command and sees to its end.
    async fn supervise(&self, arguments: Vec<OsString>, input: Option<Vec<u8>>) -> Result<CommandOutput> {
        self.check_hanging()?;
        let program =
            arguments.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
        let mut child = self.spawn(&arguments, &program, input.is_some())?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let talk = talk(&mut child, input, self.shared.limits.max_output_bytes, &self.shared.context);
        let ended = tokio::select! {
            ended = talk => ended,
            () = self.shared.context.clock.sleep(self.shared.limits.time_limit) => Err(Stopped::TimeLimit),
            // The command goes on without us: it works for the archive, not for this server.
            () = self.shared.context.shutdown.cancelled() => {
                return Err(Error::new(self.later(), format!("{program}: the server is stopping")));
            }
        };
        match ended {
            Ok(output) => {
                *self.shared.trouble.lock() = None;
                Ok(output)
            }
            Err(stopped) => {
                let error = self.stopped(&program, &stopped);
                self.kill(child, group).await;
                Err(error)
            }
        }
    }

    fn spawn(&self, arguments: &[OsString], program: &str, has_input: bool) -> Result<Child> {
        let mut command = Command::new(arguments.first().cloned().unwrap_or_default());
        command
            .args(arguments.iter().skip(1))
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/")
            .process_group(0)
            .stdin(if has_input { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().map_err(|cause| {
            let text = format!("cannot start {program:?}");
            *self.shared.trouble.lock() = Some(format!("{text}: {cause}"));
            Error::new(self.later(), text).with_source(cause)
        })
    }

    fn stopped(&self, program: &str, stopped: &Stopped) -> Error {
        let limits = &self.shared.limits;
        match stopped {
            Stopped::TimeLimit => {
                let text = format!("{program:?} did not end within {:?}", limits.time_limit);
                Error::new(self.later(), text)
            }
            Stopped::Output => {
                Error::corrupt(format!("{program:?} wrote more than {} bytes", limits.max_output_bytes))
            }
            Stopped::Failed(cause) => Error::new(self.later(), format!("{program:?} failed: {cause}")),
        }
    }

    /// Kills a process with all that it has started, and waits a moment for its end.
    async fn kill(&self, mut child: Child, group: Option<Pid>) {
        // Until it was waited for, its number is its own.
        if let Some(group) = group.filter(|_| child.id().is_some()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        tokio::select! {
            _ = child.wait() => {}
            () = self.shared.context.clock.sleep(GRACE) => self.shared.hanging.lock().push(child),
        }
    }

    /// Refuses further commands while as many as may run hang in a device.
    fn check_hanging(&self) -> Result<()> {
        let mut hanging = self.shared.hanging.lock();
        hanging.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        if hanging.len() < self.shared.limits.at_once {
            return Ok(());
        }
        let text = format!("{} commands were killed and do not end", hanging.len());
        *self.shared.trouble.lock() = Some(text.clone());
        Err(Error::new(self.later(), text))
    }
}

impl Slot {
    /// Runs a command. It is seen to its end even if nobody waits for the answer any more.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it cannot be started or did not end in time, [`ErrorKind::Corrupt`] if it
    /// wrote too much. What its exit code means is for the caller.
    pub async fn run(self, arguments: Vec<OsString>, input: Option<Vec<u8>>) -> Result<CommandOutput> {
        let Self { runner, permit } = self;
        let tasks = runner.shared.context.tasks.clone();
        let run = tasks.spawn(async move {
            let _permit = permit;
            runner.supervise(arguments, input).await
        });
        run.await.map_err(|cause| Error::internal("a command was not seen to its end").with_source(cause))?
    }
}

/// Why a command was stopped.
enum Stopped {
    TimeLimit,
    Output,
    Failed(std::io::Error),
}

/// Writes a command's input, reads its outputs, waits for its end.
async fn talk(
    child: &mut Child,
    input: Option<Vec<u8>>,
    max_output_bytes: usize,
    context: &StoreContext,
) -> Result<CommandOutput, Stopped> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A command that does not read its input has reasons of its own.
            let _ = stdin.write_all(&input).await;
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = {
        let read = async {
            let stderr = read_end(stderr, &mut err);
            tokio::join!(read_all(stdout, &mut out, max_output_bytes), stderr, write).0
        };
        tokio::pin!(read);
        tokio::select! {
            read = &mut read => {
                read?;
                child.wait().await
            }
            status = child.wait() => {
                // Something that it started may hold its outputs open for ever.
                tokio::select! {
                    read = &mut read => read?,
                    () = context.clock.sleep(GRACE) => {}
                }
                status
            }
        }
    };
    let status: ExitStatus = status.map_err(Stopped::Failed)?;
    let stderr = String::from_utf8_lossy(&err).into_owned();
    Ok(CommandOutput { code: status.code(), stdout: out, stderr })
}

/// Reads an output to its end.
async fn read_all(
    stream: Option<impl AsyncRead + Unpin>,
    bytes: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<(), Stopped> {
    let Some(stream) = stream else { return Ok(()) };
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    stream.take(limit).read_to_end(bytes).await.map_err(Stopped::Failed)?;
    if bytes.len() > max_bytes { Err(Stopped::Output) } else { Ok(()) }
}

/// Reads an output to its end and keeps the last of it.
async fn read_end(stream: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 4096];
    while let Ok(n_bytes @ 1..) = stream.read(&mut buffer).await {
        bytes.extend_from_slice(buffer.get(..n_bytes).unwrap_or_default());
        if bytes.len() > 2 * MAX_STDERR_BYTES {
            bytes.drain(..bytes.len() - MAX_STDERR_BYTES);
        }
    }
    bytes.drain(..bytes.len().saturating_sub(MAX_STDERR_BYTES));
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::clock::ManualClock;

    fn runner(clock: Option<ManualClock>) -> CommandRunner {
        let mut context = StoreContext::new(Vec::new());
        if let Some(clock) = clock {
            context.clock = Arc::new(clock);
        }
        let limits =
            CommandLimits { at_once: 2, time_limit: Duration::from_secs(60), max_output_bytes: 100_000 };
        CommandRunner::new(limits, context).unwrap()
    }

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[tokio::test]
    async fn a_command_gets_its_input_and_gives_its_outputs_and_code() {
        let script = "cat; printf oh >&2; exit 3";
        let output = runner(None).run(words(&["sh", "-c", script]), Some(b"hello".to_vec())).await.unwrap();
        assert_eq!(
            (output.code, output.stdout.as_slice(), output.stderr.as_str()),
            (Some(3), &b"hello"[..], "oh")
        );
    }

    #[tokio::test]
    async fn a_command_that_does_not_read_a_large_input_ends() {
        let output = runner(None).run(words(&["true"]), Some(vec![b'x'; 10 << 20])).await.unwrap();
        assert_eq!(output.code, Some(0));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let runner = runner(None);
        let error = runner.run(words(&["no-such-program-here"]), None).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }));
        assert!(runner.trouble().unwrap().contains("no-such-program-here"));
        runner.run(words(&["true"]), None).await.unwrap();
        assert_eq!(runner.trouble(), None);
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let clock = ManualClock::new(0);
        let runner = runner(Some(clock.clone()));
        let script = format!("sleep 1000 & echo $! > '{}'; wait", pid_file.display());
        let run = tokio::spawn({
            let runner = runner.clone();
            async move { runner.run(words(&["sh", "-c", &script]), None).await }
        });
        let pid = loop {
            let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
            if text.ends_with('\n') {
                break text.trim().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        clock.advance(Duration::from_secs(61));

        let error = run.await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
        let is_alive = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => !stat.contains(") Z "),
            Err(_) => false,
        };
        let began = Instant::now();
        while is_alive() && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!is_alive(), "what the command started is still there");
    }

    #[tokio::test]
    async fn too_much_output_is_an_error_and_not_a_part_of_it() {
        let error = runner(None).run(words(&["head", "-c", "100001", "/dev/zero"]), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let output = runner(None).run(words(&["head", "-c", "100000", "/dev/zero"]), None).await.unwrap();
        assert_eq!(output.stdout.len(), 100_000);
    }

    #[tokio::test]
    async fn the_end_of_a_long_error_output_is_kept() {
        let script = "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo end >&2";
        let output = runner(None).run(words(&["sh", "-c", script]), None).await.unwrap();
        assert!(output.stderr.ends_with("xxend\n"));
        assert_eq!(output.stderr.len(), MAX_STDERR_BYTES);
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_may() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("cd '{}'; touch $$; ls | wc -l; sleep 0.05; rm $$", folder.path().display());
        let runner = runner(None);
        let runs = (0..8).map(|_| runner.run(words(&["sh", "-c", &script]), None));
        for output in futures::future::join_all(runs).await {
            let n_running: usize = String::from_utf8(output.unwrap().stdout).unwrap().trim().parse().unwrap();
            assert!((1..=2).contains(&n_running), "{n_running} at once");
        }
    }

    #[tokio::test]
    async fn a_command_goes_on_when_the_server_stops() {
        let folder = tempfile::tempdir().unwrap();
        let (started, done) = (folder.path().join("started"), folder.path().join("done"));
        let runner = runner(None);
        let script = format!("touch '{}'; sleep 0.2; touch '{}'", started.display(), done.display());
        let run = tokio::spawn({
            let runner = runner.clone();
            async move { runner.run(words(&["sh", "-c", &script]), None).await }
        });
        while !started.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        runner.shared.context.shutdown.cancel();
        assert!(run.await.unwrap().is_err());
        let began = Instant::now();
        while !done.exists() && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(done.exists());
    }
}
