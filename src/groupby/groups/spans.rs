//! Resampling: groups that are spans of time of one length, all of them listed.
//!
//! Spans of days and less are counted from the midnight before the first time; those of months, quarters and years begin
//! with these. Spans that end with months, quarters and years are closed and labelled there.
//!
//! # Source
//! pandas' `Grouper` with `origin="start_day"` and xarray's `CFTimeGrouper`, which agree. Where both list a span after the
//! last time, because that is the last microsecond of its span, this module does not.

use thermocline_model::cf::{Calendar, DateTime};

use super::coordinate::{Along, Times};
use super::{Coded, NO_GROUP, check_listed};
use crate::request::FrequencyUnit;
use crate::{Failure, Frequency};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Groups the times of a coordinate by spans.
pub(super) fn spans(along: &Along<'_>, frequency: Frequency) -> Result<Coded, Failure> {
    let times = along.times()?;
    let extent = times.ticks().flatten().fold(None, |extent: Option<(i64, i64)>, ticks| {
        Some(extent.map_or((ticks, ticks), |(lo, hi)| (lo.min(ticks), hi.max(ticks))))
    });
    let (first, last) = extent.ok_or_else(|| along.without_labels())?;
    let spans = Spans::from(frequency, times.units.calendar(), first)?;
    let n = spans.number(last).and_then(|last| u64::try_from(last).ok()?.checked_add(1));
    let n =
        n.ok_or_else(|| Failure::mistake("option 'freq': its spans leave the years that are told apart"))?;
    check_listed(&format!("option 'freq' over coordinate '{}'", along.name), n, "freq")?;
    let labels = (0..n as i64).map(|number| spans.label(number)).collect::<Option<Vec<i64>>>();
    let labels = labels
        .ok_or_else(|| Failure::mistake("option 'freq': its labels leave the years that are told apart"))?;
    let code = |ticks: Option<i64>| {
        ticks
            .and_then(|ticks| spans.number(ticks))
            .and_then(|code| u32::try_from(code).ok())
            .unwrap_or(NO_GROUP)
    };
    let codes = codes(&times, code);
    let (labels, attrs) = times.labels(labels);
    Ok(Coded { codes, labels, attrs })
}

fn codes(times: &Times<'_>, code: impl Fn(Option<i64>) -> u32) -> Vec<u32> {
    times.ticks().map(code).collect()
}

/// Spans of one length, numbered from that of the first time.
#[derive(Debug, Clone, Copy)]
enum Spans {
    /// Of `len` microseconds from `start` on.
    Ticks { start: i128, len: i128 },
    /// Of `n` months from the beginning of month `start` on.
    Starts { calendar: Calendar, start: i64, n: i64 },
    /// Of `n` months up to the end of month `end`, which is the first one's.
    Ends { calendar: Calendar, end: i64, n: i64 },
}

impl Spans {
    fn from(frequency: Frequency, calendar: Calendar, first: i64) -> Result<Self, Failure> {
        let n = i64::from(frequency.n.max(1));
        let month = month_number(calendar, first);
        let month = month.ok_or_else(|| Failure::mistake("option 'freq': a time is beyond all years"))?;
        let ticks = |len: i64| {
            let (midnight, len) = (i128::from(first.div_euclid(DAY) * DAY), i128::from(len) * i128::from(n));
            let start = midnight + (i128::from(first) - midnight).div_euclid(len) * len;
            Self::Ticks { start, len }
        };
        // Quarters and years begin with the months whose number leaves `rest` when it is divided by their length.
        let starts = |len: i64, rest: i64| {
            let start = month - (month - rest).rem_euclid(len);
            Self::Starts { calendar, start, n: n * len }
        };
        let ends = |len: i64| {
            let end = month + (len - 1 - month).rem_euclid(len);
            Self::Ends { calendar, end, n: n * len }
        };
        Ok(match frequency.unit {
            FrequencyUnit::YearStart => starts(12, 0),
            FrequencyUnit::QuarterStart => starts(3, 0),
            FrequencyUnit::SeasonStart => starts(3, 2),
            FrequencyUnit::MonthStart => starts(1, 0),
            FrequencyUnit::YearEnd => ends(12),
            FrequencyUnit::QuarterEnd => ends(3),
            FrequencyUnit::MonthEnd => ends(1),
            FrequencyUnit::Day => ticks(DAY),
            FrequencyUnit::Hour => ticks(DAY / 24),
            FrequencyUnit::Minute => ticks(DAY / 1_440),
            FrequencyUnit::Second => ticks(DAY / 86_400),
        })
    }

