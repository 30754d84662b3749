//! Finished documents and tables, kept within a bound.

use std::sync::Arc;

use moka::future::Cache;
use thermocline_core::{Error, Result};
use thermocline_zarr_http::Body;

use crate::request::ReferenceRequest;
use crate::target::Target;

/// What an entry takes besides its bytes.
const ENTRY_BYTES: usize = 256;

/// Which document of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The reference document of a group.
    Document {
        /// Path of the group.
        group: String,
        /// Where its references point.
        target: Target,
    },
    /// The `.zmetadata` beside the tables.
    TableMetadata,
    /// A table.
    Table {
        /// Path of the array.
        path: String,
        /// Number of the table.
        number: u64,
    },
}

/// What determines a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    dataset: String,
    revision: String,
    base: String,
    part: Part,
}

impl Key {
    fn new(request: &ReferenceRequest, part: Part) -> Self {
        Self {
            dataset: request.manifest.id.as_str().to_owned(),
            revision: request.manifest.revision.0.clone(),
            base: request.base.0.clone(),
            part,
        }
    }
}

/// Documents that were asked for.
pub(crate) struct Kept(Cache<Key, Body>);

impl Kept {
    /// At most `max_bytes` of them.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let weigh = |_: &Key, body: &Body| u32::try_from(body.bytes.len() + ENTRY_BYTES).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(max_bytes).weigher(weigh).build())
    }

    /// The document, if it is at hand.
    pub(crate) async fn get(&self, request: &ReferenceRequest, part: &Part) -> Option<Body> {
        self.0.get(&Key::new(request, part.clone())).await
    }

    /// The document, made once for all who ask for it at the same time.
    pub(crate) async fn get_or_make(
        &self,
        request: &ReferenceRequest,
        part: Part,
        make: impl Future<Output = Result<Body>>,
    ) -> Result<Body> {
        let made = self.0.try_get_with(Key::new(request, part), make).await;
        made.map_err(|error: Arc<Error>| error.shared())
    }

    /// How many bytes they take at present.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.0.weighted_size()
    }
}
