//! Copies that end by themselves: they last as long as they are pinned, and count as cold when they have ended.

use std::time::Duration;

use super::store::FakeStore;
use super::world::{START_NS, World, href, id, new_request, settings};
use crate::ErrorKind;
use crate::clock::{ManualClock, nanoseconds};
use crate::cold::{Landing, Locality, ObjectId};
use crate::staging::{ObjectState, Presence, Request, RequestState};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A bucket whose copies last two hours at most each time.
async fn bucket(paths: &[&str]) -> World {
    let clock = ManualClock::new(START_NS);
    let store = FakeStore::new(Landing::InPlace)
        .with(|can| (can.can_cancel, can.can_release) = (false, false))
        .with_ends(clock.clone(), 2 * HOUR);
    let world = World::at(clock, store, settings()).await;
    paths.iter().for_each(|path| world.put(path));
    world
}

/// Objects that are online, pinned for so long.
async fn pinned(world: &World, owner: &str, paths: &[&str], lifetime: Duration) -> Request {
    let mut new = new_request(owner, paths);
    new.lifetime = lifetime;
    let request = world.staging.request(new).await.unwrap();
    world.ended(&request.id).await
}

async fn pass_minutes(world: &World, n: u32) {
    for _ in 0..n {
        world.pass(MINUTE).await;
    }
}

fn is_online(world: &World, path: &str) -> bool {
    world.staging.standings(&[id(path)])[0].is_online
}

async fn can_be_read(world: &World, path: &str) -> bool {
    matches!(world.staging.presence(&href(path)).await.unwrap(), Presence::Online { .. })
}

#[tokio::test]
async fn a_copy_that_ends_before_its_pin_is_made_to_last_and_is_recalled_once() {
    let world = bucket(&["a", "b"]).await;
    let request = pinned(&world, "x", &["a", "b"], 5 * HOUR).await;
    for _ in 0..298 {
        world.pass(MINUTE).await;
        assert!(is_online(&world, "a") && is_online(&world, "b"));
    }
    assert_eq!((world.store.n_recalls(&id("a")), world.store.n_recalls(&id("b"))), (1, 1));
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot; 2]);
    let prolonged = world.store.prolonged();
    assert!((2..=4).contains(&prolonged.len()), "{prolonged:?}");
    assert!(prolonged.iter().all(|(ids, lifetime)| ids.len() == 2 && *lifetime < 5 * HOUR));
    pass_minutes(&world, 130).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Released; 2]);
    assert!(!is_online(&world, "a") && !can_be_read(&world, "a").await, "nobody pins it any more");
    assert_eq!(world.store.prolonged().len(), prolonged.len());
}

#[tokio::test]
async fn a_pin_that_ends_with_its_copy_needs_nothing() {
    let world = bucket(&["a"]).await;
    let request = pinned(&world, "x", &["a"], HOUR + 50 * MINUTE).await;
    world.store.change(&id("a"), |stored| stored.online_until_ns = Some(START_NS + nanoseconds(9 * HOUR)));
    pass_minutes(&world, 200).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Released]);
    assert!(world.store.prolonged().len() <= 1, "{:?}", world.store.prolonged());
}

#[tokio::test]
async fn pins_that_are_extended_and_later_ones_that_last_longer_count() {
    let world = bucket(&["a", "b"]).await;
    let first = pinned(&world, "x", &["a"], HOUR).await;
    world.staging.extend(&first.id, 4 * HOUR).await.unwrap();
    pinned(&world, "x", &["b"], HOUR).await;
    let later = pinned(&world, "y", &["b"], 4 * HOUR).await;
    pass_minutes(&world, 230).await;
    assert_eq!(world.states(&first.id).await, [ObjectState::Hot]);
    assert_eq!(world.states(&later.id).await, [ObjectState::Hot]);
    assert!(is_online(&world, "a") && is_online(&world, "b"));
    assert_eq!((world.store.n_recalls(&id("a")), world.store.n_recalls(&id("b"))), (1, 1));
}

#[tokio::test]
async fn a_store_that_refuses_for_a_while_is_asked_again_before_the_copy_ends() {
    let world = bucket(&["a"]).await;
    let request = pinned(&world, "x", &["a"], 3 * HOUR).await;
    world.store.refuse_to_prolong(3);
    pass_minutes(&world, 170).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
    assert_eq!(world.store.n_recalls(&id("a")), 1);
    assert!(world.store.prolonged().len() >= 4);
}

#[tokio::test]
async fn a_pinned_copy_that_ended_all_the_same_is_cold_and_recalled_again_for_the_rest_of_its_time() {
    let world = bucket(&["a"]).await;
    let request = pinned(&world, "x", &["a"], 4 * HOUR).await;
    let expires_ns = request.expires_ns.unwrap();
    world.store.set_silent(true);
    pass_minutes(&world, 125).await;
    assert!(!is_online(&world, "a"), "its time has passed, whatever its store says");
    assert_eq!(world.staging.known_locality(&href("a")), Locality::Nearline);
    world.store.set_silent(false);
    pass_minutes(&world, 40).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
    assert!(is_online(&world, "a"));
    assert_eq!(world.store.n_recalls(&id("a")), 2);
    assert_eq!(world.get(&request.id).await.expires_ns, Some(expires_ns), "its pin ends when it would have");
    pass_minutes(&world, 80).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Released]);
}

