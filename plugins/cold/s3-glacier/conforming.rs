//! The conformance suite over a bucket that counts its restores.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use thermocline_core::cold::{ColdObject, ColdStore};
use thermocline_testkit::conformance::{self, ColdFile, ColdSite};

use crate::GlacierStore;
use crate::fake::{Fake, Manners, content_of, object};

const SOUND: [&str; 12] = [
    "a.nc",
    "b with blank.nc",
    "c&d;e.nc",
    "f+1.nc",
    "g%20.nc",
    "höhe.nc",
    "d/i.nc",
    "d/e/j.nc",
    "k.nc",
    "l.nc",
    "m.nc",
    "n.nc",
];

struct Site {
    fake: Fake,
    store: GlacierStore,
    list_after: usize,
    sound: Vec<ColdFile>,
}

impl Site {
    async fn new(manners: Manners, list_after: usize) -> Self {
        let manners = Manners { fails: vec!["fails.nc"], denied: vec!["denied.nc"], ..manners };
        let keys = SOUND.iter().chain(&["fails.nc", "denied.nc"]);
        let objects: Vec<(&str, &str)> = keys.map(|key| (*key, "GLACIER")).collect();
        let fake = Fake::start(manners, &objects).await;
        let store = fake.store(|config| config.list_after = list_after);
        let file = |key: &&str| ColdFile { object: object(key), content: content_of(key) };
        Self { store, fake, list_after, sound: SOUND.iter().map(file).collect() }
    }
}

#[async_trait]
impl ColdSite for Site {
    fn store(&self) -> Arc<dyn ColdStore> {
        Arc::new(self.store.clone())
    }

    async fn restart(&self) -> anyhow::Result<Arc<dyn ColdStore>> {
        Ok(Arc::new(self.fake.store(|config| config.list_after = self.list_after)))
    }

    fn sound(&self) -> &[ColdFile] {
        &self.sound
    }

    fn missing(&self) -> ColdObject {
        object("missing.nc")
    }

    fn failing(&self) -> Option<ColdObject> {
        Some(object("fails.nc"))
    }

    fn hopeless(&self) -> Option<ColdObject> {
        Some(object("denied.nc"))
    }

    async fn n_recalls(&self) -> anyhow::Result<u64> {
        Ok(self.fake.counts().restores.values().map(|n| *n as u64).sum())
    }

    async fn bytes_in_place(&self, file: &ColdFile) -> anyhow::Result<Vec<u8>> {
        self.fake.bytes(file.object.id.path()).context("the read is refused")
    }

    async fn pass(&self) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_bucket_that_is_looked_at_conforms() -> anyhow::Result<()> {
    conformance::cold(&Site::new(Manners::default(), 1_000_000).await).await
}

#[tokio::test]
async fn a_bucket_that_is_listed_conforms() -> anyhow::Result<()> {
    conformance::cold(&Site::new(Manners::default(), 1).await).await
}

#[tokio::test]
async fn a_bucket_whose_listings_say_nothing_of_restores_conforms() -> anyhow::Result<()> {
    let manners = Manners { tells_restores: false, ..Manners::default() };
    conformance::cold(&Site::new(manners, 1).await).await
}

#[tokio::test]
async fn a_bucket_with_slow_downs_and_lost_answers_conforms() -> anyhow::Result<()> {
    let manners = Manners { slow_down_every: Some(4), lose_every: Some(7), ..Manners::default() };
    conformance::cold(&Site::new(manners, 1_000_000).await).await
}
