//! Chunks that are made of several objects, some of them cold.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cold::Locality;
use crate::staging::{Estimate, Joined, ObjectState, Outcome, Owner, Presence, RequestId};

/// Objects that are online or not, as a test says.
#[derive(Default)]
struct Tape {
    online: Mutex<BTreeSet<String>>,
    came: Notify,
    failed: Mutex<Option<Outcome>>,
    joined: Mutex<Vec<String>>,
    ahead: Mutex<Vec<Vec<Arc<str>>>>,
    n_waiting: AtomicUsize,
}

impl Tape {
    fn bring(&self, hrefs: &[&str]) {
        self.online.lock().extend(hrefs.iter().map(|href| (*href).to_owned()));
        self.came.notify_waiters();
    }

    fn is_online(&self, href: &str) -> bool {
        self.online.lock().contains(href)
    }

    async fn until_waiting(&self, n: usize) {
        while self.n_waiting.load(Ordering::SeqCst) < n {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Residency for Tape {
    fn is_bound(&self, href: &str) -> bool {
        href.starts_with("/tape/")
    }

    async fn presence(&self, href: &str) -> Result<Presence> {
        if self.is_online(href) {
            return Ok(Presence::Online { path: href.into(), guard: None });
        }
        Ok(Presence::Cold)
    }

    fn doubt(&self, _: &str) {}

    fn known_locality(&self, href: &str) -> Locality {
        if self.is_online(href) { Locality::Online } else { Locality::Nearline }
    }

    async fn join(&self, href: &str, _: &Owner, _: Option<&DatasetId>) -> Result<Joined> {
        let mut joined = self.joined.lock();
        joined.push(href.to_owned());
        let seconds = 100 * joined.len() as u64;
        let estimate = Estimate { duration: Duration::from_secs(seconds), basis: "a test" };
        let request = RequestId(href.into());
        Ok(Joined { request, state: ObjectState::Queued, estimate: Some(estimate) })
    }

    async fn wait(&self, href: &str) -> Outcome {
        self.n_waiting.fetch_add(1, Ordering::SeqCst);
        loop {
            let mut came = std::pin::pin!(self.came.notified());
            came.as_mut().enable();
            if let Some(failed) = self.failed.lock().clone() {
                return failed;
            }
            if self.is_online(href) {
                return Outcome::Online;
            }
            came.await;
        }
    }

    fn prefetch_objects(&self) -> usize {
        2
    }

    async fn prefetch(&self, hrefs: Vec<Arc<str>>, _: &Owner, _: &DatasetId) -> Result<()> {
        self.ahead.lock().push(hrefs);
        Ok(())
    }
}

/// Each object has the two elements of its chunk.
struct OnTape(Arc<Tape>);

#[async_trait]
impl ByteSource for OnTape {
    async fn read(&self, object: &Object, _: Range<u64>) -> Result<Bytes> {
        if !self.0.is_online(&object.href) {
            return Err(Error::needs_staging(vec![object.href.as_str().into()]));
        }
        Ok(Bytes::from(bytes_of(&[1, 2])))
    }
}

const HREFS: [&str; 4] = ["/tape/0", "/tape/1", "/tape/2", "/tape/3"];

/// A variable of eight elements, two in each of four objects.
struct World {
    tape: Arc<Tape>,
    reader: Reader,
    manifest: Arc<Manifest>,
    variable: Variable,
    ended: CancellationToken,
}

impl World {
    fn cold() -> Self {
        let (_, manifest, mut variable) = Fixture::raw(&[]).build();
        variable.shape = vec![8];
        let mut table = ChunkTableBuilder::new();
        for number in 0..4 {
            let part =
                ChunkPart { place: Place::Object(number), encoding: 0, filter_mask: 0, is_short: false };
            table.push(u64::from(number), ChunkRef { part, offset: 0, len_bytes: 4 });
        }
        let object = |href: &str| Object {
            href: href.to_owned(),
            len_bytes: 4,
            identity: ObjectIdentity::ETag("1".into()),
        };
        let dataset = Dataset { objects: HREFS.map(object).to_vec(), ..manifest.dataset.clone() };
        let storage = Arc::new(InMemory { table: Arc::new(table.build()), inline: Vec::new() });
        let manifest =
            Manifest::new(manifest.spec.clone(), dataset, Revision("r1".into()), "test".into(), storage);
        let tape = Arc::new(Tape::default());
        let opener = Objects::new(Vec::new(), ObjectSettings::default(), tokio::runtime::Handle::current());
        let bytes = Arc::new(OnTape(Arc::clone(&tape)));
        let reader = Reader::new(bytes, opener, Vec::new(), ReadSettings::default());
        let residency = Arc::<Tape>::clone(&tape) as Arc<dyn Residency>;
        let reader = reader.on_cold_stores(Some(residency));
        let ended = CancellationToken::new();
        Self { tape, reader, manifest: Arc::new(manifest), variable, ended }
    }

    async fn chunk(&self, form: &ChunkForm, index: u64) -> Result<Bytes> {
        let chunk = self.reader.chunk(&self.manifest, &self.variable, form, &[index]).await?;
        Ok(chunk.unwrap().bytes)
    }

    async fn wait(&self, objects: &[&str], seconds: u64) -> Result<(), NotOnline> {
        self.wait_ahead(objects, seconds, &[]).await
    }

    async fn wait_ahead(&self, objects: &[&str], seconds: u64, ahead: &[&str]) -> Result<(), NotOnline> {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        let reader = ReadFor { owner: Owner::anonymous(), dataset: self.manifest.id.clone() };
        let until = Instant::now() + Duration::from_secs(seconds);
        self.reader
            .recalls()
            .unwrap()
            .wait(&names(objects), &reader, names(ahead), (until, &self.ended))
            .await
    }
}

fn not_staged(error: &Error) -> Vec<&str> {
    error.not_staged().iter().map(AsRef::as_ref).collect()
}

#[tokio::test]
async fn everything_that_a_derived_chunk_lacks_is_named_at_once() {
    let world = World::cold();
    world.tape.bring(&["/tape/1"]);
    let error = world.chunk(&raw_form(8, AbsentChunk::Absent), 0).await.unwrap_err();
    assert_eq!(not_staged(&error), ["/tape/0", "/tape/2", "/tape/3"]);

    let region = Region { start: vec![1], shape: vec![4] };
    let error = world.reader.values(&world.manifest, &world.variable, &region).await.unwrap_err();
    assert_eq!(not_staged(&error), ["/tape/0", "/tape/2"]);

    world.tape.bring(&HREFS);
    let values = bytes_of(&[1, 2, 1, 2, 1, 2, 1, 2]);
    assert_eq!(world.chunk(&raw_form(8, AbsentChunk::Absent), 0).await.unwrap(), values);
}

#[tokio::test]
async fn a_chunk_that_was_made_before_needs_no_recall() {
    let world = World::cold();
    world.tape.bring(&HREFS);
    let form = raw_form(8, AbsentChunk::Absent);
    let made = world.chunk(&form, 0).await.unwrap();
    world.tape.online.lock().clear();
    assert_eq!(world.chunk(&form, 0).await.unwrap(), made);

    world.reader.forget_chunks();
    assert_eq!(world.chunk(&form, 0).await.unwrap_err().kind(), ErrorKind::NotStaged);
}

#[tokio::test]
async fn a_stored_chunk_names_its_object() {
    let world = World::cold();
    let error = world.chunk(&raw_form(2, AbsentChunk::Absent), 2).await.unwrap_err();
    assert_eq!(not_staged(&error), ["/tape/2"]);
}

#[tokio::test]
async fn where_a_chunk_is_is_where_the_farthest_of_its_objects_is() {
    let world = World::cold();
    world.tape.bring(&["/tape/0", "/tape/1"]);
    for (chunk, index, place) in [
        (2, 0, Locality::Online),
        (2, 2, Locality::Nearline),
        (4, 0, Locality::Online),
        (8, 0, Locality::Nearline),
    ] {
        let form = raw_form(chunk, AbsentChunk::Absent);
        let found = world.reader.chunk_locality(&world.manifest, &world.variable, &form, &[index]).await;
        assert_eq!(found.unwrap(), Some(place), "{chunk} {index}");
    }
}

#[tokio::test]
async fn the_objects_of_the_chunks_that_follow_are_those_ahead() {
    let world = World::cold();
    for (chunk, index, ahead) in [
        (2, 0, vec!["/tape/1", "/tape/2"]),
        (2, 2, vec!["/tape/3"]),
        (2, 3, vec![]),
        (4, 0, vec!["/tape/2", "/tape/3"]),
    ] {
        let form = raw_form(chunk, AbsentChunk::Absent);
        let found = world.reader.objects_ahead(&world.manifest, &world.variable, &form, &[index]).await;
        let found = found.unwrap();
        assert_eq!(found.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ahead, "{chunk} {index}");
    }
}

#[tokio::test(start_paused = true)]
async fn readers_of_one_object_join_once_and_each_waits_for_itself() {
    let world = World::cold();
    let patient = join_all((0..100).map(|_| world.wait(&["/tape/0"], 60)));
    let hasty = world.wait(&["/tape/0"], 5);
    let (patient, hasty, ()) = tokio::join!(patient, hasty, async {
        world.tape.until_waiting(101).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        world.tape.bring(&["/tape/0"]);
    });
    assert!(patient.iter().all(Result::is_ok));
    let Err(NotOnline::NotInTime(joined)) = hasty else { panic!("it waited for less") };
    assert_eq!(joined.estimate.unwrap().duration, Duration::from_secs(95), "100 when it was joined");
    assert_eq!(*world.tape.joined.lock(), ["/tape/0"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_on_once_the_server_ends_and_all_are_told_where_the_recall_is() {
    let world = World::cold();
    let began = Instant::now();
    let (waited, ()) = tokio::join!(world.wait(&["/tape/0"], 60), async {
        world.tape.until_waiting(1).await;
        world.ended.cancel();
    });
    let Err(NotOnline::NotInTime(joined)) = waited else { panic!("nothing was recalled") };
    assert_eq!((&*joined.request.0, began.elapsed()), ("/tape/0", Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_takes_longest_of_several_recalls_is_told() {
    let world = World::cold();
    let Err(NotOnline::NotInTime(joined)) = world.wait(&["/tape/0", "/tape/1"], 10).await else {
        panic!("nothing was recalled")
    };
    assert_eq!(&*joined.request.0, "/tape/1");
}

#[tokio::test]
async fn one_recall_that_fails_ends_the_wait_for_all() {
    for kind in [ErrorKind::RecallFailed, ErrorKind::Lost, ErrorKind::Corrupt] {
        let world = World::cold();
        let (waited, ()) = tokio::join!(world.wait(&["/tape/0", "/tape/1"], 60), async {
            world.tape.until_waiting(2).await;
            *world.tape.failed.lock() = Some(Outcome::Failed { reason: "torn".into(), kind });
            world.tape.came.notify_waiters();
        });
        match waited {
            Err(NotOnline::Lost(reason)) if kind == ErrorKind::Lost => assert_eq!(reason, "torn"),
            Err(NotOnline::Damaged(reason)) if kind == ErrorKind::Corrupt => assert_eq!(reason, "torn"),
            Err(NotOnline::Failed(reason)) if kind == ErrorKind::RecallFailed => assert_eq!(reason, "torn"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_recall_after_one_that_ended_is_another_one() {
    let world = World::cold();
    for n in 1..=3 {
        let (waited, ()) = tokio::join!(world.wait(&["/tape/0"], 60), async {
            world.tape.until_waiting(n).await;
            world.tape.bring(&["/tape/0"]);
        });
        waited.unwrap();
        world.tape.online.lock().clear();
        assert_eq!(world.tape.joined.lock().len(), n);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_said_to_be_online_and_is_not_is_recalled_ever_more_seldom() {
    let world = World::cold();
    // The store says that it is done, and nothing can be read.
    *world.tape.failed.lock() = Some(Outcome::Online);
    let mut waits = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let waited = join_all((0..50).map(|_| world.wait(&["/tape/0"], 60))).await;
        for waited in waited {
            let Err(reason) = waited else { continue };
            let NotOnline::NotJoined(error) = reason else { panic!("{reason:?}") };
            let ErrorKind::Unavailable { retry_after } = error.kind() else { panic!("{error}") };
            assert!(error.to_string().contains("/tape/0"), "{error}");
            waits.push(retry_after);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(waits.iter().max().map(Duration::as_secs), Some(40));
    // Four at once, then after 5, 15, and 35 seconds.
    assert_eq!(world.tape.joined.lock().len(), 7);

    // When it can be read, that is forgotten, and it may be made cold as often as one likes.
    tokio::time::sleep(Duration::from_secs(120)).await;
    for _ in 0..10 {
        world.wait(&["/tape/0"], 60).await.unwrap();
        world.tape.bring(&["/tape/0"]);
        world.chunk(&raw_form(2, AbsentChunk::Absent), 0).await.unwrap();
        world.tape.online.lock().clear();
        world.reader.forget_chunks();
    }
}

#[tokio::test]
async fn readers_that_left_leave_nothing_behind() {
    let world = World::cold();
    for number in 0..5000 {
        let href = format!("/tape/gone/{number}");
        let names = [href.as_str()];
        let wait = world.wait(&names, 60);
        tokio::select! {
            biased;
            _ = wait => panic!("nothing was recalled"),
            () = world.tape.until_waiting(number + 1) => {}
        }
    }
    assert!(world.reader.recalls().unwrap().n_remembered() < 2500);
}

#[tokio::test]
async fn many_readers_read_ahead_once_and_only_what_is_cold() {
    let world = World::cold();
    world.tape.bring(&["/tape/1"]);
    let readers = (0..20).map(|_| world.wait_ahead(&["/tape/0"], 60, &["/tape/1", "/tape/2"]));
    let (waited, ()) = tokio::join!(join_all(readers), async {
        world.tape.until_waiting(20).await;
        world.tape.bring(&["/tape/0"]);
    });
    assert!(waited.iter().all(Result::is_ok));
    assert_eq!(*world.tape.ahead.lock(), [[Arc::from("/tape/2")]]);
}

#[tokio::test]
async fn a_visit_names_all_cold_objects_before_it_reads_anything() {
    let world = World::cold();
    world.tape.bring(&["/tape/1"]);
    let visit = Visit { chunks: vec![0, 1, 3], max_in_flight: 4, spawn: &|work| work() };
    let each: Arc<Each> = Arc::new(|_| panic!("nothing is read"));
    let error = world.reader.visit(&world.manifest, &world.variable, visit, each).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotStaged);
    let named: BTreeSet<&str> = error.not_staged().iter().map(AsRef::as_ref).collect();
    assert_eq!(named, BTreeSet::from(["/tape/0", "/tape/3"]));
    assert!(world.tape.joined.lock().is_empty(), "reading recalls nothing by itself");
}
