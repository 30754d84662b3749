//! Texts that templates leave alone.
//!
//! # Source
//! Jinja 2.10 to 3.1 with its default delimiters: `{{` begins an expression, `{%` a statement, `{#` a comment.

use std::borrow::Cow;

/// A text whose evaluation as a template gives the text itself.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 32);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('{', Some(&second @ ('{' | '%' | '#'))) => {
                characters.next();
                escaped.push_str("{{ '{");
                escaped.push(second);
                escaped.push_str("' }}");
            }
            _ => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delimiters_become_expressions_that_give_them_back() {
        for (text, expected) in [
            ("plain { text } %}", "plain { text } %}"),
            ("{{ x }}", "{{ '{{' }} x }}"),
            ("{% for x %}", "{{ '{%' }} for x %}"),
            ("{# note #}", "{{ '{#' }} note #}"),
            ("{{{", "{{ '{{' }}{"),
            ("{{{{", "{{ '{{' }}{{ '{{' }}"),
            ("{{%", "{{ '{{' }}%"),
            ("{", "{"),
        ] {
            assert_eq!(escaped(text), expected, "{text}");
        }
    }

    /// What a template engine makes of the expressions that [`escaped`] writes; `None` for any other.
    fn evaluated(template: &str) -> Option<String> {
        let mut rest = template;
        let mut text = String::new();
        while let Some(position) =
            rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min()
        {
            text.push_str(&rest[..position]);
            let known = ["{{", "{%", "{#"].into_iter().find_map(|delimiter| {
                let rest = rest[position..].strip_prefix(&format!("{{{{ '{delimiter}' }}}}"))?;
                Some((delimiter, rest))
            });
            let (delimiter, after) = known?;
            text.push_str(delimiter);
            rest = after;
        }
        Some(text + rest)
    }

    proptest! {
        #[test]
        fn evaluation_gives_the_text_back(text in "[{}%#' a]{0,24}") {
            prop_assert_eq!(evaluated(&escaped(&text)), Some(text));
        }
    }
}
