//! What an item search asks for, the same by GET and by POST.
//!
//! # Specification
//! STAC API 1.0.0, item search; its extensions filter, sort, fields and query; OGC API Features.

use serde_json::Value;
use thermocline_search::{Cursor, Direction, Filter, PropertyName, Query, SortKey};

use crate::cql2;
use crate::geometry::{parse_bbox, parse_geometry};
use crate::problem::{Parsed, StacProblem};
use crate::settings::StacSettings;
use crate::times::parse_interval;

mod comparisons;
mod fields;
mod get;
mod post;

pub(crate) use fields::Fields;
pub(crate) use get::{GetSearch, decoded_pairs, numbers};

/// The one reference system of filters.
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

/// Most keys of an order.
const MAX_SORT_KEYS: usize = 16;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 8192;

/// An item search.
#[derive(Debug)]
pub(crate) struct SearchRequest {
    /// What is looked for.
    pub(crate) query: Query,
    /// Which members of each Item are sent.
    pub(crate) fields: Option<Fields>,
}

/// The parameters of a search, each of its own type, before they are looked at together.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) limit: Option<u64>,
    pub(crate) bbox: Option<Vec<f64>>,
    pub(crate) intersects: Option<Value>,
    pub(crate) datetime: Option<String>,
    pub(crate) ids: Option<Vec<String>>,
    pub(crate) collections: Option<Vec<String>>,
    pub(crate) filter: Option<GivenFilter>,
    pub(crate) filter_crs: Option<String>,
    pub(crate) sort: Vec<(String, Direction)>,
    pub(crate) fields: Option<Fields>,
    pub(crate) query: Option<Value>,
    pub(crate) token: Option<String>,
}

/// A filter in one of its two languages.
#[derive(Debug)]
pub(crate) enum GivenFilter {
    Text(String),
    Json(Value),
}

impl SearchRequest {
    /// The search of a GET.
    ///
    /// # Errors
    /// 400 for what makes no sense, as section 4.4 of the contract of catalogs lists it.
    pub(crate) fn from_get(query: &str, settings: &StacSettings, sortables: &[String]) -> Parsed<Self> {
        get::read(query)?.complete(settings, sortables)
    }

    /// The search of a POST.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn from_post(body: &Value, settings: &StacSettings, sortables: &[String]) -> Parsed<Self> {
        post::read(body)?.complete(settings, sortables)
    }
}

impl Given {
    fn complete(self, settings: &StacSettings, sortables: &[String]) -> Parsed<SearchRequest> {
        if self.bbox.is_some() && self.intersects.is_some() {
            return Err(StacProblem::invalid("bbox and intersects exclude each other"));
        }
        if self.filter_crs.is_some_and(|crs| crs != CRS84) {
            return Err(
                StacProblem::invalid("geometries of filters have one reference system").with_allowed([CRS84])
            );
        }
        let filter = match self.filter {
            Some(GivenFilter::Text(text)) => Some(cql2::parse_text(&text)?),
            Some(GivenFilter::Json(value)) => Some(cql2::parse_json(&value)?),
            None => None,
        };
        let comparisons = self.query.map(|query| comparisons::filter(&query)).transpose()?;
        let query = Query {
            ids: self.ids,
            collections: self.collections,
            bbox: self.bbox.map(|numbers| parse_bbox(&numbers)).transpose()?,
            intersects: self.intersects.map(|geometry| parse_geometry(&geometry)).transpose()?,
            interval: self.datetime.map(|text| parse_interval(&text)).transpose()?,
            filter: both(filter, comparisons),
            sort: sort_keys(self.sort, sortables)?,
            limit: limit_of(self.limit, settings),
            after: self.token.map(cursor_of).transpose()?,
        };
        Ok(SearchRequest { query, fields: self.fields })
    }
}

fn both(filter: Option<Filter>, comparisons: Option<Filter>) -> Option<Filter> {
    match (filter, comparisons) {
        (Some(filter), Some(comparisons)) => Some(Filter::And(vec![filter, comparisons])),
        (filter, comparisons) => filter.or(comparisons),
    }
}

fn limit_of(limit: Option<u64>, settings: &StacSettings) -> usize {
    let limit = limit.map_or(settings.limit, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    limit.clamp(1, settings.max_limit.max(1))
}

fn sort_keys(keys: Vec<(String, Direction)>, sortables: &[String]) -> Parsed<Vec<SortKey>> {
    if keys.len() > MAX_SORT_KEYS {
        return Err(StacProblem::invalid(format!("an order has at most {MAX_SORT_KEYS} keys")));
    }
    let keys = keys.into_iter().map(|(field, direction)| {
        let property = PropertyName::new(&field);
        if sortables.iter().any(|name| name == property.as_str()) {
            return Ok(SortKey { property, direction });
        }
        let shown: String = field.chars().take(100).collect();
        Err(StacProblem::invalid(format!("nothing is sorted by '{shown}'"))
            .with_allowed(sortables.iter().cloned()))
    });
    keys.collect()
}

fn cursor_of(token: String) -> Parsed<Cursor> {
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        return Err(StacProblem::invalid("the token is none that a search gave"));
    }
    Ok(Cursor(token))
}

/// A limit as a request writes it.
pub(crate) fn limit_in(text: &str) -> Parsed<u64> {
    let is_integer = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // An integer that does not fit is more than there is of anything.
    let limit = is_integer.then(|| text.parse::<u64>().unwrap_or(u64::MAX)).filter(|limit| *limit > 0);
    limit.ok_or_else(|| StacProblem::invalid("limit is an integer from 1 on"))
}

#[cfg(test)]
mod tests;
