//! What can go wrong with a recall.

use std::time::Duration;

use super::store::{FakeStore, Turn};
use super::world::{World, end, href, id, new_request, owner, settings};
use crate::cold::{Checksum, FailureCause, Landing, Locality};
use crate::staging::cache::FileStep;
use crate::staging::{Activity, ObjectState, Outcome, Request, RequestState, StagingSettings};
use crate::{Error, ErrorKind};

const RETRYABLE: Turn = Turn::Fail(FailureCause::Retryable { after: None });

async fn copied() -> World {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world
}

async fn in_place() -> World {
    let world = World::new(FakeStore::new(Landing::InPlace)).await;
    world.put("a");
    world
}

#[tokio::test]
async fn a_failed_recall_is_tried_again_and_told_as_queued_meanwhile() {
    let world = copied().await;
    world.store.script(&id("a"), [Turn::Busy, RETRYABLE]);
    let request = world.request("x", &["a"]).await;
    world
        .until("it failed once", || async { world.store.change(&id("a"), |stored| stored.script.is_empty()) })
        .await;
    world.settle().await;
    let object = world.objects(&request.id).await.remove(0);
    assert_eq!(object.state, ObjectState::Queued);
    assert_eq!(object.reason.as_deref(), Some("will be tried again (attempt 2): the drive failed"));
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 2);
}

#[tokio::test]
async fn attempts_are_bounded_and_the_last_cause_is_told() {
    let world = copied().await;
    world.store.script(&id("a"), vec![RETRYABLE; 20]);
    let (request, reason) = end(&world).await;
    assert_eq!(request.state, RequestState::Failed);
    assert_eq!(reason.as_deref(), Some("the drive failed (attempt 5 of 5)"));
    assert_eq!(request.reason.as_deref(), reason.as_deref());
    assert_eq!(world.store.n_recalls(&id("a")), 5);
}

#[tokio::test]
async fn final_causes_end_a_recall_at_once() {
    for (cause, state) in [
        (FailureCause::NotFound, ObjectState::Failed),
        (FailureCause::Denied, ObjectState::Failed),
        (FailureCause::Lost, ObjectState::Lost),
    ] {
        let world = copied().await;
        world.store.script(&id("a"), [Turn::Fail(cause)]);
        let (request, _) = end(&world).await;
        assert_eq!((request.state, world.states(&request.id).await), (RequestState::Failed, vec![state]));
        assert_eq!(world.store.n_recalls(&id("a")), 1, "{cause:?}");
    }
}

#[tokio::test]
async fn a_store_is_not_asked_again_before_the_time_that_it_names() {
    let world = copied().await;
    let after = Some(Duration::from_secs(1000));
    world.store.script(&id("a"), [Turn::Fail(FailureCause::Retryable { after })]);
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(2)).await;
    world.pass(Duration::from_secs(900)).await;
    assert_eq!(world.store.n_recalls(&id("a")), 1);
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
}

#[tokio::test]
async fn a_store_that_says_done_and_has_nothing_is_found_out() {
    for world in [copied().await, in_place().await] {
        world.store.script(&id("a"), vec![Turn::Lie; 20]);
        let (request, reason) = end(&world).await;
        assert_eq!(request.state, RequestState::Failed);
        assert!(reason.unwrap().contains("says that it is staged, but it is not"));
        assert!(world.read("a").await.is_none());
    }
}

#[tokio::test]
async fn a_store_that_says_online_and_cannot_be_read_is_found_out() {
    let world = copied().await;
    world.store.change(&id("a"), |stored| stored.locality = Locality::OnlineAndNearline);
    world.store.fail_reads(Some(ErrorKind::Internal));
    let (request, reason) = end(&world).await;
    assert_eq!(request.state, RequestState::Failed);
    let reason = reason.unwrap();
    assert!(reason.ends_with("(attempt 5 of 5)"), "{reason}");
    assert_eq!((world.store.n_reads(), world.store.n_recalls(&id("a"))), (5, 0));
    assert!(world.read("a").await.is_none());
}

#[tokio::test]
async fn a_store_whose_copies_are_all_damaged_is_found_out() {
    let world = copied().await;
    world.store.change(&id("a"), |stored| stored.checksum = Some(Checksum::Md5([7; 16])));
    let (request, reason) = end(&world).await;
    assert_eq!(request.state, RequestState::Failed);
    assert!(reason.unwrap().contains("checksum"));
    assert!(world.read("a").await.is_none());
    assert_eq!(world.store.n_recalls(&id("a")), 5, "each time another copy was staged");
}

