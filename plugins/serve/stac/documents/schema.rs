//! What can be filtered and sorted by.
//!
//! # Specification
//! OGC API Features, part 3 (queryables) and part 5 (sortables).

use serde_json::{Map, Value, json};
use thermocline_search::Collection;

/// What the names of a schema are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Filters.
    Queryables,
    /// Orders.
    Sortables,
}

/// The schema at `href`: names with their types, as far as all `collections` have the same.
pub(crate) fn names(names: Names, href: &str, sortables: &[String], collections: &[&Collection]) -> Value {
    let mut properties: Map<String, Value> =
        sortables.iter().map(|name| (name.clone(), described(name, collections))).collect();
    if names == Names::Queryables {
        let geometry = json!({"$ref": "https://geojson.org/schema/Geometry.json"});
        properties.insert("geometry".to_owned(), geometry);
    }
    let title = if names == Names::Queryables { "Queryables" } else { "Sortables" };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": href,
        "type": "object",
        "title": title,
        "properties": properties,
        "additionalProperties": true,
    })
}

fn described(name: &str, collections: &[&Collection]) -> Value {
    if matches!(name, "datetime" | "start_datetime" | "end_datetime" | "created" | "updated") {
        return json!({"type": "string", "format": "date-time"});
    }
    if !name.contains(':') || name == "order:status" {
        return json!({"type": "string"});
    }
    let attributes = collections.iter().flat_map(|collection| &collection.attributes);
    let mut values = attributes.filter(|(known, _)| known == name).flat_map(|(_, values)| values).map(kind);
    match values.next() {
        Some(first) if values.all(|other| other == first) => json!({"type": first}),
        _ => json!({}),
    }
}

fn kind(value: &thermocline_search::Value) -> &'static str {
    match value {
        thermocline_search::Value::Text(_) => "string",
        thermocline_search::Value::Integer(_) | thermocline_search::Value::Float(_) => "number",
        thermocline_search::Value::Texts(_) => "array",
    }
}
