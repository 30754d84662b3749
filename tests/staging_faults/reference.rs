//! What was acknowledged, kept apart from the engine, and what must hold of it at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use thermocline_core::staging::{ObjectState, Request, RequestId, RequestState};

use crate::world::World;

/// A request that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) paths: Vec<String>,
    pub(crate) lifetime: Duration,
    /// How far the clock had gone when it was answered.
    pub(crate) since_ns: i64,
    /// Its owner asked to cancel it, or objects of it.
    pub(crate) was_cancelled: bool,
    /// Its owner asked to give up pins.
    pub(crate) was_released: bool,
    /// How it ended, once that was told.
    pub(crate) ended: Option<RequestState>,
}

/// All that was acknowledged.
#[derive(Default)]
pub(crate) struct Reference {
    pub(crate) requests: BTreeMap<RequestId, Acknowledged>,
    /// Files that were removed or replaced at some time: their recalls may fail.
    pub(crate) disturbed: BTreeSet<String>,
    pub(crate) n_checks: usize,
}

impl Reference {
    /// A request was answered for which the clock had gone so far when it was made.
    pub(crate) fn note(&mut self, request: &Request, paths: &[&str], lifetime: Duration, since_ns: i64) {
        let acknowledged = Acknowledged {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            lifetime,
            since_ns,
            was_cancelled: false,
            was_released: false,
            ended: None,
        };
        let known = self.requests.entry(request.id.clone()).or_insert_with(|| acknowledged.clone());
        assert_eq!(known.paths, acknowledged.paths, "{} was given out twice", request.id);
    }

    /// Everything that must hold of one request.
    pub(crate) fn check(&mut self, world: &World, id: &RequestId) {
        self.n_checks += 1;
        let known = self.requests.get_mut(id).unwrap();
        let before = world.block_on(world.staging().get(id)).unwrap();
        let before = before.unwrap_or_else(|| panic!("{id} was acknowledged and is lost: {known:?}"));
        let objects = world.objects(id);
        let spelt: Vec<&str> = objects.iter().map(|object| &*object.spelling).collect();
        let asked: Vec<String> = known.paths.iter().map(|path| world.href(path)).collect();
        assert_eq!(spelt, asked, "{id} has not the objects that were asked for");
        if let Some(ended) = known.ended {
            assert_eq!(before.state, ended, "{id} has ended, and then changed");
        } else if before.state.is_ended() {
            known.ended = Some(before.state);
        }
        let after = world.get(id);
        for (object, path) in objects.iter().zip(&known.paths) {
            let told = format!("{path} of {id}: {object:?}, {known:?}");
            match object.state {
                ObjectState::Cancelled => assert!(known.was_cancelled, "nobody cancelled {told}"),
                ObjectState::Released => {
                    let is_over = known.was_released
                        || known.was_cancelled
                        || world.clock.forward_ns() >= known.since_ns + nanoseconds(known.lifetime);
                    assert!(is_over, "its lifetime was made shorter: {told}");
                }
                ObjectState::Failed => {
                    assert!(
                        path.starts_with("denied") || self.disturbed.contains(path),
                        "it could be had: {told}"
                    );
                }
                ObjectState::Lost => {
                    assert!(
                        path.starts_with("lost") || self.disturbed.contains(path),
                        "it is not lost: {told}"
                    );
                }
                ObjectState::Hot if after.change == before.change => {
                    let bytes = world.read(path);
                    // A pin that is over may have ended already, before that is written.
                    if world.now_ns() < object.since_ns + nanoseconds(known.lifetime)
                        && !known.was_released
                        && !known.was_cancelled
                    {
                        let bytes =
                            bytes.unwrap_or_else(|| panic!("it is pinned, and cannot be read: {told}"));
                        assert!(world.contents[path].contains(&bytes), "wrong bytes: {told}");
                    }
                }
                _ => {
                    assert!(!before.state.is_ended() || after.change != before.change, "not settled: {told}")
                }
            }
        }
        if after.change == before.change {
            for state in ObjectState::ALL {
                let n = objects.iter().filter(|object| object.state == state).count() as u64;
                assert_eq!(
                    before.tally(state).n,
                    n,
                    "{id} counts objects that are {} wrongly",
                    state.as_str()
                );
            }
        }
    }

    /// Everything that must hold of all requests, and of the cache.
    pub(crate) fn check_all(&mut self, world: &World) {
        let ids: Vec<RequestId> = self.requests.keys().cloned().collect();
        for id in ids {
            self.check(world, &id);
        }
        check_cache(world);
    }
}

/// Every landed file is a state of a file of the archive, and the counters of the cache are within their bounds.
pub(crate) fn check_cache(world: &World) -> u64 {
    let mut n_bytes = 0;
    for entry in walkdir::WalkDir::new(world.folder.path().join("cache/objects")) {
        // It may be evicted at this moment.
        let Ok(entry) = entry else { continue };
        if !entry.file_type().is_file() || entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let Ok(bytes) = std::fs::read(entry.path()) else { continue };
        n_bytes += bytes.len() as u64;
        let is_known = world.contents.values().flatten().any(|content| *content == bytes);
        assert!(is_known, "{} has bytes that no file ever had", entry.path().display());
    }
    let cache = world.staging().cache_use();
    assert!(cache.used_bytes + cache.reserved_bytes <= cache.capacity_bytes, "{cache:?}");
    n_bytes
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap()
}
