//! Datasets declared in files: `catalogs/*.yaml`, `*.yml`, `*.toml`, at any depth.
//!
//! # Specification
//! YAML 1.2 with its core schema (no tags, unique keys, `no` and `off` are text) or TOML 1.1, following
//! `catalogs/catalog.schema.json`, explained in `catalogs/README.md`.
//!
//! # Limits
//! What is not built yet (aggregation, prefixes and lists in object stores, STAC and CMR searches,
//! credentials, time ranges) makes a dataset that is listed and refused, naming the key. Families are listed on
//! disk only; names that are not UTF-8 belong to none. Plot defaults are checked and have no effect yet.
//! A file may have 16 MiB, a family 100,000 datasets among 2,000,000 names.

mod declaration;
mod declare;
mod extents;
mod families;
mod file;
mod find;
mod force;
mod harvests;
mod look;
mod merged;
mod node;
mod pattern;
mod pool;
mod provider;
mod rules;
mod schema;
mod template;
mod toml;
mod walk;
mod yaml;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use find::CatalogRoot;
pub use provider::CatalogFilesProvider;
pub use schema::SCHEMA;

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

/// Names that a configuration has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configured {
    /// Roots.
    pub roots: Vec<String>,
    /// Access rules, those included that are always there.
    pub access_rules: Vec<String>,
}

/// Every mistake of the files at `paths` and below the folders among them, ids that two files name included.
///
/// `configured`, when given, are the names that a configuration has: others are mistakes.
pub fn check(paths: &[PathBuf], configured: Option<&Configured>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut ids: HashMap<String, (PathBuf, usize)> = HashMap::new();
    for path in paths {
        let (files, unread) = file::files_at(path);
        mistakes.extend(unread.into_iter().map(|(place, error)| no_place(&place, error)));
        for file in files {
            match file::parse(&file) {
                Ok(read) => {
                    mistakes.extend(configured.iter().flat_map(|known| unknown(&file, &read, known)));
                    for (id, line) in read.parsed.ids() {
                        match ids.get(id) {
                            Some((first, first_line)) => {
                                mistakes.push(taken(&file, line, id, first, *first_line));
                            }
                            None => {
                                ids.insert(id.to_owned(), (file.clone(), line));
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

/// What a file names that is not configured.
fn unknown(file: &Path, read: &file::Read, configured: &Configured) -> Vec<Mistake> {
    let Configured { roots, access_rules } = configured;
    let kinds = [
        (&read.roots, roots, "source.root", "root"),
        (&read.access_rules, access_rules, "access", "access rule"),
    ];
    let mistakes = kinds.into_iter().flat_map(|(named, known, path, kind)| {
        named.iter().filter(|(name, _)| !known.contains(name)).map(move |(name, line)| Mistake {
            file: file.to_owned(),
            line: *line,
            path: path.to_owned(),
            message: format!("no {kind} {name:?} is configured; there are: {}", known.join(", ")),
        })
    });
    mistakes.collect()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
