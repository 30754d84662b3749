//! Why a time cannot be told.

use std::fmt;

/// Longest piece of a text from a file or a request that a message repeats, in characters.
const MAX_QUOTED_CHARS: usize = 80;

/// Why a calendar, units, a date or a value names no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeError {
    /// A calendar that CF knows, but whose numbers are not made dates: `none`, `tai`, `utc`.
    UndecodableCalendar {
        /// The calendar's name.
        calendar: String,
    },
    /// A calendar that CF does not know.
    UnknownCalendar {
        /// The calendar's name.
        calendar: String,
    },
    /// Units that are no `{unit} since {date}`, or not in this calendar.
    InvalidUnits {
        /// The units as given.
        units: String,
        /// What is wrong with them.
        reason: String,
    },
    /// Units that clients decode by passing over a part of them, so that they do not agree about the time. Unlike
    /// with all other units that are refused, a client may see dates where only numbers are known here.
    UnclearUnits {
        /// The units as given.
        units: String,
        /// What is not read alike.
        reason: String,
    },
    /// A date that cannot be read, or that the calendar does not have.
    InvalidDate {
        /// The date as given.
        date: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that is NaN or infinite.
    NotFinite,
    /// A time outside the years that are told apart, [`super::MAX_YEAR`] on both sides of year 0.
    OutOfRange {
        /// The value, the date or the year as given.
        value: String,
    },
}

impl TimeError {
    pub(super) fn units(units: &str, reason: String) -> Self {
        Self::InvalidUnits { units: quoted(units), reason }
    }

    pub(super) fn unclear(units: &str, reason: String) -> Self {
        Self::UnclearUnits { units: quoted(units), reason }
    }

    pub(super) fn date(date: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self::InvalidDate { date: quoted(&date.to_string()), reason: reason.into() }
    }

    pub(super) fn out_of_range(value: impl fmt::Display) -> Self {
        Self::OutOfRange { value: quoted(&value.to_string()) }
    }
}

/// The beginning of `text`: messages do not grow with what was sent.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UndecodableCalendar { calendar } => {
                write!(
                    f,
                    "times in calendar {calendar:?} are not decoded: its numbers are served as they are"
                )
            }
            Self::UnknownCalendar { calendar } => write!(
                f,
                "unknown calendar {calendar:?}, expected one of standard, gregorian, proleptic_gregorian, \
                 julian, noleap, 365_day, all_leap, 366_day, 360_day"
            ),
            Self::InvalidUnits { units, reason } | Self::UnclearUnits { units, reason } => {
                write!(f, "time units {units:?}: {reason}")
            }
            Self::InvalidDate { date, reason } => write!(f, "date {date:?}: {reason}"),
            Self::NotFinite => write!(f, "a time that is not a finite number"),
            Self::OutOfRange { value } => {
                write!(f, "time {value} lies outside the years -{0} to {0}", super::MAX_YEAR)
            }
        }
    }
}

impl std::error::Error for TimeError {}
