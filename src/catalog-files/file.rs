//! Reading one catalog file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::declare::{self, Parsed};
use crate::node::{Fault, Node};
use crate::{Mistake, rules, schema, toml, yaml};

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What was read of a file without mistakes.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) parsed: Parsed,
    /// Names of roots with their lines.
    pub(crate) roots: Vec<(String, usize)>,
    /// Names of access rules with their lines.
    pub(crate) access_rules: Vec<(String, usize)>,
}

/// The catalog files at a path: itself, or those below it, in order; and what could not be looked at, which is the path
/// itself or lies below it.
pub(crate) fn files_at(path: &Path) -> (Vec<PathBuf>, Vec<(PathBuf, io::Error)>) {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return (vec![path.to_owned()], Vec::new()),
        Err(error) => return (Vec::new(), vec![(path.to_owned(), error)]),
    }
    let (mut files, mut away) = (Vec::new(), Vec::new());
    let walk = WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter();
    let walk = walk
        .filter_entry(|entry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.'));
    for entry in walk {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_catalog(entry.path()) => {
                files.push(entry.into_path());
            }
            Ok(_) => {}
            Err(error) => {
                let place = error.path().unwrap_or(path).to_owned();
                if !is_of_no_interest(&place) {
                    away.push((place, error.into()));
                }
            }
        }
    }
    (files, away)
}

/// True for hidden names, and for what vanished between listing and looking.
fn is_of_no_interest(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let is_gone = path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    is_hidden || is_gone
}

fn is_catalog(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        ["yaml", "yml", "toml"].iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// Reads a file.
///
/// # Errors
/// All its mistakes.
pub(crate) fn parse(path: &Path) -> Result<Read, Vec<Mistake>> {
    let parsed = read(path).and_then(|text| parse_text(&text, path));
    parsed.map_err(|faults| {
        let mistake = |fault: Fault| Mistake {
            file: path.to_owned(),
            line: fault.line.max(1),
            path: fault.path,
            message: fault.message,
        };
        faults.into_iter().map(mistake).collect()
    })
}

fn read(path: &Path) -> Result<String, Vec<Fault>> {
    let fault = |line, message: String| vec![Fault::new(line, "", message)];
    let unreadable = |error: io::Error| fault(1, format!("cannot be read: {error}"));
    let len_bytes = path.metadata().map_err(unreadable)?.len();
    if len_bytes > MAX_FILE_BYTES {
        return Err(fault(1, format!("has {len_bytes} bytes, more than {MAX_FILE_BYTES}")));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        fault(line, "is not UTF-8 here".to_owned())
    })
}

fn parse_text(text: &str, path: &Path) -> Result<Read, Vec<Fault>> {
    let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = if is_toml { toml::parse(text) } else { yaml::parse(text) };
    let node = parsed.map_err(|fault| vec![fault])?;
    let faults = schema::faults(&node);
    if !faults.is_empty() {
        return Err(faults);
    }
    let faults = rules::faults(&node);
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Read {
        parsed: declare::parsed(&node, path),
        roots: roots_of(&node),
        access_rules: access_rules_of(&node),
    })
}

fn items(node: &Node) -> impl Iterator<Item = &Node> {
    let sections = ["datasets", "families", "harvest"];
    sections.into_iter().flat_map(|key| node.get(key).map(Node::items).unwrap_or_default())
}

fn access_rules_of(node: &Node) -> Vec<(String, usize)> {
    node.get("defaults")
        .into_iter()
        .chain(items(node))
        .filter_map(|item| Some((item.text_of("access")?.to_owned(), item.line_of("access"))))
        .collect()
}

fn roots_of(node: &Node) -> Vec<(String, usize)> {
    items(node)
        .filter_map(|item| item.get("source"))
        .filter_map(|source| Some((source.text_of("root")?.to_owned(), source.line_of("root"))))
        .collect()
}
