//! Objects of S3 buckets in the archive classes: Glacier, Deep Archive.
//!
//! # Serves
//! Every object below its roots, in place: a restore makes a copy that the bucket answers reads with for some days.
//!
//! # Specification
//! Amazon S3 API Reference: RestoreObject, HeadObject, ListObjectsV2.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::cold::{
    Capabilities, ColdObject, ColdStore, Landing, ObjectId, ObjectStatus, StageRequest, StageState,
    StageTicket, StoreContext,
};
use thermocline_core::{Error, Result};

/// The own keys of the store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GlacierConfig {}

/// The store.
pub struct GlacierStore {}

impl GlacierStore {
    /// The store over the roots of `context`.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for keys that make no sense.
    pub fn new(_config: GlacierConfig, _context: &StoreContext) -> Result<Self> {
        Ok(Self {})
    }
}

#[async_trait]
impl ColdStore for GlacierStore {
    fn kind(&self) -> &'static str {
        "s3-glacier"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            landing: Landing::InPlace,
            knows_tapes: false,
            can_cancel: false,
            can_release: false,
            n_at_once: 8,
            batch_objects: 1000,
            poll_every: Duration::from_secs(60),
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        objects.iter().map(|_| Err(unfinished())).collect()
    }

    async fn stage(&self, _request: &StageRequest) -> Result<StageTicket> {
        Err(unfinished())
    }

    async fn progress(&self, _ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        Err(unfinished())
    }

    async fn cancel(&self, _ticket: &StageTicket, _objects: &[ObjectId]) -> Result<()> {
        Err(unfinished())
    }

    async fn release(&self, _objects: &[ColdObject]) -> Result<()> {
        Err(unfinished())
    }

    async fn read(&self, _object: &ColdObject, _version: &str, _range: Range<u64>) -> Result<Bytes> {
        Err(unfinished())
    }
}

fn unfinished() -> Error {
    Error::internal("this store is not built yet")
}
