//! The reference dates of units: what comes after `since`.
//!
//! # Source
//! UDUNITS-2, "time specification"; ISO 8601; the forms that cftime 1.6 and pandas read.

use super::datetime::MINUTE;
use super::scan::{Clock, Scan, Zone};
use super::{Calendar, DateTime};

/// From here on xarray reads reference dates of the Gregorian calendars with pandas, which reads more than cftime.
const PANDAS_FROM: (i32, u8, u8) = (1582, 10, 15);

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const READ_DIFFERENTLY: &str = "its time or zone is skipped by some readers and not by others, \
     expected HH:MM:SS and a zone such as +01:00, each after one space";

/// Reads `1850-1-1`, `1900-01-01 00:00:0.0 +01:00`, `2000-01-01T12:00Z`, `20000101`, `1-jan-1970`.
///
/// # Errors
/// What is wrong with it. That includes a text that xarray's two readers take for different times, unless the one
/// that xarray asks first for this calendar and date takes it as UDUNITS does.
pub(super) fn parse(text: &str, calendar: Calendar) -> Result<DateTime, String> {
    let mut scan = Scan::new(text.trim());
    let date = date(&mut scan).ok_or("its reference is not a date such as 2000-01-31")?;
    let (clock, is_plain_clock) = clock(&mut scan);
    let before_zone = scan.spaces();
    let zone = scan.zone().unwrap_or_default();
    let is_done = scan.rest().is_empty() || (clock.is_midnight() && is_zero_zone(scan));
    if !is_done {
        return Err(format!("cannot read {:?} in its reference date", super::error::quoted(scan.rest())));
    }
    // Between a date and the sign of a zone cftime looks for a time: 2000-01-01+06:00 is six o'clock to it.
    let is_glued = zone.minutes != 0 && clock.n_parts == 0 && before_zone == 0;
    let is_plain_zone = zone.minutes == 0 || (zone.is_iso && before_zone <= 1);
    if is_glued || !((is_plain_clock && is_plain_zone) || is_read_by_pandas(calendar, date)) {
        return Err(READ_DIFFERENTLY.to_owned());
    }
    instant(calendar, date, clock, zone).map_err(|error| error.to_string())
}

fn instant(
    calendar: Calendar,
    (year, month, day): (i32, u8, u8),
    clock: Clock,
    zone: Zone,
) -> Result<DateTime, super::TimeError> {
    DateTime::new(calendar, year, month, day)?
        .with_time(clock.hour, clock.minute, clock.second, clock.microsecond)?
        .add_microseconds(-zone.minutes * MINUTE)
}

fn is_read_by_pandas(calendar: Calendar, date: (i32, u8, u8)) -> bool {
    matches!(calendar, Calendar::Standard | Calendar::ProlepticGregorian) && date >= PANDAS_FROM
}

fn date(scan: &mut Scan<'_>) -> Option<(i32, u8, u8)> {
    let sign = scan.eat(&['-', '+']);
    let first = scan.digits()?;
    let negative = |year: i32| if sign == Some('-') { -year } else { year };
    if first.len() == 8 && sign.is_none() {
        return Some((first.part(0, 4)?, first.part(4, 6)?, first.part(6, 8)?));
    }
    let separators: &[char] = if first.len() == 4 { &['-', '/'] } else { &['-'] };
    let Some(separator) = scan.eat(separators) else {
        return (first.len() == 4).then_some((negative(first.number()?), 1, 1));
    };
    let Some(month) = scan.two_digits() else {
        let month = month_number(scan.letters())?;
        scan.eat(&['-'])?;
        let year = scan.digits().filter(|year| sign.is_none() && year.len() == 4)?;
        return Some((year.number()?, month, first.number()?));
    };
    let year = negative(first.number()?);
    if scan.eat(&[separator]).is_none() {
        return (first.len() == 4).then_some((year, month, 1));
    }
    Some((year, month, scan.two_digits()?))
}

/// Number of a month by the first three letters of its English name.
fn month_number(name: &str) -> Option<u8> {
    let start = name.get(..3)?.to_ascii_lowercase();
    (1..).zip(MONTHS).find(|(_, month)| *month == start).map(|(number, _)| number)
}

/// The time of day, midnight if there is none, and whether cftime reads it too.
fn clock(scan: &mut Scan<'_>) -> (Clock, bool) {
    let mut after = *scan;
    let n_separators = match after.eat(&['T', 't', '_']) {
        Some(_) => 1,
        None => after.spaces(),
    };
    let Some(clock) = after.clock().filter(|_| n_separators > 0) else { return (Clock::default(), true) };
    let is_skipped = clock.is_packed || clock.n_parts < 2 || n_separators > 1;
    *scan = after;
    (clock, clock.is_midnight() || !is_skipped)
}

/// True for a zone of nothing that lacks its sign, as in `00:00:00 0:00`.
fn is_zero_zone(mut scan: Scan<'_>) -> bool {
    scan.clock().is_some_and(|clock| clock.is_midnight()) && scan.rest().is_empty()
}
