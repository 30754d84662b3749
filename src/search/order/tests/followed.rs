//! Claims over an engine: orders follow what happens there.

use std::time::Duration;

use thermocline_core::cold::{FailureCause, Landing, Locality, StageFailure, StageState};

use super::archive::{START_NS, World};
use crate::order::OrderStatus::*;
use crate::order::{Changed, Orders};

fn failure(cause: FailureCause) -> StageState {
    StageState::Failed(StageFailure { cause, reason: "the tape is torn".to_owned() })
}

#[tokio::test]
async fn a_recall_is_shown_from_the_request_to_the_eviction() {
    let world = World::new(Landing::Copied).await;
    world.dataset("d", &["a"]);
    let before = world.orders.of("d").unwrap();
    assert_eq!((before.status, before.request, before.changed_ns), (Orderable, None, 0));

    let request = world.request(&["a"]).await;
    let ordered = world.orders.of("d").unwrap();
    assert!(ordered.status != Orderable, "who asks after the answer finds it ordered");
    assert_eq!(ordered.request, Some(request.id.to_string()));
    assert_eq!(ordered.ordered_ns, Some(request.created_ns));
    assert!(ordered.changed_ns >= START_NS);

    world.until("d", Pending).await;
    world.archive.recalls("a", StageState::Active { done_bytes: Some(1) });
    world.until("d", Shipping).await;
    world.archive.recalls("a", StageState::Staged);
    world.until("d", Succeeded).await;
    let order = world.orders.of("d").unwrap();
    assert_eq!(order.request, Some(request.id.to_string()));
    assert!(order.expires_ns.is_some_and(|expires_ns| expires_ns > START_NS), "{order:?}");
    assert_eq!(order.sources, [Succeeded]);

    world.staging.release(&request.id, None).await.unwrap();
    world.staging.evict(None).await.unwrap();
    world.until("d", Orderable).await;
    let order = world.orders.of("d").unwrap();
    assert_eq!((order.request, order.expires_ns), (Some(request.id.to_string()), None));
}

#[tokio::test]
async fn longer_pins_are_shown() {
    let world = World::new(Landing::Copied).await;
    world.dataset("d", &["a"]);
    world.archive.recalls("a", StageState::Staged);
    let request = world.request(&["a"]).await;
    world.until("d", Succeeded).await;
    let before_ns = world.orders.of("d").unwrap().expires_ns.unwrap();

    world.staging.extend(&request.id, Duration::from_secs(7200)).await.unwrap();
    world.pass(Duration::from_secs(31)).await;
    for _ in 0..1000 {
        if world.orders.of("d").unwrap().expires_ns.unwrap() > before_ns {
            return;
        }
        world.pass(Duration::from_secs(1)).await;
    }
    panic!("the pin is not longer");
}

#[tokio::test]
async fn a_recall_that_fails_is_shown_and_is_known_after_a_restart_until_it_is_asked_for_again() {
    let world = World::new(Landing::Copied).await;
    world.dataset("d", &["a", "b"]);
    world.archive.recalls("a", failure(FailureCause::Denied));
    world.archive.recalls("b", StageState::Staged);
    let request = world.request(&["a", "b"]).await;
    world.until("d", Failed).await;

    let world = world.restart().await;
    world.note("d", &["a", "b"]);
    world.until("d", Failed).await;
    let order = world.orders.of("d").unwrap();
    assert_eq!((order.request, order.sources), (Some(request.id.to_string()), vec![Failed, Succeeded]));

    world.archive.recalls("a", StageState::Staged);
    world.request(&["a"]).await;
    world.until("d", Succeeded).await;
}

#[tokio::test]
async fn what_is_lost_is_failed() {
    let world = World::new(Landing::Copied).await;
    world.dataset("d", &["a", "b"]);
    world.archive.recalls("a", failure(FailureCause::Lost));
    world.request(&["a", "b"]).await;
    // One that comes back does not hide that the other never will.
    world.until("d", Failed).await;
}

#[tokio::test]
async fn a_request_that_is_cancelled_is_shown_and_known_after_a_restart() {
    let world = World::new(Landing::Copied).await;
    world.dataset("d", &["a"]);
    let request = world.request(&["a"]).await;
    world.until("d", Pending).await;

    world.staging.cancel(&request.id).await.unwrap();
    world.until("d", Canceled).await;

    let world = world.restart().await;
    world.note("d", &["a"]);
    world.until("d", Canceled).await;
}

#[tokio::test]
async fn what_is_under_way_is_known_after_a_restart() {
    let world = World::new(Landing::Copied).await;
    world.dataset("d", &["a"]);
    let request = world.request(&["a"]).await;
    world.until("d", Pending).await;

    let world = world.restart().await;
    world.note("d", &["a"]);
    let order = world.orders.of("d").unwrap();
    assert!(order.status != Orderable);
    assert_eq!(order.request, Some(request.id.to_string()));
    world.until("d", Pending).await;
}

