//! Claims about why a recall waits, and for how long.

use super::library::Library;
use super::*;

fn says(scheduler: &mut Scheduler, recall: u64, now_ns: i64) -> String {
    scheduler.waiting_for(recall, now_ns).map_or_else(String::new, |reason| reason.to_string())
}

#[test]
fn every_recall_that_waits_says_why() {
    let mut scheduler = tapes(1);
    let (ada, bob) = (scheduler.owner("ada"), scheduler.owner("bob"));
    scheduler.set_share(bob, 100, Some(0));
    for (recall, tape) in [(1, "A"), (2, "A"), (3, "B"), (4, "C"), (5, "C"), (6, "C")] {
        scheduler.add(wanted(recall, ada).on(tape, position(recall)));
    }
    scheduler.add(wanted(7, ada));
    scheduler.add(wanted(8, ada));
    scheduler.add(wanted(9, bob));
    scheduler.add(wanted(10, ada).on("D", 0).at(35 * SECOND));
    assert_eq!(says(&mut scheduler, 1, 0), "waiting for tape A (files are gathered for its mount)");
    let now = 40 * SECOND;
    let batch = scheduler.next(now).unwrap();
    assert_eq!(batch.tape.as_deref(), Some("C"));
    let cases = [
        (1, "waiting for tape A (mount batch, 1st)"),
        (3, "waiting for tape B (mount batch, 2nd)"),
        (4, ""),
        (7, "waiting for the store (1st in the queue)"),
        (8, "waiting for the store (2nd in the queue)"),
        (9, "quota of bob (0 recalls at a time)"),
        (10, "waiting for tape D (files are gathered for its mount)"),
        (404, ""),
    ];
    for (recall, reason) in cases {
        assert_eq!(says(&mut scheduler, recall, now), reason, "recall {recall}");
    }
    scheduler.slow_down(100 * SECOND);
    assert_eq!(says(&mut scheduler, 1, now), "store asked to slow down");
    scheduler.set_flow(Flow::Paused);
    assert_eq!(says(&mut scheduler, 1, now), "store is paused");
    assert_eq!(scheduler.estimate(1, now), None);
}

#[test]
fn on_the_tape_that_is_read_the_place_in_the_plan_is_told() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    for recall in 0..150 {
        scheduler.add(wanted(recall, owner).on("A", position(recall)));
    }
    let batch = scheduler.next(0).unwrap();
    let mut places: Vec<String> = (0..150).map(|recall| says(&mut scheduler, recall, 0)).collect();
    places.retain(|reason| !reason.is_empty());
    assert_eq!(places.len(), 150 - batch.recalls.len());
    assert!(places.contains(&"waiting for tape A (being read, 1st)".to_owned()));
    assert!(places.contains(&format!("waiting for tape A (being read, {}th)", places.len())));
    scheduler.add(wanted(1000, owner).on("A", 0));
    assert_eq!(says(&mut scheduler, 1000, 0), "waiting for tape A (being read)");
}

#[test]
fn places_are_told_as_people_say_them() {
    let places = [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (13, "13th"),
        (21, "21st"),
        (112, "112th"),
    ];
    for (place, said) in places {
        assert_eq!(
            Reason::Queue { place }.to_string(),
            format!("waiting for the store ({said} in the queue)")
        );
    }
}

#[test]
fn an_estimate_from_the_tape_model_is_near_what_it_takes() {
    let mut library = Library::new(tapes(4), 4);
    let owner = library.scheduler.owner("ada");
    for recall in 0..2000 {
        let tape = format!("T{}", (recall * 31) % 50);
        library.add(wanted(recall, owner).on(&tape, position(recall)));
    }
    library.run_until(60 * SECOND);
    let estimates: Vec<Estimate> = (0..2000)
        .map(|recall| library.scheduler.estimate(recall, 60 * SECOND).expect("the model tells"))
        .collect();
    assert!(estimates.iter().all(|estimate| estimate.basis == Basis::TapeModel));
    library.run();
    let told = estimates.iter().map(|estimate| estimate.wait.as_secs_f64() + 60.0).fold(0.0, f64::max);
    let took = library.makespan();
    assert!((0.8..1.3).contains(&(told / took)), "told {told} s, took {took} s");
    let is_near = |(recall, estimate): (u64, &Estimate)| {
        let (told, took) = (estimate.wait.as_secs_f64() + 60.0, library.done(recall));
        (told - took).abs() < 0.3 * took + 1200.0
    };
    let n_near = (0..).zip(&estimates).filter(|pair| is_near(*pair)).count();
    assert!(n_near > 1800, "{n_near} of 2000 were near");
}

#[test]
fn a_request_that_is_not_yet_made_is_foreseen() {
    let places: Vec<TapePlace> = (0..2000_u64)
        .map(|file| TapePlace { tape: format!("T{}", (file * 31) % 50).into(), position: position(file) })
        .collect();
    let mut library = Library::new(tapes(4), 4);
    let (ada, bob) = (library.scheduler.owner("ada"), library.scheduler.owner("bob"));
    for recall in 0..300 {
        library.add(wanted(recall, bob).on(&format!("B{}", recall % 4), position(recall)));
    }
    let foreseen = library.scheduler.foresee(places.iter().map(|place| (Some(place), GIGABYTE)), 0);
    for (recall, place) in (1000..).zip(places) {
        library.add(wanted(recall, ada).on(&place.tape, place.position));
    }
    library.run();
    let (told, took) = (foreseen.estimate.unwrap().wait.as_secs_f64(), library.makespan());
    assert!((0.8..1.25).contains(&(told / took)), "told {told} s, took {took} s");
    assert_eq!((foreseen.n_tapes, foreseen.estimate.unwrap().basis), (50, Basis::TapeModel));
    let unknown = library.scheduler.foresee([(None, GIGABYTE)], 0);
    assert_eq!(unknown, Foresight { n_tapes: 0, estimate: None });
}

