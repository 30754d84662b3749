//! Bringing the objects of a batch online: looked at first, then asked for one by one, each failure its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use thermocline_core::cold::batches::{Item, Step};
use thermocline_core::cold::{
    ColdObject, FailureCause, ObjectId, StageFailure, StageRequest, StageState, StageTicket,
};
use thermocline_core::{Error, ErrorKind, Result};
use tracing::warn;

use crate::Shared;
use crate::calls::Lane;
use crate::config::Tier;
use crate::running::{Absence, nanoseconds};
use crate::states::{Restored, Seen, Standing, restore_answer};
use crate::xml;

/// How long a look at an object counts before a restore is asked for.
const LOOK_COUNTS_NS: i64 = 1_000_000_000;

/// How often a store that asks to slow down, or whose answers are lost, is asked within one attempt.
const N_TRIES: u32 = 12;

/// First wait before it is asked again; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Longest wait before it is asked again.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// When objects are asked for again that a busy store did not take.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(120);

/// How much earlier than wanted a copy may end before it is prolonged at once: the share of the time wanted, and the most.
const EARLY: (u32, Duration) = (10, Duration::from_secs(3600));

/// How much earlier than asked for a copy may end and still count as kept so long.
const NEARLY: Duration = Duration::from_secs(60);

/// What is wanted of an object.
#[derive(Clone, Copy)]
struct Wanted {
    lifetime: Duration,
    is_interactive: bool,
    lane: Lane,
    /// Whether it is wanted for no longer than a batch with it is under way.
    is_for_batch: bool,
}

impl Wanted {
    fn by_batch(lifetime: Duration, is_interactive: bool) -> Self {
        let lane = if is_interactive { Lane::Urgent } else { Lane::Batch };
        Self { lifetime, is_interactive, lane, is_for_batch: true }
    }
}

impl Shared {
    /// Brings what is cold of a batch online, to the point where the store has accepted it.
    pub(crate) async fn work_off(self: Arc<Self>, request: StageRequest) {
        let wanted = Wanted::by_batch(request.lifetime, request.is_interactive);
        let (shared, key) = (&*self, &request.key);
        let work = async {
            let looked_ns = shared.clock.now_ns();
            let looks = shared.look(&request.objects, wanted.lane).await;
            let work = |(object, look): (ColdObject, Result<Seen>)| async move {
                if shared.batches.take_waiting(key, std::slice::from_ref(&object)).is_empty() {
                    return;
                }
                let step = shared.bring(&object, look.map(|seen| (seen, looked_ns)), wanted).await;
                if wanted.is_interactive {
                    shared.restores.set_urgent(&object.id);
                }
                shared.batches.set(key, [(object.id, step)]);
            };
            let each = futures::stream::iter(request.objects.clone().into_iter().zip(looks));
            each.for_each_concurrent(shared.config.connections, work).await;
        };
        tokio::select! {
            // What was not asked for yet is asked for again after the next start.
            () = self.shutdown.cancelled() => {}
            () = work => {}
        }
    }

    /// Does what is needed so that an object comes online, and gives how far it is then.
    async fn bring(&self, object: &ColdObject, look: Result<(Seen, i64)>, wanted: Wanted) -> Step {
        let (seen, looked_ns) = match look {
            Ok(look) => look,
            Err(error) => return not_looked_at(&error),
        };
        match seen.standing {
            Standing::Online => Step::Staged,
            Standing::Restored { .. } => {
                self.keep(object, &seen, wanted).await;
                Step::Staged
            }
            Standing::Restoring if !self.may_be_faster(object, &seen, wanted) => self.joined(&object.id),
            Standing::Restoring | Standing::Cold => self.ask(object, (seen, looked_ns), wanted).await,
        }
    }

