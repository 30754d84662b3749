//! What a key of a store means.

use thermocline_model::ChunkIndex;

use crate::{Hierarchy, Node, View, ZarrArray};

/// The kinds of metadata documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// `.zmetadata`: all documents of format 2 below a group.
    Zmetadata,
    /// `.zgroup`.
    Zgroup,
    /// `.zattrs`.
    Zattrs,
    /// `.zarray`.
    Zarray,
    /// `zarr.json`.
    ZarrJson,
}

impl DocumentKind {
    /// The kinds, in the order in which listings show them.
    pub const ALL: [Self; 5] = [Self::Zmetadata, Self::Zgroup, Self::Zarray, Self::Zattrs, Self::ZarrJson];

    /// The last part of the key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zmetadata => ".zmetadata",
            Self::Zgroup => ".zgroup",
            Self::Zattrs => ".zattrs",
            Self::Zarray => ".zarray",
            Self::ZarrJson => "zarr.json",
        }
    }

    /// True for the documents of format 2.
    pub fn is_v2(self) -> bool {
        self != Self::ZarrJson
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// True if nodes of this sort have such a document.
    pub(crate) fn belongs_to(self, node: &Node, view: View) -> bool {
        let fits_node = match self {
            Self::Zmetadata | Self::Zgroup => matches!(node, Node::Group(_)),
            Self::Zarray => matches!(node, Node::Array(_)),
            Self::Zattrs | Self::ZarrJson => true,
        };
        fits_node && self.is_v2() == view.is_v2()
    }
}

/// A key of a store, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum ZarrKey<'h> {
    /// A group or array itself: a directory.
    Node {
        /// Path of the node.
        path: String,
        /// The node.
        node: &'h Node,
    },
    /// A metadata document.
    Document {
        /// Path of the node that it belongs to.
        path: String,
        /// Which document.
        kind: DocumentKind,
    },
    /// A chunk inside the array's grid.
    Chunk {
        /// The array.
        array: &'h ZarrArray,
        /// Position in the array's grid.
        index: ChunkIndex,
    },
    /// A directory of chunks of format 3: the beginning of a position.
    ChunkDirectory {
        /// The array.
        array: &'h ZarrArray,
        /// The first numbers of the position.
        prefix: ChunkIndex,
    },
}

impl<'h> ZarrKey<'h> {
    /// What `key` means in a hierarchy; `None` if it can never exist. A slash at its end does not count.
    pub fn parse(hierarchy: &'h Hierarchy, key: &str) -> Option<Self> {
        let key = key.strip_suffix('/').unwrap_or(key);
        if let Some(node) = hierarchy.node(key) {
            return Some(Self::Node { path: key.to_owned(), node });
        }
        let (path, name) = key.rsplit_once('/').unwrap_or(("", key));
        if let (Some(node), Some(kind)) = (hierarchy.node(path), DocumentKind::of_name(name)) {
            let document = || Self::Document { path: path.to_owned(), kind };
            return kind.belongs_to(node, hierarchy.view()).then(document);
        }
        let (array, rest) = array_of(hierarchy, key)?;
        if hierarchy.view().is_v2() { v2_chunk(array, rest) } else { v3_chunk(array, rest) }
    }
}

/// The array whose path the key begins with, and the rest; the longest path counts.
fn array_of<'h, 'k>(hierarchy: &'h Hierarchy, key: &'k str) -> Option<(&'h ZarrArray, &'k str)> {
    key.rmatch_indices('/').find_map(|(slash, _)| {
        let (path, rest) = key.split_at(slash);
        Some((hierarchy.array(path)?, rest.strip_prefix('/')?))
    })
}

fn v2_chunk<'h>(array: &'h ZarrArray, rest: &str) -> Option<ZarrKey<'h>> {
    let index: ChunkIndex = match (array.shape(), rest) {
        ([], "0") => Vec::new(),
        ([], _) => return None,
        _ => rest.split('.').map(number).collect::<Option<_>>()?,
    };
    array.grid.linear(&index)?;
    Some(ZarrKey::Chunk { array, index })
}

fn v3_chunk<'h>(array: &'h ZarrArray, rest: &str) -> Option<ZarrKey<'h>> {
    let mut parts = rest.split('/');
    if parts.next() != Some("c") {
        return None;
    }
    let index: ChunkIndex = parts.map(number).collect::<Option<_>>()?;
    if array.grid.linear(&index).is_some() {
        return Some(ZarrKey::Chunk { array, index });
    }
    let is_inside = index.len() < array.shape().len()
        && array.grid.n_chunks() > 0
        && index.iter().zip(array.grid.counts()).all(|(position, count)| *position < count);
    is_inside.then_some(ZarrKey::ChunkDirectory { array, prefix: index })
}

/// A number as keys have it: digits without sign and leading zeros.
fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok()
}

/// The last part of a chunk's key: `0.1.2` or `c/0/1/2`.
pub fn chunk_key(view: View, index: &[u64]) -> String {
    let numbers: Vec<String> = index.iter().map(u64::to_string).collect();
    match (view.is_v2(), numbers.is_empty()) {
        (true, true) => "0".to_owned(),
        (true, false) => numbers.join("."),
        (false, true) => "c".to_owned(),
        (false, false) => format!("c/{}", numbers.join("/")),
    }
}

#[cfg(test)]
mod tests;
