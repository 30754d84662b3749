//! The reference dates of units: what comes after `since`.
//!
//! # Source
//! UDUNITS-2, "time specification"; ISO 8601; the forms that cftime 1.6 and pandas read.

use super::datetime::MINUTE;
use super::error::quoted;
use super::scan::{Clock, Scan, Zone};
use super::{Calendar, DateTime, TimeError};

/// Years in which xarray reads reference dates of the Gregorian calendars with pandas, which sees more than cftime: those
/// that nanoseconds reach.
const PANDAS_YEARS: std::ops::Range<i32> = 1678..2262;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const READ_DIFFERENTLY: &str = "readers disagree about its reference date, \
     expected YYYY-MM-DD, HH:MM:SS and a zone such as +01:00, each after one space";

/// Reads the date at the end of `units`, such as `1850-1-1`, `1900-01-01 00:00:0.0 +01:00`, `2000-01-01T12:00Z`,
/// `20000101`, `1-jan-1970`.
///
/// # Errors
/// [`TimeError::InvalidUnits`] if it is no date of the calendar. [`TimeError::UnclearUnits`] if xarray takes it for
/// another time than UDUNITS: cftime passes over times and zones that it does not know.
pub(super) fn parse(date: &str, calendar: Calendar, units: &str) -> Result<DateTime, TimeError> {
    let Some(written) = Written::read(date.trim()) else {
        // Readers guess at anything with a number in it, such as 01-02-2000.
        let has_number = date.contains(|char: char| char.is_ascii_digit());
        let refusal = if has_number { TimeError::unclear } else { TimeError::units };
        return Err(refusal(units, "its reference is not a date such as 2000-01-31".to_owned()));
    };
    if !written.rest.is_empty() {
        let reason = format!("cannot read {:?} in its reference date", quoted(written.rest));
        return Err(TimeError::unclear(units, reason));
    }
    if written.is_mistaken(calendar) || !(written.suits_cftime() || written.suits_pandas(calendar)) {
        return Err(TimeError::unclear(units, READ_DIFFERENTLY.to_owned()));
    }
    written.instant(calendar).map_err(|error| TimeError::units(units, error.to_string()))
}

/// A reference date as it was written. Its numbers are not checked.
struct Written<'a> {
    text: &'a str,
    date: Date,
    n_before_clock: usize,
    clock: Clock,
    n_before_zone: usize,
    zone: Zone,
    /// What comes after it and was not read.
    rest: &'a str,
}

struct Date {
    year: i32,
    month: u8,
    day: u8,
    n_year_digits: usize,
    /// False if the day, or month and day, are left out.
    is_whole: bool,
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut scan = Scan::new(text);
        let date = Date::read(&mut scan)?;
        let clock = if date.is_whole { clock(&mut scan) } else { None };
        let (n_before_clock, clock) = clock.unwrap_or_default();
        let n_before_zone = scan.spaces();
        let zone = scan.zone().unwrap_or_default();
        let rest = if clock.is_midnight() && is_zero_zone(scan) { "" } else { scan.rest() };
        Some(Self { text, date, n_before_clock, clock, n_before_zone, zone, rest })
    }

    /// True if what cftime passes over is zero.
    fn suits_cftime(&self) -> bool {
        let has_clock = self.clock.n_parts > 0;
        let is_clock_seen =
            !has_clock || (self.n_before_clock == 1 && self.clock.n_parts > 1 && !self.clock.is_packed);
        // Between a date and the sign of a zone cftime looks for a time: 2000-01-01+06:00 is six o'clock to it.
        let is_zone_seen =
            self.zone.is_iso && (has_clock || self.n_before_zone == 1) && self.n_before_zone <= 1;
        (is_clock_seen || self.clock.is_midnight())
            && (self.zone.minutes == 0 || (is_clock_seen && is_zone_seen))
    }

    /// True if xarray asks pandas first, and pandas sees everything.
    fn suits_pandas(&self, calendar: Calendar) -> bool {
        let is_asked = is_gregorian(calendar) && PANDAS_YEARS.contains(&self.date.year);
        let is_known = !self.text.starts_with('+') && !self.text.contains('_');
        is_asked && is_known && (self.zone.minutes == 0 || self.clock.n_parts > 1)
    }

    /// True if xarray, which asks pandas for years of four digits, finds four in another place, such as a zone.
    fn is_mistaken(&self, calendar: Calendar) -> bool {
        let is_year = |run: &str| run.len() >= 4;
        let has_other = || self.text.split(|char: char| !char.is_ascii_digit()).any(is_year);
        is_gregorian(calendar) && self.date.n_year_digits < 4 && has_other()
    }

    fn instant(&self, calendar: Calendar) -> Result<DateTime, TimeError> {
        let Clock { hour, minute, second, microsecond, .. } = self.clock;
        DateTime::new(calendar, self.date.year, self.date.month, self.date.day)?
            .with_time(hour, minute, second, microsecond)?
            .add_microseconds(-self.zone.minutes * MINUTE)
    }
}