#[tokio::test]
async fn a_staged_copy_that_is_damaged_is_staged_anew_if_its_store_can_forget_it() {
    use sha2::Digest;
    for (can_release, state, n_recalls) in
        [(true, RequestState::Succeeded, 2), (false, RequestState::Failed, 1)]
    {
        let store = FakeStore::new(Landing::Copied).with(|store| store.can_release = can_release);
        let world = World::new(store).await;
        world.put("a");
        world.store.change(&id("a"), |stored| {
            stored.checksum = Some(Checksum::Sha256(sha2::Sha256::digest(&stored.bytes).into()));
        });
        // Both readings of the first copy.
        world.store.corrupt(2);

        assert_eq!(end(&world).await.0.state, state);
        assert_eq!(world.store.n_recalls(&id("a")), n_recalls);
        assert_eq!(world.read("a").await.is_some(), can_release);
    }
}

#[tokio::test]
async fn a_checksum_that_is_wrong_once_is_read_again() {
    let world = copied().await;
    world.store.change(&id("a"), |stored| {
        use sha2::Digest;
        stored.checksum = Some(Checksum::Sha256(sha2::Sha256::digest(&stored.bytes).into()));
    });
    world.store.corrupt(1);
    assert_eq!(end(&world).await.0.state, RequestState::Succeeded);
    assert_eq!(world.read("a").await.unwrap(), b"the bytes of a");
}

#[tokio::test]
async fn an_object_that_is_replaced_during_its_recall_is_recalled_anew_once() {
    for world in [copied().await, in_place().await] {
        world.store.script(&id("a"), [Turn::Busy, Turn::Replaced(b"newer".to_vec())]);
        assert_eq!(end(&world).await.0.state, RequestState::Succeeded);
        let bytes = world.read("a").await.unwrap();
        assert!(bytes.is_empty() || bytes == b"newer", "{bytes:?}");
    }
}

#[tokio::test]
async fn an_object_that_vanishes_during_its_recall_fails() {
    let world = copied().await;
    world.store.hold(true);
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(3)).await;
    world.store.remove(&id("a"));
    let request = world.ended(&request.id).await;
    assert_eq!(request.state, RequestState::Failed);
    assert!(world.staging.recalls(1).await.is_empty());
}

#[tokio::test]
async fn a_busy_store_is_left_alone_for_as_long_as_it_asks_and_that_costs_no_attempt() {
    let world = copied().await;
    for _ in 0..10 {
        let kind = ErrorKind::Unavailable { retry_after: Duration::from_secs(100) };
        world.store.refuse_next(Error::new(kind, "too many requests"));
    }
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(1)).await;
    let reason = world.objects(&request.id).await.remove(0).reason;
    assert_eq!(reason.as_deref(), Some("store asked to slow down"));
    let before_ns = crate::clock::Clock::now_ns(&world.clock);
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    let waited = crate::clock::Clock::now_ns(&world.clock) - before_ns;
    assert!(waited > 990_000_000_000, "{waited} ns");
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn a_recall_that_its_store_forgets_is_asked_for_again() {
    let world = copied().await;
    world.store.script(&id("a"), [Turn::Busy, Turn::Forget]);
    assert_eq!(end(&world).await.0.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 2);
}

#[tokio::test]
async fn a_recall_without_progress_is_given_up_and_tried_again() {
    let settings = StagingSettings { stalled_after: Duration::from_secs(60), ..settings() };
    let world = World::with(FakeStore::new(Landing::Copied), settings).await;
    world.put("a");
    world.store.script(&id("a"), vec![Turn::Busy; 80]);
    assert_eq!(end(&world).await.0.state, RequestState::Succeeded);
    assert_eq!(world.store.cancelled(), [id("a")]);
    assert_eq!(world.store.n_recalls(&id("a")), 2);
}

#[tokio::test]
async fn a_recall_that_makes_progress_is_not_given_up_however_long_it_takes() {
    let settings = StagingSettings { stalled_after: Duration::from_secs(10), ..settings() };
    let world = World::with(FakeStore::new(Landing::Copied), settings).await;
    world.put("a");
    world.store.script(&id("a"), (0..40).flat_map(|n| [Turn::Bytes(n), Turn::Busy, Turn::Busy, Turn::Busy]));
    assert_eq!(end(&world).await.0.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn a_jump_of_the_clock_is_no_standstill() {
    let world = copied().await;
    world.store.script(&id("a"), vec![Turn::Busy; 20]);
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(3)).await;
    world.pass(Duration::from_secs(40 * 24 * 3600)).await;
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert!(world.store.cancelled().is_empty());
}

#[tokio::test]
async fn a_store_that_does_not_answer_keeps_requests_waiting_not_failing() {
    let world = copied().await;
    world.store.set_silent(true);
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(2)).await;
    let object = world.objects(&request.id).await.remove(0);
    assert_eq!(object.state, ObjectState::Queued);
    assert!(object.reason.unwrap().contains("the store does not answer"));
    world.pass(Duration::from_secs(3600)).await;
    world.store.set_silent(false);
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
}

