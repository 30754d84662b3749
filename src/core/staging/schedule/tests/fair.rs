//! Claims about the shares of owners.

use super::library::Library;
use super::*;

/// Gigabytes that each owner had been served at a time, if recalls are numbered in thousands for each owner.
fn served(library: &Library, until_ns: i64, n_owners: u64) -> Vec<u64> {
    let of = |owner: u64| {
        let done = library.done_ns.range(owner * 1000..(owner + 1) * 1000);
        done.filter(|(_, done_ns)| **done_ns <= until_ns).count() as u64
    };
    (0..n_owners).map(of).collect()
}

/// Each owner wants 1,000 files of 1 GB on ten tapes of their own.
fn everyone_alone(n_drives: usize, weights: &[u32]) -> Library {
    let mut library = Library::new(tapes(n_drives), n_drives);
    for (owner, weight) in (0..).zip(weights) {
        let id = library.scheduler.owner(&format!("owner {owner}"));
        library.scheduler.set_share(id, *weight, None);
        for file in 0..1000 {
            let tape = format!("{owner}-{}", file % 10);
            library.add(wanted(owner * 1000 + file, id).on(&tape, position(file)));
        }
    }
    library
}

#[test]
fn equal_owners_are_served_alike_while_all_wait() {
    let mut library = everyone_alone(4, &[100; 5]);
    library.run_until(8 * 3600 * SECOND);
    let served = served(&library, i64::MAX, 5);
    let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    assert!(*least > 0 && most - least <= 200, "{served:?}");
}

#[test]
fn owners_are_served_by_weight() {
    let mut library = everyone_alone(2, &[100, 300]);
    library.run_until(3 * 3600 * SECOND);
    let served = served(&library, i64::MAX, 2);
    let ratio = served[1] as f64 / served[0] as f64;
    assert!((2.0..4.0).contains(&ratio), "{served:?}");
}

#[test]
fn who_asks_for_much_first_does_not_keep_others_waiting() {
    let mut library = Library::new(tapes(4), 4);
    let (heavy, light) = (library.scheduler.owner("heavy"), library.scheduler.owner("light"));
    for file in 0..5000 {
        library.add(wanted(file, heavy).on(&format!("H{}", file % 4), position(file)));
    }
    library.run_until(3600 * SECOND);
    for file in 0..20 {
        let recall = 1_000_000 + file;
        library.add(wanted(recall, light).on(&format!("L{}", file % 2), position(file)).at(3600 * SECOND));
    }
    library.run_until(2 * 3600 * SECOND);
    let waits = (0..20).map(|file| library.done(1_000_000 + file) - 3600.0).fold(0.0, f64::max);
    assert!(waits < 1800.0, "the last of a few files came after {waits} s");
}

#[test]
fn a_tape_that_is_nearly_done_is_read_to_its_end_before_it_gives_way() {
    let mut library = Library::new(tapes(1), 1);
    let (heavy, light) = (library.scheduler.owner("heavy"), library.scheduler.owner("light"));
    for file in 0..80 {
        library.add(wanted(file, heavy).on("H", position(file)));
    }
    library.run_until(1000 * SECOND);
    library.add(wanted(1000, light).on("L", 0).at(1000 * SECOND));
    library.run();
    assert!(library.makespan() > 1200.0 && library.n_mounts == 2, "{} mounts", library.n_mounts);
}

#[test]
fn who_comes_back_gets_no_credit_for_the_time_away() {
    let mut scheduler = loose(1, 1);
    let (steady, back) = (scheduler.owner("steady"), scheduler.owner("back"));
    for recall in 0..100 {
        scheduler.add(wanted(recall, steady));
    }
    for _ in 0..50 {
        let batch = scheduler.next(0).unwrap();
        finish(&mut scheduler, &batch, 0);
    }
    for recall in 1000..1050 {
        scheduler.add(wanted(recall, back));
    }
    let mut order = Vec::new();
    for _ in 0..20 {
        let batch = scheduler.next(0).unwrap();
        finish(&mut scheduler, &batch, 0);
        order.extend(batch.recalls);
    }
    let n_back = order.iter().filter(|recall| **recall >= 1000).count();
    assert!((9..=11).contains(&n_back), "{order:?}");
}

