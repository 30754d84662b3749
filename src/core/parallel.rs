//! Work that waits for stores, done side by side. Blocking: for the blocking pool only.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, Scope, scope};

use crate::Result;

/// Most items in work at a time: enough to hide how long a store takes to answer.
const MAX_THREADS: usize = 32;

/// What `work` gives for every item, in their order.
///
/// ```
/// let squares = thermocline_core::parallel::map(&[1, 2, 3], |number| Ok(number * number))?;
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), thermocline_core::Error>(())
/// ```
///
/// # Errors
/// That of the first item that failed; items that were not begun by then are left out.
pub fn map<T: Sync, U: Send>(items: &[T], work: impl Fn(&T) -> Result<U> + Sync) -> Result<Vec<U>> {
    let next = AtomicUsize::new(0);
    let has_failed = AtomicBool::new(false);
    let take = || {
        let mut done = Vec::new();
        while !has_failed.load(Ordering::Relaxed) {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(position) else { break };
            let result = work(item);
            has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((position, result));
        }
        done
    };
    let mut done = scope(|scope| side_by_side(scope, items.len().min(MAX_THREADS), &take));
    done.sort_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Runs `take` on that many threads, this one included, and joins what they give.
fn side_by_side<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    n_threads: usize,
    take: &'scope (impl Fn() -> Vec<R> + Sync),
) -> Vec<R> {
    // Where the system has no more threads, the others do all the work.
    let threads: Vec<_> =
        (1..n_threads).map_while(|_| Builder::new().spawn_scoped(scope, take).ok()).collect();
    let mut done = take();
    for thread in threads {
        match thread.join() {
            Ok(theirs) => done.extend(theirs),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, ErrorKind};

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..1000).collect();
        assert_eq!(map(&items, |item| Ok(item + 1)).unwrap(), (1..1001).collect::<Vec<_>>());
        assert!(map(&items[..0], |item| Ok(*item)).unwrap().is_empty());
    }

    #[test]
    fn the_error_of_an_item_is_the_error_of_all() {
        let fails = |item: &i32| if *item == 5 { Err(Error::corrupt("five")) } else { Ok(()) };
        assert_eq!(map(&[1, 5, 9], fails).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn items_are_worked_on_side_by_side() {
        let barrier = std::sync::Barrier::new(4);
        let meet = |_: &i32| Ok(barrier.wait().is_leader());
        let leaders = map(&[1, 2, 3, 4], meet).unwrap();
        assert_eq!(leaders.iter().filter(|is_leader| **is_leader).count(), 1);
    }
}
