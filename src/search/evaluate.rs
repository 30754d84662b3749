//! Conditions on many datasets at once, column by column.
//!
//! Each part of a condition is worked out for all rows that are still in question before the next part is: what looks
//! at columns of numbers first, then what looks at texts (each different text once), then geometries, and what
//! has to be looked up for each dataset last. The meaning is that of [`crate::row`], which works on one dataset.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;

use geo::{CoordsIter, Geometry};
use thermocline_core::{Error, ErrorKind, Result};

use crate::column::{Coded, Column};
use crate::columns::Columns;
use crate::filter::{Comparison, Filter, Operand, PropertyName, SpatialOp, TemporalOp, TimeOperand};
use crate::order::OrderStatus;
use crate::patience::{Patience, too_long};
use crate::property::{Kept, Property};
use crate::query::Query;
use crate::row::{Row, instant_of, truth};
use crate::scalar::{self, Scalar};
use crate::sight::Sight;
use crate::summary::Summary;
use crate::{space, time};

/// Most positions of a geometry that datasets are compared with.
const MAX_POSITIONS: usize = 10_000;

/// Most parts of a condition: conditions within it and the values that they compare.
const MAX_PARTS: usize = 100_000;

/// Values between two looks at whether anybody still waits.
const VALUES_BETWEEN_LOOKS: usize = 64;

/// True, false or NULL.
type Truth = Option<bool>;

/// What is not in columns.
pub(crate) trait Lookup {
    /// Where the staging of a dataset stands.
    fn status(&self, id: &str) -> Option<OrderStatus>;

    /// The summary that is kept under a number. `Ok(None)` if it was replaced or removed meanwhile.
    fn summary(&self, number: i64) -> Result<Option<Arc<Summary>>>;

    /// When what is told of each row last changed, in microseconds since 1970, where the objects are included; `None`
    /// if that is what the table says.
    fn updated_us(&self) -> Option<Arc<Vec<i64>>> {
        None
    }
}

/// Why a search ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody waits for it.
    Unwanted,
    /// It took as long as it may.
    TooLong,
    /// A summary is gone: the table is an old one.
    Outdated,
    /// Something failed.
    Failed(Error),
}

