//! Secrets of the configuration: read when they are used, again when their files change, renewed before they expire.
//!
//! Everything that reaches a store asks the same key for the secret of each request: readers, indexers, and the cold
//! store that restores objects of the bucket. What is wrong with a key is told by its name, once for each change.

mod forms;

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use thermocline_core::bytes::{CredentialSource, Credentials, Refusal, Secret};
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::cold::StoreContext;
use thermocline_core::cold::command::{CommandLimits, CommandRunner};
use thermocline_core::{Error, ErrorKind, Result};
use tracing::{info, warn};

use crate::config::{Config, CredentialsConfig, CredentialsKind};
use forms::Printed;

/// A secret is renewed this long before it expires, or a tenth of its time if that is less.
const RENEWED_BEFORE: Duration = Duration::from_secs(5 * 60);

/// How long what names no expiry counts.
const COUNTS_FOR: Duration = Duration::from_secs(3600);

/// How soon a program that failed, or whose secret was refused, is run again.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Most that a program may print, in bytes.
const MAX_PRINTED_BYTES: usize = 64 << 10;

/// Most programs that run at the same time.
const PROGRAMS_AT_ONCE: usize = 4;

/// The keys that the configuration names.
pub(super) struct Keyring {
    clock: Arc<dyn Clock>,
    keys: Mutex<BTreeMap<KeyName, Arc<Key>>>,
}

/// Name of the credentials, and the machine for which they are; that of a program has none.
type KeyName = (String, String);

impl Default for Keyring {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl Keyring {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, keys: Mutex::default() }
    }

    /// How requests to a root are signed, by its name; `machine` is where it lies. Blocking for as long as reading a
    /// file takes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a secret that was never read and cannot be.
    pub(super) fn credentials(&self, config: &Config, root: &str, machine: &str) -> Result<Credentials> {
        let name = config.roots.get(root).and_then(|root| root.credentials.as_ref());
        let Some((name, kind)) = name.and_then(|name| config.credentials.get_key_value(name)) else {
            return Ok(Credentials::None);
        };
        if kind.kind == CredentialsKind::Env || forms::is_role_of_machine(kind) {
            return Ok(Credentials::Environment);
        }
        // One program serves all machines. Files may name machines now, or after they are configured anew.
        let machine = if kind.kind == CredentialsKind::Command { "" } else { machine };
        let key = self.key(name, kind, machine)?;
        key.is_used_by(root);
        key.look();
        if kind.kind != CredentialsKind::Command {
            key.valid(self.clock.now_ns())?;
        }
        Ok(Credentials::Source(Arc::new(Shared(key))))
    }

    fn key(&self, name: &str, config: &CredentialsConfig, machine: &str) -> Result<Arc<Key>> {
        let mut keys = self.keys.lock();
        let named = (name.to_owned(), machine.to_owned());
        if let Some(key) = keys.get(&named) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(Key::new(&named, config, Arc::clone(&self.clock))?);
        keys.insert(named, Arc::clone(&key));
        Ok(key)
    }

    /// Takes over credentials that were configured anew: whoever holds a key sees it. One that is configured no more, or
    /// comes from the environment now, is kept by those who hold it.
    pub(super) fn update(&self, config: &Config) {
        self.keys.lock().retain(|(name, _), key| {
            let now = config.credentials.get(name).filter(|now| now.kind != CredentialsKind::Env);
            match now {
                Some(now) => key.configure(now),
                None => {
                    warn!(credentials = name, "credentials are gone, cold stores keep them until a restart")
                }
            }
            now.is_some()
        });
    }

    /// Looks whether files with secrets changed. Blocking.
    pub(super) fn look(&self) {
        let keys: Vec<_> = self.keys.lock().values().cloned().collect();
        for key in keys {
            key.look();
        }
    }

    /// What is wrong with keys, each by its name.
    pub(super) fn problems(&self) -> Vec<String> {
        self.keys.lock().values().filter_map(|key| key.problem()).collect()
    }
}

/// One key.
struct Key {
    name: String,
    machine: String,
    config: RwLock<CredentialsConfig>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    /// One program, or look at the files, at a time.
    renewing: tokio::sync::Mutex<()>,
    runner: RwLock<CommandRunner>,
}

