//! Which datasets there are.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thermocline_model::{Object, ObjectIdentity};

use super::super::*;
use super::world::{FakeFormat, Gate, World};
use crate::bytes::ObjectOpener;
use crate::clock::{Clock, ManualClock};
use crate::format::{OpenOther, ReadAt};

/// Lets time go by until the background work has indexed something.
async fn until_indexed(world: &World) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while world.catalog.counts().n_indexed == 0 {
            world.seconds(1);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn every_file_below_a_folder_is_a_dataset_named_by_its_path() {
    let world = World::new().await;
    for name in ["b.nc", "a.v1.nc", "x/y/c.h5", "noextension", "upper.NC"] {
        world.write(name, "FAKE");
    }
    for (name, content) in
        [("readme.txt", "hello"), (".hidden.nc", "FAKE"), ("d.nc.part", "FAKE"), ("x/.git/e.nc", "FAKE")]
    {
        world.write(name, content);
    }
    world.write("store.fk/.fake", "FAKE");
    world.write("store.fk/inner/chunk.nc", "FAKE");
    world.catalog.scan().await;
    assert_eq!(world.ids(), ["a.v1", "b", "noextension", "store", "upper", "x.y.c"]);
}

#[tokio::test]
async fn what_changed_files_declare_is_what_a_walk_finds() {
    let world = World::new().await;
    for name in ["a.nc", "b/c.nc", "b.nc", "d/e/f.nc", "notes.txt"] {
        world.write(name, "FAKE");
    }
    world.write("s.fk/.fake", "FAKE");
    let opener = Arc::new(Bucket(&[]));
    let archive = world.href("").trim_end_matches('/').to_owned();
    let folder = || {
        DirectoryProvider::new(
            archive.clone(),
            Arc::clone(&opener) as _,
            vec![Arc::new(FakeFormat::default())],
        )
    };
    let changing = folder();
    changing.specs().await.unwrap();

    fs::remove_file(world.path("a.nc")).unwrap();
    for name in ["b/new.nc", "b.h5", "zz.nc", ".hidden.nc", "d/e/plain", "s.fk/0.nc", "b/c.nc"] {
        world.write(name, "FAKE");
    }
    let names =
        ["a.nc", "b/new.nc", "b.h5", "zz.nc", ".hidden.nc", "d/e/plain", "s.fk/0.nc", "b/c.nc", "never.nc"];
    let changed: Vec<_> = names.iter().map(|name| world.path(name)).collect();
    let found = changing.specs_after(&changed).await.unwrap();
    assert_eq!(found, Some(folder().specs().await.unwrap()));

    fs::create_dir(world.path("made")).unwrap();
    fs::remove_dir_all(world.path("d")).unwrap();
    world.write("b/.fake", "FAKE");
    for name in ["made", "d", "d/e", "b/.fake", "", "s.fk"] {
        assert_eq!(changing.specs_after(&[world.path(name)]).await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn links_lead_nowhere_outside_the_folder() {
    let world = World::new().await;
    world.write("real/a.nc", "FAKE");
    let outside = world.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.nc"), "FAKE").unwrap();
    let link =
        |target: &std::path::Path, name: &str| std::os::unix::fs::symlink(target, world.path(name)).unwrap();
    link(&world.path("real/a.nc"), "inside.nc");
    link(&outside.join("secret.nc"), "outside.nc");
    link(&outside, "folder");
    link(&world.path(""), "real/loop");
    link(&world.path("nowhere.nc"), "dangling.nc");
    world.catalog.scan().await;
    assert_eq!(world.ids(), ["inside", "real.a"]);
    assert!(world.catalog.open("inside").await.is_ok());
}

#[tokio::test]
async fn a_new_file_is_a_dataset_after_the_next_scan_and_a_removed_one_is_not_listed() {
    let world = World::new().await;
    world.add("a.nc", "FAKE").await;
    assert_eq!(world.ids(), ["a"]);
    fs::remove_file(world.path("a.nc")).unwrap();
    world.catalog.scan().await;
    assert_eq!(world.ids(), Vec::<String>::new());
}

#[tokio::test]
async fn the_background_finds_and_indexes_a_new_file() {
    let world = World::new().await;
    world.catalog.start().await;
    world.write("a.nc", "FAKE");
    until_indexed(&world).await;
    assert_eq!(world.n_indexed(), 1);
    world.catalog.shut_down().await;
}

#[tokio::test]
async fn two_files_of_one_id_are_both_refused_with_both_paths() {
    let world = World::new().await;
    world.write("a.nc", "FAKE 1");
    world.add("a.h5", "FAKE 2").await;
    assert_eq!(world.ids(), ["a"]);
    let reason = world.refusal("a").await;
    assert!(reason.contains(&world.href("a.nc")) && reason.contains(&world.href("a.h5")), "{reason}");

    fs::remove_file(world.path("a.h5")).unwrap();
    world.catalog.scan().await;
    assert_eq!(world.text("a").await.unwrap(), "FAKE 1");
}

#[tokio::test]
async fn an_id_of_two_providers_is_refused_with_both_origins() {
    let world = World::new().await;
    let id = DatasetId::new("a").unwrap();
    let spec = DatasetSpec::new(id, SourceSpec::Object(world.href("b.nc")), "catalog.yaml:7");
    *world.declared.0.lock() = Some(vec![spec]);
    world.add("a.nc", "FAKE").await;
    let reason = world.refusal("a").await;
    assert!(reason.contains("a.nc") && reason.contains("catalog.yaml:7"), "{reason}");
}

#[tokio::test]
async fn a_catalog_entry_describes_a_file_of_a_served_folder() {
    let world = World::new().await;
    let spec =
        DatasetSpec::new(DatasetId::new("a").unwrap(), SourceSpec::Object(world.href("a.nc")), "c.yaml:3");
    *world.declared.0.lock() = Some(vec![DatasetSpec { title: Some("T".to_owned()), ..spec }]);
    world.add("a.nc", "FAKE").await;
    assert_eq!(world.ids(), ["a"]);
    assert!(world.catalog.open("a").await.is_ok());
}

#[tokio::test]
async fn a_file_that_is_no_dataset_is_listed_with_what_it_is() {
    let world = World::new().await;
    for (name, content) in [
        ("empty.nc", ""),
        ("page.nc", "<!DOCTYPE html><html>404"),
        ("weather.grib", "GRIB...."),
        ("text.h5", "hello"),
        ("refused.nc", "FAKE refuse"),
        ("panic.nc", "FAKE panic"),
    ] {
        world.write(name, content);
    }
    world.catalog.scan().await;
    for (id, word) in [
        ("empty", "empty"),
        ("page", "an HTML page"),
        ("weather", "a GRIB message"),
        ("text", "\"hello\""),
        ("refused", "the fake format refuses"),
        ("panic", "mistake of this program"),
    ] {
        let reason = world.refusal(id).await;
        assert!(reason.contains(word), "{id}: {reason}");
    }
    assert_eq!(world.catalog.counts().n_refused, 6);
}

#[tokio::test]
async fn a_provider_that_fails_keeps_its_datasets_and_is_reported() {
    let world = World::new().await;
    let id = DatasetId::new("d").unwrap();
    world.write("a.nc", "FAKE");
    *world.declared.0.lock() =
        Some(vec![DatasetSpec::new(id, SourceSpec::Object(world.href("a.nc")), "test")]);
    world.catalog.scan().await;
    *world.declared.0.lock() = None;
    world.catalog.scan().await;
    assert_eq!(world.ids(), ["a", "d"]);
    assert_eq!(world.catalog.problems(), ["the provider fails"]);
}

#[tokio::test]
async fn nothing_is_not_found_before_every_provider_has_answered() {
    let world = World::new().await;
    *world.declared.0.lock() = None;
    let world = world.restarted().await;
    let error = world.catalog.open("x").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");

    *world.declared.0.lock() = Some(vec![]);
    world.catalog.scan().await;
    let error = world.catalog.open("x").await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "Dataset 'x' not found"));
}

#[tokio::test]
async fn a_source_that_fails_from_the_start_keeps_nothing_else_from_being_served() {
    let world = World::new().await;
    world.write("a.nc", "FAKE");
    *world.declared.0.lock() = None;
    let world = world.restarted().await;
    assert!(world.catalog.is_loaded());
    assert_eq!(world.ids(), ["a"]);
    assert!(world.catalog.open("a").await.is_ok());
    assert_eq!(world.catalog.problems(), ["the provider fails"]);
}

#[tokio::test]
async fn a_source_that_never_answers_keeps_nothing_else_from_being_found() {
    let world = World::new().await;
    let world = world.beside(Silent).await;
    let catalog = world.catalog.clone();
    let starting = tokio::spawn(async move { catalog.start().await });
    world.write("a.nc", "FAKE");
    until_indexed(&world).await;
    assert_eq!(world.ids(), ["a"]);
    assert!(!world.catalog.is_loaded());
    starting.abort();
}

#[tokio::test]
async fn d16_answering_a_list_opens_no_dataset() {
    let world = World::new().await;
    for number in 0..200 {
        world.write(&format!("{number:03}.nc"), "FAKE");
    }
    world.catalog.scan().await;
    assert_eq!(world.ids().len(), 200);
    assert_eq!((world.n_indexed(), world.catalog.manifest_memory_bytes()), (0, 0));

    world.catalog.index_ahead().await;
    let world = world.restarted().await;
    world.catalog.index_ahead().await;
    assert_eq!((world.ids().len(), world.catalog.counts().n_indexed), (200, 200));
    assert_eq!((world.n_indexed(), world.catalog.manifest_memory_bytes()), (0, 0));
}

#[tokio::test]
async fn unchanged_declarations_keep_the_list_as_it_is() {
    let world = World::new().await;
    world.write("a.nc", "FAKE 1");
    world.write("a.h5", "FAKE 2");
    let described =
        DatasetSpec::new(DatasetId::new("b").unwrap(), SourceSpec::Object(world.href("b.nc")), "c.yaml");
    *world.declared.0.lock() = Some(vec![described]);
    world.add("b.nc", "FAKE").await;
    let before = world.catalog.entries();
    world.catalog.scan().await;
    assert!(Arc::ptr_eq(&before, &world.catalog.entries()));
}

#[tokio::test]
async fn a_hidden_dataset_is_served_and_not_listed() {
    let world = World::new().await;
    let spec =
        DatasetSpec::new(DatasetId::new("h").unwrap(), SourceSpec::Object(world.href(".h.nc")), "test");
    world.write(".h.nc", "FAKE");
    *world.declared.0.lock() = Some(vec![DatasetSpec { is_hidden: true, ..spec }]);
    world.catalog.scan().await;
    assert_eq!(world.ids(), Vec::<String>::new());
    assert!(world.catalog.open("h").await.is_ok());
}

/// Shares what it declares.
struct Sharing(Arc<parking_lot::Mutex<SharedSpecs>>);

#[async_trait]
impl Provider for Sharing {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        Ok(self.0.lock().iter().map(|spec| DatasetSpec::clone(spec)).collect())
    }

    async fn shared_specs(&self) -> Result<SharedSpecs> {
        Ok(Arc::clone(&self.0.lock()))
    }
}

#[tokio::test]
async fn what_a_provider_shares_is_kept_once_and_changes_are_seen() {
    let spec = |id: &str, title: &str| {
        let source = SourceSpec::Object(format!("/nowhere/{id}"));
        let spec = DatasetSpec::new(DatasetId::new(id).unwrap(), source, "test");
        Arc::new(DatasetSpec { title: Some(title.to_owned()), ..spec })
    };
    let first: SharedSpecs = [spec("a", "A"), spec("b", "B")].into();
    let shared = Arc::new(parking_lot::Mutex::new(Arc::clone(&first)));
    let world = World::new().await.beside(Sharing(Arc::clone(&shared))).await;
    world.catalog.scan().await;
    world.catalog.scan().await;
    assert!(Arc::ptr_eq(&world.catalog.spec("a").unwrap(), &first[0]));

    *shared.lock() = [Arc::clone(&first[0]), spec("b", "C")].into();
    world.catalog.scan().await;
    assert!(Arc::ptr_eq(&world.catalog.spec("a").unwrap(), &first[0]));
    assert_eq!(world.catalog.spec("b").unwrap().title.as_deref(), Some("C"));
}

/// A store that does not answer.
struct Silent;

#[async_trait]
impl Provider for Silent {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        std::future::pending().await
    }
}

