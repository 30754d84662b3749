//! Requests give up what they want.

use std::time::Duration;

use super::store::FakeStore;
use super::world::{World, id};
use crate::cold::Landing;
use crate::staging::{ObjectState, RequestState};

#[tokio::test]
async fn cancelling_drops_one_interest_and_the_recall_stops_with_the_last() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
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
