//! A table that was changed again and again is the table of what is there in the end.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::generate::{summaries, summary_of};
use super::naive::World;
use crate::columns::Columns;
use crate::summary::Summary;

/// Everything that a table says of its rows.
fn contents(columns: &Columns) -> Vec<String> {
    let of_row = |row: u32| {
        let at = row as usize;
        let attributes: Vec<String> = columns
            .attributes
            .iter()
            .map(|(name, column)| format!("{name}={:?}", column.value(row)))
            .filter(|shown| !shown.ends_with("=Null"))
            .collect();
        format!(
            "{} {} {:?} {:?} {} {} {} {} {} {:?} {:?} {attributes:?}",
            columns.collection(row),
            columns.ids.get(row),
            columns.bbox(row),
            columns.footprints[at],
            columns.start_us[at],
            columns.end_us[at],
            columns.is_instant[at],
            columns.created_us[at],
            columns.updated_us[at],
            columns.title.value(row),
            columns.license.value(row),
        )
    };
    (0..columns.len()).map(of_row).collect()
}

fn change() -> impl Strategy<Value = (Vec<String>, Vec<Summary>)> {
    let removed = prop::collection::vec((0..40_u32).prop_map(|id| format!("d{id}")), 0..6);
    let one = (0..40_u32).prop_flat_map(|id| summary_of(format!("d{id}")));
    (removed, prop::collection::vec(one, 0..8))
}

proptest! {
    #[test]
    fn a_changed_table_is_that_of_what_is_there(
        first in summaries(20),
        changes in prop::collection::vec(change(), 0..6),
    ) {
        let mut world = World::default();
        let mut there: BTreeMap<String, Summary> = first.iter().map(|s| (s.id.clone(), s.clone())).collect();
        let mut columns = Columns::default().patched(&[], world.added(&first));
        for (removed, added) in changes {
            columns = columns.patched(&removed, world.added(&added));
            there.retain(|id, _| !removed.contains(id));
            there.extend(added.into_iter().map(|summary| (summary.id.clone(), summary)));
        }

        let all: Vec<Summary> = there.into_values().collect();
        let fresh = Columns::default().patched(&[], World::default().added(&all));
        prop_assert_eq!(contents(&columns), contents(&fresh));
        for summary in &all {
            let row = columns.row_of(&summary.id).unwrap();
            prop_assert_eq!(columns.ids.get(row), &summary.id);
            prop_assert_eq!(columns.place(&summary.collection, &summary.id), row);
        }
        prop_assert_eq!(columns.by_id.len(), all.len());
        prop_assert_eq!(columns.row_of("absent"), None);
    }
}