/// A store that is down, which takes 20 s to notice; it counts how often it is asked.
struct Down(ManualClock, Arc<AtomicUsize>);

#[async_trait]
impl Provider for Down {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.sleep(Duration::from_secs(20)).await;
        Err(Error::internal("the store is down"))
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_asked_again_soon() {
    let world = World::new().await;
    let n_asked = Arc::new(AtomicUsize::new(0));
    let down = Down(world.clock.clone(), Arc::clone(&n_asked));
    let world = world.beside(down).await;
    let catalog = world.catalog.clone();
    let starting = tokio::spawn(async move { catalog.start().await });
    for _ in 0..150 {
        world.seconds(1);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(n_asked.load(Ordering::SeqCst) >= 3, "asked {n_asked:?} times in 150 s");
    starting.await.unwrap();
}

/// A bucket of objects, all of the same content.
struct Bucket(&'static [&'static str]);

struct BucketObject(Object);

const CONTENT: &[u8] = b"FAKE";

impl Bucket {
    fn object(href: &str) -> Object {
        let identity = ObjectIdentity::ETag("e".to_owned());
        Object { href: href.to_owned(), len_bytes: CONTENT.len() as u64, identity }
    }
}

impl ReadAt for BucketObject {
    fn object(&self) -> &Object {
        &self.0
    }
    fn read_at(&self, offset: u64, len_bytes: usize) -> Result<bytes::Bytes> {
        Ok(bytes::Bytes::from_static(&CONTENT[offset as usize..][..len_bytes]))
    }
    fn local_path(&self) -> Option<&std::path::Path> {
        None
    }
}

impl ObjectOpener for Bucket {
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(BucketObject(Self::object(href))))
    }
    fn stat(&self, href: &str) -> Result<Option<Object>> {
        Ok(self.0.contains(&href).then(|| Self::object(href)))
    }
    fn list(&self, href: &str) -> Result<Vec<Object>> {
        Ok(self.0.iter().filter(|name| name.starts_with(href)).map(|name| Self::object(name)).collect())
    }
    fn others(&self, _: &str) -> Box<dyn OpenOther + '_> {
        unreachable!("nothing is indexed here")
    }
}

