//! Instants as dates of a calendar.

use std::cmp::Ordering;
use std::fmt;

use super::{Calendar, TimeError};

/// The years that are told apart reach from minus this to this, so that microseconds fit 64 bits.
pub const MAX_YEAR: i32 = 250_000;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// A date and time of day in a calendar, in UTC and to the microsecond.
///
/// Two of them are ordered only within one calendar; the year is the calendar's own, so that the year before 1
/// is -1 in [`Calendar::Standard`] and [`Calendar::Julian`] and 0 in all others.
///
/// ```
/// use thermocline_model::cf::{Calendar, DateTime};
///
/// let leap_day = DateTime::new(Calendar::Day360, 2001, 2, 30)?.with_time(12, 30, 0, 0)?;
/// assert_eq!(leap_day.to_string(), "2001-02-30T12:30:00");
/// assert_eq!(leap_day.day_of_year(), 60);
/// # Ok::<(), thermocline_model::cf::TimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    calendar: Calendar,
    year: i32,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    microsecond: u32,
}

impl DateTime {
    /// Midnight at the beginning of a day.
    ///
    /// # Errors
    /// [`TimeError::InvalidDate`] for a day that the calendar does not have, [`TimeError::OutOfRange`] for a year
    /// beyond [`MAX_YEAR`].
    pub fn new(calendar: Calendar, year: i32, month: u8, day: u8) -> Result<Self, TimeError> {
        if year.unsigned_abs() > MAX_YEAR.unsigned_abs() {
            return Err(TimeError::out_of_range(format_args!("in year {year}")));
        }
        if !calendar.has_date(year, month, day) {
            let date = YearMonthDay(year, month, day);
            return Err(TimeError::date(date, format!("the {calendar} calendar does not have it")));
        }
        Ok(Self { calendar, year, month, day, hour: 0, minute: 0, second: 0, microsecond: 0 })
    }

    /// Another time of the same day.
    ///
    /// # Errors
    /// [`TimeError::InvalidDate`] unless the hour is below 24, minute and second below 60, and microsecond below 10^6.
    pub fn with_time(self, hour: u8, minute: u8, second: u8, microsecond: u32) -> Result<Self, TimeError> {
        if hour > 23 || minute > 59 || second > 59 || microsecond > 999_999 {
            let time = format_args!("{hour:02}:{minute:02}:{second:02}.{microsecond:06}").to_string();
            return Err(TimeError::date(time, "no day has this time"));
        }
        Ok(Self { hour, minute, second, microsecond, ..self })
    }

    /// The instant `ticks` microseconds after 1970-01-01T00:00:00 of the calendar.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] for years beyond [`MAX_YEAR`].
    pub fn from_ticks(calendar: Calendar, ticks: i64) -> Result<Self, TimeError> {
        let (year, month, day) = calendar.date(ticks.div_euclid(DAY));
        let out_of_range = || TimeError::out_of_range(format_args!("in year {year}"));
        let year = i32::try_from(year).ok().filter(|year| year.unsigned_abs() <= MAX_YEAR.unsigned_abs());
        let rest = ticks.rem_euclid(DAY);
        Ok(Self {
            calendar,
            year: year.ok_or_else(out_of_range)?,
            month,
            day,
            hour: (rest / HOUR) as u8,
            minute: (rest % HOUR / MINUTE) as u8,
            second: (rest % MINUTE / SECOND) as u8,
            microsecond: (rest % SECOND) as u32,
        })
    }

    /// Microseconds from 1970-01-01T00:00:00 of the calendar: instants of one calendar compare as these do.
    ///
    /// In [`Calendar::Standard`] and [`Calendar::ProlepticGregorian`] these are the numbers of `datetime64[us]`.
    pub fn ticks(&self) -> i64 {
        let seconds = i64::from(self.hour) * 3_600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let days = self.calendar.day_number((self.year, self.month, self.day));
        days * DAY + seconds * SECOND + i64::from(self.microsecond)
    }

