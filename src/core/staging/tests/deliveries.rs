//! Who is told of the end of requests, and that it is neither forgotten nor told twice under two names.

use std::time::Duration;

use serde_json::Value;

use super::store::FakeStore;
use super::world::{World, new_request};
use crate::cold::Landing;
use crate::staging::{
    AfterFailure, Delivery, DeliveryFilter, DeliveryState, DueDelivery, NewRequest, Notify, Request, Turns,
    Wanted,
};

const URL: &str = "https://hooks.example/here?secret=1";

async fn world() -> World {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world
}

fn telling(new: NewRequest) -> NewRequest {
    let notify = Notify { url: URL.to_owned(), source: "https://data.example/base".to_owned() };
    NewRequest { notify: Some(notify), ..new }
}

async fn due(world: &World) -> Vec<DueDelivery> {
    world.staging.due_deliveries(Turns::default(), 10).await.unwrap().deliveries
}

async fn all(world: &World) -> Vec<Delivery> {
    world.staging.deliveries(DeliveryFilter { limit: 10, ..DeliveryFilter::default() }).await.unwrap()
}

async fn fail(world: &World, tried: &Delivery, after: AfterFailure) {
    world.staging.delivery_failed(tried.clone(), "no answer".to_owned(), after).await.unwrap();
}

/// A request that tells somebody, at its end.
async fn told(world: &World) -> Request {
    let request = world.staging.request(telling(new_request("x", &["a"]))).await.unwrap();
    assert!(all(world).await.is_empty(), "it has not ended");
    world.ended(&request.id).await
}

#[tokio::test]
async fn the_end_of_a_request_is_told_once_and_survives_a_restart() {
    let world = world().await;
    let request = told(&world).await;
    // Its pins end later, which is not another end.
    world.pass(Duration::from_secs(40 * 24 * 3600)).await;
    let world = world.restart().await;
    let [due] = &due(&world).await[..] else { panic!("not one delivery") };
    assert_eq!((&*due.delivery.url, &*due.delivery.origin), (URL, "https://hooks.example"));
    let event: Value = serde_json::from_str(&due.body).unwrap();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], format!("{}-ended", request.id));
    assert_eq!(event["id"], *due.delivery.event);
    assert_eq!(event["source"], "https://data.example/base");
    assert_eq!(event["type"], "org.thermocline.request.ended");
    assert_eq!(event["subject"], request.id.to_string());
    assert_eq!(
        (&event["data"]["state"], &event["data"]["objects"]["hot"]["n"]),
        (&"succeeded".into(), &1.into())
    );
    let address = format!("https://data.example/base/requests/{}", request.id);
    assert_eq!(event["data"]["links"][0]["href"], address);
}

#[tokio::test]
async fn nobody_is_told_of_requests_that_name_nobody() {
    let world = world().await;
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    assert!(all(&world).await.is_empty());
}

#[tokio::test]
async fn a_request_that_is_cancelled_or_can_mean_nothing_has_ended_too() {
    let world = world().await;
    world.store.hold(true);
    let cancelled = world.staging.request(telling(new_request("x", &["a"]))).await.unwrap();
    world.staging.cancel(&cancelled.id).await.unwrap();
    let nothing = Wanted { spelling: "nowhere".into(), object: Err("it is below no root".to_owned()) };
    let failed = NewRequest { objects: vec![nothing], ..telling(new_request("x", &["a"])) };
    let failed = world.staging.request(failed).await.unwrap();
    world.settle().await;
    let told: Vec<String> = all(&world).await.iter().map(|delivery| delivery.request.to_string()).collect();
    assert_eq!(told, [failed.id.to_string(), cancelled.id.to_string()]);
}

#[tokio::test]
async fn a_delivery_is_due_again_after_a_failure_and_never_after_it_arrived() {
    let world = world().await;
    told(&world).await;
    let first = due(&world).await.remove(0);
    let now_ns = world.staging.clock().now_ns();
    let later_ns = now_ns + 10_000_000_000;
    fail(&world, &first.delivery, AfterFailure::Again { next_ns: later_ns }).await;
    let none = world.staging.due_deliveries(Turns::default(), 10).await.unwrap();
    assert!(none.deliveries.is_empty());
    assert_eq!(none.next_ns, Some(later_ns));
    world.pass(Duration::from_secs(10)).await;
    let again = due(&world).await.remove(0);
    assert_eq!(again.body, first.body);
    assert_eq!((again.delivery.n_attempts, again.delivery.last_error.as_deref()), (1, Some("no answer")));

    world.staging.delivered(first.delivery.id).await.unwrap();
    assert!(due(&world).await.is_empty());
    assert_eq!(all(&world).await[0].state, DeliveryState::Done);
    assert!(world.staging.retry_delivery(first.delivery.id).await.is_err());
    assert!(world.staging.retry_delivery(4711).await.is_err());
}

