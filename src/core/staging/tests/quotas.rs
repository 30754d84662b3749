//! What owners may have and spend: who is first pays, once, durably; and what is beyond is refused with when to come
//! back.

use std::time::Duration;

use super::store::FakeStore;
use super::world::{World, href, id, new_request, owner, settings, wanted};
use crate::cold::Landing;
use crate::staging::{
    IdempotencyKey, NewRequest, ObjectState, OwnerLimits, Request, RequestState, StagingSettings,
};
use crate::{Error, ErrorKind};

const HOUR: Duration = Duration::from_secs(3600);

/// From when tests begin, 2023-11-14T22:13:20Z, to the end of that day.
const UNTIL_MIDNIGHT: Duration = Duration::from_secs(3600 + 46 * 60 + 40);

fn limits(max_cost: &str) -> OwnerLimits {
    OwnerLimits { max_cost_per_day: Some(max_cost.parse().unwrap()), ..OwnerLimits::default() }
}

/// An archive whose recalls cost two dollars each, and stay under way; five of them can be paid for on a day.
async fn dear() -> World {
    dear_with(limits("11 USD")).await
}

async fn dear_with(limits: OwnerLimits) -> World {
    let settings = StagingSettings { limits, ..settings() };
    let world = World::with(FakeStore::new(Landing::InPlace).with_price(2_000_000), settings).await;
    for number in 0..20 {
        world.put(&number.to_string());
    }
    world.store.hold(true);
    world
}

fn over_quota(error: &Error) -> Duration {
    match error.kind() {
        ErrorKind::OverQuota { retry_after } => retry_after,
        kind => panic!("{kind:?}: {error}"),
    }
}

async fn ask(world: &World, new: NewRequest) -> Result<Request, Error> {
    world.staging.request(new).await
}

#[tokio::test]
async fn a_dry_run_tells_what_recalls_would_cost_without_those_that_are_under_way() {
    let world = dear().await;
    let costs = |paths: &[&str]| {
        let (staging, objects) = (world.staging.clone(), paths.iter().map(|path| wanted(path)).collect());
        async move { staging.dry_run(objects).await.unwrap().costs }
    };
    let all = costs(&["0", "1", "2", "2"]).await;
    assert_eq!(
        (all.len(), all[0].micros, &*all[0].currency, &*all[0].tier),
        (1, 6_000_000, "USD", "Standard")
    );
    ask(&world, new_request("x", &["1"])).await.unwrap();
    assert_eq!(costs(&["0", "1", "2"]).await[0].micros, 4_000_000);
    assert!(costs(&["1"]).await.is_empty());
    let free = World::new(FakeStore::new(Landing::InPlace)).await;
    free.put("0");
    assert!(free.staging.dry_run(vec![wanted("0")]).await.unwrap().costs.is_empty());
}

#[tokio::test]
async fn what_costs_more_than_is_left_of_the_day_is_refused_until_midnight_also_after_a_restart() {
    let world = dear().await;
    ask(&world, new_request("x", &["0", "1", "2"])).await.unwrap();
    let refused = ask(&world, new_request("x", &["3", "4", "5"])).await.unwrap_err();
    assert_eq!(over_quota(&refused), UNTIL_MIDNIGHT);
    assert!(refused.message().contains("x has spent 6 USD of 11 USD today"), "{refused}");
    ask(&world, new_request("x", &["3", "4"])).await.unwrap();
    let world = world.restart().await;
    over_quota(&ask(&world, new_request("x", &["5"])).await.unwrap_err());
    ask(&world, new_request("y", &["5"])).await.unwrap();
    world.pass(UNTIL_MIDNIGHT).await;
    ask(&world, new_request("x", &["6"])).await.unwrap();
}

#[tokio::test]
async fn who_joins_a_recall_pays_nothing_and_of_two_at_once_one_pays() {
    let world = dear().await;
    let paths = ["0", "1", "2", "3", "4"];
    let (first, second) =
        tokio::join!(ask(&world, new_request("x", &paths)), ask(&world, new_request("y", &paths)));
    first.unwrap();
    second.unwrap();
    let x = ask(&world, new_request("x", &["5", "6", "7", "8", "9"])).await.is_ok();
    let y = ask(&world, new_request("y", &["10", "11", "12", "13", "14"])).await.is_ok();
    assert!(x != y, "one of them has paid for the first five, the other for nothing: {x} {y}");
}

#[tokio::test]
async fn what_is_named_by_a_link_too_is_paid_for_once() {
    let world = dear().await;
    world.store.link(&id("link"), &id("0"));
    ask(&world, new_request("x", &["link", "0", "1", "2", "3", "4"])).await.unwrap();
    over_quota(&ask(&world, new_request("x", &["5"])).await.unwrap_err());
}

