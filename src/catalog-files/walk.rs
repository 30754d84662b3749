//! Looks for the files and stores below a folder that a pattern with fields matches.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::pattern::{FieldPattern, State};

/// A name in a folder.
struct Name {
    name: String,
    is_dir: bool,
}

/// Calls `found` with the path of every match, in order. At most `n_left` names are looked at.
///
/// Links to folders are not followed where a pattern leaves names open, hidden names and names that are not UTF-8
/// are left out.
///
/// # Errors
/// A folder that cannot be read, or too many names: what was found then is not all there is.
pub(crate) fn walk(
    base: &Path,
    pattern: &FieldPattern,
    n_left: &mut usize,
    found: &mut dyn FnMut(PathBuf, &State),
) -> Result<(), String> {
    let mut open = vec![(base.to_owned(), pattern.begin())];
    while let Some((folder, states)) = open.pop() {
        let names = match pattern.names_after(&states) {
            Some(literals) => {
                let found = literals.into_iter().filter_map(|name| literal(&folder, name).transpose());
                found.collect::<Result<Vec<Name>, String>>()?
            }
            None => names_in(&folder, n_left)?,
        };
        let mut below = Vec::new();
        for Name { name, is_dir } in names {
            let states = pattern.advance(&states, &name);
            match pattern.whole(&states) {
                Some(state) => found(folder.join(&name), state),
                None if is_dir && !states.is_empty() => below.push((folder.join(&name), states)),
                None => {}
            }
        }
        open.extend(below.into_iter().rev());
    }
    Ok(())
}

/// A name that a pattern spells out; `None` if nothing has it.
fn literal(folder: &Path, name: &str) -> Result<Option<Name>, String> {
    let path = folder.join(name);
    match path.metadata() {
        Ok(metadata) => Ok(Some(Name { name: name.to_owned(), is_dir: metadata.is_dir() })),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(unreadable(&path, &error)),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}

/// Names in a folder, in order; none if it is not there.
fn names_in(folder: &Path, n_left: &mut usize) -> Result<Vec<Name>, String> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        *n_left = n_left.checked_sub(1).ok_or_else(|| "there are too many files to look at".to_owned())?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        names.push(Name { name, is_dir });
    }
    names.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(files: &[&str], pattern: &str, n_left: usize) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            fs::write(dir.path().join(file), b"x").unwrap();
        }
        let pattern = FieldPattern::new(pattern, &["v".to_owned()], &[]).unwrap();
        let mut found = Vec::new();
        let mut n_left = n_left;
        walk(dir.path(), &pattern, &mut n_left, &mut |path, _| {
            found.push(path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned());
        })?;
        Ok(found)
    }

    #[test]
    fn matches_are_found_in_order_and_hidden_names_are_not() {
        let files = ["b/tas_1.nc", "b/pr_1.nc", "a/x/tas_1.nc", "b/.tas_1.nc", "b/tas_2.txt"];
        assert_eq!(matches(&files, "b/{v}_*.nc", 100).unwrap(), ["b/pr_1.nc", "b/tas_1.nc"]);
        assert_eq!(matches(&files, "**/{v}_*.nc", 100).unwrap(), ["a/x/tas_1.nc", "b/pr_1.nc", "b/tas_1.nc"]);
        assert_eq!(matches(&files, "c/{v}.nc", 100).unwrap(), [""; 0]);
    }

    #[test]
    fn a_folder_that_matches_is_a_store_and_not_looked_into() {
        assert_eq!(matches(&["tas.zarr/zarr.json"], "{v}.zarr", 100).unwrap(), ["tas.zarr"]);
        assert_eq!(matches(&["x/tas.zarr/tas.zarr"], "**/{v}.zarr", 100).unwrap(), ["x/tas.zarr"]);
    }

    #[test]
    fn too_many_names_are_an_error() {
        assert!(matches(&["a.nc", "b.nc", "c.nc"], "{v}.nc", 2).unwrap_err().contains("too many"));
    }

    #[test]
    fn links_to_folders_are_not_followed_through_open_names() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/tas.nc"), b"x").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).unwrap();
        let pattern = FieldPattern::new("**/{v}.nc", &["v".to_owned()], &[]).unwrap();
        let mut n_found = 0;
        walk(dir.path(), &pattern, &mut 100, &mut |_, _| n_found += 1).unwrap();
        assert_eq!(n_found, 1);
    }
}
