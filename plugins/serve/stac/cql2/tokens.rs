//! The words of CQL2 text.

use crate::problem::{Parsed, StacProblem};

/// A word of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name without quotes: a property, a function, a keyword.
    Name(String),
    /// A name in double quotes: a property.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A number without sign.
    Number(f64),
    /// An operator, a parenthesis, a comma.
    Sign(&'static str),
    /// The end.
    End,
}

/// Signs, the longer of two that begin alike first.
const SIGNS: [&str; 16] =
    ["<>", "<=", ">=", "!=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", ","];

/// A word and the position of its first character, from 1.
pub(super) type Placed = (usize, Token);

/// All words of a filter, the end included.
///
/// # Errors
/// 400 that names the place of a character that begins no word, and of a text that does not end.
pub(super) fn tokens(text: &str) -> Parsed<Vec<Placed>> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut position = 1;
    loop {
        let trimmed = rest.trim_start();
        // Only what is passed over is counted: a filter has as many words as it has characters.
        let blank = rest.len().saturating_sub(trimmed.len());
        position += rest.get(..blank).map_or(0, |blank| blank.chars().count());
        let Some(first) = trimmed.chars().next() else {
            found.push((position, Token::End));
            return Ok(found);
        };
        let (token, len_bytes) = token(trimmed, first, position)?;
        found.push((position, token));
        let (taken, after) = trimmed.split_at_checked(len_bytes).unwrap_or((trimmed, ""));
        position += taken.chars().count();
        rest = after;
    }
}

/// The first word of a text and its length in bytes.
fn token(text: &str, first: char, position: usize) -> Parsed<(Token, usize)> {
    if first == '\'' || first == '"' {
        let (content, len_bytes) = quoted(text, first).ok_or_else(|| {
            StacProblem::invalid(format!(
                "the filter does not parse: the {first} at character {position} is not closed"
            ))
        })?;
        let token = if first == '"' { Token::Quoted(content) } else { Token::Text(content) };
        return Ok((token, len_bytes));
    }
    if first.is_ascii_digit() {
        return number(text, position);
    }
    if first.is_alphabetic() || first == '_' {
        let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':');
        let name: String = text.chars().take_while(|c| is_inner(*c)).collect();
        let len_bytes = name.len();
        return Ok((Token::Name(name), len_bytes));
    }
    let sign = SIGNS.into_iter().find(|sign| text.starts_with(sign)).ok_or_else(|| {
        StacProblem::invalid(format!(
            "the filter does not parse: '{first}' at character {position} means nothing"
        ))
    })?;
    Ok((Token::Sign(if sign == "!=" { "<>" } else { sign }), sign.len()))
}

/// What stands in quotes, in which a doubled quote means one, and its length in bytes.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some((content, at + 1));
        }
        content.push(character);
    }
    None
}

fn number(text: &str, position: usize) -> Parsed<(Token, usize)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let after = |at: usize| text.get(at..).unwrap_or_default();
    let mut end = digits(text);
    if after(end).starts_with('.') {
        end += 1 + digits(after(end + 1));
    }
    if after(end).starts_with(['e', 'E']) {
        let sign = usize::from(after(end + 1).starts_with(['+', '-']));
        let n_digits = digits(after(end + 1 + sign));
        if n_digits > 0 {
            end += 1 + sign + n_digits;
        }
    }
    let number =
        text.get(..end).and_then(|digits| digits.parse::<f64>().ok()).filter(|number| number.is_finite());
    let number = number.ok_or_else(|| {
        StacProblem::invalid(format!(
            "the filter does not parse: the number at character {position} is too large"
        ))
    })?;
    Ok((Token::Number(number), end))
}
