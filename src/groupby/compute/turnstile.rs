//! Lets chunks through one after another in a given order, whoever brings them. Nobody waits: a chunk that comes too early is
//! left there, and whoever is inside takes it along.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// A turnstile to a state `S`, for things `T` with the numbers 0, 1, ….
pub(super) struct Turnstile<S, T> {
    inside: Mutex<Inside<S, T>>,
}

struct Inside<S, T> {
    next: u32,
    /// `None` while somebody works with it, and after the end.
    state: Option<S>,
    waiting: BTreeMap<u32, T>,
}

impl<S, T> Turnstile<S, T> {
    pub(super) fn new(state: S) -> Self {
        Self { inside: Mutex::new(Inside { next: 0, state: Some(state), waiting: BTreeMap::new() }) }
    }

    /// Leaves a thing there.
    pub(super) fn bring(&self, number: u32, thing: T) {
        self.inside.lock().waiting.insert(number, thing);
    }

    /// Works on the things whose turn it is, unless somebody else does. `work` gives the state back, or `None` at the end.
    ///
    /// # Errors
    /// Those of `work`, after which nothing is let through any more.
    pub(super) fn turn<E>(&self, mut work: impl FnMut(u32, S, T) -> Result<Option<S>, E>) -> Result<(), E> {
        loop {
            let (number, state, thing) = {
                let mut inside = self.inside.lock();
                let next = inside.next;
                if inside.state.is_none() || !inside.waiting.contains_key(&next) {
                    return Ok(());
                }
                let (Some(thing), Some(state)) = (inside.waiting.remove(&next), inside.state.take()) else {
                    return Ok(());
                };
                (next, state, thing)
            };
            let state = work(number, state, thing)?;
            let mut inside = self.inside.lock();
            inside.next += 1;
            inside.state = state;
        }
    }

    /// What is inside at the end.
    #[cfg(test)]
    pub(super) fn into_state(self) -> Option<S> {
        self.inside.into_inner().state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_go_through_in_order_whoever_brings_them() {
        let turnstile = Turnstile::new(Vec::new());
        let seen = |number: u32, mut state: Vec<u32>, thing: u32| {
            assert_eq!(number, thing);
            state.push(thing);
            Ok::<_, ()>(Some(state))
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let turnstile = &turnstile;
                scope.spawn(move || {
                    for number in (0..100).rev().filter(|number| number % 4 == thread) {
                        turnstile.bring(number, number);
                        turnstile.turn(seen).unwrap();
                    }
                });
            }
        });
        assert_eq!(turnstile.into_state().unwrap(), (0..100).collect::<Vec<u32>>());
    }

    #[test]
    fn an_error_ends_it() {
        let turnstile = Turnstile::new(());
        turnstile.bring(0, ());
        turnstile.bring(1, ());
        assert_eq!(turnstile.turn(|_, (), ()| Err::<Option<()>, _>("no")), Err("no"));
        assert_eq!(turnstile.turn(|_, (), ()| Err::<Option<()>, _>("again")), Ok(()));
    }
}
