//! Tape sites that speak the WLCG Tape REST API: dCache, CTA with EOS, StoRM.
//!
//! # Serves
//! Every file below its roots, in place: the site brings it to its own disks, and it is read there over HTTPS.
//!
//! # Specification
//! WLCG Tape REST API, version 1.

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
pub struct WlcgTapeConfig {}

/// The store.
pub struct WlcgTapeStore {}

impl WlcgTapeStore {
    /// The store over the roots of `context`.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for keys that make no sense.
    pub fn new(_config: WlcgTapeConfig, _context: &StoreContext) -> Result<Self> {
        Ok(Self {})
    }
}

#[async_trait]
impl ColdStore for WlcgTapeStore {
    fn kind(&self) -> &'static str {
        "wlcg-tape"
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
