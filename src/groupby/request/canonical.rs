//! One form of a request, and reading it again.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::values::shown;
use super::{Options, Request};
use crate::Failure;

/// What segments have as it is: letters, digits, and signs that mean nothing in a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',')
    .remove(b':')
    .remove(b'=');

/// The same of names before `=`.
const ESCAPED_NAME: &AsciiSet = &ESCAPED.add(b'=');

pub(super) fn canonical(request: &Request) -> String {
    let words = [request.variable.clone(), request.grouper_text(), request.action.word().to_owned()];
    let mut segments: Vec<String> = words.iter().map(|word| escaped(word)).collect();
    segments.extend(request.pairs().iter().map(|(name, value)| segment(name, value)));
    segments.join("/")
}

/// A word as a segment. Two colons mean a chain of file systems to fsspec, through which Zarr groups are opened.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string().replace("::", ":%3A")
}

fn segment(name: &str, value: &str) -> String {
    format!("{}={}", utf8_percent_encode(name, ESCAPED_NAME), escaped(value))
}

/// Options that are not left at their defaults and selections, sorted by name.
pub(super) fn pairs(request: &Request) -> Vec<(String, String)> {
    let set = |spec: &super::OptionSpec| Some((spec.name.to_owned(), spec.write(&request.options)?));
    let mut pairs: Vec<(String, String)> = Options::all().iter().filter_map(set).collect();
    pairs.extend(request.selecting.iter().cloned());
    pairs.sort();
    pairs
}

pub(super) fn read(path: &str) -> Result<Request, Failure> {
    let mut segments = path.split('/');
    let mut word = |what: &str| {
        let missing =
            || Failure::mistake(format!("the path has no {what}: write {{var}}/{{grouper}}/{{action}}"));
        segments.next().ok_or_else(missing).and_then(decoded)
    };
    let (variable, grouper, action) = (word("variable")?, word("grouper")?, word("action")?);
    let pairs = segments.map(pair).collect::<Result<Vec<_>, _>>()?;
    Request::parse(&variable, &grouper, &action, &pairs)
}

/// Name and value of a segment.
pub(super) fn pair(segment: &str) -> Result<(String, String), Failure> {
    let (name, value) = segment.split_once('=').ok_or_else(|| {
        let detail = format!("'{}' follows the action: options in a path are name=value", shown(segment));
        Failure::mistake_among(detail, Options::names())
    })?;
    Ok((decoded(name)?, decoded(value)?))
}

fn decoded(text: &str) -> Result<String, Failure> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| Failure::mistake(format!("'{}' is not UTF-8", shown(text))))
}
