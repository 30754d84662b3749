//! Requests that are forgotten at once: nobody knows of them any more, and nobody else loses anything.

use std::time::Duration;

use super::store::FakeStore;
use super::world::{World, id, new_request, owner};
use crate::ErrorKind;
use crate::cold::Landing;
use crate::staging::{IdempotencyKey, ObjectFilter, ObjectState, RequestFilter, RequestId, tables};

async fn held() -> World {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world.put("b");
    world.store.hold(true);
    world
}

async fn assert_unknown(world: &World, id: &RequestId) {
    assert!(world.staging.get(id).await.unwrap().is_none());
    let objects = world.staging.objects(id, ObjectFilter { limit: 9, ..ObjectFilter::default() }).await;
    assert_eq!(objects.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.staging.cancel(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.staging.forget(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    let filter = RequestFilter { with_readers: true, limit: 99, ..RequestFilter::default() };
    assert!(world.staging.list(filter).await.unwrap().iter().all(|request| request.id != *id));
}

#[tokio::test]
async fn a_forgotten_request_is_unknown_also_after_a_restart_and_anothers_recall_goes_on() {
    let world = held().await;
    let mine = world.request("x", &["a", "b"]).await;
    let theirs = world.request("y", &["a"]).await;
    world.pass(Duration::from_secs(3)).await;
    world.staging.forget(&mine.id).await.unwrap();
    assert_unknown(&world, &mine.id).await;
    let world = world.restart().await;
    assert_unknown(&world, &mine.id).await;
    world.store.hold(false);
    world.ended(&theirs.id).await;
    assert_eq!(world.states(&theirs.id).await, [ObjectState::Hot]);
    assert_eq!((world.store.n_recalls(&id("a")), world.staging.recalls(9).await.len()), (1, 0));
}

#[tokio::test]
async fn pins_end_with_a_forgotten_request_and_its_rows_are_removed() {
    let world = held().await;
    world.store.hold(false);
    let request = world.request("x", &["a", "b"]).await;
    world.ended(&request.id).await;
    world.staging.forget(&request.id).await.unwrap();
    world.settle().await;
    assert!(world.staging.pins(9).await.unwrap().is_empty());
    let n_rows = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        world.database.read(move |tables| Ok(tables.query_row(&sql, [], |row| row.get::<_, i64>(0))?))
    };
    assert_eq!(n_rows("staging_requests").await.unwrap(), 0);
    assert_eq!(n_rows("staging_request_objects").await.unwrap(), 0);
}

#[tokio::test]
async fn a_process_that_ends_before_the_rows_are_removed_removes_them_later() {
    let world = held().await;
    world.store.hold(false);
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    world.staging.cancel(&request.id).await.unwrap();
    let number = tables::request_number(&request.id).unwrap();
    world.database.write(move |tables| tables::forget_request(tables, number)).await.unwrap();
    let world = world.restart().await;
    assert_unknown(&world, &request.id).await;
    world.pass(Duration::from_secs(30)).await;
    world.pass(Duration::from_secs(60)).await;
    let count = |tables: &rusqlite::Connection| {
        Ok(tables
            .query_row("SELECT count(*) FROM staging_request_objects", [], |row| row.get::<_, i64>(0))?)
    };
    for _ in 0..20 {
        world.pass(Duration::from_secs(10)).await;
    }
    assert_eq!(world.database.read(count).await.unwrap(), 0);
}

#[tokio::test]
async fn the_key_of_a_forgotten_request_makes_a_new_one() {
    let world = held().await;
    let key = IdempotencyKey { key: "k".to_owned(), body_hash: [1; 32] };
    let mut new = new_request("x", &["a"]);
    new.idempotency = Some(key);
    let first = world.staging.request(new.clone()).await.unwrap();
    assert_eq!(world.staging.request(new.clone()).await.unwrap().id, first.id);
    world.staging.forget(&first.id).await.unwrap();
    let second = world.staging.request(new).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(second.owner, owner("x"));
}
