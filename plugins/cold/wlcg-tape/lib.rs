//! Tape sites that speak the WLCG Tape REST API: dCache, EOS with CTA, StoRM; or another Thermocline.
//!
//! # Serves
//! Every file below its roots, in place: the site brings it to its own disks, and it is read there over HTTPS.
//!
//! # Specification
//! WLCG Tape REST API, version 1 (<https://doi.org/10.5281/zenodo.8411675>). A batch is a request of the site, whose
//! name is kept with its recalls and survives restarts. Both kinds of polls are understood (`state` and `onDisk`), and both
//! spellings of `CANCELLED`. Where files are is told by `archiveinfo`, their size by `HEAD`, which recalls nothing.
//! Errors of files have no codes: that one is denied is read from the words of the site; that one does not exist or is lost
//! is believed if `archiveinfo` says it too. A batch over several roots is a request for each, with its credentials.
//!
//! ```toml
//! [roots.tape]
//! url = "https://tape.example:2880/pnfs/example.org/data"
//! credentials = "tape"
//! [cold.tape]
//! kind = "wlcg-tape"
//! roots = ["tape"]
//! endpoint = "https://tape.example:3880"
//! ```
//!
//! # Limits
//! The site keeps what is pinned: `diskLifetime` is the longest lifetime of those who want a batch, and files whose pins last
//! longer, that others have brought to disk, or that are pinned after a restart are asked for again. Nothing is released
//! earlier, and between two such requests the site may do as it likes. A request that the site refuses for its files is made
//! again in halves, until those are alone that it does not take: they fail, with the site's words. Whether a request was
//! accepted whose answer got lost cannot be known: where its files are is looked at before they are asked for again, and the
//! site shares their recalls anyway. A cancel that the site does not answer is made again for two days, but not after a
//! restart. The interface knows no tapes, no positions, and no progress.

mod ask;
mod batch;
mod client;
mod config;
mod documents;
mod keep;
mod look;
mod names;
mod parts;
mod places;
mod withdraw;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use thermocline_core::bytes::Credentials;
use thermocline_core::clock::Clock;
use thermocline_core::cold::batches::{BatchLimits, Batches};
use thermocline_core::cold::{
    Capabilities, ColdObject, ColdStore, Landing, ObjectId, ObjectStatus, StageRequest, StageState,
    StageTicket, StoreContext,
};
use thermocline_core::{Error, Result};

use client::{Client, FileHead};
pub use config::Config as WlcgTapeConfig;
use keep::Kept;
use places::Paths;
use withdraw::Withdrawals;

/// A file with its path on tape.
type Located = (ColdObject, String);

/// A tape site.
pub struct WlcgTapeStore {
    config: WlcgTapeConfig,
    client: Arc<Client>,
    paths: Paths,
    batches: Batches,
    /// How files of each root are asked for.
    credentials: BTreeMap<Arc<str>, Credentials>,
    clock: Arc<dyn Clock>,
    /// Sizes and versions that were told, and when.
    heads: Mutex<HashMap<ObjectId, (FileHead, i64)>>,
    /// Files of which nobody knows whether the site has accepted them.
    doubtful: Mutex<HashSet<ObjectId>>,
    kept: Kept,
    withdrawals: Withdrawals,
    /// Held while files become accepted or cancelled: of those that become both, the site is told.
    turn: Mutex<()>,
}

impl WlcgTapeStore {
    /// The site over the roots of `context`, which have to be addresses of the web.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for keys that make no sense, and for other roots.
    pub fn new(config: WlcgTapeConfig, context: &StoreContext) -> Result<Self> {
        let place = config.checked()?;
        for root in &context.roots {
            if !root.base.starts_with("https://") && !root.base.starts_with("http://") {
                let message =
                    format!("root {} is {}, a tape site serves https:// or http://", root.name, root.base);
                return Err(Error::invalid_input(message));
            }
        }
        let places = context.places.iter();
        let clock = Arc::clone(&context.clock);
        let limits = BatchLimits { max_objects: config.max_objects, ..BatchLimits::default() };
        let client = Arc::new(Client::new(place, config.request_timeout, Arc::clone(&clock)));
        let batches = Batches::new(limits, Arc::clone(&clock));
        Ok(Self {
            withdrawals: Withdrawals::new(Arc::clone(&client), batches.clone(), context),
            client,
            paths: Paths::new(&config.paths),
            batches,
            credentials: places.map(|(name, place)| (Arc::clone(name), place.credentials.clone())).collect(),
            clock,
            heads: Mutex::default(),
            doubtful: Mutex::default(),
            kept: Kept::default(),
            turn: Mutex::default(),
            config,
        })
    }

    /// How files of a root are asked for.
    fn credentials_of(&self, root: &str) -> &Credentials {
        self.credentials.get(root).unwrap_or(&Credentials::None)
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
            can_cancel: true,
            can_release: false,
            n_at_once: self.config.batches_at_once,
            batch_objects: self.config.batch_objects,
            poll_every: self.config.poll_every,
        }
    }

    async fn status(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        self.look(objects).await
    }

    async fn stage(&self, request: &StageRequest) -> Result<StageTicket> {
        self.begin(request).await
    }

    async fn progress(&self, ticket: &StageTicket) -> Result<Vec<(ObjectId, StageState)>> {
        let states = self.progress_of(ticket).await?;
        self.batches.told(&ticket.key, &states);
        Ok(states)
    }

    async fn cancel(&self, ticket: &StageTicket, objects: &[ObjectId]) -> Result<()> {
        self.cancel_some(ticket, objects).await
    }

    async fn release(&self, _objects: &[ColdObject]) -> Result<()> {
        Err(Error::unsupported("the tape site decides when its copies end"))
    }

    async fn read(&self, object: &ColdObject, _version: &str, _range: Range<u64>) -> Result<Bytes> {
        Err(Error::unsupported(format!("{} is read in place", object.id)))
    }

    fn copies_end(&self) -> bool {
        true
    }

    async fn prolong(&self, objects: &[ColdObject], lifetime: Duration) -> Result<()> {
        self.keep(objects, lifetime).await
    }

    fn hint(&self, objects: &[ObjectId]) {
        let mut heads = self.heads.lock();
        for object in objects {
            heads.remove(object);
        }
    }

    fn trouble(&self) -> Option<String> {
        self.client.trouble()
    }
}
