//! What lies on a cold store is never read as if it lay on none.

use super::store::FakeStore;
use super::world::{World, href, id, owner};
use crate::ErrorKind;
use crate::cold::{Landing, Locality};
use crate::staging::{Outcome, Presence};

#[tokio::test]
async fn a_file_below_a_bound_root_that_names_no_object_is_refused_and_never_unbound() {
    for landing in [Landing::Copied, Landing::InPlace] {
        let world = World::new(FakeStore::new(landing)).await;
        let staging = world.staging.clone();
        let broken = href("a\nb.nc");

        assert!(staging.is_bound(&broken));
        assert_eq!(staging.known_locality(&broken), Locality::Unavailable);
        let presence = staging.presence(&broken).await;
        assert_eq!(presence.err().map(|error| error.kind()), Some(ErrorKind::InvalidInput));
        let joined = staging.join(&broken, &owner("x"), None).await;
        assert_eq!(joined.err().map(|error| error.kind()), Some(ErrorKind::InvalidInput));
        assert!(matches!(staging.wait(&broken).await, Outcome::Failed { kind: ErrorKind::RecallFailed, .. }));
    }
}

#[tokio::test]
async fn another_spelling_of_a_bound_root_is_bound() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    for spelling in ["//archive/a", "/archive//./a"] {
        assert!(matches!(world.staging.presence_in_memory(spelling), Some(Presence::Cold)), "{spelling}");
    }
}

#[tokio::test]
async fn an_object_that_its_file_system_has_online_is_said_to_be_so_without_a_pin() {
    let world = World::new(FakeStore::new(Landing::InPlace)).await;
    for path in ["a", "b"] {
        world.put(path);
    }
    world.store.change(&id("a"), |stored| stored.locality = Locality::OnlineAndNearline);
    let hrefs = ["a", "b", "c"].map(|path| href(path).into());

    let localities = world.staging.localities(&hrefs).await;

    assert_eq!(localities, [Locality::OnlineAndNearline, Locality::Nearline, Locality::Unavailable]);
    assert_eq!(world.store.n_recalls(&id("b")), 0);
}