    /// The calendar.
    pub fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// The year.
    pub fn year(&self) -> i32 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(&self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    pub fn day(&self) -> u8 {
        self.day
    }

    /// The hour, 0 to 23.
    pub fn hour(&self) -> u8 {
        self.hour
    }

    /// The minute, 0 to 59.
    pub fn minute(&self) -> u8 {
        self.minute
    }

    /// The second, 0 to 59.
    pub fn second(&self) -> u8 {
        self.second
    }

    /// The microsecond, 0 to 999,999.
    pub fn microsecond(&self) -> u32 {
        self.microsecond
    }

    /// The day of the calendar's own year, from 1. As in cftime, the ten days of October 1582 that do not exist count.
    pub fn day_of_year(&self) -> u16 {
        (self.calendar.days_before_month(self.year, self.month) + i64::from(self.day)) as u16
    }

    /// The day of the week, 0 (Monday) to 6. Idealized calendars begin with a Monday in year 0, as in cftime.
    pub fn day_of_week(&self) -> u8 {
        self.calendar.weekday((self.year, self.month, self.day))
    }

    /// Days of this instant's month, see [`Calendar::days_in_month`].
    pub fn days_in_month(&self) -> u8 {
        self.calendar.days_in_month(self.year, self.month).unwrap_or(self.day)
    }

    /// True if the year has a leap day.
    pub fn is_leap_year(&self) -> bool {
        self.calendar.is_leap(self.year)
    }

    /// Midnight at the beginning of this day.
    pub fn midnight(&self) -> Self {
        Self { hour: 0, minute: 0, second: 0, microsecond: 0, ..*self }
    }

    /// The instant so many microseconds later, or earlier if negative.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] for years beyond [`MAX_YEAR`].
    pub fn add_microseconds(&self, microseconds: i64) -> Result<Self, TimeError> {
        let out_of_range = || TimeError::out_of_range(format_args!("{self} + {microseconds} microseconds"));
        Self::from_ticks(self.calendar, self.ticks().checked_add(microseconds).ok_or_else(out_of_range)?)
    }

    /// The same day and time so many months later, or earlier if negative; if that month is shorter, its last day,
    /// and 4 October 1582 for the ten days after it that do not exist.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] for years beyond [`MAX_YEAR`].
    pub fn add_months(&self, months: i64) -> Result<Self, TimeError> {
        let out_of_range = || TimeError::out_of_range(format_args!("{self} + {months} months"));
        let has_zero = self.calendar.has_year_zero();
        let year = i64::from(self.year) + i64::from(self.year < 0 && !has_zero);
        let months = months.checked_add(year * 12 + i64::from(self.month) - 1).ok_or_else(out_of_range)?;
        let year = months.div_euclid(12);
        let year = if year <= 0 && !has_zero { year - 1 } else { year };
        let year = i32::try_from(year).map_err(|_| out_of_range())?;
        let month = months.rem_euclid(12) as u8 + 1;
        let day = self.calendar.clip_day(year, month, self.day);
        let date = Self::new(self.calendar, year, month, day).map_err(|_| out_of_range())?;
        date.with_time(self.hour, self.minute, self.second, self.microsecond)
    }
}

/// Instants of different calendars have no order.
impl PartialOrd for DateTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let fields = |time: &Self| {
            (time.year, time.month, time.day, time.hour, time.minute, time.second, time.microsecond)
        };
        (self.calendar == other.calendar).then(|| fields(self).cmp(&fields(other)))
    }
}

/// ISO 8601 without zone: `2000-01-31T12:00:00`, with six more digits where there are microseconds. Years beyond four
/// digits have a sign.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = YearMonthDay(self.year, self.month, self.day);
        write!(f, "{date}T{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        if self.microsecond > 0 {
            write!(f, ".{:06}", self.microsecond)?;
        }
        Ok(())
    }
}

struct YearMonthDay(i32, u8, u8);

impl fmt::Display for YearMonthDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(year, month, day) = self;
        let sign = match year {
            ..0 => "-",
            0..=9_999 => "",
            _ => "+",
        };
        write!(f, "{sign}{:04}-{month:02}-{day:02}", year.unsigned_abs())
    }
}
