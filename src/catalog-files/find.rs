//! Finds the file or store that an entry names below the roots.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use thermocline_core::catalog::{NamePatterns, SourceSpec};
use walkdir::WalkDir;

use crate::declare::Prefix;

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
fn store_of<'a>(href: &str, roots: &'a [CatalogRoot]) -> Option<&'a str> {
    let holds = |root: &&CatalogRoot| {
        let rest = href.strip_prefix(root.base.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    roots.iter().filter(holds).max_by_key(|root| root.base.len())?.store.as_deref()
}

/// Most files that a pattern is said to match.
const MAX_MATCHES: usize = 1000;

/// Most names that are looked at for one prefix.
const MAX_LOOKED_AT: usize = 100_000;

/// Largest list that is read, in bytes.
const MAX_LIST_BYTES: u64 = 1 << 20;

/// Where the paths of one file are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    /// The roots of the configuration.
    pub(crate) roots: &'a [CatalogRoot],
    /// The folder of the file.
    pub(crate) folder: &'a Path,
}

impl Places<'_> {
    /// The roots below which a path is looked for: that of the name, else all and then the file's own folder.
    ///
    /// # Errors
    /// No root has that name.
    pub(crate) fn bases(&self, root: Option<&str>) -> Result<Vec<String>, String> {
        let known = self.roots.iter().filter(|known| root.is_none() || known.name.as_deref() == root);
        let mut bases: Vec<String> = known.map(|known| known.base.clone()).collect();
        match root {
            Some(name) if bases.is_empty() => return Err(format!("no root {name:?} is configured")),
            Some(_) => {}
            None => bases.push(self.folder.to_string_lossy().into_owned()),
        }
        Ok(bases)
    }

    /// What a path or pattern names: below the root of the name, or below the first root that has it.
    pub(crate) fn source(&self, path: &str, root: Option<&str>) -> SourceSpec {
        self.first(path, root, |base| below(path, base))
    }

    /// The only object below a folder.
    pub(crate) fn only_below(&self, prefix: &Prefix) -> SourceSpec {
        self.first(&prefix.path, prefix.root.as_deref(), |base| only_below(prefix, base))
    }

    /// The only object that a list names.
    pub(crate) fn listed(&self, path: &str, root: Option<&str>) -> SourceSpec {
        let list = match self.first(path, root, |base| literal(path, base)) {
            SourceSpec::Object(href) => href,
            SourceSpec::Directory(href) => {
                return SourceSpec::Refused(format!("{href} is a folder, not a list"));
            }
            refused @ SourceSpec::Refused(_) => return refused,
        };
        let line = match only_line(&list) {
            Ok(line) => line,
            Err(reason) => return SourceSpec::Refused(reason),
        };
        if ["https://", "http://", "s3://"].iter().any(|scheme| line.starts_with(scheme)) {
            return SourceSpec::Object(line);
        }
        match leaves_root(&line) {
            Some(reason) => SourceSpec::Refused(format!("{list}: {reason}")),
            None => self.first(&line, root, |base| literal(&line, base)),
        }
    }

    /// The source, refused if it does not lie on the cold store that its entry names. Which root lies on which store
    /// is said by the configuration: what is not bound there would be read as if it were online.
    pub(crate) fn on_store(
        &self,
        source: SourceSpec,
        store: Option<&str>,
        format: Option<&str>,
    ) -> SourceSpec {
        let Some(store) = store else { return source };
        if !self.roots.iter().any(|root| root.store.as_deref() == Some(store)) {
            let reason = format!("`cold` is {store:?}, and no root lies on a cold store of that name");
            return SourceSpec::Refused(reason);
        }
        let (SourceSpec::Object(href) | SourceSpec::Directory(href)) = &source else { return source };
        match store_of(href, self.roots) {
            Some(found) if found == store => source,
            // References lie on disk; each object that they point at is looked up by itself.
            None if format == Some("kerchunk") => source,
            Some(found) => {
                SourceSpec::Refused(format!("`cold` is {store:?}, and {href} lies on [cold.{found}]"))
            }
            None => SourceSpec::Refused(format!(
                "`cold` is {store:?}, and the root of {href} is not bound to it: name it in [cold.{store}] roots"
            )),
        }
    }

    fn first(&self, path: &str, root: Option<&str>, look: impl Fn(&str) -> Option<SourceSpec>) -> SourceSpec {
        let bases = match self.bases(root) {
            Ok(bases) => bases,
            Err(reason) => return SourceSpec::Refused(reason),
        };
        bases.iter().find_map(|base| look(base)).unwrap_or_else(|| {
            SourceSpec::Refused(format!("nothing is at {path:?} below {}", bases.join(", ")))
        })
    }
}

