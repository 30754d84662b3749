//! Bringing the files of a batch online: looked at first, then asked for in groups, each failure its own.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::join_all;
use rustix::fs::{Advice, Mode, OFlags};
use thermocline_core::cold::batches::{Item, Step};
use thermocline_core::cold::command::{CommandTemplate, Slot, Values, reason};
use thermocline_core::cold::{ColdObject, FailureCause, ObjectId, StageFailure, StageState};
use thermocline_core::{Error, Result};
use tracing::warn;

use crate::Shared;
use crate::config::{FileState, RecallInput, Trigger};
use crate::state::Seen;

impl Shared {
    /// Brings what is offline of a batch online, to the point where the file system has accepted it.
    pub(crate) async fn work_off(self: Arc<Self>, key: String, objects: Vec<ColdObject>) {
        let looks = self.look(&objects).await;
        let mut cold = Vec::new();
        for (object, look) in objects.into_iter().zip(looks) {
            let step = match look {
                Ok(seen) if seen.state.is_online() => Step::Staged,
                Ok(Seen { state: FileState::Lost, .. }) => Step::Failed(lost(&object)),
                Ok(_) => {
                    cold.push(object);
                    continue;
                }
                Err(error) => Step::Failed(StageFailure::from(&error)),
            };
            self.batches.set(&key, [(object.id, step)]);
        }
        let size = self.group_size();
        let groups: Vec<Vec<ColdObject>> = cold.chunks(size).map(<[_]>::to_vec).collect();
        let recall = |group: Vec<ColdObject>| self.recall_group(&key, group);
        futures::stream::iter(groups).for_each_concurrent(self.config.commands_at_once, recall).await;
    }

    /// Files that one command is given.
    fn group_size(&self) -> usize {
        let takes_many = |template: &CommandTemplate| {
            template.takes("paths") || self.config.recall_input == RecallInput::Lines
        };
        match &self.templates.recall {
            Some(template) if takes_many(template) => self.config.files_per_command,
            _ => 1,
        }
    }

    async fn recall_group(&self, key: &str, group: Vec<ColdObject>) {
        // While it waits here, what it waits for can be cancelled.
        let Ok(slot) = self.recall_runner.enter().await else { return };
        let asked = self.batches.take_waiting(key, &group);
        match self.ask(slot, &asked).await {
            Ok(()) => self.accepted(key, &asked),
            Err(failure) if is_of_one(&failure) && asked.len() > 1 => {
                // One bad path among many: whose fault it was, each shows by itself.
                join_all(asked.into_iter().map(|object| self.recall_one(key, object))).await;
            }
            Err(failure) => self.failed(key, asked, failure).await,
        }
    }

    async fn recall_one(&self, key: &str, object: ColdObject) {
        let Ok(slot) = self.recall_runner.enter().await else { return };
        match self.ask(slot, std::slice::from_ref(&object)).await {
            Ok(()) => self.accepted(key, &[object]),
            Err(failure) => self.failed(key, vec![object], failure).await,
        }
    }

    fn accepted(&self, key: &str, objects: &[ColdObject]) {
        let step = Step::Accepted { at_ns: self.clock.now_ns(), is_moving: false };
        self.batches.set(key, objects.iter().map(|object| (object.id.clone(), step.clone())));
    }

    /// Notes a failure for those that are not online all the same.
    async fn failed(&self, key: &str, objects: Vec<ColdObject>, failure: StageFailure) {
        let looks = self.look(&objects).await;
        for (object, look) in objects.into_iter().zip(looks) {
            let step = match look {
                Ok(seen) if seen.state.is_online() => Step::Staged,
                Err(error) if StageFailure::from(&error).cause.is_final() => {
                    Step::Failed(StageFailure::from(&error))
                }
                _ => Step::Failed(failure.clone()),
            };
            self.batches.set(key, [(object.id, step)]);
        }
    }

    /// Asks the file system for files.
    async fn ask(&self, slot: Slot, objects: &[ColdObject]) -> Result<(), StageFailure> {
        if objects.is_empty() {
            return Ok(());
        }
        match (&self.templates.recall, self.config.trigger) {
            (Some(template), _) => self.run(slot, template, objects, self.config.recall_input).await,
            (None, Trigger::Fadvise) => {
                self.advise(objects).await.map_err(|error| StageFailure::from(&error))
            }
            (None, _) => Err(StageFailure::retryable("no command brings files online")),
        }
    }

