//! The nodes of a store from its documents.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thermocline_model::{Attributes, Note, Refusal};

use super::array::{ArrayMetadata, array_v2, array_v3};
use super::attributes::attributes;

/// Bounds for what documents may claim.
#[derive(Debug, Clone, Copy)]
pub struct MetadataLimits {
    /// Deepest nesting of groups.
    pub depth: usize,
    /// Most groups and arrays.
    pub n_nodes: usize,
    /// Longest chain of codecs.
    pub n_codecs: usize,
    /// Largest decoded chunk, in bytes.
    pub chunk_bytes: u64,
    /// Most chunks of one array.
    pub n_chunks: u64,
}

/// A node of a store.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeMetadata {
    /// A group.
    Group(Attributes),
    /// An array.
    Array(Box<ArrayMetadata>),
}

/// What the documents of a store say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoreMetadata {
    /// Nodes by path; the root's path is empty.
    pub nodes: BTreeMap<String, NodeMetadata>,
    /// Arrays that cannot be served.
    pub refusals: Vec<Refusal>,
    /// What else was left out or changed.
    pub notes: Vec<Note>,
}

impl StoreMetadata {
    /// Deals with documents that are there and cannot be read, by key and with the reason. An array without
    /// its `.zattrs` is refused, for `scale_factor` and `_FillValue` stand there; all else is noted.
    pub fn without_documents(&mut self, unreadable: impl IntoIterator<Item = (String, String)>) {
        for (key, reason) in unreadable {
            let path = key.strip_suffix(".zattrs").map(|path| path.trim_end_matches('/'));
            let Some((path, NodeMetadata::Array(array))) =
                path.and_then(|path| Some((path, self.nodes.get(path)?)))
            else {
                self.note(&key, reason);
                continue;
            };
            self.refusals.push(Refusal {
                path: path.to_owned(),
                reason: format!("its attributes cannot be read: {reason}"),
                dtype: array.type_name.clone(),
                shape: array.shape.clone(),
            });
            self.nodes.remove(path);
        }
    }

    fn note(&mut self, path: &str, note: impl Into<String>) {
        self.notes.push(Note { path: path.to_owned(), note: note.into() });
    }

    fn group(&mut self, path: &str, object: Option<&Map<String, Value>>) {
        let (attrs, as_json) = object.map(attributes).unwrap_or_default();
        self.note_json_attributes(path, &as_json);
        self.nodes.insert(path.to_owned(), NodeMetadata::Group(attrs));
    }

    fn note_json_attributes(&mut self, path: &str, names: &[String]) {
        for name in names {
            self.note(&format!("{path}@{name}"), "no number, text or array: kept as JSON text");
        }
    }

    fn refuse(&mut self, path: &str, reason: String, document: &Value) {
        let dtype = document.get("dtype").or_else(|| document.get("data_type")).unwrap_or(&Value::Null);
        let shape = document.get("shape").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        self.refusals.push(Refusal {
            path: path.to_owned(),
            reason,
            dtype: dtype.as_str().map_or_else(|| dtype.to_string(), str::to_owned),
            shape: shape.iter().filter_map(Value::as_u64).collect(),
        });
    }

    /// Adds an array, or refuses it when it or a limit says so.
    fn array(
        &mut self,
        path: &str,
        parsed: Result<ArrayMetadata, super::ParseError>,
        document: &Value,
        limits: &MetadataLimits,
    ) {
        match parsed.map_err(|error| error.reason).and_then(|array| within(array, limits)) {
            Ok(array) => {
                self.note_json_attributes(path, &array.json_attrs);
                self.nodes.insert(path.to_owned(), NodeMetadata::Array(Box::new(array)));
            }
            Err(reason) => self.refuse(path, reason, document),
        }
    }

    /// Counts a node; false when there are too many, or it lies too deep.
    fn admits(&mut self, path: &str, limits: &MetadataLimits) -> bool {
        if path.split('/').count() > limits.depth {
            self.note(path, format!("nested deeper than {} groups, left out", limits.depth));
            return false;
        }
        if self.nodes.len() + self.refusals.len() >= limits.n_nodes {
            if self.nodes.len() + self.refusals.len() == limits.n_nodes {
                self.note(
                    path,
                    format!("more than {} groups and arrays, the rest is left out", limits.n_nodes),
                );
                self.refuse(path, "too many nodes".to_owned(), &Value::Null);
            }
            return false;
        }
        true
    }
}

/// The array, unless a limit forbids it.
fn within(array: ArrayMetadata, limits: &MetadataLimits) -> Result<ArrayMetadata, String> {
    if array.codecs.len() > limits.n_codecs {
        return Err(format!("{} codecs, {} are the most", array.codecs.len(), limits.n_codecs));
    }
    let n_chunks = array.grid().map_or(u64::MAX, |grid| grid.n_chunks());
    if n_chunks > limits.n_chunks {
        return Err(format!("{n_chunks} chunks, {} are the most", limits.n_chunks));
    }
    let n_elements = array.grid().and_then(|grid| grid.chunk_len());
    let chunk_bytes = n_elements.and_then(|n| n.checked_mul(array.element_bytes().unwrap_or(1) as u64));
    if chunk_bytes.is_none_or(|bytes| bytes > limits.chunk_bytes) {
        return Err(format!("chunks {:?} of more than {} bytes", array.chunk_shape, limits.chunk_bytes));
    }
    Ok(array)
}

/// The nodes of a version 2 store, from its documents by key (`.zgroup`, `a/.zarray`, `a/.zattrs`, …).
pub fn hierarchy_v2(documents: &BTreeMap<String, Value>, limits: &MetadataLimits) -> StoreMetadata {
    let mut store = StoreMetadata::default();
    for (key, document) in documents {
        let (path, name) = key.rsplit_once('/').unwrap_or(("", key));
        if !matches!(name, ".zarray" | ".zgroup") || !store.admits(path, limits) {
            continue;
        }
        let sibling = |name: &str| {
            let key = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            documents.get(&key)
        };
        let zattrs = sibling(".zattrs");
        if name == ".zarray" {
            store.array(path, array_v2(document, zattrs), document, limits);
        } else if sibling(".zarray").is_none() {
            store.group(path, zattrs.and_then(Value::as_object));
        }
    }
    store
}

/// The nodes of a version 3 store, from its `zarr.json` documents by path.
pub fn hierarchy_v3(documents: &BTreeMap<String, Value>, limits: &MetadataLimits) -> StoreMetadata {
    let mut store = StoreMetadata::default();
    for (path, document) in documents {
        if !store.admits(path, limits) {
            continue;
        }
        match document.get("node_type").and_then(Value::as_str) {
            Some("array") => store.array(path, array_v3(document), document, limits),
            Some("group") => store.group(path, document.get("attributes").and_then(Value::as_object)),
            other => store.note(path, format!("a node of type {other:?} is left out")),
        }
    }
    store
}
