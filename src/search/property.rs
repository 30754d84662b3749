//! The properties of datasets by which they are found, under the names of their Items.

use std::borrow::Cow;

use crate::filter::PropertyName;
use crate::scalar::Scalar;
use crate::summary::Summary;

/// Names that every dataset has.
pub(crate) const COMMON: &[&str] =
    &["id", "collection", "title", "datetime", "start_datetime", "end_datetime", "created", "updated"];

/// The name of the live state of staging.
pub(crate) const ORDER_STATUS: &str = "order:status";

/// A property that conditions and orders name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Property<'a> {
    Id,
    Collection,
    Title,
    License,
    /// The first instant, of every dataset.
    Datetime,
    /// The first and the last instant of datasets that have two.
    Start,
    End,
    Created,
    Updated,
    OrderStatus,
    /// Where it lies, as a whole.
    Geometry,
    /// What is kept with the summary only.
    Kept(Kept),
    /// An attribute by its STAC name.
    Attribute(&'a str),
}

/// What is kept with the summary only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Description,
    Version,
    Doi,
    Keywords,
    Providers,
    CubeDimensions,
    CubeVariables,
}

impl<'a> Property<'a> {
    /// The property of that name. One that nobody knows is an attribute that no dataset has.
    pub(crate) fn named(name: &'a PropertyName) -> Self {
        match name.as_str() {
            "id" => Self::Id,
            "collection" => Self::Collection,
            "title" => Self::Title,
            "license" => Self::License,
            "datetime" => Self::Datetime,
            "start_datetime" => Self::Start,
            "end_datetime" => Self::End,
            "created" => Self::Created,
            "updated" => Self::Updated,
            ORDER_STATUS => Self::OrderStatus,
            "geometry" | "bbox" => Self::Geometry,
            "description" => Self::Kept(Kept::Description),
            "version" => Self::Kept(Kept::Version),
            "sci:doi" => Self::Kept(Kept::Doi),
            "keywords" => Self::Kept(Kept::Keywords),
            "providers" => Self::Kept(Kept::Providers),
            "cube:dimensions" => Self::Kept(Kept::CubeDimensions),
            "cube:variables" => Self::Kept(Kept::CubeVariables),
            other => Self::Attribute(other),
        }
    }
}

impl Kept {
    /// Its value.
    pub(crate) fn of(self, summary: &Summary) -> Scalar<'_> {
        let text = |text: &'_ Option<String>| text.as_deref().map_or(Scalar::Null, |text| owned(text));
        let list = |is_empty: bool| if is_empty { Scalar::Null } else { Scalar::Composite };
        match self {
            Self::Description => text(&summary.description),
            Self::Version => text(&summary.version),
            Self::Doi => text(&summary.doi),
            Self::Keywords => list(summary.keywords.is_empty()),
            Self::Providers => list(summary.providers.is_empty()),
            Self::CubeDimensions => list(summary.dimensions.is_empty()),
            Self::CubeVariables => list(summary.variables.is_empty()),
        }
    }
}

fn owned(text: &str) -> Scalar<'static> {
    Scalar::Text(Cow::Owned(text.to_owned()))
}

impl Summary {
    /// What stands before the names of searchable attributes in STAC, followed by a colon.
    pub fn attribute_prefix(&self) -> &'static str {
        if self.attribute("mip_era").is_some() { "cmip6" } else { "attrs" }
    }
}
