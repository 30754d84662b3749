//! Groups of equal components of times.
//!
//! # Source
//! pandas' `DatetimeIndex` and cftime's `datetime`; weeks of ISO 8601. `month_day`, `decade` and, in all calendars,
//! `quarter` and `date` are our own.

use thermocline_model::Attributes;
use thermocline_model::cf::{Calendar, DateTime};

use super::coordinate::Along;
use super::unique::{factorize, too_many_groups};
use super::{Coded, GroupLabels, NO_GROUP};
use crate::{Component, Failure};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Days of a year that has all of them, before each month.
const BEFORE_MONTH: [i64; 12] = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335];

/// Seasons by code point: the order in which their labels come.
const SEASONS: [&str; 4] = ["DJF", "JJA", "MAM", "SON"];

/// Groups the times of a coordinate by equal components.
pub(super) fn equal(
    along: &Along<'_>,
    (word, component): (&str, Component),
    max_groups: u64,
) -> Result<Coded, Failure> {
    let times = along.times()?;
    let calendar = times.units.calendar();
    if component == Component::Week && !has_weeks(calendar) {
        let allowed = Component::WORDS.iter().filter(|(_, other)| *other != Component::Week);
        return Err(Failure::mistake_among(
            format!(
                "component '{word}' needs the weeks of the civil calendar, and coordinate '{}' is in '{calendar}'",
                along.name
            ),
            allowed.map(|(word, _)| *word),
        ));
    }
    let keys = times.dates().map(|date| date.map(|date| value(component, &date)));
    let (keys, codes) = factorize(keys, max_groups)
        .ok_or_else(|| too_many_groups(&format!("{}.{word}", along.name), max_groups))?;
    if codes.iter().all(|code| *code == NO_GROUP) {
        return Err(along.without_labels());
    }
    let (labels, attrs) = match component {
        Component::Season => {
            let text = |key: &i64| usize::try_from(*key).ok().and_then(|key| SEASONS.get(key));
            let texts = keys.iter().filter_map(text).map(|text| (*text).to_owned());
            (GroupLabels::Texts(texts.collect()), Attributes::new())
        }
        Component::IsLeapYear => {
            (GroupLabels::Booleans(keys.iter().map(|key| *key != 0).collect()), Attributes::new())
        }
        Component::Date => times.labels(keys),
        _ => (GroupLabels::Integers(keys), Attributes::new()),
    };
    Ok(Coded { codes, labels, attrs })
}

/// True for calendars whose weeks are those of civil life.
fn has_weeks(calendar: Calendar) -> bool {
    matches!(calendar, Calendar::Standard | Calendar::ProlepticGregorian)
}

/// The component of a date; of seasons the number among [`SEASONS`], of dates the ticks of midnight.
fn value(component: Component, date: &DateTime) -> i64 {
    let month = i64::from(date.month());
    match component {
        Component::Year => i64::from(date.year()),
        Component::Month => month,
        Component::Day => i64::from(date.day()),
        Component::Hour => i64::from(date.hour()),
        Component::Minute => i64::from(date.minute()),
        Component::Second => i64::from(date.second()),
        Component::Microsecond => i64::from(date.microsecond()),
        Component::DayOfYear => i64::from(date.day_of_year()),
        Component::DayOfWeek => i64::from(date.day_of_week()),
        Component::Quarter => (month + 2) / 3,
        Component::Season => match date.month() {
            12 | 1 | 2 => 0,
            6..=8 => 1,
            3..=5 => 2,
            _ => 3,
        },
        Component::DaysInMonth => i64::from(date.days_in_month()),
        Component::IsLeapYear => i64::from(date.is_leap_year()),
        Component::Week => iso_week(date),
        Component::MonthDay => month_day(date),
        Component::Decade => i64::from(date.year()).div_euclid(10) * 10,
        Component::Date => date.midnight().ticks(),
    }
}

fn month_day(date: &DateTime) -> i64 {
    let (month, day) = (usize::from(date.month()), i64::from(date.day()));
    if date.calendar() == Calendar::Day360 {
        return (i64::from(date.month()) - 1) * 30 + day;
    }
    BEFORE_MONTH.get(month.wrapping_sub(1)).copied().unwrap_or(0) + day
}

/// The week of ISO 8601: that of the week's Thursday, counted in the year which that lies in.
fn iso_week(date: &DateTime) -> i64 {
    let to_thursday = (3 - i64::from(date.day_of_week())) * DAY;
    let thursday = date.midnight().ticks() + to_thursday;
    let year = DateTime::from_ticks(date.calendar(), thursday).map_or(date.year(), |date| date.year());
    let first = DateTime::new(date.calendar(), year, 1, 1).map_or(thursday, |first| first.ticks());
    (thursday - first) / DAY / 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(component: Component, calendar: Calendar, (year, month, day): (i32, u8, u8)) -> i64 {
        value(component, &DateTime::new(calendar, year, month, day).unwrap())
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        for (date, week) in [
            ((2000, 1, 2), 52),
            ((2000, 1, 3), 1),
            ((2004, 12, 31), 53),
            ((2005, 1, 2), 53),
            ((2008, 12, 29), 1),
            ((2010, 1, 3), 53),
            ((2012, 1, 1), 52),
        ] {
            assert_eq!(of(Component::Week, Calendar::ProlepticGregorian, date), week, "{date:?}");
        }
    }

    #[test]
    fn days_of_months_are_the_same_in_every_year() {
        for (calendar, date, expected) in [
            (Calendar::Standard, (2000, 2, 29), 60),
            (Calendar::Standard, (2000, 3, 1), 61),
            (Calendar::Standard, (2001, 3, 1), 61),
            (Calendar::NoLeap, (2001, 12, 31), 366),
            (Calendar::Day360, (2001, 3, 1), 61),
            (Calendar::Day360, (2001, 12, 30), 360),
        ] {
            assert_eq!(of(Component::MonthDay, calendar, date), expected, "{calendar} {date:?}");
        }
        assert_eq!(of(Component::DayOfYear, Calendar::Standard, (2001, 3, 1)), 60);
    }

    #[test]
    fn decades_of_years_before_the_first_begin_earlier() {
        assert_eq!(of(Component::Decade, Calendar::NoLeap, (1999, 1, 1)), 1990);
        assert_eq!(of(Component::Decade, Calendar::NoLeap, (-1, 1, 1)), -10);
    }
}
