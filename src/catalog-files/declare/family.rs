//! Families: one dataset for each distinct set of fields in the paths of files.

use std::sync::Arc;

use thermocline_core::catalog::{DatasetSpec, SourceSpec};

use super::source::{root, unbuilt_key_of_any};
use super::{Maker, not_built};
use crate::merged::Merged;
use crate::node::Node;
use crate::pattern::FieldPattern;
use crate::template;

/// A family of a file.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) line: usize,
    /// The ids of its datasets, with fields.
    pub(crate) id: String,
    /// What each of its datasets has besides id, source and fields; under the id with fields.
    pub(crate) template: DatasetSpec,
    /// Names of its fields, those of the id first.
    pub(crate) names: Vec<String>,
    /// How many of the fields are in the id.
    pub(crate) n_of_id: usize,
    /// Paths below a root with what they match.
    pub(crate) patterns: Vec<(String, FieldPattern)>,
    pub(crate) root: Option<Arc<str>>,
    pub(crate) store: Option<Arc<str>>,
    /// Why none of it can be served.
    pub(crate) refused: Option<String>,
}

impl Maker<'_> {
    pub(super) fn family(&mut self, item: &Node) -> Option<Family> {
        let merged = self.merged(item);
        let source = item.get("source")?;
        let id = item.text_of("id")?.to_owned();
        let (names, n_of_id) = names(item);
        let patterns = patterns(item, &names);
        let unbuilt = unbuilt_key_of_any(&merged).or_else(|| unbuilt_key(&merged));
        let (patterns, refused) = match patterns {
            Ok(patterns) => (patterns, unbuilt),
            Err((_, reason)) => (Vec::new(), Some(reason)),
        };
        Some(Family {
            line: item.line_of("id"),
            id,
            template: self.spec(&merged, SourceSpec::Refused("it was not looked for yet".to_owned()))?,
            names,
            n_of_id,
            patterns,
            root: root(source, &mut self.texts),
            store: self.store(&merged),
            refused,
        })
    }
}

/// What keeps a whole family from being served. Joining or merging a single file is that file; the other ways
/// of aggregation change what it holds.
fn unbuilt_key(merged: &Merged<'_>) -> Option<String> {
    let source = merged.item.get("source")?;
    let kinds = ["urls", "prefix", "references", "store", "list"];
    if let Some(kind) = kinds.iter().find(|kind| source.get(kind).is_some()) {
        return Some(format!(
            "{} for families, which name their files by `paths`",
            not_built(&format!("source.{kind}"))
        ));
    }
    let aggregate = merged.get("aggregate")?;
    let key = ["new", "values", "step", "preprocess"].into_iter().find(|key| aggregate.get(key).is_some())?;
    Some(not_built(&format!("aggregate.{key}")))
}

/// Names of all fields of a family, those of the id first and how many those are.
fn names(item: &Node) -> (Vec<String>, usize) {
    let mut names: Vec<String> = Vec::new();
    let add = |name: &str, names: &mut Vec<String>| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    template::fields(item.text_of("id").unwrap_or_default()).for_each(|name| add(name, &mut names));
    let n_of_id = names.len();
    for path in paths(item) {
        template::fields(path.text().unwrap_or_default()).for_each(|name| add(name, &mut names));
    }
    (names, n_of_id)
}

fn paths(item: &Node) -> &[Node] {
    item.get("source").and_then(|source| source.get("paths")).map(Node::items).unwrap_or_default()
}

/// The expressions that entries have under `fields`.
pub(super) fn expressions(item: &Node) -> Vec<(String, String)> {
    let entries = item.get("fields").map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned()))).collect()
}

fn patterns(item: &Node, names: &[String]) -> Result<Vec<(String, FieldPattern)>, (usize, String)> {
    let expressions = expressions(item);
    let pattern = |(number, node): (usize, &Node)| {
        let text = node.text().unwrap_or_default();
        let pattern = FieldPattern::new(text, names, &expressions).map_err(|reason| (number, reason))?;
        Ok((text.to_owned(), pattern))
    };
    paths(item).iter().enumerate().map(pattern).collect()
}

/// What is wrong with the patterns of an entry: the number of the path, and the reason.
pub(crate) fn mistake(item: &Node) -> Option<(usize, String)> {
    patterns(item, &names(item).0).err()
}
