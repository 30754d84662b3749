//! Instants as texts.

use thermocline_model::cf::{Calendar, DateTime};

use crate::summary::Span;

/// An instant of the proleptic Gregorian calendar, in microseconds since 1970, as RFC 3339 has it in UTC:
/// `2000-01-31T12:00:00Z`, with six more digits where there are microseconds. What lies beyond the years 1 to 9999
/// becomes the first or the last second of these.
///
/// ```
/// assert_eq!(thermocline_search::instant_text(0), "1970-01-01T00:00:00Z");
/// assert_eq!(thermocline_search::instant_text(-500_000), "1969-12-31T23:59:59.500000Z");
/// ```
pub fn instant_text(us: i64) -> String {
    match DateTime::from_ticks(Calendar::ProlepticGregorian, us) {
        Ok(time) if (1..=9999).contains(&time.year()) => format!("{time}Z"),
        _ if us < 0 => "0001-01-01T00:00:00Z".to_owned(),
        _ => "9999-12-31T23:59:59Z".to_owned(),
    }
}

impl Span {
    /// The first instant as RFC 3339 has it.
    pub fn start_text(&self) -> String {
        instant_text(self.start_us)
    }

    /// The last instant as RFC 3339 has it.
    pub fn end_text(&self) -> String {
        instant_text(self.end_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_beyond_four_digits_of_years_are_the_first_and_the_last() {
        for (us, text) in [
            (i64::MIN, "0001-01-01T00:00:00Z"),
            (-62_135_596_800_000_001, "0001-01-01T00:00:00Z"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00Z"),
            (253_402_300_799_000_000, "9999-12-31T23:59:59Z"),
            (253_402_300_800_000_000, "9999-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
        ] {
            assert_eq!(instant_text(us), text, "{us}");
        }
    }
}