#[tokio::test]
async fn what_is_in_the_cache_is_pinned_while_its_store_does_not_answer() {
    let world = copied().await;
    end(&world).await;
    world.store.set_silent(true);
    assert_eq!(end(&world).await.0.state, RequestState::Succeeded);
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn a_copy_of_an_older_state_is_renewed_when_it_is_wanted_again() {
    let world = copied().await;
    let (request, _) = end(&world).await;
    world.staging.release(&request.id, None).await.unwrap();
    world.store.put(&id("a"), b"another state");
    world.store.change(&id("a"), |stored| stored.version = "2".to_owned());
    world.staging.doubt(&href("a"));
    assert!(world.read("a").await.is_none());
    let joined = world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
    world.ended(&joined.request).await;
    assert_eq!(world.read("a").await.unwrap(), b"another state");
    assert_eq!(world.staging.cache_use().n_objects, 1);
}

#[tokio::test]
async fn a_copy_that_was_doubted_and_is_right_is_read_again_without_a_recall() {
    let world = copied().await;
    end(&world).await;
    world.staging.doubt(&href("a"));
    world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
    assert_eq!(world.staging.wait(&href("a")).await, Outcome::Online);
    assert!(world.read("a").await.is_some());
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn the_last_copy_is_served_and_never_evicted() {
    let world = copied().await;
    let (request, _) = end(&world).await;
    world.store.change(&id("a"), |stored| stored.locality = Locality::Lost);
    assert_eq!(end(&world).await.0.state, RequestState::Succeeded);
    for id in [&request.id] {
        world.staging.release(id, None).await.unwrap();
    }
    world.pass(Duration::from_secs(4000)).await;
    assert_eq!(world.staging.evict(None).await.unwrap(), 0);
    let world = world.restart().await;
    assert_eq!(world.staging.evict(None).await.unwrap(), 0, "after a restart");
    assert!(world.read("a").await.is_some());
}

#[tokio::test]
async fn what_no_copy_is_left_of_is_lost() {
    let world = copied().await;
    world.store.change(&id("a"), |stored| stored.locality = Locality::Lost);
    let (request, _) = end(&world).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Lost]);
    world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
    assert!(matches!(world.staging.wait(&href("a")).await, Outcome::Failed { kind: ErrorKind::Lost, .. }));
}

#[tokio::test]
async fn a_loss_a_disappearance_and_damage_that_landing_finds_are_told_as_what_they_are() {
    for (read, state, kind) in [
        (Some(ErrorKind::Lost), ObjectState::Lost, ErrorKind::Lost),
        (Some(ErrorKind::NotFound), ObjectState::Failed, ErrorKind::Lost),
        (Some(ErrorKind::Refused), ObjectState::Failed, ErrorKind::RecallFailed),
        (None, ObjectState::Failed, ErrorKind::Corrupt),
    ] {
        for can_release in [true, false] {
            let store = FakeStore::new(Landing::Copied).with(|store| store.can_release = can_release);
            let world = World::new(store).await;
            world.put("a");
            world.store.fail_reads(read);
            world.store.change(&id("a"), |stored| stored.checksum = Some(Checksum::Md5([7; 16])));
            let joined = world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
            let staging = world.staging.clone();
            let waiter = tokio::spawn(async move { staging.wait(&href("a")).await });
            world.ended(&joined.request).await;
            assert_eq!(world.states(&joined.request).await, [state], "{read:?}");
            let outcome = waiter.await.unwrap();
            assert!(matches!(outcome, Outcome::Failed { kind: found, .. } if found == kind), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn an_object_larger_than_the_cache_fails_with_both_sizes() {
    let world =
        World::with(FakeStore::new(Landing::Copied), StagingSettings { cache_bytes: 10, ..settings() }).await;
    world.put("a");
    let (request, reason) = end(&world).await;
    assert_eq!(request.state, RequestState::Failed);
    let reason = reason.unwrap();
    assert!(reason.contains("14 bytes") && reason.contains("10 bytes"), "{reason}");
}

#[tokio::test]
async fn without_space_recalls_wait_until_pins_end_and_never_evict_what_is_pinned() {
    let settings = StagingSettings { cache_bytes: 30, cache_high: 1.0, cache_low: 0.5, ..settings() };
    let world = World::with(FakeStore::new(Landing::Copied), settings).await;
    for path in ["a", "b", "c"] {
        world.put(path);
    }
    let first = world.request("x", &["a", "b"]).await;
    world.ended(&first.id).await;
    let second = world.request("y", &["c"]).await;
    world.pass(Duration::from_secs(10)).await;
    assert_eq!(world.objects(&second.id).await[0].reason.as_deref(), Some("no space"));
    assert!(world.read("a").await.is_some() && world.read("b").await.is_some());
    assert_eq!(world.store.n_recalls(&id("c")), 0, "nothing is recalled that has no place");
    world.staging.release(&first.id, Some(vec![href("a")])).await.unwrap();
    assert_eq!(world.ended(&second.id).await.state, RequestState::Succeeded);
    assert!(world.read("a").await.is_none());
    assert!(world.read("b").await.is_some());
}

#[tokio::test]
async fn a_paused_store_begins_nothing_and_a_draining_one_takes_nothing_across_restarts() {
    let world = copied().await;
    world.staging.set_activity("tape", Activity::Draining).await.unwrap();
    let world = world.restart().await;
    assert_eq!(world.staging.stores()[0].activity, Activity::Draining);
    let refused = world.staging.request(new_request("x", &["a"])).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }));
    let refused = world.staging.join(&href("a"), &owner("x"), None).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }));
    world.staging.set_activity("tape", Activity::Paused).await.unwrap();
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(600)).await;
    assert_eq!(world.store.batches().len(), 0);
    world.staging.set_activity("tape", Activity::Running).await.unwrap();
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    let unknown = world.staging.set_activity("disk", Activity::Paused).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

