//! Serves the datasets themselves: lists, pages, xarray's views of them, reports; and the server's own pages.
//!
//! # Serves
//! What xpublish serves on the same paths: its `keys`, `dict` and `info` of one dataset, and the groups of
//! its successor. Everything comes from manifests: nothing here touches an archive.
//!
//! # Specification
//! `xarray.Dataset.to_dict(data=False)` of xarray 2026.9; OpenAPI 3.0.3; RFC 9457;
//! <https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06>; <https://schema.org/Dataset> in
//! the head of a dataset's page, where search engines look for it.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /` | what the server has, as a page or JSON |
//! | `GET /datasets` | ids, in catalog order |
//! | `GET /datasets/{dataset_id}` | the dataset as xarray shows it, as a page or JSON |
//! | `GET /datasets/{dataset_id}/keys` | data variables, then coordinates |
//! | `GET /datasets/{dataset_id}/dict` | the decoded dataset |
//! | `GET /datasets/{dataset_id}/info` | the dataset as it is stored; `?decoded=true` decoded |
//! | `GET /datasets/{dataset_id}/tree` | all groups on one page |
//! | `GET /datasets/{dataset_id}/groups` | paths of all groups |
//! | `GET /datasets/{dataset_id}/groups/{path}` | a group's page, `/keys`, `/dict` or `/info` |
//! | `GET /datasets/{dataset_id}/report` | which route each variable takes, what is refused and why |
//! | `GET /plugins`, `/versions`, `/health`, `/ready` | the server itself |
//! | `GET /openapi.json`, `/docs` | every route of every plugin |
//! | `GET /problems/{name}` | what an error means |
//! | `GET /robots.txt` | what crawlers leave alone |
//!
//! # Opens with
//! A browser, xpublish's clients.
//!
//! # Limits
//! Whether times become `datetime64[ns]` is told from the first and last value, as xarray does, but only
//! where these lie in the manifest (coordinates do); elsewhere they are taken to be in range. The page of
//! all groups shows the first 200.

mod answer;
mod dataset;
mod decoded;
mod report;
mod repr;
mod robots;
mod server;
mod structured;
mod views;

use std::collections::{HashMap, HashSet};

use axum::routing::get;
use thermocline_http::{Operation, Route, ServePlugin};
use thermocline_model::Group;

use decoded::DecodedGroup;

/// The plugin.
#[derive(Debug, Default)]
pub struct DatasetsPlugin;

/// Names of the variables of a group that xarray takes for coordinates.
pub fn coordinate_names(group: &Group) -> HashSet<String> {
    let decoded = DecodedGroup::new(group, &HashMap::new());
    decoded.coords().map(|variable| variable.name.clone()).collect()
}

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

impl ServePlugin for DatasetsPlugin {
    fn id(&self) -> &'static str {
        "datasets"
    }

    fn app_routes(&self) -> Vec<Route> {
        let route = |path, handler, operation| Route { path, handler, operations: vec![operation] };
        vec![
            route(
                "/",
                get(server::overview),
                Operation::get("What the server has", HTML).with_query("f", "html or json"),
            ),
            route("/datasets", get(server::datasets), Operation::get("Ids of the datasets", JSON)),
            route("/plugins", get(server::plugins), Operation::get("Plugins and their state", JSON)),
            route("/versions", get(server::versions), Operation::get("Versions of all components", JSON)),
            route(
                "/health",
                get(server::health),
                Operation::get("How the server feels", server::HEALTH_JSON),
            ),
            route(
                "/ready",
                get(server::ready),
                Operation::get("Whether the catalog is loaded", server::HEALTH_JSON),
            ),
            route(
                "/openapi.json",
                get(server::openapi),
                Operation::get("This document", thermocline_http::openapi::MEDIA_TYPE),
            ),
            route("/docs", get(server::docs), Operation::get("Every route, as a page", HTML)),
            route(
                "/robots.txt",
                get(robots::show),
                Operation::get("What crawlers leave alone", robots::TEXT),
            ),
            route("/problems", get(server::problems), Operation::get("Types of errors", HTML)),
            route("/problems/{name}", get(server::problem), Operation::get("What an error means", HTML)),
        ]
    }

    fn dataset_routes(&self) -> Vec<Route> {
        let route = |path, handler, operation| Route { path, handler, operations: vec![operation] };
        let info = Operation::get("The dataset as it is stored", JSON)
            .with_query("decoded", "true for decoded types");
        let page = Operation::get("The dataset as xarray shows it", HTML).with_query("f", "html or json");
        vec![
            route("/", get(dataset::page), page),
            route("/keys", get(dataset::keys), Operation::get("Data variables, then coordinates", JSON)),
            route("/dict", get(dataset::dict), Operation::get("xarray.Dataset.to_dict(data=False)", JSON)),
            route("/info", get(dataset::info), info),
            route("/tree", get(dataset::tree), Operation::get("All groups on one page", HTML)),
            route("/groups", get(dataset::groups), Operation::get("Paths of all groups", JSON)),
            route(
                "/groups/{*path}",
                get(dataset::group),
                Operation::get("A group, or its keys, dict or info", HTML),
            ),
            route(
                "/report",
                get(dataset::report),
                Operation::get("Routes, refusals and notes of the dataset", JSON),
            ),
        ]
    }
}

#[cfg(test)]
mod tests;