    /// Asks for a restore until the store has said what comes of it. Before each time but the first it is looked whether
    /// it is needed: answers get lost, and others ask as well.
    async fn ask(&self, object: &ColdObject, look: (Seen, i64), wanted: Wanted) -> Step {
        let Some(_asking) = self.restores.ask(&object.id) else { return self.accepted() };
        let (mut seen, looked_ns) = look;
        let age_ns = self.clock.now_ns().saturating_sub(looked_ns);
        let mut is_fresh = !seen.is_presumed && (0..LOOK_COUNTS_NS).contains(&age_ns);
        let mut tier = seen.class.tier(self.config.tier_for(wanted.is_interactive));
        let (mut wait, mut reason) = (FIRST_WAIT, String::new());
        for _ in 0..N_TRIES {
            if !self.is_wanted(&object.id) {
                return Step::Cancelled;
            }
            if !is_fresh {
                seen = match self.look_at(object, wanted.lane).await {
                    Ok(seen) => seen,
                    Err(error) => return not_looked_at(&error),
                };
            }
            is_fresh = false;
            match seen.standing {
                standing if standing.is_online() => return Step::Staged,
                Standing::Restoring if !self.may_be_faster(object, &seen, wanted) => {
                    return self.joined(&object.id);
                }
                _ => {}
            }
            let is_running = seen.standing == Standing::Restoring;
            match self.restore(object, &seen, tier, wanted).await {
                Restored::Started => {
                    metrics::counter!("thermocline_glacier_restores_total", "tier" => tier.as_str())
                        .increment(1);
                    self.restores.started(&object.id, tier, self.clock.now_ns());
                    return self.kept_if_wanted(&object.id);
                }
                // A copy is there, although it was not a moment ago: what is true shows at the next look, at once.
                Restored::Prolonged => {
                    self.restores.forget(&object.id);
                    return self.accepted();
                }
                Restored::Joined => {
                    let step = self.joined(&object.id);
                    self.restores.set_tier(&object.id, tier);
                    return step;
                }
                Restored::Online => return Step::Staged,
                Restored::Cancelled => return Step::Cancelled,
                Restored::NextTier => {
                    let Some(slower) = tier.slower().filter(|_| !is_running) else {
                        return self.no_faster(object, tier, is_running);
                    };
                    tier = slower;
                    // Nothing has begun: the same look counts.
                    is_fresh = true;
                    continue;
                }
                Restored::SlowDown => "the store asked to slow down".clone_into(&mut reason),
                Restored::Unclear(why) => reason = why,
                Restored::Credentials => {
                    let reason =
                        self.calls.trouble().unwrap_or_else(|| "the credentials do not work".to_owned());
                    return busy(reason);
                }
                Restored::Failed(failure) if is_running => {
                    warn!(object = %object.id, reason = failure.reason, "a restore could not be made faster");
                    return self.joined(&object.id);
                }
                Restored::Failed(failure) => return Step::Failed(failure),
            }
            self.clock.sleep(wait.mul_f64(0.75 + 0.5 * share_of(&object.id))).await;
            wait = (wait * 2).min(MAX_WAIT);
        }
        busy(reason)
    }

    /// Nothing faster is to be had for what runs; nothing slower than the slowest for what does not.
    fn no_faster(&self, object: &ColdObject, tier: Tier, is_running: bool) -> Step {
        if !is_running {
            return busy(format!("the store has no capacity for {}", tier.as_str()));
        }
        let step = self.joined(&object.id);
        // Not asked for again: it is as if it came by that tier.
        self.restores.set_tier(&object.id, tier);
        step
    }

    /// True if a restore that runs comes faster when it is asked for once more.
    fn may_be_faster(&self, object: &ColdObject, seen: &Seen, wanted: Wanted) -> bool {
        let tier = seen.class.tier(self.config.tier_for(wanted.is_interactive));
        let usual = seen.class.tier(self.config.tier);
        wanted.is_interactive && tier > usual && self.restores.is_slower_than(&object.id, tier)
    }

    /// One request for a restore. Transport failures are unclear, never failures of the object.
    async fn restore(&self, object: &ColdObject, seen: &Seen, tier: Tier, wanted: Wanted) -> Restored {
        let place = match self.place(object) {
            Ok(place) => place,
            Err(error) => return Restored::Failed(StageFailure::from(&error)),
        };
        let days = seen.class.makes_copies().then(|| self.config.days(wanted.lifetime));
        let body = xml::restore_request(days, tier);
        let turn = match self.calls.turn(wanted.lane).await {
            Ok(turn) => turn,
            Err(error) => return Restored::Unclear(error.to_string()),
        };
        // Its turn may have been long in coming, and what is asked for from here on is paid for.
        if wanted.is_for_batch && !self.is_wanted(&object.id) {
            return Restored::Cancelled;
        }
        let request = place.bucket.restore(&place.key, body);
        let answer = match self.calls.send(turn, "restore", &place.bucket, request).await {
            Ok(answer) => answer,
            Err(error) => return Restored::Unclear(error.to_string()),
        };
        let outcome = restore_answer(answer.status.as_u16(), answer.code().as_deref());
        if matches!(outcome, Restored::Credentials | Restored::Failed(_)) {
            self.calls.complaint("restore", &place.bucket, &answer);
        }
        outcome
    }