async fn declared(objects: &'static [&'static str], source: &str) -> Vec<(String, SourceSpec)> {
    let formats: Vec<Arc<dyn Format>> = vec![Arc::new(FakeFormat::default())];
    let clock = Arc::new(ManualClock::new(0));
    let provider =
        DirectoryProvider::with_clock(source.to_owned(), Arc::new(Bucket(objects)), formats, clock);
    let specs = provider.specs().await.unwrap();
    specs.into_iter().map(|spec| (spec.id.to_string(), spec.source)).collect()
}

fn object(id: &str, href: &str) -> (String, SourceSpec) {
    (id.to_owned(), SourceSpec::Object(href.to_owned()))
}

fn store(id: &str, href: &str) -> (String, SourceSpec) {
    (id.to_owned(), SourceSpec::Directory(href.to_owned()))
}

#[tokio::test]
async fn objects_and_stores_below_a_prefix_are_datasets() {
    const OBJECTS: &[&str] = &[
        "s3://b/p/a.nc",
        "s3://b/p/s.zarr/.fake",
        "s3://b/p/s.zarr/x/.fake",
        "s3://b/p/s.zarr/x/0.nc",
        "s3://b/p/y/.hidden.nc",
        "s3://b/p/y/c.nc",
        "s3://b/p/z/.fake",
        "s3://b/p/z/d.nc",
    ];
    let expected = [
        object("a", "s3://b/p/a.nc"),
        store("s", "s3://b/p/s.zarr"),
        object("y.c", "s3://b/p/y/c.nc"),
        store("z", "s3://b/p/z"),
    ];
    assert_eq!(declared(OBJECTS, "s3://b/p/").await, expected);
    assert_eq!(declared(OBJECTS, "s3://b/p").await, expected);
}

