//! Looking labels up: which positions of a coordinate a value, a range or a method names.
//!
//! # Source
//! xarray's `Dataset.sel` over pandas' `Index.get_loc` and `Index.get_indexer` (version 3). A partial date names
//! its period; a range holds the values between its ends also where the coordinate descends or is not sorted.

mod order;

use std::cmp::Ordering;
use std::ops::Range;

use thermocline_model::Number;

use super::coordinate::{Coordinate, Labels};
use super::grammar::{Method, Tolerance, parse_number};
use super::indices::Indices;
use crate::{Error, Result};

use order::{Distance, Order};

/// Integers beyond are no labels of any coordinate: numbers that are stored have at most 64 bits.
const MAX_INTEGER: i128 = 1 << 80;

/// A label as the coordinate understands its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Label {
    /// A number.
    Number(Number),
    /// A span of instants, in microseconds.
    Period(Range<i64>),
    /// A text.
    Text(String),
}

/// What a text says of a coordinate.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Named {
    /// One label.
    Label(Label),
    /// A range; ends that are `None` are open.
    Range(Option<Label>, Option<Label>),
}

/// What belongs to a range at its upper end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpperEnd {
    /// The end itself, and the whole period that it names.
    Included,
    /// Neither.
    Excluded,
}

impl Coordinate {
    /// What a text says: a label, or two with a colon between them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for texts that are no label of this kind of coordinate.
    pub(super) fn named(&self, text: &str) -> Result<Named> {
        let error = match self.label(text) {
            Ok(label) => return Ok(Named::Label(label)),
            Err(error) => error,
        };
        let end = |text: &str| if text.is_empty() { Some(None) } else { self.label(text).ok().map(Some) };
        let colons = text.match_indices(':').map(|(at, _)| (text.get(..at), text.get(at + 1..)));
        let mut ranges = colons.filter_map(|(lo, hi)| Some((end(lo?)?, end(hi?)?)));
        match (ranges.next(), ranges.next()) {
            (Some((lo, hi)), None) => Ok(Named::Range(lo, hi)),
            (Some(_), Some(_)) => {
                Err(Error::invalid_input(format!("{}={text} can be read as several ranges", self.name)))
            }
            (None, _) if text.contains(':') => Err(Error::invalid_input(format!(
                "{}={text} is no range of {}: write lo:hi, with {}",
                self.name,
                self.name,
                self.kind()
            ))),
            (None, _) => Err(error),
        }
    }

    /// The label that a text names, if it is one and no range.
    fn label(&self, text: &str) -> Result<Label> {
        match &self.labels {
            // A colon in a text is a part of it where a label has it, and else that of a range.
            Labels::Texts(texts) if text.contains(':') && !texts.iter().any(|label| label == text) => {
                Err(Error::invalid_input(format!("{}: no label is {text:?}", self.name)))
            }
            _ => self.whole_label(text),
        }
    }

    /// The label that a text names.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for texts that are no label of this kind of coordinate.
    pub(super) fn whole_label(&self, text: &str) -> Result<Label> {
        let wrong = |reason: Option<Error>| {
            let reason = reason.map(|error| format!(" ({error})")).unwrap_or_default();
            Error::invalid_input(format!("{}: {text:?} is not {}{reason}", self.name, self.kind()))
        };
        match &self.labels {
            Labels::Floats { .. } | Labels::Integers { .. } => {
                let integer = text.parse::<i128>().ok().filter(|value| value.abs() < MAX_INTEGER);
                let integer = integer.map(Number::Integer);
                let number = integer.or_else(|| parse_number(text).map(Number::Float));
                number.map(Label::Number).ok_or_else(|| wrong(None))
            }
            Labels::Times { axis, .. } => {
                axis.period(text).map(Label::Period).map_err(|error| wrong(Some(error)))
            }
            Labels::Texts(_) => Ok(Label::Text(text.to_owned())),
        }
    }

