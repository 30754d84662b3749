//! Claims about tapes: when they are mounted, which is next, in which order they are read.

use super::library::Library;
use super::*;
use crate::staging::tape::{Extent, Media, Spot, reading_order};

#[test]
fn all_that_waits_on_a_tape_is_read_with_one_mount() {
    let mut library = Library::new(tapes(2), 2);
    let owner = library.scheduler.owner("ada");
    for recall in 0..200 {
        library.add(wanted(recall, owner).on(if recall % 2 == 0 { "A" } else { "B" }, position(recall)));
    }
    library.run();
    assert_eq!((library.n_mounts, library.done_ns.len()), (2, 200));
}

#[test]
fn files_come_in_the_order_that_costs_least() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    let extents: Vec<Extent> =
        (0..20).map(|n| Extent { position: position(n), len_bytes: GIGABYTE }).collect();
    for (recall, extent) in (0..).zip(&extents) {
        scheduler.add(wanted(recall, owner).on("A", extent.position));
    }
    let order = reading_order(&Media::lto8(), Spot::default(), &extents, usize::MAX);
    let expected: Vec<u64> = order.into_iter().map(|file| file as u64).collect();
    assert_eq!(recalls(&scheduler.next(30 * SECOND).unwrap()), expected);
}

#[test]
fn a_lone_file_waits_half_a_minute_for_company() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    scheduler.add(wanted(1, owner).on("A", 0));
    assert_eq!(scheduler.next(29 * SECOND), None);
    assert_eq!(scheduler.next_wake(29 * SECOND), Some(30 * SECOND));
    assert_eq!(recalls(&scheduler.next(30 * SECOND).unwrap()), [1]);
    assert_eq!(scheduler.next_wake(30 * SECOND), None);
}

#[test]
fn a_queue_that_is_worth_it_is_mounted_at_once() {
    let (mut by_count, mut by_bytes) = (tapes(1), tapes(1));
    let owner = by_count.owner("ada");
    for recall in 0..100 {
        assert_eq!(by_count.next(0), None);
        by_count.add(Wanted { len_bytes: 1, ..wanted(recall, owner).on("A", recall) });
    }
    assert_eq!(by_count.next(0).unwrap().recalls.len(), 100);
    let owner = by_bytes.owner("ada");
    by_bytes.add(Wanted { len_bytes: 100 * GIGABYTE, ..wanted(1, owner).on("A", 0) });
    assert_eq!(recalls(&by_bytes.next(0).unwrap()), [1]);
}

#[test]
fn the_fullest_tape_is_mounted_first() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    for (recall, tape) in [(1, "A"), (2, "B"), (3, "B"), (4, "C")] {
        scheduler.add(wanted(recall, owner).on(tape, position(recall)));
    }
    assert_eq!(scheduler.next(30 * SECOND).unwrap().tape.as_deref(), Some("B"));
}

#[test]
fn no_tape_waits_for_ever_behind_fuller_ones() {
    let mut library = Library::new(tapes(1), 1);
    let owner = library.scheduler.owner("ada");
    library.add(wanted(0, owner).on("lonely", 0));
    // A tape of 20 files every five minutes keeps the drive busy for good.
    let mut recall = 1;
    for minute in (0..3000).step_by(5) {
        for _ in 0..20 {
            let name = format!("T{minute}");
            library.add(wanted(recall, owner).on(&name, position(recall)).at(minute * 60 * SECOND));
            recall += 1;
        }
        library.run_until((minute + 5) * 60 * SECOND);
    }
    assert!(library.done(0) < 30.0 * 3600.0, "it took {} h", library.done(0) / 3600.0);
}

#[test]
fn a_tape_whose_files_keep_coming_gives_way_to_older_ones() {
    // More than the drive can read, and so few that what is left always looks nearly done.
    for n_each_minute in [6, 3, 2] {
        let mut library = Library::new(tapes(1), 1);
        let owner = library.scheduler.owner("ada");
        let mut recall = 0;
        for minute in 0..600 {
            for _ in 0..n_each_minute {
                library.add(wanted(recall, owner).on("busy", position(recall)).at(minute * 60 * SECOND));
                recall += 1;
            }
            if minute == 1 {
                library.add(wanted(1_000_000, owner).on("quiet", 0).at(minute * 60 * SECOND));
            }
            library.run_until((minute + 1) * 60 * SECOND);
        }
        let hours = library.done(1_000_000) / 3600.0;
        assert!(hours < 5.0, "with {n_each_minute} a minute it took {hours} h");
        assert!(library.n_mounts < 8, "{} mounts", library.n_mounts);
    }
}

#[test]
fn what_arrives_while_a_tape_is_read_is_read_with_the_same_mount() {
    let mut library = Library::new(tapes(1), 1);
    let owner = library.scheduler.owner("ada");
    for recall in 0..10 {
        library.add(wanted(recall, owner).on("A", position(recall)));
    }
    library.run_until(100 * SECOND);
    for recall in 10..20 {
        library.add(wanted(recall, owner).on("A", position(recall)).at(100 * SECOND));
    }
    library.run();
    assert_eq!((library.n_mounts, library.done_ns.len()), (1, 20));
}

#[test]
fn a_tape_left_alone_is_taken_for_unmounted() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    scheduler.add(wanted(1, owner).on("A", 0));
    let batch = scheduler.next(30 * SECOND).unwrap();
    finish(&mut scheduler, &batch, 100 * SECOND);
    scheduler.add(wanted(2, owner).on("A", 0).at(200 * SECOND));
    let soon = scheduler.next(200 * SECOND).expect("the tape is in the drive");
    finish(&mut scheduler, &soon, 210 * SECOND);
    scheduler.add(wanted(3, owner).on("A", 0).at(600 * SECOND));
    assert_eq!(scheduler.next(600 * SECOND), None);
    let again = scheduler.next(630 * SECOND).unwrap();
    assert_eq!(again.work, batch.work, "with the mount");
    assert!(soon.work < batch.work);
}

#[test]
fn a_tape_is_in_one_drive_at_a_time() {
    let mut scheduler = tapes(4);
    let owner = scheduler.owner("ada");
    for recall in 0..500 {
        scheduler.add(wanted(recall, owner).on("A", position(recall)));
    }
    let batches = all_next(&mut scheduler, 30 * SECOND);
    assert_eq!(batches.len(), 1);
    assert!(batches[0].recalls.len() < 60, "a piece of ten minutes, not {} files", batches[0].recalls.len());
    finish(&mut scheduler, &batches[0], 640 * SECOND);
    assert_eq!(all_next(&mut scheduler, 640 * SECOND).len(), 1);
}

/// The figures of the SLTF schedule of the same trace are those of `tests/staging/tape_order_sim.py`.
#[test]
fn two_thousand_files_on_fifty_tapes_take_three_and_a_half_hours() {
    let mut library = Library::new(tapes(4), 4);
    let owner = library.scheduler.owner("ada");
    for recall in 0..2000 {
        let tape = format!("T{}", (recall * 31) % 50);
        library.add(wanted(recall, owner).on(&tape, position(recall)));
    }
    library.run();
    assert_eq!(library.n_mounts, 50);
    assert!(library.makespan() < 3.7 * 3600.0, "{} h", library.makespan() / 3600.0);
}
