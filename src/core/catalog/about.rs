//! What catalog entries say of datasets besides what the data say.

use serde::{Deserialize, Serialize};

/// Somebody who has to do with data, as STAC has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataProvider {
    /// Name of the organisation or person.
    pub name: String,
    /// Of `licensor`, `producer`, `processor`, `host`.
    pub roles: Vec<String>,
    /// Address of its pages.
    pub url: Option<String>,
}

/// What a catalog entry says of a dataset besides what its data say. The bytes that are served do not depend on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// The STAC collection that it belongs to; `None` for the usual one.
    pub collection: Option<String>,
    /// SPDX id of the licence, or `other`.
    pub license: Option<String>,
    /// Where the licence stands.
    pub license_url: Option<String>,
    /// Keywords.
    pub keywords: Vec<String>,
    /// Who made, processes, licenses or hosts the data.
    pub providers: Vec<DataProvider>,
    /// Version of the data.
    pub version: Option<String>,
    /// Digital object identifier.
    pub doi: Option<String>,
    /// West, south, east, north in degrees, in place of what the coordinates say.
    pub bbox: Option<[f64; 4]>,
    /// True to outline a two-dimensional grid by its border instead of by its box.
    pub has_footprint: bool,
    /// First and last instant (RFC 3339), in place of what the coordinates say; `None` for what they say.
    pub temporal: Option<(Option<String>, Option<String>)>,
    /// Searchable fields that were matched in the names of its sources.
    pub fields: Vec<(String, String)>,
    /// How variables are plotted where a request does not say it.
    pub plots: Vec<PlotDefaults>,
}

/// How a variable is plotted where a request does not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlotDefaults {
    /// Path of the variable.
    pub variable: String,
    /// Options with their values, as a query would write them.
    pub options: Vec<(String, String)>,
}

/// A collection of datasets, as catalog files declare it.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionSpec {
    /// Its id.
    pub id: String,
    /// Title for people.
    pub title: Option<String>,
    /// Longer text for people.
    pub description: String,
    /// SPDX id of the licence, or `other`.
    pub license: Option<String>,
    /// Where the licence stands.
    pub license_url: Option<String>,
    /// Keywords.
    pub keywords: Vec<String>,
    /// Who made, processes, licenses or hosts the data.
    pub providers: Vec<DataProvider>,
}
