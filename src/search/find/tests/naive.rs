//! What a search means: every summary looked at by itself.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use geo::Geometry;
use thermocline_core::Result;

use crate::columns::{Added, Columns};
use crate::entry::Entry;
use crate::evaluate::{Evaluation, Lookup};
use crate::filter::{PropertyName, SpatialOp};
use crate::order::OrderStatus;
use crate::property::Property;
use crate::query::{Direction, Query};
use crate::row::{Row, truth};
use crate::scalar::{self, Scalar};
use crate::space;
use crate::summary::{Summary, Value};

/// Summaries by their numbers, and states of staging by ids.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) summaries: HashMap<i64, Arc<Summary>>,
    pub(super) statuses: HashMap<String, OrderStatus>,
    /// When what is told of each row last changed, if it is not what the table says.
    pub(super) updated_us: Option<Arc<Vec<i64>>>,
}

impl Lookup for World {
    fn status(&self, id: &str) -> Option<OrderStatus> {
        self.statuses.get(id).copied()
    }

    fn summary(&self, number: i64) -> Result<Option<Arc<Summary>>> {
        Ok(self.summaries.get(&number).cloned())
    }

    fn updated_us(&self) -> Option<Arc<Vec<i64>>> {
        self.updated_us.clone()
    }
}

impl World {
    /// Takes summaries in, for a table.
    pub(super) fn added(&mut self, summaries: &[Summary]) -> Vec<Added> {
        let add = |summary: &Summary| {
            let number = self.summaries.len() as i64 + 1;
            self.summaries.insert(number, Arc::new(summary.clone()));
            Added { entry: Entry::of(summary), number, access: None }
        };
        summaries.iter().map(add).collect()
    }

    /// Ids that a query finds in a table, and how often it looked at a dataset by itself.
    pub(super) fn matching(&self, columns: &Columns, query: &Query) -> (Vec<String>, u64) {
        let is_unwanted = AtomicBool::new(false);
        let evaluation = Evaluation::new(columns, self, &is_unwanted);
        let rows = evaluation.matching(query).unwrap();
        (rows.iter().map(|row| columns.ids.get(*row).to_owned()).collect(), evaluation.n_looked_at())
    }

    /// The same in summaries, one by one.
    pub(super) fn matching_naively(&self, summaries: &[Summary], query: &Query) -> Vec<String> {
        let mut found: Vec<&Summary> =
            summaries.iter().filter(|summary| self.matches(summary, query)).collect();
        found.sort_by(|a, b| self.in_order(query, a, b));
        found.into_iter().map(|summary| summary.id.clone()).collect()
    }

    fn row<'a>(&self, summary: &'a Summary) -> Summarised<'a> {
        Summarised { summary, status: self.status(&summary.id) }
    }

    fn matches(&self, summary: &Summary, query: &Query) -> bool {
        let row = self.row(summary);
        let touches = |geometry: &Geometry<f64>| {
            row.geometry().is_some_and(|own| space::relates(SpatialOp::Intersects, &own, geometry))
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

    fn in_order(&self, query: &Query, a: &Summary, b: &Summary) -> Ordering {
        let (a_row, b_row) = (self.row(a), self.row(b));
        for key in &query.sort {
            let order =
                values_in_order(&a_row.value(&key.property), &b_row.value(&key.property), key.direction);
            if order.is_ne() {
                return order;
            }
        }
        (&a.collection, &a.id).cmp(&(&b.collection, &b.id))
    }
}

fn values_in_order(a: &Scalar<'_>, b: &Scalar<'_>, direction: Direction) -> Ordering {
    let kind = |value: &Scalar<'_>| match value {
        Scalar::Number(_) | Scalar::Instant(_) | Scalar::Boolean(_) => 0,
        Scalar::Text(_) => 1,
        Scalar::Null | Scalar::Composite => 2,
    };
    match (kind(a), kind(b)) {
        (2, 2) => Ordering::Equal,
        (2, _) => Ordering::Greater,
        (_, 2) => Ordering::Less,
        (a_kind, b_kind) => {
            let order = a_kind.cmp(&b_kind).then_with(|| scalar::order(a, b).unwrap_or(Ordering::Equal));
            if direction == Direction::Descending { order.reverse() } else { order }
        }
    }
}

/// A dataset whose summary is at hand.
struct Summarised<'a> {
    summary: &'a Summary,
    status: Option<OrderStatus>,
}

impl Row for Summarised<'_> {
    fn value(&self, name: &PropertyName) -> Scalar<'_> {
        let summary = self.summary;
        let span = &summary.span;
        match Property::named(name) {
            Property::Id => Scalar::text(&summary.id),
            Property::Collection => Scalar::text(&summary.collection),
            Property::Title => Scalar::text(summary.display_title()),
            Property::License => summary.license.as_deref().map_or(Scalar::Null, Scalar::text),
            Property::Datetime => Scalar::Instant(span.start_us),
            Property::Start if !span.is_instant => Scalar::Instant(span.start_us),
            Property::End if !span.is_instant => Scalar::Instant(span.end_us),
            Property::Start | Property::End => Scalar::Null,
            Property::Created => Scalar::Instant(summary.created_ns.div_euclid(1000)),
            Property::Updated => Scalar::Instant(summary.updated_ns.div_euclid(1000)),
            Property::OrderStatus => self.status.map_or(Scalar::Null, |status| Scalar::text(status.as_str())),
            Property::Geometry if summary.extent.is_some() => Scalar::Composite,
            Property::Geometry => Scalar::Null,
            Property::Kept(kept) => kept.of(summary),
            Property::Attribute(name) => attribute(summary, name),
        }
    }

    fn geometry(&self) -> Option<Cow<'_, Geometry<f64>>> {
        let extent = self.summary.extent.as_ref()?;
        Some(Cow::Owned(space::geometry_of(extent.bbox, extent.footprint.as_deref())))
    }
}

fn attribute<'a>(summary: &'a Summary, stac_name: &str) -> Scalar<'a> {
    let plain = stac_name.strip_prefix(summary.attribute_prefix()).and_then(|rest| rest.strip_prefix(':'));
    match plain.and_then(|plain| summary.attribute(plain)) {
        None => Scalar::Null,
        Some(Value::Text(text)) => Scalar::text(text),
        Some(Value::Integer(number)) => Scalar::Number(*number as f64),
        Some(Value::Float(number)) => Scalar::Number(*number),
        Some(Value::Texts(_)) => Scalar::Composite,
    }
}
