//! What a store brings online is read by clients: through the engine, the cache, and the reads of indexed objects.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use thermocline_core::ErrorKind;
use thermocline_core::bytes::{ByteSource, ObjectOpener, ObjectSettings, Objects, Residency, Root, Staged};
use thermocline_core::clock::{Clock, ManualClock};
use thermocline_core::cold::{ColdStore, Landing, Namespace, NamespaceRoot};
use thermocline_core::staging::{
    NamedStore, Outcome, Owner, Presence, Staging, StagingParts, StagingSettings,
};
use thermocline_core::state::{Database, DatabaseSettings};

use super::{ColdFile, ColdSite};

/// How often a reader asks again before a read counts as one that never succeeds.
const MAX_TRIES: usize = 20;

/// How often is waited for one recall.
const MAX_WAITS: usize = 5000;

/// Checks that files on a cold store are served: the first read recalls them, later ones do not, neither does a
/// restart of the server; a copy in the cache that is gone is recalled once more. `folder` is empty, and of the
/// server.
///
/// # Errors
/// The first claim that does not hold.
pub async fn cold_reads(site: &dyn ColdSite, folder: &Path) -> anyhow::Result<()> {
    let server = Server::start(site, site.store(), folder).await?;
    let (first, second) = (file(site, 0)?, file(site, 1)?);
    let before = site.n_recalls().await?;
    server.check_bytes(first).await.context("the first read")?;
    server.check_bytes(first).await.context("the second read")?;
    server.check_bytes(second).await.context("another file")?;
    ensure!(site.n_recalls().await? == before + 2, "reading two files caused other than two recalls");
    server.check_lost_copy(first).await.context("a copy that somebody removed")?;
    server.staging.shut_down().await;
    drop(server);

    let before = site.n_recalls().await?;
    let server = Server::start(site, site.restart().await?, folder).await.context("a restart")?;
    server.check_bytes(second).await.context("after a restart")?;
    ensure!(site.n_recalls().await? == before, "a restart caused recalls");
    server.staging.shut_down().await;
    Ok(())
}

fn file(site: &dyn ColdSite, number: usize) -> anyhow::Result<&ColdFile> {
    site.sound().get(number).context("too few sound files")
}

/// As much of a server as reads bytes.
struct Server<'s> {
    site: &'s dyn ColdSite,
    staging: Staging,
    residency: Arc<dyn Residency>,
    objects: Arc<Objects>,
    clock: ManualClock,
    landing: Landing,
}

impl<'s> Server<'s> {
    async fn start(
        site: &'s dyn ColdSite,
        store: Arc<dyn ColdStore>,
        folder: &Path,
    ) -> anyhow::Result<Server<'s>> {
        let object = &file(site, 0)?.object;
        let base = object.href.strip_suffix(object.id.path()).context("the object lies below no root")?;
        let root = NamespaceRoot {
            name: object.id.root().into(),
            base: base.trim_end_matches('/').to_owned(),
            map: Vec::new(),
            store: Some("store".into()),
        };
        let directory = Root::directory(Path::new(&root.base))?;
        let runtime = tokio::runtime::Handle::current();
        let clock = ManualClock::new(1_700_000_000_000_000_000);
        let database = DatabaseSettings::new(folder.join("state.db"));
        let landing = store.capabilities().landing;
        let parts = StagingParts {
            namespace: Arc::new(Namespace::new(vec![root])),
            stores: vec![NamedStore { name: "store".into(), store }],
            opener: Objects::new(Vec::new(), ObjectSettings::default(), runtime.clone()),
            database: Database::open(database, Staging::MIGRATIONS)?,
            clock: Arc::new(clock.clone()) as Arc<dyn Clock>,
            settings: StagingSettings {
                cache_dir: folder.join("cache"),
                cache_bytes: 1 << 30,
                keep_free_bytes: 0,
                ..StagingSettings::default()
            },
        };
        let staging = Staging::open(parts).await?;
        staging.start().await;
        let residency = Staged::of(&staging, 0).context("no root is bound")?;
        let known = Some(Arc::clone(&residency));
        let objects = Objects::on_cold_stores(vec![directory], ObjectSettings::default(), runtime, known);
        Ok(Self { site, staging, residency, objects, clock, landing })
    }

    /// Reads a file as a client does who comes back as long as it is told to.
    async fn check_bytes(&self, file: &ColdFile) -> anyhow::Result<()> {
        let href = &*file.object.href;
        let object = self.objects.stat(href)?.with_context(|| format!("{href} is not there"))?;
        for _ in 0..MAX_TRIES {
            match self.objects.read(&object, 0..object.len_bytes).await {
                Ok(bytes) => {
                    ensure!(bytes == file.content, "{href} is served with other bytes");
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::NotStaged => self.recall(href).await?,
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable { .. }) => self.pass().await,
                Err(error) => return Err(error.into()),
            }
        }
        bail!("{href} was recalled {MAX_TRIES} times and is not served")
    }

    async fn recall(&self, href: &str) -> anyhow::Result<()> {
        self.residency.join(href, &Owner::anonymous(), None).await?;
        let mut waiting = self.residency.wait(href);
        for _ in 0..MAX_WAITS {
            tokio::select! {
                biased;
                outcome = &mut waiting => {
                    ensure!(outcome == Outcome::Online, "the recall of {href} came to {outcome:?}");
                    return Ok(());
                }
                () = self.pass() => {}
            }
        }
        bail!("the recall of {href} does not end")
    }

    /// Lets a little time pass, here and in the archive.
    async fn pass(&self) {
        self.site.pass().await;
        self.clock.advance(Duration::from_millis(500));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    async fn check_lost_copy(&self, file: &ColdFile) -> anyhow::Result<()> {
        if self.landing == Landing::InPlace {
            return Ok(());
        }
        match self.residency.presence(&file.object.href).await? {
            Presence::Online { path, guard: Some(_) } => std::fs::remove_file(path)?,
            other => bail!("what was read a moment ago is {other:?}"),
        }
        self.check_bytes(file).await
    }
}
