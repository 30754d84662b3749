//! The promises of the space, and its accounts against a model that looks at everything each time.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::cold::ObjectId;

mod model;

fn key(number: usize) -> CacheKey {
    CacheKey::new(&ObjectId::new("root", &number.to_string()).unwrap(), "1", 0)
}

/// 1000 bytes, watermarks at 900 and 700, no residency.
fn settings() -> SpaceSettings {
    SpaceSettings {
        capacity_bytes: 1000,
        high: 0.9,
        low: 0.7,
        keep_free_bytes: 0,
        min_residency: Duration::ZERO,
    }
}

fn space(settings: &SpaceSettings) -> (Space, ManualClock) {
    let clock = ManualClock::new(1_000_000_000_000);
    (Space::new(settings, Arc::new(clock.clone())).unwrap(), clock)
}

/// Lands objects 0, 1, … of these sizes.
fn land(space: &Space, sizes: &[u64]) {
    for (number, len_bytes) in sizes.iter().enumerate() {
        drop(space.reserve(key(number), *len_bytes).unwrap().landed(0, true));
    }
}

fn numbers(victims: &[Eviction]) -> Vec<usize> {
    victims.iter().filter_map(|victim| (0..1000).find(|number| key(*number) == *victim.key())).collect()
}

fn needed(space: &Space, len_bytes: u64) -> u64 {
    match space.reserve(key(999), len_bytes) {
        Err(NoSpace::Full { needed_bytes, .. }) => needed_bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_object_larger_than_the_cache_is_refused_with_both_sizes() {
    let (space, _) = space(&settings());
    let error = Error::from(space.reserve(key(0), 1001).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.to_string(), "an object of 1001 bytes never fits a cache of 1000 bytes");
    assert!(space.reserve(key(0), 1000).is_ok());
}

#[test]
fn admission_stops_at_the_high_watermark_and_eviction_ends_at_the_low_one() {
    let (space, _) = space(&settings());
    land(&space, &[300, 300, 299, 50]);
    assert_eq!(space.usage().used_bytes, 949);

    assert_eq!(needed(&space, 1), 249);
    assert_eq!(space.excess_bytes(), 249);
    let victims = space.victims(249);

    assert_eq!(numbers(&victims), [0]);
    assert_eq!(space.excess_bytes(), 0);
    victims.into_iter().for_each(Eviction::removed);
    assert_eq!(space.usage().used_bytes, 649);
    assert!(space.reserve(key(999), 1).is_ok());
}

#[test]
fn a_dropped_reservation_gives_its_space_back() {
    let (space, _) = space(&settings());
    let reservation = space.reserve(key(0), 950).unwrap();
    assert!(space.reserve(key(1), 10).is_err());
    drop(reservation);
    assert!(space.reserve(key(1), 10).is_ok());
    assert_eq!(space.usage().reserved_bytes, 0);
}

#[test]
fn a_copy_that_lands_again_is_not_evicted_meanwhile() {
    let (space, _) = space(&settings());
    land(&space, &[300]);
    let reservation = space.reserve(key(0), 300).unwrap();
    // Its file and that of the landing have the same name.
    assert!(space.evict(&key(0)).is_none());
    assert!(space.victims(300).is_empty());

    drop(reservation);

    assert_eq!(numbers(&space.victims(300)), [0]);
}

#[test]
fn a_copy_stays_until_the_second_of_two_landings_has_ended() {
    let (space, _) = space(&settings());
    let (first, second) = (space.reserve(key(0), 300).unwrap(), space.reserve(key(0), 300).unwrap());
    drop(first.landed(0, true));
    assert!(space.victims(300).is_empty());

    drop(second.landed(0, true));

    assert_eq!(space.usage().used_bytes, 300);
    assert_eq!(space.usage().held_bytes, 0);
    assert_eq!(numbers(&space.victims(300)), [0]);
}

#[test]
fn sizes_near_the_end_of_u64_do_not_overflow() {
    let (space, _) = space(&SpaceSettings { capacity_bytes: u64::MAX, ..settings() });
    let _all = space.reserve(key(0), u64::MAX).unwrap();
    assert!(matches!(space.reserve(key(1), u64::MAX), Err(NoSpace::Full { .. })));
}

#[test]
fn who_waits_for_the_end_of_an_eviction_learns_that_it_did_not_take_place() {
    use futures::FutureExt;
    let (space, _) = space(&settings());
    land(&space, &[300]);
    let eviction = space.evict(&key(0));
    let changed = space.changed();
    assert!(matches!(space.reserve(key(0), 300), Err(NoSpace::BeingEvicted)));

    drop(eviction);

    assert!(changed.now_or_never().is_some());
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let (space, _) = space(&settings());
    land(&space, &[100, 100, 100, 100]);
    drop(space.read(&key(0)));
    drop(space.read(&key(2)));
    assert_eq!(numbers(&space.victims(400)), [1, 3, 0, 2]);
}

#[test]
fn what_is_pinned_read_or_the_only_copy_stays() {
    let (space, _) = space(&settings());
    land(&space, &[100, 100, 100, 100]);
    assert!(space.pin(&key(0)));
    let guard = space.read(&key(1)).unwrap();
    space.set_safe(&key(2), false);

    assert_eq!(numbers(&space.victims(u64::MAX)), [3]);
    assert!([0, 1, 2].iter().all(|number| space.evict(&key(*number)).is_none()));

    space.unpin(&key(0));
    drop(guard);
    space.set_safe(&key(2), true);
    assert_eq!(numbers(&space.victims(u64::MAX)), [0, 2, 3, 1]);
}

#[test]
fn an_object_stays_for_a_while_but_not_against_its_operator() {
    let (space, clock) = space(&SpaceSettings { min_residency: Duration::from_secs(60), ..settings() });
    land(&space, &[500, 450]);
    assert!(space.victims(u64::MAX).is_empty());
    let until_ns = Some(1_060_000_000_000);
    assert_eq!(space.reserve(key(9), 10).unwrap_err(), NoSpace::Full { needed_bytes: 250, until_ns });
    space.evict(&key(0)).unwrap().removed();

    clock.advance(Duration::from_secs(59));
    assert!(space.victims(u64::MAX).is_empty());
    clock.advance(Duration::from_secs(1));
    assert_eq!(numbers(&space.victims(u64::MAX)), [1]);
}

#[test]
fn it_is_known_when_something_can_go_however_much_is_pinned() {
    let (space, clock) = space(&SpaceSettings { min_residency: Duration::from_secs(60), ..settings() });
    let until_ns = |space: &Space| match space.reserve(key(9999), 10).unwrap_err() {
        NoSpace::Full { until_ns, .. } => until_ns,
        other => panic!("{other}"),
    };
    // More than are looked at one by one.
    land(&space, &[0; 1500]);
    for number in 0..1500 {
        assert!(space.pin(&key(number)));
    }
    clock.advance(Duration::from_secs(10));
    drop(space.reserve(key(2000), 1000).unwrap().landed(0, true));

    assert_eq!(until_ns(&space), Some(1_070_000_000_000));
    assert!(space.pin(&key(2000)));
    assert_eq!(until_ns(&space), None, "it hangs on a pin");
    space.unpin(&key(2000));
    clock.advance(Duration::from_secs(60));
    assert_eq!(until_ns(&space), Some(1_070_000_000_000));
}

#[test]
fn a_clock_that_was_put_back_keeps_nothing_for_ever() {
    let clock = ManualClock::new(1_000_000_000_000);
    let space = Space::new(
        &SpaceSettings { min_residency: Duration::from_secs(60), ..settings() },
        Arc::new(clock.clone()),
    )
    .unwrap();
    let year_ns = 365 * 86_400 * 1_000_000_000;
    space.restore(key(0), Kept { len_bytes: 5, landed_ns: year_ns, n_pins: 0, is_safe: true });
    assert!(space.victims(u64::MAX).is_empty());
    clock.advance(Duration::from_secs(60));
    assert_eq!(numbers(&space.victims(u64::MAX)), [0]);
}

#[test]
fn what_is_being_evicted_is_out_of_reach_until_it_is_gone_or_stays() {
    let (space, _) = space(&settings());
    land(&space, &[100]);
    let eviction = space.evict(&key(0)).unwrap();
    assert!(!space.has(&key(0)) && space.read(&key(0)).is_none() && !space.pin(&key(0)));
    assert!(space.evict(&key(0)).is_none() && space.victims(1).is_empty());
    assert_eq!(space.reserve(key(0), 100).unwrap_err(), NoSpace::BeingEvicted);

    drop(eviction);
    assert!(space.has(&key(0)));

    space.evict(&key(0)).unwrap().removed();
    assert!(!space.has(&key(0)));
    assert_eq!(space.usage(), SpaceUse { capacity_bytes: 1000, ..SpaceUse::default() });
}

#[test]
fn an_object_that_cannot_be_removed_is_not_chosen_before_all_others_again() {
    let (space, _) = space(&settings());
    land(&space, &[100, 100]);
    let victims = space.victims(1);
    assert_eq!(numbers(&victims), [0]);
    drop(victims);
    assert_eq!(numbers(&space.victims(1)), [1]);
}

#[test]
fn an_object_that_lands_is_kept_until_its_first_reader_is_done() {
    let (space, _) = space(&settings());
    let guard = space.reserve(key(0), 100).unwrap().landed(0, true);
    assert!(space.victims(1).is_empty());
    drop(guard);
    assert_eq!(numbers(&space.victims(1)), [0]);
}

#[test]
fn a_full_disk_stops_admission_until_something_is_evicted_or_the_disk_is_seen_to_have_room() {
    let (space, _) = space(&settings());
    land(&space, &[100, 100]);
    space.disk_is_full();
    assert_eq!(needed(&space, 150), 150);
    let victims = space.victims(150);
    // What is under way need not be asked for again.
    assert_eq!(needed(&space, 150), 0);
    victims.into_iter().for_each(Eviction::removed);
    assert!(space.reserve(key(999), 150).is_ok());

    space.disk_is_full();
    assert!(space.reserve(key(999), 1).is_err());
    space.saw_free(10_000);
    assert!(space.reserve(key(999), 1).is_ok());
}

#[test]
fn space_that_was_promised_is_not_promised_again() {
    let (space, _) = space(&SpaceSettings { keep_free_bytes: 100, ..settings() });
    space.saw_free(400);
    let reservation = space.reserve(key(0), 200).unwrap();
    assert_eq!(needed(&space, 150), 50);
    // The file system has taken it: it is counted once, however often that is said.
    reservation.allocated();
    reservation.allocated();
    assert_eq!(space.usage().free_bytes, Some(200));
    assert_eq!(needed(&space, 150), 50);
    space.saw_free(250);
    assert!(space.reserve(key(1), 150).is_ok());
}

#[test]
fn objects_of_before_go_in_the_order_in_which_they_were_restored() {
    let (space, _) = space(&settings());
    for number in [2, 0, 1] {
        let n_pins = u32::from(number == 0);
        space.restore(key(number), Kept { len_bytes: 100, landed_ns: 0, n_pins, is_safe: true });
    }
    assert_eq!(space.usage().held_bytes, 100);
    assert_eq!(numbers(&space.victims(u64::MAX)), [2, 1]);
    space.unpin(&key(0));
    assert_eq!(numbers(&space.victims(u64::MAX)), [0, 2, 1]);
}

#[test]
fn watermarks_out_of_order_are_refused() {
    for (low, high) in [(0.0, 0.5), (0.9, 0.8), (0.5, 1.1), (f64::NAN, 0.5), (0.5, f64::NAN)] {
        assert!(
            Space::new(&SpaceSettings { low, high, ..settings() }, Arc::new(ManualClock::new(0))).is_err()
        );
    }
}

#[tokio::test]
async fn who_waits_for_space_wakes_when_something_is_given_back() {
    let (space, _) = space(&settings());
    let reservation = space.reserve(key(0), 950).unwrap();
    let changed = space.changed();
    assert!(space.reserve(key(1), 10).is_err());
    drop(reservation);
    changed.await;
    assert!(space.reserve(key(1), 10).is_ok());
}
