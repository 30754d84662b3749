//! Instants and intervals as texts.
//!
//! # Specification
//! RFC 3339, section 5.6; OGC API Features, section 7.15.4 (parameter `datetime`).

use thermocline_search::instant_text;

use crate::problem::{Parsed, StacProblem};

const US_PER_SECOND: i64 = 1_000_000;

/// An instant in microseconds since 1970, from `2001-02-03T04:05:06.789+01:00`; what is finer is cut off.
///
/// # Errors
/// 400 for anything else: a date alone, a time without zone, a day that its month does not have.
pub(crate) fn parse_instant(text: &str) -> Parsed<i64> {
    thermocline_search::parse_instant(text)
        .ok_or_else(|| StacProblem::invalid(format!("'{}' is no RFC 3339 date and time", shown(text))))
}

/// The first instant of a day, from `2001-02-03`.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn parse_date(text: &str) -> Parsed<i64> {
    let first = Some(text).filter(|text| text.len() == 10);
    first
        .and_then(|date| thermocline_search::parse_instant(&format!("{date}T00:00:00Z")))
        .ok_or_else(|| StacProblem::invalid(format!("'{}' is no RFC 3339 date", shown(text))))
}

/// The parameter `datetime`: an instant, or an interval whose one end may be open (`..` or nothing).
///
/// # Errors
/// 400 for another form, two open ends, and an interval that ends before it begins.
pub(crate) fn parse_interval(text: &str) -> Parsed<(Option<i64>, Option<i64>)> {
    let Some((start, end)) = text.split_once('/') else {
        let instant = parse_instant(text)?;
        return Ok((Some(instant), Some(instant)));
    };
    let end_of = |text: &str| match text {
        "" | ".." => Ok(None),
        instant => parse_instant(instant).map(Some),
    };
    match (end_of(start)?, end_of(end)?) {
        (None, None) => Err(StacProblem::invalid("an interval has at least one end that is not open")),
        (Some(start), Some(end)) if start > end => {
            Err(StacProblem::invalid(format!("the interval '{}' ends before it begins", shown(text))))
        }
        ends => Ok(ends),
    }
}

/// Nanoseconds since 1970 as documents show them, in whole seconds.
pub(crate) fn format_ns(ns: i64) -> String {
    instant_text(ns.div_euclid(1_000_000_000).saturating_mul(US_PER_SECOND))
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn instants_are_read_as_rfc_3339_says() {
        for (text, shown) in [
            ("1996-12-19T16:39:57-00:00", "1996-12-19T16:39:57Z"),
            ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520000Z"),
            ("1985-04-12t23:20:50.000z", "1985-04-12T23:20:50Z"),
            ("2020-07-23T00:00:00.012345678Z", "2020-07-23T00:00:00.012345Z"),
            ("1990-12-31T23:59:60Z", "1991-01-01T00:00:00Z"),
            ("1937-01-01T12:00:27.87+01:00", "1937-01-01T11:00:27.870000Z"),
            ("2010-06-01T14:00:00+08:00", "2010-06-01T06:00:00Z"),
            ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(instant_text(parse_instant(text).unwrap()), shown, "{text}");
        }
        assert_eq!(parse_instant("1970-01-02T00:00:00Z").unwrap(), 86_400_000_000);
    }

    #[test]
    fn what_is_no_instant_or_interval_is_refused() {
        for text in [
            "/",
            "../..",
            "/..",
            "../",
            "",
            "/1984-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z",
            "1984-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z/",
            "1984-04-12T23:20:50Z/1985-04-12T23:20:50Z/1986-04-12T23:20:50Z",
            "1985-04-12",
            "1985-04",
            "1985-12-12T23:20:50",
            "1985-12-12T23:20Z",
            "1937-01-01T12:00:27.87+0100",
            "37-01-01T12:00:27Z",
            "21985-12-12T23:20:50Z",
            "1985-13-12T23:20:50Z",
            "1985-00-12T23:20:50Z",
            "1985-12-32T23:20:50Z",
            "1985-12-00T23:20:50Z",
            "1985-02-30T23:20:50Z",
            "1900-02-29T23:20:50Z",
            "1985-12-01T25:20:50Z",
            "1985-12-01T00:60:50Z",
            "1985-12-01T00:06:61Z",
            "1985-04-12T23:20:50.Z",
            "1985-04-12T23:20:50,Z",
            "1985-04-12T23:20:50,52Z",
            "1986-04-12T23:20:50Z/1985-04-12T23:20:50Z",
            "1985-04-12 23:20:50",
            "1985-04-12 23:20:50Z",
            "now",
            "1985-04-12T23:20:50Z/P1D",
            "1985-04-12T23:20:50ZZ",
            "1985-04-12T23:20:50+24:00",
            "-985-04-12T23:20:50Z",
        ] {
            assert_eq!(parse_interval(text).unwrap_err().0.status, 400, "{text}");
        }
    }

    #[test]
    fn intervals_may_be_open_at_one_end() {
        let instant = parse_instant("1985-04-12T23:20:50Z").unwrap();
        for (text, expected) in [
            ("1985-04-12T23:20:50Z", (Some(instant), Some(instant))),
            ("../1985-04-12T23:20:50Z", (None, Some(instant))),
            ("/1985-04-12T23:20:50Z", (None, Some(instant))),
            ("1985-04-12T23:20:50Z/..", (Some(instant), None)),
            ("1985-04-12T23:20:50Z/", (Some(instant), None)),
            ("1985-04-12T23:20:50Z/1985-04-12T23:20:50Z", (Some(instant), Some(instant))),
        ] {
            assert_eq!(parse_interval(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn times_of_the_server_are_shown_in_whole_seconds() {
        assert_eq!(format_ns(1_500_000_000_999_999_999), "2017-07-14T02:40:00Z");
        assert_eq!(format_ns(-1), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn dates_are_their_first_instant() {
        assert_eq!(parse_date("1970-01-02").unwrap(), 86_400_000_000);
        for bad in ["1970-1-2", "1970-02-30", "1970-01-02T", "é970-01-0"] {
            assert!(parse_date(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}") {
            let _ = parse_interval(&text);
            let _ = parse_date(&text);
        }
    }
}
