//! Claims of the table of states, without an engine.

use thermocline_core::cold::{Locality, ObjectId};
use thermocline_core::staging::{ObjectState, Phase, RequestId, Standing};

use crate::order::OrderStatus::{self, *};
use crate::order::ledger::{Ledger, NotedObject};
use crate::order::past::Past;
use crate::order::{Changed, Order};

fn id(path: &str) -> ObjectId {
    ObjectId::new("archive", path).unwrap()
}

fn request(created_ns: i64) -> RequestId {
    RequestId(format!("r{created_ns}").into())
}

fn noted(path: &str) -> Option<NotedObject> {
    Some(NotedObject { id: id(path), is_in_place: false, standing: Standing::default() })
}

fn in_phase(phase: Phase) -> Standing {
    Standing { phase: Some(phase), request: Some(request(10)), ..Standing::default() }
}

fn pinned(created_ns: i64, until_ns: i64) -> Standing {
    let request = Some(request(created_ns));
    Standing { is_online: true, pinned_until_ns: Some(until_ns), request, phase: None }
}

/// The order of a dataset of these objects after what happened to them.
fn after(paths: &[&str], what: impl FnOnce(&mut Ledger)) -> Order {
    let mut ledger = Ledger::default();
    ledger.note("d", paths.iter().map(|path| noted(path)).collect());
    what(&mut ledger);
    ledger.settle(99);
    ledger.order("d").unwrap()
}

#[test]
fn one_object_gives_its_state_to_the_dataset() {
    type What = fn(&mut Ledger);
    let cases: [(OrderStatus, What); 10] = [
        (Orderable, |_| ()),
        (Ordered, |ledger| {
            ledger.accepted(&id("a"), &request(10), 10);
        }),
        (Ordered, |ledger| {
            ledger.stands(&id("a"), in_phase(Phase::Accepted));
        }),
        (Pending, |ledger| {
            ledger.stands(&id("a"), in_phase(Phase::Waiting));
        }),
        (Shipping, |ledger| {
            ledger.stands(&id("a"), in_phase(Phase::Coming));
        }),
        (Succeeded, |ledger| {
            ledger.stands(&id("a"), pinned(10, 20));
        }),
        (Failed, |ledger| {
            ledger.changed(&id("a"), ObjectState::Failed, 11);
        }),
        (Failed, |ledger| {
            ledger.changed(&id("a"), ObjectState::Lost, 11);
        }),
        (Canceled, |ledger| {
            ledger.changed(&id("a"), ObjectState::Cancelled, 11);
        }),
        (Orderable, |ledger| {
            ledger.stands(&id("a"), pinned(10, 20));
            ledger.changed(&id("a"), ObjectState::Released, 20);
            ledger.stands(&id("a"), Standing::default());
        }),
    ];
    for (number, (status, what)) in cases.into_iter().enumerate() {
        let order = after(&["a"], what);
        assert_eq!((order.status, order.sources), (status, vec![status]), "case {number}");
    }
}

#[test]
fn what_is_under_way_is_shown_before_what_is_not_and_what_is_lost_before_all() {
    let two = |what: fn(&mut Ledger)| after(&["a", "b"], what).status;

    assert_eq!(
        two(|ledger| {
            ledger.stands(&id("a"), pinned(1, 2));
        }),
        Orderable
    );
    let status = two(|ledger| {
        ledger.stands(&id("a"), in_phase(Phase::Waiting));
        ledger.stands(&id("b"), in_phase(Phase::Coming));
    });
    assert_eq!(status, Shipping);
    let status = two(|ledger| {
        ledger.changed(&id("a"), ObjectState::Failed, 5);
        ledger.stands(&id("b"), in_phase(Phase::Waiting));
    });
    assert_eq!(status, Pending);
    let status = two(|ledger| {
        ledger.changed(&id("a"), ObjectState::Failed, 5);
        ledger.changed(&id("b"), ObjectState::Cancelled, 6);
    });
    assert_eq!(status, Canceled);
    let status = two(|ledger| {
        ledger.changed(&id("a"), ObjectState::Failed, 5);
        ledger.stands(&id("b"), pinned(5, 7));
    });
    assert_eq!(status, Failed);
    let status = two(|ledger| {
        ledger.changed(&id("a"), ObjectState::Lost, 5);
        ledger.stands(&id("b"), in_phase(Phase::Coming));
    });
    assert_eq!(status, Failed);
}

#[test]
fn the_newest_request_and_the_first_end_of_a_pin_are_told() {
    let order = after(&["a", "b", "c"], |ledger| {
        ledger.stands(&id("a"), pinned(1_000, 50));
        ledger.stands(&id("b"), pinned(900, 40));
        ledger.stands(&id("c"), pinned(950, 60));
    });

    assert_eq!(order.request.as_deref(), Some("r1000"));
    assert_eq!((order.ordered_ns, order.expires_ns), (Some(1_000), Some(40)));
}

#[test]
fn a_new_request_makes_good_for_a_bad_end() {
    let order = after(&["a"], |ledger| {
        ledger.changed(&id("a"), ObjectState::Failed, 5);
        ledger.accepted(&id("a"), &request(10), 10);
    });

    assert_eq!((order.status, order.request.as_deref()), (Ordered, Some("r10")));
}

