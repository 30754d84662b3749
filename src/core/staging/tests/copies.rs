//! Copies in the cache that somebody wrote to, or removed.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::store::FakeStore;
use super::world::{World, href, id, owner};
use crate::cold::{Landing, Locality};
use crate::staging::{ObjectState, Outcome, Presence, RequestState};

const BYTES: &[u8] = b"the bytes of a";

/// What happens to the file of a copy.
const HARMS: [fn(&Path); 3] = [
    |copy| std::fs::remove_file(copy).unwrap(),
    |copy| open(copy).set_modified(SystemTime::now()).unwrap(),
    |copy| open(copy).set_len(3).unwrap(),
];

fn open(copy: &Path) -> std::fs::File {
    std::fs::File::options().write(true).open(copy).unwrap()
}

/// A world with a copy of `a`, pinned, and the path of the copy.
async fn with_copy() -> (World, PathBuf) {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    let request = world.request("x", &["a"]).await;
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    let Some(Presence::Online { path, .. }) = world.staging.presence_in_memory(&href("a")) else {
        panic!("there is no copy")
    };
    // Its store has made room since.
    world.store.change(&id("a"), |stored| stored.locality = Locality::Nearline);
    (world, path)
}

#[tokio::test]
async fn a_damaged_copy_is_recalled_for_the_reader_who_comes_upon_it() {
    for harm in HARMS {
        let (world, path) = with_copy().await;
        harm(&path);
        world.staging.doubt(&href("a"));
        let joined = world.staging.join(&href("a"), &owner("x"), None).await.unwrap();
        assert_eq!(world.ended(&joined.request).await.state, RequestState::Succeeded);
        assert_eq!(world.staging.wait(&href("a")).await, Outcome::Online);
        assert_eq!(world.read("a").await.unwrap(), BYTES);
        assert_eq!(world.store.n_recalls(&id("a")), 2);
        assert_eq!(world.staging.cache_use().n_objects, 1);
    }
}

#[tokio::test]
async fn a_request_for_a_copy_that_is_damaged_recalls_it() {
    for harm in HARMS {
        let (world, path) = with_copy().await;
        harm(&path);
        let request = world.request("y", &["a"]).await;
        assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
        assert_eq!(world.read("a").await.unwrap(), BYTES);
        assert_eq!(world.store.n_recalls(&id("a")), 2);
    }
}

#[tokio::test]
async fn pins_outlast_a_damaged_copy_and_end_with_the_one_that_came() {
    let (world, path) = with_copy().await;
    std::fs::remove_file(path).unwrap();
    let request = world.request("y", &["a"]).await;
    world.ended(&request.id).await;
    world.staging.release(&request.id, None).await.unwrap();
    assert_eq!(world.staging.evict(None).await.unwrap(), 0, "the first request pins it still");
    world.pass(std::time::Duration::from_secs(4000)).await;
    assert_eq!(world.staging.evict(None).await.unwrap(), 1);
}

#[tokio::test]
async fn the_only_copy_there_is_is_not_removed_although_somebody_touched_it() {
    let (world, path) = with_copy().await;
    world.store.change(&id("a"), |stored| stored.locality = Locality::Lost);
    let request = world.request("y", &["a"]).await;
    world.ended(&request.id).await;
    open(&path).set_modified(SystemTime::now()).unwrap();

    let request = world.request("z", &["a"]).await;
    world.ended(&request.id).await;

    assert_eq!(std::fs::read(path).unwrap(), BYTES);
}

#[tokio::test]
async fn copies_whose_versions_are_words_survive_a_restart() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    world.store.change(&id("a"), |stored| stored.version = "2024-01-01T00:00:00".to_owned());
    let request = world.request("x", &["a"]).await;
    world.ended(&request.id).await;

    let world = world.restart().await;

    let request = world.request("y", &["a"]).await;
    assert_eq!(world.ended(&request.id).await.state, RequestState::Succeeded);
    assert_eq!(world.states(&request.id).await, [ObjectState::Hot]);
    assert_eq!(world.store.n_recalls(&id("a")), 1);
}