/// What is held of a key.
#[derive(Default)]
struct Held {
    secret: Option<Arc<Secret>>,
    /// The files from which it was read, as they were then.
    files: Option<Vec<FileState>>,
    /// When it is to be renewed, and when it is of no use any more, in nanoseconds since 1970.
    renew_ns: i64,
    expires_ns: Option<i64>,
    /// Why it cannot be read.
    failure: Option<String>,
    /// Why a store does not take it.
    refusal: Option<String>,
    /// Whether a store has ever taken it.
    was_taken: bool,
    /// Roots that are reached with it.
    roots: Vec<String>,
}

/// A file, with its size, time of modification and number if it is there.
type FileState = (PathBuf, Option<(u64, i64, i64, u64)>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Key {
    fn new((name, machine): &KeyName, config: &CredentialsConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            name: name.clone(),
            machine: machine.clone(),
            config: RwLock::new(config.clone()),
            clock,
            held: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            runner: RwLock::new(runner(config)?),
        })
    }

    fn is_used_by(&self, root: &str) {
        let roots = &mut self.held.lock().roots;
        if !roots.iter().any(|known| known == root) {
            roots.push(root.to_owned());
        }
    }

    fn configure(&self, config: &CredentialsConfig) {
        if *self.config.read() == *config {
            return;
        }
        // Limits of nothing are no configuration: it was checked.
        if let Ok(runner) = runner(config) {
            *self.runner.write() = runner;
        }
        *self.config.write() = config.clone();
        let mut held = self.held.lock();
        (held.files, held.renew_ns) = (None, 0);
    }

    fn is_printed(&self) -> bool {
        self.config.read().kind == CredentialsKind::Command
    }

    /// Reads the secret if its files changed. Blocking.
    fn look(&self) {
        let config = self.config.read().clone();
        if config.kind == CredentialsKind::Command {
            return;
        }
        let files: Vec<FileState> = forms::files(&config).into_iter().map(state_of).collect();
        if self.held.lock().files.as_ref() == Some(&files) {
            return;
        }
        let read = forms::read(&config, &self.machine);
        self.held.lock().files = Some(files);
        self.take(read.map(|secret| Printed { secret, expires_ns: None }));
    }

    /// Takes over what was read; what cannot be read leaves in force what there is.
    fn take(&self, read: Result<Printed>) {
        let now_ns = self.clock.now_ns();
        let mut held = self.held.lock();
        let printed = match read {
            Ok(printed) => printed,
            Err(error) => {
                held.renew_ns = now_ns.saturating_add(nanoseconds(ASKED_AGAIN_AFTER));
                let failure = error.to_string();
                if held.failure.as_ref() != Some(&failure) {
                    warn!(credentials = self.name, error = failure, "credentials cannot be read");
                    held.failure = Some(failure);
                }
                return;
            }
        };
        held.failure = None;
        held.expires_ns = printed.expires_ns;
        held.renew_ns = renewed_at(now_ns, printed.expires_ns);
        if held.secret.as_deref() != Some(&printed.secret) {
            info!(credentials = self.name, "credentials read");
            held.secret = Some(Arc::new(printed.secret));
            (held.refusal, held.was_taken) = (None, false);
        }
    }

    /// The secret that is held, if it is valid.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if none could be read, [`ErrorKind::Unavailable`] if it has expired.
    fn valid(&self, now_ns: i64) -> Result<Arc<Secret>> {
        let held = self.held.lock();
        let named = |why: &str| format!("[credentials.{}]: {why}", self.name);
        match &held.secret {
            Some(secret) if held.expires_ns.is_none_or(|expires_ns| now_ns < expires_ns) => {
                Ok(Arc::clone(secret))
            }
            Some(_) => {
                let kind = ErrorKind::Unavailable { retry_after: ASKED_AGAIN_AFTER };
                Err(Error::new(kind, named(held.failure.as_deref().unwrap_or("they have expired"))))
            }
            None => Err(Error::invalid_input(named(held.failure.as_deref().unwrap_or("not read yet")))),
        }
    }

    /// Runs the program if what it printed is to be renewed. Who comes meanwhile waits only if there is nothing else.
    async fn renew(&self) {
        let is_due = || self.clock.now_ns() >= self.held.lock().renew_ns;
        if !is_due() {
            return;
        }
        let Some(_turn) = self.turn().await else { return };
        if is_due() {
            let command = self.config.read().command.clone();
            let printed = self.print(command).await;
            self.take(printed);
        }
    }

    /// Looks at the files, once for all who ask meanwhile. They wait only if there is nothing else.
    async fn look_again(self: &Arc<Self>) -> Result<()> {
        let Some(_turn) = self.turn().await else { return Ok(()) };
        let looked = Arc::clone(self);
        tokio::task::spawn_blocking(move || looked.look())
            .await
            .map_err(|cause| Error::internal("credentials were not looked at").with_source(cause))
    }

    /// The right to renew the secret; `None` while somebody else does, if the one that is held is still valid.
    async fn turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        match self.valid(self.clock.now_ns()) {
            Ok(_) => self.renewing.try_lock().ok(),
            Err(_) => Some(self.renewing.lock().await),
        }
    }

    async fn print(&self, command: Vec<String>) -> Result<Printed> {
        let arguments = command.into_iter().map(Into::into).collect();
        let runner = self.runner.read().clone();
        let output = runner.run(arguments, None).await?;
        match output.code {
            Some(0) => forms::printed(&output.stdout, self.clock.now_ns()),
            // What it says may hold secrets.
            Some(code) => Err(Error::invalid_input(format!("the program ended with {code}"))),
            None => Err(Error::invalid_input("the program was ended by a signal")),
        }
    }

    fn problem(&self) -> Option<String> {
        let held = self.held.lock();
        let refused = |why: &String| format!("the store does not take them: {why}");
        let why = held.failure.clone().or_else(|| held.refusal.as_ref().map(refused))?;
        let roots: Vec<String> = held.roots.iter().map(|root| format!("[roots.{root}]")).collect();
        Some(format!("credentials: [credentials.{}] of {}: {why}", self.name, roots.join(", ")))
    }
}

