//! What is looked for, and what was found.

use std::sync::Arc;

use crate::filter::{Filter, PropertyName};
use crate::search::Hit;

/// What is looked for: everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Any of these ids.
    pub ids: Option<Vec<String>>,
    /// In any of these collections.
    pub collections: Option<Vec<String>>,
    /// Touches this box: west, south, east, north in degrees. West beyond east crosses the antimeridian.
    pub bbox: Option<[f64; 4]>,
    /// Touches this geometry (longitudes and latitudes in degrees).
    pub intersects: Option<geo::Geometry<f64>>,
    /// Overlaps this closed interval, in microseconds since 1970; `None` is open.
    pub interval: Option<(Option<i64>, Option<i64>)>,
    /// Makes this true (three-valued: NULL is not true).
    pub filter: Option<Filter>,
    /// Order; ties are resolved by collection, then id, ascending. Missing values are last in either direction.
    pub sort: Vec<SortKey>,
    /// Most datasets in the answer.
    pub limit: usize,
    /// Goes on after this one of an earlier answer to the same query.
    pub after: Option<Cursor>,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// The property.
    pub property: PropertyName,
    /// Ascending or descending.
    pub direction: Direction,
}

/// A direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Least first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// Where an answer ended: opaque, complete in itself, valid for the same query only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// How many datasets match, on all pages.
    pub n_matched: u64,
    /// Those of this page, in order.
    pub hits: Vec<Arc<Hit>>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}