#[tokio::test]
async fn a_store_that_is_slow_to_tell_of_ones_objects_keeps_nobody_else_waiting() {
    let world = dear().await;
    let slow = world.store.slow_to_look_at(&id("0")).await;
    let staging = world.staging.clone();
    let first = tokio::spawn(async move { staging.request(new_request("x", &["0"])).await });
    while world.store.n_looks() == 0 {
        tokio::task::yield_now().await;
    }
    let long = Duration::from_secs(20);
    tokio::time::timeout(long, ask(&world, new_request("y", &["1"]))).await.unwrap().unwrap();
    let (wanted, reader) = (href("2"), owner("z"));
    let join = world.staging.join(&wanted, &reader, None);
    tokio::time::timeout(long, join).await.unwrap().unwrap();
    drop(slow);
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn repeating_a_request_with_its_key_costs_nothing_and_is_never_refused() {
    let world = dear().await;
    let mut new = new_request("x", &["0", "1", "2", "3", "4"]);
    new.idempotency = Some(IdempotencyKey { key: "k".to_owned(), body_hash: [7; 32] });
    let first = ask(&world, new.clone()).await.unwrap();
    world.store.set_silent(true);
    assert_eq!(ask(&world, new).await.unwrap().id, first.id);
    world.store.set_silent(false);
    over_quota(&ask(&world, new_request("x", &["5"])).await.unwrap_err());
}

#[tokio::test]
async fn readers_pay_for_the_recalls_that_they_begin_and_are_refused_beyond() {
    let world = dear_with(limits("4.50")).await;
    for _ in 0..5 {
        world.staging.join(&href("0"), &owner("x"), None).await.unwrap();
    }
    world.staging.join(&href("1"), &owner("x"), None).await.unwrap();
    let refused = world.staging.join(&href("2"), &owner("x"), None).await.unwrap_err();
    assert!(over_quota(&refused) <= UNTIL_MIDNIGHT);
    world.staging.join(&href("2"), &owner("y"), None).await.unwrap();
    world.staging.join(&href("2"), &owner("x"), None).await.unwrap();
    world.pass(Duration::from_secs(5)).await;
    assert_eq!((world.store.n_recalls(&id("0")), world.store.n_recalls(&id("2"))), (1, 1));
}

#[tokio::test]
async fn an_owner_with_a_limit_of_its_own_may_spend_that() {
    let mut settings = StagingSettings { limits: limits("2 USD"), ..settings() };
    settings.owner_limits = vec![(owner("rich"), limits("100 USD")), (owner("swiss"), limits("100 CHF"))];
    let world = World::with(FakeStore::new(Landing::InPlace).with_price(2_000_000), settings).await;
    ["0", "1"].iter().for_each(|path| world.put(path));
    over_quota(&ask(&world, new_request("x", &["0", "1"])).await.unwrap_err());
    let refused = ask(&world, new_request("swiss", &["0", "1"])).await.unwrap_err();
    assert!(refused.message().contains("another currency"), "{refused}");
    ask(&world, new_request("rich", &["0", "1"])).await.unwrap();
}

#[tokio::test]
async fn too_many_open_requests_are_refused_until_one_ends() {
    let world = dear_with(OwnerLimits { max_requests: Some(2), ..OwnerLimits::default() }).await;
    let first = ask(&world, new_request("x", &["0"])).await.unwrap();
    ask(&world, new_request("x", &["1"])).await.unwrap();
    over_quota(&ask(&world, new_request("x", &["2"])).await.unwrap_err());
    ask(&world, new_request("y", &["2"])).await.unwrap();
    world.staging.cancel(&first.id).await.unwrap();
    ask(&world, new_request("x", &["2"])).await.unwrap();
}

#[tokio::test]
async fn more_pinned_bytes_than_an_owner_may_have_are_refused_until_pins_end() {
    let len_bytes = "the bytes of 0".len() as u64;
    let most = OwnerLimits { max_pinned_bytes: Some(2 * len_bytes), ..OwnerLimits::default() };
    let world = dear_with(most).await;
    world.store.hold(false);
    over_quota(&ask(&world, new_request("x", &["0", "1", "2"])).await.unwrap_err());
    let first = ask(&world, new_request("x", &["0", "1"])).await.unwrap();
    assert_eq!(world.ended(&first.id).await.state, RequestState::Succeeded);
    let refused = ask(&world, new_request("x", &["2"])).await.unwrap_err();
    assert!(over_quota(&refused) <= HOUR && refused.message().contains("may hold 28 bytes"), "{refused}");
    ask(&world, new_request("y", &["2"])).await.unwrap();
    world.staging.release(&first.id, None).await.unwrap();
    ask(&world, new_request("x", &["2"])).await.unwrap();
}

#[tokio::test]
async fn what_waits_for_the_own_limit_of_recalls_says_so() {
    let mut settings = settings();
    let most = OwnerLimits { max_active: Some(1), ..OwnerLimits::default() };
    settings.owner_limits = vec![(owner("x"), most)];
    let world = World::with(FakeStore::new(Landing::InPlace), settings).await;
    ["0", "1"].iter().for_each(|path| world.put(path));
    world.store.hold(true);
    let request = ask(&world, new_request("x", &["0", "1"])).await.unwrap();
    world.pass(Duration::from_secs(5)).await;
    let objects = world.objects(&request.id).await;
    let waiting: Vec<_> = objects.iter().filter(|object| object.state == ObjectState::Queued).collect();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].reason.as_deref(), Some("quota of x (1 recalls at a time)"));
}

