//! Instants of every calendar on the one axis of catalogs: the proleptic Gregorian calendar in UTC.

use thermocline_model::cf::{Calendar, DateTime};

const DAY: i64 = 86_400_000_000;

/// Days by which 1 January 1970 of the Julian calendar comes after that of the Gregorian one.
const JULIAN_LAG: i64 = 13;

/// 0001-01-01T00:00:00Z in microseconds since 1970.
pub(super) const FIRST: i64 = -62_135_596_800_000_000;

/// 9999-12-31T23:59:59Z in microseconds since 1970.
pub(super) const LAST: i64 = 253_402_300_799_000_000;

/// What is said of instants that were clipped.
pub(super) const CLIPPED: &str = "times outside the years 1 to 9999 are told as their ends";

/// An instant of a calendar as one that catalogs tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Microseconds since 1970-01-01T00:00:00Z, within the years 1 to 9999.
    pub(super) us: i64,
    /// True if the instant lies outside of these years.
    pub(super) is_clipped: bool,
}

/// The instant `ticks` microseconds after 1970-01-01 of a calendar.
///
/// The standard and Julian calendars go through the day itself; idealized calendars keep year, month, day and time,
/// and a day that the month lacks becomes its last. `None` beyond all years.
pub(super) fn told(calendar: Calendar, ticks: i64) -> Option<Told> {
    let us = match calendar {
        Calendar::Standard | Calendar::ProlepticGregorian => ticks,
        Calendar::Julian => ticks.checked_add(JULIAN_LAG * DAY)?,
        Calendar::NoLeap | Calendar::AllLeap | Calendar::Day360 => {
            let date = DateTime::from_ticks(calendar, ticks).ok()?;
            let gregorian = Calendar::ProlepticGregorian;
            let last = gregorian.days_in_month(date.year(), date.month())?;
            let day = DateTime::new(gregorian, date.year(), date.month(), date.day().min(last)).ok()?;
            day.ticks().checked_add(ticks.rem_euclid(DAY))?
        }
    };
    Some(Told { us: us.clamp(FIRST, LAST), is_clipped: !(FIRST..=LAST + 999_999).contains(&us) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(calendar: Calendar, year: i32, month: u8, day: u8) -> (String, bool) {
        let told = told(calendar, DateTime::new(calendar, year, month, day).unwrap().ticks()).unwrap();
        let date = DateTime::from_ticks(Calendar::ProlepticGregorian, told.us).unwrap();
        (date.to_string(), told.is_clipped)
    }

    #[test]
    fn calendars_are_told_in_gregorian_dates() {
        let cases = [
            (Calendar::Standard, (2000, 2, 29), "2000-02-29T00:00:00"),
            (Calendar::Standard, (1500, 1, 1), "1500-01-10T00:00:00"),
            (Calendar::Standard, (1582, 10, 4), "1582-10-14T00:00:00"),
            (Calendar::Julian, (2000, 1, 1), "2000-01-14T00:00:00"),
            (Calendar::Julian, (1970, 1, 1), "1970-01-14T00:00:00"),
            (Calendar::NoLeap, (2000, 3, 1), "2000-03-01T00:00:00"),
            (Calendar::AllLeap, (2001, 2, 29), "2001-02-28T00:00:00"),
            (Calendar::Day360, (2001, 2, 30), "2001-02-28T00:00:00"),
            (Calendar::Day360, (2000, 2, 30), "2000-02-29T00:00:00"),
            (Calendar::ProlepticGregorian, (1, 1, 1), "0001-01-01T00:00:00"),
        ];
        for (calendar, (year, month, day), expected) in cases {
            assert_eq!(text(calendar, year, month, day), (expected.to_owned(), false), "{calendar} {year}");
        }
    }

    #[test]
    fn years_that_rfc_3339_has_not_are_clipped_and_said_so() {
        assert_eq!(text(Calendar::NoLeap, 10_000, 1, 1), ("9999-12-31T23:59:59".to_owned(), true));
        assert_eq!(text(Calendar::Day360, 0, 12, 30), ("0001-01-01T00:00:00".to_owned(), true));
        assert_eq!(text(Calendar::Standard, -5, 1, 1), ("0001-01-01T00:00:00".to_owned(), true));
    }
}
