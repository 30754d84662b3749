//! Drives the engine: gathers what has happened, lets the rules decide, makes it durable, tells it, begins what
//! follows.
//!
//! One task does this in turns. Whatever happens during a turn waits for the next one, so that a thousand
//! transitions share one flush of the disk.

mod actions;
mod late;
mod tell;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Shared;
use super::Tally;
use super::book::RequestHead;
use super::engine::{AdmittedRow, Engine, Happening, Note, Now, Outbox};
use super::tables::{self, Written};
use crate::{Error, Result};
use late::Late;

/// Most happenings in one turn.
const TOGETHER: usize = 2048;

/// How long a turn waits for something to happen at most: clocks may jump.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// How long to wait before a write that failed is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// Something for the engine.
pub(super) enum Input {
    /// Something has happened.
    Happened(Happening),
    /// A request was accepted, durably.
    Admit(Box<Admission>),
    /// Somebody wants something; refused with the error while nothing can be kept.
    Call(Box<Call>),
}

/// What somebody wants of the engine.
pub(super) type Call = dyn FnOnce(Result<&mut Engine>, Now) + Send;

/// A request that was accepted.
pub(super) struct Admission {
    pub(super) head: RequestHead,
    pub(super) tallies: [Tally; 8],
    pub(super) reason: Option<String>,
    pub(super) rows: Vec<AdmittedRow>,
}

/// The task.
pub(super) struct Driver {
    shared: Arc<Shared>,
    inputs: mpsc::Receiver<Input>,
    /// What came while nothing could be kept, or while there was enough to be kept first.
    late: Late,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, inputs: mpsc::Receiver<Input>) -> Self {
        Self { shared, inputs, late: Late::default() }
    }

    /// Runs until it is told to stop. All that was decided is written then.
    pub(super) async fn run(mut self) {
        let mut is_more = true;
        let space = self.shared.space.clone();
        // Registered before the rules look for space: a change in between is not missed.
        let mut space_changed = std::pin::pin!(space.changed());
        loop {
            let inputs = if is_more { self.waiting() } else { self.gather(space_changed.as_mut()).await };
            space_changed.set(space.changed());
            let (out, more) = self.turn(inputs);
            is_more = more;
            self.carry_out(out).await;
            if self.shared.stop.is_cancelled() {
                return;
            }
        }
    }

    /// What waits already.
    fn waiting(&mut self) -> Vec<Input> {
        let mut inputs: Vec<Input> = self.late.take();
        while inputs.len() < TOGETHER
            && let Ok(input) = self.inputs.try_recv()
        {
            inputs.push(input);
        }
        inputs
    }

    /// Waits until there is something to do.
    async fn gather(&mut self, space_changed: Pin<&mut impl Future<Output = ()>>) -> Vec<Input> {
        if !self.late.is_empty() {
            return self.waiting();
        }
        let now = self.shared.now();
        let (idle_ns, lacks_space) = {
            let engine = self.shared.engine.lock();
            (engine.idle_ns(now), engine.lacks_space())
        };
        let idle = idle_ns.map(|ns| Duration::from_nanos(u64::try_from(ns).unwrap_or_default()));
        let idle = idle.unwrap_or(LONGEST_IDLE).min(LONGEST_IDLE);
        let first = tokio::select! {
            input = self.inputs.recv() => input,
            () = self.shared.clock.sleep(idle) => None,
            () = space_changed, if lacks_space => {
                self.shared.engine.lock().space_has_changed();
                None
            }
            () = self.shared.stop.cancelled() => None,
        };
        let mut inputs: Vec<Input> = first.into_iter().collect();
        inputs.extend(self.waiting());
        inputs
    }

    /// Lets the rules decide.
    fn turn(&mut self, inputs: Vec<Input>) -> (Outbox, bool) {
        let now = self.shared.now();
        let mut engine = self.shared.engine.lock();
        engine.has_listeners = self.shared.events.receiver_count() > 0;
        for input in inputs {
            match input {
                // What somebody waits for is small, and is decided at once.
                Input::Happened(_) if engine.has_decided_enough() => self.late.keep(input),
                Input::Happened(happening) => engine.happened(happening, now),
                Input::Admit(admission) => {
                    let Admission { head, tallies, reason, rows } = *admission;
                    engine.admit(head, tallies, reason.as_deref(), rows);
                }
                Input::Call(call) => call(Ok(&mut engine), now),
            }
        }
        let is_more = engine.go_on(now);
        (engine.out.take(), is_more || !self.late.is_empty())
    }

    /// Writes, then tells, then begins.
    async fn carry_out(&mut self, out: Outbox) {
        if out.is_empty() {
            return;
        }
        let Outbox { ops, events, mut notes, actions, .. } = out;
        let ops = Arc::new(ops);
        let written = if ops.is_empty() {
            Written::default()
        } else {
            match self.write(&ops, !events.is_empty(), &mut notes).await {
                Some(written) => written,
                None => return,
            }
        };
        self.shared.tell(notes);
        self.shared.publish(&ops, events, &written);
        if written.has_deliveries {
            self.shared.deliveries.notify_one();
        }
        self.shared.watchers.wake(&ops);
        self.shared.tell_onlooker(&ops);
        for action in actions {
            Shared::begin(&self.shared, action);
        }
    }

    /// Writes until it has worked, or until the end. Who waits for an answer is told at the first failure that
    /// nothing was kept.
    async fn write(
        &mut self,
        ops: &Arc<Vec<tables::Op>>,
        with_spellings: bool,
        notes: &mut Vec<Note>,
    ) -> Option<Written> {
        loop {
            let these = Arc::clone(ops);
            let write = move |tables: &rusqlite::Connection| tables::write(tables, &these, with_spellings);
            match self.shared.database.write(write).await {
                Ok(written) => return Some(written),
                Err(error) => {
                    tracing::error!(%error, n_changes = ops.len(), "changes of requests cannot be written, will retry");
                    refuse_replies(notes, &error);
                    if self.shared.stop.is_cancelled() {
                        return None;
                    }
                    self.refuse_calls(&error).await;
                }
            }
        }
    }

    /// Refuses calls for a while, and keeps all else for later.
    async fn refuse_calls(&mut self, error: &Error) {
        let shared = Arc::clone(&self.shared);
        let mut pause = std::pin::pin!(shared.clock.sleep(WRITE_AGAIN));
        loop {
            tokio::select! {
                () = &mut pause => return,
                () = shared.stop.cancelled() => return,
                input = self.inputs.recv() => match input {
                    Some(Input::Call(call)) => call(Err(same(error)), shared.now()),
                    Some(input) => self.late.keep(input),
                    None => return pause.await,
                },
            }
        }
    }
}

/// Tells all who wait for an answer that nothing was kept.
fn refuse_replies(notes: &mut Vec<Note>, error: &Error) {
    let all = std::mem::take(notes);
    for note in all {
        match note {
            Note::Reply(reply) => reply(Err(same(error))),
            note => notes.push(note),
        }
    }
}

/// The same error for one who waits: nothing was acknowledged, asking again is right.
fn same(error: &Error) -> Error {
    let kind = crate::ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
    Error::new(kind, format!("the request cannot be kept: {error}"))
}
