//! Conditions in columns mean what they mean for one dataset.

use proptest::prelude::*;

use super::generate::{empty, query, summaries};
use super::naive::World;
use crate::columns::Columns;
use crate::filter::{Comparison, Filter, Operand, PropertyName, TextFunction};
use crate::order::OrderStatus;
use crate::query::Query;
use crate::sort;
use crate::summary::{Summary, Value};

fn world_of(summaries: &[Summary]) -> (World, Columns) {
    let mut world = World::default();
    let added = world.added(summaries);
    let columns = Columns::default().patched(&[], added);
    (world, columns)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn columns_find_what_looking_at_each_finds(
        summaries in summaries(25),
        query in query(),
        statuses in prop::collection::vec((0..40_u32, any::<bool>()), 0..10),
    ) {
        let (mut world, columns) = world_of(&summaries);
        for (id, is_online) in statuses {
            let status = if is_online { OrderStatus::Succeeded } else { OrderStatus::Orderable };
            world.statuses.insert(format!("d{id}"), status);
        }

        let is_unwanted = std::sync::atomic::AtomicBool::new(false);
        let rows = crate::evaluate::Evaluation::new(&columns, &world, &is_unwanted).matching(&query).unwrap();
        let page = sort::page(&columns, &world, &query, &rows).unwrap();

        let found: Vec<String> = page.rows.iter().map(|row| columns.ids.get(*row).to_owned()).collect();
        prop_assert_eq!(found, world.matching_naively(&summaries, &query));
        prop_assert!(page.next.is_none());
    }
}

fn found(summaries: &[Summary], filter: Filter) -> Vec<String> {
    let (world, columns) = world_of(summaries);
    world.matching(&columns, &Query { filter: Some(filter), ..Query::default() }).0
}

fn property(name: &str) -> Operand {
    Operand::Property(PropertyName::new(name))
}

#[test]
fn an_unknown_property_is_null() {
    let all = [empty("x"), empty("y")];
    let is_cloudy = || Filter::Compare(Comparison::Less, property("eo:cloud_cover"), Operand::Number(10.0));
    let is_x = Filter::Compare(Comparison::Equal, property("id"), Operand::Text("x".to_owned()));
    assert!(found(&all, is_cloudy()).is_empty());
    assert!(found(&all, Filter::Not(Box::new(is_cloudy()))).is_empty());
    assert_eq!(found(&all, Filter::IsNull(property("eo:cloud_cover"))), ["x", "y"]);
    assert_eq!(found(&all, Filter::Or(vec![is_cloudy(), is_x.clone()])), ["x"]);
    assert_eq!(found(&all, Filter::Not(Box::new(Filter::And(vec![is_cloudy(), is_x])))), ["y"]);
}

#[test]
fn a_description_is_found_however_long_it_is() {
    let described = |id: &str, text: String| Summary { description: Some(text), ..empty(id) };
    let long = |id: &str, end: &str| described(id, format!("{}{end}", "long ".repeat(100)));
    let all = [described("x", "short end".to_owned()), long("y", "end"), long("z", "other"), empty("w")];
    assert_eq!(found(&all, Filter::Like(property("description"), "%end".to_owned())), ["x", "y"]);
    assert_eq!(found(&all, Filter::IsNull(property("description"))), ["w"]);
}

#[test]
fn patterns_without_regard_to_case_are_compared_so_on_both_sides() {
    let titled = |id: &str, title: &str| Summary { title: Some(title.to_owned()), ..empty(id) };
    let all = [titled("x", "Sea ICE"), titled("y", "snow")];
    let title = Operand::Function(TextFunction::CaseInsensitive, Box::new(property("title")));
    assert_eq!(found(&all, Filter::Like(title, "%Ice".to_owned())), ["x"]);
}

#[test]
fn what_is_kept_with_the_summary_only_is_found_too() {
    let mut described = empty("x");
    described.description = Some("Daily means".to_owned());
    described.keywords = vec!["sea".to_owned()];
    let all = [described, empty("y")];
    assert_eq!(found(&all, Filter::Like(property("description"), "Daily%".to_owned())), ["x"]);
    assert_eq!(found(&all, Filter::IsNull(property("keywords"))), ["y"]);
}

#[test]
fn numbers_and_texts_of_one_attribute_do_not_compare() {
    let with =
        |id: &str, value: Value| Summary { attributes: vec![("level".to_owned(), value)], ..empty(id) };
    let all = [with("x", Value::Integer(850)), with("y", Value::Text("850".to_owned()))];
    let is = |operand| Filter::Compare(Comparison::Equal, property("attrs:level"), operand);
    assert_eq!(found(&all, is(Operand::Number(850.0))), ["x"]);
    assert_eq!(found(&all, is(Operand::Text("850".to_owned()))), ["y"]);
    assert!(found(&all, Filter::Not(Box::new(is(Operand::Number(850.0))))).is_empty());
}
