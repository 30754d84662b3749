//! Serves datasets as intake and intake-esm catalogs.
//!
//! # Serves
//! Every dataset that can be found, from what the index knows of it: nothing here touches an archive. A source
//! opens with the driver `zarr`; its parameter `method` chooses between the chunks as they are stored (`kerchunk`)
//! and decoded and encoded again (`zarr`).
//!
//! # Specification
//! Intake catalogs of version 1 (<https://intake.readthedocs.io/en/v1/catalog.html>), in YAML that means the same
//! to readers of YAML 1.1 and 1.2; ESM collection specification 0.1.0
//! (<https://github.com/NCAR/esm-collection-spec>) with a table as RFC 4180 has it.
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /intake.yaml` | a source for each dataset, named by its id |
//! | `GET /intake/{prefix}.yaml` | those whose ids begin with `prefix`, where there are too many for one document |
//! | `GET /intake-nested.yaml` | a catalog for each dataset, as xpublish-intake has it |
//! | `GET /intake-nested/{prefix}.yaml` | those whose ids begin with `prefix` |
//! | `GET /datasets/{dataset_id}/catalog.yaml` | the sources of one dataset: `{id}`, `{id}-zarr`, `{id}-kerchunk` |
//! | `GET /intake-esm.json`, `/intake-esm.csv` | the datasets for intake-esm, one row for each data variable |
//!
//! All addresses end in `.yaml`, without a query: intake knows the driver of a catalog by that ending.
//!
//! # Opens with
//! `intake.open_catalog(url)[id](method="kerchunk").to_dask()` of intake 0.7 and 2;
//! `intake.open_esm_datastore(url)`.
//!
//! # Limits
//! Beyond `nested_above` datasets, `/intake.yaml` names catalogs by the beginnings of ids instead of sources.
//! Templates in what users wrote are escaped in `metadata`, where intake evaluates them, and stay as they are in
//! `description`, where it does not. A line break at the end of such a text is lost, as jinja has it.
//! `{id}-kerchunk` is left out for datasets with variables that have no stored form that Zarr readers know.
//! A source names its first hundred variables. Datasets whose ids pandas takes for missing (`nan`, `NA`, `null`)
//! are not found by intake-esm.

mod csv;
mod dataset;
mod esm;
mod jinja;
mod listing;
mod settings;
mod source;
mod table;
mod yaml;

use std::sync::Arc;

use axum::extract::Path;
use axum::routing::get;
use thermocline_http::catalogs::{Asked, Documents};
use thermocline_http::{Operation, Problem, Route, ServePlugin};

pub use settings::IntakeSettings;

use listing::Kind;

const YAML: &str = "text/yaml; charset=utf-8";
const CSV: &str = "text/csv; charset=utf-8";
const JSON: &str = "application/json";

/// The plugin.
pub struct IntakePlugin {
    catalogs: Arc<Catalogs>,
}

/// What all handlers have.
struct Catalogs {
    settings: IntakeSettings,
    documents: Documents,
}

impl IntakePlugin {
    /// The plugin with its settings.
    pub fn new(settings: IntakeSettings) -> Self {
        let documents = Documents::new(settings.cache_bytes);
        Self { catalogs: Arc::new(Catalogs { settings, documents }) }
    }

    fn listing(&self, kind: Kind, path: &'static str, summary: &'static str) -> Route {
        let catalogs = Arc::clone(&self.catalogs);
        let handler = get(move |asked: Asked| async move { listing::whole(&catalogs, kind, &asked).await });
        Route { path, handler, operations: vec![Operation::get(summary, YAML)] }
    }

    fn prefixed(&self, kind: Kind, path: &'static str, summary: &'static str) -> Route {
        let catalogs = Arc::clone(&self.catalogs);
        let handler = get(move |Path(name): Path<String>, asked: Asked| async move {
            let prefix = name.strip_suffix(".yaml").filter(|prefix| !prefix.is_empty());
            let prefix = prefix.ok_or_else(|| Problem::not_found(format!("Catalog '{name}' not found")))?;
            listing::prefixed(&catalogs, kind, prefix, &asked).await
        });
        Route { path, handler, operations: vec![Operation::get(summary, YAML)] }
    }
}

impl Default for IntakePlugin {
    fn default() -> Self {
        Self::new(IntakeSettings::default())
    }
}

impl ServePlugin for IntakePlugin {
    fn id(&self) -> &'static str {
        "intake"
    }

    fn app_routes(&self) -> Vec<Route> {
        let (esm, table) = (Arc::clone(&self.catalogs), Arc::clone(&self.catalogs));
        vec![
            self.listing(Kind::Sources, "/intake.yaml", "All datasets as an intake catalog"),
            self.prefixed(Kind::Sources, "/intake/{document}", "Datasets whose ids begin alike, for intake"),
            self.listing(Kind::Nested, "/intake-nested.yaml", "An intake catalog of one for each dataset"),
            self.prefixed(Kind::Nested, "/intake-nested/{document}", "The same for ids that begin alike"),
            Route {
                path: "/intake-esm.json",
                handler: get(move |asked: Asked| async move { esm::answer(&esm, &asked).await }),
                operations: vec![Operation::get("All datasets as a collection of intake-esm", JSON)],
            },
            Route {
                path: "/intake-esm.csv",
                handler: get(move |asked: Asked| async move { table::answer(&table, &asked).await }),
                operations: vec![Operation::get("The table of that collection", CSV)],
            },
        ]
    }

    fn dataset_routes(&self) -> Vec<Route> {
        let operation = Operation::get("The dataset as an intake catalog", YAML);
        vec![Route { path: "/catalog.yaml", handler: get(dataset::answer), operations: vec![operation] }]
    }

    fn cached_bytes(&self) -> Option<u64> {
        Some(self.catalogs.documents.used_bytes())
    }
}

#[cfg(test)]
mod tests;
