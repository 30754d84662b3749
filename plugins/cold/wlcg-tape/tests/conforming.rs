//! The conformance suite over the site that is made up.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thermocline_core::cold::{ColdObject, ColdStore};
use thermocline_testkit::conformance::{self, ColdFile, ColdSite};

use super::site::{FILES, Fault, LEN_BYTES, Site};
use super::{config, object, store_with};
use crate::{WlcgTapeConfig, WlcgTapeStore};

struct Toy {
    site: Site,
    store: Arc<WlcgTapeStore>,
    sound: Vec<ColdFile>,
}

fn open(site: &Site) -> Arc<WlcgTapeStore> {
    let config = WlcgTapeConfig { remember: Duration::from_secs(60), ..config(site) };
    Arc::new(store_with(site, config))
}

#[async_trait]
impl ColdSite for Toy {
    fn store(&self) -> Arc<dyn ColdStore> {
        Arc::clone(&self.store) as _
    }

    async fn restart(&self) -> anyhow::Result<Arc<dyn ColdStore>> {
        Ok(open(&self.site))
    }

    fn sound(&self) -> &[ColdFile] {
        &self.sound
    }

    fn missing(&self) -> ColdObject {
        object(&self.site, "missing.nc")
    }

    async fn set_busy(&self, is_busy: bool) -> anyhow::Result<bool> {
        self.site.fail_everything(is_busy.then_some(Fault::Status(503)));
        Ok(true)
    }

    async fn n_recalls(&self) -> anyhow::Result<u64> {
        Ok(self.site.n_recalls() as u64)
    }

    async fn bytes_in_place(&self, file: &ColdFile) -> anyhow::Result<Vec<u8>> {
        let head = self.store.status(std::slice::from_ref(&file.object)).await.remove(0)?;
        anyhow::ensure!(head.locality.is_online(), "{} is read before it is online", file.object.id);
        Ok(vec![b'x'; usize::try_from(head.len_bytes)?])
    }

    async fn pass(&self) {
        self.site.end_recalls();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_tape_site_is_a_right_cold_store() {
    let site = Site::start().await;
    let file = |name: &&str| ColdFile {
        object: object(&site, &name.replace(' ', "%20")),
        content: vec![b'x'; LEN_BYTES],
    };
    let (sound, store) = (FILES.iter().map(file).collect(), open(&site));
    conformance::cold(&Toy { site, store, sound }).await.unwrap();
}