/// The request for `a`, which has landed but for its final name: no file of the cache gets one.
async fn landed_in_part(world: &World) -> Request {
    world.staging.shared.dir.inject(Box::new(|step| match step {
        FileStep::Rename => Err(std::io::Error::from_raw_os_error(5)),
        _ => Ok(()),
    }));
    let request = world.request("x", &["a"]).await;
    let is_resting = || async {
        let object = world.objects(&request.id).await.remove(0);
        object.reason.is_some_and(|reason| reason.contains("the disk of the cache fails"))
    };
    world.until("the landing failed", is_resting).await;
    request
}

#[tokio::test]
async fn what_has_landed_in_part_takes_its_room_while_the_recall_rests() {
    let world = copied().await;
    let shared = std::sync::Arc::clone(&world.staging.shared);
    let request = landed_in_part(&world).await;

    assert_eq!(shared.space.usage().reserved_bytes, 14);
    shared.dir.inject(Box::new(|_| Ok(())));
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    let usage = shared.space.usage();
    assert_eq!((usage.reserved_bytes, usage.used_bytes), (0, 14));
}

/// Else those that hold room and wait their turn could keep out for ever the one whose turn it is.
#[tokio::test]
async fn what_has_landed_in_part_gives_its_room_back_while_it_waits_for_its_turn_again() {
    let world = copied().await;
    let shared = std::sync::Arc::clone(&world.staging.shared);
    let request = landed_in_part(&world).await;
    world.store.change(&id("a"), |stored| stored.locality = Locality::Nearline);
    world.staging.set_activity("tape", Activity::Paused).await.unwrap();
    world.until("its room is given back", || async { shared.space.usage().reserved_bytes == 0 }).await;

    shared.dir.inject(Box::new(|_| Ok(())));
    world.staging.set_activity("tape", Activity::Running).await.unwrap();
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert_eq!(shared.space.usage().used_bytes, 14);
}

#[tokio::test]
async fn a_copy_that_cannot_be_removed_keeps_its_room() {
    let world = copied().await;
    let (request, _) = end(&world).await;
    world.staging.release(&request.id, None).await.unwrap();
    let shared = std::sync::Arc::clone(&world.staging.shared);
    let copy = shared.dir.path(&shared.shelf.get(&id("a")).unwrap());
    std::fs::remove_file(&copy).unwrap();
    // A folder in its place cannot be removed as a file is.
    std::fs::create_dir(&copy).unwrap();
    let staging = world.staging.clone();
    let evicting = tokio::spawn(async move { staging.evict(None).await });
    while !evicting.is_finished() {
        world.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    evicting.await.unwrap().unwrap();

    assert_eq!(shared.space.usage().used_bytes, 14);
    std::fs::remove_dir(&copy).unwrap();
    for eviction in shared.space.victims(14) {
        eviction.removed();
    }
    assert_eq!(shared.space.usage().used_bytes, 0);
}
