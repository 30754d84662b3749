//! Datasets declared in files: `catalogs/*.yaml`, `*.yml`, `*.toml`, at any depth.
//!
//! # Specification
//! YAML 1.2 with its core schema (no tags, unique keys, `no` and `off` are text) or TOML 1.1, following
//! `catalogs/catalog.schema.json`, explained in `catalogs/README.md`.
//!
//! # Limits
//! What is not built yet (aggregation, families, harvest, access rules, prefixes, lists, STAC and
//! CMR searches, credentials, time ranges) makes a dataset that is listed and refused, naming the key.
//! Keys that only describe a dataset (licence, keywords, providers, extents, plot defaults …) are checked
//! and have no effect yet. A file may have 16 MiB.

mod declare;
mod file;
mod find;
mod node;
mod provider;
mod rules;
mod schema;
mod toml;
mod yaml;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use find::CatalogRoot;
pub use provider::CatalogFilesProvider;
pub use schema::SCHEMA;

use file::Parsed;

/// A mistake in a catalog file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// Where in the file: `datasets[0].source.paths[1]`; empty when it is no place in the tree.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Mistake {
    /// `file:line: path: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Every mistake of the files at `paths` and below the folders among them, ids that two files name included.
///
/// `roots`, when given, are the names of configured roots: others are mistakes.
pub fn check(paths: &[PathBuf], roots: Option<&[String]>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut ids: HashMap<String, (PathBuf, usize)> = HashMap::new();
    for path in paths {
        let files = match file::files_at(path) {
            Ok(files) => files,
            Err(error) => {
                mistakes.push(no_place(path, error));
                continue;
            }
        };
        for file in files {
            match file::parse(&file) {
                Ok(parsed) => {
                    mistakes.extend(unknown_roots(&file, &parsed, roots));
                    for (id, line) in &parsed.ids {
                        match ids.get(id) {
                            Some((first, first_line)) => {
                                mistakes.push(taken(&file, *line, id, first, *first_line))
                            }
                            None => {
                                ids.insert(id.clone(), (file.clone(), *line));
                            }
                        }
                    }
                }
                Err(found) => mistakes.extend(found),
            }
        }
    }
    mistakes
}

fn taken(file: &Path, line: usize, id: &str, first: &Path, first_line: usize) -> Mistake {
    let message = format!("the id {id:?} is taken by {}:{first_line}", first.display());
    Mistake { file: file.to_owned(), line, path: String::new(), message }
}

fn no_place(path: &Path, error: std::io::Error) -> Mistake {
    Mistake {
        file: path.to_owned(),
        line: 1,
        path: String::new(),
        message: format!("cannot be read: {error}"),
    }
}

fn unknown_roots(file: &Path, parsed: &Parsed, roots: Option<&[String]>) -> Vec<Mistake> {
    let Some(roots) = roots else { return Vec::new() };
    let named = parsed.roots.iter().filter(|(name, _)| !roots.contains(name));
    named
        .map(|(name, line)| Mistake {
            file: file.to_owned(),
            line: *line,
            path: "source.root".to_owned(),
            message: format!("no root {name:?} is configured; there are: {}", roots.join(", ")),
        })
        .collect()
}

#[cfg(test)]
mod tests;
