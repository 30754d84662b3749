//! What is found at one moment.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thermocline_core::catalog::CollectionSpec;
use thermocline_core::{Error, Result};

use crate::order::Orders;
use crate::property::{COMMON, Summarised};
use crate::query::{Cursor, Direction, Found, Query};
use crate::row::{Row, truth};
use crate::scalar;
use crate::search::{Collection, Hit};
use crate::space;
use crate::summary::{Span, Summary};

/// What is found at one moment.
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    pub(crate) collections: Arc<[Arc<Collection>]>,
    pub(crate) sortables: Arc<[String]>,
    summaries: Vec<Arc<Summary>>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            generation: 0,
            collections: Arc::default(),
            sortables: COMMON.iter().map(|name| (*name).to_owned()).collect(),
            summaries: Vec::new(),
        }
    }
}

impl Snapshot {
    pub(crate) fn n_items(&self) -> u64 {
        self.summaries.len() as u64
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Summary>> {
        self.summaries.iter().find(|summary| summary.id == id).cloned()
    }

    pub(crate) fn with(
        &self,
        removed: &[String],
        made: Vec<Arc<Summary>>,
        specs: &[Arc<CollectionSpec>],
    ) -> Self {
        let gone: BTreeSet<&str> =
            removed.iter().map(String::as_str).chain(made.iter().map(|made| made.id.as_str())).collect();
        let mut summaries: Vec<Arc<Summary>> =
            self.summaries.iter().filter(|summary| !gone.contains(summary.id.as_str())).cloned().collect();
        summaries.extend(made);
        summaries.sort_by(|a, b| (&a.collection, &a.id).cmp(&(&b.collection, &b.id)));
        let mut names: BTreeSet<String> = COMMON.iter().map(|name| (*name).to_owned()).collect();
        for summary in &summaries {
            let prefix = summary.attribute_prefix();
            names.extend(summary.attributes.iter().map(|(name, _)| format!("{prefix}:{name}")));
        }
        let collections = collections(&summaries, specs);
        Self {
            generation: self.generation + 1,
            collections: collections.into(),
            sortables: names.into_iter().collect(),
            summaries,
        }
    }

    pub(crate) fn find(&self, query: &Query, orders: &Orders) -> Result<Found> {
        let mut hits: Vec<Hit> = self
            .summaries
            .iter()
            .map(|summary| Hit { summary: Arc::clone(summary), order: orders.of(&summary.id) })
            .filter(|hit| matches(query, hit))
            .collect();
        hits.sort_by(|a, b| in_order(query, a, b));
        let n_matched = hits.len() as u64;
        let after = match &query.after {
            None => 0,
            Some(cursor) => {
                let position = hits
                    .iter()
                    .position(|hit| cursor.0 == format!("{}/{}", hit.summary.collection, hit.summary.id));
                position.ok_or_else(|| Error::invalid_input("the token is of another query"))? + 1
            }
        };
        let page: Vec<Arc<Hit>> = hits.iter().skip(after).take(query.limit).cloned().map(Arc::new).collect();
        let is_last = after + page.len() >= hits.len();
        let last = page.last().filter(|_| !is_last);
        let next = last.map(|hit| Cursor(format!("{}/{}", hit.summary.collection, hit.summary.id)));
        Ok(Found { n_matched, hits: page, next })
    }
}

fn matches(query: &Query, hit: &Hit) -> bool {
    let summary = &hit.summary;
    let row = Summarised { summary, order: hit.order.as_ref() };
    let touches = |geometry: &geo::Geometry<f64>| {
        row.geometry().is_some_and(|own| space::relates(crate::SpatialOp::Intersects, &own, geometry))
    };
    let overlaps = |(start, end): (Option<i64>, Option<i64>)| {
        start.is_none_or(|start| summary.span.end_us >= start)
            && end.is_none_or(|end| summary.span.start_us <= end)
    };
    query.ids.as_ref().is_none_or(|ids| ids.contains(&summary.id))
        && query.collections.as_ref().is_none_or(|collections| collections.contains(&summary.collection))
        && query.bbox.is_none_or(|bbox| touches(&space::geometry_of_box(bbox)))
        && query.intersects.as_ref().is_none_or(touches)
        && query.interval.is_none_or(overlaps)
        && query.filter.as_ref().is_none_or(|filter| truth(filter, &row) == Some(true))
}

fn in_order(query: &Query, a: &Hit, b: &Hit) -> Ordering {
    let (a_row, b_row) = (
        Summarised { summary: &a.summary, order: a.order.as_ref() },
        Summarised { summary: &b.summary, order: b.order.as_ref() },
    );
    for key in &query.sort {
        let (a, b) = (a_row.value(&key.property), b_row.value(&key.property));
        let order = match (a.is_null(), b.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let order = scalar::order(&a, &b).unwrap_or(Ordering::Equal);
                if key.direction == Direction::Descending { order.reverse() } else { order }
            }
        };
        if order.is_ne() {
            return order;
        }
    }
    (&a.summary.collection, &a.summary.id).cmp(&(&b.summary.collection, &b.summary.id))
}

fn collections(summaries: &[Arc<Summary>], specs: &[Arc<CollectionSpec>]) -> Vec<Arc<Collection>> {
    let mut by_id: BTreeMap<&str, (Option<&Arc<CollectionSpec>>, Vec<&Summary>)> = BTreeMap::new();
    for spec in specs {
        by_id.entry(&spec.id).or_default().0 = Some(spec);
    }
    for summary in summaries {
        by_id.entry(&summary.collection).or_default().1.push(summary);
    }
    by_id.into_iter().map(|(id, (spec, members))| Arc::new(collection(id, spec, &members))).collect()
}

fn collection(id: &str, spec: Option<&Arc<CollectionSpec>>, members: &[&Summary]) -> Collection {
    let boxes = members.iter().filter_map(|member| member.extent.as_ref()).map(|extent| extent.bbox);
    let keywords: BTreeSet<&String> = members.iter().flat_map(|member| &member.keywords).collect();
    let variables: BTreeSet<&String> =
        members.iter().flat_map(|member| member.data_variables()).map(|variable| &variable.name).collect();
    let first_license = members.first().and_then(|member| member.license.clone());
    Collection {
        id: id.to_owned(),
        spec: spec.cloned(),
        n_items: members.len() as u64,
        bbox: space::union(boxes),
        span: members.iter().map(|member| member.span.clone()).reduce(|a, b| Span {
            start_us: a.start_us.min(b.start_us),
            end_us: a.end_us.max(b.end_us),
            is_instant: false,
            note: None,
        }),
        license: first_license
            .filter(|first| members.iter().all(|member| member.license.as_ref() == Some(first))),
        keywords: keywords.into_iter().take(100).cloned().collect(),
        variables: variables.into_iter().take(1000).cloned().collect(),
        attributes: Vec::new(),
    }
}
