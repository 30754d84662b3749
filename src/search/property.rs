//! The properties of datasets by which they are found, under the names of their Items.

use std::borrow::Cow;

use geo::Geometry;

use crate::filter::PropertyName;
use crate::order::Order;
use crate::row::Row;
use crate::scalar::Scalar;
use crate::space;
use crate::summary::{Summary, Value};

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

/// The value of an attribute.
pub(crate) fn value_of(value: &Value) -> Scalar<'_> {
    match value {
        Value::Text(text) => Scalar::text(text),
        Value::Integer(number) => Scalar::Number(*number as f64),
        Value::Float(number) => Scalar::Number(*number),
        Value::Texts(_) => Scalar::Composite,
    }
}

impl Summary {
    /// What stands before the names of searchable attributes in STAC, followed by a colon.
    pub fn attribute_prefix(&self) -> &'static str {
        if self.attribute("mip_era").is_some() { "cmip6" } else { "attrs" }
    }
}

/// A dataset whose summary is in memory.
pub(crate) struct Summarised<'a> {
    pub(crate) summary: &'a Summary,
    pub(crate) order: Option<&'a Order>,
}

impl Row for Summarised<'_> {
    fn value(&self, name: &PropertyName) -> Scalar<'_> {
        let Summarised { summary, order } = self;
        let span = &summary.span;
        match Property::named(name) {
            Property::Id => Scalar::text(&summary.id),
            Property::Collection => Scalar::text(&summary.collection),
            Property::Title => Scalar::text(summary.display_title()),
            Property::License => summary.license.as_deref().map_or(Scalar::Null, Scalar::text),
            Property::Datetime => Scalar::Instant(span.start_us),
            Property::Start if !span.is_instant => Scalar::Instant(span.start_us),
            Property::End if !span.is_instant => Scalar::Instant(span.end_us),
            Property::Start | Property::End => Scalar::Null,
            Property::Created => Scalar::Instant(summary.created_ns.div_euclid(1000)),
            Property::Updated => Scalar::Instant(summary.updated_ns.div_euclid(1000)),
            Property::OrderStatus => order.map_or(Scalar::Null, |order| Scalar::text(order.status.as_str())),
            Property::Geometry if summary.extent.is_some() => Scalar::Composite,
            Property::Geometry => Scalar::Null,
            Property::Kept(kept) => kept.of(summary),
            Property::Attribute(name) => attribute(summary, name),
        }
    }

    fn geometry(&self) -> Option<Cow<'_, Geometry<f64>>> {
        let extent = self.summary.extent.as_ref()?;
        Some(Cow::Owned(space::geometry_of(extent.bbox, extent.footprint.as_deref())))
    }
}

fn attribute<'a>(summary: &'a Summary, stac_name: &str) -> Scalar<'a> {
    let plain = stac_name.strip_prefix(summary.attribute_prefix()).and_then(|rest| rest.strip_prefix(':'));
    plain.and_then(|plain| summary.attribute(plain)).map_or(Scalar::Null, value_of)
}
