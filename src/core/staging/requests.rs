//! Requests: making them, looking at them, ending them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::book::{Place, RequestHead, RequestSlot};
use super::driver::{Admission, Input};
use super::engine::{AdmittedRow, Engine, Note, Now, Reply, Withdrawn};
use super::keyed::Keyed;
use super::tables::{self, Acceptance, Accepted, AcceptedRow, StoredRequest, request_id, request_number};
use super::{
    IdempotencyKey, NewRequest, ObjectFilter, ObjectState, Owner, Request, RequestFilter, RequestId,
    RequestObject, Shared, Staging, Wanted, standing,
};
use crate::cold::ObjectId;
use crate::manifest::blocking;
use crate::{Error, ErrorKind, Result};

/// How often a request that was just accepted is looked for in the book.
const LOOKS: u32 = 1000;

/// Most objects of which the wait of a request is estimated.
const ESTIMATED: usize = 32;

/// Objects of which is told why they wait before the engine may go on: a poll must not stop it.
const TOLD_TOGETHER: usize = 256;

impl Staging {
    /// Accepts a request; it is durable when this returns. The same idempotency key and body again gives the
    /// request of the first time.
    ///
    /// # Errors
    /// [`crate::ErrorKind::TooLarge`] for too many objects, [`crate::ErrorKind::InvalidInput`] for none, for a
    /// lifetime above the limit, or a key that was used for another body (its message says so),
    /// [`crate::ErrorKind::Unavailable`] if it cannot be kept, or a store is being drained,
    /// [`crate::ErrorKind::OverQuota`] for more than its owner may have or spend.
    pub async fn request(&self, new: NewRequest) -> Result<Request> {
        self.check(&new)?;
        let shared = Arc::clone(&self.shared);
        // In a task of its own: what was written must reach the engine even if nobody waits for the answer.
        let accepted = self.shared.tasks.spawn(async move { shared.accept(new).await });
        let number = accepted
            .await
            .map_err(|cause| Error::internal("accepting a request broke off").with_source(cause))??;
        let found = self.shared.find(number).await?;
        found.ok_or_else(|| Error::internal(format!("request {number} is not there after it was accepted")))
    }

    fn check(&self, new: &NewRequest) -> Result<()> {
        let settings = &self.shared.parts.settings;
        if new.objects.is_empty() {
            return Err(Error::invalid_input("the request names no object"));
        }
        if new.objects.len() > settings.max_objects {
            let message = format!(
                "the request names {} objects, at most {} are allowed",
                new.objects.len(),
                settings.max_objects
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        check_lifetime(new.lifetime, settings.max_lifetime)
    }

    /// A request as it stands; `None` if there is none of that name.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn get(&self, id: &RequestId) -> Result<Option<Request>> {
        let Some(number) = request_number(id) else { return Ok(None) };
        Ok(self.shared.find(number).await?.filter(|request| request.id == *id))
    }

    /// Accepts a request that orders a whole dataset, and notes that it does.
    ///
    /// # Errors
    /// Those of [`Staging::request`].
    pub async fn order(&self, new: NewRequest) -> Result<Request> {
        let request = self.request(new).await?;
        let number = self.shared.number_of(&request.id).await?;
        self.shared.database.write(move |tables| tables::note_order(tables, number)).await?;
        Ok(request)
    }

    /// An order as it stands; `None` if there is none of that name, and for requests that are no orders.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn get_order(&self, id: &RequestId) -> Result<Option<Request>> {
        let Some(number) = request_number(id) else { return Ok(None) };
        match self.shared.database.read(move |tables| tables::is_order(tables, number)).await? {
            true => self.get(id).await,
            false => Ok(None),
        }
    }

