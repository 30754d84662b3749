//! The landing page and what the API conforms to.

use serde_json::{Value, json};
use stac::Link;
use thermocline_http::openapi;
use thermocline_search::Collection;

use super::{Context, GEOJSON, JSON, QUERYABLES, SCHEMA, SORTABLES, STAC_VERSION, link};

/// What the API conforms to. The temporal and spatial classes stand under the names of the draft and of the standard:
/// stac-api-validator looks for the former.
const CONFORMANCE: &[&str] = &[
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/browseable",
    "https://api.stacspec.org/v1.0.0/item-search#filter",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0/item-search#fields",
    "https://api.stacspec.org/v1.0.0/item-search#query",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#sort",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#fields",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#query",
    "https://api.stacspec.org/v1.0.0/collection-search",
    "https://api.stacspec.org/v1.0.0/collection-search#free-text",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/simple-query",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/case-insensitive-comparison",
    "http://www.opengis.net/spec/cql2/1.0/conf/accent-insensitive-comparison",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/temporal-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/temporal-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/property-property",
    "http://www.opengis.net/spec/cql2/1.0/conf/arithmetic",
];

/// `/stac/conformance`.
pub(crate) fn conformance() -> Value {
    json!({"conformsTo": CONFORMANCE})
}

/// `/stac`.
pub(crate) fn landing(collections: &[impl AsRef<Collection>], context: &Context) -> Value {
    let (root, base) = (context.root(), &context.base.0);
    let settings = &context.settings;
    let mut links = vec![
        link("self", root.clone(), JSON),
        link("root", root.clone(), JSON),
        link("data", format!("{root}/collections"), JSON),
        link("conformance", format!("{root}/conformance"), JSON),
        link("search", format!("{root}/search"), GEOJSON).method("GET"),
        link("search", format!("{root}/search"), GEOJSON).method("POST"),
        link("service-desc", format!("{base}/openapi.json"), openapi::MEDIA_TYPE),
        link("service-doc", format!("{base}/docs"), "text/html"),
        link(QUERYABLES, format!("{root}/queryables"), SCHEMA),
        link(SORTABLES, format!("{root}/sortables"), SCHEMA),
    ];
    links.extend(
        settings
            .browser_url
            .iter()
            .map(|url| link("alternate", url.clone(), "text/html").title("Browser".to_owned())),
    );
    links.extend(collections.iter().map(|collection| child(collection.as_ref(), context)));
    json!({
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "thermocline",
        "title": settings.title,
        "description": settings.description,
        "conformsTo": CONFORMANCE,
        "links": links,
    })
}

fn child(collection: &Collection, context: &Context) -> Link {
    let title = collection.spec.as_ref().and_then(|spec| spec.title.clone());
    link("child", context.collection(&collection.id), JSON)
        .title(title.unwrap_or_else(|| collection.id.clone()))
}