#[tokio::test]
async fn stores_are_asked_once_for_objects_that_come_online_in_place() {
    let world = World::new(Landing::InPlace).await;
    world.archive.lies("there", Locality::Online);
    world.archive.lies("cold", Locality::Nearline);
    world.archive.lies("gone", Locality::Lost);
    for path in ["there", "cold", "gone"] {
        world.note(path, &[path]);
    }
    assert_eq!(world.orders.status("there"), Some(Orderable));

    world.until("there", Succeeded).await;
    world.until("gone", Failed).await;
    assert_eq!(world.orders.status("cold"), Some(Orderable));
    let n_asked = world.archive.n_asked();
    for _ in 0..20 {
        world.pass(Duration::from_secs(10)).await;
    }
    assert_eq!(world.archive.n_asked(), n_asked, "nobody is asked again for ten minutes");

    world.archive.lies("cold", Locality::OnlineAndNearline);
    world.until("cold", Succeeded).await;
}

#[tokio::test]
async fn what_is_in_place_is_asked_for_again_however_often_datasets_come() {
    let world = World::new(Landing::InPlace).await;
    world.dataset("d", &["a"]);
    world.archive.lies("a", Locality::Online);
    world.until("d", Succeeded).await;
    world.archive.lies("a", Locality::Nearline);

    for number in 0..100 {
        if world.orders.status("d") == Some(Orderable) {
            return;
        }
        let path = format!("b{number}");
        world.dataset(&path, &[&path]);
        world.pass(Duration::from_secs(2)).await;
        world.pass(Duration::from_secs(20)).await;
    }
    panic!("nobody asked for half an hour");
}

#[tokio::test]
async fn what_a_store_says_at_first_is_no_change() {
    let world = World::new(Landing::InPlace).await;
    world.dataset("d", &["a"]);
    world.archive.lies("a", Locality::Online);
    world.until("d", Succeeded).await;
    assert_eq!(world.orders.of("d").unwrap().changed_ns, 0);

    world.archive.lies("a", Locality::Nearline);
    world.until("d", Orderable).await;
    assert!(world.orders.of("d").unwrap().changed_ns > START_NS);
}

#[tokio::test]
async fn many_objects_in_place_are_asked_for_without_a_pause() {
    let world = World::new(Landing::InPlace).await;
    for number in 0..1024 {
        let path = number.to_string();
        world.archive.lies(&path, Locality::Online);
        world.note(&path, &[&path]);
    }
    for _ in 0..1000 {
        if world.orders.status("1023") == Some(Succeeded) {
            return;
        }
        world.pass(Duration::ZERO).await;
    }
    panic!("{} objects were asked for while the clock stood still", world.archive.n_asked());
}

#[tokio::test]
async fn an_object_in_place_that_was_recalled_and_released_is_what_its_store_says() {
    let world = World::new(Landing::InPlace).await;
    world.dataset("d", &["a"]);
    world.archive.recalls("a", StageState::Staged);
    let request = world.request(&["a"]).await;
    world.until("d", Succeeded).await;

    world.archive.lies("a", Locality::Nearline);
    world.staging.release(&request.id, None).await.unwrap();

    world.until("d", Orderable).await;
}

#[tokio::test]
async fn datasets_on_no_cold_store_have_no_order() {
    let world = World::new(Landing::Copied).await;
    world.orders.note("warm", ["/warm/a.nc", "https://example.org/b.nc"]);
    assert_eq!(world.orders.of("warm"), None);
    assert_eq!(world.orders.generation(), 0);

    world.archive.lies("a", Locality::Nearline);
    world.orders.note("both", ["/warm/a.nc", "/archive/a"]);
    assert_eq!(world.orders.of("both").unwrap().sources, [Succeeded, Orderable]);
    assert_eq!(world.orders.of("unknown"), None);

    let none = Orders::new(None);
    none.note("d", ["/archive/a"]);
    assert_eq!((none.of("d"), none.generation()), (None, 0));
}

#[tokio::test]
async fn who_keeps_columns_is_told_which_datasets_have_changed() {
    let world = World::new(Landing::Copied).await;
    world.dataset("d", &["a"]);
    world.dataset("e", &["b"]);
    let generation = world.orders.generation();
    assert_eq!(world.orders.changed_after(generation), Changed::These(Vec::new()));

    world.request(&["b"]).await;

    assert!(world.orders.generation() > generation);
    assert_eq!(world.orders.changed_after(generation), Changed::These(vec!["e".into()]));
    world.orders.forget("d");
    assert_eq!(world.orders.of("d"), None);
    let Changed::These(changed) = world.orders.changed_after(generation) else { panic!("two are few") };
    assert!(changed.contains(&"d".into()));
}
