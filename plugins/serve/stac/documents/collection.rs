//! Collections.

use serde::Serialize;
use serde_json::{Map, Value, json};
use stac::Link;
use thermocline_http::App;
use thermocline_search::{Collection as Found, Span, Summary, union_of_boxes};

use super::{Context, GEOJSON, JSON, QUERYABLES, SCHEMA, SORTABLES, STAC_VERSION, json_of, link};

/// A Collection.
///
/// Not the crate's type, for the reason that [`super::Item`] has.
#[derive(Debug, Serialize)]
pub(crate) struct Collection {
    r#type: &'static str,
    stac_version: &'static str,
    id: String,
    title: String,
    description: String,
    license: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    providers: Vec<Value>,
    extent: Value,
    #[serde(skip_serializing_if = "Map::is_empty")]
    summaries: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    item_assets: Map<String, Value>,
    pub(crate) links: Vec<Link>,
}

/// Links to what is in a collection, and an example of it.
pub(crate) struct Members<'a> {
    /// `item` and `child` links.
    pub(crate) links: Vec<Link>,
    /// Where the staging of any of them stands.
    pub(crate) order_statuses: Vec<&'static str>,
    /// Any of them; in a list of collections any dataset, since only what all have in common is told of it.
    pub(crate) example: Option<&'a Summary>,
}

impl<'a> Members<'a> {
    /// Those of a collection in a list, which does not go into what they are.
    pub(crate) fn of_a_list(example: Option<&'a Summary>) -> Self {
        Self { links: Vec::new(), order_statuses: Vec::new(), example }
    }
}

impl Collection {
    /// A collection as the API has it.
    pub(crate) fn new(found: &Found, members: Members<'_>, context: &Context) -> Self {
        let href = context.collection(&found.id);
        let mut collection = Self::described(found);
        collection.item_assets =
            members.example.map(|example| item_assets(&context.app, example)).unwrap_or_default();
        if !members.order_statuses.is_empty() {
            collection.summaries.insert("order:status".to_owned(), members.order_statuses.into());
        }
        collection.links = vec![
            link("self", href.clone(), JSON),
            link("root", context.root(), JSON),
            link("parent", context.root(), JSON),
            link("items", format!("{href}/items"), GEOJSON),
            link(QUERYABLES, format!("{href}/queryables"), SCHEMA),
            link(SORTABLES, format!("{href}/sortables"), SCHEMA),
        ];
        let url = found.spec.as_ref().and_then(|spec| spec.license_url.clone());
        collection.links.extend(url.map(|url| Link::new(url, "license")));
        collection.links.extend(members.links);
        collection
    }

    /// All collections in one, as a static document.
    pub(crate) fn all(found: &[&Found], title: String, description: String) -> Self {
        let licenses: Vec<&str> = found.iter().map(|one| license_of(one)).collect();
        let license = match licenses.split_first() {
            Some((first, rest)) if rest.iter().all(|other| other == first) => (*first).to_owned(),
            _ => "other".to_owned(),
        };
        let boxes: Vec<[f64; 4]> = found.iter().filter_map(|one| one.bbox).collect();
        let extent = extent(union_of_boxes(&boxes), union_of_spans(found));
        Self { title, description, license, extent, ..Self::empty("all") }
    }

    /// One collection as a static document, without links.
    pub(crate) fn described(found: &Found) -> Self {
        let spec = found.spec.as_deref();
        let title = spec.and_then(|spec| spec.title.clone()).unwrap_or_else(|| found.id.clone());
        let described = spec.map(|spec| spec.description.clone()).filter(|text| !text.is_empty());
        let ends = found.span.as_ref().map(|span| [span.start_us, span.end_us]);
        let mut keywords = spec.map(|spec| spec.keywords.clone()).unwrap_or_default();
        keywords.extend(found.keywords.iter().cloned());
        let mut seen = std::collections::HashSet::new();
        keywords.retain(|keyword| seen.insert(keyword.clone()));
        Self {
            description: described.unwrap_or_else(|| format!("Datasets of the collection {title}.")),
            title,
            license: license_of(found).to_owned(),
            keywords,
            providers: spec.map(|spec| spec.providers.iter().map(provider).collect()).unwrap_or_default(),
            extent: extent(found.bbox, ends),
            summaries: summaries(found),
            ..Self::empty(&found.id)
        }
    }

    fn empty(id: &str) -> Self {
        Self {
            r#type: "Collection",
            stac_version: STAC_VERSION,
            id: id.to_owned(),
            title: String::new(),
            description: String::new(),
            license: "other".to_owned(),
            keywords: Vec::new(),
            providers: Vec::new(),
            extent: Value::Null,
            summaries: Map::new(),
            item_assets: Map::new(),
            links: Vec::new(),
        }
    }

    /// The same Collection under another address.
    #[must_use]
    pub(crate) fn at(mut self, href: &str) -> Self {
        for link in self.links.iter_mut().filter(|link| link.rel == "self") {
            href.clone_into(&mut link.href);
        }
        self
    }

    /// The same under another id.
    #[must_use]
    pub(crate) fn renamed(mut self, id: String) -> Self {
        self.id = id;
        self
    }
}

fn license_of(found: &Found) -> &str {
    let spec = found.spec.as_deref().and_then(|spec| spec.license.as_deref());
    spec.or(found.license.as_deref()).unwrap_or("other")
}

fn provider(provider: &thermocline_core::catalog::DataProvider) -> Value {
    let mut described = stac::Provider::new(&provider.name);
    described.roles = (!provider.roles.is_empty()).then(|| provider.roles.clone());
    described.url.clone_from(&provider.url);
    serde_json::to_value(described).unwrap_or_default()
}

/// Extents; STAC demands a box also where nothing has a place: the whole earth.
fn extent(bbox: Option<[f64; 4]>, ends_us: Option<[i64; 2]>) -> Value {
    let bbox = bbox.unwrap_or([-180.0, -90.0, 180.0, 90.0]);
    let interval =
        ends_us.map_or([None, None], |ends| ends.map(|us| Some(thermocline_search::instant_text(us))));
    json!({"spatial": {"bbox": [bbox]}, "temporal": {"interval": [interval]}})
}

fn union_of_spans(found: &[&Found]) -> Option<[i64; 2]> {
    let spans = found.iter().filter_map(|one| one.span.as_ref());
    spans
        .map(|Span { start_us, end_us, .. }| [*start_us, *end_us])
        .reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])])
}

fn summaries(found: &Found) -> Map<String, Value> {
    let mut summaries = Map::new();
    if !found.variables.is_empty() {
        summaries.insert("cube:variables".to_owned(), found.variables.clone().into());
    }
    for (name, values) in found.attributes.iter().filter(|(_, values)| !values.is_empty()) {
        summaries.insert(name.clone(), values.iter().map(json_of).collect());
    }
    summaries
}

/// What the assets of members have in common.
fn item_assets(app: &App, example: &Summary) -> Map<String, Value> {
    let methods = app.access_methods(example).into_iter();
    let common = methods.filter(|method| ["zarr", "zarr3", "kerchunk"].contains(&method.name.as_str()));
    let described = common.map(|method| {
        let mut entry = json!({"title": method.title, "type": method.media_type, "roles": method.roles});
        if let Some(entry) = entry.as_object_mut() {
            entry.extend(method.fields);
        }
        (method.name, entry)
    });
    described.collect()
}
