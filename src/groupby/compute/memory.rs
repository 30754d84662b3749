//! Memory of all computations together.

use std::sync::Arc;

use thermocline_core::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that a permit stands for.
const PERMIT_BYTES: u64 = 1024;

/// A budget that computations take parts of, in the order in which they ask.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    permits: Arc<Semaphore>,
    n_permits: u32,
}

impl Memory {
    pub(crate) fn new(len_bytes: u64) -> Self {
        let n_permits = (len_bytes / PERMIT_BYTES).clamp(1, u64::from(u32::MAX >> 3)) as u32;
        Self { permits: Arc::new(Semaphore::new(n_permits as usize)), n_permits }
    }

    /// Waits until so many bytes are free: at most all there are.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] after the end.
    pub(super) async fn take(&self, len_bytes: u64) -> Result<OwnedSemaphorePermit> {
        let n_permits = len_bytes.div_ceil(PERMIT_BYTES).clamp(1, u64::from(self.n_permits)) as u32;
        let taken = Arc::clone(&self.permits).acquire_many_owned(n_permits).await;
        taken.map_err(|cause| Error::internal("computations are closed").with_source(cause))
    }

    /// Bytes that nobody has taken.
    #[cfg(test)]
    pub(super) fn free_bytes(&self) -> u64 {
        self.permits.available_permits() as u64 * PERMIT_BYTES
    }
}
