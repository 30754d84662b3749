//! What survives, and what is told before it does.

use std::time::Duration;

use super::store::FakeStore;
use super::world::{START_NS, World, href, id, new_request, owner, settings};
use crate::cold::Landing;
use crate::staging::{IdempotencyKey, ObjectState, RequestFilter, RequestState, StagingSettings};
use crate::{ErrorKind, Result};

async fn copied() -> World {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world
}

/// Lets every change of a table fail, or no more.
async fn break_table(world: &World, table: &'static str, is_broken: bool) {
    let script = match is_broken {
        true => format!(
            "CREATE TRIGGER broken_u_{table} BEFORE UPDATE ON {table} BEGIN SELECT raise(ABORT, 'broken'); END;
             CREATE TRIGGER broken_i_{table} BEFORE INSERT ON {table} BEGIN SELECT raise(ABORT, 'broken'); END;"
        ),
        false => format!("DROP TRIGGER broken_u_{table}; DROP TRIGGER broken_i_{table};"),
    };
    world.database.write(move |tables| -> Result<()> { Ok(tables.execute_batch(&script)?) }).await.unwrap();
}

#[tokio::test]
async fn a_request_goes_on_after_a_restart() {
    let world = copied().await;
    world.store.hold(true);
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(3)).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Active]);
    let world = world.restart().await;
    world.store.hold(false);
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 1, "it was found again by our key");
    assert!(world.read("a").await.is_some());
}

#[tokio::test]
async fn bytes_that_are_waited_for_are_the_same_after_a_restart() {
    let store = FakeStore::new(Landing::InPlace).with(|can| (can.n_at_once, can.batch_objects) = (1, 1));
    let world = World::new(store).await;
    ["a", "b", "c"].iter().for_each(|path| world.put(path));
    world.store.hold(true);
    let request = world.request("x", &["a", "b", "c"]).await;
    let len_bytes = "the bytes of a".len() as u64;
    let bytes = |request: crate::staging::Request| {
        (request.tally(ObjectState::Active).bytes, request.tally(ObjectState::Queued).bytes)
    };
    world.pass(Duration::from_secs(3)).await;
    assert_eq!(bytes(world.get(&request.id).await), (len_bytes, 2 * len_bytes));
    let world = world.restart().await;
    for _ in 0..3 {
        world.pass(Duration::from_secs(3)).await;
    }
    assert_eq!(bytes(world.get(&request.id).await), (len_bytes, 2 * len_bytes));
    world.store.hold(false);
    let request = world.ended(&request.id).await;
    assert_eq!(request.tally(ObjectState::Hot).bytes, 3 * len_bytes);
}

#[tokio::test]
async fn a_recall_that_its_store_forgot_meanwhile_is_asked_for_again() {
    let world = copied().await;
    world.store.hold(true);
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(3)).await;
    world.store.forget_batches();
    let world = world.restart().await;
    world.store.hold(false);
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 2);
}

#[tokio::test]
async fn copies_and_pins_survive_a_restart() {
    let world = copied().await;
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    let world = world.restart().await;
    assert_eq!(world.read("a").await.unwrap(), b"the bytes of a");
    assert_eq!(world.staging.evict(None).await.unwrap(), 0);
    world.pass(Duration::from_secs(3700)).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Released]);
    assert_eq!(world.staging.evict(None).await.unwrap(), 1);
    assert_eq!(world.staging.cache_use().used_bytes, 0);
}

#[tokio::test]
async fn a_pinned_copy_that_is_missing_after_a_restart_is_recalled_again() {
    let world = copied().await;
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    let world = world
        .restart_after(|folder| {
            std::fs::remove_dir_all(folder.join("cache/objects")).unwrap();
        })
        .await;
    assert!(world.read("a").await.is_none());
    assert_eq!(world.staging.cache_use().n_objects, 0);
    world.until("it is back", || async { world.read("a").await.is_some() }).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
    assert_eq!(world.get(&request.id).await.state, RequestState::Succeeded);
}

#[tokio::test]
async fn a_file_of_the_cache_that_nobody_knows_is_removed_at_start() {
    let world = copied().await;
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    let forget = |tables: &rusqlite::Connection| Ok(tables.execute_batch("DELETE FROM staging_online")?);
    world.database.write(forget).await.unwrap();
    let world = world.restart().await;
    let files = walkdir::WalkDir::new(world.folder.path().join("cache/objects"));
    let n_files = files.into_iter().filter(|entry| entry.as_ref().unwrap().file_type().is_file()).count();
    world.until("it is back", || async { world.read("a").await.is_some() }).await;
    assert_eq!(n_files, 0);
}

#[tokio::test]
async fn a_request_that_cannot_be_written_is_refused_and_leaves_no_trace() {
    let world = copied().await;
    break_table(&world, "staging_request_objects", true).await;
    world.staging.request(new_request("x", &["a"])).await.unwrap_err();
    break_table(&world, "staging_request_objects", false).await;
    assert!(
        world.staging.list(RequestFilter { limit: 10, ..RequestFilter::default() }).await.unwrap().is_empty()
    );
    world.pass(Duration::from_secs(10)).await;
    assert_eq!(world.store.n_recalls(&id("a")), 0);
}

