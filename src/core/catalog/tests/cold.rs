//! Sources on cold stores: indexed when they are online, and never recalled for it by themselves.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::super::*;
use super::world::{World, catalog_on};
use crate::bytes::Residency;
use crate::cold::Locality;
use crate::staging::{Joined, Outcome, Owner, Presence};
use crate::verify::VerifyLevel;

/// Everything is on tape, and cold as long as a test names it.
#[derive(Default)]
struct Tape {
    cold: Mutex<BTreeSet<String>>,
    /// How often somebody asked where something is.
    n_asked: AtomicUsize,
}

impl Tape {
    fn is_cold(&self, href: &str) -> bool {
        self.cold.lock().iter().any(|name| href.ends_with(name.as_str()))
    }
}

#[async_trait]
impl Residency for Tape {
    fn is_bound(&self, _: &str) -> bool {
        true
    }

    async fn presence(&self, href: &str) -> Result<Presence> {
        self.n_asked.fetch_add(1, Ordering::Relaxed);
        Ok(if self.is_cold(href) {
            Presence::Cold
        } else {
            Presence::Online { path: href.into(), guard: None }
        })
    }

    fn doubt(&self, _: &str) {}

    fn known_locality(&self, href: &str) -> Locality {
        if self.is_cold(href) { Locality::Nearline } else { Locality::OnlineAndNearline }
    }

    async fn join(&self, href: &str, _: &Owner, _: Option<&DatasetId>) -> Result<Joined> {
        Err(Error::internal(format!("{href} is recalled")))
    }

    async fn wait(&self, _: &str) -> Outcome {
        Outcome::Online
    }
}

/// The same archive in a new process, on a tape where `cold` is cold.
async fn restarted_on_tape(
    world: World,
    cold: &[&str],
    change: impl FnOnce(&mut CatalogSettings),
) -> (World, Arc<Tape>) {
    let tape = Arc::new(Tape::default());
    tape.cold.lock().extend(cold.iter().map(|name| (*name).to_owned()));
    world.catalog.shut_down().await;
    let World { dir, clock, declared, .. } = world;
    let residency = Some(Arc::<Tape>::clone(&tape) as Arc<dyn Residency>);
    let others: Vec<Arc<dyn Provider>> = vec![Arc::clone(&declared) as _];
    let (catalog, format) = catalog_on((&dir, residency), &clock, others, change);
    catalog.scan().await;
    (World { dir, clock, format, declared, catalog }, tape)
}

#[tokio::test]
async fn a_cold_source_opens_from_the_index_with_nothing_of_it_read() {
    let world = World::new().await;
    world.add("a.nc", "FAKE one").await;
    world.text("a").await.unwrap();
    let (world, _) = restarted_on_tape(world, &["a.nc"], |_| {}).await;
    assert_eq!(world.text("a").await.unwrap(), "FAKE one");
    assert_eq!(world.n_indexed(), 0);
}

#[tokio::test]
async fn the_index_of_a_cold_source_is_used_although_it_would_be_made_otherwise_today() {
    let world = World::new().await;
    world.add("a.nc", "FAKE one").await;
    world.text("a").await.unwrap();
    let verify = |settings: &mut CatalogSettings| settings.verify = VerifyLevel::Full;
    let (world, _) = restarted_on_tape(world, &["a.nc"], verify).await;
    assert_eq!(world.text("a").await.unwrap(), "FAKE one");
    assert_eq!(world.n_indexed(), 0);
}

#[tokio::test]
async fn a_cold_source_that_changed_is_not_served_as_it_was() {
    let world = World::new().await;
    world.add("a.nc", "FAKE one").await;
    world.text("a").await.unwrap();
    let (world, tape) = restarted_on_tape(world, &["a.nc"], |_| {}).await;
    world.write("a.nc", "FAKE another");
    assert!(world.refusal("a").await.contains("not indexed"));
    assert_eq!(world.catalog.not_indexed().len(), 1);

    tape.cold.lock().clear();
    world.seconds(2);
    assert_eq!(world.text("a").await.unwrap(), "FAKE another");
    assert!(world.catalog.not_indexed().is_empty());
}

#[tokio::test]
async fn a_source_that_was_recalled_is_indexed_however_seldom_it_is_looked_at() {
    let world = World::new().await;
    world.add("a.nc", "FAKE one").await;
    let seldom = |settings: &mut CatalogSettings| settings.check_every = Duration::from_secs(3600);
    let (world, tape) = restarted_on_tape(world, &["a.nc"], seldom).await;
    assert!(world.refusal("a").await.contains("has to be recalled"));
    let n_asked = tape.n_asked.load(Ordering::Relaxed);
    world.seconds(10);
    assert!(world.refusal("a").await.contains("has to be recalled"));
    assert_eq!(tape.n_asked.load(Ordering::Relaxed), n_asked, "nobody asks where it is before it has come");

    tape.cold.lock().clear();
    assert_eq!(world.text("a").await.unwrap(), "FAKE one");
}

#[tokio::test]
async fn neighbours_that_are_only_named_need_no_recall() {
    let world = World::new().await;
    world.write("far.raw", "raw");
    let (world, _) = restarted_on_tape(world, &["far.raw"], |_| {}).await;
    world.add("a.nc", "FAKE with far.raw").await;
    assert_eq!(world.text("a").await.unwrap(), "FAKE with far.raw");
}

#[tokio::test]
async fn a_cold_file_without_a_promising_name_is_listed_if_it_was_indexed_before() {
    let world = World::new().await;
    world.add("unnamed", "FAKE one").await;
    world.text("unnamed").await.unwrap();
    world.write("unknown", "FAKE two");
    let (world, _) = restarted_on_tape(world, &["unnamed", "unknown"], |_| {}).await;
    assert_eq!(world.ids(), ["unnamed"]);
    assert_eq!(world.text("unnamed").await.unwrap(), "FAKE one");
    assert_eq!(world.n_indexed(), 0);
}

#[tokio::test]
async fn what_a_listing_shows_is_not_read_to_be_recognised_while_it_is_cold() {
    let world = World::new().await;
    world.write("unnamed", "FAKE one");
    let (world, tape) = restarted_on_tape(world, &["unnamed"], |_| {}).await;
    assert!(world.ids().is_empty());
    tape.cold.lock().clear();
    world.catalog.scan().await;
    assert_eq!(world.ids(), ["unnamed"]);
}
