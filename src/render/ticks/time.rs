//! Ticks of times, in the calendar of the dataset: at the beginnings of years, months, days, hours …
//!
//! Horizontal axes have two rows of labels: `Jan` above `2001`, `3` above `Feb 2001`, `06:00` above `2001-02-03`. On
//! vertical axes a label says all.

use thermocline_model::Number;
use thermocline_model::cf::{Calendar, DateTime, TimeUnits};

use super::{Axis, Direction, Group, Ruler, Tick, Ticks};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Most groups of one axis.
const MAX_GROUPS: usize = 100;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A distance between ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// Microseconds: a part of a day.
    Clock(i64),
    /// Days of a month: 1, 1 + n, …
    Days(u8),
    /// Months of a year.
    Months(u8),
    /// Years.
    Years(i32),
}

/// All distances between ticks, ascending.
const STEPS: [Step; 46] = [
    Step::Clock(1),
    Step::Clock(10),
    Step::Clock(100),
    Step::Clock(1_000),
    Step::Clock(10_000),
    Step::Clock(100_000),
    Step::Clock(SECOND / 2),
    Step::Clock(SECOND),
    Step::Clock(2 * SECOND),
    Step::Clock(5 * SECOND),
    Step::Clock(10 * SECOND),
    Step::Clock(15 * SECOND),
    Step::Clock(30 * SECOND),
    Step::Clock(MINUTE),
    Step::Clock(2 * MINUTE),
    Step::Clock(5 * MINUTE),
    Step::Clock(10 * MINUTE),
    Step::Clock(15 * MINUTE),
    Step::Clock(30 * MINUTE),
    Step::Clock(HOUR),
    Step::Clock(2 * HOUR),
    Step::Clock(3 * HOUR),
    Step::Clock(6 * HOUR),
    Step::Clock(12 * HOUR),
    Step::Days(1),
    Step::Days(2),
    Step::Days(5),
    Step::Days(10),
    Step::Days(15),
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Years(1),
    Step::Years(2),
    Step::Years(5),
    Step::Years(10),
    Step::Years(20),
    Step::Years(50),
    Step::Years(100),
    Step::Years(200),
    Step::Years(500),
    Step::Years(1_000),
    Step::Years(2_000),
    Step::Years(5_000),
    Step::Years(10_000),
];

impl Step {
    /// Its length in microseconds, about.
    fn length(self) -> i64 {
        match self {
            Self::Clock(length) => length,
            Self::Days(n) => i64::from(n) * DAY,
            Self::Months(n) => i64::from(n) * 30 * DAY,
            Self::Years(n) => i64::from(n) * 365 * DAY,
        }
    }

    /// The minor step.
    fn finer(self) -> Option<Self> {
        Some(match self {
            Self::Days(1) => Self::Clock(6 * HOUR),
            Self::Days(2 | 5) => Self::Days(1),
            Self::Days(_) => Self::Days(5),
            Self::Months(1) => Self::Days(10),
            Self::Months(_) => Self::Months(1),
            Self::Years(1) => Self::Months(3),
            Self::Years(2 | 5) => Self::Years(1),
            Self::Years(n) if n.to_string().starts_with('2') => Self::Years(n / 4),
            Self::Years(n) => Self::Years(n / 5),
            Self::Clock(length) if length > 2 * HOUR => Self::Clock(HOUR),
            Self::Clock(length) if length >= HOUR => Self::Clock(15 * MINUTE),
            Self::Clock(_) => return None,
        })
    }

    /// What holds several of these steps: the groups of the second row.
    fn group(self) -> Option<Self> {
        match self {
            Self::Clock(_) => Some(Self::Days(1)),
            Self::Days(_) => Some(Self::Months(1)),
            Self::Months(_) => Some(Self::Years(1)),
            Self::Years(_) => None,
        }
    }

