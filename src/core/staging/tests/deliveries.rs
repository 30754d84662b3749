//! Who is told of the end of requests, and that it is neither forgotten nor told twice under two names.

use std::time::Duration;

use serde_json::Value;

use super::store::FakeStore;
use super::world::{World, new_request};
use crate::cold::Landing;
use crate::staging::{
    Delivery, DeliveryFilter, DeliveryState, DueDelivery, NewRequest, Notify, Request, Wanted,
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
    world.staging.due_deliveries(Vec::new(), 10).await.unwrap().deliveries
}

async fn all(world: &World) -> Vec<Delivery> {
    world.staging.deliveries(DeliveryFilter { limit: 10, ..DeliveryFilter::default() }).await.unwrap()
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
    assert_eq!((&*due.delivery.url, &*due.delivery.host), (URL, "hooks.example"));
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
    world.staging.delivery_failed(first.delivery.id, "no answer".to_owned(), Some(later_ns)).await.unwrap();
    let none = world.staging.due_deliveries(Vec::new(), 10).await.unwrap();
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
    let id = due(&world).await.remove(0).delivery.id;
    world.staging.delivery_failed(id, "gone".to_owned(), None).await.unwrap();
    world.pass(Duration::from_secs(3600)).await;
    assert!(due(&world).await.is_empty());
    assert_eq!(all(&world).await[0].state, DeliveryState::Dead);
    let world = world.restart().await;
    assert_eq!(world.staging.retry_delivery(id).await.unwrap().state, DeliveryState::Due);
    assert_eq!(due(&world).await.len(), 1);
}

#[tokio::test]
async fn a_host_that_is_being_called_does_not_keep_others_waiting() {
    let world = world().await;
    for host in ["one.example", "two.example"] {
        for _ in 0..3 {
            let mut new = telling(new_request("x", &["a"]));
            new.notify = Some(Notify { url: format!("https://{host}/"), source: String::new() });
            let request = world.staging.request(new).await.unwrap();
            world.ended(&request.id).await;
        }
    }
    let hosts =
        |found: Vec<DueDelivery>| -> Vec<String> { found.into_iter().map(|due| due.delivery.host).collect() };
    assert_eq!(hosts(due(&world).await), ["one.example", "two.example"]);
    let busy = vec!["one.example".to_owned()];
    let others = world.staging.due_deliveries(busy, 10).await.unwrap().deliveries;
    assert_eq!(hosts(others), ["two.example"]);
}
