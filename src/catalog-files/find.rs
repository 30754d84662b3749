//! Finds the file or store that an entry names below the roots.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use thermocline_core::catalog::SourceSpec;
use walkdir::WalkDir;

/// A root of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRoot {
    /// Its name; `None` for one without.
    pub name: Option<String>,
    /// An absolute path, or a URL without a trailing slash.
    pub base: String,
    /// Name of the cold store on which it lies; `None` for a root whose files are always online.
    pub store: Option<String>,
}

/// Name of the cold store on which a path or URL lies.
pub(crate) fn store_of<'a>(href: &str, roots: &'a [CatalogRoot]) -> Option<&'a str> {
    let holds = |root: &&CatalogRoot| {
        let rest = href.strip_prefix(root.base.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    roots.iter().filter(holds).max_by_key(|root| root.base.len())?.store.as_deref()
}

/// Most files that a pattern is said to match.
const MAX_MATCHES: usize = 1000;

/// The source at `path` below `root`, or below the first root that has it, or beside the file.
pub(crate) fn source(path: &str, root: Option<&str>, roots: &[CatalogRoot], folder: &Path) -> SourceSpec {
    let named: Vec<&CatalogRoot> =
        roots.iter().filter(|known| root.is_none() || known.name.as_deref() == root).collect();
    if let (Some(name), true) = (root, named.is_empty()) {
        return SourceSpec::Refused(format!("no root {name:?} is configured"));
    }
    let own_folder = CatalogRoot { name: None, base: folder.to_string_lossy().into_owned(), store: None };
    let bases = named.into_iter().chain(root.is_none().then_some(&own_folder)).collect::<Vec<_>>();
    let found = bases.iter().find_map(|base| below(path, &base.base));
    found.unwrap_or_else(|| nothing(path, &bases))
}

fn nothing(path: &str, bases: &[&CatalogRoot]) -> SourceSpec {
    let places: Vec<&str> = bases.iter().map(|base| base.base.as_str()).collect();
    SourceSpec::Refused(format!("nothing is at {path:?} below {}", places.join(", ")))
}

fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// What is at a path below one root; `None` if nothing.
fn below(path: &str, base: &str) -> Option<SourceSpec> {
    if base.contains("://") {
        return Some(if is_pattern(path) {
            SourceSpec::Refused(format!(
                "the pattern {path:?} is below {base}; patterns there are not built yet"
            ))
        } else {
            SourceSpec::Object(format!("{}/{path}", base.trim_end_matches('/')))
        });
    }
    let literal = Path::new(base).join(path);
    if let Some(found) = at(&literal) {
        return Some(found);
    }
    if !is_pattern(path) {
        return None;
    }
    let matches = matching(path, Path::new(base));
    match matches.as_slice() {
        [] => None,
        [one] => at(one),
        several => {
            let n = several.len();
            let n = if n >= MAX_MATCHES { format!("{MAX_MATCHES} or more") } else { n.to_string() };
            let reason = format!(
                "{path:?} matches {n} files, which make one dataset only by `aggregate`; it is not built yet"
            );
            Some(SourceSpec::Refused(reason))
        }
    }
}

fn at(path: &Path) -> Option<SourceSpec> {
    let metadata = path.metadata().ok()?;
    let Some(href) = path.to_str() else {
        return Some(SourceSpec::Refused(format!("the name {path:?} is not UTF-8")));
    };
    Some(if metadata.is_dir() {
        SourceSpec::Directory(href.trim_end_matches('/').to_owned())
    } else {
        SourceSpec::Object(href.to_owned())
    })
}

/// Files and stores that a pattern matches, in order, at most [`MAX_MATCHES`].
fn matching(pattern: &str, base: &Path) -> Vec<PathBuf> {
    let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() else { return Vec::new() };
    let matcher = glob.compile_matcher();
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !is_pattern(&part.as_os_str().to_string_lossy()))
        .collect();
    let has_any_depth = pattern.contains("**");
    let depth = Path::new(pattern).components().count() - fixed.components().count();
    let walk = WalkDir::new(base.join(&fixed))
        .min_depth(1)
        .max_depth(if has_any_depth { usize::MAX } else { depth })
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    walk.flatten()
        .filter(|entry| entry.path().strip_prefix(base).is_ok_and(|relative| matcher.is_match(relative)))
        .map(walkdir::DirEntry::into_path)
        .take(MAX_MATCHES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a/t_1.nc", "a/b/t_2.nc", "a/b/u.nc", "s.zarr/zarr.json", "odd[1].nc"] {
            std::fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(file), b"x").unwrap();
        }
        dir
    }

    #[test]
    fn one_file_or_store_is_found_and_anything_else_refused() {
        let dir = tree();
        let base = dir.path().to_str().unwrap();
        let object = |path: &str| SourceSpec::Object(format!("{base}/{path}"));
        for (path, expected) in [
            ("a/t_1.nc", object("a/t_1.nc")),
            ("a/t_*.nc", object("a/t_1.nc")),
            ("**/u.nc", object("a/b/u.nc")),
            ("odd[1].nc", object("odd[1].nc")),
            ("s.zarr", SourceSpec::Directory(format!("{base}/s.zarr"))),
            ("*.zarr", SourceSpec::Directory(format!("{base}/s.zarr"))),
        ] {
            assert_eq!(source(path, None, &[], dir.path()), expected, "{path}");
        }
        for (path, word) in [("a/**/t_*.nc", "aggregate"), ("none.nc", "nothing"), ("a/x*.nc", "nothing")] {
            let SourceSpec::Refused(reason) = source(path, None, &[], dir.path()) else { panic!("{path}") };
            assert!(reason.contains(word), "{path}: {reason}");
        }
    }

    #[test]
    fn a_named_root_is_the_only_one_looked_at() {
        let dir = tree();
        let roots = [
            CatalogRoot {
                name: Some("archive".to_owned()),
                base: format!("{}/a", dir.path().display()),
                store: None,
            },
            CatalogRoot { name: Some("cloud".to_owned()), base: "s3://bucket/x".to_owned(), store: None },
        ];
        let expected = SourceSpec::Object(format!("{}/a/t_1.nc", dir.path().display()));
        assert_eq!(source("t_1.nc", Some("archive"), &roots, dir.path()), expected);
        assert_eq!(
            source("t_1.nc", Some("cloud"), &roots, dir.path()),
            SourceSpec::Object("s3://bucket/x/t_1.nc".to_owned())
        );
        for (path, root) in [("s.zarr", "archive"), ("t_1.nc", "unknown")] {
            assert!(matches!(source(path, Some(root), &roots, dir.path()), SourceSpec::Refused(_)));
        }
    }
}