    /// Requests, newest first.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn list(&self, filter: RequestFilter) -> Result<Vec<Request>> {
        let stored = self.shared.database.read(move |tables| tables::requests(tables, &filter)).await?;
        let now = self.shared.now();
        // Locked for each anew: the engine goes on between them.
        Ok(stored.into_iter().map(|stored| with_wait(&mut self.shared.engine.lock(), stored, now)).collect())
    }

    /// Objects of a request, by position, or with `since` by change: then it costs what changed.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request.
    pub async fn objects(&self, id: &RequestId, filter: ObjectFilter) -> Result<Vec<RequestObject>> {
        let number = self.shared.number_of(id).await?;
        let mut objects =
            self.shared.database.read(move |tables| tables::objects(tables, number, &filter)).await?;
        let now = self.shared.now();
        for page in objects.chunks_mut(TOLD_TOGETHER) {
            let mut engine = self.shared.engine.lock();
            for object in page.iter_mut().filter(|object| !object.state.is_settled()) {
                let Some(slot) = object.object.as_ref().and_then(|id| engine.book.slot(id)) else { continue };
                object.len_bytes =
                    object.len_bytes.or(engine.book.object(slot).and_then(|object| object.len_bytes));
                object.reason = engine.reason(slot, now);
                object.estimate = engine.estimate(slot, now);
            }
        }
        Ok(objects)
    }

    /// Drops a request's interest in what it still waits for, and its pins.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request.
    pub async fn cancel(&self, id: &RequestId) -> Result<Request> {
        let what = |engine: &mut Engine, slot, _: Now, reply| {
            tracing::info!(request = ?engine.book.request(slot).map(|request| &request.id), "request cancelled");
            engine.withdraw(slot, Withdrawn::Everything, reply);
        };
        self.change(id, what).await
    }

    /// Cancels a request and forgets it: it is unknown from then on, also after a restart.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request.
    pub async fn forget(&self, id: &RequestId) -> Result<()> {
        let number = self.shared.number_of(id).await?;
        self.cancel(id).await?;
        self.shared.database.write(move |tables| tables::forget_request(tables, number)).await?;
        tracing::info!(request = %id, "request forgotten");
        self.shared.watchers.wake_one(number);
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move {
            if let Err(error) = shared.forget_old().await {
                tracing::warn!(%error, "what is left of a forgotten request could not be removed, will retry");
            }
        });
        Ok(())
    }

    /// Ends a request's pins: of these spellings, or of all its objects.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request; [`crate::ErrorKind::InvalidInput`] for a spelling
    /// that is none of it, and nothing is released then.
    pub async fn release(&self, id: &RequestId, spellings: Option<Vec<String>>) -> Result<Request> {
        let Some(spellings) = spellings else {
            let what =
                |engine: &mut Engine, slot, _: Now, reply| engine.withdraw(slot, Withdrawn::Pins, reply);
            return self.change(id, what).await;
        };
        let positions = self.positions(id, spellings).await?;
        self.withdraw_positions(id, positions, Withdrawn::Pins).await
    }

    /// Drops a request's interest in some of its objects, by their spellings: those that wait are cancelled, those
    /// that are online lose their pins.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request; [`crate::ErrorKind::InvalidInput`] for a spelling
    /// that is none of it, and nothing is cancelled then.
    pub async fn cancel_objects(&self, id: &RequestId, spellings: Vec<String>) -> Result<Request> {
        let positions = self.positions(id, spellings).await?;
        self.withdraw_positions(id, positions, Withdrawn::Everything).await
    }

    async fn withdraw_positions(
        &self,
        id: &RequestId,
        positions: Vec<u32>,
        what: Withdrawn,
    ) -> Result<Request> {
        let change = move |engine: &mut Engine, slot, _: Now, reply| {
            engine.withdraw_these(slot, positions, what, reply);
        };
        self.change(id, change).await
    }

    /// Keeps a request's pins for this long from now.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown request; [`crate::ErrorKind::InvalidInput`] for one without
    /// pins, or more than the longest lifetime.
    pub async fn extend(&self, id: &RequestId, lifetime: Duration) -> Result<Request> {
        check_lifetime(lifetime, self.shared.parts.settings.max_lifetime)?;
        let number = self.shared.number_of(id).await?;
        let is_over = || Error::invalid_input(format!("request {id} holds no pins any more"));
        if !self.shared.is_live(number).await? {
            return Err(is_over());
        }
        let what = move |engine: &mut Engine, slot, now: Now, reply| {
            engine.extend(slot, lifetime, now);
            engine.out.notes.push(Note::Reply(reply));
        };
        let request = self.change(id, what).await?;
        // The last pin may have ended in between.
        let holds_pins = !request.state.is_ended() || request.tally(ObjectState::Hot).n > 0;
        if holds_pins { Ok(request) } else { Err(is_over()) }
    }

    /// Changes a request in the book, durably. One that is over already is given as it is.
    async fn change(
        &self,
        id: &RequestId,
        what: impl FnOnce(&mut Engine, RequestSlot, Now, Reply) + Send + 'static,
    ) -> Result<Request> {
        let number = self.shared.number_of(id).await?;
        let what = Arc::new(Mutex::new(Some(what)));
        for _ in 0..LOOKS {
            if self.change_in_book(number, &what).await? || !self.shared.is_live(number).await? {
                let found = self.shared.find(number).await?;
                return found.ok_or_else(|| Error::not_found(format!("there is no request {id}")));
            }
            // It was accepted a moment ago, and is on its way to the engine.
            tokio::task::yield_now().await;
        }
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(2) };
        Err(Error::new(kind, format!("request {id} is still being taken in")))
    }

    /// Changes a request if it is in the book; false if it is not.
    async fn change_in_book<F>(&self, number: i64, what: &Arc<Mutex<Option<F>>>) -> Result<bool>
    where
        F: FnOnce(&mut Engine, RequestSlot, Now, Reply) + Send + 'static,
    {
        let what = Arc::clone(what);
        let (sender, receiver) = oneshot::channel();
        let call = move |engine: Result<&mut Engine>, now| {
            let engine = match engine {
                Ok(engine) => engine,
                Err(error) => return drop(sender.send(Err(error))),
            };
            let slot = engine.book.request_slot(number);
            match slot.and_then(|slot| Some((slot, what.lock().take()?))) {
                Some((slot, what)) => {
                    let reply: Reply = Box::new(move |kept| drop(sender.send(kept.map(|()| true))));
                    what(engine, slot, now, reply);
                }
                None => drop(sender.send(Ok(false))),
            }
        };
        self.shared.send_call(Input::Call(Box::new(call)), receiver).await
    }

    /// Where a request has these spellings, or the objects that they mean.
    async fn positions(&self, id: &RequestId, spellings: Vec<String>) -> Result<Vec<u32>> {
        let number = self.shared.number_of(id).await?;
        let namespace = Arc::clone(self.namespace());
        let name = id.clone();
        self.shared
            .database
            .read(move |database| {
                let sought: Vec<_> = spellings
                    .into_iter()
                    .map(|spelling| {
                        let objects = namespace.resolve_encoded(&spelling).unwrap_or_default();
                        tables::Sought { spelling, objects }
                    })
                    .collect();
                let found = tables::positions(database, number, &sought)?;
                let unknown = |sought: &tables::Sought| {
                    Error::invalid_input(format!("{:?} is no object of request {name}", sought.spelling))
                };
                found.into_iter().zip(&sought).map(|(at, sought)| at.ok_or_else(|| unknown(sought))).collect()
            })
            .await
    }
}

