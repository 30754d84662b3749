//! Metadata documents: `.zgroup`, `.zattrs`, `.zarray`, `.zmetadata` and `zarr.json`.

use serde_json::{Map, Value, json};
use thermocline_model::{Dataset, Group, Variable};

use crate::array::{v2_dtype, v3_data_type};
use crate::attributes::attributes_json;
use crate::codecs::{v2_codecs, v3_codecs};
use crate::key::DocumentKind;
use crate::{Hierarchy, Node, ZarrArray};

/// A metadata document with its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Key below the root of the store.
    pub key: String,
    /// The document.
    pub json: Value,
}

/// The document of a kind that belongs to the node at `path`; `None` if the node has none of that kind.
pub fn document(hierarchy: &Hierarchy, dataset: &Dataset, path: &str, kind: DocumentKind) -> Option<Value> {
    if kind.is_v2() != hierarchy.view().is_v2() {
        return None;
    }
    match (hierarchy.node(path)?, kind) {
        (Node::Group(_), DocumentKind::Zgroup) => Some(json!({"zarr_format": 2})),
        (Node::Group(numbers), DocumentKind::Zattrs) => {
            Some(group_attributes(Hierarchy::group(dataset, numbers)?))
        }
        (Node::Group(_), DocumentKind::Zmetadata) => Some(zmetadata(hierarchy, dataset, path)),
        (Node::Group(numbers), DocumentKind::ZarrJson) => {
            Some(consolidated_group(hierarchy, dataset, path, Hierarchy::group(dataset, numbers)?))
        }
        (Node::Array(array), DocumentKind::Zarray) => Some(zarray(array)),
        (Node::Array(array), DocumentKind::Zattrs) => Some(v2_attributes(array, array.variable(dataset)?)),
        (Node::Array(array), DocumentKind::ZarrJson) => Some(array_node(array, array.variable(dataset)?)),
        _ => None,
    }
}

/// Every metadata document of format 2 below the group at `path`, keys relative to it, `.zmetadata` left out.
pub fn metadata_documents(hierarchy: &Hierarchy, dataset: &Dataset, path: &str) -> Vec<Document> {
    let own = hierarchy.node(path).map(|node| ("", node));
    let mut documents = Vec::new();
    for (relative, node) in own.into_iter().chain(hierarchy.below(path)) {
        let mut push = |name: &str, json: Value| {
            let key = if relative.is_empty() { name.to_owned() } else { format!("{relative}/{name}") };
            documents.push(Document { key, json });
        };
        match node {
            Node::Group(numbers) => {
                let Some(group) = Hierarchy::group(dataset, numbers) else { continue };
                push(".zgroup", json!({"zarr_format": 2}));
                push(".zattrs", group_attributes(group));
            }
            Node::Array(array) => {
                let Some(variable) = array.variable(dataset) else { continue };
                push(".zarray", zarray(array));
                push(".zattrs", v2_attributes(array, variable));
            }
        }
    }
    documents
}

fn zmetadata(hierarchy: &Hierarchy, dataset: &Dataset, path: &str) -> Value {
    let documents = metadata_documents(hierarchy, dataset, path);
    let metadata: Map<String, Value> =
        documents.into_iter().map(|document| (document.key, document.json)).collect();
    json!({"zarr_consolidated_format": 1, "metadata": metadata})
}

fn group_attributes(group: &Group) -> Value {
    Value::Object(attributes_json(&group.attrs, &[]))
}

fn zarray(array: &ZarrArray) -> Value {
    let codecs = v2_codecs(&array.form.codecs);
    json!({
        "zarr_format": 2,
        "shape": array.shape(),
        "chunks": array.form.chunk_shape,
        "dtype": v2_dtype(&array.form.dtype),
        "fill_value": array.fill.value,
        "order": codecs.order,
        "filters": if codecs.filters.is_empty() { Value::Null } else { Value::Array(codecs.filters) },
        "compressor": codecs.compressor,
        "dimension_separator": ".",
    })
}

fn v2_attributes(array: &ZarrArray, variable: &Variable) -> Value {
    let mut attributes = attributes_json(&variable.attrs, &["_FillValue", "_ARRAY_DIMENSIONS"]);
    attributes.insert("_ARRAY_DIMENSIONS".to_owned(), json!(array.dims));
    Value::Object(attributes)
}

fn array_node(array: &ZarrArray, variable: &Variable) -> Value {
    json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": array.shape(),
        "data_type": v3_data_type(&array.form.dtype),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": array.form.chunk_shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": array.fill.value,
        "codecs": v3_codecs(&array.form.codecs, &array.form.dtype),
        "dimension_names": array.dims,
        "attributes": v3_attributes(array, variable),
    })
}

fn v3_attributes(array: &ZarrArray, variable: &Variable) -> Value {
    let encoding = if array.is_joined { "_Encoding" } else { "_ARRAY_DIMENSIONS" };
    let mut attributes = attributes_json(&variable.attrs, &["_FillValue", "_ARRAY_DIMENSIONS", encoding]);
    if let Some(fill) = &array.fill.attribute {
        attributes.insert("_FillValue".to_owned(), fill.clone());
    }
    Value::Object(attributes)
}

fn group_node(group: &Group) -> Map<String, Value> {
    let mut node = Map::new();
    node.insert("zarr_format".to_owned(), json!(3));
    node.insert("node_type".to_owned(), json!("group"));
    node.insert("attributes".to_owned(), group_attributes(group));
    node
}

fn consolidated_group(hierarchy: &Hierarchy, dataset: &Dataset, path: &str, group: &Group) -> Value {
    let mut metadata = Map::new();
    for (relative, node) in hierarchy.below(path) {
        let json = match node {
            Node::Group(numbers) => {
                Hierarchy::group(dataset, numbers).map(|group| Value::Object(group_node(group)))
            }
            Node::Array(array) => array.variable(dataset).map(|variable| array_node(array, variable)),
        };
        if let Some(json) = json {
            metadata.insert(relative.to_owned(), json);
        }
    }
    let mut node = group_node(group);
    let consolidated = json!({"kind": "inline", "must_understand": false, "metadata": metadata});
    node.insert("consolidated_metadata".to_owned(), consolidated);
    Value::Object(node)
}

#[cfg(test)]
mod tests;