    /// What labels of this coordinate are, for messages.
    fn kind(&self) -> &'static str {
        match &self.labels {
            Labels::Floats { .. } | Labels::Integers { .. } => "a number",
            Labels::Times { .. } => "a date such as 2000-02-29 or 2000-02-29T12:00",
            Labels::Texts(_) => "a label of it",
        }
    }

    /// The positions of a label: several where a label stands more than once.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] naming the nearest label when it is absent, and the first and last
    /// when a partial date holds several.
    pub(super) fn exactly(&self, text: &str, label: &Label) -> Result<Indices> {
        let found = Indices::matching(self.labels.len(), |position| {
            self.order(position, label) == Some(Ordering::Equal)
        });
        let (Some(first), Some(last)) = (found.first(), found.last()) else {
            return Err(self.absent(text, label));
        };
        if matches!(label, Label::Period(_)) && found.len() > 1 {
            return Err(Error::invalid_input(format!(
                "{}={text} holds {} steps, from {} to {}: name one of them, or a range",
                self.name,
                found.len(),
                self.text(first as usize),
                self.text(last as usize)
            )));
        }
        Ok(found)
    }

    /// The positions between two labels; `what` is the range as it was written.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] naming the extent when there is none.
    pub(super) fn between(
        &self,
        what: &str,
        (mut lo, mut hi): (Option<&Label>, Option<&Label>),
        end: UpperEnd,
    ) -> Result<Indices> {
        // On a descending coordinate people write the larger end first, as xarray wants it.
        if let (Some(from), Some(to)) = (lo, hi)
            && end == UpperEnd::Included
            && is_after(from, to)
            && self.sorted() == Order::Decreasing
        {
            (lo, hi) = (hi, lo);
        }
        let is_below = |order: Ordering| match end {
            UpperEnd::Included => order != Ordering::Greater,
            UpperEnd::Excluded => order == Ordering::Less,
        };
        let hi = hi.map(|hi| match (hi, end) {
            (Label::Period(period), UpperEnd::Excluded) => Label::Period(period.start..period.start),
            (label, _) => label.clone(),
        });
        let is_between = |position: usize| {
            let order = |label| self.order(position, label);
            !self.is_missing(position)
                && lo.is_none_or(|lo| order(lo).is_some_and(|order| order != Ordering::Less))
                && hi.as_ref().is_none_or(|hi| order(hi).is_some_and(is_below))
        };
        let found = Indices::matching(self.labels.len(), is_between);
        if found.is_empty() {
            let (name, extent) = (&self.name, self.extent());
            return Err(Error::invalid_input(format!("no label of {name} lies in {what}; {extent}")));
        }
        Ok(found)
    }

    /// The position that a method finds for a label.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] when there is none, or the coordinate is not sorted.
    pub(super) fn near(
        &self,
        text: &str,
        label: &Label,
        method: Method,
        tolerance: Option<Tolerance>,
    ) -> Result<Indices> {
        let order = self.sorted();
        if order == Order::None || self.has_duplicates() {
            return Err(Error::invalid_input(format!(
                "{} cannot be looked up by a method: its labels are not sorted, some are missing or stand twice",
                self.name
            )));
        }
        // A period begins where the date itself is: methods look from there.
        let label = match label {
            Label::Period(period) => Label::Period(period.start..period.start.saturating_add(1)),
            label => label.clone(),
        };
        let before = if order == Order::Decreasing { Ordering::Greater } else { Ordering::Less };
        let n_before = self.partition_point(|position| self.order(position, &label) == Some(before));
        let is_there = n_before < self.labels.len() && self.order(n_before, &label) == Some(Ordering::Equal);
        let right = Some(n_before).filter(|position| *position < self.labels.len());
        let left = if is_there { right } else { n_before.checked_sub(1) };
        let found = match method {
            Method::Exact => right.filter(|_| is_there),
            Method::Pad => left,
            Method::Backfill => right,
            Method::Nearest => self.nearer(left, right, &label, order)?,
        };
        let Some(position) = found else {
            let side = if method == Method::Pad { "at or before" } else { "at or after" };
            return Err(Error::invalid_input(format!(
                "no label of {} is {side} {text}; {}",
                self.name,
                self.extent()
            )));
        };
        self.check_tolerance(position, text, &label, tolerance)?;
        Ok(Indices::one(position as u64))
    }

    /// Of two neighbours the nearer, the larger of two that are as near.
    fn nearer(
        &self,
        left: Option<usize>,
        right: Option<usize>,
        label: &Label,
        order: Order,
    ) -> Result<Option<usize>> {
        let (Some(before), Some(after)) = (left, right) else { return Ok(left.or(right)) };
        let distance = |position| {
            self.distance(position, label).ok_or_else(|| {
                Error::invalid_input(format!("texts as those of {} have no nearest", self.name))
            })
        };
        let (to_before, to_after) = (distance(before)?, distance(after)?);
        let is_before = if order == Order::Decreasing { to_before <= to_after } else { to_before < to_after };
        Ok(if is_before { left } else { right })
    }

    fn check_tolerance(
        &self,
        position: usize,
        text: &str,
        label: &Label,
        tolerance: Option<Tolerance>,
    ) -> Result<()> {
        let Some(tolerance) = tolerance else { return Ok(()) };
        let is_within = match (tolerance, self.distance(position, label)) {
            (Tolerance::Number(most), Some(Distance::Number(distance))) => distance <= most,
            (Tolerance::Number(most), Some(Distance::Exact(distance)))
                if !matches!(label, Label::Period(_)) =>
            {
                distance as f64 <= most
            }
            (Tolerance::Span(most), Some(Distance::Exact(distance))) if matches!(label, Label::Period(_)) => {
                distance <= most
            }
            (Tolerance::Number(_), Some(_)) => {
                return Err(Error::invalid_input(format!(
                    "the tolerance of {} needs a unit of time, as 3h",
                    self.name
                )));
            }
            (Tolerance::Span(_), Some(_)) => {
                return Err(Error::invalid_input(format!(
                    "the tolerance of {} is a number without unit",
                    self.name
                )));
            }
            (_, None) => {
                return Err(Error::invalid_input(format!(
                    "texts as those of {} have no tolerance",
                    self.name
                )));
            }
        };
        if is_within {
            return Ok(());
        }
        let found = self.text(position);
        Err(Error::invalid_input(format!(
            "the label of {} found for {text} is {found}, beyond the tolerance",
            self.name
        )))
    }

    fn absent(&self, text: &str, label: &Label) -> Error {
        let positions =
            (0..self.labels.len()).filter_map(|position| Some((position, self.distance(position, label)?)));
        let nearer =
            |a: &(usize, Distance), b: &(usize, Distance)| a.1.partial_cmp(&b.1).unwrap_or(Ordering::Equal);
        let hint = match positions.filter(|(position, _)| !self.is_missing(*position)).min_by(nearer) {
            Some((nearest, _)) => format!("the nearest is {}; {}", self.text(nearest), self.extent()),
            None => self.extent(),
        };
        Error::invalid_input(format!("{} has no label {text}; {hint}", self.name))
    }
}

/// True if one label lies after another.
fn is_after(a: &Label, b: &Label) -> bool {
    match (a, b) {
        (Label::Number(a), Label::Number(b)) => a.as_f64() > b.as_f64(),
        (Label::Period(a), Label::Period(b)) => a.start > b.start,
        (Label::Text(a), Label::Text(b)) => a > b,
        _ => false,
    }
}