/// Works out conditions on the rows of a table.
pub(crate) struct Evaluation<'a> {
    columns: &'a Columns,
    lookup: &'a dyn Lookup,
    patience: Patience<'a>,
    /// What is seen of the table; all of it without one.
    sight: Option<&'a Sight>,
    /// The first reason to stop.
    stop: RefCell<Option<Stop>>,
    n_looked_at: Cell<u64>,
    updated_us: OnceCell<Option<Arc<Vec<i64>>>>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(
        columns: &'a Columns,
        lookup: &'a dyn Lookup,
        patience: impl Into<Patience<'a>>,
    ) -> Self {
        Self {
            columns,
            lookup,
            patience: patience.into(),
            sight: None,
            stop: RefCell::new(None),
            n_looked_at: Cell::new(0),
            updated_us: OnceCell::new(),
        }
    }

    /// Only of the rows that are seen.
    pub(crate) fn within(mut self, sight: &'a Sight) -> Self {
        self.sight = Some(sight).filter(|sight| !sight.is_whole());
        self
    }

    /// How often a dataset was looked at by itself, instead of a column.
    pub(crate) fn n_looked_at(&self) -> u64 {
        self.n_looked_at.get()
    }

    /// Rows that match, in order.
    ///
    /// # Errors
    /// The reason why it stopped before the end.
    pub(crate) fn matching(&self, query: &Query) -> Result<Vec<u32>, Stop> {
        let mut rows = self.candidates(query);
        if let Some(sight) = self.sight {
            rows.retain(|row| sight.sees(*row));
        }
        if let Some((start, end)) = query.interval {
            let span = (start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX));
            let at = |column: &[i64], row: u32| column.get(row as usize).copied().unwrap_or_default();
            let columns = self.columns;
            rows.retain(|row| at(&columns.start_us, *row) <= span.1 && at(&columns.end_us, *row) >= span.0);
        }
        if let Some(bbox) = query.bbox {
            rows = self.keep_spatial(&space::geometry_of_box(bbox), rows)?;
        }
        if let Some(geometry) = &query.intersects {
            rows = self.keep_spatial(geometry, rows)?;
        }
        if let Some(filter) = &query.filter {
            if filter.n_parts() > MAX_PARTS {
                let message = format!("a condition has at most {MAX_PARTS} parts");
                return Err(Stop::Failed(Error::invalid_input(message)));
            }
            let mut conjuncts = Vec::new();
            flatten(filter, &mut conjuncts);
            conjuncts.sort_by_cached_key(|filter| self.cost(filter));
            for filter in conjuncts {
                let truths = self.truths(filter, &rows);
                rows = kept(rows, &truths);
                self.check()?;
            }
        }
        self.check()?;
        Ok(rows)
    }

    /// Rows of the ids and collections that are asked for.
    fn candidates(&self, query: &Query) -> Vec<u32> {
        let columns = self.columns;
        let mut rows: Vec<u32> = match (&query.ids, &query.collections) {
            (None, None) => return (0..columns.len()).collect(),
            (Some(ids), _) => ids.iter().filter_map(|id| columns.row_of(id)).collect(),
            (None, Some(names)) => names.iter().flat_map(|name| columns.rows_of(name)).collect(),
        };
        rows.sort_unstable();
        rows.dedup();
        if let (Some(_), Some(names)) = (&query.ids, &query.collections) {
            let names: HashSet<&str> = names.iter().map(String::as_str).collect();
            rows.retain(|row| names.contains(columns.collection(*row)));
        }
        rows
    }

    fn keep_spatial(&self, geometry: &Geometry<f64>, rows: Vec<u32>) -> Result<Vec<u32>, Stop> {
        let truths = self.spatial(SpatialOp::Intersects, geometry, &rows);
        self.check()?;
        Ok(kept(rows, &truths))
    }

    fn check(&self) -> Result<(), Stop> {
        self.goes_on();
        self.stop.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// False once there is a reason to stop: what is worked out from then on does not count.
    fn goes_on(&self) -> bool {
        let mut stop = self.stop.borrow_mut();
        if stop.is_none() {
            *stop = self.patience.ended();
        }
        stop.is_none()
    }

    fn stop(&self, reason: Stop) {
        self.stop.borrow_mut().get_or_insert(reason);
    }

    /// True, false or NULL of each row.
    fn truths(&self, filter: &Filter, rows: &[u32]) -> Vec<Truth> {
        if !self.goes_on() {
            return vec![None; rows.len()];
        }
        match filter {
            Filter::Constant(value) => vec![Some(*value); rows.len()],
            Filter::Not(filter) => {
                let mut truths = self.truths(filter, rows);
                truths.iter_mut().for_each(|truth| *truth = truth.map(|value| !value));
                truths
            }
            Filter::And(all) => self.combined(all, rows, Some(false), scalar::and),
            Filter::Or(any) => self.combined(any, rows, Some(true), scalar::or),
            Filter::Spatial(op, geometry) => self.spatial(*op, geometry, rows),
            Filter::Temporal(op, a, b) => {
                self.temporal(*op, a, b, rows).unwrap_or_else(|| self.each(filter, rows))
            }
            Filter::Compare(comparison, a, b) => {
                self.compared(*comparison, a, b, rows).unwrap_or_else(|| self.leaf(filter, rows))
            }
            Filter::Between(operand, low, high) => {
                let low = self.compared(Comparison::GreaterOrEqual, operand, low, rows);
                let high = self.compared(Comparison::LessOrEqual, operand, high, rows);
                match (low, high) {
                    (Some(low), Some(high)) => {
                        low.iter().zip(high).map(|(low, high)| scalar::and(*low, high)).collect()
                    }
                    _ => self.leaf(filter, rows),
                }
            }
            Filter::In(operand, of) => {
                self.in_ids(operand, of, rows).unwrap_or_else(|| self.leaf(filter, rows))
            }
            Filter::Like(..) | Filter::IsNull(_) => self.leaf(filter, rows),
        }
    }

    /// The parts combined, each worked out only where those before it do not decide.
    fn combined(
        &self,
        parts: &[Filter],
        rows: &[u32],
        decided: Truth,
        combine: fn(Truth, Truth) -> Truth,
    ) -> Vec<Truth> {
        let mut truths = vec![decided.map(|value| !value); rows.len()];
        let mut parts: Vec<&Filter> = parts.iter().collect();
        parts.sort_by_cached_key(|filter| self.cost(filter));
        for filter in parts {
            if !self.goes_on() {
                break;
            }
            let open: Vec<u32> = rows
                .iter()
                .zip(&truths)
                .filter(|(_, truth)| **truth != decided)
                .map(|(row, _)| *row)
                .collect();
            let mut found = self.truths(filter, &open).into_iter();
            for truth in truths.iter_mut().filter(|truth| **truth != decided) {
                *truth = combine(*truth, found.next().flatten());
            }
        }
        truths
    }

    /// A condition on texts and numbers: of one column each different text once, else row by row.
    fn leaf(&self, filter: &Filter, rows: &[u32]) -> Vec<Truth> {
        let mut names = Vec::new();
        properties(filter, &mut names);
        let mut different: Vec<Property<'_>> = Vec::new();
        for name in names {
            let property = Property::named(name);
            if !self.is_absent(&property) && !different.contains(&property) {
                different.push(property);
            }
        }
        match different.as_slice() {
            // Whichever it is, it is missing.
            [] => vec![truth_with(filter, &Property::Geometry, Scalar::Null); rows.len()],
            [property @ Property::Geometry] => {
                let somewhere = truth_with(filter, property, Scalar::Composite);
                let nowhere = truth_with(filter, property, Scalar::Null);
                let value = |row: &u32| self.columns.bbox(*row).map_or(nowhere, |_| somewhere);
                rows.iter().map(value).collect()
            }
            [property @ Property::Collection] => {
                let of_each = |(id, _): &(Box<str>, _)| truth_with(filter, property, Scalar::text(id));
                let of_each: Vec<Truth> = self.columns.collections.iter().map(of_each).collect();
                let value =
                    |row: &u32| of_each.get(self.columns.collection_position(*row)).copied().flatten();
                rows.iter().map(value).collect()
            }
            [property] => match self.column(property) {
                Some(column) => self.by_text(filter, property, column, rows),
                None => self.each(filter, rows),
            },
            _ => self.each(filter, rows),
        }
    }

    /// Row by row: what needs several properties, or one that is in no column.
    fn each(&self, filter: &Filter, rows: &[u32]) -> Vec<Truth> {
        let mut truths = Vec::with_capacity(rows.len());
        for some in rows.chunks(VALUES_BETWEEN_LOOKS) {
            if !self.goes_on() {
                break;
            }
            self.n_looked_at.set(self.n_looked_at.get() + some.len() as u64);
            truths.extend(some.iter().map(|row| truth(filter, &At { evaluation: self, row: *row })));
        }
        truths.resize(rows.len(), None);
        truths
    }

    /// A comparison of times, or of the id; `None` for others.
    fn compared(&self, comparison: Comparison, a: &Operand, b: &Operand, rows: &[u32]) -> Option<Vec<Truth>> {
        if comparison == Comparison::Equal
            && let Some(found) = self.in_ids(a, std::slice::from_ref(b), rows)
        {
            return Some(found);
        }
        let (a, b) = (self.times(a)?, self.times(b)?);
        if !a.is_column() && !b.is_column() {
            return None;
        }
        let value = |row: &u32| Some(scalar::holds(comparison, a.at(*row)?.cmp(&b.at(*row)?)));
        Some(rows.iter().map(value).collect())
    }

    /// Equality of the id with any of some texts; `None` for anything else.
    fn in_ids(&self, operand: &Operand, of: &[Operand], rows: &[u32]) -> Option<Vec<Truth>> {
        let Operand::Property(name) = operand else { return None };
        if Property::named(name) != Property::Id {
            return None;
        }
        let mut wanted = HashSet::with_capacity(of.len());
        for other in of {
            let Operand::Text(id) = other else { return None };
            wanted.extend(self.columns.row_of(id));
        }
        Some(rows.iter().map(|row| Some(wanted.contains(row))).collect())
    }

    /// A relation of times; `None` if a side is neither constant nor in columns.
    fn temporal(&self, op: TemporalOp, a: &TimeOperand, b: &TimeOperand, rows: &[u32]) -> Option<Vec<Truth>> {
        let (a, b) = (self.ends(a)?, self.ends(b)?);
        let value = |row: &u32| {
            let (a, b) = ((a.0.at(*row)?, a.1.at(*row)?), (b.0.at(*row)?, b.1.at(*row)?));
            Some(time::relates(op, a, b))
        };
        Some(rows.iter().map(value).collect())
    }

    fn ends(&self, operand: &TimeOperand) -> Option<(Times<'_>, Times<'_>)> {
        let end = |operand: &Option<Operand>, open: i64| match operand {
            Some(operand) => self.times(operand),
            None => Some(Times::Constant(Some(open))),
        };
        match operand {
            TimeOperand::Instant(operand) => {
                let times = self.times(operand)?;
                Some((times, times))
            }
            TimeOperand::Interval(start, last) => Some((end(start, i64::MIN)?, end(last, i64::MAX)?)),
        }
    }

    /// The instants that an operand is; `None` if it is in no column of times.
    fn times(&self, operand: &Operand) -> Option<Times<'_>> {
        let columns = self.columns;
        let always = |values| Some(Times::Column { values, is_missing: &[] });
        match operand {
            Operand::Instant(us) => Some(Times::Constant(Some(*us))),
            Operand::Text(_) => Some(Times::Constant(instant_of(&text_of(operand)))),
            Operand::Property(name) => match Property::named(name) {
                Property::Datetime => always(&columns.start_us),
                Property::Start => {
                    Some(Times::Column { values: &columns.start_us, is_missing: &columns.is_instant })
                }
                Property::End => {
                    Some(Times::Column { values: &columns.end_us, is_missing: &columns.is_instant })
                }
                Property::Created => always(&columns.created_us),
                Property::Updated => always(self.updated_us()),
                _ => None,
            },
            _ => None,
        }
    }

    /// A relation to a geometry: by boxes where these tell, else exactly.
    fn spatial(&self, op: SpatialOp, other: &Geometry<f64>, rows: &[u32]) -> Vec<Truth> {
        let n_positions = other.coords_count();
        if n_positions > MAX_POSITIONS {
            self.stop(Stop::Failed(Error::invalid_input(format!(
                "the geometry has {n_positions} positions, at most {MAX_POSITIONS} are compared"
            ))));
            return vec![None; rows.len()];
        }
        let as_box = space::as_box(other);
        let bounds = as_box.or_else(|| space::bounds(other));
        let is_decided_by_boxes =
            as_box.is_some() && matches!(op, SpatialOp::Intersects | SpatialOp::Disjoint);
        let mut n_exact = 0_usize;
        let value = |row: &u32| {
            let bbox = self.columns.bbox(*row)?;
            if !bounds.is_some_and(|bounds| space::boxes_touch(bbox, bounds)) {
                return Some(op == SpatialOp::Disjoint);
            }
            let footprint = self.columns.footprints.get(*row as usize).and_then(Option::as_deref);
            if is_decided_by_boxes && footprint.is_none() {
                return Some(op == SpatialOp::Intersects);
            }
            // One of them may take milliseconds.
            if !self.goes_on() {
                return None;
            }
            n_exact += 1;
            Some(space::relates(op, &space::geometry_of(bbox, footprint), other))
        };
        let truths = rows.iter().map(value).collect();
        self.n_looked_at.set(self.n_looked_at.get() + n_exact as u64);
        truths
    }

    /// The column of a property.
    fn column(&self, property: &Property<'_>) -> Option<&'a Column> {
        match property {
            Property::Title => Some(&self.columns.title),
            Property::License => Some(&self.columns.license),
            Property::Kept(Kept::Description) => Some(&self.columns.description),
            Property::Attribute(name) => self.columns.attributes.get(*name),
            _ => None,
        }
    }

    /// True for an attribute that no dataset has.
    fn is_absent(&self, property: &Property<'_>) -> bool {
        matches!(property, Property::Attribute(name) if !self.columns.attributes.contains_key(*name))
    }

    /// The cheapest come first.
    fn cost(&self, filter: &Filter) -> u32 {
        match filter {
            Filter::Constant(_) => 0,
            Filter::And(parts) | Filter::Or(parts) => {
                parts.iter().map(|part| self.cost(part)).max().unwrap_or(0)
            }
            Filter::Not(filter) => self.cost(filter),
            Filter::Spatial(SpatialOp::Intersects | SpatialOp::Disjoint, other)
                if space::as_box(other).is_some() =>
            {
                1
            }
            Filter::Spatial(..) => 4,
            _ => {
                let mut names = Vec::new();
                properties(filter, &mut names);
                names.into_iter().map(|name| self.cost_of(&Property::named(name))).max().unwrap_or(0)
            }
        }
    }

    fn cost_of(&self, property: &Property<'_>) -> u32 {
        match property {
            Property::Datetime | Property::Start | Property::End | Property::Created | Property::Updated => 1,
            Property::Collection | Property::Geometry => 1,
            Property::Kept(Kept::Description) => 9,
            Property::Kept(_) => 10,
            Property::OrderStatus => 5,
            Property::Id => 3,
            Property::Title => 3,
            Property::License | Property::Attribute(_) => 2,
        }
    }

    /// The value of a row's property. Of those that are looked up, NULL once something failed.
    fn value_at(&self, row: u32, name: &PropertyName) -> Scalar<'_> {
        let columns = self.columns;
        let property = Property::named(name);
        let instant =
            |column: &[i64]| column.get(row as usize).map_or(Scalar::Null, |us| Scalar::Instant(*us));
        let has_two = !columns.is_instant.get(row as usize).copied().unwrap_or(true);
        match property {
            Property::Id => Scalar::text(columns.ids.get(row)),
            Property::Collection => Scalar::text(columns.collection(row)),
            Property::Datetime => instant(&columns.start_us),
            Property::Start if has_two => instant(&columns.start_us),
            Property::End if has_two => instant(&columns.end_us),
            Property::Start | Property::End => Scalar::Null,
            Property::Created => instant(&columns.created_us),
            Property::Updated => instant(self.updated_us()),
            Property::OrderStatus => {
                let status = self.lookup.status(columns.ids.get(row));
                status.map_or(Scalar::Null, |status| Scalar::text(status.as_str()))
            }
            Property::Geometry if columns.bbox(row).is_some() => Scalar::Composite,
            Property::Geometry => Scalar::Null,
            Property::Kept(Kept::Description) if columns.description.coded(row) != Coded::Composite => {
                columns.description.value(row)
            }
            Property::Kept(kept) => self.kept_at(row, kept),
            Property::Title | Property::License | Property::Attribute(_) => {
                self.column(&property).map_or(Scalar::Null, |column| column.value(row))
            }
        }
    }

    fn kept_at(&self, row: u32, kept: Kept) -> Scalar<'static> {
        if self.stop.borrow().is_some() {
            return Scalar::Null;
        }
        let number = self.columns.numbers.get(row as usize).copied().unwrap_or_default();
        match self.lookup.summary(number) {
            Ok(Some(summary)) => match kept.of(&summary) {
                Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
                Scalar::Null => Scalar::Null,
                _ => Scalar::Composite,
            },
            Ok(None) => {
                self.stop(Stop::Outdated);
                Scalar::Null
            }
            // It is made again.
            Err(error) if error.kind() == ErrorKind::Corrupt => Scalar::Null,
            Err(error) => {
                self.stop(Stop::Failed(error));
                Scalar::Null
            }
        }
    }

    /// When what is told of each row last changed.
    fn updated_us(&self) -> &[i64] {
        let told = self.updated_us.get_or_init(|| self.lookup.updated_us());
        told.as_ref().map_or(&self.columns.updated_us, |updated_us| updated_us)
    }

    /// A condition on one column: each different text is looked at once.
    fn by_text(&self, filter: &Filter, property: &Property<'_>, column: &Column, rows: &[u32]) -> Vec<Truth> {
        let missing = truth_with(filter, property, Scalar::Null);
        let composite = truth_with(filter, property, Scalar::Composite);
        let mut known: Vec<Option<Truth>> = vec![None; column.dictionary().len()];
        let mut n_values = 0_usize;
        let mut truth_of = |value: Scalar<'_>| {
            n_values += 1;
            let goes_on = !n_values.is_multiple_of(VALUES_BETWEEN_LOOKS) || self.goes_on();
            if goes_on { truth_with(filter, property, value) } else { None }
        };
        let mut truths = Vec::with_capacity(rows.len());
        for row in rows {
            truths.push(match column.coded(*row) {
                Coded::Missing => missing,
                Coded::Composite => match property {
                    Property::Kept(kept) => {
                        self.n_looked_at.set(self.n_looked_at.get() + 1);
                        truth_of(self.kept_at(*row, *kept))
                    }
                    _ => composite,
                },
                Coded::Number(number) => truth_of(Scalar::Number(number)),
                Coded::Text(code) => match known.get_mut(code as usize) {
                    Some(Some(truth)) => *truth,
                    Some(unknown) => *unknown.insert(truth_of(Scalar::text(column.dictionary().text(code)))),
                    None => None,
                },
            });
        }
        truths
    }
}