#[test]
fn operators_see_who_and_what_waits() {
    let mut scheduler = tapes(1);
    let (ada, bob) = (scheduler.owner("ada"), scheduler.owner("bob"));
    scheduler.owner("idle");
    for (recall, owner, tape) in [(1, ada, "A"), (2, bob, "A"), (3, bob, "B")] {
        scheduler.add(wanted(recall, owner).on(tape, 0));
    }
    scheduler.next(30 * SECOND).unwrap();
    let owners: Vec<(String, usize, usize)> =
        scheduler.owners().map(|owner| (owner.owner.to_string(), owner.n_waiting, owner.n_active)).collect();
    assert_eq!(owners, [("ada".to_owned(), 0, 1), ("bob".to_owned(), 1, 1)]);
    let tapes: Vec<(String, usize, bool)> =
        scheduler.tapes().map(|tape| (tape.tape.to_string(), tape.n_waiting, tape.is_mounted)).collect();
    assert_eq!(tapes, [("A".to_owned(), 0, true), ("B".to_owned(), 1, false)]);
}

#[test]
fn without_tapes_an_estimate_needs_a_measurement_or_a_usual_time() {
    let mut scheduler = loose(1, 10);
    let owner = scheduler.owner("ada");
    for recall in 0..30 {
        scheduler.add(wanted(recall, owner));
    }
    assert_eq!(scheduler.estimate(29, 0), None);
    let batch = scheduler.next(0).unwrap();
    finish(&mut scheduler, &batch, 50 * SECOND);
    let estimate = scheduler.estimate(29, 50 * SECOND).unwrap();
    assert_eq!((estimate.wait, estimate.basis), (Duration::from_secs(100), Basis::MeasuredRate));
    let policy = Policy { usual_recall: Some(Duration::from_secs(60)), ..Policy::default() };
    let mut scheduler = Scheduler::new(policy, Limits::default());
    let owner = scheduler.owner("ada");
    scheduler.add(wanted(1, owner));
    let estimate = scheduler.estimate(1, 0).unwrap();
    assert_eq!((estimate.wait, estimate.basis), (Duration::from_secs(60), Basis::NumberAhead));
}

/// A store that brings all of a batch online at the same time: in twelve hours, or five if somebody waits.
fn together(n_at_once: usize, batch_objects: usize) -> Scheduler {
    let (bulk, interactive) = (Duration::from_secs(12 * 3600), Duration::from_secs(5 * 3600));
    let policy = Policy { together: Some(Together { bulk, interactive }), ..Policy::default() };
    Scheduler::new(policy, Limits { n_at_once, batch_objects, knows_tapes: false })
}

#[test]
fn what_comes_together_takes_as_long_as_one_however_many_they_are() {
    let hours = |n: u64| Duration::from_secs(n * 3600);
    let mut scheduler = together(4, 10);
    let owner = scheduler.owner("ada");
    for (n, expected) in [(1, hours(12)), (40, hours(12)), (41, hours(24))] {
        let foreseen = scheduler.foresee((0..n).map(|_| (None, GIGABYTE)), 0).estimate.unwrap();
        assert_eq!((foreseen.wait, foreseen.basis), (expected, Basis::UsualTime), "{n}");
    }
    (0..10).for_each(|recall| scheduler.add(wanted(recall, owner)));
    scheduler.add(wanted(10, owner).now());
    assert_eq!(scheduler.estimate(9, 0).unwrap().wait, hours(12));
    assert_eq!(scheduler.estimate(10, 0).unwrap().wait, hours(5));

    let batches = all_next(&mut scheduler, 0);
    let hour_ns = 3600 * SECOND;
    assert_eq!(scheduler.estimate(9, hour_ns).unwrap().wait, hours(11));
    assert_eq!(scheduler.estimate(10, hour_ns).unwrap().wait, hours(4));
    // What was measured counts then, for those only who come the same way.
    let bulk = batches.iter().find(|batch| batch.recalls.len() == 10).unwrap();
    finish(&mut scheduler, bulk, 8 * hour_ns);
    scheduler.add(wanted(11, owner));
    let estimate = scheduler.estimate(11, 8 * hour_ns).unwrap();
    assert_eq!((estimate.wait, estimate.basis), (hours(8), Basis::MeasuredRate));
    scheduler.add(wanted(12, owner).now());
    assert_eq!(scheduler.estimate(12, 8 * hour_ns).unwrap().basis, Basis::UsualTime);
}

#[test]
fn an_estimate_learns_how_slow_the_library_is() {
    let mut scheduler = tapes(1);
    let owner = scheduler.owner("ada");
    let mut now = 0;
    let mut last = Duration::ZERO;
    for round in 0..20 {
        scheduler.add(wanted(round, owner).on(&format!("T{round}"), 0).at(now).now());
        let batch = scheduler.next(now).unwrap();
        last = scheduler.estimate(round, now).unwrap().wait;
        now += (batch.work.as_secs_f64() * 3e9) as i64;
        finish(&mut scheduler, &batch, now);
    }
    assert!(last > Duration::from_secs(330), "{last:?}, though each takes three times two minutes");
}
