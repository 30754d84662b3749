//! The header `Range`.

use std::ops::Range;

/// What a `Range` header asks of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// These bytes, at least one.
    Part(Range<u64>),
    /// Bytes that do not exist.
    Unsatisfiable,
    /// Another unit, several ranges, or nothing that can be understood: the header does not count.
    Ignored,
}

/// Reads one byte range: `bytes=0-4`, `bytes=10-`, `bytes=-16`.
///
/// # Source
/// RFC 9110, sections 14.1.2 and 14.2.
pub(super) fn parse(header: &[u8], len_bytes: u64) -> Wish {
    let Some((first, last)) = split(header) else {
        return Wish::Ignored;
    };
    match (first, last) {
        (None, None) => Wish::Ignored,
        (None, Some(0)) => Wish::Unsatisfiable,
        (None, Some(_)) if len_bytes == 0 => Wish::Unsatisfiable,
        (None, Some(suffix)) => Wish::Part(len_bytes.saturating_sub(suffix)..len_bytes),
        (Some(first), Some(last)) if last < first => Wish::Ignored,
        (Some(first), _) if first >= len_bytes => Wish::Unsatisfiable,
        (Some(first), last) => {
            let end = last.map_or(len_bytes, |last| last.saturating_add(1).min(len_bytes));
            Wish::Part(first..end)
        }
    }
}

type Ends = (Option<u64>, Option<u64>);

fn split(header: &[u8]) -> Option<Ends> {
    let text = std::str::from_utf8(header).ok()?.trim();
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    unit.eq_ignore_ascii_case("bytes").then_some(())?;
    Some((number(first)?, number(last)?))
}

/// Digits, or nothing. A number beyond `u64` is a position beyond every body, not a mistake.
#[expect(clippy::option_option, reason = "the outer one is syntax, the inner one is absence")]
fn number(digits: &str) -> Option<Option<u64>> {
    if digits.is_empty() {
        return Some(None);
    }
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Some(digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_of_a_body_of_ten_bytes() {
        let cases = [
            ("bytes=0-0", Wish::Part(0..1)),
            ("bytes=4-6", Wish::Part(4..7)),
            ("Bytes=9-", Wish::Part(9..10)),
            ("bytes=-3", Wish::Part(7..10)),
            ("bytes=-99", Wish::Part(0..10)),
            ("bytes=0-99", Wish::Part(0..10)),
            ("bytes=0-99999999999999999999999", Wish::Part(0..10)),
            ("bytes=10-", Wish::Unsatisfiable),
            ("bytes=10-12", Wish::Unsatisfiable),
            ("bytes=-0", Wish::Unsatisfiable),
            ("bytes=99999999999999999999999-", Wish::Unsatisfiable),
            ("bytes=9-4", Wish::Ignored),
            ("bytes=", Wish::Ignored),
            ("bytes=-", Wish::Ignored),
            ("bytes=a-b", Wish::Ignored),
            ("bytes=+1-4", Wish::Ignored),
            ("bytes=0-3,8-11", Wish::Ignored),
            ("lines=0-4", Wish::Ignored),
            ("bytes 0-4", Wish::Ignored),
            ("", Wish::Ignored),
        ];
        for (header, wish) in cases {
            assert_eq!(parse(header.as_bytes(), 10), wish, "{header}");
        }
    }

    #[test]
    fn an_empty_body_has_no_range() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(parse(header.as_bytes(), 0), Wish::Unsatisfiable, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_lies_inside(header in "bytes=[0-9]{0,3}-[0-9]{0,3}", len_bytes in 0_u64..600) {
            if let Wish::Part(range) = parse(header.as_bytes(), len_bytes) {
                prop_assert!(range.start < range.end && range.end <= len_bytes);
            }
        }

        #[test]
        fn any_bytes_are_understood_or_ignored(header in prop::collection::vec(any::<u8>(), 0..40)) {
            parse(&header, 100);
        }
    }
}
