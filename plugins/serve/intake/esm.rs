//! The collection of intake-esm: what its table means.

use std::collections::BTreeSet;

use axum::response::Response;
use serde_json::{Value, json};
use thermocline_core::Result;
use thermocline_http::Problem;
use thermocline_http::catalogs::{Asked, DocumentKey, write_hits};
use thermocline_http::links::BaseUrl;
use thermocline_search::{Query, Seen};

use crate::settings::{ALWAYS_FILLED, COLLECTION, DATASET_ID, IntakeSettings, URI, VARIABLE_ID};
use crate::{Catalogs, JSON, table};

/// Answers with the collection.
pub(crate) async fn answer(catalogs: &Catalogs, asked: &Asked) -> Result<Response, Problem> {
    let key = DocumentKey::new(&asked.seen, &asked.base, "esm.json");
    let document = catalogs.documents.get_or_write(key, write(&catalogs.settings, asked)).await?;
    Ok(asked.respond(document, JSON))
}

async fn write(settings: &IntakeSettings, asked: &Asked) -> Result<Vec<u8>> {
    let empty = sometimes_empty(settings, &asked.seen).await?;
    Ok(document(settings, &asked.base, &empty).to_string().into_bytes())
}

/// Columns to group by that some row leaves empty.
///
/// pandas drops rows with an empty one, and with them datasets.
async fn sometimes_empty(settings: &IntakeSettings, seen: &Seen) -> Result<BTreeSet<String>> {
    let groupby = settings.groupby_attrs.iter().filter(|name| !ALWAYS_FILLED.contains(&name.as_str()));
    let asked: Vec<String> = groupby.cloned().collect();
    if asked.is_empty() {
        return Ok(BTreeSet::new());
    }
    write_hits(seen, Query::default(), BTreeSet::new(), move |empty, hit| {
        let missing = asked.iter().filter(|column| table::attribute(&hit.summary, column).is_none());
        empty.extend(missing.cloned());
    })
    .await
}

fn document(settings: &IntakeSettings, base: &BaseUrl, empty: &BTreeSet<String>) -> Value {
    let columns = settings.all_columns();
    let attributes = columns.iter().filter(|column| **column != URI);
    let attributes: Vec<Value> = attributes.map(|column| json!({"column_name": column})).collect();
    let mut description = "All datasets of this server, one row for each data variable.".to_owned();
    let mut groupby: Vec<&str> = settings.groupby_attrs.iter().map(String::as_str).collect();
    if !empty.is_empty() {
        let names: Vec<&str> = empty.iter().map(String::as_str).collect();
        description.push_str(&format!(
            " Grouped by {COLLECTION} and {DATASET_ID}: some rows have no {}.",
            names.join(", no ")
        ));
        groupby = vec![COLLECTION, DATASET_ID];
    }
    json!({
        "esmcat_version": "0.1.0",
        "id": "thermocline",
        "description": description,
        "catalog_file": format!("{}/intake-esm.csv", base.0),
        "attributes": attributes,
        "assets": {"column_name": URI, "format": "zarr"},
        "aggregation_control": {
            "variable_column_name": VARIABLE_ID,
            "groupby_attrs": groupby,
            "aggregations": [{"type": "union", "attribute_name": VARIABLE_ID}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groupby(settings: &IntakeSettings, empty: &[&str]) -> Value {
        let empty = empty.iter().map(ToString::to_string).collect();
        document(settings, &BaseUrl("http://h".into()), &empty)["aggregation_control"]["groupby_attrs"]
            .clone()
    }

    #[test]
    fn columns_that_a_row_leaves_empty_are_not_grouped_by() {
        let groupby_attrs = vec!["source_id".to_owned(), "dataset_id".to_owned()];
        let settings = IntakeSettings { groupby_attrs, ..IntakeSettings::default() };
        assert_eq!(groupby(&settings, &[]), json!(["source_id", "dataset_id"]));
        assert_eq!(groupby(&settings, &["source_id"]), json!(["collection", "dataset_id"]));
    }
}
