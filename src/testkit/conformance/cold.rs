//! What every cold store must do.

mod claims;
mod reads;
#[cfg(test)]
mod tests;

pub use reads::cold_reads;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use thermocline_core::ErrorKind;
use thermocline_core::cold::{
    ColdObject, ColdStore, Landing, ObjectId, StageRequest, StageState, StageTicket,
};

/// How often is waited for a recall before it counts as one that never ends.
const MAX_WAITS: usize = 5000;

/// Sound files that a site needs.
const N_SOUND: usize = 12;

/// A file of an archive, with its content.
#[derive(Debug, Clone)]
pub struct ColdFile {
    /// Its name and address.
    pub object: ColdObject,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A cold store with an archive behind it that is the witness of what the store does.
#[async_trait]
pub trait ColdSite: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn ColdStore>;

    /// A new store over the same archive, as after the end of the server by `kill -9`.
    async fn restart(&self) -> anyhow::Result<Arc<dyn ColdStore>>;

    /// At least twelve files of at least 4,096 bytes each, cold at the beginning, whose recalls succeed.
    fn sound(&self) -> &[ColdFile];

    /// An object that does not exist.
    fn missing(&self) -> ColdObject;

    /// An object whose recalls fail, but might not: cold at the beginning.
    fn failing(&self) -> Option<ColdObject> {
        None
    }

    /// An object whose recalls fail for good: cold at the beginning.
    fn hopeless(&self) -> Option<ColdObject> {
        None
    }

    /// Lets the archive refuse batches, or take them again. False if that cannot be arranged.
    async fn set_busy(&self, is_busy: bool) -> anyhow::Result<bool> {
        let _ = is_busy;
        Ok(false)
    }

    /// Recalls that the archive itself has counted.
    async fn n_recalls(&self) -> anyhow::Result<u64>;

    /// What readers get of a file that is online in place: the file itself, if it lies in a file system.
    async fn bytes_in_place(&self, file: &ColdFile) -> anyhow::Result<Vec<u8>> {
        std::fs::read(&*file.object.href).with_context(|| format!("cannot read {}", file.object.href))
    }

    /// Lets a little time pass in the archive.
    async fn pass(&self);
}

/// Checks a cold store: what it says of objects is true and recalls nothing, what it brings online is there and is
/// right, one recall serves all who want an object, one object's failure is its own, nothing is lost or looped
/// over by a restart.
///
/// # Errors
/// The first claim that does not hold.
pub async fn cold(site: &dyn ColdSite) -> anyhow::Result<()> {
    let n_sound = site.sound().len();
    ensure!(n_sound >= N_SOUND, "the suite needs {N_SOUND} sound files, the site has {n_sound}");
    let checks = Checks { site, store: site.store() };
    checks.looking_recalls_nothing().await.context("looking at objects")?;
    checks.a_recall_brings_an_object_online().await.context("a recall")?;
    checks.the_same_key_is_the_same_batch().await.context("the same key")?;
    checks.two_batches_share_a_recall().await.context("two batches")?;
    checks.a_missing_object_fails_alone().await.context("a missing object among others")?;
    checks.failures_say_what_can_be_done().await.context("failures")?;
    checks.a_busy_store_says_when_to_come_back().await.context("a busy store")?;
    checks.released_objects_are_cold().await.context("release")?;
    checks.what_was_cancelled_can_be_asked_for_again().await.context("cancel")?;
    checks.unknown_keys_are_unknown().await.context("unknown keys")?;
    // The last one: the store from before a restart is not used any more.
    checks.a_restart_loses_no_object().await.context("a restart")
}

struct Checks<'a> {
    site: &'a dyn ColdSite,
    store: Arc<dyn ColdStore>,
}