    /// Runs a command on files.
    pub(crate) async fn run(
        &self,
        slot: Slot,
        template: &CommandTemplate,
        objects: &[ColdObject],
        input: RecallInput,
    ) -> Result<(), StageFailure> {
        let paths: Vec<&str> = objects.iter().map(|object| &*object.href).collect();
        let lines = match input {
            RecallInput::None => None,
            RecallInput::Lines => Some(as_lines(&paths)?),
        };
        let values = Values { named: paths.first().map(|path| ("path", *path)).into_iter().collect(), paths };
        let arguments = template.arguments(&values).map_err(|error| StageFailure::from(&error))?;
        let output = slot.run(arguments, lines).await.map_err(|error| StageFailure::from(&error))?;
        let Some(cause) = self.config.exit_codes.meaning(output.code).cause(self.config.busy_after) else {
            return Ok(());
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

    /// Tells the kernel that the files will be read.
    async fn advise(&self, objects: &[ColdObject]) -> Result<()> {
        let answers = self.files.look(objects, |object, file| {
            let failed = |cause: rustix::io::Errno| {
                Error::internal(format!("cannot announce the reading of {}", object.id))
                    .with_source(std::io::Error::from(cause))
            };
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let open = rustix::fs::open(&file.path, flags, Mode::empty()).map_err(failed)?;
            rustix::fs::fadvise(&open, 0, None, Advice::WillNeed).map_err(failed)
        });
        answers.await.into_iter().collect()
    }

    /// How far each object of a batch is, by what its file shows; `None` if the batch is not known.
    pub(crate) async fn progress_of(&self, key: &str) -> Option<Vec<(ObjectId, StageState)>> {
        let items = self.batches.items(key)?;
        let is_under_way = |item: &&Item| matches!(item.step, Step::Asked | Step::Accepted { .. });
        let under_way: Vec<&Item> = items.iter().filter(is_under_way).collect();
        let objects: Vec<ColdObject> = under_way.iter().map(|item| item.object.clone()).collect();
        let looks = self.look(&objects).await;
        let steps = under_way
            .iter()
            .zip(&looks)
            .filter_map(|(item, look)| Some((item.object.id.clone(), self.next_step(item, look.as_ref())?)));
        self.batches.set(key, steps);
        let items = self.batches.items(key)?;
        Some(items.into_iter().map(|item| (item.object.id, item.step.state(None))).collect())
    }

    /// What becomes of a file that was asked for, if what it shows changes anything.
    fn next_step(&self, item: &Item, look: Result<&Seen, &Error>) -> Option<Step> {
        let seen = match look {
            Ok(seen) => seen,
            Err(error) => {
                let failure = StageFailure::from(error);
                return failure.cause.is_final().then_some(Step::Failed(failure));
            }
        };
        let accepted = match item.step {
            Step::Accepted { at_ns, is_moving } => Some((at_ns, is_moving)),
            _ => None,
        };
        match (seen.state, accepted) {
            (FileState::Online | FileState::Both, _) => Some(Step::Staged),
            (FileState::Lost, _) => Some(Step::Failed(lost(&item.object))),
            (FileState::Recalling, Some((at_ns, false))) => Some(Step::Accepted { at_ns, is_moving: true }),
            (FileState::Nearline, Some((_, true))) => {
                Some(Step::Failed(StageFailure::retryable("the file system gave up the recall")))
            }
            (_, Some((at_ns, _))) => {
                let age_ns = self.clock.now_ns().saturating_sub(at_ns);
                let is_late = i128::from(age_ns)
                    > i128::try_from(self.config.online_within.as_nanos()).unwrap_or(i128::MAX);
                let reason = format!(
                    "the recall was accepted, and the file not online within {:?}",
                    self.config.online_within
                );
                is_late.then(|| Step::Failed(StageFailure::retryable(reason)))
            }
            (_, None) => None,
        }
    }
}

fn lost(object: &ColdObject) -> StageFailure {
    StageFailure { cause: FailureCause::Lost, reason: format!("no copy of {} is left", object.id) }
}

/// True for failures that may be those of one path among several.
fn is_of_one(failure: &StageFailure) -> bool {
    !matches!(failure.cause, FailureCause::Retryable { after: Some(_) })
}

/// Paths as a command reads them; one that has a line break in it cannot be told so.
fn as_lines(paths: &[&str]) -> Result<Vec<u8>, StageFailure> {
    if paths.iter().any(|path| path.contains(['\n', '\r'])) {
        let reason = "a path has a line break in it, and the command reads lines".to_owned();
        return Err(StageFailure { cause: FailureCause::Denied, reason });
    }
    Ok(paths.iter().flat_map(|path| [path.as_bytes(), b"\n"].concat()).collect())
}