    /// The times at multiples of the step from the one at or before `from` to the one at or after `to`, at most `most`.
    fn times(self, calendar: Calendar, (from, to): (i64, i64), most: usize) -> Vec<DateTime> {
        let Ok(start) = DateTime::from_ticks(calendar, from) else { return Vec::new() };
        let mut times: Vec<DateTime> = Vec::new();
        let mut push = |time: DateTime| {
            times.push(time);
            time.ticks() < to && times.len() < most
        };
        match self {
            Self::Clock(length) => {
                let midnight = start.midnight().ticks();
                let first = midnight + (from - midnight).div_euclid(length) * length;
                let all =
                    (0..).map(|n| first + n * length).map_while(|t| DateTime::from_ticks(calendar, t).ok());
                for time in all {
                    if !push(time) {
                        break;
                    }
                }
            }
            Self::Days(n) => {
                let mut month = (start.year(), start.month());
                'months: loop {
                    let n_days = calendar.days_in_month(month.0, month.1).unwrap_or(0);
                    if n_days == 0 && calendar.has_year_zero() {
                        break;
                    }
                    // The last tick of a month keeps its distance from the first of the next.
                    let days =
                        (1..=n_days).step_by(usize::from(n)).filter(|day| n == 1 || day + n / 2 <= n_days);
                    for day in days {
                        let Ok(time) = DateTime::new(calendar, month.0, month.1, day) else { continue };
                        if !push(time) {
                            break 'months;
                        }
                    }
                    month = if month.1 == 12 { (month.0 + 1, 1) } else { (month.0, month.1 + 1) };
                    if month.0 > start.year() + 200 {
                        break;
                    }
                }
            }
            Self::Months(n) => {
                let first = (start.month() - 1) / n * n + 1;
                let months = (0..most as i32 + 2).map(|i| i32::from(first) - 1 + i * i32::from(n));
                for month in months {
                    let (year, month) = (start.year() + month.div_euclid(12), month.rem_euclid(12) + 1);
                    let Ok(time) = DateTime::new(calendar, year, month as u8, 1) else { continue };
                    if !push(time) {
                        break;
                    }
                }
            }
            Self::Years(n) => {
                let first = start.year().div_euclid(n) * n;
                for year in (0..most as i32 + 2).map(|i| first + i * n) {
                    let Ok(time) = DateTime::new(calendar, year, 1, 1) else { continue };
                    if !push(time) {
                        break;
                    }
                }
            }
        }
        times
    }

    /// The label of a tick in the first row, or the whole of it on a vertical axis.
    fn label(self, time: &DateTime, direction: Direction) -> String {
        let is_whole = matches!(direction, Direction::Vertical);
        let (year, month, day) = (time.year(), time.month(), time.day());
        match self {
            Self::Years(_) => year_text(year),
            Self::Months(_) if is_whole => format!("{}-{month:02}", year_text(year)),
            Self::Months(_) => month_name(month).to_owned(),
            Self::Days(_) if is_whole => date(time),
            Self::Days(_) => day.to_string(),
            Self::Clock(_) if is_whole && time.ticks() == time.midnight().ticks() => date(time),
            Self::Clock(length) => clock(time, length),
        }
    }

    /// The label of a group that begins with a time.
    fn group_label(self, time: &DateTime) -> String {
        match self {
            Self::Years(_) => year_text(time.year()),
            Self::Months(_) => format!("{} {}", month_name(time.month()), year_text(time.year())),
            Self::Days(_) | Self::Clock(_) => date(time),
        }
    }
}

/// Ticks of an axis that counts times in these units.
pub(super) fn times(units: TimeUnits, axis: &Axis, ruler: &Ruler) -> Ticks {
    let instant = |value: f64| units.decode_ticks(Number::Float(value)).ok();
    let (Some(first), Some(last)) = (instant(axis.first), instant(axis.last)) else {
        return super::numbers(axis.first.min(axis.last), axis.first.max(axis.last), ruler, &|v| {
            axis.share(v)
        });
    };
    if first == last {
        return axis.single();
    }
    let span = Span { calendar: units.calendar(), first, last };
    let shortest = (last.abs_diff(first)) as f64 / ruler.most();
    let tight = STEPS.into_iter().filter(|step| step.length() as f64 >= shortest * 0.8);
    for step in tight {
        let ticks = span.ticks(step, ruler);
        let has_room = ruler.holds(&ticks.major) && span.groups_fit(&ticks, ruler);
        if has_room && !ticks.major.is_empty() {
            return ticks;
        }
    }
    // Not one round time lies within: the ends say where the axis is.
    let ends =
        [axis.first, axis.last].map(|value| Tick { share: axis.share(value), label: whole(units, value) });
    Ticks { major: ruler.thinned(ends.to_vec()), ..Ticks::default() }
}

/// A time in full.
pub(super) fn whole(units: TimeUnits, value: f64) -> String {
    let time = units.decode(Number::Float(value)).ok();
    time.map(|time| time.to_string().replace('T', " ").trim_end_matches(" 00:00:00").to_owned())
        .unwrap_or_default()
}

