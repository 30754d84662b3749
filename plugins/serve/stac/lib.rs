//! Serves datasets as STAC items, collections and an item search.
//!
//! # Serves
//! An Item for every dataset, generated from what the search keeps of it. No request opens a dataset, and none
//! touches an archive.
//!
//! # Specification
//! STAC 1.1.0; STAC API 1.0.0 with filter (OGC 21-065r2, CQL2), sort, fields, query and collection search; OGC API
//! Features 1.0. Extensions of Items: datacube, zarr, xarray-assets, file, order, timestamps, alternate-assets, version.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /stac-collection-all.json` | a Collection that links to every Item |
//! | `GET /stac-collection-part/{collection}`, `…/{beginning}` | the same of a part, where there are too many for one |
//! | `GET /datasets/{dataset_id}/stac` | the dataset's Item |
//! | `GET /stac`, `/stac/conformance` | landing page |
//! | `GET /stac/collections`, `/stac/collections/{collection}` | collections; `q`, `bbox`, `datetime` search among them |
//! | `GET /stac/collections/{collection}/parts/{beginning}` | members of a large collection whose ids begin so |
//! | `GET /stac/collections/{collection}/items`, `…/items/{id}` | Items |
//! | `POST /stac/collections/{collection}/items/{id}/order` | brings an Item's objects online (who may stage them) |
//! | `GET /stac/collections/{collection}/items/{id}/order/{request}` | how far that is, then where they are |
//! | `GET`, `POST /stac/search` | item search |
//! | `GET /stac/queryables`, `/stac/sortables`, also of a collection | what is filtered and sorted by |
//!
//! A browser gets pages on `/stac…`; `f=json` and `f=html` choose.
//!
//! # Opens with
//! pystac, pystac-client, xpystac, intake-stac, eodag, stac-api-validator, STAC Browser, QGIS.
//!
//! # Limits
//! Geometries of requests have at most 10,000 positions, filters 40,000 values and 64 levels; as text they have 64 KiB.
//! An answer with more than 32 MiB of Items has fewer than were asked for. Instants are compared in whole microseconds.
//! Assets at `s3://` carry no `storage:schemes`: the endpoint is not known here. `alternate` is written where the
//! configuration maps a source object to an address of its own: elsewhere all ways are assets of this server, side by side.
//! Thumbnails, map links and renders appear with the plugins that make them.

mod answer;
mod api;
mod collections;
mod cql2;
mod documents;
mod geometry;
mod items;
mod order;
mod page;
mod problem;
mod request;
mod settings;
mod statics;
mod times;

use std::sync::Arc;

use axum::Extension;
use axum::routing::{MethodRouter, get, post};
use thermocline_http::bodies::{Bodies, BodySettings};
use thermocline_http::catalogs::Documents;
use thermocline_http::{AppState, Operation, Route, ServePlugin};

use documents::{GEOJSON, JSON, SCHEMA};
pub use settings::StacSettings;

/// Largest body of a search, in bytes.
const MAX_BODY_BYTES: usize = 4 << 20;

/// Most bytes of the Items of an answer.
const MAX_ITEMS_BYTES: usize = 32 << 20;

/// Most bytes of static documents that are kept.
const MAX_KEPT_BYTES: u64 = 64 << 20;

/// Parameters of an item search in the query of a GET.
const SEARCH: [(&str, &str); 11] = [
    ("limit", "most Items in the answer"),
    ("bbox", "west,south,east,north in degrees; west beyond east crosses the antimeridian"),
    ("datetime", "RFC 3339 instant, or an interval with / whose one end may be .."),
    ("intersects", "GeoJSON geometry"),
    ("ids", "ids with commas between them"),
    ("filter", "CQL2"),
    ("filter-lang", "cql2-text or cql2-json"),
    ("sortby", "fields with commas between them, - before descending ones"),
    ("fields", "fields with commas between them, - before those to leave out"),
    ("query", "JSON of the query extension"),
    ("token", "where to go on: from the link next"),
];

/// The plugin.
pub struct StacPlugin {
    stac: Arc<Stac>,
}

/// What handlers of this plugin share.
pub(crate) struct Stac {
    settings: Arc<StacSettings>,
    bodies: Bodies,
    /// Most bytes of the Items of an answer.
    max_items_bytes: usize,
    /// Static documents, and lists of ids.
    documents: Documents,
}

impl StacPlugin {
    /// The plugin with its settings.
    pub fn new(settings: StacSettings) -> Self {
        let bodies = BodySettings { max_bytes: MAX_BODY_BYTES, ..BodySettings::default() };
        let stac = Stac {
            settings: Arc::new(settings),
            bodies: Bodies::new(bodies),
            max_items_bytes: MAX_ITEMS_BYTES,
            documents: Documents::new(MAX_KEPT_BYTES),
        };
        Self { stac: Arc::new(stac) }
    }

