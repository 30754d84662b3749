//! Reading instants as RFC 3339 has them.
//!
//! # Source
//! RFC 3339, section 5.6. Years are those of the proleptic Gregorian calendar.

use thermocline_model::cf::{Calendar, DateTime};

const SECOND: i64 = 1_000_000;

/// The instant that an RFC 3339 date and time names, in microseconds since 1970; `None` if it is none. Further digits
/// are cut off, a leap second is the second after.
///
/// ```
/// # use thermocline_search::parse_instant;
/// assert_eq!(parse_instant("1970-01-01T01:00:00.5+01:00"), Some(500_000));
/// assert_eq!(parse_instant("1970-01-01"), None);
/// ```
pub fn parse_instant(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| number(bytes.get(from..to)?);
    let is_at = |position: usize, any: &[u8]| bytes.get(position).is_some_and(|byte| any.contains(byte));
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let is_punctuated = [(4, b"-"), (7, b"-"), (13, b":"), (16, b":")].iter().all(|(at, c)| is_at(*at, *c));
    if !is_punctuated || !is_at(10, b"Tt") || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (year, month, day) = (i32::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?);
    let midnight = DateTime::new(Calendar::ProlepticGregorian, year, month, day).ok()?;
    let (fraction_us, zone) = fraction(bytes.get(19..)?)?;
    let seconds = hour * 3600 + minute * 60 + second - offset_seconds(zone)?;
    Some(midnight.ticks() + seconds * SECOND + fraction_us)
}

/// Microseconds of a fraction of a second, if there is one, and what follows.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let n_digits = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, zone) = digits.split_at_checked(n_digits)?;
    if digits.is_empty() {
        return None;
    }
    let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(6);
    Some((padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')), zone))
}

/// Seconds by which local time is ahead of UTC.
fn offset_seconds(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            let seconds = hours * 3600 + minutes * 60;
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    digits.iter().try_fold(0, |sum, byte| Some(sum * 10 + digit(byte)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_offsets_and_fractions() {
        for (text, us) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00.000001Z", 951_782_400_000_001),
            ("1996-12-19t16:39:57-08:00", 851_042_397_000_000),
            ("1985-04-12T23:20:50.52z", 482_196_050_520_000),
            ("2020-07-23T00:00:00.012345678Z", 1_595_462_400_012_345),
            ("1990-12-31T23:59:60Z", 662_688_000_000_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),
            ("1969-12-31T23:59:59.5Z", -500_000),
        ] {
            assert_eq!(parse_instant(text), Some(us), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "now",
            "1985-04-12",
            "1985-12-12T23:20:50",
            "1985-12-12T23:20Z",
            "1937-01-01T12:00:27.87+0100",
            "37-01-01T12:00:27Z",
            "21985-12-12T23:20:50Z",
            "1985-13-12T23:20:50Z",
            "1985-00-12T23:20:50Z",
            "1985-02-29T23:20:50Z",
            "1985-12-01T25:20:50Z",
            "1985-12-01T00:60:50Z",
            "1985-12-01T00:06:61Z",
            "1985-04-12T23:20:50.Z",
            "1985-04-12T23:20:50,52Z",
            "1985-04-12 23:20:50Z",
            "1985-04-12T23:20:50ZZ",
            "1985-04-12T23:20:50+24:00",
            "１985-04-12T23:20:50Z",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }
}