impl Checks<'_> {
    fn file(&self, number: usize) -> anyhow::Result<&ColdFile> {
        self.site.sound().get(number).context("too few sound files")
    }

    async fn stage(&self, key: &str, objects: &[&ColdObject]) -> anyhow::Result<StageTicket> {
        let ticket =
            self.store.stage(&request(key, objects)).await.with_context(|| format!("batch {key}"))?;
        ensure!(ticket.key == key, "batch {key} got the key {}", ticket.key);
        Ok(ticket)
    }

    /// What became of each object of a batch. States never go back on the way.
    async fn outcome(&self, ticket: &StageTicket) -> anyhow::Result<HashMap<ObjectId, StageState>> {
        let mut ranks: HashMap<ObjectId, u8> = HashMap::new();
        for _ in 0..MAX_WAITS {
            let progress =
                self.store.progress(ticket).await.with_context(|| format!("progress of {}", ticket.key))?;
            for (id, state) in &progress {
                let rank = ranks.entry(id.clone()).or_default();
                ensure!(rank_of(state) >= *rank, "{id} went back to {state:?}");
                *rank = rank_of(state);
            }
            let states: HashMap<ObjectId, StageState> = progress.into_iter().collect();
            for object in &ticket.objects {
                ensure!(states.contains_key(&object.id), "nothing is said of {}", object.id);
            }
            if states.values().all(|state| rank_of(state) == ENDED) {
                return Ok(states);
            }
            self.site.pass().await;
        }
        bail!("batch {} did not end", ticket.key)
    }

    /// Stages objects and checks that all of them are online then.
    async fn bring_online(&self, key: &str, objects: &[&ColdObject]) -> anyhow::Result<StageTicket> {
        let ticket = self.stage(key, objects).await?;
        for (id, state) in self.outcome(&ticket).await? {
            ensure!(state == StageState::Staged, "{id} is {state:?}");
        }
        Ok(ticket)
    }

    /// Checks that an object is online and reads as its content.
    async fn check_bytes(&self, file: &ColdFile) -> anyhow::Result<()> {
        let (object, len_bytes) = (&file.object, file.content.len() as u64);
        let status = self.status(object).await?;
        ensure!(status.locality.is_online(), "{} is {:?} after its recall", object.id, status.locality);
        ensure!(status.len_bytes == len_bytes, "{} has {} bytes", object.id, status.len_bytes);
        let read =
            async |version: &str, range: std::ops::Range<u64>| self.store.read(object, version, range).await;
        if self.store.capabilities().landing == Landing::InPlace {
            let kind = read(&status.version, 0..1).await.err().map(|error| error.kind());
            ensure!(kind == Some(ErrorKind::Unsupported), "reading what lies in place gives {kind:?}");
            let content = self.site.bytes_in_place(file).await?;
            ensure!(content == file.content, "{} has other bytes", object.id);
            return Ok(());
        }
        for range in [0..len_bytes, 0..1, 1..len_bytes - 1, len_bytes - 1..len_bytes, 2..2] {
            let bytes =
                read(&status.version, range.clone()).await.with_context(|| format!("range {range:?}"))?;
            let expected = file.content.get(usize::try_from(range.start)?..usize::try_from(range.end)?);
            ensure!(Some(bytes.as_ref()) == expected, "range {range:?} of {} has other bytes", object.id);
        }
        ensure!(read(&status.version, 0..len_bytes + 1).await.is_err(), "bytes beyond the end are read");
        let kind = read("another state", 0..1).await.err().map(|error| error.kind());
        ensure!(matches!(kind, Some(ErrorKind::Changed { .. })), "bytes of another state give {kind:?}");
        Ok(())
    }

    async fn status(&self, object: &ColdObject) -> anyhow::Result<thermocline_core::cold::ObjectStatus> {
        let mut answers = self.store.status(std::slice::from_ref(object)).await;
        ensure!(answers.len() == 1, "{} answers for one object", answers.len());
        Ok(answers.remove(0)?)
    }
}

/// A batch for a day.
fn request(key: &str, objects: &[&ColdObject]) -> StageRequest {
    StageRequest {
        key: key.to_owned(),
        objects: objects.iter().map(|object| (*object).clone()).collect(),
        lifetime: Duration::from_secs(24 * 3600),
        is_interactive: false,
    }
}

const ENDED: u8 = 3;

/// How far a recall is.
fn rank_of(state: &StageState) -> u8 {
    match state {
        StageState::Queued | StageState::Accepted => 1,
        StageState::Active { .. } => 2,
        StageState::Staged | StageState::Failed(_) | StageState::Unknown => ENDED,
    }
}
