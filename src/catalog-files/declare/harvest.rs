//! Harvests: what is found below a path or prefix, each object a dataset.

use std::sync::Arc;

use thermocline_core::catalog::{DatasetPer, DatasetSpec, HarvestSpec, SourceSpec};

use super::family::expressions;
use super::source::{Prefix, root, unbuilt_key_of_any};
use super::{Maker, duration, not_built};
use crate::node::Node;

/// A harvest of a file.
#[derive(Debug)]
pub(crate) struct DeclaredHarvest {
    pub(crate) line: usize,
    /// The harvest, without its places before they were looked for.
    pub(crate) spec: HarvestSpec,
    pub(crate) looks: Vec<Look>,
    pub(crate) store: Option<Arc<str>>,
    /// Why it cannot be harvested.
    pub(crate) refused: Option<String>,
}

/// Where a harvest looks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Look {
    /// Below a path or URL.
    Below { path: String, root: Option<Arc<str>>, include: Vec<String> },
    /// For what a pattern below a root matches.
    Matching { pattern: String, root: Option<Arc<str>> },
}

impl Maker<'_> {
    pub(super) fn harvest(&mut self, item: &Node) -> Option<DeclaredHarvest> {
        let merged = self.merged(item);
        let source = item.get("source")?;
        let template = self.spec(&merged, SourceSpec::Refused("it is a harvest".to_owned()))?;
        let prefix = Prefix::of(source, &mut self.texts);
        let looks = match &prefix {
            Some(Prefix { path, root, include, .. }) => {
                vec![Look::Below { path: path.clone(), root: root.clone(), include: include.clone() }]
            }
            None => {
                let root = root(source, &mut self.texts);
                let paths = source.get("paths").map(Node::texts).unwrap_or_default();
                paths.into_iter().map(|pattern| Look::Matching { pattern, root: root.clone() }).collect()
            }
        };
        let refused = unbuilt_key_of_any(&merged)
            .or_else(|| merged.get("aggregate").map(|_| not_built("aggregate")))
            .or_else(|| other_kind(source));
        Some(DeclaredHarvest {
            line: item.line_of("id"),
            spec: spec(item, prefix.as_ref(), template),
            looks,
            store: self.store(&merged),
            refused,
        })
    }
}

fn spec(item: &Node, prefix: Option<&Prefix>, template: DatasetSpec) -> HarvestSpec {
    let duration_of = |key: &str| item.text_of(key).and_then(duration);
    HarvestSpec {
        id: template.id.to_string(),
        places: Vec::new(),
        exclude: prefix.map(|prefix| prefix.exclude.clone()).unwrap_or_default(),
        is_recursive: prefix.is_none_or(|prefix| prefix.is_recursive),
        dataset_per: match item.text_of("dataset_per") {
            Some("directory") => DatasetPer::Directory,
            _ => DatasetPer::Object,
        },
        every: duration_of("every"),
        keep_missing: duration_of("keep_missing").unwrap_or(HarvestSpec::KEEP_MISSING),
        fields: expressions(item),
        template,
    }
}

fn other_kind(source: &Node) -> Option<String> {
    let kind = ["urls", "references", "store", "list"].into_iter().find(|kind| source.get(kind).is_some())?;
    Some(format!("a harvest looks below `prefix` or for `paths`, not for `{kind}`"))
}