    /// The number of the span that has an instant.
    fn number(&self, ticks: i64) -> Option<i64> {
        match self {
            Self::Ticks { start, len } => i64::try_from((i128::from(ticks) - start).div_euclid(*len)).ok(),
            Self::Starts { calendar, start, n } => {
                Some((month_number(*calendar, ticks)? - start).div_euclid(*n))
            }
            Self::Ends { calendar, end, n } => Some(-(end - month_number(*calendar, ticks)?).div_euclid(*n)),
        }
    }

    /// The label of a span, in ticks.
    fn label(&self, number: i64) -> Option<i64> {
        match self {
            Self::Ticks { start, len } => i64::try_from(start + i128::from(number) * len).ok(),
            Self::Starts { calendar, start, n } => {
                month_start(*calendar, start.checked_add(number.checked_mul(*n)?)?)
            }
            Self::Ends { calendar, end, n } => {
                let month = end.checked_add(number.checked_mul(*n)?)?;
                Some(month_start(*calendar, month.checked_add(1)?)? - DAY)
            }
        }
    }
}

/// Months from January of the astronomers' year 0.
pub(super) fn month_number(calendar: Calendar, ticks: i64) -> Option<i64> {
    DateTime::from_ticks(calendar, ticks).ok().map(|date| month_of(&date))
}

/// Months of a date from January of the astronomers' year 0, which lies between the years -1 and 1 in every calendar.
pub(super) fn month_of(date: &DateTime) -> i64 {
    let lag = i64::from(date.year() < 0 && !date.calendar().has_year_zero());
    (i64::from(date.year()) + lag) * 12 + i64::from(date.month()) - 1
}

/// The beginning of a month given by [`month_of`], in ticks.
pub(super) fn month_start(calendar: Calendar, month: i64) -> Option<i64> {
    let year = month.div_euclid(12);
    let year = if year <= 0 && !calendar.has_year_zero() { year - 1 } else { year };
    let (year, month) = (i32::try_from(year).ok()?, month.rem_euclid(12) as u8 + 1);
    DateTime::new(calendar, year, month, 1).ok().map(|date| date.ticks())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNITS: [FrequencyUnit; 11] = [
        FrequencyUnit::YearStart,
        FrequencyUnit::YearEnd,
        FrequencyUnit::QuarterStart,
        FrequencyUnit::QuarterEnd,
        FrequencyUnit::SeasonStart,
        FrequencyUnit::MonthStart,
        FrequencyUnit::MonthEnd,
        FrequencyUnit::Day,
        FrequencyUnit::Hour,
        FrequencyUnit::Minute,
        FrequencyUnit::Second,
    ];
    const CALENDARS: [Calendar; 6] = [
        Calendar::Standard,
        Calendar::ProlepticGregorian,
        Calendar::Julian,
        Calendar::NoLeap,
        Calendar::AllLeap,
        Calendar::Day360,
    ];

    fn is_end(unit: FrequencyUnit) -> bool {
        matches!(unit, FrequencyUnit::YearEnd | FrequencyUnit::QuarterEnd | FrequencyUnit::MonthEnd)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_instant_lies_between_the_labels_of_its_span_and_the_next(
            calendar in prop::sample::select(CALENDARS.to_vec()),
            unit in prop::sample::select(UNITS.to_vec()),
            n in 1..500_u32,
            first in -80_000_000_000_000_000_i64..80_000_000_000_000_000,
            later in 0..80_000_000_000_000_000_i64,
        ) {
            let spans = Spans::from(Frequency { n, unit }, calendar, first).unwrap();
            let number = spans.number(first + later).unwrap();
            prop_assert!(number >= 0);
            prop_assert_eq!(spans.number(first), Some(0));
            let ticks = first + later;
            if is_end(unit) {
                let (before, at) = (spans.label(number - 1).unwrap(), spans.label(number).unwrap());
                prop_assert!(before + DAY <= ticks && ticks < at + DAY);
            } else {
                let (at, after) = (spans.label(number).unwrap(), spans.label(number + 1).unwrap());
                prop_assert!(at <= ticks && ticks < after);
            }
        }

        #[test]
        fn widest_spans_of_any_instant_do_not_overflow(
            unit in prop::sample::select(UNITS.to_vec()),
            first in any::<i64>(),
            last in any::<i64>(),
        ) {
            if let Ok(spans) = Spans::from(Frequency { n: u32::MAX, unit }, Calendar::Standard, first) {
                let _ = spans.number(last).map(|number| spans.label(number));
            }
        }
    }

    #[test]
    fn months_are_counted_across_the_missing_year() {
        for calendar in CALENDARS {
            for month in -40..40 {
                let ticks = month_start(calendar, month).unwrap();
                assert_eq!(month_number(calendar, ticks), Some(month), "{calendar}");
                assert_eq!(month_number(calendar, ticks - 1), Some(month - 1), "{calendar}");
            }
        }
    }
}