#[test]
fn a_recall_that_several_want_counts_for_each_of_them() {
    let mut scheduler = loose(1, 1);
    let [ada, bob, eve] = ["ada", "bob", "eve"].map(|name| scheduler.owner(name));
    scheduler.add(wanted(1, ada));
    scheduler.add(wanted(1, bob));
    for (recall, owner) in [(2, ada), (3, bob), (4, eve), (5, eve)] {
        scheduler.add(wanted(recall, owner));
    }
    let mut order = Vec::new();
    while let Some(batch) = scheduler.next(0) {
        finish(&mut scheduler, &batch, 0);
        order.extend(batch.recalls);
    }
    assert_eq!(order, [1, 4, 2, 3, 5]);
}

#[test]
fn never_more_is_under_way_for_an_owner_than_may_be() {
    let mut scheduler = loose(10, 10);
    let (ada, bob) = (scheduler.owner("ada"), scheduler.owner("bob"));
    scheduler.set_share(ada, 100, Some(3));
    for recall in 0..20 {
        scheduler.add(wanted(recall, ada));
        scheduler.add(wanted(100 + recall, bob));
    }
    let under_way: Vec<u64> =
        all_next(&mut scheduler, 0).into_iter().flat_map(|batch| batch.recalls).collect();
    let of_ada = under_way.iter().filter(|recall| **recall < 100).count();
    assert_eq!((of_ada, under_way.len() - of_ada), (3, 20));
    let first = *under_way.iter().find(|recall| **recall < 100).unwrap();
    scheduler.finished(first, GIGABYTE, 0);
    let more: Vec<u64> = all_next(&mut scheduler, 0).into_iter().flat_map(|batch| batch.recalls).collect();
    assert_eq!(more.len(), 1, "{more:?}");
}

#[test]
fn on_a_tape_that_is_read_only_those_are_passed_over_who_have_enough() {
    let mut scheduler = tapes(1);
    let (ada, bob) = (scheduler.owner("ada"), scheduler.owner("bob"));
    scheduler.set_share(ada, 100, Some(1));
    for recall in 0..5 {
        scheduler.add(wanted(recall, ada).on("A", position(recall)));
        scheduler.add(wanted(100 + recall, bob).on("A", position(50 + recall)));
    }
    let batch = scheduler.next(30 * SECOND).unwrap();
    assert_eq!(batch.recalls.iter().filter(|recall| **recall < 100).count(), 1);
    assert_eq!(batch.recalls.len(), 6);
    finish(&mut scheduler, &batch, 100 * SECOND);
    assert_eq!(scheduler.next(100 * SECOND).unwrap().recalls.len(), 1);
}

#[test]
fn a_recall_that_failed_counts_for_nobody() {
    let mut scheduler = loose(1, 1);
    let (ada, bob) = (scheduler.owner("ada"), scheduler.owner("bob"));
    scheduler.add(wanted(1, ada));
    assert_eq!(recalls(&scheduler.next(0).unwrap()), [1]);
    scheduler.add(wanted(2, ada));
    scheduler.add(wanted(3, bob));
    assert!(scheduler.failed(1, 0));
    assert!(!scheduler.failed(1, 0), "it is told once");
    assert_eq!(recalls(&scheduler.next(0).unwrap()), [2]);
}

#[test]
fn priority_counts_among_the_recalls_of_one_owner_only() {
    let mut scheduler = loose(1, 1);
    let (ada, bob) = (scheduler.owner("ada"), scheduler.owner("bob"));
    scheduler.add(wanted(1, ada));
    scheduler.add(wanted(2, ada).with_priority(5));
    scheduler.add(wanted(3, bob).with_priority(-5));
    // An hour of waiting is worth more than five points.
    scheduler.add(wanted(4, ada).at(3600 * SECOND).with_priority(5));
    let mut order = Vec::new();
    while let Some(batch) = scheduler.next(3600 * SECOND) {
        finish(&mut scheduler, &batch, 0);
        order.extend(batch.recalls);
    }
    assert_eq!(order, [2, 3, 1, 4]);
}
