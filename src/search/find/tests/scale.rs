//! A hundred thousand datasets: what is in columns is answered from columns.

use std::sync::OnceLock;

use super::generate::empty;
use super::naive::World;
use crate::columns::Columns;
use crate::filter::{Comparison, Filter, Operand, PropertyName, SpatialOp, TemporalOp, TimeOperand};
use crate::query::Query;
use crate::space;
use crate::summary::{Extent, Span, Summary, Value};

const N: usize = 100_000;
const DAY_US: i64 = 86_400_000_000;

fn summary(k: usize) -> Summary {
    let (west, south) = ((k % 360) as f64 - 180.0, ((k / 360) % 170) as f64 - 85.0);
    let start_us = k as i64 * DAY_US;
    Summary {
        collection: "big".to_owned(),
        title: Some(format!("Generated {k}")),
        extent: Some(Extent { bbox: [west, south, (west + 0.5).min(180.0), south + 0.5], footprint: None }),
        span: Span { start_us, end_us: start_us + DAY_US / 2, is_instant: false, note: None },
        attributes: vec![("source_id".to_owned(), Value::Text(format!("M-{:02}", k % 50)))],
        ..empty(&format!("big-{k:07}"))
    }
}

fn big() -> &'static (World, Columns) {
    static BIG: OnceLock<(World, Columns)> = OnceLock::new();
    BIG.get_or_init(|| {
        let all: Vec<Summary> = (0..N).map(summary).collect();
        let mut world = World::default();
        let added = world.added(&all);
        let columns = Columns::default().patched(&[], added);
        (world, columns)
    })
}

fn property(name: &str) -> Operand {
    Operand::Property(PropertyName::new(name))
}

/// How many match, and how often a dataset was looked at by itself.
fn answer(filter: Filter) -> (usize, u64) {
    let (world, columns) = big();
    let (found, n_looked_at) = world.matching(columns, &Query { filter: Some(filter), ..Query::default() });
    (found.len(), n_looked_at)
}

#[test]
fn a_box_in_a_condition_looks_at_no_dataset_by_itself() {
    let window = space::geometry_of_box([10.0, 20.0, 12.0, 22.0]);
    let expected =
        (0..N).filter(|k| (190..=192).contains(&(k % 360)) && (105..=107).contains(&((k / 360) % 170)));
    assert_eq!(answer(Filter::Spatial(SpatialOp::Intersects, window)), (expected.count(), 0));
}

#[test]
fn a_time_in_a_condition_looks_at_no_dataset_by_itself() {
    let at = |day: i64| Operand::Instant(day * DAY_US);
    let overlaps = Filter::And(vec![
        Filter::Compare(Comparison::LessOrEqual, property("start_datetime"), at(2000)),
        Filter::Compare(Comparison::GreaterOrEqual, property("end_datetime"), at(1000)),
    ]);
    assert_eq!(answer(overlaps), (1001, 0));
    let own = TimeOperand::Interval(Some(property("start_datetime")), Some(property("end_datetime")));
    let other = TimeOperand::Interval(Some(at(1000)), None);
    assert_eq!(answer(Filter::Temporal(TemporalOp::Intersects, own, other)), (N - 1000, 0));
    assert_eq!(answer(Filter::Between(property("datetime"), at(5), at(9))), (5, 0));
}

#[test]
fn a_text_in_a_condition_is_compared_once_for_all_datasets_that_have_it() {
    let is_any = Filter::In(property("attrs:source_id"), vec![Operand::Text("M-07".to_owned())]);
    assert_eq!(answer(is_any), (N / 50, 0));
    assert_eq!(answer(Filter::Like(property("title"), "Generated 9999_".to_owned())), (10, 0));
    let is_one = Filter::Compare(Comparison::Equal, property("id"), Operand::Text("big-0000042".to_owned()));
    assert_eq!(answer(is_one), (1, 0));
}

#[test]
fn what_needs_single_datasets_comes_after_what_does_not() {
    let versioned = Filter::IsNull(property("version"));
    let few = Filter::Compare(Comparison::Less, property("datetime"), Operand::Instant(7 * DAY_US));
    assert_eq!(answer(Filter::And(vec![versioned, few])), (7, 7));
}

#[test]
fn geometries_are_compared_only_where_boxes_touch() {
    let ring = [[10.0, 20.0], [12.0, 20.0], [12.0, 22.0], [10.0, 20.0]];
    let triangle = space::geometry_of([0.0; 4], Some(&ring));
    let (n_found, n_looked_at) = answer(Filter::Spatial(SpatialOp::Intersects, triangle));
    assert!(0 < n_found && n_found < n_looked_at as usize && n_looked_at < 100, "{n_found} {n_looked_at}");
}
