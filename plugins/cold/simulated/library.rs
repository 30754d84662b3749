//! The library itself: drives, tapes, what waits and what is staged. Pure: time and files come as arguments.
//!
//! Nothing runs in the background. Whoever looks says what time it is, and everything that has happened since
//! happens then, in the order of its time: the same inputs at the same times give the same library, whoever
//! looked in between. So it can be made again from a list of its inputs (`journal`).

mod advance;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thermocline_core::cold::{FailureCause, ObjectId, StageFailure, StageState};
use thermocline_core::staging::tape::Media;

use crate::config::{Config, FaultKind};
use crate::faults::{Attempts, Faults, Mishap};

/// How a library works.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) n_drives: usize,
    pub(crate) media: Media,
    pub(crate) speed: f64,
    pub(crate) keep_batches: Duration,
    pub(crate) faults: Faults,
}

impl Rules {
    pub(crate) fn new(config: &Config) -> thermocline_core::Result<Self> {
        let faults = Faults::new(config.checked_faults()?, config.seed);
        let (n_drives, speed, keep_batches) = (config.drives, config.speed, config.keep_batches);
        Ok(Self { n_drives, media: config.media(), speed, keep_batches, faults })
    }
}

/// A file that a batch names, as the library's catalog has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TapeFile {
    pub(crate) root: String,
    pub(crate) path: String,
    pub(crate) len_bytes: u64,
    pub(crate) tape: String,
    pub(crate) position: u64,
}

impl TapeFile {
    /// The name by which the library knows the file.
    pub(crate) fn key(&self) -> Key {
        Key(self.root.clone(), self.path.clone())
    }
}

/// Names a file in the library: root and path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key(String, String);

impl Key {
    pub(crate) fn of(id: &ObjectId) -> Self {
        Self(id.root().to_owned(), id.path().to_owned())
    }

    pub(crate) fn id(&self) -> Option<ObjectId> {
        ObjectId::new(self.0.as_str(), &self.1).ok()
    }
}

/// A batch as it arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewBatch {
    pub(crate) key: String,
    /// The files, and why those fail at once that the catalog does not have.
    pub(crate) files: Vec<Result<TapeFile, (Key, Failure)>>,
    pub(crate) lifetime_ns: i64,
    pub(crate) is_interactive: bool,
}

/// Why an object was not brought online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    cause: Cause,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Cause {
    NotFound,
    Denied,
    Lost,
    Retryable,
}

impl From<StageFailure> for Failure {
    fn from(failure: StageFailure) -> Self {
        let cause = match failure.cause {
            FailureCause::NotFound => Cause::NotFound,
            FailureCause::Denied => Cause::Denied,
            FailureCause::Lost => Cause::Lost,
            FailureCause::Retryable { .. } | FailureCause::Busy { .. } => Cause::Retryable,
        };
        Self { cause, reason: failure.reason }
    }
}

impl From<Failure> for StageFailure {
    fn from(failure: Failure) -> Self {
        let cause = match failure.cause {
            Cause::NotFound => FailureCause::NotFound,
            Cause::Denied => FailureCause::Denied,
            Cause::Lost => FailureCause::Lost,
            Cause::Retryable => FailureCause::Retryable { after: None },
        };
        Self { cause, reason: failure.reason }
    }
}

/// All that the library knows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Library {
    now_ns: i64,
    drives: Vec<Drive>,
    /// For each tape what waits for it, in the order in which it is read.
    #[serde(with = "pairs")]
    waiting: BTreeMap<String, BTreeSet<(Turn, Key)>>,
    #[serde(with = "pairs")]
    recalls: HashMap<Key, Recall>,
    batches: HashMap<String, Batch>,
    #[serde(with = "pairs")]
    staged: HashMap<Key, Copy>,
    attempts: Attempts,
    n_recalls: u64,
    n_mounts: u64,
    next_turn: u64,
    next_sweep_ns: i64,
    /// Recalls that have ended and that nobody has taken note of.
    ended: Vec<EndedRecall>,
}