#[tokio::test]
async fn an_address_is_an_object_a_store_or_not_there_yet() {
    const OBJECTS: &[&str] = &["https://h/s.zarr/.fake", "https://h/x.nc"];
    assert_eq!(declared(OBJECTS, "https://h/x.nc").await, [object("x", "https://h/x.nc")]);
    assert_eq!(declared(OBJECTS, "https://h/s.zarr").await, [store("s", "https://h/s.zarr")]);
    assert_eq!(declared(OBJECTS, "https://h/later.nc").await, [object("later", "https://h/later.nc")]);
}

/// A bucket that does not list before its gate is opened.
struct Slow(Arc<Gate>);

impl ObjectOpener for Slow {
    fn open(&self, href: &str) -> Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(BucketObject(Bucket::object(href))))
    }
    fn stat(&self, _: &str) -> Result<Option<Object>> {
        self.0.pass();
        Ok(None)
    }
    fn list(&self, _: &str) -> Result<Vec<Object>> {
        Ok(vec![])
    }
    fn others(&self, _: &str) -> Box<dyn OpenOther + '_> {
        unreachable!("nothing is indexed here")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_are_told_while_a_bucket_is_being_listed() {
    let gate = Arc::new(Gate::default());
    gate.close();
    let opener = Arc::new(Slow(Arc::clone(&gate)));
    let provider = Arc::new(DirectoryProvider::new(
        "s3://b/p/".to_owned(),
        opener,
        vec![Arc::new(FakeFormat::default())],
    ));
    let listing = tokio::spawn({
        let provider = Arc::clone(&provider);
        async move { provider.specs().await }
    });
    gate.wait_for_visitor();

    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(provider.problems()));
    let told = receiver.recv_timeout(Duration::from_secs(10));

    gate.open();
    assert_eq!(listing.await.unwrap().unwrap(), []);
    assert_eq!(told.unwrap(), Vec::<String>::new());
}
