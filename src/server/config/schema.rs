//! The configuration as JSON Schema.

use serde_json::Value;

use super::Config;

/// JSON Schema (2020-12) of the file, for editors and for whoever generates it.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), Value::from("thermocline.toml"));
    }
    schema
}
