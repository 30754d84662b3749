//! Searches end, and what changes beside the summaries counts.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use thermocline_core::clock::ManualClock;
use thermocline_core::{Error, ErrorKind};

use super::generate::empty;
use super::naive::World;
use crate::columns::Columns;
use crate::evaluate::{Evaluation, Stop};
use crate::filter::{Comparison, Filter, Operand, PropertyName};
use crate::patience::{BUDGET, Patience};
use crate::query::{Direction, Query, SortKey};
use crate::sort;

fn world() -> (World, Columns) {
    let mut world = World::default();
    let columns = Columns::default().patched(&[], world.added(&[empty("x"), empty("y")]));
    (world, columns)
}

fn property(name: &str) -> Operand {
    Operand::Property(PropertyName::new(name))
}

fn filtered(filter: Filter) -> Query {
    Query { filter: Some(filter), limit: 10, ..Query::default() }
}

#[test]
fn a_search_ends_when_its_time_is_over_or_nobody_waits() {
    let (world, columns) = world();
    let (clock, is_unwanted) = (ManualClock::new(0), AtomicBool::new(false));
    let query = filtered(Filter::IsNull(property("description")));
    let patience = Patience::bounded(&is_unwanted, &clock);
    assert_eq!(Evaluation::new(&columns, &world, patience).matching(&query).unwrap(), [0, 1]);

    clock.advance(BUDGET);
    let stop = Evaluation::new(&columns, &world, patience).matching(&query).unwrap_err();
    assert!(matches!(Error::from(stop).kind(), ErrorKind::Unavailable { .. }));

    clock.advance(Duration::from_secs(1));
    let is_unwanted = AtomicBool::new(true);
    let patience = Patience::bounded(&is_unwanted, &clock);
    let stop = Evaluation::new(&columns, &world, patience).matching(&query).unwrap_err();
    assert!(matches!(stop, Stop::Unwanted));
}

#[test]
fn a_condition_of_too_many_parts_is_refused() {
    let (world, columns) = world();
    let query = filtered(Filter::Or(vec![Filter::Constant(false); 100_000]));
    let is_unwanted = AtomicBool::new(false);
    let stop = Evaluation::new(&columns, &world, &is_unwanted).matching(&query).unwrap_err();
    assert_eq!(Error::from(stop).kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_dataset_whose_objects_moved_was_updated_then() {
    let (mut world, columns) = world();
    world.updated_us = Some(Arc::new(vec![5, 0]));
    let is_late = |us| Filter::Compare(Comparison::Greater, property("updated"), Operand::Instant(us));
    assert_eq!(world.matching(&columns, &filtered(is_late(4))).0, ["x"]);
    let of_each = Filter::Or(vec![is_late(4), Filter::IsNull(property("updated"))]);
    assert_eq!(world.matching(&columns, &filtered(of_each)).0, ["x"]);

    let key = SortKey { property: PropertyName::new("updated"), direction: Direction::Ascending };
    let query = Query { sort: vec![key], limit: 10, ..Query::default() };
    assert_eq!(sort::page(&columns, &world, &query, &[0, 1]).unwrap().rows, [1, 0]);
}