    fn route(
        &self,
        path: &'static str,
        handler: MethodRouter<AppState>,
        operations: Vec<Operation>,
    ) -> Route {
        Route { path, handler: handler.layer(Extension(Arc::clone(&self.stac))), operations }
    }

    fn get_route(
        &self,
        path: &'static str,
        handler: MethodRouter<AppState>,
        summary: &'static str,
        media_type: &'static str,
    ) -> Route {
        self.route(path, handler, vec![Operation::get(summary, media_type).with_query("f", "html or json")])
    }
}

impl Default for StacPlugin {
    fn default() -> Self {
        Self::new(StacSettings::default())
    }
}

impl ServePlugin for StacPlugin {
    fn id(&self) -> &'static str {
        "stac"
    }

    fn app_routes(&self) -> Vec<Route> {
        let search_by_post =
            Operation { method: "post", summary: "Item search", query: Vec::new(), media_type: GEOJSON };
        let order_by_post =
            Operation { method: "post", summary: "Orders an Item", query: Vec::new(), media_type: GEOJSON };
        vec![
            self.get_route("/stac", get(api::root), "STAC landing page", JSON),
            self.get_route("/stac/conformance", get(api::conforms), "What the API conforms to", JSON),
            self.route("/stac/collections", get(collections::list), vec![collection_search()]),
            self.get_route("/stac/collections/{collection}", get(api::collection), "A collection", JSON),
            self.get_route(
                "/stac/collections/{collection}/parts/{beginning}",
                get(api::part),
                "Members of a collection whose ids begin so",
                JSON,
            ),
            self.route(
                "/stac/collections/{collection}/items",
                get(items::of_collection),
                vec![item_search("Items of a collection")],
            ),
            self.get_route("/stac/collections/{collection}/items/{id}", get(api::item), "An Item", GEOJSON),
            self.route(
                "/stac/collections/{collection}/items/{id}/order",
                post(order::order),
                vec![order_by_post],
            ),
            self.get_route(
                "/stac/collections/{collection}/items/{id}/order/{request}",
                get(order::status),
                "An order of an Item",
                GEOJSON,
            ),
            self.get_route(
                "/stac/collections/{collection}/queryables",
                get(api::queryables),
                "What Items of a collection are filtered by",
                SCHEMA,
            ),
            self.get_route(
                "/stac/collections/{collection}/sortables",
                get(api::sortables),
                "What Items of a collection are sorted by",
                SCHEMA,
            ),
            self.route(
                "/stac/search",
                get(items::search).post(items::post),
                vec![
                    item_search("Item search").with_query("collections", "ids of collections"),
                    search_by_post,
                ],
            ),
            self.get_route("/stac/queryables", get(api::queryables), "What Items are filtered by", SCHEMA),
            self.get_route("/stac/sortables", get(api::sortables), "What Items are sorted by", SCHEMA),
            self.route("/stac/{*rest}", get(api::nothing), Vec::new()),
            self.route(
                "/stac-collection-all.json",
                get(statics::all),
                vec![Operation::get("A Collection that links to every Item", JSON)],
            ),
            self.route(
                "/stac-collection-part/{collection}",
                get(statics::part),
                vec![Operation::get("The same of one collection", JSON)],
            ),
            self.route(
                "/stac-collection-part/{collection}/{beginning}",
                get(statics::part),
                vec![Operation::get("The same of its members whose ids begin so", JSON)],
            ),
        ]
    }

    fn dataset_routes(&self) -> Vec<Route> {
        vec![self.get_route("/stac", get(api::dataset_item), "The dataset as a STAC Item", GEOJSON)]
    }

    fn paths_that_only_read(&self) -> &'static [&'static str] {
        &["/stac/search"]
    }

    fn cached_bytes(&self) -> Option<u64> {
        Some(self.stac.documents.used_bytes())
    }
}

fn item_search(summary: &'static str) -> Operation {
    let operation = Operation::get(summary, GEOJSON);
    SEARCH
        .into_iter()
        .fold(operation, |operation, (name, description)| operation.with_query(name, description))
}

fn collection_search() -> Operation {
    Operation::get("Collections, and searching among them", JSON)
        .with_query("q", "words with commas between them, any of which is found")
        .with_query("bbox", "west,south,east,north in degrees")
        .with_query("datetime", "RFC 3339 instant or interval")
        .with_query("limit", "most collections in the answer")
        .with_query("token", "where to go on: from the link next")
}

#[cfg(test)]
mod tests;