impl Date {
    fn read(scan: &mut Scan<'_>) -> Option<Self> {
        let sign = scan.eat(&['-', '+']);
        let first = scan.digits()?;
        let n_year_digits = first.len();
        if n_year_digits == 8 && sign.is_none() {
            let (month, day) = (first.part(4, 6)?, first.part(6, 8)?);
            return Some(Self { year: first.part(0, 4)?, month, day, n_year_digits: 4, is_whole: true });
        }
        let separators: &[char] = if n_year_digits == 4 { &['-', '/'] } else { &['-'] };
        let separator = scan.eat(separators);
        if separator.is_some() && scan.rest().starts_with(|next: char| next.is_ascii_alphabetic()) {
            return Self::day_first(scan, first.number()?).filter(|_| sign.is_none());
        }
        let year: i32 = first.number()?;
        let year = if sign == Some('-') { -year } else { year };
        let month = if separator.is_some() { Some(scan.two_digits()?) } else { None };
        let has_day = separator.is_some_and(|separator| scan.eat(&[separator]).is_some());
        let day = if has_day { Some(scan.two_digits()?) } else { None };
        let is_date = day.is_some() || n_year_digits == 4;
        is_date.then_some(Self {
            year,
            month: month.unwrap_or(1),
            day: day.unwrap_or(1),
            n_year_digits,
            is_whole: has_day,
        })
    }

    /// `jan-1970` after a day and its hyphen.
    fn day_first(scan: &mut Scan<'_>, day: u8) -> Option<Self> {
        let month = month_number(scan.letters())?;
        scan.eat(&['-'])?;
        let year = scan.digits().filter(|year| year.len() == 4)?;
        Some(Self { year: year.number()?, month, day, n_year_digits: 4, is_whole: true })
    }
}

fn is_gregorian(calendar: Calendar) -> bool {
    matches!(calendar, Calendar::Standard | Calendar::ProlepticGregorian)
}

/// Number of a month by the first three letters of its English name.
fn month_number(name: &str) -> Option<u8> {
    let start = name.get(..3)?.to_ascii_lowercase();
    (1..).zip(MONTHS).find(|(_, month)| *month == start).map(|(number, _)| number)
}

/// A time of day, and the number of characters before it. Nothing is read if there is none.
fn clock(scan: &mut Scan<'_>) -> Option<(usize, Clock)> {
    let mut after = *scan;
    let n_before = if after.eat(&['T', 't', '_']).is_some() { 1 } else { after.spaces() };
    let clock = after.clock().filter(|_| n_before > 0)?;
    *scan = after;
    Some((n_before, clock))
}

/// True for a zone of nothing that lacks its sign, as in `00:00:00 0:00`.
fn is_zero_zone(mut scan: Scan<'_>) -> bool {
    scan.clock().is_some_and(|clock| clock.is_midnight()) && scan.rest().is_empty()
}
