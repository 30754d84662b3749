//! Items.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use stac::{Asset, Link};
use thermocline_search::{Hit, OrderStatus};

use super::{Context, GEOJSON, JSON, STAC_VERSION, assets, geojson, has_plugin, link, properties};

/// An Item.
///
/// Not the crate's type: its times have three, six or nine digits of a fraction, ours none or six.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    r#type: &'static str,
    stac_version: &'static str,
    stac_extensions: Vec<String>,
    id: String,
    collection: String,
    geometry: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    bbox: Option<[f64; 4]>,
    pub(super) properties: Map<String, Value>,
    pub(super) links: Vec<Link>,
    #[serde(serialize_with = "as_map")]
    pub(super) assets: Vec<(String, Asset)>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Item {
    /// The Item of a dataset, as the API has it.
    pub(crate) fn new(hit: &Hit, context: &Context) -> Self {
        let summary = &hit.summary;
        let assets = assets::assets(hit, context);
        let n_listed_sources = assets.iter().filter(|(_, asset)| assets::is_source(asset)).count();
        let properties = properties::properties(hit, n_listed_sources);
        Self {
            r#type: "Feature",
            stac_version: STAC_VERSION,
            stac_extensions: extensions(&properties, &assets),
            id: summary.id.clone(),
            collection: summary.collection.clone(),
            geometry: summary.extent.as_ref().map_or(Value::Null, geojson::geometry),
            bbox: summary.extent.as_ref().map(|extent| extent.bbox),
            properties,
            links: links(hit, context),
            assets,
            more: if context.settings.gridlook { properties::gridlook(summary, context) } else { Map::new() },
        }
    }

    /// Names the extensions of which there are fields, after some have come or gone.
    pub(super) fn name_extensions(&mut self) {
        self.stac_extensions = extensions(&self.properties, &self.assets);
    }

    /// The same Item under another address.
    #[must_use]
    pub(crate) fn at(mut self, href: String) -> Self {
        for link in self.links.iter_mut().filter(|link| link.rel == "self") {
            link.href.clone_from(&href);
        }
        self
    }
}

fn as_map<S: Serializer>(assets: &[(String, Asset)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(assets.iter().map(|(key, asset)| (key, asset)))
}

/// Extensions with at least one field in an Item.
fn extensions(properties: &Map<String, Value>, assets: &[(String, Asset)]) -> Vec<String> {
    let in_properties = |prefix: &str| properties.keys().any(|key| key.starts_with(prefix));
    let in_assets = |prefix: &str| {
        assets.iter().any(|(_, asset)| asset.additional_fields.keys().any(|key| key.starts_with(prefix)))
    };
    let used = [
        ("datacube/v2.3.0", in_properties("cube:")),
        ("zarr/v1.1.0", in_assets("zarr:")),
        ("xarray-assets/v1.0.0", in_assets("xarray:")),
        ("file/v2.1.0", in_assets("file:")),
        ("order/v1.1.0", in_properties("order:")),
        ("timestamps/v1.1.0", properties.contains_key("expires")),
        ("alternate-assets/v1.2.0", in_assets("alternate")),
        ("version/v1.2.0", properties.contains_key("version")),
    ];
    let used = used.into_iter().filter(|(_, is_used)| *is_used);
    used.map(|(name, _)| format!("https://stac-extensions.github.io/{name}/schema.json")).collect()
}

fn links(hit: &Hit, context: &Context) -> Vec<Link> {
    let summary = &hit.summary;
    let collection = context.collection(&summary.collection);
    let dataset = context.base.dataset(&summary.id);
    let mut links = vec![
        link("self", context.item(&summary.collection, &summary.id), GEOJSON),
        link("root", context.root(), JSON),
        link("parent", collection.clone(), JSON),
        link("collection", collection, JSON),
        link("preview", dataset.clone(), "text/html").title("Page of the dataset".to_owned()),
    ];
    links.extend(summary.license_url.iter().map(|url| Link::new(url, "license").title("Licence".to_owned())));
    links.extend(summary.doi.iter().map(|doi| Link::new(format!("https://doi.org/{doi}"), "cite-as")));
    let is_waited_for = hit.order.as_ref().is_some_and(|order| order.status != OrderStatus::Succeeded);
    if is_waited_for {
        links.push(
            link("order", format!("{dataset}/stage"), JSON).method("POST").title("Bring online".to_owned()),
        );
    }
    if hit.order.is_some() {
        links.push(retrieve(hit, context));
    }
    if has_plugin(&context.app, "intake") {
        let catalog = format!("{dataset}/catalog.yaml");
        links.push(link("alternate", catalog, "text/yaml").title("The same as an intake catalog".to_owned()));
    }
    links
}

/// What eodag and its like order by: posted to with the body that it has.
fn retrieve(hit: &Hit, context: &Context) -> Link {
    let own = context.item(&hit.summary.collection, &hit.summary.id);
    let mut retrieve = link("retrieve", format!("{own}/order"), GEOJSON).method("POST");
    retrieve.body = Some(Map::new());
    retrieve.title("Order".to_owned())
}