/// A key as those who send requests hold it.
#[derive(Debug)]
struct Shared(Arc<Key>);

#[async_trait]
impl CredentialSource for Shared {
    async fn secret(&self) -> Result<Arc<Secret>> {
        let key = &self.0;
        if key.is_printed() {
            key.renew().await;
        } else {
            key.look_again().await?;
        }
        // Not the kind of a mistake in a request: the client's was sound.
        let later = |error: Error| {
            let kind = ErrorKind::Unavailable { retry_after: ASKED_AGAIN_AFTER };
            Error::new(kind, error.to_string())
        };
        key.valid(key.clock.now_ns()).map_err(later)
    }

    fn refused(&self, secret: &Arc<Secret>, refusal: Refusal<'_>) {
        let key = &self.0;
        let mut held = key.held.lock();
        if !held.secret.as_ref().is_some_and(|held| Arc::ptr_eq(held, secret)) {
            return;
        }
        // There may be another one in its files by now.
        let why = match refusal {
            Refusal::Wrong(why) => why,
            Refusal::Denied(why) if !held.was_taken => why,
            Refusal::Denied(_) => return,
        };
        // A program may have a new one before the time, however often it printed this one again.
        let soon_ns = key.clock.now_ns().saturating_add(nanoseconds(ASKED_AGAIN_AFTER));
        held.renew_ns = held.renew_ns.min(soon_ns);
        if held.refusal.is_none() {
            warn!(credentials = key.name, reason = why, "a store does not take these credentials");
            held.refusal = Some(why.to_owned());
        }
    }

    fn taken(&self, secret: &Arc<Secret>) {
        let mut held = self.0.held.lock();
        if held.secret.as_ref().is_some_and(|held| Arc::ptr_eq(held, secret)) {
            (held.refusal, held.was_taken) = (None, true);
        }
    }
}

/// Runs the program of credentials, on the machine's own clock: it runs in real time.
fn runner(config: &CredentialsConfig) -> Result<CommandRunner> {
    let limits = CommandLimits {
        at_once: PROGRAMS_AT_ONCE,
        time_limit: config.command_timeout.0,
        max_output_bytes: MAX_PRINTED_BYTES,
    };
    CommandRunner::new(limits, StoreContext::new(Vec::new()))
}

/// When a secret that was read at a time is renewed.
fn renewed_at(now_ns: i64, expires_ns: Option<i64>) -> i64 {
    let Some(expires_ns) = expires_ns else { return now_ns.saturating_add(nanoseconds(COUNTS_FOR)) };
    let lasts_ns = expires_ns.saturating_sub(now_ns).max(0);
    expires_ns.saturating_sub(nanoseconds(RENEWED_BEFORE).min(lasts_ns / 10))
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn state_of(path: PathBuf) -> FileState {
    let metadata = path.metadata().ok();
    let state = metadata.map(|found| (found.len(), found.mtime(), found.mtime_nsec(), found.ino()));
    (path, state)
}

#[cfg(test)]
mod tests;
