//! Assets: how a dataset can be opened, and where its bytes come from.
//!
//! # Specification
//! STAC 1.1.0, Asset; extensions `order` v1.1.0 and `alternate-assets` v1.2.0.

use serde_json::{Map, Value, json};
use stac::Asset;
use thermocline_http::AccessMethod;
use thermocline_search::{Hit, SourceObject};

use super::Context;

/// Role of assets that are source objects.
const SOURCE: &str = "source";

/// Assets that are the same data in another form.
const ALTERNATES: [&str; 3] = ["zarr", "kerchunk", SOURCE];

/// Assets by their keys, in the order of the plugins.
pub(super) fn assets(hit: &Hit, context: &Context) -> Vec<(String, Asset)> {
    let dataset = context.base.dataset(&hit.summary.id);
    let mut n_sources = 0;
    let methods = context.app.access_methods(&hit.summary);
    let mut assets = Vec::with_capacity(methods.len());
    for method in methods {
        let mut asset = of_method(&method, &dataset);
        if method.roles.contains(&SOURCE) {
            complete_source(&mut asset, n_sources, hit, context);
            n_sources += 1;
        }
        assets.push((method.name, asset));
    }
    if has_other_places(hit, context) {
        add_alternates(&mut assets);
    }
    assets
}

/// True if clients can read a source object elsewhere than at this server.
fn has_other_places(hit: &Hit, context: &Context) -> bool {
    hit.summary.sources.iter().any(|source| public_url(source, context).is_some())
}

/// Where clients read a source object without this server, if the configuration says so.
fn public_url(source: &SourceObject, context: &Context) -> Option<String> {
    let is_public =
        |url: &String| ["https://", "http://", "s3://"].iter().any(|scheme| url.starts_with(scheme));
    context.app.config.mapped_url(&source.href).filter(is_public)
}

/// True for an asset that is a source object.
pub(super) fn is_source(asset: &Asset) -> bool {
    asset.roles.iter().any(|role| role == SOURCE)
}

fn of_method(method: &AccessMethod, dataset: &str) -> Asset {
    let mut asset = Asset::new(format!("{dataset}{}", method.path));
    asset.r#type = Some(bare(method.media_type).to_owned());
    asset.title = Some(method.title.to_owned());
    asset.roles = method.roles.iter().map(|role| (*role).to_owned()).collect();
    asset.additional_fields.clone_from(&method.fields);
    asset
}

/// A media type without parameters: xpystac does not open a type that has one.
fn bare(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or(media_type).trim_end()
}

/// Where clients read a source object, and whether it is online.
fn complete_source(asset: &mut Asset, number: usize, hit: &Hit, context: &Context) {
    let source = hit.summary.sources.get(number);
    if let Some(url) = source.and_then(|source| public_url(source, context)) {
        asset.href = url;
    }
    if let Some(status) = hit.order.as_ref().and_then(|order| order.sources.get(number)) {
        asset.additional_fields.insert("order:status".to_owned(), status.as_str().into());
    }
}

/// Names the other ways to the same data: between the store, the references and a single source.
fn add_alternates(assets: &mut [(String, Asset)]) {
    let is_one = |key: &str| ALTERNATES.contains(&key);
    let entry = |asset: &Asset| json!({"href": asset.href, "type": asset.r#type, "title": asset.title});
    let known: Vec<(String, Value)> = assets
        .iter()
        .filter(|(key, _)| is_one(key))
        .map(|(key, asset)| (key.clone(), entry(asset)))
        .collect();
    for (key, asset) in assets.iter_mut().filter(|(key, _)| is_one(key)) {
        let others: Map<String, Value> = known.iter().filter(|(other, _)| other != key).cloned().collect();
        if !others.is_empty() {
            asset.additional_fields.insert("alternate".to_owned(), others.into());
        }
    }
}
