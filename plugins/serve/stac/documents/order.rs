//! An Item as it was ordered: how far that is, and where its bytes are when they are there.

use serde::Serialize;
use stac::Asset;
use thermocline_core::staging::{Request, RequestState};
use thermocline_http::links::segment;
use thermocline_search::{Hit, OrderStatus};

use super::{Context, GEOJSON, Item, JSON, has_plugin, link};
use crate::times::format_ns;

/// Most source objects that an ordered Item names.
const MAX_OBJECTS: usize = 1000;

/// Format whose objects are chunks: no client opens one by itself.
const WITHOUT_FILES: &str = "zarr";

/// An Item that somebody ordered.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct OrderedItem {
    item: Item,
    #[serde(skip)]
    href: String,
}

impl OrderedItem {
    /// The Item of a dataset with so many source objects, as a request has it.
    pub(crate) fn new(hit: &Hit, request: &Request, n_objects: usize, context: &Context) -> Self {
        let summary = &hit.summary;
        let own = context.item(&summary.collection, &summary.id);
        let href = format!("{own}/order/{}", segment(&request.id.0));
        let mut item = Item::new(hit, context);
        let status = status(request.state);
        item.properties.insert("order:status".to_owned(), status.as_str().into());
        item.properties.insert("order:id".to_owned(), request.id.to_string().into());
        item.properties.insert("order:date".to_owned(), format_ns(request.created_ns).into());
        if let Some(expires_ns) = request.expires_ns {
            item.properties.insert("expires".to_owned(), format_ns(expires_ns).into());
        }
        item.links = vec![
            link("self", href.clone(), GEOJSON),
            link("root", context.root(), JSON),
            link("collection", context.collection(&summary.collection), JSON),
            link("item", own, GEOJSON),
            link("monitor", format!("{}/requests/{}", context.base.0, segment(&request.id.0)), JSON),
        ];
        item.assets = match status {
            OrderStatus::Succeeded => downloads(hit, n_objects, context),
            _ => Vec::new(),
        };
        item.name_extensions();
        Self { item, href }
    }

    /// Its address.
    pub(crate) fn href(&self) -> &str {
        &self.href
    }
}

fn status(state: RequestState) -> OrderStatus {
    match state {
        RequestState::Queued => OrderStatus::Ordered,
        RequestState::Active => OrderStatus::Shipping,
        RequestState::Succeeded => OrderStatus::Succeeded,
        RequestState::Partial | RequestState::Failed => OrderStatus::Failed,
        RequestState::Cancelled => OrderStatus::Canceled,
    }
}

/// `downloadLink`: the only source object, or references to all of them with each beside them.
fn downloads(hit: &Hit, n_objects: usize, context: &Context) -> Vec<(String, Asset)> {
    let summary = &hit.summary;
    let dataset = context.base.dataset(&summary.id);
    let are_files = summary.format != WITHOUT_FILES;
    let has_objects = has_plugin(&context.app, "kerchunk") && context.app.config.serve_objects && are_files;
    let object = |number: usize| {
        let title = format!("Source object {number}");
        asset(format!("{dataset}/objects/{number}"), "application/octet-stream", title, "data")
    };
    if n_objects == 1 && has_objects {
        return vec![("downloadLink".to_owned(), object(0))];
    }
    let whole = match has_plugin(&context.app, "kerchunk") {
        true => {
            asset(format!("{dataset}/kerchunk.json"), JSON, "kerchunk references".to_owned(), "references")
        }
        false => asset(format!("{dataset}/zarr"), "application/vnd.zarr", "Zarr store".to_owned(), "data"),
    };
    let n_named = if has_objects { n_objects.min(MAX_OBJECTS) } else { 0 };
    let objects = (0..n_named).map(|number| (format!("object-{number}"), object(number)));
    std::iter::once(("downloadLink".to_owned(), whole)).chain(objects).collect()
}

fn asset(href: String, media_type: &str, title: String, role: &str) -> Asset {
    let mut asset = Asset::new(href);
    asset.r#type = Some(media_type.to_owned());
    asset.title = Some(title);
    asset.roles = vec![role.to_owned()];
    asset
}
