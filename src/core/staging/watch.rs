//! Who watches a request is woken by its changes, and by no other's.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::tables::{Op, request_number};
use super::{RequestId, Staging};

/// Who watches requests, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    by_request: Mutex<HashMap<i64, watch::Sender<()>>>,
}

impl Watchers {
    fn watch(&self, request: i64) -> watch::Receiver<()> {
        let mut by_request = self.by_request.lock();
        // Those are forgotten whose watchers have left.
        by_request.retain(|_, changes| changes.receiver_count() > 0);
        by_request.entry(request).or_insert_with(|| watch::channel(()).0).subscribe()
    }

    /// Wakes who watches a request.
    pub(super) fn wake_one(&self, request: i64) {
        if let Some(changes) = self.by_request.lock().get(&request) {
            changes.send_replace(());
        }
    }

    /// Wakes who watches the requests that were written: each once, however much of its request changed.
    pub(super) fn wake(&self, written: &[Op]) {
        let by_request = self.by_request.lock();
        if by_request.is_empty() {
            return;
        }
        let changed: HashSet<i64> = written.iter().filter_map(Op::request).collect();
        for changes in changed.iter().filter_map(|number| by_request.get(number)) {
            changes.send_replace(());
        }
    }
}

impl Staging {
    /// Is marked as changed each time that something of a request is written, so that who watches it looks again; a
    /// thousand changes that nobody looks at in between are one. `None` for a name that no request can have.
    pub fn watch(&self, id: &RequestId) -> Option<watch::Receiver<()>> {
        Some(self.shared.watchers.watch(request_number(id)?))
    }
}
