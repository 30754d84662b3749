//! The OpenAPI document of all routes.
//!
//! # Specification
//! OpenAPI 3.0.3, <https://spec.openapis.org/oas/v3.0.3>.

use serde_json::{Map, Value, json};

use crate::plugin::{Operation, Route};
use crate::router::{DATASET_PREFIX, join};
use crate::{App, ServePlugin};

/// Media type of the document, as OGC and STAC name it.
pub const MEDIA_TYPE: &str = "application/vnd.oai.openapi+json;version=3.0";

/// Methods that OpenAPI 3.0 knows.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Every route of every plugin that runs.
pub fn document(app: &App) -> Value {
    let mut paths = Map::new();
    for plugin in app.running() {
        for route in plugin.app_routes() {
            describe(&mut paths, plugin.as_ref(), "", &route);
        }
        for route in plugin.dataset_routes() {
            describe(&mut paths, plugin.as_ref(), DATASET_PREFIX, &route);
        }
    }
    if app.config.single.is_some() {
        describe_at_root(&mut paths, app);
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Thermocline",
            "description": "Datasets as Zarr, kerchunk and more, from one index of the original bytes.",
            "version": app.version(),
        },
        "servers": [{"url": app.config.public_url.as_deref().unwrap_or("/")}],
        "paths": paths,
        "components": {"schemas": {"Problem": problem_schema()}},
    })
}

/// The routes of the one dataset of a server, without its prefix, unless the server itself has the path.
fn describe_at_root(paths: &mut Map<String, Value>, app: &App) {
    paths.remove("/");
    for plugin in app.running() {
        for route in plugin.dataset_routes() {
            if !paths.contains_key(&route.path.replace("{*", "{")) {
                describe(paths, plugin.as_ref(), "", &route);
            }
        }
    }
}

fn describe(paths: &mut Map<String, Value>, plugin: &dyn ServePlugin, prefix: &str, route: &Route) {
    let path = join(prefix, route.path).replace("{*", "{");
    let names = path_parameters(&path);
    let entry = paths.entry(path.clone()).or_insert_with(|| json!({}));
    let Some(entry) = entry.as_object_mut() else { return };
    for operation in route.operations.iter().filter(|operation| METHODS.contains(&operation.method)) {
        entry.insert(operation.method.to_owned(), describe_operation(plugin, &path, &names, operation));
    }
}

fn describe_operation(
    plugin: &dyn ServePlugin,
    path: &str,
    names: &[String],
    operation: &Operation,
) -> Value {
    let in_path = names
        .iter()
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = operation.query.iter().map(|parameter| {
        json!({"name": parameter.name, "in": "query", "required": false,
            "description": parameter.description, "schema": {"type": "string"}})
    });
    json!({
        "operationId": operation_id(operation.method, path),
        "summary": operation.summary,
        "tags": [plugin.id()],
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": {
            "200": {"description": operation.summary, "content": {operation.media_type: {}}},
            "default": {
                "description": "A problem",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    })
}

/// Names in braces, in order.
fn path_parameters(path: &str) -> Vec<String> {
    let segments = path.split('{').skip(1);
    segments.filter_map(|rest| rest.split_once('}').map(|(name, _)| name.to_owned())).collect()
}

/// `get_datasets_dataset_id_keys`: unique, since method and path are.
fn operation_id(method: &str, path: &str) -> String {
    let mut id = method.to_owned();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        id.push('_');
        id.extend(
            segment
                .chars()
                .filter(|c| !matches!(c, '{' | '}'))
                .map(|c| if c.is_alphanumeric() { c } else { '_' }),
        );
    }
    id
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "allowed": {"type": "array", "items": {"type": "string"}, "maxItems": 50},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parameters_are_found_in_the_path() {
        assert_eq!(path_parameters("/datasets/{dataset_id}/zarr/{key}"), ["dataset_id", "key"]);
        assert!(path_parameters("/datasets").is_empty());
    }

    #[test]
    fn ids_of_operations_are_plain_words() {
        assert_eq!(
            operation_id("get", "/datasets/{dataset_id}/zarr-v2/{key}"),
            "get_datasets_dataset_id_zarr_v2_key"
        );
        assert_eq!(operation_id("get", "/"), "get");
    }
}
