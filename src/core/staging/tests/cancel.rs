//! Requests give up what they want, or want it longer.

use std::time::Duration;

use super::store::FakeStore;
use super::world::{World, href, id, new_request, owner};
use crate::ErrorKind;
use crate::cold::Landing;
use crate::staging::{Activity, ObjectState, Outcome, RequestId, RequestState};

async fn copied() -> World {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    for path in ["a", "b", "c"] {
        world.put(path);
    }
    world
}

#[tokio::test]
async fn cancelling_drops_one_interest_and_the_recall_stops_with_the_last() {
    let world = copied().await;
    world.store.hold(true);
    let first = world.request("x", &["a"]).await;
    let second = world.request("y", &["a"]).await;
    world.pass(Duration::from_secs(3)).await;
    assert_eq!(world.staging.cancel(&first.id).await.unwrap().state, RequestState::Cancelled);
    assert!(world.store.cancelled().is_empty());
    assert_eq!(world.states(&second.id).await, [ObjectState::Active]);
    assert_eq!(world.staging.cancel(&second.id).await.unwrap().state, RequestState::Cancelled);
    world.settle().await;
    assert_eq!(world.store.cancelled(), [id("a")]);
    assert!(world.staging.recalls(10).await.is_empty());
}

#[tokio::test]
async fn a_recall_that_still_waits_is_never_begun_when_nobody_wants_it() {
    let world = copied().await;
    world.staging.set_activity("tape", Activity::Paused).await.unwrap();
    let request = world.request("x", &["a"]).await;
    world.settle().await;
    assert_eq!(world.objects(&request.id).await[0].reason.as_deref(), Some("store is paused"));
    world.staging.cancel(&request.id).await.unwrap();
    world.staging.set_activity("tape", Activity::Running).await.unwrap();
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(world.store.n_recalls(&id("a")), 0);
    assert_eq!(world.states(&request.id).await, [ObjectState::Cancelled]);
}

#[tokio::test]
async fn a_store_that_cannot_stop_a_recall_goes_on_and_nothing_is_pinned() {
    let world = World::new(FakeStore::new(Landing::InPlace).with(|can| can.can_cancel = false)).await;
    world.put("a");
    world.store.hold(true);
    let request = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(3)).await;
    world.staging.cancel(&request.id).await.unwrap();
    world.store.hold(false);
    world.until("the recall ends", || async { world.staging.recalls(1).await.is_empty() }).await;
    assert!(world.store.cancelled().is_empty());
    assert!(world.staging.pins(10).await.unwrap().is_empty());
    assert_eq!(world.states(&request.id).await, [ObjectState::Cancelled]);
}

#[tokio::test]
async fn cancelling_what_has_ended_drops_its_pins_and_changes_nothing_else() {
    let world = copied().await;
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    let request = world.staging.cancel(&request.id).await.unwrap();
    assert_eq!(request.state, RequestState::Succeeded);
    assert_eq!(request.tally(ObjectState::Released).n, 1);
    assert_eq!(request.expires_ns, Some(crate::clock::Clock::now_ns(&world.clock)));
    assert!(world.staging.pins(10).await.unwrap().is_empty());
    world.staging.cancel(&request.id).await.unwrap();
}

#[tokio::test]
async fn some_objects_of_a_request_can_be_cancelled_or_none_if_one_is_foreign() {
    let world = copied().await;
    world.store.hold(true);
    let request = world.request("x", &["a", "b"]).await;
    let foreign = world.staging.cancel_objects(&request.id, vec![href("a"), href("c")]).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::InvalidInput);
    assert_eq!(world.get(&request.id).await.tally(ObjectState::Cancelled).n, 0);
    world.staging.cancel_objects(&request.id, vec!["/archive//./a".to_owned()]).await.unwrap();
    world.store.hold(false);
    let request = world.ended(&request.id).await;
    assert_eq!(request.state, RequestState::Succeeded);
    assert_eq!(world.states(&request.id).await, [ObjectState::Cancelled, ObjectState::Hot]);
}

#[tokio::test]
async fn pins_are_released_all_or_by_spelling_and_none_if_one_is_foreign() {
    let world = copied().await;
    let request = world.request("x", &["a", "b"]).await;
    world.ended(&request.id).await;
    let foreign = world.staging.release(&request.id, Some(vec![href("a"), href("c")])).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::InvalidInput);
    assert_eq!(world.get(&request.id).await.tally(ObjectState::Hot).n, 2);
    let request = world.staging.release(&request.id, Some(vec![href("a")])).await.unwrap();
    assert_eq!((request.tally(ObjectState::Hot).n, request.tally(ObjectState::Released).n), (1, 1));
    assert_eq!(world.staging.evict(None).await.unwrap(), 1);
    assert!(world.read("b").await.is_some());
    let request = world.staging.release(&request.id, None).await.unwrap();
    assert_eq!((request.state, request.tally(ObjectState::Released).n), (RequestState::Succeeded, 2));
}

#[tokio::test]
async fn pins_can_be_extended_from_now_and_never_become_shorter() {
    let world = copied().await;
    let request = world.request("x", &["a"]).await;
    let first_end = world.ended(&request.id).await.expires_ns.unwrap();
    let minute = Duration::from_secs(60);
    assert_eq!(world.staging.extend(&request.id, minute).await.unwrap().expires_ns, Some(first_end));
    let extended = world.staging.extend(&request.id, Duration::from_secs(7200)).await.unwrap();
    assert!(extended.expires_ns > Some(first_end));
    world.pass(Duration::from_secs(4000)).await;
    let world = world.restart().await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
    assert_eq!(world.staging.evict(None).await.unwrap(), 0);
    world.pass(Duration::from_secs(4000)).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Released]);
    let late = world.staging.extend(&request.id, minute).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::InvalidInput);
    let long = world.staging.extend(&request.id, Duration::from_secs(1 << 30)).await.unwrap_err();
    assert!(long.to_string().contains("longest"), "{long}");
}

