//! What a client sees of a table is the table without what it does not see.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use thermocline_core::access::{Caller, Rule, Rules, View};
use thermocline_core::catalog::{CollectionRules, CollectionSpec};

use super::generate::{empty, query, summaries};
use super::naive::World;
use crate::columns::{Added, Columns};
use crate::evaluate::Evaluation;
use crate::sight::Sight;
use crate::snapshot::Snapshot;
use crate::summary::Summary;

/// What somebody sees who is not of the staff.
fn public() -> View {
    let nobody = Rule { read: Vec::new(), stage: Vec::new(), administer: Vec::new() };
    Rules::new([("staff".into(), nobody)]).unwrap().view(&Caller::default())
}

/// Every second dataset under a rule, some of those under one that does not exist.
fn ruled(mut added: Vec<Added>) -> Vec<Added> {
    for (number, added) in added.iter_mut().enumerate() {
        let rules = [None, Some("staff"), Some("public"), Some("typo")];
        added.access = rules.get(number % rules.len()).copied().flatten().map(Into::into);
    }
    added
}

proptest! {
    #[test]
    fn what_is_summed_up_and_found_is_what_is_seen(summaries in summaries(24), query in query()) {
        let mut world = World::default();
        let added = ruled(world.added(&summaries));
        let (view, columns) = (public(), Columns::default().patched(&[], added.clone()));
        let seen: Vec<(Summary, Added)> = summaries
            .into_iter()
            .zip(added)
            .filter(|(_, added)| view.sees_rule(added.access.as_deref()))
            .collect();
        let (seen, added): (Vec<Summary>, Vec<Added>) = seen.into_iter().unzip();
        let others = Columns::default().patched(&[], added);
        let (sight, whole) = (Sight::of(&view, &columns, &[]), Sight::whole(&others, &[]));
        prop_assert_eq!(sight.n_items, whole.n_items);
        prop_assert_eq!(&sight.collections, &whole.collections);
        prop_assert_eq!(&sight.sortables, &whole.sortables);
        let is_unwanted = AtomicBool::new(false);
        let evaluation = Evaluation::new(&columns, &world, &is_unwanted).within(&sight);
        let rows = evaluation.matching(&query).unwrap();
        let found: std::collections::BTreeSet<&str> = rows.iter().map(|row| columns.ids.get(*row)).collect();
        let expected = world.matching_naively(&seen, &query);
        prop_assert_eq!(found, expected.iter().map(String::as_str).collect());
    }
}

fn summary(id: &str, collection: &str) -> Summary {
    Summary { collection: collection.to_owned(), ..empty(id) }
}

#[test]
fn a_collection_of_which_nothing_is_seen_is_not_there_and_an_empty_one_is() {
    let mut world = World::default();
    let mut added = world.added(&[summary("a", "open"), summary("b", "closed")]);
    added[1].access = Some("staff".into());
    let spec = |id: &str| {
        Arc::new(CollectionSpec {
            id: id.to_owned(),
            title: None,
            description: String::new(),
            license: None,
            license_url: None,
            keywords: Vec::new(),
            providers: Vec::new(),
        })
    };
    let specs = vec![spec("closed"), spec("empty"), spec("open"), spec("pending")];
    // Of what is not indexed yet nothing is found.
    let members = [(Box::from("pending"), [Some(Arc::from("staff"))].into())].into();
    let snapshot = Snapshot::default().next(&[], added, &[], (specs, members));
    let ids = |view: &View| -> Vec<String> {
        snapshot.sight(view).collections.iter().map(|collection| collection.id.clone()).collect()
    };
    assert_eq!(ids(&public()), ["empty", "open"]);
    assert_eq!(ids(&Rules::default().whole_view()), ["empty", "open"], "the rule does not exist there");
    let staff = Rule { read: Vec::new(), stage: Vec::new(), administer: Vec::new() };
    let rules = Rules::new([("staff".into(), staff)]).unwrap();
    assert_eq!(ids(&rules.whole_view()), ["closed", "empty", "open", "pending"]);
    assert_eq!(ids(&rules.view(&Caller::default())), ["empty", "open"]);
    let governed =
        snapshot.next(&[], Vec::new(), &[("b".to_owned(), None)], (Vec::new(), CollectionRules::new()));
    assert_eq!(governed.sight(&public()).n_items, 2);
}
