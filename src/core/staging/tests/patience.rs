//! How long stores may take, and how often recalls are tried.

use std::time::Duration;

use super::store::{FakeStore, Turn};
use super::world::{World, end, id, settings};
use crate::ErrorKind;
use crate::clock::Clock;
use crate::cold::{FailureCause, Landing};
use crate::staging::{ObjectState, RequestState, StagingSettings};

/// A store in whose recalls a minute without progress is a standstill, and ten minutes are too many in all.
async fn hasty() -> World {
    let settings = StagingSettings {
        stalled_after: Duration::from_secs(60),
        recall_timeout: Duration::from_secs(600),
        ..settings()
    };
    let world = World::with(FakeStore::new(Landing::Copied), settings).await;
    ["a", "b"].iter().for_each(|path| world.put(path));
    world
}

#[tokio::test]
async fn a_recall_in_the_queue_of_its_store_stands_not_still() {
    let world = hasty().await;
    world.store.script(&id("a"), vec![Turn::Queued; 500]);
    assert_eq!(end(&world).await.0.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 1);
    assert!(world.store.cancelled().is_empty());
}

#[tokio::test]
async fn what_is_read_without_progress_is_given_up_and_not_what_is_queued_behind_it() {
    let world = hasty().await;
    world.store.script(&id("a"), vec![Turn::Busy; 100]);
    world.store.script(&id("b"), vec![Turn::Queued; 300]);
    let request = world.request("x", &["a", "b"]).await;
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert_eq!((world.store.n_recalls(&id("a")), world.store.n_recalls(&id("b"))), (2, 1));
    assert_eq!(world.store.cancelled(), [id("a")]);
}

#[tokio::test]
async fn a_recall_that_leaves_the_queue_late_has_its_whole_time_to_be_read() {
    let world = hasty().await;
    let turns = [vec![Turn::Queued; 300], vec![Turn::Busy; 50]].concat();
    world.store.script(&id("a"), turns);
    assert_eq!(end(&world).await.0.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn a_store_that_queues_for_ever_is_not_waited_for_for_ever() {
    for turn in [Turn::Queued, Turn::Busy] {
        let settings = StagingSettings { recall_timeout: Duration::from_secs(600), ..settings() };
        let world = World::with(FakeStore::new(Landing::Copied), settings).await;
        world.put("a");
        world.store.script(&id("a"), vec![turn; 5000]);
        let before_ns = world.clock.now_ns();
        let (request, reason) = end(&world).await;
        assert_eq!(request.state, RequestState::Failed);
        assert_eq!(reason.as_deref(), Some("the recall took longer than 10m"));
        let took = Duration::from_nanos((world.clock.now_ns() - before_ns) as u64);
        assert!((600..620).contains(&took.as_secs()), "{took:?}");
        assert_eq!((world.store.n_recalls(&id("a")), world.store.cancelled()), (1, vec![id("a")]));
    }
}

#[tokio::test]
async fn an_object_that_changes_whenever_it_is_copied_is_copied_twice_and_no_more() {
    let world = hasty().await;
    world.store.fail_reads(Some(ErrorKind::Changed { retry_after: Duration::from_secs(1) }));
    let (request, reason) = end(&world).await;
    assert_eq!(request.state, RequestState::Failed);
    assert!(reason.unwrap().contains("replaced while it was recalled, and again"));
    assert_eq!(world.store.n_reads(), 2);
}

#[tokio::test]
async fn an_object_that_was_replaced_while_it_was_copied_is_copied_anew() {
    let world = hasty().await;
    world.store.fail_reads(Some(ErrorKind::Changed { retry_after: Duration::from_secs(1) }));
    let request = world.request("x", &["a"]).await;
    world.until("it was read once", || async { world.store.n_reads() == 1 }).await;
    world.store.fail_reads(None);
    world.store.change(&id("a"), |stored| {
        stored.bytes = b"newer".to_vec();
        stored.version = "2".to_owned();
    });
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert_eq!(world.read("a").await.unwrap(), b"newer");
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
}

#[tokio::test]
async fn an_object_that_is_being_made_cold_is_not_told_to_be_online() {
    let world = World::new(FakeStore::new(Landing::InPlace)).await;
    world.put("a");
    let first = world.request("x", &["a"]).await;
    world.ended(&first.id).await;
    world.staging.release(&first.id, None).await.unwrap();
    let releasing = std::sync::Arc::clone(&world.store.releasing).lock_owned().await;
    let staging = world.staging.clone();
    let evicted = tokio::spawn(async move { staging.evict(Some(vec![id("a")])).await });
    world.settle().await;
    let second = world.request("y", &["a"]).await;
    world.settle().await;
    let object = world.objects(&second.id).await.remove(0);
    assert_eq!(object.state, ObjectState::Queued);
    assert!(object.reason.unwrap().contains("it is being made cold"));

    drop(releasing);
    assert_eq!(evicted.await.unwrap().unwrap(), 1);
    assert_eq!(world.ended(&second.id).await.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 2);
}

#[tokio::test]
async fn a_store_that_is_busy_for_long_costs_no_attempt_and_is_asked_ever_more_seldom() {
    let world = World::new(FakeStore::new(Landing::InPlace)).await;
    world.put("a");
    let busy = Turn::Fail(FailureCause::Busy { after: Some(Duration::from_secs(60)) });
    let broken = Turn::Fail(FailureCause::Retryable { after: None });
    world.store.script(&id("a"), [vec![busy; 7], vec![broken; 4]].concat());
    let request = world.request("x", &["a"]).await;
    for _ in 0..80 {
        world.pass(Duration::from_secs(30)).await;
    }
    assert_eq!(world.get(&request.id).await.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 12, "the last of five attempts, and seven that were none");
}

#[tokio::test]
async fn a_store_that_is_busy_for_ever_is_not_waited_for_longer_than_a_recall_may_take() {
    let settings = StagingSettings { recall_timeout: Duration::from_secs(3600), ..settings() };
    let world = World::with(FakeStore::new(Landing::InPlace), settings).await;
    world.put("a");
    world.store.script(&id("a"), vec![Turn::Fail(FailureCause::Busy { after: None }); 500]);
    let request = world.request("x", &["a"]).await;
    for _ in 0..55 {
        world.pass(Duration::from_secs(60)).await;
    }
    assert!(!world.get(&request.id).await.state.is_ended());
    for _ in 0..60 {
        world.pass(Duration::from_secs(60)).await;
    }
    assert_eq!(world.get(&request.id).await.state, RequestState::Failed);
    let reason = world.objects(&request.id).await.remove(0).reason.unwrap();
    assert!(reason.contains("the recall took longer than 1h"), "{reason}");
    assert!(world.store.n_recalls(&id("a")) < 20);
}
