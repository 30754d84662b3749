//! The schema of catalog files: `catalogs/catalog.schema.json`, the one truth for keys, types and values.

mod quick;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value as Json;

use crate::node::{Fault, Node};
use quick::Quick;

/// The schema as it is shipped with the catalogs folder.
pub const SCHEMA: &str = include_str!("../../catalogs/catalog.schema.json");

/// Longest message, in bytes: values are quoted in some.
const MAX_MESSAGE_BYTES: usize = 300;

static QUICK: LazyLock<Option<Quick>> =
    LazyLock::new(|| Quick::new(&serde_json::from_str::<Json>(SCHEMA).ok()?));

/// What explains mistakes. It is made for each file that has some: it takes 145 MB.
struct Compiled {
    validator: Validator,
    known_keys: BTreeSet<String>,
}

impl Compiled {
    fn new() -> Result<Self, String> {
        let schema: Json = serde_json::from_str(SCHEMA).map_err(|error| error.to_string())?;
        let known_keys = dataset_keys(&schema);
        let validator = jsonschema::draft202012::new(&schema).map_err(|error| error.to_string())?;
        Ok(Self { validator, known_keys })
    }
}

/// Everything in which a file differs from the schema, in the order of its lines.
pub(crate) fn faults(node: &Node) -> Vec<Fault> {
    if QUICK.as_ref().is_some_and(|quick| quick.accepts(node)) {
        return Vec::new();
    }
    let compiled = match Compiled::new() {
        Ok(compiled) => compiled,
        Err(error) => return vec![Fault::new(1, "", format!("the schema cannot be used: {error}"))],
    };
    let json = node.json();
    let mut faults: Vec<Fault> = compiled
        .validator
        .iter_errors(&json)
        .flat_map(|error| {
            let (at, path) = node.at_pointer(error.instance_path.as_str());
            explain(&error, at, &path, &compiled.known_keys)
        })
        .collect();
    faults.sort_by(|a, b| (a.line, &a.path, &a.message).cmp(&(b.line, &b.path, &b.message)));
    faults.dedup();
    faults
}

/// Keys that a dataset, a family or a harvest may have.
fn dataset_keys(schema: &Json) -> BTreeSet<String> {
    let parts = [
        "/$defs/common/properties",
        "/properties/datasets/items/properties",
        "/properties/families/items/properties",
        "/properties/harvest/items/properties",
    ];
    let keys = parts.iter().filter_map(|part| schema.pointer(part)?.as_object());
    keys.flat_map(|keys| keys.keys().cloned()).collect()
}

fn explain(
    error: &jsonschema::ValidationError<'_>,
    at: &Node,
    path: &str,
    known_keys: &BTreeSet<String>,
) -> Vec<Fault> {
    match &error.kind {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|key| unknown_key(at, path, key)).collect()
        }
        // A known key is reported here only because of another mistake inside it.
        ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .filter(|key| !known_keys.contains(*key) || !may_stand_here(path, key))
            .map(|key| unknown_key(at, path, key))
            .collect(),
        ValidationErrorKind::OneOfNotValid { .. } if path.ends_with("source") => {
            vec![Fault::new(at.line, path, one_source("names none of them"))]
        }
        ValidationErrorKind::OneOfMultipleValid { .. } if path.ends_with("source") => {
            vec![Fault::new(at.line, path, one_source("names several of them"))]
        }
        ValidationErrorKind::PropertyNames { error } => {
            let key = error.instance.as_str().unwrap_or_default();
            let message = format!("{key:?} is an encoding attribute: changing it needs `encoding: true`");
            vec![Fault::new(at.line_of(key), join(path, key), message)]
        }
        ValidationErrorKind::Enum { options } => {
            let found = shortened(&error.instance.to_string());
            vec![Fault::new(at.line, path, format!("{found} is not one of {options}"))]
        }
        _ => vec![Fault::new(at.line, path, shortened(&error.to_string()))],
    }
}

fn may_stand_here(path: &str, key: &str) -> bool {
    match key {
        "fields" => path.starts_with("families") || path.starts_with("harvest"),
        "dataset_per" | "every" | "keep_missing" => path.starts_with("harvest"),
        "id" | "source" => !path.starts_with("defaults"),
        _ => true,
    }
}

fn unknown_key(at: &Node, path: &str, key: &str) -> Fault {
    Fault::new(at.line_of(key), join(path, key), format!("the key {key:?} is unknown here"))
}

fn one_source(what: &str) -> String {
    format!(
        "a source has exactly one of paths, urls, prefix, references, store, list, stac, cmr; this one {what}"
    )
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn shortened(message: &str) -> String {
    if message.len() <= MAX_MESSAGE_BYTES {
        return message.to_owned();
    }
    let end = (0..MAX_MESSAGE_BYTES).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", message.get(..end).unwrap_or_default())
}