#[tokio::test]
async fn after_a_restart_pinned_copies_are_made_to_last_as_before() {
    let world = bucket(&["a"]).await;
    let request = pinned(&world, "x", &["a"], 4 * HOUR).await;
    let world = world.restart().await;
    pass_minutes(&world, 230).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
    assert!(is_online(&world, "a"));
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn one_object_that_is_wanted_for_a_month_keeps_no_others_for_so_long() {
    let store = FakeStore::new(Landing::InPlace).with(|can| can.n_at_once = 1);
    let clock = ManualClock::new(START_NS);
    let world = World::at(clock.clone(), store.with_ends(clock, 900 * HOUR), settings()).await;
    ["first", "a", "b", "c"].iter().for_each(|path| world.put(path));
    world.store.hold(true);
    world.request("z", &["first"]).await;
    world.pass(Duration::from_secs(5)).await;
    for (paths, days) in [(&["a", "b"][..], 1), (&["c"][..], 30)] {
        let mut new = new_request("x", paths);
        new.lifetime = days * 24 * HOUR;
        world.staging.request(new).await.unwrap();
    }
    world.store.hold(false);
    for _ in 0..5 {
        world.pass(Duration::from_secs(2)).await;
    }
    let batches = world.store.batches();
    let given = batches.iter().skip(1).map(|batch| (batch.objects.len(), batch.lifetime));
    assert_eq!(given.collect::<Vec<_>>(), [(2, 24 * HOUR), (1, 30 * 24 * HOUR)]);
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_recalls_nothing_that_is_online() {
    let world = bucket(&["a"]).await;
    let request = pinned(&world, "x", &["a"], 20 * HOUR).await;
    // The store's own end is not there yet: only ours seems to have passed.
    let far_ns = START_NS + nanoseconds(100 * HOUR);
    world.store.change(&id("a"), |stored| stored.online_until_ns = Some(far_ns));
    world.pass(3 * HOUR).await;
    pass_minutes(&world, 10).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
    assert!(is_online(&world, "a"));
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn what_was_seen_online_is_read_without_asking_until_its_copy_ends_or_somebody_was_refused() {
    let world = bucket(&["a"]).await;
    pinned(&world, "x", &["a"], HOUR).await;
    assert!(can_be_read(&world, "a").await);
    let n_looks = world.store.n_looks();
    for _ in 0..20 {
        assert!(can_be_read(&world, "a").await);
        assert_eq!(world.staging.known_locality(&href("a")), Locality::OnlineAndNearline);
        world.pass(MINUTE).await;
    }
    assert_eq!(world.store.n_looks(), n_looks);
    world.store.change(&id("a"), |stored| stored.locality = Locality::Nearline);
    assert!(can_be_read(&world, "a").await, "nobody has told yet");
    world.staging.doubt(&href("a"));
    assert!(!can_be_read(&world, "a").await);
}

#[tokio::test]
async fn what_is_online_without_a_recall_does_not_look_nearline_once_it_was_looked_at() {
    let world = bucket(&["standard"]).await;
    world.store.change(&id("standard"), |stored| stored.locality = Locality::Online);
    assert_eq!(world.staging.known_locality(&href("standard")), Locality::Nearline);
    world.staging.localities(&[href("standard").into()]).await;
    assert_eq!(world.staging.known_locality(&href("standard")), Locality::Online);
    assert!(is_online(&world, "standard"));
    let request = pinned(&world, "x", &["standard"], HOUR).await;
    assert_eq!((request.state, world.store.n_recalls(&id("standard"))), (RequestState::Succeeded, 0));
    pass_minutes(&world, 70).await;
    world.staging.localities(&[href("standard").into()]).await;
    assert_eq!(world.staging.known_locality(&href("standard")), Locality::Online);
}

#[tokio::test]
async fn what_somebody_says_has_changed_is_looked_at_and_not_believed() {
    let world = bucket(&["a", "b"]).await;
    let request = pinned(&world, "x", &["a", "b"], HOUR).await;
    world.staging.release(&request.id, None).await.unwrap();
    world.store.change(&id("a"), |stored| stored.locality = Locality::Nearline);
    assert!(is_online(&world, "a"), "nobody has told yet");

    assert_eq!(world.staging.hint("tape", vec![id("a"), id("b")]).await.unwrap(), 2);

    assert!(!is_online(&world, "a") && !can_be_read(&world, "a").await);
    assert!(is_online(&world, "b") && can_be_read(&world, "b").await);
    let foreign = vec![ObjectId::new("warm", "a").unwrap()];
    assert_eq!(world.staging.hint("tape", foreign).await.unwrap(), 0);
    let kind = world.staging.hint("disk", vec![id("a")]).await.unwrap_err().kind();
    assert_eq!(kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_store_that_is_seldom_asked_is_asked_at_once_when_somebody_says_that_it_has_done_something() {
    let store = FakeStore::new(Landing::InPlace).with(|can| can.poll_every = 8 * HOUR);
    let world = World::new(store).await;
    world.put("a");
    world.store.hold(true);
    let request = world.request("x", &["a"]).await;
    // It is asked every four hours or more by then.
    for _ in 0..10 {
        world.pass(HOUR).await;
    }
    world.store.hold(false);
    world.pass(10 * MINUTE).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Active]);

    world.staging.hint("tape", vec![id("a")]).await.unwrap();
    for _ in 0..3 {
        world.pass(Duration::from_secs(1)).await;
    }

    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
}