#[tokio::test]
async fn requests_that_do_not_exist_are_not_found() {
    let world = copied().await;
    for name in ["r1", "1", "", "rx", "gfal2-placeholder-id", "r999999999999999999999"] {
        let id = RequestId(name.into());
        assert!(world.staging.get(&id).await.unwrap().is_none());
        assert_eq!(world.staging.cancel(&id).await.unwrap_err().kind(), ErrorKind::NotFound, "{name}");
        assert_eq!(world.staging.release(&id, None).await.unwrap_err().kind(), ErrorKind::NotFound, "{name}");
    }
    let request = world.request("x", &["a"]).await;
    let other_face = RequestId(request.id.0.trim_start_matches('r').into());
    assert!(world.staging.get(&other_face).await.unwrap().is_none());
}

#[tokio::test]
async fn readers_whose_recall_is_cancelled_are_told_so() {
    let world = copied().await;
    world.store.hold(true);
    let joined = world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
    world.pass(Duration::from_secs(3)).await;
    let staging = world.staging.clone();
    let waiter = tokio::spawn(async move { staging.wait(&href("a")).await });
    world.settle().await;
    world.staging.cancel(&joined.request).await.unwrap();
    assert!(matches!(waiter.await.unwrap(), Outcome::Failed { kind: ErrorKind::RecallFailed, .. }));
}

#[tokio::test]
async fn readers_of_one_owner_wait_on_when_those_of_another_give_up() {
    let world = copied().await;
    world.store.hold(true);
    let first = world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
    let second = world.staging.join(&href("a"), &owner("y"), None).await.unwrap();
    assert_ne!(first.request, second.request);
    let again = world.staging.join(&href("a"), &owner("y"), None).await.unwrap();
    assert_eq!(again.request, second.request, "all readers of an owner have one request");
    assert_eq!(world.get(&second.request).await.owner, owner("y"));
    world.pass(Duration::from_secs(3)).await;
    let staging = world.staging.clone();
    let waiter = tokio::spawn(async move { staging.wait(&href("a")).await });
    world.settle().await;
    world.staging.cancel(&first.request).await.unwrap();
    world.settle().await;
    assert!(!waiter.is_finished() && world.store.cancelled().is_empty());
    world.store.hold(false);
    assert_eq!(world.ended(&second.request).await.state, RequestState::Succeeded);
    assert_eq!(waiter.await.unwrap(), Outcome::Online);
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn readers_join_what_a_draining_store_is_recalling_and_begin_nothing() {
    let world = copied().await;
    world.store.hold(true);
    world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
    world.pass(Duration::from_secs(3)).await;
    world.staging.set_activity("tape", Activity::Draining).await.unwrap();
    world.staging.join(&href("a"), &owner("y"), None).await.unwrap();
    assert!(world.staging.join(&href("b"), &owner("y"), None).await.is_err());
}

#[tokio::test]
async fn a_request_is_cancelled_while_its_objects_are_still_being_taken_in() {
    let world = copied().await;
    world.store.set_silent(true);
    let paths: Vec<String> = (0..30_000).map(|number| format!("many/{number}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let request = world.staging.request(new_request("x", &paths)).await.unwrap();
    let request = world.staging.cancel(&request.id).await.unwrap();
    assert_eq!(request.state, RequestState::Cancelled);
    assert_eq!(request.tally(ObjectState::Cancelled).n, 30_000);
    assert!(world.staging.recalls(10).await.is_empty());
}

#[tokio::test]
async fn objects_are_cancelled_that_are_still_being_taken_in() {
    let world = copied().await;
    world.store.set_silent(true);
    let paths: Vec<String> = (0..20_000).map(|number| format!("many/{number}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let request = world.staging.request(new_request("x", &paths)).await.unwrap();
    let unwanted = paths.iter().skip(1).map(|path| href(path)).collect();
    let request = world.staging.cancel_objects(&request.id, unwanted).await.unwrap();
    assert_eq!(request.tally(ObjectState::Cancelled).n, 19_999);
    assert_eq!(request.tally(ObjectState::Queued).n, 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_is_not_told_to_be_done() {
    let world = copied().await;
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    world.staging.release(&request.id, None).await.unwrap();
    // As if it were on its way to the engine, and never came.
    let revive =
        |tables: &rusqlite::Connection| Ok(tables.execute("UPDATE staging_requests SET is_live = 1", [])?);
    world.database.write(revive).await.unwrap();
    let refused = world.staging.cancel(&request.id).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused}");
}

#[tokio::test]
async fn releasing_one_of_many_objects_reads_no_other() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    let names: Vec<String> = (0..40).map(|n| format!("file-{n}")).collect();
    names.iter().for_each(|name| world.put(name));
    let paths: Vec<&str> = names.iter().map(String::as_str).collect();
    let request = world.request("x", &paths).await;
    world.ended(&request.id).await;
    // Whoever reads another one stumbles over it.
    let damage = |tables: &rusqlite::Connection| {
        tables.execute("UPDATE staging_request_objects SET path = '/../x' WHERE position <> 7", [])?;
        Ok(())
    };
    world.database.write(damage).await.unwrap();
    let request = world.staging.release(&request.id, Some(vec![href("file-7")])).await.unwrap();
    let tally = |state: ObjectState| request.tallies[state as usize].n;
    assert_eq!((tally(ObjectState::Released), tally(ObjectState::Hot)), (1, 39));
}
