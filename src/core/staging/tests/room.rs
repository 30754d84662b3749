//! What goes first when room is needed or a reader waits, and waiting for room without being busy.

use std::time::Duration;

use super::store::{FakeStore, Turn};
use super::world::{World, href, id, owner, settings};
use crate::cold::{Landing, TapePlace};
use crate::staging::{ObjectState, RequestState, StagingSettings};

/// A cache with room for two objects.
async fn of_two(store: FakeStore) -> World {
    let settings = StagingSettings { cache_bytes: 30, cache_high: 1.0, cache_low: 0.5, ..settings() };
    let world = World::with(store, settings).await;
    for path in ["a", "b", "c", "d"] {
        world.put(path);
    }
    world
}

#[tokio::test]
async fn what_landed_first_goes_first_after_a_restart_too() {
    let world = of_two(FakeStore::new(Landing::Copied)).await;
    for path in ["b", "a"] {
        let request = world.request("x", &[path]).await;
        world.ended(&request.id).await;
        world.staging.release(&request.id, None).await.unwrap();
        world.pass(Duration::from_secs(1)).await;
    }
    let world = world.restart().await;
    world.pass(Duration::from_secs(120)).await;

    let request = world.request("x", &["c"]).await;
    world.ended(&request.id).await;

    assert!(world.read("b").await.is_none());
    assert!(world.read("a").await.is_some());
}

#[tokio::test]
async fn nobody_is_busy_while_recalls_wait_for_room() {
    let world = of_two(FakeStore::new(Landing::Copied).with(|store| store.knows_tapes = true)).await;
    let pinned = world.request("x", &["a", "b"]).await;
    world.ended(&pinned.id).await;
    for (path, tape) in [("c", "T1"), ("d", "T2")] {
        world.store.change(&id(path), |stored| {
            stored.place = Some(TapePlace { tape: tape.into(), position: 0 });
        });
    }
    // Files are gathered for 30 s before a tape is worth a mount.
    world.request("x", &["c"]).await;
    world.pass(Duration::from_secs(31)).await;
    world.request("x", &["d"]).await;
    world.pass(Duration::from_millis(29_500)).await;
    // The second tape is worth its mount now, but there was no room half a second ago.
    world.pass(Duration::from_millis(700)).await;

    let shared = &world.staging.shared;
    let idle_ns = shared.engine.lock().idle_ns(shared.now());
    assert!(idle_ns.is_some_and(|idle_ns| idle_ns > 0), "{idle_ns:?}");
}

#[tokio::test]
async fn what_a_reader_waits_for_overtakes_what_its_store_has_not_begun() {
    let world = World::new(FakeStore::new(Landing::Copied).with(|store| store.n_at_once = 1)).await;
    for path in ["a", "b", "c", "d"] {
        world.put(path);
    }
    world.store.script(&id("a"), vec![Turn::Busy; 1000]);
    world.store.script(&id("b"), vec![Turn::Queued; 1000]);
    world.store.script(&id("d"), vec![Turn::Accepted; 1000]);
    let bulk = world.request("x", &["a", "b", "d"]).await;
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(world.states(&bulk.id).await, [ObjectState::Active; 3]);

    let reader = world.staging.join(&href("c"), &owner("y"), None).await.unwrap();
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(world.store.cancelled(), [id("b")], "what has been begun, or may have been, goes on");
    let states = [ObjectState::Active, ObjectState::Queued, ObjectState::Active];
    assert_eq!(world.states(&bulk.id).await, states);
    world.store.script(&id("a"), []);
    world.store.script(&id("d"), []);
    assert_eq!(world.ended(&reader.request).await.state, RequestState::Succeeded);
    world.store.script(&id("b"), []);
    assert_eq!(world.ended(&bulk.id).await.state, RequestState::Succeeded);

    let batches = world.store.batches();
    let order: Vec<_> = batches
        .iter()
        .map(|batch| batch.objects.iter().map(|object| object.id.clone()).collect::<Vec<_>>())
        .collect();
    assert_eq!(order, [vec![id("a"), id("b"), id("d")], vec![id("c")], vec![id("b")]]);
    assert!(world.objects(&bulk.id).await.iter().all(|object| object.reason.is_none()), "it cost no attempt");
}