/// Who comes first: those for whom somebody waits, then by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Turn {
    can_wait: bool,
    arrival: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Drive {
    tape: Option<String>,
    /// Where on the tape the head is, in bytes from its start.
    head: u64,
    reads: Option<Key>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Recall {
    file: TapeFile,
    turn: Turn,
    /// Keys of the batches that want it.
    batches: Vec<String>,
    lifetime_ns: i64,
    run: Option<Run>,
}

/// A recall in a drive.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Run {
    began_ns: i64,
    reads_from_ns: i64,
    /// `None` if it never ends.
    ends_ns: Option<i64>,
    fault: Option<FaultKind>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Batch {
    #[serde(with = "pairs")]
    files: BTreeMap<Key, FileState>,
    touched_ns: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum FileState {
    Wanted,
    Staged { is_lie: bool },
    Failed(Failure),
    Cancelled,
}

/// A staged copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copy {
    until_ns: i64,
    /// Whether one bit of it is wrong.
    pub(crate) is_corrupt: bool,
}

/// A recall that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedRecall {
    /// Name of the object's root.
    pub root: String,
    /// Its path below it.
    pub path: String,
    /// When the drive took it up, in nanoseconds since 1970.
    pub began_ns: i64,
    /// When it ended.
    pub ended_ns: i64,
    /// The tape from which it was read.
    pub tape: String,
    /// `online`, `failed`, `lost`, `denied`, `corrupt` or `lie`.
    pub result: String,
}

impl Library {
    pub(crate) fn now_ns(&self) -> i64 {
        self.now_ns
    }

    /// Recalls that were begun.
    pub(crate) fn n_recalls(&self) -> u64 {
        self.n_recalls
    }

    pub(crate) fn n_mounts(&self) -> u64 {
        self.n_mounts
    }

    /// Recalls that wait.
    pub(crate) fn n_waiting(&self) -> usize {
        self.waiting.values().map(BTreeSet::len).sum()
    }

    /// Recalls that have ended since this was asked last.
    pub(crate) fn take_ended(&mut self) -> Vec<EndedRecall> {
        std::mem::take(&mut self.ended)
    }

    /// The staged copy of a file, if there is one at this time.
    pub(crate) fn copy(&self, key: &Key) -> Option<Copy> {
        self.staged.get(key).filter(|copy| copy.until_ns > self.now_ns).copied()
    }

    pub(crate) fn knows(&self, batch: &str) -> bool {
        self.batches.contains_key(batch)
    }

    /// Forgets which batches there were, but not what they brought.
    pub(crate) fn forget_batches(&mut self) {
        self.batches.clear();
        for recall in self.recalls.values_mut() {
            recall.batches.clear();
        }
    }

    /// Accepts a batch. A file that is staged, or under way for another batch, is not recalled again.
    pub(crate) fn accept(&mut self, rules: &Rules, batch: NewBatch) {
        if self.knows(&batch.key) {
            return;
        }
        self.sweep(rules);
        let mut files = BTreeMap::new();
        for file in batch.files {
            let (key, state) = match file {
                Ok(file) => {
                    (file.key(), self.want(&batch.key, file, (batch.lifetime_ns, batch.is_interactive)))
                }
                Err((key, failure)) => (key, FileState::Failed(failure)),
            };
            files.insert(key, state);
        }
        self.batches.insert(batch.key, Batch { files, touched_ns: self.now_ns });
        self.start_drives(rules);
    }

    fn want(&mut self, batch: &str, file: TapeFile, (lifetime_ns, is_interactive): (i64, bool)) -> FileState {
        let key = file.key();
        let until_ns = self.now_ns.saturating_add(lifetime_ns);
        if self.copy(&key).is_some()
            && let Some(copy) = self.staged.get_mut(&key)
        {
            copy.until_ns = copy.until_ns.max(until_ns);
            return FileState::Staged { is_lie: false };
        }
        let turn = Turn { can_wait: !is_interactive, arrival: self.next_turn };
        self.next_turn += 1;
        let recall = self.recalls.entry(key.clone()).or_insert_with(|| {
            self.waiting.entry(file.tape.clone()).or_default().insert((turn, key.clone()));
            Recall { file, turn, batches: Vec::new(), lifetime_ns, run: None }
        });
        recall.lifetime_ns = recall.lifetime_ns.max(lifetime_ns);
        if !recall.batches.iter().any(|known| known == batch) {
            recall.batches.push(batch.to_owned());
        }
        if recall.turn.can_wait && is_interactive && recall.run.is_none() {
            let waiting = self.waiting.entry(recall.file.tape.clone()).or_default();
            waiting.remove(&(recall.turn, key.clone()));
            recall.turn.can_wait = false;
            waiting.insert((recall.turn, key));
        }
        FileState::Wanted
    }

    /// How far each file of a batch is; `None` if the batch is not known.
    pub(crate) fn progress(&self, batch: &str) -> Option<Vec<(Key, StageState)>> {
        let batch = self.batches.get(batch)?;
        Some(batch.files.iter().map(|(key, state)| (key.clone(), self.state(key, state))).collect())
    }