/// The instants of an operand.
#[derive(Clone, Copy)]
enum Times<'a> {
    /// The same for every row; `None` for what is no instant.
    Constant(Option<i64>),
    /// One for each row, missing where `is_missing` says so.
    Column { values: &'a [i64], is_missing: &'a [bool] },
}

impl Times<'_> {
    fn is_column(&self) -> bool {
        matches!(self, Self::Column { .. })
    }

    fn at(&self, row: u32) -> Option<i64> {
        match self {
            Self::Constant(us) => *us,
            Self::Column { is_missing, .. } if is_missing.get(row as usize) == Some(&true) => None,
            Self::Column { values, .. } => values.get(row as usize).copied(),
        }
    }
}

fn text_of(operand: &Operand) -> Scalar<'_> {
    match operand {
        Operand::Text(text) => Scalar::text(text),
        _ => Scalar::Null,
    }
}

/// A dataset with one property.
struct Only<'a> {
    property: &'a Property<'a>,
    value: Scalar<'a>,
}

impl Row for Only<'_> {
    fn value(&self, name: &PropertyName) -> Scalar<'_> {
        if Property::named(name) == *self.property { self.value.clone() } else { Scalar::Null }
    }

    fn geometry(&self) -> Option<Cow<'_, Geometry<f64>>> {
        None
    }
}

