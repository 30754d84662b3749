//! Looking labels up: which positions of a coordinate a value, a range or a method names.
//!
//! # Source
//! xarray's `Dataset.sel` over pandas' `Index.get_loc` and `Index.get_indexer` (version 3). A partial date names
//! its period; a range holds the values between its ends also where the coordinate descends or is not sorted.

use std::cmp::Ordering;
use std::ops::Range;

use thermocline_model::Number;

use super::coordinate::{Coordinate, Labels};
use super::grammar::{Method, Tolerance, parse_number};
use super::indices::Indices;
use super::times::TimeAxis;
use crate::{Error, Result};

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

/// How labels lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Each label is larger than the one before, or equal.
    Increasing,
    /// Each label is smaller than the one before, or equal.
    Decreasing,
    /// Neither, or some are missing.
    None,
}

/// How far two labels are apart.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Distance {
    Number(f64),
    Exact(i128),
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

    /// The positions between two labels.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] naming the extent when there is none.
    pub(super) fn between(&self, lo: Option<&Label>, hi: Option<&Label>, end: UpperEnd) -> Result<Indices> {
        let (mut lo, mut hi) = (lo, hi);
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
        let start = hi.map(|hi| match (hi, end) {
            (Label::Period(period), UpperEnd::Excluded) => Label::Period(period.start..period.start),
            (label, _) => label.clone(),
        });
        let found = Indices::matching(self.labels.len(), |position| {
            !self.is_missing(position)
                && lo.is_none_or(|lo| self.order(position, lo).is_some_and(|order| order != Ordering::Less))
                && start.as_ref().is_none_or(|hi| self.order(position, hi).is_some_and(is_below))
        });
        if found.is_empty() {
            return Err(Error::invalid_input(format!(
                "no label of {} lies in the range; {}",
                self.name,
                self.extent()
            )));
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

    /// How a label of the coordinate stands to `label`; `None` where it is missing.
    fn order(&self, position: usize, label: &Label) -> Option<Ordering> {
        match (&self.labels, label) {
            (Labels::Floats { values, is_single }, Label::Number(number)) => {
                // xarray casts what is looked up to the type of the coordinate.
                let wanted = if *is_single { f64::from(number.as_f64() as f32) } else { number.as_f64() };
                values.get(position)?.partial_cmp(&wanted)
            }
            (Labels::Integers { values, above }, Label::Number(Number::Integer(wanted))) => {
                Some((i128::from(*values.get(position)?) + above).cmp(wanted))
            }
            (Labels::Integers { values, above }, Label::Number(Number::Float(wanted))) => {
                compare(i128::from(*values.get(position)?) + above, *wanted)
            }
            (Labels::Times { ticks, .. }, Label::Period(period)) => {
                let ticks = ticks.get(position).filter(|ticks| **ticks != TimeAxis::MISSING)?;
                Some(match ticks {
                    before if *before < period.start => Ordering::Less,
                    inside if *inside < period.end => Ordering::Equal,
                    _ => Ordering::Greater,
                })
            }
            (Labels::Texts(texts), Label::Text(wanted)) => Some(texts.get(position)?.as_str().cmp(wanted)),
            _ => None,
        }
    }

    fn distance(&self, position: usize, label: &Label) -> Option<Distance> {
        match (&self.labels, label) {
            (Labels::Floats { values, is_single: true }, Label::Number(number)) => {
                let distance = (*values.get(position)? as f32 - number.as_f64() as f32).abs();
                Some(Distance::Number(distance.into()))
            }
            (Labels::Floats { values, .. }, Label::Number(number)) => {
                Some(Distance::Number((values.get(position)? - number.as_f64()).abs()))
            }
            (Labels::Integers { values, above }, Label::Number(Number::Integer(wanted))) => {
                Some(Distance::Exact((i128::from(*values.get(position)?) + above - wanted).abs()))
            }
            (Labels::Integers { values, above }, Label::Number(Number::Float(wanted))) => {
                Some(Distance::Number(((i128::from(*values.get(position)?) + above) as f64 - wanted).abs()))
            }
            (Labels::Times { ticks, .. }, Label::Period(period)) => {
                let ticks = ticks.get(position).filter(|ticks| **ticks != TimeAxis::MISSING)?;
                Some(Distance::Exact((i128::from(*ticks) - i128::from(period.start)).abs()))
            }
            _ => None,
        }
    }

    pub(super) fn is_missing(&self, position: usize) -> bool {
        match &self.labels {
            Labels::Floats { values, .. } => values.get(position).is_none_or(|value| value.is_nan()),
            Labels::Integers { .. } | Labels::Texts(_) => false,
            Labels::Times { ticks, .. } => {
                ticks.get(position).is_none_or(|ticks| *ticks == TimeAxis::MISSING)
            }
        }
    }

    /// How two labels of the coordinate stand to each other; `None` where one is missing.
    fn compare(&self, a: usize, b: usize) -> Option<Ordering> {
        if self.is_missing(a) || self.is_missing(b) {
            return None;
        }
        match &self.labels {
            Labels::Floats { values, .. } => values.get(a)?.partial_cmp(values.get(b)?),
            Labels::Integers { values, .. } => Some(values.get(a)?.cmp(values.get(b)?)),
            Labels::Times { ticks, .. } => Some(ticks.get(a)?.cmp(ticks.get(b)?)),
            Labels::Texts(texts) => Some(texts.get(a)?.cmp(texts.get(b)?)),
        }
    }

    fn sorted(&self) -> Order {
        let is_sorted = |against: Ordering| {
            let mut pairs = (1..self.labels.len()).map(|position| self.compare(position - 1, position));
            !self.is_missing(0) && pairs.all(|order| order.is_some_and(|order| order != against))
        };
        if is_sorted(Ordering::Greater) {
            Order::Increasing
        } else if is_sorted(Ordering::Less) {
            Order::Decreasing
        } else {
            Order::None
        }
    }

    /// True if neighbours are equal; for sorted labels that is any two.
    fn has_duplicates(&self) -> bool {
        (1..self.labels.len()).any(|position| self.compare(position - 1, position) == Some(Ordering::Equal))
    }

    /// How many labels come first for which `holds`, when those come before all others.
    fn partition_point(&self, holds: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, self.labels.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// A label as text, for messages.
    pub(super) fn text(&self, position: usize) -> String {
        let text = match &self.labels {
            Labels::Floats { values, is_single: true } => {
                values.get(position).map(|value| (*value as f32).to_string())
            }
            Labels::Floats { values, .. } => values.get(position).map(f64::to_string),
            Labels::Integers { values, above } => {
                values.get(position).map(|value| (i128::from(*value) + above).to_string())
            }
            Labels::Times { ticks, axis } => ticks.get(position).map(|ticks| axis.text(*ticks)),
            Labels::Texts(texts) => texts.get(position).map(|text| format!("{text:?}")),
        };
        text.unwrap_or_default()
    }

    /// The smallest and the largest label, in words.
    pub(super) fn extent(&self) -> String {
        let mut known = (0..self.labels.len()).filter(|position| !self.is_missing(*position));
        let Some(first) = known.next() else { return format!("{} has no labels", self.name) };
        let (mut least, mut most) = (first, first);
        for position in known {
            if self.compare(position, least) == Some(Ordering::Less) {
                least = position;
            }
            if self.compare(position, most) == Some(Ordering::Greater) {
                most = position;
            }
        }
        format!("{} goes from {} to {}", self.name, self.text(least), self.text(most))
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

/// How an integer stands to a number, exactly.
fn compare(integer: i128, number: f64) -> Option<Ordering> {
    // Labels have at most 65 bits, so that numbers beyond `i128` compare right when they are cut to it.
    let floor = number.floor();
    let order = integer.cmp(&(floor as i128));
    Some(if order == Ordering::Equal && number > floor { Ordering::Less } else { order })
}
