//! What can go wrong, case by case; what the engine's own tests hold already is not repeated here.

use std::time::Duration;

use thermocline_cold_simulated::{Config, FaultConfig, FaultKind};
use thermocline_core::ErrorKind;
use thermocline_core::staging::{
    Activity, ObjectState, Outcome, Owner, RequestState, StagingSettings, Wanted,
};

use crate::reference::check_cache;
use crate::world::{World, fault, id, library, settings};

const HOUR: Duration = Duration::from_secs(3600);
const FILES: [(&str, usize); 3] = [("a", 5000), ("b", 3000), ("c", 1)];

fn world() -> World {
    World::new(settings(), library(), &FILES)
}

/// A world in which a recall takes minutes.
fn slow_world() -> World {
    World::new(settings(), Config { speed: 1.0, ..library() }, &FILES)
}

#[test]
fn a_request_that_was_accepted_and_joined_when_the_process_was_killed_is_counted_right_afterwards() {
    // Two requests for one object, of which the second has been told less: it is as if the process had been killed
    // between writing it and joining it to the recall of the first.
    let mut world = world();
    world.store.set_share(0.0);
    let first = world.request(&["a", "b"], HOUR);
    world.block_on(world.staging().set_activity("tape", Activity::Paused)).unwrap();
    world.until("it is under way or waits", || !world.block_on(world.staging().recalls(10)).is_empty());
    let second = world.request(&["a", "c"], HOUR);
    world.end();
    let other = rusqlite::Connection::open(world.folder.path().join("state.db")).unwrap();
    // Tallies are eight pairs of a number and its bytes, little-endian, `active` after `queued`.
    let number: i64 = first.id.0.trim_start_matches('r').parse().unwrap();
    let mut tallies = vec![0_u8; 128];
    tallies[16] = 2;
    let changed = other
        .execute("UPDATE staging_request_objects SET state = 1 WHERE request = ?1", [number])
        .and_then(|_| {
            other.execute(
                "UPDATE staging_requests SET tallies = ?2, state = 1 WHERE number = ?1",
                rusqlite::params![number, tallies],
            )
        });
    assert_eq!(changed.unwrap(), 1);
    drop(other);
    world.open();
    world.block_on(world.staging().set_activity("tape", Activity::Running)).unwrap();
    for id in [&first.id, &second.id] {
        let request = world.ended(id);
        assert_eq!(request.state, RequestState::Succeeded);
        assert_eq!((request.n_objects(), request.tally(ObjectState::Hot).n), (2, 2), "{request:?}");
    }
}

#[test]
fn a_reader_who_goes_away_takes_neither_the_recall_nor_the_others_with_it() {
    let world = world();
    let (staging, href) = (world.staging().clone(), world.href("a"));
    let joined = world.block_on(staging.join(&href, &Owner("x".into()), None)).unwrap();
    let runtime = &world.life.as_ref().unwrap().runtime;
    let wait = || {
        let (staging, href) = (staging.clone(), href.clone());
        runtime.spawn(async move { staging.wait(&href).await })
    };
    let (gone, stays) = (wait(), wait());
    world.settle();
    gone.abort();
    world.ended(&joined.request);
    assert_eq!(world.block_on(stays).unwrap(), Outcome::Online);
    assert!(world.read("a").is_some());
}

#[test]
fn a_process_that_ends_in_the_middle_of_a_recall_finds_it_again() {
    let mut world = slow_world();
    let request = world.request(&["a"], HOUR);
    world.until("it is active", || world.states(&request.id) == [ObjectState::Active]);
    world.crash();
    assert_eq!(world.ended(&request.id).state, RequestState::Succeeded);
    assert_eq!(world.store.n_staged(&id("a")), 1, "it was found by our key");
}

#[test]
fn a_library_that_restarts_and_forgets_is_asked_again_also_if_the_process_has_ended_too() {
    for also_ends in [false, true] {
        let mut world = slow_world();
        let request = world.request(&["a"], HOUR);
        world.until("it is active", || world.states(&request.id) == [ObjectState::Active]);
        world.end();
        world.replace_library(true);
        world.open();
        if also_ends {
            world.crash();
        }
        assert_eq!(world.ended(&request.id).state, RequestState::Succeeded);
        assert_eq!(world.read("a").unwrap(), world.contents["a"][0]);
    }
}

#[test]
fn a_file_that_is_renamed_during_its_recall_is_not_found_and_can_be_had_under_its_new_name() {
    let mut world = slow_world();
    let request = world.request(&["a"], HOUR);
    world.until("it is active", || world.states(&request.id) == [ObjectState::Active]);
    std::fs::rename(world.archived("a"), world.archived("d")).unwrap();
    let content = world.contents["a"].clone();
    world.contents.insert("d".to_owned(), content);
    let request = world.ended(&request.id);
    assert_eq!(request.state, RequestState::Failed, "{request:?}");
    let renamed = world.request(&["d"], HOUR);
    assert_eq!(world.ended(&renamed.id).state, RequestState::Succeeded);
    assert_eq!(world.read("d").unwrap(), world.contents["d"][0]);
    assert!(world.read("a").is_none());
}