/// The dataset in a row.
struct At<'a> {
    evaluation: &'a Evaluation<'a>,
    row: u32,
}

impl Row for At<'_> {
    fn value(&self, name: &PropertyName) -> Scalar<'_> {
        self.evaluation.value_at(self.row, name)
    }

    fn geometry(&self) -> Option<Cow<'_, Geometry<f64>>> {
        let columns = self.evaluation.columns;
        let footprint = columns.footprints.get(self.row as usize).and_then(Option::as_deref);
        Some(Cow::Owned(space::geometry_of(columns.bbox(self.row)?, footprint)))
    }
}

/// A condition on a dataset with one property.
fn truth_with(filter: &Filter, property: &Property<'_>, value: Scalar<'_>) -> Truth {
    truth(filter, &Only { property, value })
}

fn kept(mut rows: Vec<u32>, truths: &[Truth]) -> Vec<u32> {
    let mut truths = truths.iter();
    rows.retain(|_| truths.next() == Some(&Some(true)));
    rows
}

/// The parts that all have to hold.
fn flatten<'f>(filter: &'f Filter, into: &mut Vec<&'f Filter>) {
    match filter {
        Filter::And(all) => all.iter().for_each(|filter| flatten(filter, into)),
        other => into.push(other),
    }
}

/// Names of the properties in a condition without parts.
fn properties<'f>(filter: &'f Filter, into: &mut Vec<&'f PropertyName>) {
    let mut add = |operand: &'f Operand| names(operand, into);
    match filter {
        Filter::Compare(_, a, b) => [a, b].into_iter().for_each(add),
        Filter::In(operand, of) => std::iter::once(operand).chain(of).for_each(add),
        Filter::Between(operand, low, high) => [operand, low, high].into_iter().for_each(add),
        Filter::Like(operand, _) | Filter::IsNull(operand) => add(operand),
        Filter::Temporal(_, a, b) => {
            for side in [a, b] {
                match side {
                    TimeOperand::Instant(operand) => add(operand),
                    TimeOperand::Interval(start, end) => start.iter().chain(end).for_each(&mut add),
                }
            }
        }
        Filter::Constant(_) | Filter::And(_) | Filter::Or(_) | Filter::Not(_) | Filter::Spatial(..) => {}
    }
}

fn names<'f>(operand: &'f Operand, into: &mut Vec<&'f PropertyName>) {
    match operand {
        Operand::Property(name) => into.push(name),
        Operand::Function(_, operand) => names(operand, into),
        Operand::Arithmetic(_, a, b) => {
            names(a, into);
            names(b, into);
        }
        Operand::Text(_) | Operand::Number(_) | Operand::Boolean(_) | Operand::Instant(_) => {}
    }
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        let retry_after = std::time::Duration::from_secs(1);
        match stop {
            Stop::Failed(error) => error,
            Stop::TooLong => too_long("the search takes"),
            Stop::Unwanted => Error::internal("nobody waited for the search"),
            Stop::Outdated => Error::new(
                ErrorKind::Unavailable { retry_after },
                "the catalog changes too fast to be searched",
            ),
        }
    }
}
