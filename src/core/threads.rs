//! Threads for long computations, with a lower priority than those that serve chunks.

use std::sync::{Arc, LazyLock};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;
use tracing::{error, warn};

use crate::{Error, Result};

/// Added to the niceness of the threads. Measured on two busy processors: a hundred plots at once take a fifth of the rate
/// of chunks with 10, and over a third with 5.
const NICENESS: i32 = 10;

/// The threads of the process.
static SHARED: LazyLock<Threads> = LazyLock::new(Threads::new);

/// Threads that compute. Copies are the same ones.
#[derive(Clone)]
pub struct Threads {
    /// `None` where the system has no more threads: then those of blocking work compute.
    pool: Option<Arc<ThreadPool>>,
}

impl Threads {
    /// One thread for each processor, the same ones for all who compute.
    pub fn shared() -> Self {
        SHARED.clone()
    }

    fn new() -> Self {
        Self::with(0)
    }

    /// As many threads as are named, of their own; 0 is one for each processor.
    pub fn with(n_threads: usize) -> Self {
        let pool = ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .thread_name(|number| format!("compute-{number}"))
            .start_handler(|_| lower_priority())
            .panic_handler(|_| error!("a computation panicked"))
            .build();
        if let Err(error) = &pool {
            warn!(%error, "no threads for computations, computing on others");
        }
        Self { pool: pool.ok().map(Arc::new) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// Hands work over.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        match &self.pool {
            Some(pool) => pool.spawn(work),
            None => drop(tokio::task::spawn_blocking(work)),
        }
    }

    /// Runs work to its end; calls it off when nobody waits any more.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] if it did not finish.
    pub async fn run<T: Send + 'static>(
        &self,
        call_off: impl FnOnce() + Send,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (done, result) = oneshot::channel();
        let mut call_off = CallOff(Some(call_off));
        self.spawn(move || {
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        let result = result.await;
        call_off.0 = None;
        result.map_err(|cause| Error::internal("a computation did not finish").with_source(cause))
    }
}

/// Calls work off when it is dropped.
struct CallOff<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for CallOff<F> {
    fn drop(&mut self) {
        if let Some(call_off) = self.0.take() {
            call_off();
        }
    }
}

/// On Linux a priority is that of a thread. Where it cannot be changed, computations run as they are.
#[cfg(target_os = "linux")]
fn lower_priority() {
    let thread = rustix::thread::gettid();
    let lowered = rustix::process::getpriority_process(Some(thread)).and_then(|niceness| {
        rustix::process::setpriority_process(Some(thread), (niceness + NICENESS).min(19))
    });
    if let Err(error) = lowered {
        tracing::debug!(%error, "computations run at normal priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {
    tracing::debug!(NICENESS, "computations run at normal priority");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn work_runs_on_its_own_threads_and_gives_its_result() {
        let threads = Threads::shared();
        let name = threads.run(|| {}, || std::thread::current().name().map(str::to_owned)).await;
        assert!(name.unwrap().unwrap().starts_with("compute-"));
    }

    #[tokio::test]
    async fn dropping_the_future_calls_the_work_off() {
        let (threads, is_called_off) = (Threads::with(1), Arc::new(AtomicBool::new(false)));
        let (started, has_started) = oneshot::channel();
        let (sent, seen) = oneshot::channel();
        let (inner, outer) = (Arc::clone(&is_called_off), is_called_off);
        let call_off = move || outer.store(true, Ordering::Relaxed);
        let run = threads.run(call_off, move || {
            let _ = started.send(());
            while !inner.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let _ = sent.send(());
        });
        tokio::select! {
            _ = run => panic!("it ends only when it is called off"),
            begun = has_started => begun.unwrap(),
        }
        seen.await.unwrap();
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_the_threads_stay() {
        let threads = Threads::with(1);
        let outcome: Result<()> = threads.run(|| {}, || panic!("on purpose")).await;
        assert_eq!(outcome.unwrap_err().kind(), crate::ErrorKind::Internal);
        assert_eq!(threads.run(|| {}, || 7).await.unwrap(), 7);
    }
}