/// Why a path does not stay below its root; `None` if it does.
pub(crate) fn leaves_root(path: &str) -> Option<String> {
    if path.starts_with('/') || path.starts_with('~') {
        return Some(format!("{path:?} is absolute; paths are below a configured root"));
    }
    if path.contains("://") {
        return Some(format!("{path:?} is a URL; those stand under `urls`"));
    }
    if path.split(['/', '\\']).any(|part| part == "..") {
        return Some(format!("{path:?} leaves its root by \"..\""));
    }
    path.contains('\0').then(|| "a path holds no NUL".to_owned())
}

/// The line of a list that has one.
fn only_line(list: &str) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("{list} cannot be read: {error}");
    let len_bytes = Path::new(list).metadata().map_err(unreadable)?.len();
    if len_bytes > MAX_LIST_BYTES {
        return Err(format!("{list} has {len_bytes} bytes, more than {MAX_LIST_BYTES}"));
    }
    let text = std::fs::read_to_string(list).map_err(unreadable)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.count()) {
        (None, _) => Err(format!("{list} names no object")),
        (Some(line), 0) => Ok(line.to_owned()),
        (Some(_), n_others) => Err(format!("{list} names {} objects, {MADE_BY_AGGREGATE}", n_others + 1)),
    }
}

/// Why several objects are not served as one dataset.
pub(crate) const MADE_BY_AGGREGATE: &str = "which make one dataset only by `aggregate`; it is not built yet";

fn only_below(prefix: &Prefix, base: &str) -> Option<SourceSpec> {
    if base.contains("://") {
        let reason = format!("{:?} is below {base}; prefixes there are not built yet", prefix.path);
        return Some(SourceSpec::Refused(reason));
    }
    let folder = Path::new(base).join(&prefix.path);
    if !folder.is_dir() {
        return None;
    }
    Some(match objects_below(prefix, &folder).as_deref() {
        Ok([]) => SourceSpec::Refused(format!("no object that is meant lies below {}", folder.display())),
        Ok([one]) => at(one).unwrap_or_else(|| SourceSpec::Refused(format!("{} is gone", one.display()))),
        Ok(several) => SourceSpec::Refused(format!(
            "{} objects lie below {}, {MADE_BY_AGGREGATE}",
            number_of(several.len()),
            folder.display()
        )),
        Err(reason) => SourceSpec::Refused(reason.clone()),
    })
}

/// Files below a folder that a prefix means, in order, at most [`MAX_MATCHES`].
fn objects_below(prefix: &Prefix, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let patterns = |patterns| NamePatterns::new(patterns).map_err(|error| error.to_string());
    let (include, exclude) = (patterns(&prefix.include)?, patterns(&prefix.exclude)?);
    let walk = WalkDir::new(folder)
        .min_depth(1)
        .max_depth(if prefix.is_recursive { usize::MAX } else { 1 })
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let mut found = Vec::new();
    for (n_looked_at, entry) in walk.enumerate() {
        if n_looked_at >= MAX_LOOKED_AT {
            return Err(format!("more than {MAX_LOOKED_AT} names lie below {}", folder.display()));
        }
        let entry = entry.map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
        let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let is_included = prefix.include.is_empty() || include.matches(relative);
        if !entry.file_type().is_dir() && is_included && !exclude.matches(relative) {
            found.push(entry.into_path());
            if found.len() >= MAX_MATCHES {
                break;
            }
        }
    }
    Ok(found)
}

pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// What is at a path below one root; `None` if nothing.
fn below(path: &str, base: &str) -> Option<SourceSpec> {
    if base.contains("://") {
        if !is_pattern(path) {
            return literal(path, base);
        }
        let reason = format!("the pattern {path:?} is below {base}; patterns there are not built yet");
        return Some(SourceSpec::Refused(reason));
    }
    if let Some(found) = literal(path, base) {
        return Some(found);
    }
    if !is_pattern(path) {
        return None;
    }
    let matches = matching(path, Path::new(base));
    match matches.as_slice() {
        [] => None,
        [one] => at(one),
        several => Some(SourceSpec::Refused(format!(
            "{path:?} matches {} files, {MADE_BY_AGGREGATE}",
            number_of(several.len())
        ))),
    }
}