#[tokio::test]
async fn where_recalls_share_no_drive_the_usual_limit_of_recalls_does_not_count_and_an_owners_own_does() {
    let mut settings = StagingSettings { max_active_per_owner: 2, ..settings() };
    let most = OwnerLimits { max_active: Some(3), ..OwnerLimits::default() };
    settings.owner_limits = vec![(owner("bounded"), most)];
    let drives = FakeStore::new(Landing::InPlace);
    let bucket = FakeStore::new(Landing::InPlace).with_usual_time(12 * HOUR);
    for (store, name, expected) in
        [(drives.clone(), "x", 2), (bucket.clone(), "x", 20), (bucket.clone(), "bounded", 3)]
    {
        let world = World::with(store, settings.clone()).await;
        let paths: Vec<String> = (0..20).map(|number| format!("{name}{number}")).collect();
        paths.iter().for_each(|path| world.put(path));
        world.store.hold(true);
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let request = ask(&world, new_request(name, &paths)).await.unwrap();
        world.pass(Duration::from_secs(5)).await;
        let states = world.states(&request.id).await;
        let n_active = states.iter().filter(|state| **state == ObjectState::Active).count();
        assert_eq!(n_active, expected, "{name}");
    }
}

/// An archive with prices that makes one batch at a time, and is busy with the object `first`.
async fn dear_and_busy(max_cost: Option<&str>) -> World {
    let store = FakeStore::new(Landing::InPlace).with(|can| can.n_at_once = 1).with_price(2_000_000);
    let limits = max_cost.map(limits).unwrap_or_default();
    let world = World::with(store, StagingSettings { limits, ..settings() }).await;
    ["first", "a", "b"].iter().for_each(|path| world.put(path));
    world.store.hold(true);
    ask(&world, new_request("z", &["first"])).await.unwrap();
    world.pass(Duration::from_secs(5)).await;
    world
}

/// Whether the store was asked for an object by the way of what somebody waits for.
async fn was_asked_for_at_once(world: &World, path: &str) -> bool {
    world.store.hold(false);
    for _ in 0..10 {
        world.pass(Duration::from_secs(2)).await;
    }
    let batches = world.store.batches();
    let has = |batch: &&crate::cold::StageRequest| batch.objects.iter().any(|object| object.id == id(path));
    batches.iter().find(has).unwrap().is_interactive
}

#[tokio::test]
async fn what_was_paid_for_as_a_request_stays_that_when_a_reader_joins_who_has_to_keep_to_a_limit() {
    let world = dear_and_busy(Some("9 USD")).await;
    ask(&world, new_request("x", &["a"])).await.unwrap();
    world.staging.join(&href("a"), &owner("y"), None).await.unwrap();
    world.staging.join(&href("b"), &owner("y"), None).await.unwrap();
    assert!(!was_asked_for_at_once(&world, "a").await);
    assert!(was_asked_for_at_once(&world, "b").await, "the reader has paid for this one");
}

#[tokio::test]
async fn a_reader_who_may_spend_any_sum_makes_what_waits_come_at_once() {
    let world = dear_and_busy(None).await;
    ask(&world, new_request("x", &["a"])).await.unwrap();
    world.staging.join(&href("a"), &owner("y"), None).await.unwrap();
    assert!(was_asked_for_at_once(&world, "a").await);
}

#[tokio::test]
async fn after_a_restart_nothing_comes_by_the_dearer_way_of_which_nobody_knows_who_has_paid() {
    for (max_cost, expected) in [(Some("9 USD"), false), (None, true)] {
        let world = dear_and_busy(max_cost).await;
        world.staging.join(&href("a"), &owner("y"), None).await.unwrap();
        let world = world.restart().await;
        assert_eq!(was_asked_for_at_once(&world, "a").await, expected);
    }
}

#[tokio::test]
async fn requests_that_are_sent_together_pin_no_more_than_one_after_the_other() {
    let len_bytes = "the bytes of 0".len() as u64;
    let most = OwnerLimits { max_pinned_bytes: Some(3 * len_bytes), ..OwnerLimits::default() };
    let world = dear_with(most).await;
    let paths: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let together = paths.iter().map(|path| ask(&world, new_request("x", &[path.as_str()])));
    let answers = futures::future::join_all(together).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    answers
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .for_each(|error| assert!(over_quota(error) <= HOUR));
    world.pass(Duration::from_secs(5)).await;
    let held: u64 = world
        .staging
        .list(crate::staging::RequestFilter { limit: 20, ..Default::default() })
        .await
        .unwrap()
        .iter()
        .map(|request| request.tally(ObjectState::Active).bytes)
        .sum();
    assert_eq!(held, 3 * len_bytes, "each is counted once");
}
