//! Objects of S3 buckets in the archive classes: Glacier Flexible Retrieval and Deep Archive.
//!
//! # Serves
//! Every object below its roots, in place: a restore makes a copy that the bucket answers reads with for some days. Objects
//! of other classes, Glacier Instant Retrieval among them, are online and never restored.
//!
//! # Specification
//! Amazon S3 API Reference: HeadObject, RestoreObject, ListObjectsV2 with `RestoreStatus`. An object is always looked at
//! before a restore is asked for, also after a lost answer and after a restart, so that nothing is paid for twice. Answers
//! that ask to slow down, and tiers without capacity, are no failures of an object. A restore whose header vanishes without a
//! copy has failed and may be tried again. When a copy ends is what the store says, never computed here.
//!
//! ```toml
//! [cold.glacier]
//! kind = "s3-glacier"
//! roots = ["carousel"]                          # url = "s3://bucket/prefix", with its endpoint and credentials
//! tier = "Bulk"                                 # or "Standard", "Expedited"
//! interactive_tier = "Standard"                 # while somebody waits
//! currency = "USD"
//! prices.Bulk = { per_gb = 0.0025, per_1000_requests = 0.025 }
//! prices.Standard = { per_gb = 0.01, per_1000_requests = 0.05 }
//! ```
//!
//! That a restore has ended is noticed by looking. Notifications of the bucket (`s3:ObjectRestore:Completed`, and
//! `:Delete`) make it be noticed at once: sent to `POST /cold/{store}/events` by SNS, by EventBridge or by the bucket
//! itself, with a token that may stage, as a bearer token or as the password of an address such as
//! `https://aws:TOKEN@host/cold/glacier/events`. An address that a topic has to have confirmed is in the log.
//!
//! # Limits
//! Restores can neither be cancelled nor be given back: what was asked for comes and stays for its days. One list of prices
//! serves all objects of a store; classes with other prices are other stores, over roots of their own. Tiers of running
//! restores are forgotten with the server: one that was asked for by others, or before a restart, is asked for once more if
//! somebody waits and a faster tier is configured. Objects of INTELLIGENT_TIERING are always looked at one by one; those of
//! stores other than Amazon's are until a listing has told of a restore.

mod calls;
mod client;
mod config;
mod looks;
mod pace;
mod restores;
mod running;
mod states;
mod xml;

#[cfg(test)]
mod conforming;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thermocline_core::clock::Clock;
use thermocline_core::cold::batches::{BatchLimits, Batches};
use thermocline_core::cold::{
    Capabilities, ColdObject, ColdStore, Cost, Landing, NamespaceRoot, ObjectId, ObjectStatus, Priced,
    StageRequest, StageState, StageTicket, StoreContext,
};
use thermocline_core::{Error, Result};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use calls::{Calls, Lane};
use client::{Bucket, SharedBucket};
pub use config::{GlacierConfig, Price, Tier};
use running::{Looks, Restores};
use states::Seen;

/// Buckets of the Glacier kind. Cloning gives the same ones.
#[derive(Clone)]
pub struct GlacierStore {
    shared: Arc<Shared>,
}

struct Shared {
    config: GlacierConfig,
    /// The bucket of each root.
    buckets: HashMap<String, SharedBucket>,
    calls: Calls,
    batches: Batches,
    restores: Restores,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl GlacierStore {
    /// The store over the roots of `context`, which have to be prefixes of buckets.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for keys that make no sense, and for roots that are no buckets.
    pub fn new(config: GlacierConfig, context: &StoreContext) -> Result<Self> {
        config.check()?;
        let clock = Arc::clone(&context.clock);
        let batch_limits = BatchLimits { max_objects: config.max_objects, ..BatchLimits::default() };
        let shared = Shared {
            buckets: context.roots.iter().map(|root| bucket(root, context)).collect::<Result<_>>()?,
            calls: Calls::new(config.requests_per_second, config.connections, Arc::clone(&clock)),
            batches: Batches::new(batch_limits, Arc::clone(&clock)),
            restores: Restores::new(Looks { every: config.poll_every, max: config.poll_max }),
            clock,
            tasks: context.tasks.clone(),
            shutdown: context.shutdown.clone(),
            config,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

fn bucket(root: &NamespaceRoot, context: &StoreContext) -> Result<(String, SharedBucket)> {
    let options = context.places.get(&root.name).cloned().unwrap_or_default();
    Ok((root.name.to_string(), Arc::new(Bucket::new(&root.base, &options)?)))
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
            n_at_once: self.shared.config.batches_at_once,
            batch_objects: self.shared.config.batch_objects,
            poll_every: self.shared.config.poll_every,
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        // Who asks of a few is a reader.
        let is_reader = objects.len() <= self.shared.config.connections;
        let lane = if is_reader { Lane::Urgent } else { Lane::Batch };
        let looks = self.shared.look(objects, lane).await;
        looks.into_iter().map(|look| look.map(Seen::status)).collect()
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        let shared = &self.shared;
        if shared.restores.take_found_again(&request.key) {
            shared.batches.forget(&request.key);
        }
        if shared.batches.accept(request)? {
            shared.tasks.spawn(Arc::clone(shared).work_off(request.clone()));
        }
        Ok(StageTicket { key: request.key.clone(), objects: request.objects.clone(), store_id: None })
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let states = self.shared.progress_of(ticket).await;
        self.shared.batches.told(&ticket.key, &states);
        Ok(states)
    }

    async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        for object in self.shared.batches.cancel(&ticket.key, objects) {
            if !self.shared.batches.is_wanted_elsewhere(&ticket.key, &object.id) {
                self.shared.restores.forget(&object.id);
            }
        }
        Ok(())
    }

    async fn release(&self, _objects: &[ColdObject]) -> Result<()> {
        Err(Error::unsupported("restored copies end by themselves"))
    }

    async fn read(&self, object: &ColdObject, _version: &str, _range: Range<u64>) -> Result<Bytes> {
        Err(Error::unsupported(format!("{} is read in place", object.id)))
    }

    fn refuses_cold_reads(&self) -> bool {
        true
    }

    fn usual_time(&self, is_interactive: bool) -> Option<Duration> {
        Some(self.shared.config.tier_for(is_interactive).usual_time())
    }

    async fn prolong(&self, objects: &[ColdObject], lifetime: Duration) -> Result<()> {
        self.shared.prolong_all(objects, lifetime).await
    }

    fn cost(&self, recalls: &[Priced]) -> Option<Cost> {
        self.shared.config.cost(recalls)
    }

    fn hint(&self, objects: &[ObjectId]) {
        self.shared.restores.hint(objects);
    }

    fn trouble(&self) -> Option<String> {
        self.shared.calls.trouble()
    }
}
