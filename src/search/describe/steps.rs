//! The distance between values of a coordinate, where it is always the same.

use thermocline_model::cf::{Calendar, DateTime};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Most that steps of a regular coordinate may differ, in parts of the step.
const SPREAD: f64 = 1e-5;

/// Days of the month that the middle of a month falls on.
const MID_MONTH: std::ops::RangeInclusive<u8> = 14..=17;

/// The step of numbers at an equal distance; negative where they descend.
pub(super) fn of_numbers(values: &[f64]) -> Option<f64> {
    let (first, last) = (values.first()?, values.last()?);
    let n = values.len();
    if n < 2 {
        return None;
    }
    let mean = (last - first) / (n - 1) as f64;
    let steps = || values.windows(2).filter_map(|pair| Some(pair.get(1)? - pair.first()?));
    let (least, most) = steps().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), step| {
        if step.is_nan() { (f64::NAN, f64::NAN) } else { (step.min(least), step.max(most)) }
    });
    let is_regular = mean != 0.0 && steps().all(f64::is_finite) && (most - least).abs() < SPREAD * mean.abs();
    is_regular.then_some(mean)
}

/// The step of instants at an equal distance as an ISO 8601 duration: of months and years where the dates keep their
/// day, or where `starts`, the beginnings of their cells, do.
pub(super) fn of_instants(calendar: Calendar, ticks: &[i64], starts: Option<&[i64]>) -> Option<String> {
    if ticks.len() < 2 {
        return None;
    }
    let months = of_months(calendar, ticks, DayOfMonth::Same)
        .or_else(|| of_months(calendar, starts?, DayOfMonth::Same))
        .or_else(|| of_months(calendar, ticks, DayOfMonth::Middle));
    months.map(duration_of_months).or_else(|| of_length(ticks).map(duration))
}

/// Which days of their months dates keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfMonth {
    /// The same of all, at the same time.
    Same,
    /// The middle.
    Middle,
}

/// How many months instants are apart.
fn of_months(calendar: Calendar, ticks: &[i64], day: DayOfMonth) -> Option<i64> {
    // Months are no shorter than 28 days: most axes end here.
    let (first, second) = (*ticks.first()?, *ticks.get(1)?);
    if second.checked_sub(first)? < 27 * DAY || (day == DayOfMonth::Middle && ticks.len() < 3) {
        return None;
    }
    let date = |ticks: i64| {
        let date = DateTime::from_ticks(calendar, ticks).ok()?;
        let kept = match day {
            DayOfMonth::Same => (date.day(), ticks.rem_euclid(DAY)),
            DayOfMonth::Middle => (u8::from(MID_MONTH.contains(&date.day())), 0),
        };
        let is_kept = day == DayOfMonth::Same || kept.0 == 1;
        is_kept.then(|| (i64::from(date.year()) * 12 + i64::from(date.month()), kept))
    };
    let (start, kept) = date(first)?;
    let step = date(second)?.0 - start;
    let mut expected = start;
    for tick in ticks {
        if date(*tick)? != (expected, kept) {
            return None;
        }
        expected += step;
    }
    (step > 0).then_some(step)
}

/// How many microseconds instants are apart.
fn of_length(ticks: &[i64]) -> Option<i64> {
    let steps = || ticks.windows(2).map(|pair| pair.get(1)?.checked_sub(*pair.first()?));
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for step in steps() {
        let step = step?;
        (least, most) = (least.min(step), most.max(step));
    }
    let span = i128::from(*ticks.last()?) - i128::from(*ticks.first()?);
    let mean = span as f64 / (ticks.len() - 1) as f64;
    let is_regular = least > 0 && (most - least) as f64 <= SPREAD * mean;
    // Times that were rounded to the precision of their numbers are a hair off whole seconds.
    let step = mean.round() as i64;
    let whole = (mean / SECOND as f64).round() as i64 * SECOND;
    let is_whole = whole > 0 && (whole - step).abs() as f64 <= SPREAD * mean;
    is_regular.then_some(if is_whole { whole } else { step })
}

fn duration_of_months(months: i64) -> String {
    if months % 12 == 0 { format!("P{}Y", months / 12) } else { format!("P{months}M") }
}

