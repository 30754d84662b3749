//! The documents of STAC, each made by a pure function.
//!
//! # Specification
//! STAC 1.1.0 (Item, Collection, Catalog); STAC API 1.0.0.

use std::sync::Arc;

use serde_json::Value;
use stac::Link;
use thermocline_http::links::{BaseUrl, segment};
use thermocline_http::{App, AppState};
use thermocline_search::Seen;

use crate::settings::StacSettings;

mod assets;
mod collection;
mod cube;
mod geojson;
mod item;
mod landing;
mod order;
mod properties;
mod schema;

pub(crate) use collection::{Collection, Members};
pub(crate) use item::Item;
pub(crate) use landing::{conformance, landing};
pub(crate) use order::OrderedItem;
pub(crate) use schema::{Names, names};

/// Media types, without parameters: clients compare them letter by letter.
pub(crate) const JSON: &str = "application/json";
pub(crate) const GEOJSON: &str = "application/geo+json";
pub(crate) const SCHEMA: &str = "application/schema+json";

/// The version of STAC.
pub(crate) const STAC_VERSION: &str = "1.1.0";

/// Relation of a link to what can be filtered by.
pub(crate) const QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";

/// Relation of a link to what can be sorted by.
pub(crate) const SORTABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/sortables";

/// What documents depend on besides the datasets.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) app: AppState,
    pub(crate) base: BaseUrl,
    pub(crate) settings: Arc<StacSettings>,
    /// The datasets as whoever asks sees them.
    pub(crate) seen: Seen,
}

impl Context {
    /// Address of the landing page.
    pub(crate) fn root(&self) -> String {
        format!("{}/stac", self.base.0)
    }

    /// Address of a collection.
    pub(crate) fn collection(&self, id: &str) -> String {
        format!("{}/stac/collections/{}", self.base.0, segment(id))
    }

    /// Address of an Item.
    pub(crate) fn item(&self, collection: &str, id: &str) -> String {
        format!("{}/items/{}", self.collection(collection), segment(id))
    }

    /// Address of a dataset's own Item.
    pub(crate) fn dataset_item(&self, id: &str) -> String {
        format!("{}/stac", self.base.dataset(id))
    }
}

/// A link to something of a media type.
pub(crate) fn link(rel: &str, href: impl Into<String>, media_type: &str) -> Link {
    Link::new(href.into(), rel).r#type(media_type.to_owned())
}

/// True if a plugin of that id runs.
pub(crate) fn has_plugin(app: &App, id: &str) -> bool {
    app.running().any(|plugin| plugin.id() == id)
}

/// A searchable value as JSON.
pub(crate) fn json_of(value: &thermocline_search::Value) -> Value {
    use thermocline_search::Value as Searchable;
    match value {
        Searchable::Text(text) => text.as_str().into(),
        Searchable::Integer(number) => (*number).into(),
        Searchable::Float(number) => (*number).into(),
        Searchable::Texts(texts) => texts.clone().into(),
    }
}
