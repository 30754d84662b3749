//! Dates of requests, which name a period: `2000-02` is all of February.

use super::datetime::{DAY, HOUR, MINUTE, SECOND};
use super::scan::{Clock, Digits, Scan};
use super::{Calendar, DateTime, TimeError};

/// Longest date accepted, in bytes.
const MAX_DATE_BYTES: usize = 64;

/// How precisely a date is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the precisions")]
pub enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
}

/// The time that a date names, from its first instant to before the first instant after it.
///
/// ```
/// use thermocline_model::cf::{Calendar, Period, Precision};
///
/// let february = Period::parse("2001-02", Calendar::Day360)?;
/// assert_eq!(february.precision(), Precision::Month);
/// assert_eq!(february.start().to_string(), "2001-02-01T00:00:00");
/// assert_eq!(february.end().to_string(), "2001-03-01T00:00:00");
/// # Ok::<(), thermocline_model::cf::TimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    start: DateTime,
    end: DateTime,
    precision: Precision,
}

impl Period {
    /// Reads an ISO 8601 date of the calendar, as precise as it is: `2000`, `2000-02`, `2000-02-03`, `2000-02-03T12`
    /// to `2000-02-03T12:30:15.250`, `20000203`, `20000203T1230`. A space or `_` may stand for the `T`; a zone after
    /// the time shifts to UTC. Years have four digits, or more and a sign.
    ///
    /// # Errors
    /// [`TimeError::InvalidDate`] for texts that are no date, dates that the calendar does not have and fractions
    /// finer than a microsecond; [`TimeError::OutOfRange`] for years beyond [`super::MAX_YEAR`].
    pub fn parse(text: &str, calendar: Calendar) -> Result<Self, TimeError> {
        let wrong = |reason: &str| TimeError::date(text, reason);
        if text.len() > MAX_DATE_BYTES {
            return Err(wrong("longer than 64 bytes"));
        }
        let mut scan = Scan::new(text.trim());
        let date = Date::read(&mut scan).ok_or_else(|| wrong("not a date such as 2000-01-31"))?;
        let midnight =
            DateTime::new(calendar, date.year, date.month, date.day).map_err(|error| said_of(text, error))?;
        if scan.rest().is_empty() {
            return Self::containing(&midnight, date.precision);
        }
        let is_whole_day = date.precision == Precision::Day;
        let clock = read_clock(&mut scan).filter(|_| is_whole_day);
        let clock = clock.ok_or_else(|| wrong("not a date such as 2000-01-31 or 2000-01-31T12:30"))?;
        scan.spaces();
        let zone = scan.zone().unwrap_or_default();
        if !scan.rest().is_empty() {
            return Err(wrong("expected nothing, or a zone such as Z or +01:00, after the time"));
        }
        if clock.is_finer {
            return Err(wrong("finer than a microsecond"));
        }
        let start = midnight
            .with_time(clock.hour, clock.minute, clock.second, clock.microsecond)
            .map_err(|error| said_of(text, error))?;
        let start = start.add_microseconds(-zone.minutes * MINUTE)?;
        let precision = precision_of(&clock);
        Ok(Self { start, end: start.add_microseconds(length(precision))?, precision })
    }

    /// The year, month, day, … that an instant lies in.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] if it ends beyond [`super::MAX_YEAR`].
    pub fn containing(time: &DateTime, precision: Precision) -> Result<Self, TimeError> {
        let calendar = time.calendar();
        let (start, end) = match precision {
            Precision::Year => {
                let start = DateTime::new(calendar, time.year(), 1, 1)?;
                (start, start.add_months(12)?)
            }
            Precision::Month => {
                let start = DateTime::new(calendar, time.year(), time.month(), 1)?;
                (start, start.add_months(1)?)
            }
            _ => {
                let length = length(precision);
                let start = time.add_microseconds(-time.ticks().rem_euclid(length))?;
                (start, start.add_microseconds(length)?)
            }
        };
        Ok(Self { start, end, precision })
    }

    /// The first instant.
    pub fn start(&self) -> DateTime {
        self.start
    }

    /// The first instant after it.
    pub fn end(&self) -> DateTime {
        self.end
    }

    /// How precisely it was given.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// True if the instant lies in it; never for instants of other calendars.
    pub fn contains(&self, time: &DateTime) -> bool {
        self.start <= *time && *time < self.end
    }

    /// The period as [`DateTime::ticks`], from its first to before its end.
    pub fn ticks(&self) -> std::ops::Range<i64> {
        self.start.ticks()..self.end.ticks()
    }
}

/// Microseconds of a period that is shorter than a month.
fn length(precision: Precision) -> i64 {
    match precision {
        Precision::Year | Precision::Month | Precision::Day => DAY,
        Precision::Hour => HOUR,
        Precision::Minute => MINUTE,
        Precision::Second => SECOND,
        Precision::Millisecond => 1_000,
        Precision::Microsecond => 1,
    }
}

/// An error about the date as it was written.
fn said_of(text: &str, error: TimeError) -> TimeError {
    match error {
        TimeError::InvalidDate { reason, .. } => TimeError::date(text, reason),
        error => error,
    }
}

struct Date {
    year: i32,
    month: u8,
    day: u8,
    precision: Precision,
}

impl Date {
    fn read(scan: &mut Scan<'_>) -> Option<Self> {
        let sign = scan.eat(&['-', '+']);
        let first = scan.digits()?;
        let has_month = scan.eat(&['-']).is_some();
        match first.len() {
            8 if sign.is_none() && !has_month => return Self::packed(first),
            4 | 5 => (),
            6.. if sign.is_some() => (),
            _ => return None,
        }
        let year: i32 = first.number()?;
        let year = if sign == Some('-') { -year } else { year };
        if !has_month {
            return Some(Self { year, month: 1, day: 1, precision: Precision::Year });
        }
        let month = scan.two_digits()?;
        if scan.eat(&['-']).is_none() {
            return Some(Self { year, month, day: 1, precision: Precision::Month });
        }
        Some(Self { year, month, day: scan.two_digits()?, precision: Precision::Day })
    }

    /// `YYYYMMDD`. Six digits are `YYYYMM` to some and `YYMMDD` to others.
    fn packed(digits: Digits<'_>) -> Option<Self> {
        let (year, month, day) = (digits.part(0, 4)?, digits.part(4, 6)?, digits.part(6, 8)?);
        Some(Self { year, month, day, precision: Precision::Day })
    }
}

fn read_clock(scan: &mut Scan<'_>) -> Option<Clock> {
    scan.eat(&['T', 't', ' ', '_'])?;
    scan.clock()
}

/// As in pandas, up to three digits of a second name a millisecond, more a microsecond.
fn precision_of(clock: &Clock) -> Precision {
    match (clock.n_parts, clock.n_fraction_digits) {
        (1, _) => Precision::Hour,
        (2, _) => Precision::Minute,
        (_, 0) => Precision::Second,
        (_, 1..=3) => Precision::Millisecond,
        _ => Precision::Microsecond,
    }
}
