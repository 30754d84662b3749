//! Properties of an Item, and the extensions that they belong to.

use serde_json::{Map, Value, json};
use thermocline_search::{Hit, Order, Summary};

use super::{Context, cube, json_of};
use crate::times::format_ns;

/// The properties of an Item.
pub(super) fn properties(hit: &Hit, n_listed_sources: usize) -> Map<String, Value> {
    let summary = &hit.summary;
    let mut properties = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            properties.insert(key.to_owned(), value);
        }
    };
    set("title", Some(summary.display_title().into()));
    set("description", description(summary, n_listed_sources).map(Value::from));
    let (start, end) = (summary.span.start_text(), summary.span.end_text());
    // Never null: clients sort by it.
    set("datetime", Some(start.as_str().into()));
    if !summary.span.is_instant {
        set("start_datetime", Some(start.into()));
        set("end_datetime", Some(end.into()));
    }
    set("created", Some(format_ns(summary.created_ns).into()));
    set("updated", Some(format_ns(updated_ns(hit)).into()));
    set("license", summary.license.as_deref().map(Value::from));
    set("keywords", (!summary.keywords.is_empty()).then(|| summary.keywords.clone().into()));
    set("providers", (!summary.providers.is_empty()).then(|| providers(summary)));
    set("version", summary.version.as_deref().map(Value::from));
    let prefix = summary.attribute_prefix();
    for (name, value) in &summary.attributes {
        set(&format!("{prefix}:{name}"), Some(json_of(value)));
    }
    if let Some(order) = &hit.order {
        properties.extend(order_fields(order));
    }
    properties.insert("cube:dimensions".to_owned(), cube::dimensions(summary).into());
    properties.insert("cube:variables".to_owned(), cube::variables(summary).into());
    properties
}

/// The text for people, with what is not exact.
fn description(summary: &Summary, n_listed_sources: usize) -> Option<String> {
    let n_listed = n_listed_sources as u64;
    let sources = (n_listed > 0 && n_listed < summary.n_sources)
        .then(|| format!("Of {} source objects the first {n_listed} are listed.", summary.n_sources));
    let notes = summary.span.note.iter().cloned().chain(sources);
    let parts: Vec<String> = summary.description.iter().cloned().chain(notes).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// When an Item last changed: its data, or where they are.
fn updated_ns(hit: &Hit) -> i64 {
    let changed_ns = hit.order.as_ref().map_or(i64::MIN, |order| order.changed_ns);
    hit.summary.updated_ns.max(changed_ns).max(hit.summary.created_ns)
}

fn providers(summary: &Summary) -> Value {
    let providers = summary.providers.iter().map(|provider| {
        let mut entry = json!({"name": provider.name});
        if let Some(entry) = entry.as_object_mut() {
            if !provider.roles.is_empty() {
                entry.insert("roles".to_owned(), provider.roles.clone().into());
            }
            entry.extend(provider.url.iter().map(|url| ("url".to_owned(), url.as_str().into())));
        }
        entry
    });
    providers.collect()
}

fn order_fields(order: &Order) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("order:status".to_owned(), order.status.as_str().into());
    fields.extend(order.request.iter().map(|id| ("order:id".to_owned(), id.as_str().into())));
    fields.extend(order.ordered_ns.map(|ns| ("order:date".to_owned(), format_ns(ns).into())));
    fields.extend(order.expires_ns.map(|ns| ("expires".to_owned(), format_ns(ns).into())));
    fields
}

/// Top-level members that the viewer gridlook reads, as Cloudify writes them.
pub(super) fn gridlook(summary: &Summary, context: &Context) -> Map<String, Value> {
    let mut members = Map::new();
    let Some(first) = summary.data_variables().next() else { return members };
    let store = format!("{}/zarr", context.base.dataset(&summary.id));
    let sources: Map<String, Value> = summary
        .data_variables()
        .map(|variable| (variable.name.clone(), json!({"store": store, "dataset": ""})))
        .collect();
    members.insert("name".to_owned(), summary.display_title().into());
    members.insert("default_var".to_owned(), first.name.as_str().into());
    members.insert("levels".to_owned(), json!([{"name": summary.id, "datasources": sources}]));
    members
}