fn check_lifetime(lifetime: Duration, longest: Duration) -> Result<()> {
    if lifetime <= longest {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "a lifetime of {} is longer than the longest that is allowed, {}",
        humantime::format_duration(lifetime),
        humantime::format_duration(longest)
    )))
}

impl Shared {
    /// Writes a request and hands it to the engine. Its number.
    async fn accept(&self, new: NewRequest) -> Result<i64> {
        let now_ns = self.now().wall_ns;
        let number = self.numbers.next(now_ns);
        let head = RequestHead {
            number,
            id: request_id(number, new.face),
            owner: new.owner,
            face: new.face,
            priority: new.priority.min(9),
            lifetime: new.lifetime,
            dataset: new.dataset,
        };
        let (objects, idempotency, notify) = (new.objects, new.idempotency, new.notify);
        let mut rows = blocking(move || Ok(without_duplicates(objects))).await?;
        self.refuse_if_draining(&rows)?;
        let limits = self.parts.settings.limits_of(&head.owner);
        if let Some(number) = self.known_by(&idempotency, &head.owner, now_ns).await? {
            return Ok(number);
        }
        let looked = self.look_at_rows(&limits, &mut rows).await?;
        let turn = self.turn_of(&limits).await;
        let bill = self.bill((&head.owner, head.face), limits, &looked)?;
        drop(looked);
        let acceptance = Acceptance { head, rows, idempotency, notify, bill, now_ns };
        let acceptance = match self.database.write(move |tables| tables::accept(tables, acceptance)).await? {
            Accepted::Known(number) => return Ok(number),
            Accepted::New(acceptance) => *acceptance,
        };
        tracing::info!(
            request = %acceptance.head.id, owner = %acceptance.head.owner, n_objects = acceptance.rows.len(),
            "request accepted"
        );
        if acceptance.has_failed() {
            self.deliveries.notify_one();
        } else {
            let onlooker = self.onlooker.get();
            let admission = blocking(move || {
                standing::tell_accepted(onlooker.as_deref(), &acceptance);
                Ok(admission(acceptance))
            });
            let admission = admission.await?;
            // If the engine has ended, the next start takes the request in.
            let _ = self.inputs.send(Input::Admit(Box::new(admission))).await;
        }
        if turn.is_some() {
            self.taken_in(number).await;
        }
        Ok(number)
    }

    /// The request that was made with a key before: limits are no reason not to name it.
    async fn known_by(
        &self,
        key: &Option<IdempotencyKey>,
        owner: &Owner,
        now_ns: i64,
    ) -> Result<Option<i64>> {
        let Some(key) = key.clone() else { return Ok(None) };
        let owner = owner.clone();
        self.database.read(move |tables| tables::find_key(tables, &key, &owner, now_ns)).await
    }