#[test]
fn a_file_that_is_overwritten_during_its_recall_is_had_in_one_of_its_states_never_in_a_mixture() {
    let mut world = slow_world();
    let request = world.request(&["a"], HOUR);
    world.until("it is active", || world.states(&request.id) == [ObjectState::Active]);
    world.write("a", 7000);
    assert_eq!(world.ended(&request.id).state, RequestState::Succeeded);
    assert_eq!(world.read("a").unwrap(), world.contents["a"][1]);
    check_cache(&world);
}

#[test]
fn lifetimes_are_neither_shortened_nor_forgotten_when_the_clock_jumps_or_the_process_ends() {
    let mut world = world();
    let request = world.request(&["a"], HOUR);
    let until_ns = world.ended(&request.id).expires_ns.unwrap();
    assert!(until_ns >= world.now_ns() + 3_590_000_000_000, "not an hour");
    // Back by a day: the time that was told is still to come.
    world.clock.jump(-86_400);
    world.crash();
    world.pass(Duration::from_secs(50 * 60));
    assert_eq!(world.states(&request.id), [ObjectState::Hot]);
    assert_eq!(world.block_on(world.staging().evict(None)).unwrap(), 0);
    // Forward again, to just before that time, and just beyond it.
    world.clock.jump((until_ns - world.now_ns()) / 1_000_000_000 - 60);
    world.pass(Duration::from_secs(31));
    assert_eq!(world.states(&request.id), [ObjectState::Hot]);
    world.crash();
    world.pass(Duration::from_secs(31));
    world.until("the pin ends", || world.states(&request.id) == [ObjectState::Released]);
    assert!(world.now_ns() >= until_ns);
    assert_eq!(world.block_on(world.staging().evict(None)).unwrap(), 1);
}

#[test]
fn a_clock_that_jumps_back_does_not_make_retries_wait_for_that_time_again() {
    let mut world = World::new(
        settings(),
        Config { faults: vec![FaultConfig { times: 1, ..fault("a", FaultKind::Fail, 1.0) }], ..library() },
        &FILES,
    );
    let request = world.request(&["a"], HOUR);
    world.until("it rests", || {
        world.objects(&request.id)[0]
            .reason
            .as_ref()
            .is_some_and(|reason| reason.contains("will be tried again"))
    });
    world.clock.jump(-1_000_000);
    world.crash();
    let before_ns = world.now_ns();
    assert_eq!(world.ended(&request.id).state, RequestState::Succeeded);
    let waited = (world.now_ns() - before_ns) / 1_000_000_000;
    assert!(waited < 2 * 3600, "{waited} s");
}

#[test]
fn a_recall_that_takes_too_long_in_all_ends_with_the_reason() {
    let stalls = vec![fault("a", FaultKind::Stall, 1.0)];
    let settings = StagingSettings {
        recall_timeout: Duration::from_secs(7200),
        stalled_after: Duration::from_secs(600),
        ..settings()
    };
    let world = World::new(settings, Config { faults: stalls, ..library() }, &FILES);
    let request = world.request(&["a", "b"], 24 * HOUR);
    let before_ns = world.now_ns();
    let request = world.ended(&request.id);
    assert_eq!(request.state, RequestState::Partial);
    let waited = (world.now_ns() - before_ns) / 1_000_000_000;
    assert!((7000..9000).contains(&waited), "{waited} s");
    assert_eq!(world.states(&request.id), [ObjectState::Failed, ObjectState::Hot]);
    assert!(world.block_on(world.staging().recalls(10)).is_empty());
}

#[test]
fn a_request_of_more_objects_than_are_allowed_is_refused_with_the_limit() {
    let world = World::new(StagingSettings { max_objects: 2, ..settings() }, library(), &FILES);
    let refused = world.block_on(world.staging().request(world.new_request("x", &["a", "b", "c"], HOUR)));
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains('2'), "{refused}");
    assert_eq!(world.request(&["a", "b"], HOUR).n_objects(), 2);
}

#[test]
fn one_bad_path_among_many_fails_alone() {
    let names: Vec<String> = (0..500).map(|n| format!("many{n}")).collect();
    let files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 10)).collect();
    let world = World::new(settings(), library(), &files);
    let mut paths: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    paths.insert(250, "missing");
    let mut new = world.new_request("x", &paths, HOUR);
    new.objects
        .push(Wanted { spelling: "relative/path".into(), object: Err("it is not absolute".to_owned()) });
    let request = world.block_on(world.staging().request(new)).unwrap();
    let request = world.ended(&request.id);
    assert_eq!(request.state, RequestState::Partial);
    let counts = (request.tally(ObjectState::Hot).n, request.tally(ObjectState::Failed).n);
    assert_eq!(counts, (500, 2));
    let objects = world.objects(&request.id);
    assert_eq!((objects[250].state, objects[501].state), (ObjectState::Failed, ObjectState::Failed));
    assert_eq!(objects[501].reason.as_deref(), Some("it is not absolute"));
}

