//! Durations as clients write them.

use std::time::Duration;

use crate::Problem;

/// Longest text that is looked at, in bytes.
const MAX_TEXT_BYTES: usize = 100;

/// A duration: ISO 8601 without years and months, which have no fixed length (`P2D`, `PT6H`, `P1W`), or words
/// (`2 days`, `6h`).
///
/// # Errors
/// 400 for what is none, and for zero.
pub fn parse(text: &str) -> Result<Duration, Problem> {
    let trimmed = text.trim();
    let short = Some(trimmed).filter(|text| text.len() <= MAX_TEXT_BYTES);
    let found = short.and_then(|text| iso8601(text).or_else(|| humantime::parse_duration(text).ok()));
    found.filter(|duration| !duration.is_zero()).ok_or_else(|| {
        let shown: String = trimmed.chars().take(MAX_TEXT_BYTES).collect();
        Problem::invalid_input(format!("lifetime '{shown}' is no duration such as P2D, PT6H or 2 days"))
    })
}

/// # Source
/// ISO 8601-1:2019, section 5.5.2; fractions only of seconds.
fn iso8601(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix(['P', 'p'])?;
    let (date, time) = match rest.split_once(['T', 't']) {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let days = parts(date, &[('W', 7 * 86_400), ('D', 86_400)])?;
    let seconds = parts(time, &[('H', 3600), ('M', 60), ('S', 1)])?;
    days.checked_add(seconds)
}

/// Numbers with units, each unit once and in order.
fn parts(mut text: &str, units: &[(char, u64)]) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    let mut units = units.iter();
    while !text.is_empty() {
        let end = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, rest) = text.split_at_checked(end)?;
        let unit = rest.chars().next()?.to_ascii_uppercase();
        let (_, unit_seconds) = units.by_ref().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(quantity(number, *unit_seconds)?)?;
        text = rest.get(1..)?;
    }
    Some(sum)
}

fn quantity(number: &str, unit_seconds: u64) -> Option<Duration> {
    let whole = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u64>().ok()).flatten()
    };
    let Some((seconds, fraction)) = number.split_once(['.', ',']) else {
        return Some(Duration::from_secs(whole(number)?.checked_mul(unit_seconds)?));
    };
    if unit_seconds != 1 || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = whole(&format!("{fraction:0<9}"))?;
    Some(Duration::new(whole(seconds)?, u32::try_from(nanoseconds).ok()?))
}

/// A duration as ISO 8601: `P2D`, `P1DT6H`, `PT0.5S`.
pub fn write(duration: Duration) -> String {
    let (days, rest) = (duration.as_secs() / 86_400, duration.as_secs() % 86_400);
    let (hours, minutes, seconds) = (rest / 3600, rest % 3600 / 60, rest % 60);
    let mut text = String::from("P");
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    let mut time = String::new();
    for (number, unit) in [(hours, 'H'), (minutes, 'M')] {
        if number > 0 {
            time.push_str(&format!("{number}{unit}"));
        }
    }
    let fraction = format!("{:09}", duration.subsec_nanos());
    let fraction = fraction.trim_end_matches('0');
    if seconds > 0 || !fraction.is_empty() || (days == 0 && time.is_empty()) {
        let point = if fraction.is_empty() { "" } else { "." };
        time.push_str(&format!("{seconds}{point}{fraction}S"));
    }
    if !time.is_empty() {
        text.push('T');
        text.push_str(&time);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_iso_8601_or_words() {
        for (text, seconds) in [
            ("P2D", 172_800),
            ("PT6H", 21_600),
            ("P1W", 604_800),
            ("p1dt2h3m4s", 93_784),
            ("2 days", 172_800),
            (" 6h ", 21_600),
            ("90s", 90),
        ] {
            assert_eq!(parse(text).unwrap().as_secs(), seconds, "{text}");
        }
        assert_eq!(parse("PT0.5S").unwrap(), Duration::from_millis(500));
    }

    #[test]
    fn months_nothing_and_nonsense_are_no_durations() {
        for text in [
            "P1M",
            "P1Y",
            "P",
            "PT",
            "P1DT",
            "",
            "0s",
            "P0D",
            "-P1D",
            "P-1D",
            "1",
            "P1",
            "PT1H1D",
            "P1D1D",
            "P1.5D",
            "P99999999999999999999D",
            "P18446744073709551615W",
            "\u{212b}",
        ] {
            assert_eq!(parse(text).unwrap_err().status, 400, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0..u64::MAX / 2, nanoseconds in 0..1_000_000_000_u32) {
            let duration = Duration::new(seconds, nanoseconds);
            prop_assume!(!duration.is_zero());
            prop_assert_eq!(parse(&write(duration)).unwrap(), duration);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
