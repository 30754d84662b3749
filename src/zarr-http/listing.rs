//! Pages that list what lies below a node. fsspec lists a store by parsing their links.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use axum::response::Response;
use thermocline_core::read::ChunkHead;
use thermocline_http::Problem;
use thermocline_http::conditional::{Representation, respond, source_modified};
use thermocline_http::html::Escaped;
use thermocline_http::links::segment;
use thermocline_zarr::{DocumentKind, Entry, EntryKind, Hierarchy, Node, ZarrArray, ZarrKey, list};

use crate::document::{Body, document_body};
use crate::{Store, StoreRequest};

/// An entry that exists.
pub(crate) struct Listed {
    /// Name below the listed directory.
    pub(crate) name: String,
    /// True for groups, arrays and directories of chunks.
    pub(crate) is_directory: bool,
    /// Number of bytes, where it is known without work and was asked for.
    pub(crate) len_bytes: Option<u64>,
    /// Entity tag without quotes, where there is one.
    pub(crate) etag: Option<String>,
}

impl Listed {
    /// An entry of which only the name is known.
    fn named(name: String, is_directory: bool) -> Self {
        Self { name, is_directory, len_bytes: None, etag: None }
    }
}

/// What lies directly below a directory.
#[derive(Default)]
pub(crate) struct Children {
    pub(crate) entries: Vec<Listed>,
    /// How many entries, or places for chunks, were not looked at.
    pub(crate) n_omitted: u64,
}

/// Sends the page of a node.
pub(crate) async fn answer(store: Store, request: &StoreRequest) -> Result<Response, Problem> {
    let bounds = Bounds::of_chunks(request.app.config.max_listed_chunks);
    let children = children(store, request, &request.key, (Detail::Names, bounds)).await?;
    let children = children.ok_or_else(|| request.not_found())?;
    let body = Body::new(page(request, &children));
    let representation = Representation {
        media_type: "text/html; charset=utf-8",
        etag: body.etag,
        modified: source_modified(&request.manifest.dataset),
        max_age: request.app.config.metadata_max_age,
    };
    Ok(respond(&request.method, &request.headers, &representation, body.bytes))
}

fn page(request: &StoreRequest, children: &Children) -> String {
    let title = format!("{}/{}", request.manifest.id, request.key);
    let title = Escaped(&title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n<ul>\n"
    );
    for entry in &children.entries {
        // A crawler that follows chunks would recall the archive.
        let (slash, rel) = if entry.is_directory { ("/", "") } else { ("", " rel=\"nofollow\"") };
        // Writing into a text does not fail.
        let _ = writeln!(
            page,
            "<li><a href=\"{}/{}{slash}\"{rel}>{}</a></li>",
            request.path(),
            segment(&entry.name),
            Escaped(&entry.name)
        );
    }
    page.push_str("</ul>\n");
    if children.n_omitted > 0 {
        let _ = writeln!(page, "<p>{} more places for chunks are not listed.</p>", children.n_omitted);
    }
    page.push_str("</body></html>\n");
    page
}

/// How much of each entry is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Names alone.
    Names,
    /// Sizes and tags too.
    Sizes,
}

/// How much of a directory is listed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most places for chunks that are looked at.
    n_chunks: u64,
    /// Most entries of any kind.
    n_entries: u64,
}

impl Bounds {
    /// Every node and document, and so many places for chunks.
    pub(crate) fn of_chunks(n_chunks: u64) -> Self {
        Self { n_chunks, n_entries: u64::MAX }
    }

    /// So many entries of any kind.
    pub(crate) fn of_entries(n_entries: u64) -> Self {
        Self { n_chunks: n_entries, n_entries }
    }
}

