//! The table of intake-esm: a row for each data variable of each dataset.

use std::borrow::Cow;

use axum::response::Response;
use thermocline_core::Result;
use thermocline_http::Problem;
use thermocline_http::catalogs::{Asked, DocumentKey, write_hits};
use thermocline_http::links::{BaseUrl, path};
use thermocline_search::{CubeVariable, Query, Summary, Value};

use crate::csv::push_row;
use crate::settings::{COLLECTION, DATASET_ID, URI, VARIABLE_ID};
use crate::{CSV, Catalogs};

/// Attributes that say the same as those of CMIP6, for data that do not have these.
const FALLBACKS: [(&str, &[&str]); 5] = [
    ("institution_id", &["institution"]),
    ("source_id", &["model_id", "source"]),
    ("experiment_id", &["experiment"]),
    ("member_id", &["variant_label"]),
    ("table_id", &["frequency", "realm"]),
];

/// Answers with the table.
pub(crate) async fn answer(catalogs: &Catalogs, asked: &Asked) -> Result<Response, Problem> {
    let key = DocumentKey::new(&asked.seen, &asked.base, "esm.csv");
    let document = catalogs.documents.get_or_write(key, write(catalogs, asked)).await?;
    Ok(asked.respond(document, CSV))
}

async fn write(catalogs: &Catalogs, asked: &Asked) -> Result<Vec<u8>> {
    let columns: Vec<String> = catalogs.settings.all_columns().into_iter().map(str::to_owned).collect();
    let mut csv = Vec::new();
    push_row(&mut csv, columns.iter().map(String::as_str));
    let base = asked.base.clone();
    write_hits(&asked.seen, Query::default(), csv, move |csv, hit| {
        for variable in hit.summary.data_variables() {
            let fields = columns.iter().map(|column| field(column, &hit.summary, variable, &base));
            let fields: Vec<Cow<'_, str>> = fields.collect();
            push_row(csv, fields.iter().map(AsRef::as_ref));
        }
    })
    .await
}

/// What stands in a column for a variable. A variable of a group is opened from the group's own store.
fn field<'a>(column: &str, summary: &'a Summary, variable: &'a CubeVariable, base: &BaseUrl) -> Cow<'a, str> {
    let (group, name) = variable.name.rsplit_once('/').unwrap_or(("", &variable.name));
    match column {
        COLLECTION => summary.collection.as_str().into(),
        DATASET_ID => summary.id.as_str().into(),
        VARIABLE_ID => name.into(),
        URI if group.is_empty() => format!("{}/zarr", base.dataset(&summary.id)).into(),
        URI => format!("{}/zarr/{}", base.dataset(&summary.id), path(group)).into(),
        column => attribute(summary, column).unwrap_or_default(),
    }
}

/// The attribute of a column, or the one that says the same.
pub(crate) fn attribute<'a>(summary: &'a Summary, column: &str) -> Option<Cow<'a, str>> {
    let others = FALLBACKS.iter().find(|(name, _)| *name == column).map_or(&[][..], |(_, others)| others);
    let names = std::iter::once(column).chain(others.iter().copied());
    names.filter_map(|name| summary.attribute(name)).map(text).find(|text| !text.is_empty())
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) => number.to_string().into(),
        Value::Float(number) => number.to_string().into(),
        Value::Texts(texts) => texts.join(" ").into(),
    }
}
