//! A provider that is asked only when somebody wants it to be.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thermocline_core::Result;
use thermocline_core::catalog::{CollectionSpec, DatasetSpec, Provider, SharedSpecs};

/// Longer than servers run: what is not watched is not scanned by itself.
pub(super) const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The same datasets without notices of change.
pub(super) struct Unwatched(pub(super) Arc<dyn Provider>);

#[async_trait]
impl Provider for Unwatched {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        self.0.specs().await
    }

    async fn shared_specs(&self) -> Result<SharedSpecs> {
        self.0.shared_specs().await
    }

    fn collections(&self) -> Vec<Arc<CollectionSpec>> {
        self.0.collections()
    }

    fn problems(&self) -> Vec<String> {
        self.0.problems()
    }
}
