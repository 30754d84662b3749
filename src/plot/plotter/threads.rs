//! Threads of plots, with a lower priority than those that serve chunks.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};
use thermocline_core::{Error, Result};
use thermocline_render::Cancel;
use tokio::sync::oneshot;
use tracing::{error, warn};

/// Added to the niceness of the threads. Measured on two busy processors: a hundred plots at once take a fifth of the rate
/// of chunks with 10, and over a third with 5.
const NICENESS: i32 = 10;

/// The threads that draw. Copies are the same ones.
#[derive(Clone)]
pub(crate) struct Threads {
    /// `None` where the system has no more threads: then those of blocking work draw.
    pool: Option<Arc<ThreadPool>>,
}

impl Threads {
    /// One thread for each processor.
    pub(crate) fn new() -> Self {
        let pool = ThreadPoolBuilder::new()
            .thread_name(|number| format!("plot-{number}"))
            .start_handler(|_| lower_priority())
            .panic_handler(|_| error!("drawing a plot panicked"))
            .build();
        if let Err(error) = &pool {
            warn!(%error, "no threads for plots, drawing on others");
        }
        Self { pool: pool.ok().map(Arc::new) }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// Hands work over.
    pub(crate) fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        match &self.pool {
            Some(pool) => pool.spawn(work),
            None => drop(tokio::task::spawn_blocking(work)),
        }
    }

    /// Runs work to its end; calls it off when nobody waits any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        cancel: &Cancel,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (done, result) = oneshot::channel();
        let mut call_off = CallOff(Some(cancel.clone()));
        self.spawn(move || {
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        let result = result.await;
        call_off.0 = None;
        result.map_err(|cause| Error::internal("drawing did not finish").with_source(cause))
    }
}

/// Calls work off when it is dropped.
struct CallOff(Option<Cancel>);

impl Drop for CallOff {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.set();
        }
    }
}

/// On Linux a priority is that of a thread. Where it cannot be changed, plots are drawn as they are.
#[cfg(target_os = "linux")]
fn lower_priority() {
    let thread = rustix::thread::gettid();
    let lowered = rustix::process::getpriority_process(Some(thread)).and_then(|niceness| {
        rustix::process::setpriority_process(Some(thread), (niceness + NICENESS).min(19))
    });
    if let Err(error) = lowered {
        tracing::debug!(%error, "plots are drawn at normal priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {
    tracing::debug!(NICENESS, "plots are drawn at normal priority");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_runs_on_its_own_threads_and_gives_its_result() {
        let threads = Threads::new();
        let name = threads.run(&Cancel::new(), || std::thread::current().name().map(str::to_owned)).await;
        assert!(name.unwrap().unwrap().starts_with("plot-"));
    }

    #[tokio::test]
    async fn dropping_the_future_calls_the_work_off() {
        let (threads, cancel) = (Threads::new(), Cancel::new());
        let (started, has_started) = oneshot::channel();
        let (sent, seen) = oneshot::channel();
        let inner = cancel.clone();
        let run = threads.run(&cancel, move || {
            let _ = started.send(());
            while inner.check().is_ok() {
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
        let threads = Threads::new();
        let outcome: Result<()> = threads.run(&Cancel::new(), || panic!("on purpose")).await;
        assert_eq!(outcome.unwrap_err().kind(), thermocline_core::ErrorKind::Internal);
        assert_eq!(threads.run(&Cancel::new(), || 7).await.unwrap(), 7);
    }
}
