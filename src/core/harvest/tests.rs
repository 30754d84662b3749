//! What harvests promise, over a bucket that the tests change and a clock that they move.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;
use thermocline_model::{ArrayBytes, Dataset, DatasetId, Object, ObjectIdentity, Variable};

use super::table::Standing;
use super::*;
use crate::bytes::ObjectOpener;
use crate::catalog::{
    Catalog, CatalogParts, CatalogSettings, DatasetPer, DatasetSpec, DatasetState, HarvestPlace, SourceSpec,
};
use crate::clock::ManualClock;
use crate::format::{Indexed, OpenOther, ReadAt, ReferenceError, ReferenceReader, Region, Source};
use crate::index::{IndexSettings, IndexStore};
use crate::jobs::{Job, JobKind, JobState, Jobs, JobsParts, JobsSettings};
use crate::reference::InProcess;
use crate::state::DatabaseSettings;
use crate::verify::VerifyLevel;
use crate::{Error, ErrorKind, Result};

/// A harvest of all that promises a dataset below a place.
pub(super) fn spec(id: &str, base: &str) -> HarvestSpec {
    let refused = SourceSpec::Refused("it is a harvest".to_owned());
    HarvestSpec {
        id: id.to_owned(),
        places: vec![HarvestPlace { base: base.to_owned(), include: Vec::new() }],
        exclude: Vec::new(),
        is_recursive: true,
        dataset_per: DatasetPer::Object,
        every: Some(Duration::from_secs(3600)),
        keep_missing: HarvestSpec::KEEP_MISSING,
        fields: Vec::new(),
        template: DatasetSpec::new(DatasetId::new("harvest").unwrap(), refused, "a test"),
    }
}

/// Objects by their addresses. What is `refuse` is no dataset, what is `down` cannot be read.
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, String>>,
    /// Pages after which the store does not answer any more; `None` for never.
    n_pages_left: Mutex<Option<usize>>,
    /// Names after which pages were asked for.
    afters: Mutex<Vec<Option<String>>>,
    n_indexed: AtomicUsize,
}

/// Objects of a page.
const PAGE: usize = 3;

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(1) }, "the store does not answer")
}

impl Bucket {
    fn put(&self, name: &str, content: &str) {
        self.objects.lock().insert(format!("s3://b/{name}"), content.to_owned());
    }

    fn remove(&self, name: &str) {
        self.objects.lock().remove(&format!("s3://b/{name}"));
    }

    fn object(href: &str, content: &str) -> Object {
        let identity = ObjectIdentity::ETag(format!("\"{content}\""));
        Object { href: href.to_owned(), len_bytes: content.len() as u64, identity }
    }
}

struct Opened {
    object: Object,
    content: String,
}

impl ReadAt for Opened {
    fn object(&self) -> &Object {
        &self.object
    }
    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<Bytes> {
        if self.content == "down" {
            return Err(unavailable());
        }
        let start = offset as usize;
        Ok(Bytes::copy_from_slice(&self.content.as_bytes()[start..start + len_bytes]))
    }
    fn local_path(&self) -> Option<&std::path::Path> {
        None
    }
}

struct Alone;

impl OpenOther for Alone {
    fn open(&self, _: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        Ok(None)
    }
    fn list(&self, _: &str) -> Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }
    fn list_objects(&self, _: &str) -> Result<Vec<(String, Object)>> {
        Ok(Vec::new())
    }
}

