//! How the labels of a coordinate stand to each other, and to one that was named.

use std::cmp::Ordering;

use thermocline_model::Number;

use super::super::coordinate::{Coordinate, Labels};
use super::super::times::TimeAxis;
use super::Label;

/// How labels lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Each label is larger than the one before, or equal.
    Increasing,
    /// Each label is smaller than the one before, or equal.
    Decreasing,
    /// Neither, or some are missing.
    None,
}

/// How far two labels are apart.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Distance {
    /// Between numbers, one of which is a float.
    Number(f64),
    /// Between integers, or instants in microseconds.
    Exact(i128),
}

impl Coordinate {
    /// How a label of the coordinate stands to `label`; `None` where it is missing.
    pub(super) fn order(&self, position: usize, label: &Label) -> Option<Ordering> {
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

    /// How far a label of the coordinate is from `label`; `None` where it is missing, and for texts.
    pub(super) fn distance(&self, position: usize, label: &Label) -> Option<Distance> {
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

    /// True for a label that stands for a missing one.
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

    /// How the labels lie.
    pub(super) fn sorted(&self) -> Order {
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
    pub(super) fn has_duplicates(&self) -> bool {
        (1..self.labels.len()).any(|position| self.compare(position - 1, position) == Some(Ordering::Equal))
    }

    /// How many labels come first for which `holds`, when those come before all others.
    pub(super) fn partition_point(&self, holds: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, self.labels.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// A label as text, for messages.
    pub(in super::super) fn text(&self, position: usize) -> String {
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
    pub(in super::super) fn extent(&self) -> String {
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
}

/// How an integer stands to a number, exactly.
fn compare(integer: i128, number: f64) -> Option<Ordering> {
    // Labels have at most 65 bits, so that numbers beyond `i128` compare right when they are cut to it.
    let floor = number.floor();
    let order = integer.cmp(&(floor as i128));
    Some(if order == Ordering::Equal && number > floor { Ordering::Less } else { order })
}
