//! Pages neither repeat nor skip, whatever comes and goes meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use thermocline_core::ErrorKind;

use super::generate::{empty, order, summaries};
use super::naive::World;
use crate::columns::Columns;
use crate::evaluate::Evaluation;
use crate::filter::{Filter, PropertyName};
use crate::query::{Cursor, Direction, Query, SortKey};
use crate::sort::{self, Page};
use crate::summary::Summary;

fn page(world: &World, columns: &Columns, query: &Query) -> thermocline_core::Result<Page> {
    let is_unwanted = AtomicBool::new(false);
    let rows = Evaluation::new(columns, world, &is_unwanted).matching(query).unwrap();
    sort::page(columns, world, query, &rows)
}

fn ids(columns: &Columns, page: &Page) -> Vec<String> {
    page.rows.iter().map(|row| columns.ids.get(*row).to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn all_pages_together_are_the_whole_answer(
        summaries in summaries(25), sort in order(), limit in 1..7_usize,
    ) {
        let mut world = World::default();
        let columns = Columns::default().patched(&[], world.added(&summaries));
        let mut query = Query { sort, limit, ..Query::default() };
        let mut found = Vec::new();
        loop {
            let page = page(&world, &columns, &query).unwrap();
            found.extend(ids(&columns, &page));
            prop_assert!(page.rows.len() == limit || page.next.is_none());
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        query.after = None;
        prop_assert_eq!(found, world.matching_naively(&summaries, &query));
    }

    #[test]
    fn what_stays_comes_once_whatever_comes_and_goes(
        first in summaries(20), others in summaries(30), sort in order(), limit in 1..5_usize,
    ) {
        let staying: BTreeSet<String> = first.iter().map(|summary| summary.id.clone()).collect();
        let coming: Vec<Summary> =
            others.into_iter().filter(|summary| !staying.contains(&summary.id)).collect();
        let mut world = World::default();
        let mut columns = Columns::default().patched(&[], world.added(&first));
        let mut query = Query { sort, limit, ..Query::default() };
        let mut found = Vec::new();
        for turn in 0.. {
            let page = page(&world, &columns, &query).unwrap();
            found.extend(ids(&columns, &page));
            let Some(next) = page.next else { break };
            query.after = Some(next);
            // All of them come after one page and go after the next.
            let gone: Vec<String> = coming.iter().map(|summary| summary.id.clone()).collect();
            columns = match turn % 2 {
                0 => columns.patched(&[], world.added(&coming)),
                _ => columns.patched(&gone, Vec::new()),
            };
        }
        let stayed: Vec<&String> = found.iter().filter(|id| staying.contains(*id)).collect();
        let once: BTreeSet<&String> = found.iter().collect();
        query.after = None;
        prop_assert_eq!(once.len(), found.len());
        let expected = world.matching_naively(&first, &query);
        prop_assert_eq!(stayed, expected.iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_cursor_is_of_one_query_only() {
    let mut world = World::default();
    let columns = Columns::default().patched(&[], world.added(&[empty("x"), empty("y")]));
    let query = Query { limit: 1, ..Query::default() };
    let next = page(&world, &columns, &query).unwrap().next.unwrap();
    let sorted = SortKey { property: PropertyName::new("id"), direction: Direction::Descending };

    let larger = Query { limit: 5, after: Some(next.clone()), ..Query::default() };
    assert_eq!(ids(&columns, &page(&world, &columns, &larger).unwrap()), ["y"]);

    let mut changed = next.0.clone();
    let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
    changed.push(last);
    for other in [
        Query { filter: Some(Filter::Constant(true)), after: Some(next.clone()), ..query.clone() },
        Query { sort: vec![sorted], after: Some(next.clone()), ..query.clone() },
        Query { after: Some(Cursor(changed)), ..query.clone() },
        Query { after: Some(Cursor(String::new())), ..query.clone() },
        Query { after: Some(Cursor("no cursor".to_owned())), ..query.clone() },
        Query { after: Some(Cursor("A".repeat(1 << 20))), ..query },
    ] {
        let refused = page(&world, &columns, &other).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{other:?}");
    }
}

#[test]
fn what_has_no_order_cannot_be_sorted_by() {
    let world = World::default();
    for name in ["geometry", "description", "keywords"] {
        let key = SortKey { property: PropertyName::new(name), direction: Direction::Ascending };
        let query = Query { sort: vec![key], limit: 1, ..Query::default() };
        let refused = page(&world, &Columns::default(), &query).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }
}