#[tokio::test]
async fn a_dead_delivery_waits_for_an_operator() {
    let world = world().await;
    told(&world).await;
    let delivery = due(&world).await.remove(0).delivery;
    fail(&world, &delivery, AfterFailure::Dead).await;
    let id = delivery.id;
    world.pass(Duration::from_secs(3600)).await;
    assert!(due(&world).await.is_empty());
    assert_eq!(all(&world).await[0].state, DeliveryState::Dead);
    let world = world.restart().await;
    assert_eq!(world.staging.retry_delivery(id).await.unwrap().state, DeliveryState::Due);
    assert_eq!(due(&world).await.len(), 1);
}

#[tokio::test]
async fn an_attempt_that_does_not_count_leaves_the_number_of_attempts() {
    let world = world().await;
    told(&world).await;
    let delivery = due(&world).await.remove(0).delivery;
    let next_ns = delivery.next_ns + 10_000_000_000;
    fail(&world, &delivery, AfterFailure::Postponed { next_ns }).await;
    let found = all(&world).await.remove(0);
    assert_eq!((found.state, found.n_attempts, found.next_ns), (DeliveryState::Due, 0, next_ns));
    assert_eq!(found.last_error.as_deref(), Some("no answer"));
}

#[tokio::test]
async fn what_is_asked_for_during_its_last_attempt_is_sent_again_after_that_has_failed() {
    for after in [AfterFailure::Dead, AfterFailure::Again { next_ns: i64::MAX }] {
        let world = world().await;
        told(&world).await;
        let tried = due(&world).await.remove(0).delivery;
        world.pass(Duration::from_secs(5)).await;
        world.staging.retry_delivery(tried.id).await.unwrap();
        fail(&world, &tried, after).await;
        let again = due(&world).await.remove(0).delivery;
        assert_eq!((again.n_attempts, again.last_error.as_deref()), (0, Some("no answer")), "{after:?}");
    }
}

/// Ends requests of these owners that tell these addresses, in this order.
async fn tell(world: &World, told: &[(&str, &str)]) {
    for (owner, url) in told {
        let mut new = telling(new_request(owner, &["a"]));
        new.notify = Some(Notify { url: (*url).to_owned(), source: String::new() });
        let request = world.staging.request(new).await.unwrap();
        world.ended(&request.id).await;
    }
}

/// Origins and owners of what is due next, one turn each, without ever being answered at `hanging`.
async fn turns(world: &World, n: usize, hanging: &str) -> Vec<String> {
    let (mut turns, mut had) = (Turns::default(), Vec::new());
    for _ in 0..n {
        let mut due = world.staging.due_deliveries(turns.clone(), 1).await.unwrap().deliveries;
        let Some(DueDelivery { delivery, .. }) = due.pop() else { break };
        had.push(format!("{} {}", delivery.owner, delivery.origin));
        turns.begin(&delivery);
        if delivery.origin != hanging {
            turns.end(&delivery.origin);
            world.staging.delivered(delivery.id).await.unwrap();
        }
    }
    had
}

#[tokio::test]
async fn a_server_that_hangs_keeps_no_other_port_of_its_host_waiting() {
    let world = world().await;
    let (hanging, other) = ("https://h.example:8443", "https://h.example");
    tell(&world, &[("x", hanging), ("x", hanging), ("x", other), ("x", other)]).await;
    let had = turns(&world, 9, hanging).await;
    assert_eq!(had, ["x https://h.example:8443", "x https://h.example", "x https://h.example"]);
}

#[tokio::test]
async fn servers_and_the_owners_who_tell_them_have_their_turns() {
    let world = world().await;
    let (one, two) = ("https://one.example", "https://two.example");
    tell(&world, &[("x", one), ("x", one), ("x", one), ("y", one), ("z", one), ("x", two)]).await;
    let had = turns(&world, 9, "").await;
    let expected = [("x", one), ("x", two), ("y", one), ("z", one), ("x", one), ("x", one)];
    assert_eq!(had, expected.map(|(owner, origin)| format!("{owner} {origin}")));
}

#[tokio::test]
async fn what_arrived_is_forgotten_with_its_request_and_what_did_not_much_later() {
    let world = world().await;
    tell(&world, &[("x", URL), ("x", URL), ("x", URL)]).await;
    let [kept, dead, done] = &all(&world).await[..] else { panic!("not three") };
    for delivery in [kept, done] {
        world.staging.delivered(delivery.id).await.unwrap();
    }
    fail(&world, dead, AfterFailure::Dead).await;
    for delivery in [dead, done] {
        world.staging.forget(&delivery.request).await.unwrap();
    }
    world.settle().await;
    world.staging.forget_deliveries().await.unwrap();
    let ids = |found: Vec<Delivery>| found.iter().map(|delivery| delivery.id).collect::<Vec<_>>();
    assert_eq!(ids(all(&world).await), [kept.id, dead.id]);
    world.pass(Duration::from_secs(91 * 24 * 3600)).await;
    world.staging.forget_deliveries().await.unwrap();
    assert!(!ids(all(&world).await).contains(&dead.id));
}
