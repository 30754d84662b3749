//! Files that a list names in several ways. The engine knows each by its first spelling; users look for all of them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use thermocline_core::cold::ObjectId;
use thermocline_core::staging::Wanted;
use thermocline_core::{Error, Result};

use crate::staged_files::PREFIX;

/// Further spellings of files, by the first one.
pub(crate) type OtherSpellings = HashMap<Arc<str>, Vec<Arc<str>>>;

/// The further spellings in a list.
pub(crate) fn others(objects: &[Wanted]) -> OtherSpellings {
    let mut first: HashMap<&ObjectId, &Arc<str>> = HashMap::new();
    let mut others = OtherSpellings::new();
    for Wanted { spelling, object } in objects {
        let Some(id) = object.as_ref().ok().and_then(|names| names.first()) else { continue };
        if let Some(first) = first.get(id) {
            others.entry(Arc::clone(first)).or_default().push(Arc::clone(spelling));
        } else {
            first.insert(id, spelling);
        }
    }
    others
}

/// Writes them, one file a line: no spelling has a tab and a line end. Blocking.
pub(crate) fn write(folder: &Path, path: &Path, others: &OtherSpellings) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?;
    let mut text = String::new();
    for (first, others) in others {
        text.push_str(&escape(first));
        for other in others {
            text.push('\t');
            text.push_str(&escape(other));
        }
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failure| failure.error)?;
    File::open(folder)?.sync_all()
}

/// Reads them; none if nothing was written. Blocking.
pub(crate) fn read(path: &Path) -> Result<OtherSpellings> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == IoErrorKind::NotFound => return Ok(OtherSpellings::new()),
        Err(cause) => return Err(Error::internal("the spellings of files cannot be read").with_source(cause)),
    };
    let mut others = OtherSpellings::new();
    for line in text.lines() {
        let mut spellings = line.split('\t').map(|spelling| Arc::from(unescape(spelling)));
        if let Some(first) = spellings.next() {
            others.insert(first, spellings.collect());
        }
    }
    Ok(others)
}

/// A tab may be part of a path; the ends of lines are not, since lists have one path a line.
fn escape(spelling: &str) -> String {
    spelling.replace('\\', "\\\\").replace('\t', "\\t").replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let mut spelling = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('t') => spelling.push('\t'),
                Some('r') => spelling.push('\r'),
                Some(other) => spelling.push(other),
                None => {}
            },
            (plain, false) => spelling.push(plain),
        }
    }
    spelling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spellings");
        let others = OtherSpellings::from([
            ("/a b\tc\\d".into(), vec!["archive:a\rb".into(), "/\\t".into()]),
            ("/x".into(), vec!["/y".into()]),
        ]);
        write(dir.path(), &path, &others).unwrap();
        assert_eq!(read(&path).unwrap(), others);
        assert_eq!(read(&dir.path().join("none")).unwrap(), OtherSpellings::new());
    }
}
