//! A clock that tests move, as that of a machine is: what it shows can jump, what it measures goes on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use thermocline_core::clock::Clock;
use tokio::sync::Notify;

/// The clock. Cloning gives the same one.
#[derive(Clone)]
pub(crate) struct Dial {
    state: Arc<State>,
}

struct State {
    shown: Mutex<Shown>,
    moved: Notify,
}

#[derive(Clone, Copy)]
struct Shown {
    now_ns: i64,
    passed_ns: i64,
    /// How far it went forward in all, jumps included.
    forward_ns: i64,
}

impl Dial {
    pub(crate) fn new(now_ns: i64) -> Self {
        let shown = Mutex::new(Shown { now_ns, passed_ns: 0, forward_ns: 0 });
        Self { state: Arc::new(State { shown, moved: Notify::new() }) }
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, duration: Duration) {
        let ns = i64::try_from(duration.as_nanos()).unwrap();
        {
            let mut shown = self.state.shown.lock();
            shown.now_ns += ns;
            shown.passed_ns += ns;
            shown.forward_ns += ns;
        }
        self.state.moved.notify_waiters();
    }

    /// Sets what it shows. Nobody who sleeps wakes from that.
    pub(crate) fn jump(&self, seconds: i64) {
        let mut shown = self.state.shown.lock();
        shown.now_ns += seconds * 1_000_000_000;
        shown.forward_ns += seconds.max(0) * 1_000_000_000;
    }

    /// How far it went forward in all: no less than the lifetime of whatever is over.
    pub(crate) fn forward_ns(&self) -> i64 {
        self.state.shown.lock().forward_ns
    }
}

#[async_trait]
impl Clock for Dial {
    fn now_ns(&self) -> i64 {
        self.state.shown.lock().now_ns
    }

    async fn sleep(&self, duration: Duration) {
        let passed_ns = || self.state.shown.lock().passed_ns;
        let until_ns = passed_ns().saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX));
        loop {
            let mut moved = std::pin::pin!(self.state.moved.notified());
            moved.as_mut().enable();
            if passed_ns() >= until_ns {
                return;
            }
            moved.await;
        }
    }
}