impl ObjectOpener for Bucket {
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>> {
        let objects = self.objects.lock();
        let content = objects.get(href).ok_or_else(|| Error::not_found(href))?.clone();
        Ok(Arc::new(Opened { object: Self::object(href, &content), content }))
    }
    fn stat(&self, href: &str) -> Result<Option<Object>> {
        Ok(self.objects.lock().get(href).map(|content| Self::object(href, content)))
    }
    fn list(&self, href: &str) -> Result<Vec<Object>> {
        let objects = self.objects.lock();
        let below = objects.iter().filter(|(name, _)| name.starts_with(&format!("{href}/")));
        Ok(below.map(|(name, content)| Self::object(name, content)).collect())
    }
    fn list_pages(
        &self,
        href: &str,
        after: Option<&str>,
        take: &mut dyn FnMut(Vec<Object>) -> Result<()>,
    ) -> Result<()> {
        self.afters.lock().push(after.map(str::to_owned));
        let mut left = self.list(href)?;
        left.retain(|object| after.is_none_or(|after| object.href.as_str() > after));
        for page in left.chunks(PAGE) {
            match &mut *self.n_pages_left.lock() {
                Some(0) => return Err(unavailable()),
                Some(n_left) => *n_left -= 1,
                None => {}
            }
            take(page.to_vec())?;
        }
        Ok(())
    }
    fn others(&self, _: &str) -> Box<dyn OpenOther + '_> {
        Box::new(Alone)
    }
}

/// Reads every object as a dataset without variables.
struct FakeFormat(Arc<Bucket>);

impl Format for FakeFormat {
    fn id(&self) -> &'static str {
        "fake"
    }
    fn sniff(&self, _: &[u8], _: &str) -> bool {
        true
    }
    fn directory_markers(&self) -> &'static [&'static str] {
        &["zarr.json"]
    }
    fn index(&self, source: &Source<'_>) -> Result<Indexed> {
        let object = source.object.object().clone();
        let content = source.object.read_at(0, object.len_bytes as usize)?;
        if content.as_ref() == b"refuse" {
            return Err(Error::refused("the fake format refuses"));
        }
        self.0.n_indexed.fetch_add(1, Ordering::SeqCst);
        Ok(Indexed { dataset: Dataset { objects: vec![object], ..Dataset::default() }, ..Indexed::default() })
    }
    fn decode(&self, _: &Source<'_>, _: &Variable, _: &Region) -> Result<ArrayBytes> {
        Err(Error::unsupported("fake"))
    }
    fn reference(&self, _: &Source<'_>) -> Result<Box<dyn ReferenceReader>, ReferenceError> {
        Err(ReferenceError::Unable("fake".to_owned()))
    }
}

/// What is declared, as a test says.
#[derive(Default)]
struct Said(Mutex<Vec<Arc<HarvestSpec>>>);

impl HarvestSource for Said {
    fn harvests(&self) -> Vec<Arc<HarvestSpec>> {
        self.0.lock().clone()
    }
}

/// A bucket, and the folder of state of whoever harvests it.
struct World {
    dir: TempDir,
    clock: ManualClock,
    bucket: Arc<Bucket>,
    said: Arc<Said>,
}

/// One life of the process.
struct Life {
    harvests: Harvests,
    catalog: Arc<Catalog>,
}

impl World {
    fn new(harvest: HarvestSpec) -> Self {
        let said = Arc::<Said>::default();
        said.0.lock().push(Arc::new(harvest));
        let clock = ManualClock::new(1_000_000_000_000);
        Self { dir: TempDir::new().unwrap(), clock, bucket: Arc::default(), said }
    }

    fn of_objects(names: &[&str]) -> Self {
        let world = Self::new(spec("h", "s3://b/d"));
        names.iter().for_each(|name| world.bucket.put(name, "v1"));
        world
    }

    fn life(&self) -> Life {
        let settings = DatabaseSettings::new(self.dir.path().join("harvest.db"));
        let formats: Vec<Arc<dyn Format>> = vec![Arc::new(FakeFormat(Arc::clone(&self.bucket)))];
        let harvests = Harvests::new(HarvestsParts {
            database: Database::open(settings, Harvests::MIGRATIONS).unwrap(),
            source: Arc::<Said>::clone(&self.said),
            opener: Arc::<Bucket>::clone(&self.bucket),
            formats: formats.clone(),
            clock: Arc::new(self.clock.clone()),
            n_indexers: 2,
        });
        let catalog = Catalog::new(CatalogParts {
            providers: vec![harvests.provider()],
            index: Arc::new(IndexStore::open(IndexSettings::new(self.dir.path().join("index"))).unwrap()),
            opener: Arc::<Bucket>::clone(&self.bucket),
            formats,
            references: Arc::new(InProcess),
            settings: CatalogSettings {
                clock: Arc::new(self.clock.clone()),
                verify: VerifyLevel::Off,
                n_indexers: 2,
                ..CatalogSettings::default()
            },
        });
        Life { harvests, catalog: Arc::new(catalog) }
    }

