//! Entity tags in `If-Match`, `If-None-Match` and `If-Range`.

use super::GZIP_SUFFIX;

/// Which bodies of one state of a document count as the one that a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Plain and compressed: a client may have got either.
    Any,
    /// The plain one alone, whose bytes a range counts.
    Identity,
}

/// True if a list holds `etag` as a strong tag, or is `*`.
///
/// # Source
/// RFC 9110, section 13.1.1: the strong comparison.
pub(super) fn strongly_matches(list: &[u8], etag: &str, coding: Coding) -> bool {
    let matches = |opaque| match coding {
        Coding::Any => suffix_of(opaque, etag).is_some(),
        Coding::Identity => opaque == etag.as_bytes(),
    };
    is_any(list) || tags(list).any(|tag| !tag.is_weak && matches(tag.opaque))
}

/// True if `condition` is the strong tag `etag` of the plain body and nothing else: a range of it goes on
/// where the bytes end that a client has, which must not be those of the compressed body.
///
/// # Source
/// RFC 9110, section 13.1.5.
pub(super) fn is_exactly(condition: &[u8], etag: &str) -> bool {
    let opaque = condition.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    opaque == Some(etag.as_bytes())
}

/// Finds `etag` in a list by the weak comparison: the suffix that the client's tag has (that of a
/// compressed body, or none).
///
/// # Source
/// RFC 9110, section 13.1.2.
pub(super) fn find(list: &[u8], etag: &str) -> Option<&'static str> {
    if is_any(list) {
        return Some("");
    }
    tags(list).find_map(|tag| suffix_of(tag.opaque, etag))
}

fn suffix_of(opaque: &[u8], etag: &str) -> Option<&'static str> {
    let rest = opaque.strip_prefix(etag.as_bytes())?;
    if rest.is_empty() {
        return Some("");
    }
    (rest == GZIP_SUFFIX.as_bytes()).then_some(GZIP_SUFFIX)
}

fn is_any(list: &[u8]) -> bool {
    list.trim_ascii() == b"*"
}

struct Tag<'a> {
    opaque: &'a [u8],
    is_weak: bool,
}

/// The tags of a list; reading ends at the first thing that is none.
fn tags(mut list: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    std::iter::from_fn(move || {
        while let [b',' | b' ' | b'\t', rest @ ..] = list {
            list = rest;
        }
        let (is_weak, quoted) = match list.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, list),
        };
        let quoted = quoted.strip_prefix(b"\"")?;
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        let (opaque, rest) = quoted.split_at_checked(end)?;
        list = rest.get(1..).unwrap_or_default();
        Some(Tag { opaque, is_weak })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_searched() {
        let cases: [(&str, Option<&str>, bool); 12] = [
            ("\"a\"", Some(""), true),
            ("\"b\", \"a\"", Some(""), true),
            ("\"b\",\"a\"", Some(""), true),
            ("W/\"a\"", Some(""), false),
            ("\"x,y\", W/\"z\", \"a\"", Some(""), true),
            ("\"a-gz\"", Some(GZIP_SUFFIX), true),
            ("*", Some(""), true),
            (" * ", Some(""), true),
            ("\"ab\"", None, false),
            ("a", None, false),
            ("\"a", None, false),
            ("", None, false),
        ];
        for (list, found, strongly) in cases {
            assert_eq!(find(list.as_bytes(), "a"), found, "{list}");
            assert_eq!(strongly_matches(list.as_bytes(), "a", Coding::Any), strongly, "{list}");
        }
    }

    #[test]
    fn a_range_counts_the_bytes_of_the_plain_body() {
        assert!(strongly_matches(b"\"b\", \"a\"", "a", Coding::Identity));
        assert!(!strongly_matches(b"\"a-gz\"", "a", Coding::Identity));
        for (condition, is_plain) in
            [("\"a\"", true), ("\"a-gz\"", false), ("W/\"a\"", false), ("\"b\", \"a\"", false), ("\"", false)]
        {
            assert_eq!(is_exactly(condition.as_bytes(), "a"), is_plain, "{condition}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list(list in prop::collection::vec(any::<u8>(), 0..60)) {
            find(&list, "a");
        }
    }
}
