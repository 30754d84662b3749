//! Serves a dataset as kerchunk references, and its source objects by byte ranges.
//!
//! # Serves
//! One document (or a directory of parquet tables) that says where the bytes of every chunk lie, and the
//! same chunks as keys of a Zarr store of format 2.
//!
//! # Specification
//! <https://fsspec.github.io/kerchunk/spec.html>, version 1; templates and `gen` are never produced. The
//! parquet layout is that of fsspec's `LazyReferenceMapper`.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /datasets/{dataset_id}/kerchunk`, `…/kerchunk.json` | the reference document; `?group=`, `?target=server` or `source` |
//! | `GET /datasets/{dataset_id}/kerchunk/{key}` | a key of the Zarr store of format 2 |
//! | `GET /datasets/{dataset_id}/kerchunk.parq/{key}` | `.zmetadata` and `{array}/refs.{n}.parq` |
//! | `GET /datasets/{dataset_id}/objects/{n}` | bytes of a source object |
//!
//! # Opens with
//! `xr.open_dataset(url, engine="kerchunk")`; `engine="zarr"` on the same address; fsspec's
//! `reference://` file system.
//!
//! # Limits
//! A dataset with more than 2^20 references is refused with 422: clients read the document whole. The
//! parquet tables have no such limit. Only chunks kept with the manifest are written into the document;
//! derived ones point at the server, since making them could mean reading the archive.
//!
//! `?target=source` names files of this machine only as the configuration's `roots.NAME.map` says clients
//! write them; without such a rule it is refused with 422.

mod inline;
mod kept;
mod objects;
mod parquet_tables;
mod references;
mod request;
mod sources;
mod target;

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::routing::get;
use serde_json::json;
use thermocline_http::{AccessMethod, Operation, Parameter, Route, ServePlugin, with_propfind};
use thermocline_search::Summary;
use thermocline_zarr::View;
use thermocline_zarr_http::{Store, StoreRequest};

use references::References;

/// Bounds of the reference documents.
#[derive(Debug, Clone)]
pub struct KerchunkSettings {
    /// Largest chunk that is written into a document, in bytes. Larger ones point at the server.
    pub inline_chunk_bytes: u64,
    /// Most bytes of chunks that are written into one document. Beyond it, chunks point at the server.
    pub inline_document_bytes: u64,
    /// Bytes of finished documents that are kept.
    pub cache_bytes: u64,
    /// Most references of one document.
    pub max_references: u64,
    /// Rows of one parquet table.
    pub record_size: u64,
    /// Whether catalogs name the source objects.
    pub names_objects: bool,
}

impl KerchunkSettings {
    /// How many rows a table may have: without one there are no references, and a table is made in memory.
    pub const RECORD_SIZES: RangeInclusive<u64> = 1..=1_000_000;
}

impl Default for KerchunkSettings {
    fn default() -> Self {
        Self {
            inline_chunk_bytes: 1 << 20,
            inline_document_bytes: 64 << 20,
            cache_bytes: 256 << 20,
            max_references: 1 << 20,
            record_size: 10_000,
            names_objects: true,
        }
    }
}

/// The plugin.
pub struct KerchunkPlugin {
    references: Arc<References>,
    names_objects: bool,
}

impl KerchunkPlugin {
    /// The plugin with its bounds. A table has as many rows as [`KerchunkSettings::RECORD_SIZES`] allows.
    pub fn new(mut settings: KerchunkSettings) -> Self {
        let record_sizes = KerchunkSettings::RECORD_SIZES;
        settings.record_size = settings.record_size.clamp(*record_sizes.start(), *record_sizes.end());
        let names_objects = settings.names_objects;
        Self { references: Arc::new(References::new(settings)), names_objects }
    }
}

impl Default for KerchunkPlugin {
    fn default() -> Self {
        Self::new(KerchunkSettings::default())
    }
}

/// The keys below `/kerchunk`.
const STORE: Store = Store { views: &[View::V2] };

const QUERY: [Parameter; 2] = [
    Parameter { name: "group", description: "Path of the group that becomes the root of the references" },
    Parameter {
        name: "target",
        description: "Where references point: server (the default) or source, the objects' own addresses",
    },
];

impl ServePlugin for KerchunkPlugin {
    fn id(&self) -> &'static str {
        "kerchunk"
    }

    fn dataset_routes(&self) -> Vec<Route> {
        let whole = Arc::clone(&self.references);
        let json = Arc::clone(&self.references);
        let tables = Arc::clone(&self.references);
        let document = "The kerchunk reference document of the dataset";
        let root =
            get(move |request: references::DocumentRequest| async move { whole.answer(request).await });
        vec![
            Route {
                path: "/kerchunk",
                handler: with_propfind(
                    root,
                    |request: StoreRequest| async move { STORE.propfind(request).await },
                ),
                operations: vec![operation(document, QUERY.to_vec(), "application/json")],
            },
            Route {
                path: "/kerchunk.json",
                handler: get(move |request: references::DocumentRequest| async move {
                    json.answer(request).await
                }),
                operations: vec![operation(document, QUERY.to_vec(), "application/json")],
            },
            Route {
                path: "/kerchunk/{*key}",
                handler: STORE.handler(),
                operations: vec![operation(
                    "A key of the Zarr store of format 2",
                    vec![],
                    "application/octet-stream",
                )],
            },
            Route {
                path: "/kerchunk.parq/{*key}",
                handler: get(move |request: parquet_tables::TableRequest| async move {
                    parquet_tables::answer(&tables, request).await
                }),
                operations: vec![operation(
                    "A file of the dataset's kerchunk references as parquet tables",
                    vec![],
                    parquet_tables::MEDIA_TYPE,
                )],
            },
            Route {
                path: "/objects/{object}",
                handler: get(objects::answer),
                operations: vec![operation("Bytes of a source object", vec![], "application/octet-stream")],
            },
        ]
    }

    fn cached_bytes(&self) -> Option<u64> {
        Some(self.references.kept.used_bytes())
    }

    fn access_methods(&self, summary: &Summary) -> Vec<AccessMethod> {
        let mut methods = vec![references_method()];
        if self.names_objects {
            methods.extend(sources::access_methods(summary));
        }
        methods
    }
}

fn references_method() -> AccessMethod {
    let fields = json!({"xarray:open_kwargs": {"engine": "kerchunk", "chunks": {}}});
    AccessMethod {
        name: "kerchunk".to_owned(),
        title: "kerchunk references",
        path: "/kerchunk".to_owned(),
        media_type: "application/json",
        xarray_call: Some("xr.open_dataset(\"{url}\", engine=\"kerchunk\", chunks={})".to_owned()),
        roles: &["index", "references"],
        fields: fields.as_object().cloned().unwrap_or_default(),
        thredds_service: None,
        intake_method: Some("kerchunk"),
    }
}

fn operation(summary: &'static str, query: Vec<Parameter>, media_type: &'static str) -> Operation {
    Operation { method: "get", summary, query, media_type }
}

#[cfg(test)]
mod tests;