fn number_of(n_matches: usize) -> String {
    if n_matches >= MAX_MATCHES { format!("{MAX_MATCHES} or more") } else { n_matches.to_string() }
}

/// What lies at a path below one root, whatever characters it has.
fn literal(path: &str, base: &str) -> Option<SourceSpec> {
    if base.contains("://") {
        return Some(SourceSpec::Object(format!("{}/{path}", base.trim_end_matches('/'))));
    }
    at(&Path::new(base).join(path))
}

/// What lies at a path of this machine.
pub(crate) fn at(path: &Path) -> Option<SourceSpec> {
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

    fn places<'a>(folder: &'a Path, roots: &'a [CatalogRoot]) -> Places<'a> {
        Places { roots, folder }
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
            assert_eq!(places(dir.path(), &[]).source(path, None), expected, "{path}");
        }
        for (path, word) in [("a/**/t_*.nc", "aggregate"), ("none.nc", "nothing"), ("a/x*.nc", "nothing")] {
            let SourceSpec::Refused(reason) = places(dir.path(), &[]).source(path, None) else {
                panic!("{path}")
            };
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
        assert_eq!(places(dir.path(), &roots).source("t_1.nc", Some("archive")), expected);
        assert_eq!(
            places(dir.path(), &roots).source("t_1.nc", Some("cloud")),
            SourceSpec::Object("s3://bucket/x/t_1.nc".to_owned())
        );
        for (path, root) in [("s.zarr", "archive"), ("t_1.nc", "unknown")] {
            assert!(matches!(places(dir.path(), &roots).source(path, Some(root)), SourceSpec::Refused(_)));
        }
    }

    fn prefix(path: &str, include: &[&str], exclude: &[&str], is_recursive: bool) -> Prefix {
        let texts = |patterns: &[&str]| patterns.iter().map(|text| (*text).to_owned()).collect();
        Prefix {
            path: path.to_owned(),
            root: None,
            include: texts(include),
            exclude: texts(exclude),
            is_recursive,
        }
    }

    #[test]
    fn a_prefix_is_its_only_object() {
        let dir = tree();
        let t_1 = SourceSpec::Object(dir.path().join("a/t_1.nc").to_str().unwrap().to_owned());
        for (prefix, expected) in [
            (prefix("a/", &[], &[], false), Ok(())),
            (prefix("a", &["t_1*"], &[], true), Ok(())),
            (prefix("a", &["/*.nc"], &[], true), Ok(())),
            (prefix("a", &[], &["b/**"], true), Ok(())),
            (prefix("a", &[], &[], true), Err("aggregate")),
            (prefix("a", &["*.h5"], &[], true), Err("no object")),
            (prefix("none", &[], &[], true), Err("nothing is at")),
        ] {
            match (places(dir.path(), &[]).only_below(&prefix), expected) {
                (SourceSpec::Refused(reason), Err(word)) => assert!(reason.contains(word), "{reason}"),
                (found, expected) => {
                    assert_eq!((found, expected), (t_1.clone(), Ok(())), "{prefix:?}");
                }
            }
        }
    }

    #[test]
    fn a_list_names_one_object() {
        let dir = tree();
        let t_1 = dir.path().join("a/t_1.nc").to_str().unwrap().to_owned();
        for (text, expected) in [
            ("\n  a/t_1.nc \n\n", Ok(t_1.as_str())),
            ("s3://b/c.nc\n", Ok("s3://b/c.nc")),
            ("a/t_1.nc\na/b/u.nc\n", Err("names 2 objects")),
            ("", Err("names no object")),
            ("a/t_*.nc", Err("nothing is at")),
            ("../x.nc", Err("leaves its root")),
            ("/etc/passwd", Err("absolute")),
            ("file:///etc/passwd", Err("URL")),
        ] {
            std::fs::write(dir.path().join("list.txt"), text).unwrap();
            match (places(dir.path(), &[]).listed("list.txt", None), expected) {
                (SourceSpec::Refused(reason), Err(word)) => assert!(reason.contains(word), "{reason}"),
                (found, expected) => {
                    assert_eq!(Ok(found), expected.map(|href| SourceSpec::Object(href.to_owned())), "{text}");
                }
            }
        }
    }
}