#[tokio::test]
async fn nobody_is_told_before_it_is_written_and_all_are_afterwards() {
    let world = copied().await;
    world.store.hold(true);
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(3)).await;
    break_table(&world, "staging_online", true).await;
    world.store.hold(false);
    let staging = world.staging.clone();
    let waiter = tokio::spawn(async move { staging.wait(&href("a")).await });
    for _ in 0..10 {
        world.pass(Duration::from_secs(1)).await;
    }
    assert!(world.read("a").await.is_none(), "the copy is there, but that is not durable");
    assert!(!waiter.is_finished());
    assert_ne!(world.states(&request.id).await, [ObjectState::Hot]);
    let refused = world.staging.join(&href("a"), &owner("y"), None).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused}");
    break_table(&world, "staging_online", false).await;
    world.ended(&request.id).await;
    waiter.await.unwrap();
    assert!(world.read("a").await.is_some());
}

#[tokio::test]
async fn the_same_key_gives_the_same_request_and_with_another_body_an_error() {
    let world = copied().await;
    world.put("b");
    let with_key = |paths: &[&str], hash: u8| {
        let mut new = new_request("x", paths);
        new.idempotency = Some(IdempotencyKey { key: "k".to_owned(), body_hash: [hash; 32] });
        new
    };
    let first = world.staging.request(with_key(&["a"], 1)).await.unwrap();
    let world = world.restart().await;
    assert_eq!(world.staging.request(with_key(&["a"], 1)).await.unwrap().id, first.id);
    let other = world.staging.request(with_key(&["b"], 2)).await.unwrap_err();
    assert!(other.kind() == ErrorKind::InvalidInput && other.to_string().contains("\"k\""), "{other}");
    let mut foreign = with_key(&["b"], 2);
    foreign.owner = owner("y");
    assert_ne!(world.staging.request(foreign).await.unwrap().id, first.id);
    world.pass(Duration::from_secs(25 * 3600)).await;
    assert_ne!(world.staging.request(with_key(&["b"], 2)).await.unwrap().id, first.id);
}

#[tokio::test]
async fn a_request_is_kept_as_long_as_the_key_that_leads_to_it() {
    let settings = StagingSettings { keep_requests: Duration::from_secs(1), ..settings() };
    let world = World::with(FakeStore::new(Landing::Copied), settings).await;
    world.put("a");
    let mut new = new_request("x", &["a"]);
    new.idempotency = Some(IdempotencyKey { key: "k".to_owned(), body_hash: [1; 32] });
    let first = world.staging.request(new.clone()).await.unwrap();
    let other = world.request("x", &["a"]).await;
    world.ended(&other.id).await;
    for _ in 0..10 {
        world.pass(Duration::from_secs(7200)).await;
    }
    world.until("it is forgotten", || async { world.staging.get(&other.id).await.unwrap().is_none() }).await;
    assert_eq!(world.staging.request(new.clone()).await.unwrap().id, first.id);
    for _ in 0..4 {
        world.pass(Duration::from_secs(7200)).await;
    }
    world.until("it is forgotten", || async { world.staging.get(&first.id).await.unwrap().is_none() }).await;
    assert_ne!(world.staging.request(new).await.unwrap().id, first.id);
}

#[tokio::test]
async fn a_batch_is_found_again_by_the_name_that_its_store_gave_it() {
    let world = World::new(FakeStore::new(Landing::Copied).knowing_its_own_names_only()).await;
    world.put("a");
    world.store.hold(true);
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(3)).await;
    let world = world.restart().await;
    world.store.hold(false);
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn requests_are_forgotten_some_time_after_their_pins_ended() {
    let world = copied().await;
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    world.pass(Duration::from_secs(6 * 24 * 3600)).await;
    for _ in 0..10 {
        world.pass(Duration::from_secs(10)).await;
    }
    assert!(world.staging.get(&request.id).await.unwrap().is_some());
    world.pass(Duration::from_secs(2 * 24 * 3600)).await;
    world
        .until("it is forgotten", || async { world.staging.get(&request.id).await.unwrap().is_none() })
        .await;
}

#[tokio::test]
async fn requests_made_while_the_clock_goes_back_have_names_and_an_order_of_their_own() {
    let world = copied().await;
    let first = world.request("x", &["a"]).await;
    let second = world.request("x", &["a"]).await;
    assert!(second.created_ns > first.created_ns && first.created_ns >= START_NS);
    let filter = RequestFilter { limit: 10, ..RequestFilter::default() };
    let listed: Vec<_> =
        world.staging.list(filter).await.unwrap().into_iter().map(|request| request.id).collect();
    assert_eq!(listed, [second.id, first.id]);
}