/// What lies directly below a key in any of the store's views; `Ok(None)` if it is no directory.
pub(crate) async fn children(
    store: Store,
    request: &StoreRequest,
    key: &str,
    (detail, bounds): (Detail, Bounds),
) -> Result<Option<Children>, Problem> {
    let mut found: Option<Children> = None;
    let mut names = HashSet::new();
    for view in store.views {
        let hierarchy = Hierarchy::of(&request.manifest, *view);
        let Some(parent) = ZarrKey::parse(&hierarchy, key) else { continue };
        let Some(listing) = list(&hierarchy, &parent, bounds.n_chunks) else { continue };
        let children = found.get_or_insert_default();
        children.n_omitted += listing.n_omitted;
        let mut entries = listing.entries;
        entries.retain(|entry| names.insert(entry.name.clone()));
        let n_left = bounds.n_entries.saturating_sub(children.entries.len() as u64);
        children.n_omitted += (entries.len() as u64).saturating_sub(n_left);
        entries.truncate(usize::try_from(n_left).unwrap_or(usize::MAX));
        let directory = Directory { request, hierarchy: &hierarchy, parent: &parent };
        children.entries.extend(match detail {
            Detail::Names => directory.named(entries).await?,
            Detail::Sizes => directory.sized(entries).await?,
        });
    }
    Ok(found)
}

/// A directory of one view, to look at its entries.
struct Directory<'a> {
    request: &'a StoreRequest,
    hierarchy: &'a Arc<Hierarchy>,
    parent: &'a ZarrKey<'a>,
}

impl Directory<'_> {
    /// The entries that exist, by name alone.
    async fn named(&self, entries: Vec<Entry>) -> Result<Vec<Listed>, Problem> {
        let written = self.written(&entries).await?;
        let exists = |entry: &Entry| match &entry.kind {
            EntryKind::Chunk(index) => self.linear(index).is_some_and(|linear| written.contains(&linear)),
            EntryKind::Directory | EntryKind::Document => true,
        };
        let existing = entries.into_iter().filter(exists);
        Ok(existing.map(|entry| Listed::named(entry.name, entry.kind == EntryKind::Directory)).collect())
    }

    /// Positions of the chunks among `entries` that exist. The entries of a listing follow one another.
    async fn written(&self, entries: &[Entry]) -> Result<HashSet<u64>, Problem> {
        let mut listed = entries.iter().filter_map(|entry| match &entry.kind {
            EntryKind::Chunk(index) => self.linear(index),
            EntryKind::Directory | EntryKind::Document => None,
        });
        let (Some(first), Some(array)) = (listed.next(), self.array()) else { return Ok(HashSet::new()) };
        let last = listed.next_back().unwrap_or(first);
        self.request.chunks(array)?.written(first..last.saturating_add(1)).await
    }

    /// The entries that exist, with their sizes and tags.
    async fn sized(&self, entries: Vec<Entry>) -> Result<Vec<Listed>, Problem> {
        let mut listed = Vec::with_capacity(entries.len());
        for entry in entries {
            listed.extend(match &entry.kind {
                EntryKind::Directory => Some(Listed::named(entry.name, true)),
                EntryKind::Document => self.document(entry.name).await?,
                EntryKind::Chunk(index) => {
                    let head = self.head(index).await?;
                    head.map(|head| Listed {
                        len_bytes: head.len_bytes,
                        etag: Some(head.etag),
                        ..Listed::named(entry.name, false)
                    })
                }
            });
        }
        Ok(listed)
    }

    async fn document(&self, name: String) -> Result<Option<Listed>, Problem> {
        let kind = DocumentKind::ALL.into_iter().find(|kind| kind.name() == name);
        let (Some(kind), ZarrKey::Node { path, .. }) = (kind, self.parent) else { return Ok(None) };
        let body = document_body(&self.request.manifest, self.hierarchy, path, kind).await?;
        Ok(body.map(|body| Listed {
            len_bytes: Some(body.bytes.len() as u64),
            etag: Some(body.etag),
            ..Listed::named(name, false)
        }))
    }

    async fn head(&self, index: &[u64]) -> Result<Option<ChunkHead>, Problem> {
        let Some(array) = self.array() else { return Ok(None) };
        self.request.chunks(array)?.head(index).await
    }

    fn linear(&self, index: &[u64]) -> Option<u64> {
        self.array()?.grid.linear(index)
    }

    /// The array whose chunks lie here.
    fn array(&self) -> Option<&ZarrArray> {
        match self.parent {
            ZarrKey::Node { node: Node::Array(array), .. } => Some(array),
            ZarrKey::ChunkDirectory { array, .. } => Some(array),
            _ => None,
        }
    }
}