#[test]
fn a_request_that_never_reaches_the_engine_is_forgotten() {
    let mut ledger = Ledger::default();
    ledger.note("d", vec![noted("a")]);
    ledger.accepted(&id("a"), &request(10), 0);
    ledger.left_engine(&Default::default(), 5_000_000_000);
    ledger.settle(0);
    assert_eq!(ledger.status("d"), Some(Ordered));

    let left = ledger.left_engine(&Default::default(), 60_000_000_000);
    assert_eq!(left, [id("a")]);
    ledger.settle(0);
    assert_eq!(ledger.status("d"), Some(Orderable));
}

#[test]
fn a_store_that_does_not_answer_changes_nothing() {
    let order = after(&["a"], |ledger| {
        ledger.lies(&id("a"), Locality::Online);
        ledger.lies(&id("a"), Locality::Unavailable);
    });

    assert_eq!(order.status, Succeeded);
}

#[test]
fn a_change_is_dated_and_no_change_is_not() {
    let mut ledger = Ledger::default();
    ledger.note("d", vec![noted("a")]);
    assert_eq!(ledger.settle(5), Some(1));
    assert_eq!(ledger.order("d").unwrap().changed_ns, 0);

    ledger.stands(&id("a"), in_phase(Phase::Waiting));
    assert_eq!(ledger.settle(7), Some(2));
    assert_eq!(ledger.order("d").unwrap().changed_ns, 7);

    ledger.stands(&id("a"), in_phase(Phase::Waiting));
    ledger.note("d", vec![noted("a")]);
    ledger.stands(&id("a"), in_phase(Phase::Waiting));
    assert_eq!(ledger.settle(9), None);
    assert_eq!(ledger.order("d").unwrap().changed_ns, 7);
}

#[test]
fn what_is_learned_of_the_past_is_dated_when_it_happened() {
    let mut ledger = Ledger::default();
    ledger.note("d", vec![noted("a")]);
    ledger.settle(5);

    ledger.lies(&id("a"), Locality::Unavailable);
    ledger.lies(&id("a"), Locality::Online);
    ledger.settle(7);
    assert_eq!((ledger.status("d"), ledger.order("d").unwrap().changed_ns), (Some(Succeeded), 0));

    let past = Past { request: request(3), end: None };
    ledger.remember(vec![(id("a"), past)]);
    ledger.settle(8);
    assert_eq!(ledger.order("d").unwrap().changed_ns, 3);

    ledger.lies(&id("a"), Locality::Nearline);
    ledger.settle(9);
    assert_eq!((ledger.status("d"), ledger.order("d").unwrap().changed_ns), (Some(Orderable), 9));
}

#[test]
fn what_many_objects_come_to_is_the_same_however_they_came_there() {
    let paths: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let order = after(&paths, |ledger| {
        for (number, path) in paths.iter().enumerate() {
            ledger.accepted(&id(path), &request(10), 10);
            ledger.stands(&id(path), in_phase(Phase::Coming));
            ledger.stands(&id(path), pinned(10, 20 + number as i64));
            ledger.stands(&id(path), pinned(10, 1_000 + number as i64));
        }
        assert_eq!(ledger.settle(50), Some(1));
    });
    assert_eq!((order.status, order.expires_ns, order.sources.len()), (Succeeded, Some(1_000), 100));

    let order = after(&paths, |ledger| {
        for path in &paths {
            ledger.changed(&id(path), ObjectState::Failed, 11);
        }
        for path in &paths {
            ledger.accepted(&id(path), &request(12), 12);
            ledger.stands(&id(path), pinned(12, 30));
        }
        ledger.stands(&id("7"), Standing::default());
    });
    assert_eq!((order.status, order.request.as_deref()), (Orderable, Some("r12")));
}

#[test]
fn an_object_of_several_datasets_changes_all_of_them_until_they_are_forgotten() {
    let mut ledger = Ledger::default();
    for dataset in ["d", "e"] {
        ledger.note(dataset, vec![noted("a"), noted("a"), None]);
    }
    ledger.stands(&id("a"), in_phase(Phase::Coming));
    ledger.settle(0);
    assert_eq!([ledger.status("d"), ledger.status("e")], [Some(Shipping), Some(Shipping)]);

    assert!(ledger.forget("d") && !ledger.forget("d"));
    ledger.stands(&id("a"), in_phase(Phase::Waiting));
    ledger.settle(0);
    assert_eq!([ledger.status("d"), ledger.status("e")], [None, Some(Pending)]);

    ledger.forget("e");
    assert!(!ledger.accepted(&id("a"), &request(1), 1), "nobody has it any more");
    assert!(ledger.under_way().is_empty());
}

#[test]
fn only_so_many_changes_are_listed() {
    let mut ledger = Ledger::default();
    for number in 0..5000 {
        ledger.note(&format!("d{number}"), vec![noted(&number.to_string())]);
        ledger.settle(0);
    }

    assert_eq!(ledger.changed_after(10), Changed::Many);
    assert_eq!(ledger.changed_after(4999), Changed::These(vec!["d4999".into()]));
    assert_eq!(ledger.n_datasets(), 5000);
}