    /// Sees to it that a copy stays as long as it is wanted. It can be read in any case.
    async fn keep(&self, object: &ColdObject, seen: &Seen, wanted: Wanted) {
        let lifetime = wanted.lifetime;
        let early = (lifetime / EARLY.0).min(EARLY.1);
        let needed_ns = self.clock.now_ns().saturating_add(nanoseconds(lifetime.saturating_sub(early)));
        if !seen.standing.ends_before(needed_ns) {
            return;
        }
        if let Err(error) = self.prolong_one(object, seen, wanted).await {
            warn!(object = %object.id, %error, "a restored copy could not be prolonged");
        }
    }

    /// Asks for another end of a copy. The end is set anew by it: it is never asked for where it would come earlier.
    async fn prolong_one(&self, object: &ColdObject, seen: &Seen, wanted: Wanted) -> Result<()> {
        let mut wait = FIRST_WAIT;
        for _ in 0..N_TRIES / 2 {
            match self.restore(object, seen, seen.class.tier(self.config.tier), wanted).await {
                Restored::Started
                | Restored::Prolonged
                | Restored::Joined
                | Restored::Online
                | Restored::Cancelled => return Ok(()),
                Restored::SlowDown | Restored::Unclear(_) => {}
                Restored::NextTier | Restored::Credentials => break,
                Restored::Failed(StageFailure { cause: FailureCause::NotFound, reason }) => {
                    return Err(Error::not_found(format!("{}: {reason}", object.id)));
                }
                Restored::Failed(StageFailure { reason, .. }) => return Err(Error::refused(reason)),
            }
            self.clock.sleep(wait).await;
            wait *= 2;
        }
        let kind = ErrorKind::Unavailable { retry_after: BUSY_RETRY_AFTER };
        Err(Error::new(kind, format!("{} could not be kept for longer", object.id)))
    }

    /// Keeps copies for at least `lifetime` from now.
    ///
    /// # Errors
    /// The first failure, when all were tried.
    pub(crate) async fn prolong_all(&self, objects: &[ColdObject], lifetime: Duration) -> Result<()> {
        // A copy that ends meanwhile is paid for again.
        let wanted = Wanted { lifetime, is_interactive: false, lane: Lane::Urgent, is_for_batch: false };
        let looks = self.look(objects, wanted.lane).await;
        let now_ns = self.clock.now_ns();
        let needed_ns = now_ns.saturating_add(nanoseconds(lifetime.saturating_sub(NEARLY)));
        let prolong = |(object, look): (ColdObject, Result<Seen>)| async move {
            let seen = look?;
            if seen.standing.ends_before(needed_ns) {
                return self.prolong_one(&object, &seen, wanted).await;
            }
            Ok(())
        };
        let each: Vec<(ColdObject, Result<Seen>)> = objects.iter().cloned().zip(looks).collect();
        let each = futures::stream::iter(each).map(prolong);
        let outcomes: Vec<Result<()>> = each.buffer_unordered(self.config.connections).collect().await;
        outcomes.into_iter().collect()
    }

    /// A restore runs, whoever has asked for it.
    pub(crate) fn joined(&self, id: &ObjectId) -> Step {
        self.restores.seen(id, self.clock.now_ns());
        self.kept_if_wanted(id)
    }

    /// Whether any batch still wants an object.
    fn is_wanted(&self, id: &ObjectId) -> bool {
        // No batch has this key.
        self.batches.is_wanted_elsewhere("", id)
    }

    /// A restore that was noted as running is forgotten if it was cancelled meanwhile: nobody asks about it any more.
    fn kept_if_wanted(&self, id: &ObjectId) -> Step {
        if self.is_wanted(id) {
            return self.accepted();
        }
        self.restores.forget(id);
        Step::Cancelled
    }

    fn accepted(&self) -> Step {
        // Never said to be moving: hours without news are usual, and no sign that anything has stalled.
        Step::Accepted { at_ns: self.clock.now_ns(), is_moving: false }
    }

