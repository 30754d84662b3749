//! Finds the metadata documents of a store.

use std::collections::BTreeMap;

use serde_json::Value;
use thermocline_core::format::Limits;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_zarr::parse::{MetadataLimits, StoreMetadata, hierarchy_v2, hierarchy_v3};

use crate::store::Store;

/// The bounds that documents have to keep.
pub(crate) fn metadata_limits(limits: &Limits) -> MetadataLimits {
    MetadataLimits {
        depth: limits.depth,
        n_nodes: limits.n_nodes,
        n_codecs: limits.n_codecs,
        chunk_bytes: limits.chunk_bytes,
        n_chunks: limits.n_chunks,
    }
}

/// Keys of documents that are there and cannot be read, with the reasons.
type Unreadable = Vec<(String, String)>;

/// Reads the nodes of a store.
pub(crate) fn read(store: &mut Store<'_>) -> Result<StoreMetadata> {
    let limits = metadata_limits(store.source().limits);
    let href = store.source().object.object().href.clone();
    let mut unreadable = Unreadable::new();
    let mut metadata = if href.ends_with("zarr.json") {
        hierarchy_v3(&documents_v3(store, &mut unreadable)?, &limits)
    } else {
        hierarchy_v2(&documents_v2(store, &mut unreadable)?, &limits)
    };
    metadata.without_documents(unreadable);
    Ok(metadata)
}

/// Version 2 documents by key.
fn documents_v2(store: &mut Store<'_>, unreadable: &mut Unreadable) -> Result<BTreeMap<String, Value>> {
    let mut documents = BTreeMap::new();
    if let Some(Value::Object(consolidated)) =
        store.document(".zmetadata")?.as_mut().and_then(|d| d.get_mut("metadata"))
    {
        documents.extend(std::mem::take(consolidated));
    } else if store.document(".zarray")?.is_none() {
        check_findable(store)?;
    }
    let names = listed(store, |name| matches!(name, ".zgroup" | ".zarray" | ".zattrs"));
    let names = names.unwrap_or_else(|| [".zgroup", ".zarray", ".zattrs"].map(str::to_owned).to_vec());
    for name in names {
        if documents.contains_key(&name) {
            continue;
        }
        if let Some(document) = own_document(store, &name, unreadable)? {
            documents.insert(name, document);
        }
    }
    Ok(documents)
}

/// Version 3 documents by path of their node.
fn documents_v3(store: &mut Store<'_>, unreadable: &mut Unreadable) -> Result<BTreeMap<String, Value>> {
    let mut documents = BTreeMap::new();
    if let Some(mut root) = store.document("zarr.json")? {
        let consolidated = root.get_mut("consolidated_metadata").and_then(|value| value.get_mut("metadata"));
        if let Some(Value::Object(consolidated)) = consolidated {
            documents.extend(std::mem::take(consolidated));
        } else if root.get("node_type").is_none_or(|kind| kind != "array") {
            check_findable(store)?;
        }
        documents.insert(String::new(), root);
    }
    for name in listed(store, |name| name == "zarr.json").unwrap_or_default() {
        let path = name.strip_suffix("zarr.json").unwrap_or_default().trim_end_matches('/').to_owned();
        if documents.contains_key(&path) {
            continue;
        }
        if let Some(document) = own_document(store, &name, unreadable)? {
            documents.insert(path, document);
        }
    }
    Ok(documents)
}

/// Refuses a group whose members nobody can name: it would look empty.
fn check_findable(store: &Store<'_>) -> Result<()> {
    if store.is_listed() {
        return Ok(());
    }
    Err(Error::refused(
        "its server does not list what a folder holds, and the store has no consolidated metadata, so that its \
         arrays cannot be found",
    ))
}

/// Keys of the objects whose last segment is a document's name; `None` if the place cannot be listed.
fn listed(store: &Store<'_>, is_document: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let all = store.below("")?;
    let is_document = |name: &&str| is_document(name.rsplit('/').next().unwrap_or(name));
    Some(all.map(|(name, _)| name).filter(is_document).map(str::to_owned).collect())
}

/// A document of one node: if it cannot be read, the node is left out and the rest stays.
fn own_document(store: &mut Store<'_>, name: &str, unreadable: &mut Unreadable) -> Result<Option<Value>> {
    match store.document(name) {
        Ok(None) if store.is_listed() => {
            unreadable.push((name.to_owned(), "it is listed and cannot be opened".to_owned()));
            Ok(None)
        }
        Err(error) if error.kind() == ErrorKind::Refused => {
            unreadable.push((name.to_owned(), error.to_string()));
            Ok(None)
        }
        other => other,
    }
}
