//! What a folder declares after some of its files changed, without walking all of it.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::ids::is_ignored;
use super::super::{DatasetSpec, SourceSpec};
use super::{State, absolute, is_dataset, is_store, push};

/// What a change of one path means.
enum Change {
    /// Nothing: hidden files, what lies inside a store.
    Nothing,
    /// The file is a dataset now.
    Declared(Box<DatasetSpec>),
    /// There is no dataset at that path.
    Gone,
}

/// The datasets of a local folder after changes of exactly these paths, in the order of a walk; `None` when only
/// a walk can tell: a folder came or went, a link changed, a store was made.
pub(super) fn specs_after(
    state: &mut State,
    source: &str,
    known: &[DatasetSpec],
    changed: &[PathBuf],
) -> Option<Vec<DatasetSpec>> {
    let root = absolute(source);
    let mut specs = known.to_vec();
    for path in changed {
        let place = specs.binary_search_by(|spec| Path::new(href(spec)).cmp(path));
        match (change(state, &root, known, path)?, place) {
            (Change::Nothing, _) | (Change::Gone, Err(_)) => {}
            (Change::Declared(spec), Ok(at)) => *specs.get_mut(at)? = *spec,
            (Change::Declared(spec), Err(at)) => specs.insert(at, *spec),
            (Change::Gone, Ok(at)) => {
                specs.remove(at);
            }
        }
    }
    Some(specs)
}

fn change(state: &mut State, root: &Path, known: &[DatasetSpec], path: &Path) -> Option<Change> {
    let relative = path.strip_prefix(root).ok()?.to_str().filter(|relative| !relative.is_empty())?;
    let is_marker = path.file_name().is_some_and(|name| state.sniffer.markers().any(|marker| name == marker));
    // Some markers have names of hidden files.
    if is_marker {
        return None;
    }
    if relative.split('/').any(is_ignored) {
        return Some(Change::Nothing);
    }
    let folders = path.ancestors().skip(1).take_while(|folder| *folder != root);
    if folders.into_iter().any(|folder| is_store(state, folder)) {
        return Some(Change::Nothing);
    }
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => Some(file(state, path, relative, metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound && !holds_datasets(known, path) => {
            Some(Change::Gone)
        }
        Ok(_) | Err(_) => None,
    }
}

fn file(state: &mut State, path: &Path, relative: &str, metadata: Metadata) -> Change {
    let Some(href) = path.to_str() else { return Change::Nothing };
    if !is_dataset(state, href, || Some(metadata)) {
        return Change::Gone;
    }
    let mut declared = Vec::new();
    push(state, &mut declared, relative, SourceSpec::Object(href.to_owned()), href);
    declared.pop().map_or(Change::Gone, |spec| Change::Declared(Box::new(spec)))
}

/// True for the folder of some dataset, and for a store.
fn holds_datasets(known: &[DatasetSpec], path: &Path) -> bool {
    let first = known.partition_point(|spec| Path::new(href(spec)) < path);
    let near = known.get(first..).unwrap_or_default().iter().take(2);
    near.into_iter().any(|spec| match &spec.source {
        SourceSpec::Directory(href) => Path::new(href).starts_with(path),
        _ => Path::new(href(spec)) != path && Path::new(href(spec)).starts_with(path),
    })
}

fn href(spec: &DatasetSpec) -> &str {
    match &spec.source {
        SourceSpec::Object(href) | SourceSpec::Directory(href) => href,
        SourceSpec::Refused(_) => "",
    }
}
