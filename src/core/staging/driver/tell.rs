//! Telling what is durable.

use std::sync::Arc;

use crate::staging::engine::{Note, Telling};
use crate::staging::tables::{ObjectRow, Op, Written};
use crate::staging::{Event, RequestObject, Shared};

impl Shared {
    /// Answers calls, wakes who waits, shows copies to readers.
    pub(in crate::staging) fn tell(&self, notes: Vec<Note>) {
        for note in notes {
            match note {
                Note::Reply(reply) => reply(Ok(())),
                Note::Landed { slot, object, key, stamp, reservation } => {
                    let engine = self.engine.lock();
                    let n_pins = engine.book.object(slot).map_or(0, crate::staging::book::Object::n_pins);
                    // The guard is not needed: the pins, or the shortest residency, keep the copy.
                    drop(reservation.landed(n_pins, true));
                    self.shelf.put(object, key, stamp);
                }
                Note::Shelved { object, key, stamp } => self.shelf.put(object, key, stamp),
                Note::Gone { object, key } => self.shelf.take(&object, &key),
                Note::Ended { object, outcome, signal } => {
                    let mut engine = self.engine.lock();
                    if engine.ending.get(&object).is_some_and(|ending| Arc::ptr_eq(ending, &signal)) {
                        engine.ending.remove(&object);
                    }
                    drop(engine);
                    signal.end(outcome);
                }
            }
        }
    }

    /// Tells who listens.
    pub(in crate::staging) fn publish(&self, ops: &[Op], events: Vec<(usize, Telling)>, written: &Written) {
        for (number, telling) in events {
            let change = written.first_change + number as u64;
            let event = match telling {
                Telling::Object(request) => {
                    let (Some(Op::Object(row)), Some(Some(spelling))) =
                        (ops.get(number), written.spellings.get(number))
                    else {
                        continue;
                    };
                    Event::Object { request, object: object(row, Arc::clone(spelling), change) }
                }
                Telling::Request(mut request) => {
                    request.change = change;
                    Event::Request(request)
                }
                Telling::Progress(mut request) => {
                    request.change = change;
                    Event::Progress(request)
                }
            };
            // Nobody may be listening any more.
            let _ = self.events.send(event);
        }
    }
}

fn object(row: &ObjectRow, spelling: Arc<str>, change: u64) -> RequestObject {
    RequestObject {
        position: u64::from(row.position),
        spelling,
        other_spellings: Vec::new(),
        object: Some(row.object.clone()),
        state: row.state,
        len_bytes: row.len_bytes,
        reason: row.reason.as_deref().map(str::to_owned),
        estimate: None,
        since_ns: row.since_ns,
        change,
    }
}
