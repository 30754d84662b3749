//! Serves a THREDDS catalog and a site map of the datasets.
//!
//! # Serves
//! A catalog of catalogs, one for each collection, in which every dataset has the addresses of all plugins that
//! THREDDS clients know; the same as pages; and the list of pages that search engines read.
//!
//! # Specification
//! THREDDS client catalog 1.0.1
//! (<https://docs.unidata.ucar.edu/tds/current/userguide/client_catalog_specification.html>), with `ZARR` as one
//! more type of service; sitemaps 0.90 (<https://www.sitemaps.org/protocol.html>).
//!
//! # Routes
//! | Route | Answer |
//! |---|---|
//! | `GET /catalog.xml` | the collections; of a single one its datasets |
//! | `GET /catalog/{collection}.xml` | the datasets of a collection |
//! | `GET /catalog/{collection}/{prefix}.xml` | those whose ids begin with `prefix`, where there are too many for one document |
//! | the same with `.html` | pages |
//! | `GET /sitemap.xml`, `/sitemap/{number}.xml` | addresses of the datasets' pages; their parts, where there are too many for one document |
//!
//! # Opens with
//! `siphon.catalog.TDSCatalog(url)`, `intake.open_thredds_cat(url)`.
//!
//! # Limits
//! Names are ids, not titles: clients keep datasets by their names, and equal ones overwrite one another. A dataset
//! names its first five hundred data variables; one of several source files has no `HTTPServer`.
//! Characters that XML does not have become U+FFFD. intake-thredds opens catalogs within catalogs by OPeNDAP only,
//! and none in which a dataset lacks the service of its driver: give it `/catalog/{collection}.xml`.

mod catalog;
mod dataset;
mod page;
mod place;
mod sitemap;
mod xml;

use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use thermocline_http::catalogs::{Asked, Documents};
use thermocline_http::{Operation, Problem, Route, ServePlugin};

use place::Place;

const XML: &str = "application/xml";
const HTML: &str = "text/html; charset=utf-8";

/// Bytes of finished documents that are kept.
const CACHE_BYTES: u64 = 64 << 20;

/// The plugin.
pub struct ThreddsPlugin {
    documents: Arc<Documents>,
}

impl Default for ThreddsPlugin {
    fn default() -> Self {
        Self { documents: Arc::new(Documents::new(CACHE_BYTES)) }
    }
}

/// In which form a catalog is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Xml,
    Html,
}

/// Sends the catalog of a place.
async fn show(documents: &Documents, place: Place, form: Form, asked: &Asked) -> Result<Response, Problem> {
    match form {
        Form::Xml => catalog::answer(documents, &place, asked).await,
        Form::Html => page::answer(documents, &place, asked).await,
    }
}

impl ThreddsPlugin {
    fn top(&self, path: &'static str, form: Form, operation: Operation) -> Route {
        let documents = Arc::clone(&self.documents);
        let handler =
            get(move |asked: Asked| async move { show(&documents, Place::Top, form, &asked).await });
        Route { path, handler, operations: vec![operation] }
    }

    fn collection(&self) -> Route {
        let documents = Arc::clone(&self.documents);
        let handler = get(move |Path(name): Path<String>, asked: Asked| async move {
            let (collection, form) = split_form(&name)?;
            let place = Place::Collection(collection.to_owned());
            show(&documents, place, form, &asked).await
        });
        let operation = Operation::get("The THREDDS catalog of a collection, or its page", XML);
        Route { path: "/catalog/{document}", handler, operations: vec![operation] }
    }

    fn prefix(&self) -> Route {
        let documents = Arc::clone(&self.documents);
        let handler = get(move |Path((collection, name)): Path<(String, String)>, asked: Asked| async move {
            let (prefix, form) = split_form(&name)?;
            let place = Place::Prefix { collection, prefix: prefix.to_owned() };
            show(&documents, place, form, &asked).await
        });
        let operation = Operation::get("The same for datasets whose ids begin alike", XML);
        Route { path: "/catalog/{collection}/{document}", handler, operations: vec![operation] }
    }

    fn sitemap_part(&self) -> Route {
        let documents = Arc::clone(&self.documents);
        let handler = get(move |Path(name): Path<String>, asked: Asked| async move {
            sitemap::answer(&documents, Some(&name), &asked).await
        });
        let operation = Operation::get("A part of them, where there are several", XML);
        Route { path: "/sitemap/{document}", handler, operations: vec![operation] }
    }
}

fn split_form(name: &str) -> Result<(&str, Form), Problem> {
    let xml = name.strip_suffix(".xml").map(|name| (name, Form::Xml));
    let found = xml.or_else(|| name.strip_suffix(".html").map(|name| (name, Form::Html)));
    let found = found.filter(|(name, _)| !name.is_empty());
    found.ok_or_else(|| Problem::not_found(format!("Catalog '{name}' not found")))
}

impl ServePlugin for ThreddsPlugin {
    fn id(&self) -> &'static str {
        "thredds"
    }

    fn app_routes(&self) -> Vec<Route> {
        let documents = Arc::clone(&self.documents);
        vec![
            self.top("/catalog.xml", Form::Xml, Operation::get("All datasets as a THREDDS catalog", XML)),
            self.top("/catalog.html", Form::Html, Operation::get("The THREDDS catalog as a page", HTML)),
            self.collection(),
            self.prefix(),
            Route {
                path: "/sitemap.xml",
                handler: get(
                    move |asked: Asked| async move { sitemap::answer(&documents, None, &asked).await },
                ),
                operations: vec![Operation::get("Pages of all datasets, for search engines", XML)],
            },
            self.sitemap_part(),
        ]
    }

    fn cached_bytes(&self) -> Option<u64> {
        Some(self.documents.used_bytes())
    }
}

#[cfg(test)]
mod tests;
