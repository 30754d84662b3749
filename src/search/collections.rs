//! What the members of a collection have in common.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use thermocline_core::catalog::CollectionSpec;

use crate::column::{Coded, Column};
use crate::columns::{Columns, names_in};
use crate::describe::union_of_boxes;
use crate::property::COMMON;
use crate::search::Collection;
use crate::sight::Sight;
use crate::summary::{Span, Value};

/// Most keywords of a collection.
const MAX_KEYWORDS: usize = 100;

/// Most names of variables of a collection.
const MAX_VARIABLES: usize = 1000;

/// An attribute with more different values is not listed.
const MAX_VALUES: usize = 50;

/// All collections in order of their ids, those that are declared included (`specs` has those of them that may be seen while
/// nothing of them is found); not those of whose datasets none is seen.
pub(crate) fn collections(
    columns: &Columns,
    specs: &[Arc<CollectionSpec>],
    sight: &Sight,
) -> Vec<Arc<Collection>> {
    let mut by_id: BTreeMap<&str, (Option<&Arc<CollectionSpec>>, Range<u32>)> = BTreeMap::new();
    for spec in specs {
        by_id.entry(&spec.id).or_insert((Some(spec), 0..0));
    }
    for (id, rows) in &columns.collections {
        by_id.entry(id).or_insert((None, 0..0)).1 = rows.clone();
    }
    let seen = by_id.into_iter().filter_map(|(id, (spec, rows))| {
        let seen: Vec<u32> = rows.clone().filter(|row| sight.sees(*row)).collect();
        (rows.is_empty() || !seen.is_empty()).then(|| Arc::new(collection(columns, id, spec, &seen)))
    });
    seen.collect()
}

/// Names by which datasets can be sorted.
pub(crate) fn sortables(columns: &Columns, sight: &Sight) -> Arc<[String]> {
    let is_seen = |column: &Column| {
        sight.is_whole()
            || (0..columns.len()).any(|row| column.coded(row) != Coded::Missing && sight.sees(row))
    };
    let attributes = columns.attributes.iter().filter(|(_, column)| is_seen(column));
    let attributes = attributes.map(|(name, _)| name.clone());
    COMMON.iter().map(|name| (*name).to_owned()).chain(attributes).collect()
}

fn collection(columns: &Columns, id: &str, spec: Option<&Arc<CollectionSpec>>, rows: &[u32]) -> Collection {
    let boxes: Vec<[f64; 4]> = rows.iter().filter_map(|row| columns.bbox(*row)).collect();
    let attributes = columns.attributes.iter();
    let values = |(name, column): (&String, &Column)| Some((name.clone(), values(column, rows)?));
    Collection {
        id: id.to_owned(),
        spec: spec.cloned(),
        n_items: rows.len() as u64,
        bbox: union_of_boxes(&boxes),
        span: span(columns, rows),
        license: license(&columns.license, rows),
        keywords: names(&columns.keywords, rows, MAX_KEYWORDS),
        variables: names(&columns.variables, rows, MAX_VARIABLES),
        attributes: attributes.filter_map(values).collect(),
    }
}

fn span(columns: &Columns, rows: &[u32]) -> Option<Span> {
    let start_us = rows.iter().filter_map(|row| columns.start_us.get(*row as usize)).copied().min()?;
    let end_us = rows.iter().filter_map(|row| columns.end_us.get(*row as usize)).copied().max()?;
    let mut are_instants = rows.iter().map(|row| columns.is_instant.get(*row as usize) == Some(&true));
    let is_instant = start_us == end_us && are_instants.all(|is_instant| is_instant);
    Some(Span { start_us, end_us, is_instant, note: None })
}

/// The licence, if all have the same.
fn license(column: &Column, rows: &[u32]) -> Option<String> {
    let (first, others) = rows.split_first()?;
    let Coded::Text(code) = column.coded(*first) else { return None };
    let is_of_all = others.iter().all(|row| column.coded(*row) == Coded::Text(code));
    is_of_all.then(|| column.dictionary().text(code).to_owned())
}

/// Names of any dataset, sorted; of too many the first.
fn names(column: &Column, rows: &[u32], most: usize) -> Vec<String> {
    let mut lists = HashSet::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for row in rows {
        if let Coded::Text(code) = column.coded(*row)
            && lists.insert(code)
        {
            for name in names_in(column.dictionary().text(code)) {
                names.insert(name);
                if names.len() > most {
                    names.pop_last();
                }
            }
        }
    }
    names.into_iter().map(str::to_owned).collect()
}

/// The different values of an attribute, numbers first; `None` if there are none or too many.
fn values(column: &Column, rows: &[u32]) -> Option<Vec<Value>> {
    let mut codes = HashSet::new();
    let mut numbers: Vec<f64> = Vec::new();
    let mut is_first = true;
    let mut last = Coded::Missing;
    for row in rows {
        let coded = column.coded(*row);
        if coded == last && !is_first {
            continue;
        }
        (last, is_first) = (coded, false);
        match coded {
            Coded::Text(code) => {
                codes.insert(code);
            }
            Coded::Number(number) if !numbers.contains(&number) => numbers.push(number),
            _ => {}
        }
        if codes.len() + numbers.len() > MAX_VALUES {
            return None;
        }
    }
    numbers.sort_by(f64::total_cmp);
    let mut texts: Vec<&str> = codes.into_iter().map(|code| column.dictionary().text(code)).collect();
    texts.sort_unstable();
    let values: Vec<Value> = numbers
        .into_iter()
        .map(number)
        .chain(texts.into_iter().map(|text| Value::Text(text.to_owned())))
        .collect();
    (!values.is_empty()).then_some(values)
}

/// Whole numbers without a fraction.
fn number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        Value::Integer(number as i64)
    } else {
        Value::Float(number)
    }
}
