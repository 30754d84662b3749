//! What survives.

use std::time::Duration;

use super::store::FakeStore;
use super::world::{World, id};
use crate::cold::Landing;
use crate::staging::{ObjectState, RequestState};

#[tokio::test]
async fn a_request_goes_on_after_a_restart() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
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
async fn copies_and_pins_survive_a_restart() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;
    let world = world.restart().await;
    assert_eq!(world.read("a").await.unwrap(), b"the bytes of a");
    assert_eq!(world.staging.evict(None).await.unwrap(), 0);
    world.pass(Duration::from_secs(3700)).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Released]);
    assert_eq!(world.staging.evict(None).await.unwrap(), 1);
}