    fn refuse_if_draining(&self, rows: &[AcceptedRow]) -> Result<()> {
        let roots: HashSet<&str> =
            rows.iter().filter_map(|row| row.objects.as_ref().ok()).flatten().map(ObjectId::root).collect();
        let engine = self.engine.lock();
        for root in roots {
            let id = ObjectId::new(root, "any")?;
            if let Place::Store(lane) = engine.place_of(&id) {
                engine.refuse_if_draining(usize::from(lane))?;
            }
        }
        Ok(())
    }

    async fn find_stored(&self, number: i64) -> Result<Option<StoredRequest>> {
        self.database.read(move |database| tables::request(database, number)).await
    }

    async fn find(&self, number: i64) -> Result<Option<Request>> {
        let Some(stored) = self.find_stored(number).await? else { return Ok(None) };
        let now = self.now();
        Ok(Some(with_wait(&mut self.engine.lock(), stored, now)))
    }

    /// The number of a request that exists.
    async fn number_of(&self, id: &RequestId) -> Result<i64> {
        let unknown = || Error::not_found(format!("there is no request {id}"));
        let number = request_number(id).ok_or_else(unknown)?;
        let stored = self.find_stored(number).await?.filter(|stored| stored.request.id == *id);
        stored.map(|stored| stored.number).ok_or_else(unknown)
    }

    /// True if a request waits for something or pins something.
    async fn is_live(&self, number: i64) -> Result<bool> {
        Ok(self.find_stored(number).await?.is_some_and(|stored| stored.is_live))
    }

    /// Sends a call to the engine and waits for its answer.
    pub(super) async fn send_call<T>(&self, call: Input, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        let ended = || {
            let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(10) };
            Error::new(kind, "staging has been shut down")
        };
        self.inputs.send(call).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

/// A request with why it waits, and how long it will.
fn with_wait(engine: &mut Engine, stored: StoredRequest, now: Now) -> Request {
    let mut request = stored.request;
    let Some(slot) = engine.book.request_slot(stored.number).filter(|_| !request.state.is_ended()) else {
        return request;
    };
    let waiting = engine.some_waiting(slot, ESTIMATED);
    request.reason = waiting.iter().find_map(|object| engine.reason(*object, now)).or(request.reason);
    let estimates = waiting.iter().filter_map(|object| engine.estimate(*object, now));
    request.estimate = estimates.max_by_key(|estimate| estimate.duration);
    request
}

/// What is asked for, each object once with all its spellings, in the order of the first time.
fn without_duplicates(objects: Vec<Wanted>) -> Vec<AcceptedRow> {
    // Of millions of objects only their places are kept, not their names twice.
    let mut seen = Keyed::with_capacity(objects.len());
    let mut seen_wrong: HashSet<Arc<str>> = HashSet::new();
    let mut seen_again: HashSet<Arc<str>> = HashSet::new();
    let mut rows: Vec<AcceptedRow> = Vec::with_capacity(objects.len());
    for Wanted { spelling, object } in objects {
        let names = object.and_then(|names| match names.is_empty() {
            true => Err("it names no object".to_owned()),
            false => Ok(names),
        });
        let known = match &names {
            Ok(names) => names.first().and_then(|name| seen.get(name, |row| first_name(&rows, row))),
            Err(_) if !seen_wrong.insert(Arc::clone(&spelling)) => continue,
            Err(_) => None,
        };
        if let Some(row) = known.and_then(|row| rows.get_mut(row as usize)) {
            if row.spelling != spelling && seen_again.insert(Arc::clone(&spelling)) {
                row.other_spellings.push(spelling);
            }
            continue;
        }
        let is_meant = names.is_ok();
        rows.push(AcceptedRow { spelling, other_spellings: Vec::new(), objects: names, len_bytes: 0 });
        if is_meant && let Ok(row) = u32::try_from(rows.len() - 1) {
            seen.insert(row, |row| first_name(&rows, row));
        }
    }
    rows
}

/// The object that a row means first.
fn first_name(rows: &[AcceptedRow], row: u32) -> Option<&ObjectId> {
    rows.get(row as usize)?.objects.as_ref().ok()?.first()
}

fn admission(acceptance: Acceptance) -> Admission {
    let (tallies, reason) = (acceptance.tallies(), acceptance.reason().map(str::to_owned));
    let rows = acceptance.rows.into_iter().zip(0_u32..).filter_map(|(row, position)| {
        Some(AdmittedRow { position, objects: row.objects.ok()?, len_bytes: row.len_bytes })
    });
    Admission { head: acceptance.head, tallies, reason, rows: rows.collect() }
}
