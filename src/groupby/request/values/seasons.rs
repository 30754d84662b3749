//! Seasons by the letters of their months.
//!
//! xarray's `SeasonGrouper` also takes seasons that overlap, and puts a month into several groups; and it reads a single
//! letter by the season that follows. Here a position belongs to at most one group and a letter that several months have
//! says nothing: both are refused.

use super::{shown, wrong};
use crate::Failure;

/// First letters of the months, twice, so that runs go on from December to January.
const LETTERS: &str = "JFMAMJJASONDJFMAMJJASOND";

const N_MONTHS: usize = 12;

/// Runs of months with commas between them: their letters, and the months from 1 to 12.
pub(in super::super) fn seasons(name: &str, text: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut seasons: Vec<(String, Vec<u8>)> = Vec::new();
    // Without a month in two seasons there are at most twelve.
    for letters in text.split(',').take(N_MONTHS + 1) {
        let months = months(name, letters)?;
        let twin = months.iter().find_map(|month| {
            let other = seasons.iter().find(|(_, others)| others.contains(month));
            Some((month, &other?.0))
        });
        if let Some((month, other)) = twin {
            return Err(Failure::mistake(format!(
                "{name}: month {month} is in {other} and in {letters}; a month belongs to one season: ask for seasons that overlap one by one"
            )));
        }
        seasons.push((letters.to_owned(), months));
    }
    Ok(seasons)
}

/// The months of a season.
fn months(name: &str, letters: &str) -> Result<Vec<u8>, Failure> {
    if letters.is_empty() || letters.len() > N_MONTHS {
        return Err(not_a_run(name, letters));
    }
    let starts: Vec<usize> = (0..N_MONTHS)
        .filter(|start| LETTERS.get(*start..).is_some_and(|rest| rest.starts_with(letters)))
        .collect();
    match starts.as_slice() {
        [] => Err(not_a_run(name, letters)),
        [start] => Ok((*start..start + letters.len()).map(|month| (month % N_MONTHS) as u8 + 1).collect()),
        _ => Err(Failure::mistake(format!(
            "{name}: {letters} is the letter of several months; of single months make groups with the component month"
        ))),
    }
}

fn not_a_run(name: &str, letters: &str) -> Failure {
    wrong(name, &shown(letters), "a run of 1 to 12 months of JFMAMJJASOND, as DJF or JJAS are")
}

/// True if the seasons follow each other through the year, wherever they begin.
pub(in super::super) fn is_in_sequence(seasons: &[(String, Vec<u8>)]) -> bool {
    let firsts: Vec<u8> = seasons.iter().filter_map(|(_, months)| months.first().copied()).collect();
    let next = firsts.iter().cycle().skip(1);
    firsts.iter().zip(next).filter(|(first, next)| next < first).count() <= 1
}

pub(in super::super) fn seasons_text(seasons: &[(String, Vec<u8>)]) -> String {
    seasons.iter().map(|(letters, _)| letters.as_str()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<Vec<u8>>> {
        let seasons = seasons("seasons", text).ok()?;
        Some(seasons.into_iter().map(|(_, months)| months).collect())
    }

    #[test]
    fn seasons_are_runs_of_months() {
        assert_eq!(read("DJF,MAM"), Some(vec![vec![12, 1, 2], vec![3, 4, 5]]));
        assert_eq!(
            read("DJFM,AMJJ,ASON"),
            Some(vec![vec![12, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9, 10, 11]])
        );
        assert_eq!(read("JJAS,ONDJ"), Some(vec![vec![6, 7, 8, 9], vec![10, 11, 12, 1]]));
        assert_eq!(read("F,S"), Some(vec![vec![2], vec![9]]));
        assert_eq!(read("SONDJFMAMJJA"), Some(vec![vec![9, 10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8]]));
        assert_eq!(read("JJ"), Some(vec![vec![6, 7]]), "January is not followed by a J");
    }

    #[test]
    fn what_is_no_run_is_refused() {
        for text in ["", "DJX", "djf", "DJF,", "DF", "JJJ", "SONDJFMAMJJAS", "Winter", "É"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_month_is_in_one_season_and_a_letter_is_one_month() {
        assert_eq!(read("DJFM,MAMJ"), None);
        assert_eq!(read("DJF,DJF"), None);
        for text in ["J", "M", "A"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn seasons_follow_each_other_from_wherever_they_begin() {
        let in_sequence = |text: &str| is_in_sequence(&seasons("seasons", text).unwrap());
        assert!(in_sequence("DJF,MAM,JJA,SON"));
        assert!(in_sequence("MAM,JJA,SON,DJF"));
        assert!(in_sequence("JF,MAM,JJAS,OND"));
        assert!(in_sequence("JJA"));
        assert!(!in_sequence("DJF,JJA,MAM,SON"));
    }
}
