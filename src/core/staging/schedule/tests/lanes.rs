//! Claims about recalls that somebody waits for.

use super::library::Library;
use super::*;

#[test]
fn whoever_waits_at_this_moment_goes_first_and_gathers_no_company() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    for recall in 0..150 {
        scheduler.add(wanted(recall, owner).on("A", position(recall)));
    }
    scheduler.add(wanted(1000, owner).on("B", 0).now());
    let batch = scheduler.next(0).unwrap();
    assert_eq!((recalls(&batch), batch.lane), (vec![1000], Lane::Interactive));
}

#[test]
fn a_reader_waits_for_a_piece_and_not_for_a_tape() {
    let mut library = Library::new(tapes(1), 1);
    let owner = library.scheduler.owner("ada");
    for recall in 0..1000 {
        library.add(wanted(recall, owner).on("A", position(recall)));
    }
    library.run_until(3600 * SECOND);
    library.add(wanted(5000, owner).on("B", position(3)).at(3600 * SECOND).now());
    library.run();
    let waited = library.done(5000) - 3600.0;
    assert!(waited < 600.0 + 120.0 + 140.0, "{waited} s");
    assert_eq!(library.n_mounts, 3, "the tape that gave way is mounted again");
}

#[test]
fn whoever_waits_for_another_tape_does_not_wait_for_the_rest_of_this_one() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    for recall in 0..50 {
        scheduler.add(wanted(recall, owner).on("A", position(recall)));
    }
    scheduler.add(wanted(1000, owner).on("A", 0).now());
    scheduler.add(wanted(2000, owner).on("B", 0).at(1).now());
    let first = scheduler.next(SECOND).unwrap();
    assert_eq!(recalls(&first), [1000]);
    finish(&mut scheduler, &first, 100 * SECOND);
    let second = scheduler.next(100 * SECOND).unwrap();
    assert_eq!(recalls(&second), [2000]);
    finish(&mut scheduler, &second, 300 * SECOND);
    assert_eq!(scheduler.next(300 * SECOND).unwrap().tape.as_deref(), Some("A"));
}

#[test]
fn what_is_left_of_a_piece_is_filled_with_what_else_waits_on_the_tape() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    for recall in 0..10 {
        scheduler.add(wanted(recall, owner).on("A", position(recall)));
    }
    scheduler.add(wanted(1000, owner).on("A", position(50)).now());
    let batch = scheduler.next(0).unwrap();
    assert_eq!((batch.recalls[0], batch.recalls.len(), batch.lane), (1000, 11, Lane::Interactive));
}

#[test]
fn a_reader_on_the_tape_in_the_drive_is_read_next() {
    let mut library = Library::new(tapes(1), 1);
    let owner = library.scheduler.owner("ada");
    for recall in 0..1000 {
        library.add(wanted(recall, owner).on("A", position(recall)));
    }
    library.run_until(3600 * SECOND);
    library.add(wanted(5000, owner).on("A", position(5000)).at(3600 * SECOND).now());
    library.run();
    assert!(library.done(5000) - 3600.0 < 700.0);
    assert_eq!(library.n_mounts, 1);
}

#[test]
fn a_recall_becomes_urgent_when_a_reader_joins_and_plain_when_they_leave() {
    let mut scheduler = tapes(1);
    let (ada, bob) = (scheduler.owner("ada"), scheduler.owner("bob"));
    scheduler.add(wanted(1, ada).on("A", 0));
    scheduler.add(wanted(1, bob).on("A", 0).now());
    assert_eq!((scheduler.n_waiting(Lane::Interactive), scheduler.n_waiting(Lane::Bulk)), (1, 0));
    assert_eq!(scheduler.drop_interest(1, bob), Dropped::StillWanted);
    assert_eq!((scheduler.n_waiting(Lane::Interactive), scheduler.n_waiting(Lane::Bulk)), (0, 1));
    assert_eq!(scheduler.next(0), None);
    scheduler.add(wanted(1, bob).on("A", 0).now());
    assert_eq!(recalls(&scheduler.next(0).unwrap()), [1]);
}

#[test]
fn readers_of_the_tape_in_the_drive_do_not_starve_readers_of_another() {
    let mut library = Library::new(tapes(1), 1);
    let (ada, bob) = (library.scheduler.owner("ada"), library.scheduler.owner("bob"));
    for minute in 0..300 {
        for file in 0..3 {
            let recall = minute as u64 * 3 + file;
            library.add(wanted(recall, ada).on("A", position(recall)).at(minute * 60 * SECOND).now());
        }
        if minute == 10 {
            library.add(wanted(1_000_000, bob).on("B", 0).at(minute * 60 * SECOND).now());
            library.add(wanted(2_000_000, ada).on("C", 0).at(minute * 60 * SECOND).now());
        }
        library.run_until((minute + 1) * 60 * SECOND);
    }
    for recall in [1_000_000, 2_000_000] {
        let waited = library.done(recall) - 600.0;
        assert!(waited < 2700.0, "the reader of {recall} waited {waited} s");
    }
}

/// Readers who want a file of another tape each, more than the drive can serve.
#[test]
fn readers_do_not_starve_requests() {
    let mut library = Library::new(tapes(1), 1);
    let (readers, requests) = (library.scheduler.owner("readers"), library.scheduler.owner("requests"));
    for recall in 0..200 {
        library.add(wanted(recall, requests).on("A", position(recall)));
    }
    for minute in 0..600 {
        let recall = 10_000 + minute as u64;
        let tape = format!("R{minute}");
        library.add(wanted(recall, readers).on(&tape, position(recall)).at(minute * 60 * SECOND).now());
        library.run_until((minute + 1) * 60 * SECOND);
    }
    let n_bulk = library.done_ns.range(..10_000).count();
    let n_read = library.done_ns.range(10_000..).count();
    // A fifth of ten hours at a quarter of a minute a file is about 400; the mounts take their part.
    assert!(n_bulk > 100, "{n_bulk} files of requests");
    assert!(n_read > 100, "{n_read} files of readers");
}

#[test]
fn a_bulk_batch_is_named_to_be_cut_short_when_a_reader_finds_no_free_drive() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    for recall in 0..150 {
        scheduler.add(wanted(recall, owner).on("A", position(recall)));
    }
    let bulk = scheduler.next(0).unwrap();
    assert_eq!(scheduler.preempt(SECOND), None);
    scheduler.add(wanted(1000, owner).on("B", 0).at(SECOND).now());
    assert_eq!(scheduler.next(SECOND), None);
    assert_eq!(scheduler.preempt(SECOND), Some(bulk.id));
    let (begun, rest) = bulk.recalls.split_first().unwrap();
    for recall in rest {
        assert!(scheduler.returned(*recall, 2 * SECOND));
    }
    assert_eq!(scheduler.next(2 * SECOND), None, "the file that was begun is read to its end");
    scheduler.finished(*begun, GIGABYTE, 30 * SECOND);
    assert_eq!(recalls(&scheduler.next(30 * SECOND).unwrap()), [1000]);
    assert_eq!(scheduler.n_waiting(Lane::Bulk), 149);
}

#[test]
fn without_tapes_a_slot_stays_open_for_readers() {
    let mut scheduler = loose(4, 10);
    let owner = scheduler.owner("ada");
    for recall in 0..100 {
        scheduler.add(wanted(recall, owner));
    }
    assert_eq!(all_next(&mut scheduler, 0).len(), 3);
    scheduler.add(wanted(1000, owner).now());
    let batch = scheduler.next(0).unwrap();
    assert_eq!((recalls(&batch), batch.lane), (vec![1000], Lane::Interactive));
}
