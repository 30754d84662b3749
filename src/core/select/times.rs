//! Times of a coordinate: numbers and texts as instants of its calendar.

use std::ops::Range;

use thermocline_model::cf::{Calendar, DateTime, Period, TimeError, TimeUnits};
use thermocline_model::{Attributes, Number};

use super::grammar::parse_number;
use crate::{Error, Result};

/// Units and calendar of a coordinate of times.
#[derive(Debug, Clone)]
pub struct TimeAxis {
    units: TimeUnits,
}

impl TimeAxis {
    /// What stands for a missing time; no instant has these ticks.
    pub const MISSING: i64 = i64::MIN;

    /// The axis of a coordinate with these attributes; `None` where xarray leaves numbers numbers.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for units that clients do not read alike: a label would select another step
    /// here than the one that the client shows under it.
    pub(super) fn of(attrs: &Attributes) -> Result<Option<Self>> {
        match TimeUnits::of(attrs) {
            Some(Ok(units)) => Ok(Some(Self { units })),
            Some(Err(unclear @ TimeError::UnclearUnits { .. })) => {
                Err(Error::invalid_input(format!("{unclear}; select by position: isel=")))
            }
            Some(Err(_)) | None => Ok(None),
        }
    }

    /// The calendar of the instants.
    pub fn calendar(&self) -> Calendar {
        self.units.calendar()
    }

    /// True for a coordinate of times, also where clients do not agree which ones.
    pub(super) fn is_time(attrs: &Attributes) -> bool {
        !matches!(Self::of(attrs), Ok(None))
    }

    /// The instant of a stored number, in microseconds; missing for NaN.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for numbers beyond all years.
    pub(super) fn ticks(&self, number: Number) -> Result<i64> {
        match number {
            Number::Float(value) if value.is_nan() => Ok(Self::MISSING),
            number => {
                self.units.decode_ticks(number).map_err(|cause| Error::invalid_input(cause.to_string()))
            }
        }
    }

    /// The period that a text names, in microseconds: a date of any precision, or a number in the units of the
    /// coordinate if it has a decimal point.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for dates that the calendar does not have.
    pub(super) fn period(&self, text: &str) -> Result<Range<i64>> {
        if let Some(number) = parse_number(text).filter(|_| text.contains('.')) {
            let ticks = self.ticks(Number::Float(number))?;
            return Ok(ticks..ticks.saturating_add(1));
        }
        let period = Period::parse(text, self.units.calendar());
        Ok(period.map_err(|cause| Error::invalid_input(cause.to_string()))?.ticks())
    }

    /// An instant as text.
    pub(super) fn text(&self, ticks: i64) -> String {
        match DateTime::from_ticks(self.units.calendar(), ticks) {
            Ok(instant) => instant.to_string(),
            Err(_) => "missing".to_owned(),
        }
    }
}
