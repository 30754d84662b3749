//! Claims about stores without tapes, and about what the engine tells.

use super::*;

#[test]
fn without_tapes_owners_take_turns_in_every_batch() {
    let mut scheduler = loose(1, 6);
    let (ada, bob) = (scheduler.owner("ada"), scheduler.owner("bob"));
    for recall in 0..10 {
        scheduler.add(wanted(recall, ada).on("ignored", 0));
    }
    for recall in 100..110 {
        scheduler.add(wanted(recall, bob));
    }
    let batch = scheduler.next(0).unwrap();
    assert_eq!((recalls(&batch), batch.tape), (vec![0, 100, 1, 101, 2, 102], None));
}

#[test]
fn a_slot_is_free_when_its_whole_batch_has_been_reported() {
    let mut scheduler = loose(1, 2);
    let owner = scheduler.owner("ada");
    for recall in 0..4 {
        scheduler.add(wanted(recall, owner));
    }
    assert_eq!(all_next(&mut scheduler, 0).len(), 1);
    scheduler.finished(0, GIGABYTE, 0);
    assert_eq!(scheduler.next(0), None);
    scheduler.failed(1, 0);
    assert_eq!(recalls(&scheduler.next(0).unwrap()), [2, 3]);
}

#[test]
fn dropping_the_last_interest_forgets_what_waits_and_leaves_what_is_under_way() {
    let mut scheduler = loose(1, 1);
    let (ada, bob) = (scheduler.owner("ada"), scheduler.owner("bob"));
    scheduler.add(wanted(1, ada));
    scheduler.add(wanted(2, ada));
    scheduler.add(wanted(2, bob));
    scheduler.add(wanted(3, ada));
    assert_eq!(recalls(&scheduler.next(0).unwrap()), [1]);
    assert_eq!(scheduler.drop_interest(1, bob), Dropped::Unknown);
    assert_eq!(scheduler.drop_interest(1, ada), Dropped::UnderWay);
    assert_eq!(scheduler.drop_interest(2, ada), Dropped::StillWanted);
    assert_eq!(scheduler.drop_interest(3, ada), Dropped::Forgotten);
    assert_eq!(scheduler.drop_interest(3, ada), Dropped::Unknown);
    assert!(scheduler.failed(1, 0), "what was stopped is reported");
    assert_eq!(recalls(&scheduler.next(0).unwrap()), [2]);
    assert!(!scheduler.knows(1) && !scheduler.knows(3));
}

#[test]
fn what_is_returned_waits_again_as_if_it_had_never_gone() {
    let mut scheduler = loose(1, 2);
    let owner = scheduler.owner("ada");
    for recall in 0..3 {
        scheduler.add(wanted(recall, owner).at(recall as i64));
    }
    assert_eq!(recalls(&scheduler.next(10).unwrap()), [0, 1]);
    assert!(scheduler.returned(0, 10));
    assert!(scheduler.returned(1, 10));
    assert!(!scheduler.returned(2, 10), "it was not under way");
    assert_eq!(recalls(&scheduler.next(10).unwrap()), [0, 1]);
}

#[test]
fn nothing_is_handed_out_while_the_store_is_paused_or_wants_rest() {
    let mut scheduler = loose(1, 1);
    let owner = scheduler.owner("ada");
    scheduler.add(wanted(1, owner));
    for flow in [Flow::Paused, Flow::Draining] {
        scheduler.set_flow(flow);
        assert_eq!((scheduler.next(0), scheduler.next_wake(0)), (None, None));
    }
    scheduler.set_flow(Flow::Running);
    scheduler.slow_down(100);
    scheduler.slow_down(50);
    assert_eq!((scheduler.next(99), scheduler.next_wake(99)), (None, Some(100)));
    assert_eq!(recalls(&scheduler.next(100).unwrap()), [1]);
}

#[test]
fn after_a_restart_what_the_store_is_doing_takes_its_slots() {
    let mut scheduler = tapes(2);
    let owner = scheduler.owner("ada");
    scheduler.set_share(owner, 100, Some(200));
    let batches: Vec<BatchId> = (0..3)
        .map(|recall| scheduler.add_running(wanted(recall, owner).on("A", position(recall)), 0))
        .collect();
    assert_eq!(batches, [batches[0]; 3], "one tape, one batch");
    for recall in 10..300 {
        scheduler.add(wanted(recall, owner).on(if recall % 2 == 0 { "A" } else { "B" }, position(recall)));
    }
    let next = all_next(&mut scheduler, 30 * SECOND);
    assert_eq!(next.iter().map(|batch| batch.tape.as_deref()).collect::<Vec<_>>(), [Some("B")]);
    for recall in 0..3 {
        assert!(scheduler.finished(recall, GIGABYTE, 60 * SECOND));
    }
    assert_eq!(scheduler.next(60 * SECOND).unwrap().tape.as_deref(), Some("A"));
}

#[test]
fn a_batch_that_is_found_after_a_restart_takes_one_slot_and_measures_nothing() {
    let mut scheduler = loose(2, 10);
    let owner = scheduler.owner("ada");
    let batch = scheduler.add_running(wanted(0, owner), 0);
    for recall in 1..5 {
        assert_eq!(scheduler.add_running_to(batch, wanted(recall, owner), 0), batch);
    }
    assert_eq!(scheduler.estimate(0, 0), None);
    scheduler.add(wanted(10, owner).now());
    assert_eq!(recalls(&scheduler.next(0).unwrap()), [10], "the other slot is free");
    for recall in 0..5 {
        assert!(scheduler.finished(recall, GIGABYTE, SECOND));
    }
    scheduler.add(wanted(11, owner));
    assert_eq!(scheduler.estimate(11, SECOND), None);
}

#[test]
fn more_that_is_under_way_than_there_are_slots_is_waited_for() {
    let mut scheduler = loose(2, 1);
    let owner = scheduler.owner("ada");
    for recall in 0..4 {
        scheduler.add_running(wanted(recall, owner), 0);
    }
    scheduler.add(wanted(10, owner));
    for recall in 0..3 {
        assert_eq!(scheduler.next(0), None);
        scheduler.finished(recall, GIGABYTE, 0);
    }
    // One is under way still, and one slot is kept for readers.
    assert_eq!(scheduler.next(0), None);
    scheduler.finished(3, GIGABYTE, 0);
    assert_eq!(recalls(&scheduler.next(0).unwrap()), [10]);
}

#[test]
fn fewer_slots_take_effect_when_what_is_under_way_has_ended() {
    let mut scheduler = tapes(3);
    let owner = scheduler.owner("ada");
    for recall in 0..9 {
        scheduler.add(wanted(recall, owner).on(&format!("T{recall}"), 0));
    }
    let batches = all_next(&mut scheduler, 30 * SECOND);
    assert_eq!(batches.len(), 3);
    scheduler.set_limits(Limits { n_at_once: 1, batch_objects: 10, knows_tapes: true });
    finish(&mut scheduler, &batches[0], 40 * SECOND);
    finish(&mut scheduler, &batches[1], 40 * SECOND);
    assert_eq!(scheduler.next(40 * SECOND), None);
    finish(&mut scheduler, &batches[2], 40 * SECOND);
    assert_eq!(all_next(&mut scheduler, 40 * SECOND).len(), 1);
}

#[test]
fn a_recall_is_a_hundred_bytes_at_most() {
    assert!(size_of::<super::super::recall::Recall>() <= 100);
}
