//! What is searched for of one dataset: the part of its summary that is always in memory.

use serde::{Deserialize, Serialize};

use crate::summary::{Summary, Value};

/// Longest description that is always in memory.
const MAX_DESCRIPTION_BYTES: usize = 256;

/// What is searched for of one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) collection: String,
    pub(crate) title: String,
    pub(crate) license: Option<String>,
    /// A composite stands for one that is too long to be kept here.
    pub(crate) description: Option<Cell>,
    pub(crate) bbox: Option<[f64; 4]>,
    pub(crate) footprint: Option<Vec<[f64; 2]>>,
    pub(crate) start_us: i64,
    pub(crate) end_us: i64,
    pub(crate) is_instant: bool,
    pub(crate) created_us: i64,
    pub(crate) updated_us: i64,
    pub(crate) keywords: Vec<String>,
    /// Names of data variables.
    pub(crate) variables: Vec<String>,
    /// Searchable attributes by their STAC names.
    pub(crate) attributes: Vec<(String, Cell)>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Cell {
    Text(String),
    Number(f64),
    /// A list, which does not compare.
    Composite,
}

impl Entry {
    /// That of a summary.
    pub(crate) fn of(summary: &Summary) -> Self {
        let prefix = summary.attribute_prefix();
        let attribute = |(name, value): &(String, Value)| (format!("{prefix}:{name}"), Cell::of(value));
        let extent = summary.extent.as_ref();
        Self {
            id: summary.id.clone(),
            collection: summary.collection.clone(),
            title: summary.display_title().to_owned(),
            license: summary.license.clone(),
            description: summary.description.as_deref().map(description),
            bbox: extent.map(|extent| extent.bbox),
            footprint: extent.and_then(|extent| extent.footprint.clone()),
            start_us: summary.span.start_us,
            end_us: summary.span.end_us,
            is_instant: summary.span.is_instant,
            created_us: summary.created_ns.div_euclid(1000),
            updated_us: summary.updated_ns.div_euclid(1000),
            keywords: summary.keywords.clone(),
            variables: summary.data_variables().map(|variable| variable.name.clone()).collect(),
            attributes: summary.attributes.iter().map(attribute).collect(),
        }
    }

    /// What it is ordered by when nothing else is asked for.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.collection, &self.id)
    }
}

fn description(text: &str) -> Cell {
    match text.len() <= MAX_DESCRIPTION_BYTES {
        true => Cell::Text(text.to_owned()),
        false => Cell::Composite,
    }
}

impl Cell {
    fn of(value: &Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.clone()),
            Value::Integer(number) => Self::Number(*number as f64),
            Value::Float(number) => Self::Number(*number),
            Value::Texts(_) => Self::Composite,
        }
    }
}