#[test]
fn an_object_that_a_request_names_twice_counts_and_is_recalled_once() {
    let world = world();
    let request = world.request(&["a", "b", "a"], HOUR);
    let request = world.ended(&request.id);
    assert_eq!((request.state, request.n_objects()), (RequestState::Succeeded, 2));
    assert_eq!(world.store.n_staged(&id("a")), 1);
}

#[test]
fn a_file_in_the_cache_is_served_and_stays_while_another_request_for_it_waits() {
    let world = world();
    let first = world.request(&["a"], Duration::from_secs(1));
    world.ended(&first.id);
    world.until("its pin ends", || world.states(&first.id) == [ObjectState::Released]);
    world.block_on(world.staging().set_activity("tape", Activity::Paused)).unwrap();
    let second = world.request(&["a", "b"], HOUR);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.states(&second.id), [ObjectState::Hot, ObjectState::Queued]);
    assert_eq!(world.block_on(world.staging().evict(None)).unwrap(), 0);
    assert_eq!(world.read("a").unwrap(), world.contents["a"][0]);
    assert_eq!(world.store.n_staged(&id("a")), 1);
}

#[test]
fn what_is_staged_is_not_evicted_before_its_request_was_told_however_little_space_there_is() {
    let names: Vec<String> = (0..40).map(|n| format!("many{n}")).collect();
    let files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 4000)).collect();
    let settings = StagingSettings { cache_bytes: 20_000, ..settings() };
    let world = World::new(settings, library(), &files);
    // Each request pins for a moment only, so that one after the other finds room.
    let requests: Vec<_> = files
        .chunks(4)
        .map(|files| {
            let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
            (world.request(&paths, Duration::from_secs(30)), paths)
        })
        .collect();
    let mut waiting: Vec<_> = requests.iter().collect();
    world.until("every request has its bytes", || {
        waiting.retain(|(request, paths)| {
            for (object, path) in world.objects(&request.id).iter().zip(paths) {
                if object.state == ObjectState::Hot {
                    let is_over = world.now_ns() >= object.since_ns + 30_000_000_000;
                    let is_there = || world.pinned_bytes(&request.id, object.position, path).is_some();
                    assert!(is_over || is_there(), "{path} is pinned and gone");
                }
            }
            !world.get(&request.id).state.is_ended()
        });
        waiting.is_empty()
    });
    for (request, _) in &requests {
        assert_eq!(world.get(&request.id).state, RequestState::Succeeded);
    }
    check_cache(&world);
}

#[test]
fn a_store_that_cannot_be_reached_for_days_fails_nothing() {
    let mut world = world();
    world.store.set_share(1.0);
    let request = world.request(&["a"], HOUR);
    for _ in 0..20 {
        world.pass(Duration::from_secs(3600));
    }
    world.crash();
    assert!(!world.get(&request.id).state.is_ended());
    world.store.set_share(0.0);
    assert_eq!(world.ended(&request.id).state, RequestState::Succeeded);
}

#[test]
fn while_the_database_is_locked_nothing_is_acknowledged_and_afterwards_nothing_is_missing() {
    let world = world();
    let before = world.request(&["a"], HOUR);
    let other = rusqlite::Connection::open(world.folder.path().join("state.db")).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = world.block_on(world.staging().request(world.new_request("x", &["b"], HOUR))).unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Unavailable { .. }), "{refused}");
    for _ in 0..20 {
        world.pass(Duration::from_secs(1));
    }
    assert!(!world.get(&before.id).state.is_ended(), "nobody is told what is not written");
    drop(other);
    assert_eq!(world.ended(&before.id).state, RequestState::Succeeded);
    assert_eq!(world.store.n_staged(&id("b")), 0, "what was refused leaves no trace");
}

#[test]
fn a_store_that_makes_a_mistake_of_its_own_is_asked_again() {
    let world = world();
    world.store.set_kind(ErrorKind::Internal);
    world.store.set_share(1.0);
    let request = world.request(&["a"], HOUR);
    for _ in 0..10 {
        world.pass(Duration::from_secs(1));
    }
    world.store.set_share(0.0);
    assert_eq!(world.ended(&request.id).state, RequestState::Succeeded);
    // What is in the cache is served while its store does not answer, whatever keeps it from that.
    world.store.set_share(1.0);
    let again = world.request(&["a"], HOUR);
    assert_eq!(world.ended(&again.id).state, RequestState::Succeeded);
    assert_eq!(world.store.n_staged(&id("a")), 1);
}
