//! Seasons of one's own: in any year as one group, or in each year.
//!
//! # Source
//! xarray's `SeasonGrouper` and `SeasonResampler`. Seasons do not overlap here; every season without all its months is
//! incomplete, where xarray looks at the first and last only.

use std::collections::BTreeMap;

use thermocline_model::Attributes;

use super::coordinate::Along;
use super::spans::{month_of, month_start};
use super::{Coded, GroupLabels, NO_GROUP, Season, check_listed};
use crate::Failure;

/// The seasons of meteorology.
pub(super) fn meteorological() -> Vec<Season> {
    let season = |letters: &str, months: [u8; 3]| (letters.to_owned(), months.to_vec());
    vec![
        season("DJF", [12, 1, 2]),
        season("MAM", [3, 4, 5]),
        season("JJA", [6, 7, 8]),
        season("SON", [9, 10, 11]),
    ]
}

/// Groups times by the season of their month, in the order of `seasons`. Months in none belong to no group.
pub(super) fn in_any_year(along: &Along<'_>, seasons: &[Season]) -> Result<Coded, Failure> {
    let of_month = of_months(seasons)?;
    let times = along.times()?;
    let code = |month: u8| of_month.get(usize::from(month)).copied().flatten();
    let codes = times.dates().map(|date| {
        let season = date.and_then(|date| code(date.month()));
        season.map_or(NO_GROUP, |month| month.season)
    });
    let codes = codes.collect();
    let labels = GroupLabels::Texts(seasons.iter().map(|(letters, _)| letters.clone()).collect());
    Ok(Coded { codes, labels, attrs: Attributes::new() })
}

/// Groups times by the seasons of each year, labelled with their first day: all from the first that has a time to the last,
/// or those only of which no month is missing.
pub(super) fn in_each_year(
    along: &Along<'_>,
    seasons: &[Season],
    drops_incomplete: bool,
) -> Result<Coded, Failure> {
    let of_month = of_months(seasons)?;
    let times = along.times()?;
    // The first month of the season that a time lies in, and which of its months it lies in.
    let place = |date: &thermocline_model::cf::DateTime| {
        let month = of_month.get(usize::from(date.month())).copied().flatten()?;
        Some((month_of(date) - i64::from(month.position), month))
    };
    let mut seen: BTreeMap<i64, u16> = BTreeMap::new();
    for (start, month) in times.dates().flatten().filter_map(|date| place(&date)) {
        *seen.entry(start).or_default() |= 1 << month.position;
    }
    let (Some((first, _)), Some((last, _))) = (seen.first_key_value(), seen.last_key_value()) else {
        return Err(along.without_labels());
    };
    let is_start = |start: i64| {
        let month = of_month.get(start.rem_euclid(12) as usize + 1).copied().flatten();
        month.filter(|month| month.position == 0)
    };
    let n_listed = (last.abs_diff(*first) / 12 + 1).saturating_mul(seasons.len() as u64);
    check_listed(&format!("each season of coordinate '{}'", along.name), n_listed, "freq")?;
    let is_listed = |start: &i64| {
        let Some(month) = is_start(*start) else { return false };
        !drops_incomplete || seen.get(start).is_some_and(|months| *months == all_months(month.n_months))
    };
    let starts: Vec<i64> = (*first..=*last).filter(is_listed).collect();
    if starts.is_empty() {
        return Err(Failure::mistake(format!(
            "option 'drop_incomplete': no season of coordinate '{}' has all its months",
            along.name
        )));
    }
    let code = |start: i64| starts.binary_search(&start).map_or(NO_GROUP, |code| code as u32);
    let codes =
        times.dates().map(|date| date.as_ref().and_then(place).map_or(NO_GROUP, |(start, _)| code(start)));
    let codes = codes.collect();
    let calendar = times.units.calendar();
    let labels = starts.iter().map(|start| month_start(calendar, *start)).collect::<Option<Vec<i64>>>();
    let labels =
        labels.ok_or_else(|| Failure::mistake("option 'seasons': a season begins before all years"))?;
    let (labels, attrs) = times.labels(labels);
    Ok(Coded { codes, labels, attrs })
}

/// One bit for each month of a season.
fn all_months(n: u8) -> u16 {
    ((1_u32 << n.min(12)) - 1) as u16
}

/// What a month is in its season.
#[derive(Debug, Clone, Copy)]
struct InSeason {
    /// Number of the season.
    season: u32,
    /// Which of the season's months it is, from 0.
    position: u8,
    /// How many months the season has.
    n_months: u8,
}

/// The season of each month, by the month's number.
fn of_months(seasons: &[Season]) -> Result<[Option<InSeason>; 13], Failure> {
    let mut of_month = [None; 13];
    for (season, (letters, months)) in (0_u32..).zip(seasons) {
        let n_months = u8::try_from(months.len()).unwrap_or(u8::MAX);
        for (position, month) in (0_u8..).zip(months) {
            let slot = of_month.get_mut(usize::from(*month)).filter(|_| n_months <= 12);
            let slot = slot.ok_or_else(|| {
                Failure::mistake(format!("option 'seasons': '{letters}' is no run of months"))
            })?;
            if slot.replace(InSeason { season, position, n_months }).is_some() {
                let detail = format!("option 'seasons': '{letters}' has a month of another season");
                return Err(Failure::mistake(detail));
            }
        }
    }
    Ok(of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seasons_that_overlap_are_refused() {
        let seasons = [("DJF".to_owned(), vec![12, 1, 2]), ("FMA".to_owned(), vec![2, 3, 4])];
        assert!(of_months(&seasons).is_err());
        assert!(of_months(&meteorological()).is_ok());
    }

    #[test]
    fn a_season_of_a_whole_year_has_twelve_months() {
        assert_eq!((all_months(3), all_months(12)), (0b111, 0xfff));
    }
}
