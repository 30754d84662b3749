//! Large requests, and many who wait. Times are told, and bounded generously: the machine may be busy and the build
//! is not an optimised one.

use std::time::{Duration, Instant};

use super::store::FakeStore;
use super::world::{World, href, id, new_request, owner, settings};
use crate::cold::Landing;
use crate::staging::{Activity, Event, ObjectFilter, ObjectState, Outcome, RequestState, StagingSettings};

const N_FILES: usize = 100_000;

/// Says how long something took.
fn told<T>(what: &str, at_most: Duration, began: Instant, value: T) -> T {
    let took = began.elapsed();
    println!("{what}: {took:?}");
    assert!(took < at_most, "{what} took {took:?}");
    value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_many_files_is_durable_at_once_watched_cheaply_and_taken_up_quickly() {
    let settings = StagingSettings { max_active_per_owner: N_FILES, ..settings() };
    let store = FakeStore::new(Landing::InPlace).with(|can| can.batch_objects = 10_000);
    let world = World::with(store, settings).await;
    let paths: Vec<String> =
        (0..N_FILES).map(|n| format!("collection/{:03}/file-{n:06}.nc", n / 1000)).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    paths.iter().for_each(|path| world.store.put(&id(path), b"x"));
    world.store.hold(true);
    let new = new_request("x", &paths);
    let began = Instant::now();
    let request = world.staging.request(new).await.unwrap();
    told("durable answer", Duration::from_secs(10), began, ());
    assert_eq!(request.n_objects(), N_FILES as u64);
    world
        .until("30,000 are under way", || async {
            world.get(&request.id).await.tally(ObjectState::Active).n == 30_000
        })
        .await;
    let now = world.get(&request.id).await;
    let filter = ObjectFilter { since: Some(now.change - 100), limit: 1000, ..ObjectFilter::default() };
    let began = Instant::now();
    let changed = world.staging.objects(&request.id, filter).await.unwrap();
    told("poll of what changed", Duration::from_secs(1), began, ());
    assert!(!changed.is_empty() && changed.len() <= 100);
    let queued = ObjectFilter { state: Some(ObjectState::Queued), limit: 1000, ..ObjectFilter::default() };
    let began = Instant::now();
    let waiting = world.staging.objects(&request.id, queued).await.unwrap();
    told("a page of what waits, with reasons", Duration::from_secs(5), began, ());
    assert!(waiting.len() == 1000 && waiting.iter().all(|object| object.reason.is_some()));
    let began = Instant::now();
    let world = world.restart().await;
    told("restart", Duration::from_secs(60), began, ());
    let began = Instant::now();
    world.store.hold(false);
    let request = world.ended(&request.id).await;
    told("all of it", Duration::from_secs(300), began, ());
    assert_eq!((request.state, request.tally(ObjectState::Hot).n), (RequestState::Succeeded, N_FILES as u64));
    assert!(world.store.batches().len() <= 40, "{} batches", world.store.batches().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_readers_of_one_object_cause_one_recall_and_wake_within_a_second() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world.store.hold(true);
    let readers: Vec<_> = (0..10_000)
        .map(|number| {
            let staging = world.staging.clone();
            tokio::spawn(async move {
                let joined =
                    staging.join(&href("a"), &owner(&format!("o{}", number % 10)), None).await.unwrap();
                (joined.request, staging.wait(&href("a")).await, Instant::now())
            })
        })
        .collect();
    world.pass(Duration::from_secs(3)).await;
    world.store.hold(false);
    world.until("it is online", || async { world.read("a").await.is_some() }).await;
    let online = Instant::now();
    let mut requests = std::collections::HashSet::new();
    for reader in readers {
        let (request, outcome, woken) = reader.await.unwrap();
        requests.insert(request);
        assert_eq!(outcome, Outcome::Online);
        assert!(woken.saturating_duration_since(online) < Duration::from_secs(5));
    }
    println!("all woken within {:?}", online.elapsed());
    assert_eq!(requests.len(), 10, "one for each owner");
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn one_bad_path_among_ten_thousand_costs_nobody_else_anything() {
    let world = World::new(FakeStore::new(Landing::InPlace)).await;
    let paths: Vec<String> = (0..10_000).map(|n| format!("file-{n}")).collect();
    paths.iter().skip(1).for_each(|path| world.store.put(&id(path), b"x"));
    let request = world.request("x", &paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let request = world.ended(&request.id).await;
    assert_eq!(request.state, RequestState::Partial);
    assert_eq!((request.tally(ObjectState::Hot).n, request.tally(ObjectState::Failed).n), (9_999, 1));
    assert_eq!(request.tally(ObjectState::Hot).bytes, 9_999);
}

#[tokio::test]
async fn who_listens_hears_every_object_and_the_end_with_rising_numbers() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world.put("b");
    world.staging.set_activity("tape", Activity::Paused).await.unwrap();
    let mut events = world.staging.events();
    let request = world.request("x", &["a", "b"]).await;
    world.settle().await;
    world.staging.set_activity("tape", Activity::Running).await.unwrap();
    world.ended(&request.id).await;
    let (mut last, mut states, mut ends) = (0, Vec::new(), Vec::new());
    while let Ok(event) = events.try_recv() {
        let change = match event {
            Event::Object { request: of, object } => {
                assert_eq!(of, request.id);
                states.push((object.spelling.to_string(), object.state));
                object.change
            }
            Event::Progress(of) => of.change,
            Event::Request(of) => {
                ends.push(of.state);
                of.change
            }
        };
        assert!(change > last, "{change} after {last}");
        last = change;
    }
    assert_eq!(ends.last(), Some(&RequestState::Succeeded));
    for path in ["a", "b"] {
        let of: Vec<_> =
            states.iter().filter(|(spelling, _)| *spelling == href(path)).map(|(_, state)| *state).collect();
        assert_eq!((of.first(), of.last()), (Some(&ObjectState::Active), Some(&ObjectState::Hot)));
    }
    let filter = ObjectFilter { since: Some(request.change), limit: 10, ..ObjectFilter::default() };
    let replayed = world.staging.objects(&request.id, filter).await.unwrap();
    assert_eq!(replayed.len(), 2);
    assert!(replayed.iter().all(|object| object.state == ObjectState::Hot && object.change > request.change));
}

#[tokio::test]
async fn a_dry_run_counts_and_makes_nothing() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world.put("b");
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    let objects = ["a", "b", "missing"].map(super::world::wanted).to_vec();
    let dry_run = world.staging.dry_run(objects.clone()).await.unwrap();
    assert_eq!((dry_run.n_objects, dry_run.n_nearline, dry_run.nearline_bytes), (3, 1, 14));
    let infos = world.staging.locality(objects).await.unwrap();
    let shown: Vec<_> =
        infos.iter().map(|info| (info.locality.as_str(), info.n_pins, info.error.is_some())).collect();
    assert_eq!(shown, [("online+nearline", 1, false), ("nearline", 0, false), ("unavailable", 0, true)]);
    assert_eq!(world.store.n_recalls(&id("b")), 0);
}
