//! The calendars of CF, and how each counts its days.

use std::fmt;

use super::TimeError;
use super::datetime::{DAY, MAX_YEAR};
use super::error::quoted;
use super::years::Years;

/// Days by which 1 January of year 0 of the Julian calendar comes before that of the Gregorian one.
pub(super) const JULIAN_LAG: i64 = 2;

/// The first day of the Gregorian calendar, which followed 4 October 1582.
const REFORM: (i32, u8, u8) = (1582, 10, 15);

/// The last day of the Julian calendar where the Gregorian one followed it.
const LAST_JULIAN: (i32, u8, u8) = (1582, 10, 4);

/// Day of the week of 1 January of year 0, with Monday 0. The idealized calendars begin on a Monday, as in cftime.
const GREGORIAN_WEEKDAY: i64 = 5;

/// A calendar of CF that times are decoded in.
///
/// ```
/// use thermocline_model::cf::Calendar;
///
/// assert_eq!(Calendar::parse("365_Day"), Ok(Calendar::NoLeap));
/// assert_eq!(Calendar::Day360.days_in_month(2001, 2), Some(30));
/// assert!(Calendar::parse("none").is_err());
/// ```
///
/// # Source
/// CF Conventions 1.11, section 4.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Calendar {
    /// Julian until 4 October 1582, Gregorian from the next day on, which is 15 October. No year 0.
    #[default]
    Standard,
    /// Gregorian also before its introduction, with a year 0.
    ProlepticGregorian,
    /// Every fourth year has a leap day. No year 0.
    Julian,
    /// Every year has 365 days.
    NoLeap,
    /// Every year has 366 days.
    AllLeap,
    /// Every month has 30 days.
    Day360,
}

impl Calendar {
    /// The calendar of a `calendar` attribute, in any case and by any of its names.
    ///
    /// # Errors
    /// [`TimeError::UndecodableCalendar`] for calendars that CF knows and xarray does not decode,
    /// [`TimeError::UnknownCalendar`] for others.
    pub fn parse(name: &str) -> Result<Self, TimeError> {
        match name.to_ascii_lowercase().as_str() {
            "standard" | "gregorian" => Ok(Self::Standard),
            "proleptic_gregorian" => Ok(Self::ProlepticGregorian),
            "julian" => Ok(Self::Julian),
            "noleap" | "365_day" => Ok(Self::NoLeap),
            "all_leap" | "366_day" => Ok(Self::AllLeap),
            "360_day" => Ok(Self::Day360),
            "none" | "tai" | "utc" => Err(TimeError::UndecodableCalendar { calendar: quoted(name) }),
            _ => Err(TimeError::UnknownCalendar { calendar: quoted(name) }),
        }
    }

    /// The calendar's name, the one of its names that cftime uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::ProlepticGregorian => "proleptic_gregorian",
            Self::Julian => "julian",
            Self::NoLeap => "noleap",
            Self::AllLeap => "all_leap",
            Self::Day360 => "360_day",
        }
    }

    /// True where a year 0 lies between the years -1 and 1.
    pub fn has_year_zero(self) -> bool {
        !matches!(self, Self::Standard | Self::Julian)
    }

    /// True for the years with a leap day; never for a year 0 that the calendar does not have.
    pub fn is_leap(self, year: i32) -> bool {
        let exists = year != 0 || self.has_year_zero();
        exists && self.years_of((year, 12, 31)).is_leap(self.astronomical(year))
    }

    /// Days of a month; `None` if `month` is not 1 to 12. As in cftime, October 1582 has 31 in every calendar
    /// but 360_day, also where ten of them do not exist.
    pub fn days_in_month(self, year: i32, month: u8) -> Option<u8> {
        let years = self.years_of((year, month, 31));
        (1..=12).contains(&month).then(|| years.days_in_month(self.astronomical(year), month))
    }

    /// True if the calendar has the date.
    pub fn has_date(self, year: i32, month: u8, day: u8) -> bool {
        let date = (year, month, day);
        let is_skipped = self == Self::Standard && date > LAST_JULIAN && date < REFORM;
        let exists = year != 0 || self.has_year_zero();
        let is_in_month = self.days_in_month(year, month).is_some_and(|days| (1..=days).contains(&day));
        exists && is_in_month && !is_skipped
    }

    /// The latest day of a month that is not after `day` and that the calendar has.
    pub(super) fn clip_day(self, year: i32, month: u8, day: u8) -> u8 {
        let day = day.min(self.days_in_month(year, month).unwrap_or(28));
        let (_, _, last) = LAST_JULIAN;
        if self.has_date(year, month, day) { day } else { last.min(day) }
    }

    /// Days from 1970-01-01 of this calendar.
    pub(super) fn day_number(self, date: (i32, u8, u8)) -> i64 {
        self.axis_day(date) - self.axis_day((1970, 1, 1))
    }

    /// The date a number of days from 1970-01-01 of this calendar. The year may be beyond those that are allowed.
    pub(super) fn date(self, day_number: i64) -> (i64, u8, u8) {
        let number = day_number + self.axis_day((1970, 1, 1));
        let is_julian = self == Self::Standard && number < self.axis_day(REFORM);
        let (year, month, day) = if is_julian {
            Years::Julian.date(number + JULIAN_LAG)
        } else {
            self.years_of(REFORM).date(number)
        };
        (if year <= 0 && !self.has_year_zero() { year - 1 } else { year }, month, day)
    }

    /// True for [`super::DateTime::ticks`] within the years that are told apart.
    pub(super) fn has_ticks(self, ticks: i64) -> bool {
        let first = self.day_number((-MAX_YEAR, 1, 1));
        let end = self.day_number((MAX_YEAR + 1, 1, 1));
        (first..end).contains(&ticks.div_euclid(DAY))
    }

    /// Day of the week, with Monday 0.
    pub(super) fn weekday(self, date: (i32, u8, u8)) -> u8 {
        let first = match self {
            Self::Standard | Self::ProlepticGregorian => GREGORIAN_WEEKDAY,
            Self::Julian => GREGORIAN_WEEKDAY - JULIAN_LAG,
            Self::NoLeap | Self::AllLeap | Self::Day360 => 0,
        };
        (self.axis_day(date) + first).rem_euclid(7) as u8
    }

    pub(super) fn days_before_month(self, year: i32, month: u8) -> i64 {
        self.years_of((year, month, 31)).days_before_month(self.astronomical(year), month)
    }

    /// Days on one axis for all dates of the calendar: Julian dates of the standard calendar go before Gregorian ones.
    fn axis_day(self, date: (i32, u8, u8)) -> i64 {
        let (year, month, day) = date;
        let years = self.years_of(date);
        let lag = if self == Self::Standard && years == Years::Julian { JULIAN_LAG } else { 0 };
        years.day_number(self.astronomical(year), month, day) - lag
    }

    fn years_of(self, date: (i32, u8, u8)) -> Years {
        match self {
            Self::Standard if date < REFORM => Years::Julian,
            Self::Standard | Self::ProlepticGregorian => Years::Gregorian,
            Self::Julian => Years::Julian,
            Self::NoLeap => Years::Days365,
            Self::AllLeap => Years::Days366,
            Self::Day360 => Years::Days360,
        }
    }

    /// Year -1 is year 0 for astronomers where the calendar has none.
    fn astronomical(self, year: i32) -> i64 {
        i64::from(year) + i64::from(year < 0 && !self.has_year_zero())
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
