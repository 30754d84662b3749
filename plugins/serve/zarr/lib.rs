//! Serves a dataset as Zarr stores of formats 2 and 3.
//!
//! # Serves
//! Metadata documents from the manifest alone; chunks as they are stored wherever Zarr's codecs can read
//! the stored bytes, else decoded and encoded again.
//!
//! # Specification
//! Zarr storage specification, versions 2 and 3, with consolidated metadata; xarray's conventions for
//! dimensions and fill values.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /datasets/{dataset_id}/zarr/{key}` | keys of both formats |
//! | `GET /datasets/{dataset_id}/zarr-v2/{key}` | keys of format 2 |
//! | `GET /datasets/{dataset_id}/zarr-v3/{key}` | keys of format 3 |
//! | `GET /datasets/{dataset_id}/zarr-core/{key}` | keys of format 3, with codecs of the core specification only |
//!
//! The path of a group or array answers a page whose links are its children, and `PROPFIND` the same as
//! WebDAV properties.
//!
//! # Opens with
//! `xr.open_zarr(url)`, `zarr.open(url)`, GDAL, zarrita, obstore.
//!
//! # Limits
//! Chunk keys are listed up to `max_listed_chunks`.

use std::sync::Arc;

use serde_json::json;
use thermocline_http::{AccessMethod, KeyRoute, Operation, Route, ServePlugin};
use thermocline_search::Summary;
use thermocline_zarr::View;
use thermocline_zarr_http::Store;

/// The plugin.
#[derive(Debug, Default)]
pub struct ZarrPlugin;

const STORES: [(&str, &str, Store, &str); 4] = [
    (
        "/zarr",
        "/zarr/{*key}",
        Store { views: &[View::V2, View::V3] },
        "A key of the dataset's Zarr store, of format 2 or 3",
    ),
    ("/zarr-v2", "/zarr-v2/{*key}", Store { views: &[View::V2] }, "A key of the Zarr store of format 2"),
    ("/zarr-v3", "/zarr-v3/{*key}", Store { views: &[View::V3] }, "A key of the Zarr store of format 3"),
    (
        "/zarr-core",
        "/zarr-core/{*key}",
        Store { views: &[View::Core] },
        "A key of the Zarr store of format 3 that uses core codecs only",
    ),
];

impl ServePlugin for ZarrPlugin {
    fn id(&self) -> &'static str {
        "zarr"
    }

    fn dataset_routes(&self) -> Vec<Route> {
        let routes = STORES.into_iter().flat_map(|(root, keys, store, summary)| {
            [route(root, store, "The children of the store's root, as a page"), route(keys, store, summary)]
        });
        routes.collect()
    }

    fn key_routes(&self) -> Vec<KeyRoute> {
        let keys = |(_, path, store, _)| KeyRoute { path, handler: Arc::new(store) };
        STORES.into_iter().map(keys).collect()
    }

    fn access_methods(&self, _summary: &Summary) -> Vec<AccessMethod> {
        vec![
            access_method("zarr", "/zarr", 2, "application/vnd+zarr"),
            access_method("zarr3", "/zarr-v3", 3, "application/vnd.zarr"),
        ]
    }
}

/// One format of the store.
///
/// # Source
/// STAC extensions `zarr` v1.1.0 and `xarray-assets` v1.0.0. No `engine` is named: callers do that themselves.
fn access_method(name: &str, path: &str, format: u8, media_type: &'static str) -> AccessMethod {
    let fields = json!({
        "zarr:consolidated": true,
        "zarr:node_type": "group",
        "zarr:zarr_format": format,
        "xarray:open_kwargs": {"consolidated": true, "chunks": {}},
    });
    AccessMethod {
        name: name.to_owned(),
        title: if format == 2 { "Zarr format 2" } else { "Zarr format 3" },
        path: path.to_owned(),
        media_type,
        xarray_call: Some(format!(
            "xr.open_dataset(\"{{url}}\", engine=\"zarr\", chunks={{}}, zarr_format={format})"
        )),
        roles: &["data"],
        fields: fields.as_object().cloned().unwrap_or_default(),
        thredds_service: (format == 2).then_some("ZARR"),
        intake_method: (format == 2).then_some("zarr"),
    }
}

fn route(path: &'static str, store: Store, summary: &'static str) -> Route {
    let media_type = if path.ends_with('}') { "application/octet-stream" } else { "text/html" };
    let operation = Operation { method: "get", summary, query: Vec::new(), media_type };
    Route { path, handler: store.handler(), operations: vec![operation] }
}

#[cfg(test)]
mod tests;
