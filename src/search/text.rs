//! Texts without regard to case and accents, and patterns.
//!
//! # Source
//! OGC 21-065r2 (CQL2), sections 6.3.3.1 (LIKE), 6.3.4 (`CASEI`) and 6.3.5 (`ACCENTI`).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::filter::TextFunction;

/// A text as it is compared without regard to case, or to accents.
pub(crate) fn fold(function: TextFunction, text: &str) -> String {
    match function {
        // Upper case first: what differs only there, as `ß` and `ss`, becomes one.
        TextFunction::CaseInsensitive => {
            text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
        }
        TextFunction::AccentInsensitive => text.nfd().filter(|c| !is_combining_mark(*c)).nfc().collect(),
    }
}

/// A pattern: `%` any text, `_` any character, `\` before a character that stands for itself.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Is(char),
}

impl Pattern {
    /// Reads a pattern. A `\` at the end stands for nothing.
    pub(crate) fn new(pattern: &str) -> Self {
        let mut parts = Vec::with_capacity(pattern.len());
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let part = match c {
                '%' => Part::Any,
                '_' => Part::One,
                '\\' => match chars.next() {
                    Some(escaped) => Part::Is(escaped),
                    None => break,
                },
                other => Part::Is(other),
            };
            // Several in a row are one: matching stays quadratic at worst.
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        Self { parts }
    }

    /// True if the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (mut part, mut rest) = (0, text);
        // Where the last `%` stands, and the text from which it was tried last.
        let mut last_any: Option<(usize, &str)> = None;
        loop {
            let mut after = rest.chars();
            let next = after.next();
            match (self.parts.get(part), next) {
                (None, None) => return true,
                (Some(Part::Any), _) => {
                    part += 1;
                    last_any = Some((part, rest));
                    continue;
                }
                (Some(Part::One), Some(_)) => {
                    part += 1;
                    rest = after.as_str();
                    continue;
                }
                (Some(Part::Is(wanted)), Some(found)) if *wanted == found => {
                    part += 1;
                    rest = after.as_str();
                    continue;
                }
                _ => {}
            }
            let Some((behind, tried)) = last_any else { return false };
            let mut longer = tried.chars();
            if longer.next().is_none() {
                return false;
            }
            (part, rest) = (behind, longer.as_str());
            last_any = Some((behind, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, matches) in [
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("%", "anything at all", true),
            ("cal-%", "cal-360", true),
            ("cal-%", "a cal-360", false),
            ("%360", "cal-360", true),
            ("cal-___", "cal-360", true),
            ("cal-___", "cal-julian", false),
            ("_", "é", true),
            ("a%b%c", "a b b c", true),
            ("a%b%c", "a b b", false),
            ("%a%a%", "aa", true),
            ("%a%a%", "a", false),
            (r"100\%", "100%", true),
            (r"100\%", "1000", false),
            (r"a\_b", "a_b", true),
            (r"a\_b", "axb", false),
            (r"a\\b", r"a\b", true),
            ("a\\", "a", true),
            ("%\n%", "two\nlines", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{text:?} LIKE {pattern:?}");
        }
    }

    #[test]
    fn case_and_accents_fold_apart() {
        for (a, b) in [("Straße", "STRASSE"), ("ΟΔΟΣ", "οδος"), ("É", "é")] {
            let fold = |text| fold(TextFunction::CaseInsensitive, text);
            assert_eq!(fold(a), fold(b));
        }
        assert_eq!(fold(TextFunction::AccentInsensitive, "Ångström é"), "Angstrom e");
        assert_eq!(fold(TextFunction::CaseInsensitive, "é"), "é");
    }

    /// What the pattern means, by trying everything.
    fn matches_by_trying(parts: &[Part], text: &[char]) -> bool {
        match (parts.split_first(), text.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((Part::Any, rest)), _) => (0..=text.len()).any(|n| matches_by_trying(rest, &text[n..])),
            (Some((Part::One, rest)), Some((_, text))) => matches_by_trying(rest, text),
            (Some((Part::Is(wanted), rest)), Some((found, text))) => {
                wanted == found && matches_by_trying(rest, text)
            }
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_trying_everything(pattern in "[ab%_]{0,8}", text in "[ab]{0,10}") {
            let pattern = Pattern::new(&pattern);
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(pattern.matches(&text), matches_by_trying(&pattern.parts, &chars));
        }
    }
}
