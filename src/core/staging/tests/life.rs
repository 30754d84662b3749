//! The life of a recall, from the request to the pin's end.

use std::time::Duration;

use super::store::FakeStore;
use super::world::{World, href, id, new_request, owner, wanted};
use crate::ErrorKind;
use crate::cold::Landing;
use crate::staging::{ObjectState, Outcome, RequestState};

#[tokio::test]
async fn a_request_brings_its_objects_online_and_pins_them() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world.put("b");
    let request = world.request("x", &["a", "b"]).await;
    assert!(!request.state.is_ended());
    let request = world.ended(&request.id).await;
    assert_eq!(request.state, RequestState::Succeeded);
    assert_eq!(request.tally(ObjectState::Hot).n, 2);
    assert_eq!(world.read("a").await.unwrap(), b"the bytes of a");
    assert_eq!(world.staging.pins(10).await.unwrap().len(), 2);
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn objects_in_place_are_online_when_their_store_shows_them_so() {
    let world = World::new(FakeStore::new(Landing::InPlace)).await;
    world.put("a");
    assert!(world.read("a").await.is_none());
    let request = world.request("x", &["a"]).await;
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert!(world.read("a").await.is_some());
}

#[tokio::test]
async fn what_does_not_exist_fails_alone() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    std::fs::write(world.folder.path().join("warm/w"), "warm").unwrap();
    let warm = world.folder.path().join("warm").to_string_lossy().into_owned();
    let mut new = new_request("x", &["a", "missing"]);
    for (spelling, path) in [(format!("{warm}/w"), "w"), (format!("{warm}/none"), "none")] {
        let object =
            crate::cold::ObjectId::new("warm", path).map(|id| vec![id]).map_err(|error| error.to_string());
        new.objects.push(crate::staging::Wanted { spelling: spelling.into(), object });
    }
    new.objects
        .push(crate::staging::Wanted { spelling: "bad".into(), object: Err("it is no path".to_owned()) });
    let request = world.staging.request(new).await.unwrap();
    assert_eq!(world.ended(&request.id).await.state, RequestState::Partial);
    use ObjectState::{Failed, Hot};
    assert_eq!(world.states(&request.id).await, [Hot, Failed, Hot, Failed, Failed]);
    let reasons: Vec<_> = world.objects(&request.id).await.into_iter().map(|object| object.reason).collect();
    assert!(reasons[1].as_deref().unwrap().contains("archive:missing"), "{reasons:?}");
    assert_eq!(reasons[4].as_deref(), Some("it is no path"));
}

#[tokio::test]
async fn however_many_ask_there_is_one_recall() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world.store.hold(true);
    let first = world.request("x", &["a"]).await;
    world.pass(Duration::from_secs(2)).await;
    let second = world.request("y", &["a"]).await;
    let joined = world.staging.join(&href("a"), &owner("z"), None).await.unwrap();
    let again = world.staging.join(&href("a"), &owner("w"), None).await.unwrap();
    assert_ne!(joined.request, again.request, "the owners do not depend on each other");
    world.store.hold(false);
    for id in [&first.id, &second.id, &joined.request, &again.request] {
        assert_eq!(world.ended(id).await.state, RequestState::Succeeded);
    }
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}

#[tokio::test]
async fn a_link_and_what_it_leads_to_are_one_recall() {
    for landing in [Landing::Copied, Landing::InPlace] {
        let mut world = World::new(FakeStore::new(landing)).await;
        world.put("a");
        world.store.link(&id("link"), &id("a"));
        let cost = world.staging.dry_run(vec![wanted("link"), wanted("a")]).await.unwrap();
        assert_eq!((cost.n_nearline, cost.nearline_bytes), (1, cost.bytes));
        world.store.hold(true);
        let by_link = world.request("x", &["link"]).await;
        world.pass(Duration::from_secs(2)).await;
        let by_both = world.request("y", &["a", "link"]).await;
        let joined = world.staging.join(&href("link"), &owner("z"), None).await.unwrap();
        world.pass(Duration::from_secs(2)).await;
        assert_eq!(world.objects(&by_link.id).await[0].object, Some(id("a")), "{landing:?}");
        assert_eq!(world.staging.recalls(10).await.len(), 1);

        world = world.restart().await;
        world.store.hold(false);

        for request in [&by_link.id, &by_both.id, &joined.request] {
            assert_eq!(world.ended(request).await.state, RequestState::Succeeded);
        }
        assert_eq!(world.get(&by_both.id).await.tally(ObjectState::Hot).n, 2);
        assert_eq!(world.store.n_recalls(&id("a")), 1);
        assert_eq!(world.objects(&by_link.id).await[0].spelling.as_ref(), href("link"));
        assert!(world.read("a").await.is_some());
    }
}

#[tokio::test]
async fn readers_who_wait_are_woken_when_the_object_can_be_read() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    let joined = world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
    assert_eq!(joined.state, ObjectState::Queued);
    let waiters: Vec<_> = (0..100)
        .map(|_| {
            let staging = world.staging.clone();
            tokio::spawn(
                async move { (staging.wait(&href("a")).await, staging.presence_in_memory(&href("a"))) },
            )
        })
        .collect();
    world.ended(&joined.request).await;
    for waiter in waiters {
        let (outcome, presence) = waiter.await.unwrap();
        assert_eq!(outcome, Outcome::Online);
        assert!(matches!(presence, Some(crate::staging::Presence::Online { .. })));
    }
}

#[tokio::test]
async fn readers_of_what_fails_are_told_so_and_no_second_recall_is_made_at_once() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world.store.remove(&id("a"));
    let joined = world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
    assert!(matches!(world.staging.wait(&href("a")).await, Outcome::Failed { kind: ErrorKind::Lost, .. }));
    let again = world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
    assert_eq!((again.request, again.state), (joined.request, ObjectState::Failed));
}

#[tokio::test]
async fn what_only_readers_have_caused_is_made_cold_when_an_operator_says_so() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world.put("b");
    for name in ["a", "b"] {
        let joined = world.staging.join(&href(name), &owner("x"), None).await.unwrap();
        world.ended(&joined.request).await;
    }
    let request = world.request("x", &["b"]).await;
    world.ended(&request.id).await;
    assert_eq!(world.staging.evict(None).await.unwrap(), 1);
    assert!(world.read("a").await.is_none());
    assert!(world.read("b").await.is_some(), "somebody has asked for it");
}

#[tokio::test]
async fn pins_end_with_their_lifetime_and_the_object_stays_until_its_room_is_needed() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    let request = world.request("x", &["a"]).await;
    let expires_ns = world.ended(&request.id).await.expires_ns.unwrap();
    assert_eq!(world.staging.evict(None).await.unwrap(), 0, "a pinned object is never evicted");
    world.pass(Duration::from_secs(3500)).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
    world.pass(Duration::from_secs(200)).await;
    assert_eq!(world.states(&request.id).await, [ObjectState::Released]);
    let request = world.get(&request.id).await;
    assert_eq!((request.state, request.expires_ns), (RequestState::Succeeded, Some(expires_ns)));
    assert!(world.read("a").await.is_some());
    assert_eq!(world.staging.evict(None).await.unwrap(), 1);
    assert!(world.read("a").await.is_none());
    assert_eq!(world.store.released(), [id("a")]);
}
