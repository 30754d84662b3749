//! What all files together declare.

use std::collections::HashMap;
use std::sync::Arc;

use thermocline_core::catalog::{CollectionSpec, HarvestSpec, SharedSpecs};

use crate::Mistake;
use crate::force::Files;

/// What all files together declare.
pub(crate) struct Declaration {
    pub(crate) specs: SharedSpecs,
    /// Of one id the first.
    pub(crate) collections: Vec<Arc<CollectionSpec>>,
    pub(crate) harvests: Vec<Arc<HarvestSpec>>,
    /// What one file says against another.
    pub(crate) clashes: Vec<Mistake>,
}

impl Declaration {
    /// What the files in force declare.
    pub(crate) fn of(files: &Files) -> Self {
        let mut clashes = Vec::new();
        let mut declared: Vec<_> = files.in_force().flat_map(|(_, read)| read.specs()).cloned().collect();
        if files.in_force().any(|(_, read)| read.found().next().is_some()) {
            let mut taken: HashMap<String, String> = HashMap::with_capacity(declared.len());
            taken.extend(declared.iter().map(|spec| (spec.id.to_string(), spec.origin.clone())));
            for (path, read) in files.in_force() {
                for found in read.found() {
                    match taken.get(found.id.as_str()) {
                        // What an entry names by its id counts; both would be refused otherwise.
                        Some(origin) => clashes.push(Mistake {
                            file: path.to_owned(),
                            line: line_of(&found.origin),
                            path: String::new(),
                            message: format!(
                                "it finds a dataset {:?}, an id that {origin} has",
                                found.id.as_str()
                            ),
                        }),
                        None => declared.push(Arc::clone(found)),
                    }
                }
            }
        }
        let (collections, other) = collections(files);
        clashes.extend(other);
        Self {
            specs: declared.into(),
            collections,
            harvests: files.in_force().flat_map(|(_, read)| read.harvests()).cloned().collect(),
            clashes,
        }
    }
}

/// The line of `file:line`.
fn line_of(origin: &str) -> usize {
    origin.rsplit_once(':').and_then(|(_, line)| line.parse().ok()).unwrap_or(1)
}

fn collections(files: &Files) -> (Vec<Arc<CollectionSpec>>, Vec<Mistake>) {
    let mut known: HashMap<&str, (&CollectionSpec, String)> = HashMap::new();
    let (mut collections, mut clashes) = (Vec::new(), Vec::new());
    for (path, read) in files.in_force() {
        for (line, collection) in &read.parsed.collections {
            match known.get(collection.id.as_str()) {
                None => {
                    known.insert(&collection.id, (collection, format!("{}:{line}", path.display())));
                    collections.push(Arc::clone(collection));
                }
                Some((first, _)) if **first == **collection => {}
                Some((_, place)) => clashes.push(Mistake {
                    file: path.to_owned(),
                    line: *line,
                    path: String::new(),
                    message: format!(
                        "the collection {:?} is another one at {place}, which counts",
                        collection.id
                    ),
                }),
            }
        }
    }
    (collections, clashes)
}
