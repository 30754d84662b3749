//! Texts with fields in braces: ids and paths of families.

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// As it stands.
    Text(&'a str),
    /// The name of a field: `{name}`.
    Field(&'a str),
}

/// The parts of a text in order. Braces around what is no name are text: `{a,b}` is a pattern.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut searched = 0;
    while let Some(open) = rest.get(searched..).and_then(|tail| tail.find('{')).map(|at| at + searched) {
        let name = rest.get(open + 1..).and_then(|after| after.split_once('}')).map(|(name, _)| name);
        match name.filter(|name| is_field(name)) {
            Some(name) => {
                let (before, after) = rest.split_at(open);
                if !before.is_empty() {
                    parts.push(Part::Text(before));
                }
                parts.push(Part::Field(name));
                rest = after.get(name.len() + 2..).unwrap_or_default();
                searched = 0;
            }
            None => searched = open + 1,
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// Names of the fields of a text, each as often as it stands there.
pub(crate) fn fields(text: &str) -> impl Iterator<Item = &str> {
    parts(text).into_iter().filter_map(|part| match part {
        Part::Field(name) => Some(name),
        Part::Text(_) => None,
    })
}

/// The text with the values of its fields; those without one stay as they stand.
pub(crate) fn fill<'v>(text: &str, value_of: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut filled = String::with_capacity(text.len());
    for part in parts(text) {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Field(name) => match value_of(name) {
                Some(value) => filled.push_str(value),
                None => filled.extend(["{", name, "}"]),
            },
        }
    }
    filled
}

fn is_field(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_in_braces_are_fields_and_anything_else_is_text() {
        for (text, expected) in [
            ("x.{m}", vec![Part::Text("x."), Part::Field("m")]),
            ("{a}_{b}.nc", vec![Part::Field("a"), Part::Text("_"), Part::Field("b"), Part::Text(".nc")]),
            ("{a,b}/{c}", vec![Part::Text("{a,b}/"), Part::Field("c")]),
            ("{{a}}", vec![Part::Text("{"), Part::Field("a"), Part::Text("}")]),
            ("{1}{}{", vec![Part::Text("{1}{}{")]),
            ("", vec![]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn fields_without_a_value_stay() {
        assert_eq!(fill("{a}.{b}", |name| (name == "a").then_some("x")), "x.{b}");
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_lost(text in "[{}a,_1é]{0,20}") {
            prop_assert_eq!(fill(&text, |_| None), text);
        }
    }
}
