//! Command lines with places for paths, split into words once.

use std::ffi::OsString;

use crate::{Error, Result};

/// Longest command line that is handed to a program, in bytes. Linux allows 2 MiB with the environment.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Longest single argument: Linux allows 128 KiB.
const MAX_WORD_BYTES: usize = 128 << 10;

/// A command line such as `lfs hsm_restore {paths}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTemplate {
    words: Vec<Word>,
}

/// Parts of one argument, or a list of arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Parts(Vec<Part>),
    /// `{paths}`, alone in its word: an argument for each path.
    Paths,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(String),
}

/// What is put into the places of a template.
#[derive(Debug, Clone, Default)]
pub struct Values<'a> {
    /// Values by the names of their places.
    pub named: Vec<(&'static str, &'a str)>,
    /// What `{paths}` stands for.
    pub paths: Vec<&'a str>,
}

impl CommandTemplate {
    /// Splits a command line. `places` are the names that may stand in braces.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for an empty command, a program by a relative path (commands run in the
    /// root folder), an open quote, an unknown place, `{paths}` inside
    /// a word, and for characters that would mean something to a shell and stand outside quotes.
    ///
    /// ```
    /// use thermocline_core::cold::command::{CommandTemplate, Values};
    /// let template = CommandTemplate::parse("dmget -q '{path}'", &["path"]).unwrap();
    /// let values = Values { named: vec![("path", "/arch/a b.nc")], ..Values::default() };
    /// assert_eq!(template.arguments(&values).unwrap(), ["dmget", "-q", "/arch/a b.nc"]);
    /// assert!(CommandTemplate::parse("dmget {path} | tee log", &["path"]).is_err());
    /// ```
    pub fn parse(text: &str, places: &[&str]) -> Result<Self> {
        let mistake = |what: String| Error::invalid_input(format!("command {text:?}: {what}"));
        let words = split(text).map_err(mistake)?;
        let words: Vec<Word> =
            words.iter().map(|word| parse_word(word, places)).collect::<Result<_, _>>().map_err(mistake)?;
        match words.first() {
            None => Err(mistake("is empty".to_owned())),
            Some(Word::Parts(parts)) => match parts.as_slice() {
                [Part::Text(program)] if program.contains('/') && !program.starts_with('/') => Err(mistake(
                    "the program is neither an absolute path nor a name to be found on PATH".to_owned(),
                )),
                [Part::Text(_)] => Ok(Self { words }),
                _ => Err(mistake("the program cannot be a place".to_owned())),
            },
            Some(Word::Paths) => Err(mistake("the program cannot be a place".to_owned())),
        }
    }

    /// True if the place of this name occurs.
    pub fn takes(&self, place: &str) -> bool {
        self.words.iter().any(|word| match word {
            Word::Paths => place == "paths",
            Word::Parts(parts) => parts.iter().any(|part| matches!(part, Part::Place(name) if name == place)),
        })
    }

    /// The program, for messages.
    pub fn program(&self) -> &str {
        match self.words.first() {
            Some(Word::Parts(parts)) => match parts.first() {
                Some(Part::Text(text)) => text,
                _ => "",
            },
            _ => "",
        }
    }

    /// The program and its arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::TooLarge`] for more than a program can be given,
    /// [`crate::ErrorKind::InvalidInput`] for a value with a NUL in it, [`crate::ErrorKind::Internal`] for a place
    /// without a value.
    pub fn arguments(&self, values: &Values<'_>) -> Result<Vec<OsString>> {
        let mut arguments = Vec::with_capacity(self.words.len() + values.paths.len());
        for word in &self.words {
            match word {
                Word::Paths => arguments.extend(values.paths.iter().map(|path| (*path).to_owned())),
                Word::Parts(parts) => arguments.push(fill(parts, values)?),
            }
        }
        let n_bytes: usize = arguments.iter().map(|argument| argument.len() + 9).sum();
        if n_bytes > MAX_LINE_BYTES || arguments.iter().any(|argument| argument.len() >= MAX_WORD_BYTES) {
            let text = format!("{}: a command line of {n_bytes} bytes", self.program());
            return Err(Error::new(crate::ErrorKind::TooLarge, text));
        }
        if arguments.iter().any(|argument| argument.contains('\0')) {
            return Err(Error::invalid_input(format!("{}: an argument contains a NUL", self.program())));
        }
        Ok(arguments.into_iter().map(OsString::from).collect())
    }
}

fn fill(parts: &[Part], values: &Values<'_>) -> Result<String> {
    let mut argument = String::new();
    for part in parts {
        match part {
            Part::Text(text) => argument.push_str(text),
            Part::Place(name) => {
                let value = values.named.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
                let missing = || Error::internal(format!("nothing is known of {{{name}}}"));
                argument.push_str(value.ok_or_else(missing)?);
            }
        }
    }
    Ok(argument)
}