/// An axis between two instants, in ticks of a calendar.
struct Span {
    calendar: Calendar,
    first: i64,
    last: i64,
}

impl Span {
    fn range(&self) -> (i64, i64) {
        (self.first.min(self.last), self.first.max(self.last))
    }

    fn share(&self, ticks: i64) -> f64 {
        (ticks as f64 - self.first as f64) / (self.last as f64 - self.first as f64)
    }

    fn contains(&self, time: &DateTime) -> bool {
        let (low, high) = self.range();
        (low..=high).contains(&time.ticks())
    }

    fn ticks(&self, step: Step, ruler: &Ruler) -> Ticks {
        let inside = |step: Step| {
            step.times(self.calendar, self.range(), 400).into_iter().filter(|time| self.contains(time))
        };
        let tick = |time: DateTime| Tick {
            share: self.share(time.ticks()),
            label: step.label(&time, ruler.direction),
        };
        let mut major: Vec<Tick> = inside(step).map(tick).collect();
        let has_groups = matches!(ruler.direction, Direction::Horizontal);
        let groups = step.group().filter(|_| has_groups).map(|group| self.groups(group)).unwrap_or_default();
        let is_clock = matches!((step, ruler.direction), (Step::Clock(_), Direction::Vertical));
        if is_clock && !major.iter().any(|tick| tick.label.contains('-')) {
            // No midnight says which day it is: the first label does.
            let first = inside(step).next();
            if let (Some(first), Some(tick)) = (first, major.first_mut()) {
                tick.label = format!("{} {}", date(&first), tick.label);
            }
        }
        let minor: Vec<f64> = step
            .finer()
            .map(|finer| inside(finer).map(|time| self.share(time.ticks())).collect())
            .unwrap_or_default();
        let room = ruler.length / minor.len().max(1) as f32;
        let minor = if room >= ruler.size * 0.4 { minor } else { Vec::new() };
        Ticks { major, minor, groups, exponent: None }
    }

    /// The groups that the axis shows, each as far as it shows.
    fn groups(&self, step: Step) -> Vec<Group> {
        let (low, high) = self.range();
        let mut starts = step.times(self.calendar, (low, high), MAX_GROUPS);
        starts.retain(|time| time.ticks() < high);
        // Of those at or before the beginning, only the last still shows.
        let n_before = starts.iter().filter(|time| time.ticks() <= low).count();
        let shown = starts.get(n_before.saturating_sub(1)..).unwrap_or_default();
        let ends = shown.iter().skip(1).map(DateTime::ticks).chain([high]);
        let group = |(start, end): (&DateTime, i64)| {
            let (from, to) = (self.share(start.ticks().max(low)), self.share(end));
            Group { from: from.min(to), to: from.max(to), label: step.group_label(start) }
        };
        shown.iter().zip(ends).map(group).collect()
    }

    /// True if every group that shows in full has room for its label.
    fn groups_fit(&self, ticks: &Ticks, ruler: &Ruler) -> bool {
        let n_groups = ticks.groups.len();
        ticks.groups.iter().enumerate().all(|(i, group)| {
            let is_cut = i == 0 || i + 1 == n_groups;
            let room = (group.to - group.from) as f32 * ruler.length;
            is_cut && n_groups > 2
                || crate::text::width(&group.label, ruler.size) + ruler.size * 0.5 <= room
                || n_groups == 2
        })
    }
}

fn month_name(month: u8) -> &'static str {
    MONTHS.get(usize::from(month).wrapping_sub(1)).copied().unwrap_or("")
}

/// A year of four digits, more where it needs them.
fn year_text(year: i32) -> String {
    if year < 0 { format!("−{:04}", year.unsigned_abs()) } else { format!("{year:04}") }
}

fn date(time: &DateTime) -> String {
    format!("{}-{:02}-{:02}", year_text(time.year()), time.month(), time.day())
}

/// The time of the day, as fine as the step.
fn clock(time: &DateTime, step: i64) -> String {
    let minutes = format!("{:02}:{:02}", time.hour(), time.minute());
    if step % MINUTE == 0 {
        return minutes;
    }
    let seconds = format!("{minutes}:{:02}", time.second());
    if step % SECOND == 0 {
        return seconds;
    }
    let decimals = format!("{:06}", time.microsecond());
    let n_decimals = (1..6).find(|n| step % 10_i64.pow(6 - n) == 0).unwrap_or(6) as usize;
    format!("{seconds}.{}", decimals.get(..n_decimals).unwrap_or(&decimals))
}