    /// How far each object of a batch is. Those that are due are looked at, the others are as they were.
    pub(crate) async fn progress_of(&self, ticket: &StageTicket) -> Vec<(ObjectId, StageState)> {
        if !self.batches.knows(&ticket.key) {
            self.found_again(ticket).await;
        }
        let now_ns = self.clock.now_ns();
        let items = self.batches.items(&ticket.key).unwrap_or_default();
        let is_due = |item: &&Item| {
            matches!(item.step, Step::Accepted { .. }) && self.restores.is_due(&item.object.id, now_ns)
        };
        let due: Vec<ColdObject> = items.iter().filter(is_due).map(|item| item.object.clone()).collect();
        let lane = if self.restores.is_urgent(&due) { Lane::Urgent } else { Lane::Batch };
        let looks = self.look(&due, lane).await;
        let steps = due.into_iter().zip(looks).filter_map(|(object, look)| {
            let step = self.next_step(&object, look)?;
            Some((object.id, step))
        });
        self.batches.set(&ticket.key, steps.collect::<Vec<_>>());
        let items = self.batches.items(&ticket.key).unwrap_or_default();
        let mut states: Vec<(ObjectId, StageState)> =
            items.into_iter().map(|item| (item.object.id, item.step.state(None))).collect();
        let known: HashSet<ObjectId> = states.iter().map(|(id, _)| id.clone()).collect();
        let unknown = ticket.objects.iter().filter(|object| !known.contains(&object.id));
        states.extend(unknown.map(|object| (object.id.clone(), StageState::Unknown)));
        states
    }

    /// What becomes of an object that was asked for, if a look changes anything.
    fn next_step(&self, object: &ColdObject, look: Result<Seen>) -> Option<Step> {
        let now_ns = self.clock.now_ns();
        match look {
            Ok(seen) if seen.standing.is_online() => {
                self.restores.forget(&object.id);
                Some(Step::Staged)
            }
            Ok(seen) if seen.standing == Standing::Restoring => {
                self.joined(&object.id);
                None
            }
            Ok(_) => {
                // Somebody may have begun to ask for it while it was looked at.
                let is_over = self.restores.is_due(&object.id, now_ns)
                    && self.restores.absent(&object.id, now_ns) == Absence::Ended;
                is_over.then(|| Step::Failed(StageFailure::retryable("the restore ended without a copy")))
            }
            Err(error) if StageFailure::from(&error).cause.is_final() => {
                self.restores.forget(&object.id);
                Some(Step::Failed(StageFailure::from(&error)))
            }
            Err(_) => {
                self.restores.not_seen(&object.id, now_ns);
                None
            }
        }
    }

    /// Takes a batch up again that this server has no memory of: the bucket knows what runs. The others are asked for again.
    async fn found_again(&self, ticket: &StageTicket) {
        let looks = self.look(&ticket.objects, Lane::Batch).await;
        let is_running =
            |look: &Result<Seen>| look.as_ref().is_ok_and(|seen| seen.standing == Standing::Restoring);
        let running = ticket.objects.iter().zip(&looks).filter(|(_, look)| is_running(look));
        let objects: Vec<ColdObject> = running.map(|(object, _)| object.clone()).collect();
        let batch = StageRequest {
            key: ticket.key.clone(),
            objects,
            lifetime: Duration::ZERO,
            is_interactive: false,
        };
        if !batch.objects.is_empty() && self.batches.accept(&batch).unwrap_or(false) {
            self.restores.found_again(&batch.key);
            let steps = batch.objects.iter().map(|object| (object.id.clone(), self.joined(&object.id)));
            self.batches.set(&batch.key, steps.collect::<Vec<_>>());
        }
    }
}

/// The store did not take it: no attempt of the object.
fn busy(reason: String) -> Step {
    let cause = FailureCause::Busy { after: Some(BUSY_RETRY_AFTER) };
    Step::Failed(StageFailure { cause, reason })
}

/// Nothing was asked for, because nothing could be seen: no attempt either, unless the object is at fault.
fn not_looked_at(error: &Error) -> Step {
    let failure = StageFailure::from(error);
    let cause = match (error.kind(), failure.cause) {
        (ErrorKind::Unavailable { retry_after }, FailureCause::Retryable { .. }) => {
            FailureCause::Busy { after: Some(retry_after) }
        }
        (_, cause) => cause,
    };
    Step::Failed(StageFailure { cause, reason: failure.reason })
}

/// A number from 0 to 1 that differs between objects, so that they are not all asked for again at the same moment.
fn share_of(id: &ObjectId) -> f64 {
    let mut hash = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(id, &mut hash);
    (std::hash::Hasher::finish(&hash) % 1024) as f64 / 1024.0
}