fn duration(us: i64) -> String {
    const UNITS: [(i64, &str, &str); 3] =
        [(DAY, "P", "D"), (3600 * SECOND, "PT", "H"), (60 * SECOND, "PT", "M")];
    let whole = UNITS.iter().find(|(unit, ..)| us % unit == 0);
    match whole {
        Some((unit, before, after)) => format!("{before}{}{after}", us / unit),
        None if us % SECOND == 0 => format!("PT{}S", us / SECOND),
        None => {
            let text = format!("{}.{:06}", us / SECOND, us % SECOND);
            format!("PT{}S", text.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_an_equal_distance_have_a_step() {
        assert_eq!(of_numbers(&[90.0, 80.0, 70.0]), Some(-10.0));
        assert_eq!(of_numbers(&[1.0, 2.0, 4.0]), None);
        assert_eq!(of_numbers(&[1.0]), None);
        assert_eq!(of_numbers(&[1.0, 1.0]), None);
        assert_eq!(of_numbers(&[1.0, f64::NAN, 3.0]), None);
        assert_eq!(of_numbers(&[0.0, 1.0, 2.000_001]), Some(1.000_000_5));
    }

    /// Year, month, day and hour.
    type Date = (i32, u8, u8, u8);

    fn step(calendar: Calendar, dates: &[Date]) -> Option<String> {
        let ticks = dates.iter().map(|(year, month, day, hour)| {
            DateTime::new(calendar, *year, *month, *day).unwrap().with_time(*hour, 0, 0, 0).unwrap().ticks()
        });
        of_instants(calendar, &ticks.collect::<Vec<_>>(), None)
    }

    #[test]
    fn times_at_an_equal_distance_have_a_duration() {
        let standard = Calendar::Standard;
        let cases: &[(Calendar, &[Date], Option<&str>)] = &[
            (standard, &[(2000, 1, 1, 0), (2000, 1, 1, 6), (2000, 1, 1, 12)], Some("PT6H")),
            (standard, &[(2000, 2, 28, 12), (2000, 2, 29, 12), (2000, 3, 1, 12)], Some("P1D")),
            (standard, &[(2000, 1, 31, 0), (2000, 2, 7, 0)], Some("P7D")),
            (standard, &[(2000, 1, 1, 0), (2000, 2, 1, 0), (2000, 3, 1, 0)], Some("P1M")),
            (standard, &[(2000, 1, 16, 12), (2000, 2, 15, 12), (2000, 3, 16, 12)], Some("P1M")),
            (standard, &[(2000, 11, 1, 0), (2001, 2, 1, 0), (2001, 5, 1, 0)], Some("P3M")),
            (standard, &[(2000, 7, 1, 0), (2001, 7, 1, 0), (2002, 7, 1, 0)], Some("P1Y")),
            (Calendar::Day360, &[(2000, 12, 30, 0), (2001, 1, 30, 0), (2001, 2, 30, 0)], Some("P1M")),
            (Calendar::NoLeap, &[(2000, 2, 28, 0), (2000, 3, 1, 0)], Some("P1D")),
            (standard, &[(2000, 1, 1, 0), (2000, 1, 2, 0), (2000, 1, 4, 0)], None),
            (standard, &[(2000, 1, 2, 0), (2000, 1, 1, 0)], None),
            (standard, &[(2000, 1, 1, 0), (2000, 1, 1, 0)], None),
            (standard, &[(2000, 1, 1, 0)], None),
        ];
        for (calendar, dates, expected) in cases {
            assert_eq!(step(*calendar, dates).as_deref(), *expected, "{dates:?}");
        }
    }

    #[test]
    fn cells_that_begin_with_the_months_make_a_monthly_axis() {
        let dates = [(2000, 1, 16), (2000, 2, 20), (2000, 3, 16)];
        let ticks = |day: Option<u8>| -> Vec<i64> {
            let date = |(year, month, own): (i32, u8, u8)| {
                DateTime::new(Calendar::Standard, year, month, day.unwrap_or(own))
            };
            dates.into_iter().map(|at| date(at).unwrap().ticks()).collect()
        };
        assert_eq!(of_instants(Calendar::Standard, &ticks(None), None), None);
        assert_eq!(
            of_instants(Calendar::Standard, &ticks(None), Some(&ticks(Some(1)))).as_deref(),
            Some("P1M")
        );
    }

    #[test]
    fn fractions_of_seconds_are_written_short() {
        assert_eq!(duration(250_000), "PT0.25S");
        assert_eq!(duration(90 * SECOND), "PT90S");
        assert_eq!(duration(90 * 60 * SECOND), "PT90M");
        assert_eq!(of_instants(Calendar::Standard, &[i64::MIN, i64::MAX], None), None);
    }
}
