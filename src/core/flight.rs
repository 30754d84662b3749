//! One computation for all who ask for the same at the same time.
//!
//! Who waits holds the computation: it is dropped with the last of them, and goes on as long as one is left, whoever began
//! it. Nothing is kept of what has ended; that is for caches.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

/// Computations that are remembered before those that nobody waits for are forgotten.
const MIN_REMEMBERED: usize = 256;

type Work<V, E> = BoxFuture<'static, Result<V, Arc<E>>>;

/// What is computed at present, by its keys. `N` is a note to all who ask, such as how far it is.
pub struct Flights<K, V, E, N = ()> {
    under_way: Mutex<UnderWay<K, V, E, N>>,
}

struct UnderWay<K, V, E, N> {
    flights: HashMap<K, Flight<V, E, N>>,
    /// With how many flights those that nobody waits for are forgotten.
    forget_at: usize,
}

struct Flight<V, E, N> {
    work: WeakShared<Work<V, E>>,
    note: N,
}

impl<V, E, N> Flight<V, E, N> {
    /// The computation, as long as somebody waits for it.
    fn under_way(&self) -> Option<Shared<Work<V, E>>> {
        self.work.upgrade().filter(|work| work.peek().is_none())
    }
}

impl<K, V, E, N> Default for Flights<K, V, E, N> {
    fn default() -> Self {
        let under_way = UnderWay { flights: HashMap::new(), forget_at: MIN_REMEMBERED };
        Self { under_way: Mutex::new(under_way) }
    }
}

impl<K, V, E, N> Flights<K, V, E, N>
where
    K: Eq + Hash,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
    N: Clone,
{
    /// What `make` gives, made once for all who ask by the same key at the same time.
    ///
    /// `make` looks first whether it has been made since the caller looked: another may have ended in between.
    ///
    /// # Errors
    /// Those of `make`, for all of them.
    pub async fn join<F>(&self, key: K, note: N, make: impl FnOnce() -> F) -> Result<V, Arc<E>>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let work = self.work(key, note, make);
        work.await
    }

    /// The note of the computation of a key, if there is one.
    pub fn note(&self, key: &K) -> Option<N> {
        let under_way = self.under_way.lock();
        let flight = under_way.flights.get(key).filter(|flight| flight.under_way().is_some());
        flight.map(|flight| flight.note.clone())
    }

    fn work<F>(&self, key: K, note: N, make: impl FnOnce() -> F) -> Shared<Work<V, E>>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let mut under_way = self.under_way.lock();
        if let Some(known) = under_way.flights.get(&key).and_then(Flight::under_way) {
            return known;
        }
        let begun = make().map(|made| made.map_err(Arc::new)).boxed().shared();
        if under_way.flights.len() >= under_way.forget_at {
            under_way.flights.retain(|_, flight| flight.under_way().is_some());
            under_way.forget_at = MIN_REMEMBERED.max(2 * under_way.flights.len());
        }
        if let Some(work) = begun.downgrade() {
            under_way.flights.insert(key, Flight { work, note });
        }
        begun
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    /// Tells that it was dropped.
    struct Dropped(Arc<AtomicBool>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn what_many_ask_for_is_made_once() {
        let (flights, n_made) = (Flights::<u8, usize, ()>::default(), Arc::new(AtomicUsize::new(0)));
        let go_on = Arc::new(Notify::new());
        let ask = || {
            let (n_made, go_on) = (Arc::clone(&n_made), Arc::clone(&go_on));
            flights.join(1, (), move || async move {
                go_on.notified().await;
                Ok(n_made.fetch_add(1, Ordering::SeqCst))
            })
        };
        let many = futures::future::join_all((0..20).map(|_| ask()));
        let (answers, ()) = tokio::join!(many, async { go_on.notify_one() });
        assert_eq!(answers, vec![Ok(0); 20]);
        go_on.notify_one();
        assert_eq!(ask().await, Ok(1), "nothing is kept");
    }

    #[tokio::test]
    async fn it_ends_when_the_last_who_waits_leaves() {
        let (flights, is_dropped) = (Flights::<u8, (), ()>::default(), Arc::new(AtomicBool::new(false)));
        let begun = Arc::new(Notify::new());
        let ask = || {
            let (dropped, begun) = (Dropped(Arc::clone(&is_dropped)), Arc::clone(&begun));
            Box::pin(flights.join(1, (), move || async move {
                let _dropped = dropped;
                begun.notify_one();
                std::future::pending().await
            }))
        };
        let mut first = ask();
        assert!(futures::poll!(&mut first).is_pending());
        begun.notified().await;
        let mut second = Box::pin(flights.join(1, (), || async { Ok(()) }));
        assert!(futures::poll!(&mut second).is_pending(), "it joins the first");

        drop(first);
        assert!(futures::poll!(&mut second).is_pending());
        assert!(!is_dropped.load(Ordering::SeqCst), "another waits for it");
        drop(second);
        assert!(is_dropped.load(Ordering::SeqCst));
        assert_eq!(flights.join(1, (), || async { Ok(()) }).await, Ok(()), "it is begun anew");
    }

    #[tokio::test]
    async fn failures_are_told_to_all_and_not_kept() {
        let flights = Flights::<u8, (), &str>::default();
        let fail = || async {
            tokio::task::yield_now().await;
            Err("no")
        };
        let answers = tokio::join!(flights.join(1, (), fail), flights.join(1, (), fail));
        assert_eq!(answers, (Err(Arc::new("no")), Err(Arc::new("no"))));
        assert_eq!(flights.join(1, (), || async { Ok(()) }).await, Ok(()));
    }

    #[tokio::test]
    async fn the_note_is_that_of_the_computation_under_way() {
        let flights = Flights::<u8, (), (), u8>::default();
        assert_eq!(flights.note(&1), None);
        let mut first = Box::pin(flights.join(1, 7, || async { std::future::pending().await }));
        let mut second = Box::pin(flights.join(1, 8, || async { Ok(()) }));
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_pending());
        assert_eq!(flights.note(&1), Some(7));
        drop((first, second));
        assert_eq!(flights.note(&1), None);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_forgotten() {
        let flights = Flights::<usize, (), ()>::default();
        for key in 0..100_000 {
            let _ = flights.join(key, (), || async { Ok(()) }).await;
        }
        assert!(flights.under_way.lock().flights.len() <= MIN_REMEMBERED);
    }
}