    fn state(&self, key: &Key, state: &FileState) -> StageState {
        match state {
            FileState::Failed(failure) => StageState::Failed(failure.clone().into()),
            FileState::Staged { is_lie: true } => StageState::Staged,
            FileState::Staged { .. } if self.copy(key).is_some() => StageState::Staged,
            FileState::Staged { .. } | FileState::Cancelled => StageState::Unknown,
            FileState::Wanted => match self.recalls.get(key) {
                None => StageState::Unknown,
                Some(Recall { run: None, .. }) => StageState::Queued,
                Some(Recall { run: Some(run), file, .. }) => {
                    StageState::Active { done_bytes: Some(run.done_bytes(self.now_ns, file.len_bytes)) }
                }
            },
        }
    }

    /// Drops a batch's interest in some of its files. A recall that nobody wants any more is not begun.
    pub(crate) fn cancel(&mut self, rules: &Rules, batch: &str, files: &[Key]) {
        let Some(found) = self.batches.get_mut(batch) else { return };
        let mut dropped = Vec::new();
        for key in files {
            let Some(state @ FileState::Wanted) = found.files.get_mut(key) else { continue };
            *state = FileState::Cancelled;
            let Some(recall) = self.recalls.get_mut(key) else { continue };
            recall.batches.retain(|known| known != batch);
            let is_stoppable = recall.run.as_ref().is_none_or(|run| run.ends_ns.is_none());
            if recall.batches.is_empty() && is_stoppable {
                dropped.push((recall.file.tape.clone(), (recall.turn, key.clone())));
                self.recalls.remove(key);
            }
        }
        for (tape, entry) in dropped {
            self.remove_waiting(&tape, &entry);
        }
        self.start_drives(rules);
    }

    /// Ends the lifetime of copies.
    pub(crate) fn release(&mut self, files: &[Key]) {
        for key in files {
            self.staged.remove(key);
        }
    }

    /// Forgets what nobody can ask about any more: from time to time, for it looks at everything.
    fn sweep(&mut self, rules: &Rules) {
        if self.now_ns < self.next_sweep_ns {
            return;
        }
        let keep_ns = nanoseconds(rules.keep_batches);
        self.next_sweep_ns = self.now_ns.saturating_add((keep_ns / 8).max(1_000_000_000));
        let now_ns = self.now_ns;
        self.staged.retain(|_, copy| copy.until_ns > now_ns);
        self.batches.retain(|_, batch| {
            let is_open = batch.files.values().any(|state| matches!(state, FileState::Wanted));
            is_open || batch.touched_ns.saturating_add(keep_ns) > now_ns
        });
    }

    fn remove_waiting(&mut self, tape: &str, entry: &(Turn, Key)) {
        if let Some(waiting) = self.waiting.get_mut(tape) {
            waiting.remove(entry);
            if waiting.is_empty() {
                self.waiting.remove(tape);
            }
        }
    }
}

impl Run {
    fn done_bytes(&self, now_ns: i64, len_bytes: u64) -> u64 {
        let Some(ends_ns) = self.ends_ns else { return 0 };
        let reading_ns = (ends_ns - self.reads_from_ns).max(1) as f64;
        let part = (now_ns - self.reads_from_ns) as f64 / reading_ns;
        (part.clamp(0.0, 1.0) * len_bytes as f64) as u64
    }
}

/// A duration in nanoseconds, as clocks count.
pub(crate) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Maps whose keys are no texts, as lists of pairs.
mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<'a, K, V, M, S>(map: &'a M, serializer: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize + 'a,
        V: Serialize + 'a,
        &'a M: IntoIterator<Item = (&'a K, &'a V)>,
        S: Serializer,
    {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, M, D>(deserializer: D) -> Result<M, D::Error>
    where
        K: Deserialize<'de>,
        V: Deserialize<'de>,
        M: FromIterator<(K, V)>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// What ends a recall that goes wrong.
fn failure(kind: FaultKind) -> Option<Failure> {
    let (cause, reason) = match kind {
        FaultKind::Fail => (Cause::Retryable, "the drive failed while it read"),
        FaultKind::Lost => (Cause::Lost, "the tape cannot be read any more"),
        FaultKind::Denied => (Cause::Denied, "the library denies the recall"),
        FaultKind::Slow | FaultKind::Corrupt | FaultKind::Lie | FaultKind::Busy | FaultKind::Stall => {
            return None;
        }
    };
    Some(Failure { cause, reason: reason.to_owned() })
}

/// What is wrong with the next recall of a file.
fn mishap(rules: &Rules, key: &Key, attempts: &mut Attempts) -> Mishap {
    key.id().map_or_else(Mishap::default, |id| rules.faults.next_recall(&id, attempts))
}
