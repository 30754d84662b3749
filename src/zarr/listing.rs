//! What lies directly below a node.

use thermocline_model::ChunkIndex;

use crate::key::{DocumentKind, chunk_key};
use crate::{Hierarchy, Node, ZarrArray, ZarrKey};

/// What an entry of a listing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A group, an array, or a directory of chunks.
    Directory,
    /// A metadata document.
    Document,
    /// A place in the grid where a chunk may be.
    Chunk(ChunkIndex),
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name below the listed directory.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// The entries of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The entries: nodes, documents, then chunks in C order.
    pub entries: Vec<Entry>,
    /// How many places of the grid were left out because of the limit.
    pub n_omitted: u64,
}

/// What lies directly below a directory; `None` if the key is not one. At most `max_chunks` places of the
/// grid are listed.
pub fn list(hierarchy: &Hierarchy, key: &ZarrKey<'_>, max_chunks: u64) -> Option<Listing> {
    match key {
        ZarrKey::Node { path, node } => {
            let mut listing = documents(hierarchy, node);
            match node {
                Node::Group(_) => listing.entries.extend(children(hierarchy, path)),
                Node::Array(array) => chunks(hierarchy, array, &[], max_chunks, &mut listing),
            }
            Some(listing)
        }
        ZarrKey::ChunkDirectory { array, prefix } => {
            let mut listing = Listing::default();
            positions(array, prefix, max_chunks, &mut listing);
            Some(listing)
        }
        ZarrKey::Document { .. } | ZarrKey::Chunk { .. } => None,
    }
}

fn documents(hierarchy: &Hierarchy, node: &Node) -> Listing {
    let kinds = DocumentKind::ALL.into_iter().filter(|kind| kind.belongs_to(node, hierarchy.view()));
    let entries = kinds.map(|kind| Entry { name: kind.name().to_owned(), kind: EntryKind::Document });
    Listing { entries: entries.collect(), n_omitted: 0 }
}

fn children<'a>(hierarchy: &'a Hierarchy, path: &'a str) -> impl Iterator<Item = Entry> + 'a {
    let direct = hierarchy.below(path).filter(|(relative, _)| !relative.contains('/'));
    direct.map(|(relative, _)| Entry { name: relative.to_owned(), kind: EntryKind::Directory })
}

fn chunks(hierarchy: &Hierarchy, array: &ZarrArray, prefix: &[u64], max: u64, listing: &mut Listing) {
    let n_chunks = array.grid.n_chunks();
    if !hierarchy.view().is_v2() {
        if n_chunks > 0 {
            let is_chunk = array.shape().is_empty();
            let kind = if is_chunk { EntryKind::Chunk(prefix.to_vec()) } else { EntryKind::Directory };
            listing.entries.push(Entry { name: "c".to_owned(), kind });
        }
        return;
    }
    for linear in 0..n_chunks.min(max) {
        let index = array.grid.index(linear);
        let name = chunk_key(hierarchy.view(), &index);
        listing.entries.push(Entry { name, kind: EntryKind::Chunk(index) });
    }
    listing.n_omitted = n_chunks.saturating_sub(max);
}

/// The numbers that may follow `prefix` in a position.
fn positions(array: &ZarrArray, prefix: &[u64], max: u64, listing: &mut Listing) {
    let count = array.grid.counts().nth(prefix.len()).unwrap_or(0);
    let is_last = prefix.len() + 1 == array.shape().len();
    for number in 0..count.min(max) {
        let mut index = prefix.to_vec();
        index.push(number);
        let kind = if is_last { EntryKind::Chunk(index) } else { EntryKind::Directory };
        listing.entries.push(Entry { name: number.to_string(), kind });
    }
    listing.n_omitted = count.saturating_sub(max);
}