    fn harvest(&self) -> Arc<HarvestSpec> {
        self.said.0.lock()[0].clone()
    }

    fn change(&self, change: impl FnOnce(&mut HarvestSpec)) {
        let mut said = self.said.0.lock();
        let mut spec = (*said[0]).clone();
        change(&mut spec);
        said[0] = Arc::new(spec);
    }

    fn n_indexed(&self) -> usize {
        self.bucket.n_indexed.load(Ordering::SeqCst)
    }

    fn seconds(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

impl Life {
    /// One round, which waits for nothing.
    async fn round(&self, world: &World) -> Result<HarvestCounts> {
        let harvest = world.harvest();
        self.harvests.list(&harvest, &|_| ()).await?;
        self.harvests.declare(&harvest, &self.catalog).await?;
        self.index(world).await
    }

    /// Indexes whatever is due now.
    async fn index(&self, world: &World) -> Result<HarvestCounts> {
        let harvest = world.harvest();
        while self.harvests.index(&harvest, &self.catalog).await? == round::Next::More {}
        self.harvests.counts(&harvest.id).await
    }

    fn ids(&self) -> Vec<String> {
        self.catalog.ids().iter().map(ToString::to_string).collect()
    }

    /// The end of the process.
    async fn end(self) {
        self.catalog.shut_down().await;
    }
}

const NAMES: &[&str] = &["d/a.nc", "d/b.nc", "d/c.nc", "d/e/f.nc", "d/e/g.nc", "d/h.nc", "d/i.nc", "d/j.nc"];

fn indexed(n_indexed: u64) -> HarvestCounts {
    HarvestCounts { n_indexed, ..HarvestCounts::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_becomes_one_dataset_of_the_index() {
    let world = World::of_objects(&["d/a.nc", "d/e/f.h5", "d/readme.txt", "x/a.nc"]);
    let life = world.life();
    assert_eq!(life.round(&world).await.unwrap(), indexed(2));
    assert_eq!(life.ids(), ["h.a", "h.e.f"]);
    assert!(life.catalog.open("h.e.f").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_change_is_never_indexed_again() {
    let world = World::of_objects(NAMES);
    let life = world.life();
    life.round(&world).await.unwrap();
    life.round(&world).await.unwrap();
    life.end().await;
    assert_eq!(world.n_indexed(), NAMES.len());

    world.bucket.put("d/b.nc", "v2");
    world.bucket.put("d/new.nc", "v1");
    let life = world.life();
    world.seconds(61);
    let listed = life.harvests.list(&world.harvest(), &|_| ()).await.unwrap();
    assert_eq!((listed.n_new, listed.n_changed, listed.n_vanished), (1, 1, 0));
    assert_eq!(life.round(&world).await.unwrap(), indexed(NAMES.len() as u64 + 1));
    assert_eq!(world.n_indexed(), NAMES.len() + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vanished_stays_listed_for_a_while() {
    let world = World::of_objects(&["d/a.nc", "d/b.nc"]);
    world.change(|spec| spec.keep_missing = Duration::from_secs(7200));
    let life = world.life();
    life.round(&world).await.unwrap();
    world.bucket.remove("d/a.nc");
    let counts = life.round(&world).await.unwrap();
    assert_eq!((counts.n_indexed, counts.n_missing), (1, 1));
    assert_eq!(life.ids(), ["h.a", "h.b"]);

    world.seconds(7199);
    life.round(&world).await.unwrap();
    assert_eq!(life.ids(), ["h.a", "h.b"]);
    world.seconds(1);
    assert_eq!(life.round(&world).await.unwrap(), indexed(1));
    assert_eq!(life.ids(), ["h.b"]);
    assert!(matches!(life.catalog.state("h.a"), Some(DatasetState::Lost(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_is_as_it_was() {
    let world = World::of_objects(&["d/a.nc", "d/b.nc"]);
    let life = world.life();
    // Found, and gone before it was indexed.
    life.harvests.list(&world.harvest(), &|_| ()).await.unwrap();
    world.bucket.remove("d/a.nc");
    assert_eq!(life.round(&world).await.unwrap().n_missing, 1);
    world.bucket.put("d/a.nc", "v1");
    assert_eq!(life.round(&world).await.unwrap(), indexed(2));
    assert_eq!(world.n_indexed(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_could_not_be_ended_marks_nothing_as_missing() {
    let world = World::of_objects(NAMES);
    let life = world.life();
    life.round(&world).await.unwrap();
    *world.bucket.n_pages_left.lock() = Some(1);
    world.bucket.remove("d/j.nc");
    assert!(life.round(&world).await.is_err());
    assert_eq!(life.harvests.counts("h").await.unwrap(), indexed(NAMES.len() as u64));
    assert!(life.harvests.provider().problems()[0].contains("does not answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_goes_on_where_it_was_broken_off() {
    let world = World::of_objects(NAMES);
    for n_pages in 0..NAMES.len().div_ceil(PAGE) {
        world.bucket.afters.lock().clear();
        *world.bucket.n_pages_left.lock() = Some(n_pages);
        let life = world.life();
        assert!(life.round(&world).await.is_err());
        life.end().await;
        *world.bucket.n_pages_left.lock() = None;
        let life = world.life();
        assert_eq!(life.round(&world).await.unwrap(), indexed(NAMES.len() as u64));
        life.end().await;
        let after = world.bucket.afters.lock().last().unwrap().clone();
        let expected = (n_pages * PAGE).checked_sub(1).map(|last| format!("s3://b/{}", NAMES[last]));
        assert_eq!(after, expected);
    }
    assert_eq!(world.n_indexed(), NAMES.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_changed_is_listed_from_the_start() {
    let world = World::of_objects(NAMES);
    *world.bucket.n_pages_left.lock() = Some(2);
    let life = world.life();
    assert!(life.round(&world).await.is_err());
    *world.bucket.n_pages_left.lock() = None;
    world.change(|spec| spec.exclude = vec!["e/*".to_owned()]);
    let counts = life.round(&world).await.unwrap();
    assert_eq!((counts.n_indexed, counts.n_missing), (6, 2));
    assert_eq!(world.bucket.afters.lock().last().unwrap(), &None);
    assert!(!life.ids().contains(&"h.e.f".to_owned()), "what is left out now is not declared");
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_it_is_broken_off_nothing_is_lost_or_doubled() {
    for n_polls in (0..60).chain((60..400).step_by(17)) {
        let world = World::of_objects(NAMES);
        let life = world.life();
        {
            let mut round = pin!(life.round(&world));
            let mut left = n_polls;
            poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                context.waker().wake_by_ref();
                round.as_mut().poll(context).map(|_| ())
            })
            .await;
        }
        life.end().await;
        let life = world.life();
        assert_eq!(life.round(&world).await.unwrap(), indexed(NAMES.len() as u64), "after {n_polls} polls");
        assert_eq!(life.ids().len(), NAMES.len());
        assert_eq!(world.n_indexed(), NAMES.len(), "after {n_polls} polls");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_object_by_object_and_tried_again_later_and_later() {
    let world = World::of_objects(&["d/a.nc"]);
    world.bucket.put("d/bad.nc", "refuse");
    world.bucket.put("d/down.nc", "down");
    let life = world.life();
    let counts = life.round(&world).await.unwrap();
    assert_eq!((counts.n_indexed, counts.n_refused, counts.n_failed), (1, 1, 1));
    let failures = life.harvests.failures("h", "", 10).await.unwrap();
    let [bad, down] = failures.as_slice() else { panic!("{failures:?}") };
    assert_eq!((bad.href.as_str(), bad.due_ns), ("s3://b/d/bad.nc", None));
    assert!(bad.reason.contains("refuses") && down.reason.contains("does not answer"));

    let mut due_ns = down.due_ns.unwrap();
    for attempts in 2..8 {
        life.index(&world).await.unwrap();
        let down = &life.harvests.failures("h", "s3://b/d/bad.nc", 1).await.unwrap()[0];
        assert_eq!(down.attempts, attempts - 1, "it is not tried before its time");
        world
            .clock
            .advance(Duration::from_nanos((due_ns - crate::clock::Clock::now_ns(&world.clock)) as u64));
        life.index(&world).await.unwrap();
        let down = &life.harvests.failures("h", "s3://b/d/bad.nc", 1).await.unwrap()[0];
        assert_eq!(down.attempts, attempts);
        let waits = Duration::from_nanos((down.due_ns.unwrap() - due_ns) as u64);
        assert_eq!(waits, FIRST_BACK_OFF * 2_u32.pow(attempts - 1));
        due_ns = down.due_ns.unwrap();
    }

    world.bucket.put("d/down.nc", "v1");
    world.bucket.put("d/bad.nc", "v1");
    world.seconds(3600);
    assert_eq!(life.round(&world).await.unwrap(), indexed(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_with_a_metadata_document_is_one_dataset() {
    let world =
        World::of_objects(&["d/s.zarr/zarr.json", "d/s.zarr/t/zarr.json", "d/s.zarr/t/c/0", "d/a.nc"]);
    world.change(|spec| spec.dataset_per = DatasetPer::Directory);
    let life = world.life();
    assert_eq!(life.round(&world).await.unwrap(), indexed(1));
    assert_eq!(life.ids(), ["h.s"]);
    world.bucket.put("d/s.zarr/zarr.json", "v2");
    world.seconds(61);
    let listed = life.harvests.list(&world.harvest(), &|_| ()).await.unwrap();
    assert_eq!((listed.n_new, listed.n_changed), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_found_another_one_declares() {
    let world = World::of_objects(NAMES);
    let (server, command) = (world.life(), world.life());
    server.catalog.scan().await;
    assert!(server.ids().is_empty());
    command.round(&world).await.unwrap();
    server.catalog.scan().await;
    assert_eq!(server.ids().len(), NAMES.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn specs_that_did_not_change_are_the_same_ones() {
    let world = World::of_objects(&["d/a.nc"]);
    let life = world.life();
    life.round(&world).await.unwrap();
    let provider = life.harvests.provider();
    let first = provider.shared_specs().await.unwrap();
    assert!(Arc::ptr_eq(&first, &provider.shared_specs().await.unwrap()));
    world.bucket.put("d/b.nc", "v1");
    life.round(&world).await.unwrap();
    let second = provider.shared_specs().await.unwrap();
    assert_eq!(second.len(), 2);
    assert!(Arc::ptr_eq(&first[0], &second[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_read_yet_is_not_empty() {
    /// A harvest of a file that nobody can read.
    struct Unread;

    #[async_trait]
    impl HarvestSource for Unread {
        fn harvests(&self) -> Vec<Arc<HarvestSpec>> {
            Vec::new()
        }
        async fn read_once(&self) -> Result<()> {
            Err(unavailable())
        }
    }

    let world = World::of_objects(&[]);
    let settings = DatabaseSettings::new(world.dir.path().join("harvest.db"));
    let harvests = Harvests::new(HarvestsParts {
        database: Database::open(settings, Harvests::MIGRATIONS).unwrap(),
        source: Arc::new(Unread),
        opener: Arc::<Bucket>::clone(&world.bucket),
        formats: Vec::new(),
        clock: Arc::new(world.clock.clone()),
        n_indexers: 1,
    });
    assert!(harvests.provider().shared_specs().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_looked_at_again_after_a_listing() {
    let world = World::of_objects(&["d/a.nc"]);
    world.change(|spec| spec.template.format = Some("none".to_owned()));
    let life = world.life();
    assert_eq!(life.round(&world).await.unwrap().n_refused, 1);
    world.change(|spec| spec.template.format = None);
    let standing = life.harvests.standing("h").await.unwrap();
    assert!(life.harvests.is_to_be_listed(&world.harvest(), &standing));
    assert_eq!(life.round(&world).await.unwrap(), indexed(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_of_one_id_are_refused_until_one_of_them_is_gone() {
    let world = World::of_objects(&["d/a.nc", "d/a.h5"]);
    world.change(|spec| spec.keep_missing = Duration::ZERO);
    let life = world.life();
    assert_eq!(life.round(&world).await.unwrap().n_refused, 2);
    world.bucket.remove("d/a.h5");
    assert_eq!(life.round(&world).await.unwrap(), indexed(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_index_has_lost_is_indexed_again() {
    let world = World::of_objects(NAMES);
    let life = world.life();
    life.round(&world).await.unwrap();
    life.end().await;
    std::fs::remove_dir_all(world.dir.path().join("index")).unwrap();
    let life = world.life();
    assert_eq!(life.round(&world).await.unwrap(), indexed(NAMES.len() as u64));
    assert_eq!(world.n_indexed(), 2 * NAMES.len());
}

mod listings {
    use super::*;
    use crate::harvest::listing::{Found, Page};
    use crate::harvest::table::{self, Round};

    fn database(world: &World) -> Database {
        let settings = DatabaseSettings::new(world.dir.path().join("harvest.db"));
        Database::open(settings, Harvests::MIGRATIONS).unwrap()
    }

    fn page(hrefs: &[&str], unread: &[&str]) -> Page {
        let found = |href: &&str| Found { href: (*href).to_owned(), len_bytes: 1, identity: "1".to_owned() };
        Page {
            found: hrefs.iter().map(found).collect(),
            cursor: None,
            n_looked_at: hrefs.len() as u64,
            unread: unread.iter().map(|folder| (*folder).to_owned()).collect(),
        }
    }

    async fn begin(database: &Database) -> Round {
        database.write(|connection| table::begin_round(connection, "h", "")).await.unwrap()
    }

    async fn keep(database: &Database, round: &Round, page: Page) {
        let round = round.clone();
        let keep = move |connection: &_| table::keep_page(connection, "h", &round, &page);
        database.write(keep).await.unwrap();
    }

    /// How many objects were marked as missing and forgotten by a listing that ends at that time, when what is missing
    /// for ten nanoseconds is forgotten.
    async fn end(database: &Database, round: &Round, now_ns: i64) -> (usize, usize) {
        let number = round.number;
        let end = move |connection: &_| table::end_round(connection, "h", number, (now_ns, now_ns - 10));
        database.write(end).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_lies_in_a_folder_that_was_not_read_is_neither_missing_nor_forgotten() {
        let world = World::of_objects(&[]);
        let database = database(&world);
        let first = begin(&database).await;
        keep(&database, &first, page(&["/d/a.nc", "/d/lost/b.nc", "/d/lost+found/c.nc"], &[])).await;
        assert_eq!(end(&database, &first, 100).await, (0, 0));

        // The listing is broken off after the folder, and another process ends it.
        let second = begin(&database).await;
        keep(&database, &second, page(&[], &["/d/lost"])).await;
        let resumed = begin(&database).await;
        assert_eq!(resumed.number, second.number);
        assert_eq!(end(&database, &resumed, 200).await, (2, 0), "all but what lies below the folder");

        let third = begin(&database).await;
        keep(&database, &third, page(&[], &["/d/lost+found"])).await;
        assert_eq!(end(&database, &third, 300).await, (1, 1), "what may be there again is not forgotten");
        let fourth = begin(&database).await;
        assert_eq!(end(&database, &fourth, 400).await, (0, 2));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn too_many_folders_that_were_not_read_are_the_whole_place() {
        let world = World::of_objects(&[]);
        let database = database(&world);
        let first = begin(&database).await;
        keep(&database, &first, page(&["/d/a.nc"], &[])).await;
        end(&database, &first, 100).await;
        let second = begin(&database).await;
        let folders: Vec<String> = (0..300).map(|number| format!("/e/{number}")).collect();
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        keep(&database, &second, page(&[], &folders)).await;
        assert_eq!(end(&database, &second, 200).await, (0, 0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_listings_at_once_lose_nothing() {
        let world = World::of_objects(&[]);
        let database = database(&world);
        let first = begin(&database).await;
        keep(&database, &first, page(&["/d/a.nc"], &[])).await;
        end(&database, &first, 100).await;
        let second = begin(&database).await;
        keep(&database, &second, page(&["/d/a.nc"], &[])).await;
        // The other process is still at the first one.
        keep(&database, &first, page(&["/d/a.nc"], &[])).await;
        assert_eq!(end(&database, &second, 200).await, (0, 0));
        assert_eq!(end(&database, &first, 300).await, (0, 0));
    }
}

mod local {
    use super::*;
    use crate::harvest::listing::{Lister, Page};
    use crate::harvest::names::Naming;

    /// What a walk below a folder finds without complaints.
    fn walk(dir: &TempDir, after: Option<&str>, change: impl FnOnce(&mut HarvestSpec)) -> Vec<String> {
        let (found, complaints, _) = walked(dir, after, change);
        assert!(complaints.is_empty(), "{complaints:?}");
        found
    }

    /// What a walk below a folder finds, its complaints, and what it could not look into.
    fn walked(
        dir: &TempDir,
        after: Option<&str>,
        change: impl FnOnce(&mut HarvestSpec),
    ) -> (Vec<String>, Vec<String>, Vec<String>) {
        let base = dir.path().to_str().unwrap();
        let mut spec = spec("h", base);
        change(&mut spec);
        let bucket = Arc::<Bucket>::default();
        let lister = Lister {
            opener: Arc::<Bucket>::clone(&bucket),
            formats: vec![Arc::new(FakeFormat(bucket)) as Arc<dyn Format>],
        };
        let naming = Naming::new(Arc::new(spec)).unwrap();
        let (mut hrefs, mut unread) = (Vec::new(), Vec::new());
        let mut take = |page: Page| {
            unread.extend(page.unread);
            hrefs.extend(page.found.into_iter().map(|found| found.href));
            Ok(())
        };
        let complaints = lister.list(&naming, base, after, &mut take).unwrap();
        (hrefs.iter().map(|href| href[base.len() + 1..].to_owned()).collect(), complaints, unread)
    }

    fn tree(names: &[&str]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for name in names {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        dir
    }

    const TREE: &[&str] =
        &["a-b/x.nc", "a/x.nc", "a/y/z.nc", "a.nc", "s.zarr/zarr.json", "s.zarr/no.nc", ".h/x.nc", "t.txt"];

    #[test]
    fn a_walk_finds_files_in_order_and_looks_into_no_store() {
        let found = walk(&tree(TREE), None, |_| ());
        assert_eq!(found, ["a/x.nc", "a/y/z.nc", "a-b/x.nc", "a.nc"]);
        assert_eq!(walk(&tree(TREE), None, |spec| spec.is_recursive = false), ["a.nc"]);
        assert_eq!(walk(&tree(TREE), None, |spec| spec.dataset_per = DatasetPer::Directory), ["s.zarr"]);
    }

    #[test]
    fn a_walk_goes_on_after_any_of_its_names() {
        let dir = tree(TREE);
        let all = walk(&dir, None, |_| ());
        for (position, name) in all.iter().enumerate() {
            let after = dir.path().join(name);
            assert_eq!(walk(&dir, after.to_str(), |_| ()), all[position + 1..], "after {name}");
            // The last name may be gone.
            std::fs::remove_file(&after).unwrap();
            assert_eq!(
                walk(&dir, after.to_str(), |_| ()),
                all[position + 1..],
                "after {name}, which is gone"
            );
            std::fs::write(&after, "x").unwrap();
        }
    }

    #[test]
    fn links_out_of_the_place_are_not_followed() {
        let (dir, other) = (tree(&["a.nc"]), tree(&["secret.nc"]));
        std::os::unix::fs::symlink(other.path(), dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("a.nc"), dir.path().join("b.nc")).unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("c.nc")).unwrap();
        assert_eq!(walk(&dir, None, |_| ()), ["a.nc", "b.nc"]);
    }

    #[test]
    fn a_link_that_leads_round_and_a_name_that_is_not_utf_8_hide_nothing() {
        use std::os::unix::ffi::OsStrExt;

        let dir = tree(&["a/x.nc", "b.nc"]);
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a/round")).unwrap();
        std::fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff.nc")), "x").unwrap();
        let (found, complaints, unread) = walked(&dir, None, |_| ());
        assert_eq!(found, ["a/x.nc", "b.nc"]);
        assert_eq!((complaints.len(), unread), (2, Vec::<String>::new()), "{complaints:?}");
    }

    #[test]
    fn a_place_that_is_away_is_an_error() {
        let dir = tree(&[]);
        let spec = spec("h", dir.path().join("gone").to_str().unwrap());
        let lister = Lister { opener: Arc::<Bucket>::default(), formats: Vec::new() };
        let naming = Naming::new(Arc::new(spec)).unwrap();
        let place = naming.spec.places[0].base.clone();
        assert!(lister.list(&naming, &place, None, &mut |_| Ok(())).is_err());
    }
}

mod jobs {
    use super::*;

    async fn engine(world: &World, life: &Life) -> Jobs {
        let settings = DatabaseSettings::new(world.dir.path().join("jobs.db"));
        let kind = HarvestJob::new(life.harvests.clone(), Arc::clone(&life.catalog));
        let parts = JobsParts {
            database: Database::open(settings, Jobs::MIGRATIONS).unwrap(),
            kinds: vec![Arc::new(kind) as Arc<dyn JobKind>],
            sources: Vec::new(),
            clock: Arc::new(world.clock.clone()),
            settings: JobsSettings {
                results_dir: world.dir.path().join("results"),
                ..JobsSettings::default()
            },
        };
        let jobs = Jobs::open(parts).await.unwrap();
        jobs.start().await.unwrap();
        jobs
    }

    /// The job once it has ended; no time passes meanwhile.
    async fn ended(jobs: &Jobs, job: &Job) -> Job {
        loop {
            let job = jobs.get(&job.id).await.unwrap().unwrap();
            if job.state.is_ended() {
                return job;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_harvest_is_a_job_whenever_it_is_due() {
        let world = World::of_objects(NAMES);
        world.bucket.put("d/bad.nc", "refuse");
        let life = world.life();
        life.catalog.scan().await;
        let jobs = engine(&world, &life).await;
        let harvest = world.harvest();
        let job = life.harvests.submit_if_due(&jobs, &harvest).await.unwrap().unwrap();
        assert_eq!(life.harvests.submit_if_due(&jobs, &harvest).await.unwrap(), None, "one works on it");
        let job = ended(&jobs, &job).await;
        assert_eq!(
            (job.state, job.reason.as_deref()),
            (JobState::Partial, Some("1 of 9 objects are not indexed"))
        );
        let report = std::fs::read_to_string(jobs.result_file(&job).unwrap()).unwrap();
        let line: serde_json::Value = serde_json::from_str(report.trim()).unwrap();
        assert_eq!(line["href"], "s3://b/d/bad.nc");
        assert_eq!(
            life.harvests.submit_if_due(&jobs, &harvest).await.unwrap(),
            None,
            "its time has not come"
        );

        world.seconds(3600);
        assert!(life.harvests.submit_if_due(&jobs, &harvest).await.unwrap().is_some());
        jobs.shut_down().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_edited_entry_is_due_at_once_and_an_entry_without_a_time_only_then() {
        let world = World::of_objects(NAMES);
        world.change(|spec| spec.every = None);
        let life = world.life();
        life.catalog.scan().await;
        let jobs = engine(&world, &life).await;
        let job = life.harvests.submit_if_due(&jobs, &world.harvest()).await.unwrap().unwrap();
        ended(&jobs, &job).await;
        world.seconds(1_000_000);
        assert_eq!(life.harvests.submit_if_due(&jobs, &world.harvest()).await.unwrap(), None);
        world.change(|spec| spec.exclude = vec!["a.nc".to_owned()]);
        assert!(life.harvests.submit_if_due(&jobs, &world.harvest()).await.unwrap().is_some());
        jobs.shut_down().await;
    }

    #[tokio::test]
    async fn a_harvest_that_nobody_knows_is_to_be_listed() {
        let world = World::of_objects(&[]);
        let life = world.life();
        assert!(life.harvests.is_to_be_listed(&world.harvest(), &Standing::default()));
    }
}
