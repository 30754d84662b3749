//! Who may draw: a bound for plots at the same time, for those that wait, and for their memory.

use std::sync::Arc;
use std::time::Duration;

use thermocline_core::admission::{GateSettings, RETRY_AFTER};
use thermocline_core::{Error, ErrorKind, Result, admission};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::PlotSettings;

/// Bytes that one permit of the memory stands for.
const PERMIT_BYTES: u64 = 64 << 10;

/// A plot's place among those that are drawn, and its part of the memory, until it is dropped.
#[derive(Debug)]
pub struct Admission {
    began: Instant,
    _slot: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
}

impl Drop for Admission {
    fn drop(&mut self) {
        metrics::counter!("thermocline_plots_total").increment(1);
        metrics::histogram!("thermocline_plot_seconds").record(self.began.elapsed().as_secs_f64());
    }
}

/// Lets plots in.
pub(super) struct Gate {
    gate: admission::Gate,
    memory: Arc<Semaphore>,
    work_bytes: u64,
    timeout: Duration,
}

impl Gate {
    pub(super) fn new(settings: &PlotSettings) -> Self {
        Self {
            gate: admission::Gate::new(GateSettings {
                what: "plots",
                waiting_gauge: "thermocline_plots_waiting",
                max_concurrent: settings.max_concurrent,
                max_waiting: settings.max_waiting,
            }),
            memory: Arc::new(Semaphore::new(permits(settings.work_bytes) as usize)),
            work_bytes: settings.work_bytes,
            timeout: settings.timeout,
        }
    }

    /// # Errors
    /// Those of [`super::Plotter::admit`].
    pub(super) async fn admit(&self, work_bytes: u64) -> Result<Admission> {
        if work_bytes > self.work_bytes {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "the plot needs {work_bytes} bytes of memory, all plots together have {}; ask for fewer pixels, a \
                     smaller extent or a selection",
                    self.work_bytes
                ),
            ));
        }
        let memory = Arc::clone(&self.memory).acquire_many_owned(permits(work_bytes));
        let memory =
            async { memory.await.map_err(|cause| Error::internal("plots are closed").with_source(cause)) };
        let both = self.gate.admit_with(memory);
        let both = tokio::time::timeout(self.timeout, both).await.map_err(|_| self.gate.too_many())?;
        let (slot, memory) = both?;
        Ok(Admission { began: Instant::now(), _slot: slot, _memory: memory })
    }
}

/// Permits of so many bytes.
pub(super) fn permits(len_bytes: u64) -> u32 {
    u32::try_from(len_bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3)
}

/// The error of a plot that took longer than it may.
pub(super) fn too_slow(timeout: Duration) -> Error {
    let message = format!(
        "the plot took longer than {} seconds; ask for fewer pixels, a smaller extent, or give vmin and vmax",
        timeout.as_secs()
    );
    Error::new(ErrorKind::Unavailable { retry_after: RETRY_AFTER }, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(max_concurrent: usize, max_waiting: usize, work_bytes: u64) -> Gate {
        Gate::new(&PlotSettings { max_concurrent, max_waiting, work_bytes, ..PlotSettings::default() })
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused() {
        let gate = gate(1, 0, 1 << 20);
        let first = gate.admit(1).await.unwrap();
        let second = gate.admit(1);
        tokio::pin!(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        let third = gate.admit(1).await.unwrap_err();
        assert!(matches!(third.kind(), ErrorKind::Unavailable { .. }), "{third}");
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn plots_share_their_memory() {
        let gate = gate(2, 2, 1 << 20);
        let first = gate.admit(1 << 20).await.unwrap();
        let second = gate.admit(1);
        tokio::pin!(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        assert!(second.await.is_ok());
        assert_eq!(gate.admit(2 << 20).await.unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_to_come_again() {
        let gate = gate(1, 5, 1 << 20);
        let _first = gate.admit(1).await.unwrap();
        let error = gate.admit(1).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
    }
}