fn parse_word(word: &str, places: &[&str]) -> Result<Word, String> {
    if word == "{paths}" && places.contains(&"paths") {
        return Ok(Word::Paths);
    }
    let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), word);
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        let Some(name) = name else {
            // Braces of something else, as in JSON.
            text.push('{');
            rest = after;
            continue;
        };
        if name == "paths" && places.contains(&name) {
            return Err("{paths} stands for several words and must be one by itself".to_owned());
        }
        if !places.contains(&name) {
            return Err(format!("{{{name}}} is not known here; known are {{{}}}", places.join("}, {")));
        }
        parts.extend((!text.is_empty()).then(|| Part::Text(std::mem::take(&mut text))));
        parts.push(Part::Place(name.to_owned()));
        rest = after.get(name.len() + 1..).unwrap_or_default();
    }
    text.push_str(rest);
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(Word::Parts(parts))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Words as a POSIX shell splits them (Shell Command Language, section 2.2), without its expansions.
fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => single_quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("ends with a backslash")?),
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '#' | '\0' => {
                return Err(format!(
                    "there is no shell: {c:?} must be quoted, or the command be a script of its own"
                ));
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    for c in chars.by_ref() {
        match c {
            '\'' => return Ok(()),
            other => word.push(other),
        }
    }
    Err("a quote is open".to_owned())
}

fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                Some(other) => word.extend(['\\', other]),
                None => break,
            },
            other => word.push(other),
        }
    }
    Err("a quote is open".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        // The words that Python's shlex.split gives.
        for (text, words) in [
            ("lfs hsm_restore", vec!["lfs", "hsm_restore"]),
            ("  a\t'b c'  d ", vec!["a", "b c", "d"]),
            (r#"a "b \"c\" \\ \d" e\ f"#, vec!["a", r#"b "c" \ \d"#, "e f"]),
            (r#"a '' "" b"#, vec!["a", "", "", "b"]),
            (r#"x'y'"z"w"#, vec!["xyzw"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn a_path_is_one_argument_whatever_it_contains() {
        let template = CommandTemplate::parse("tool --file={path} x", &["path"]).unwrap();
        for path in ["/a b", "/a;rm -rf /", "/$(id)", "/{path}", "/'\"", "/-x"] {
            let values = Values { named: vec![("path", path)], paths: Vec::new() };
            let expected = ["tool".to_owned(), format!("--file={path}"), "x".to_owned()];
            assert_eq!(template.arguments(&values).unwrap(), expected.map(OsString::from));
        }
    }

    #[test]
    fn paths_are_as_many_arguments() {
        let template = CommandTemplate::parse("tool {paths} --key {key}", &["paths", "key"]).unwrap();
        let values = Values { named: vec![("key", "k")], paths: vec!["/a", "/b c"] };
        assert_eq!(template.arguments(&values).unwrap(), ["tool", "/a", "/b c", "--key", "k"]);
        assert!(template.takes("paths") && template.takes("key") && !template.takes("path"));
    }

    #[test]
    fn templates_with_mistakes_are_refused() {
        for text in [
            "",
            "  ",
            "a 'b",
            "a \"b",
            "a \\",
            "a {pth}",
            "a x{paths}",
            "{path} a",
            "a | b",
            "a; b",
            "a > f",
            "a $HOME",
            "a `b`",
            "a && b",
            "bin/a {path}",
            "./a {path}",
        ] {
            assert!(CommandTemplate::parse(text, &["path", "paths"]).is_err(), "{text:?}");
        }
    }

    #[test]
    fn braces_of_something_else_stay() {
        let template = CommandTemplate::parse(r#"tool '{"a": {path}}' {}"#, &["path"]).unwrap();
        let values = Values { named: vec![("path", "/x")], paths: Vec::new() };
        assert_eq!(template.arguments(&values).unwrap(), ["tool", r#"{"a": /x}"#, "{}"]);
    }

    #[test]
    fn more_than_a_program_can_be_given_is_refused() {
        let template = CommandTemplate::parse("tool {paths}", &["paths"]).unwrap();
        let path = "/x".repeat(2000);
        let values = Values { named: Vec::new(), paths: vec![path.as_str(); 1000] };
        assert_eq!(template.arguments(&values).unwrap_err().kind(), crate::ErrorKind::TooLarge);
        let nul = Values { named: Vec::new(), paths: vec!["/a\0b"] };
        assert!(template.arguments(&nul).is_err());
    }
}
