//! The order of answers, and where a page ends.
//!
//! What is asked for first, then collection, then id. Missing values are last in either direction, numbers come before
//! texts. A cursor holds the values by which the last dataset of a page is placed, not the place itself: datasets that
//! come or go meanwhile neither repeat nor hide others.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thermocline_core::{Error, Result};

use crate::column::{Coded, Column};
use crate::columns::Columns;
use crate::evaluate::Lookup;
use crate::property::Property;
use crate::query::{Cursor, Direction, Query, SortKey};

/// Longest cursor that is read, in bytes.
const MAX_CURSOR_BYTES: usize = 1 << 16;

/// Bytes of the hash in front of a cursor.
const SEAL_BYTES: usize = 16;

/// Kinds of values, in ascending order.
const NUMBER: u8 = 0;
const TEXT: u8 = 1;
const MISSING: u8 = 2;

/// Where a value stands in the order of one key: its kind, and its place among values of the kind.
type Place = (u8, u64);

/// The value of a key, independent of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Value {
    Missing,
    Number(f64),
    Instant(i64),
    Text(String),
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Position {
    values: Vec<Value>,
    collection: String,
    id: String,
}

/// The rows of one page, and whether there are more.
pub(crate) struct Page {
    pub(crate) rows: Vec<u32>,
    pub(crate) next: Option<Cursor>,
}

/// The page of a query among all rows that match, which are in order.
///
/// # Errors
/// [`thermocline_core::ErrorKind::InvalidInput`] for a cursor of another query, or a property that nothing is ordered by.
pub(crate) fn page(columns: &Columns, lookup: &dyn Lookup, query: &Query, rows: &[u32]) -> Result<Page> {
    let after = query.after.as_ref().map(|cursor| open(cursor, query)).transpose()?;
    let sorting = Sorting::new(columns, lookup, &query.sort)?;
    let (rows, has_more) = match sorting.keys.is_empty() {
        true => first_rows(columns, rows, after.as_ref(), query.limit),
        false => sorting.first(rows, after.as_ref(), query.limit)?,
    };
    let last = rows.last().filter(|_| has_more);
    let next = last.map(|row| seal(&sorting.position(*row), query)).transpose()?;
    Ok(Page { rows, next })
}

fn first_rows(columns: &Columns, rows: &[u32], after: Option<&Position>, limit: usize) -> (Vec<u32>, bool) {
    let start = after.map_or(0, |after| {
        let first = first_after(columns, after);
        rows.partition_point(|row| *row < first)
    });
    let rest = rows.get(start..).unwrap_or_default();
    (rest.iter().copied().take(limit).collect(), rest.len() > limit)
}

/// The first row that comes after a position by collection and id.
fn first_after(columns: &Columns, position: &Position) -> u32 {
    let place = columns.place(&position.collection, &position.id);
    let is_there = place < columns.len()
        && columns.ids.get(place) == position.id
        && columns.collection(place) == position.collection;
    if is_there { place + 1 } else { place }
}

/// The keys of an order, with the columns that they look at.
struct Sorting<'a> {
    columns: &'a Columns,
    lookup: &'a dyn Lookup,
    keys: Vec<Key<'a>>,
}

struct Key<'a> {
    by: By<'a>,
    direction: Direction,
}

enum By<'a> {
    Times {
        values: &'a [i64],
        is_missing: &'a [bool],
    },
    /// When what is told of each row last changed.
    Updated(Arc<Vec<i64>>),
    Column(&'a Column),
    /// The place of each row in the order of ids.
    Id(Vec<u32>),
    Collection,
    Status,
    /// An attribute that no dataset has.
    Nothing,
}

impl<'a> Sorting<'a> {
    fn new(columns: &'a Columns, lookup: &'a dyn Lookup, sort: &'a [SortKey]) -> Result<Self> {
        let key = |key: &'a SortKey| Ok(Key { by: By::of(columns, lookup, key)?, direction: key.direction });
        Ok(Self { columns, lookup, keys: sort.iter().map(key).collect::<Result<_>>()? })
    }

    /// The first rows after a position, and whether there are more.
    fn first(&self, rows: &[u32], after: Option<&Position>, limit: usize) -> Result<(Vec<u32>, bool)> {
        let mut placed: Vec<(Vec<Place>, u32)> = Vec::with_capacity(rows.len());
        let start = after.map(|after| self.start(after)).transpose()?;
        for row in rows {
            let places: Vec<Place> = self.keys.iter().map(|key| self.place(key, *row)).collect();
            if start.as_ref().is_none_or(|(start, first)| (&places, *row) >= (start, *first)) {
                placed.push((places, *row));
            }
        }
        let has_more = placed.len() > limit;
        if has_more && limit > 0 {
            placed.select_nth_unstable(limit - 1);
        }
        placed.truncate(limit);
        placed.sort_unstable();
        Ok((placed.into_iter().map(|(_, row)| row).collect(), has_more))
    }

    /// Where the rows after a position begin.
    fn start(&self, after: &Position) -> Result<(Vec<Place>, u32)> {
        if after.values.len() != self.keys.len() {
            return Err(foreign());
        }
        let places =
            self.keys.iter().zip(&after.values).map(|(key, value)| key.directed(self.place_of(key, value)));
        Ok((places.collect(), first_after(self.columns, after)))
    }

    fn place(&self, key: &Key<'_>, row: u32) -> Place {
        let at = row as usize;
        let place = match &key.by {
            By::Times { is_missing, .. } if is_missing.get(at) == Some(&true) => (MISSING, 0),
            By::Times { values, .. } => values.get(at).map_or((MISSING, 0), |us| (NUMBER, of_integer(*us))),
            By::Updated(values) => values.get(at).map_or((MISSING, 0), |us| (NUMBER, of_integer(*us))),
            By::Column(column) => match column.coded(row) {
                Coded::Missing | Coded::Composite => (MISSING, 0),
                Coded::Number(number) => (NUMBER, of_float(number)),
                Coded::Text(code) => (TEXT, found(column.dictionary().rank(code))),
            },
            By::Id(ranks) => (TEXT, found(ranks.get(at).copied().unwrap_or(0))),
            By::Collection => (TEXT, found(self.columns.collection_position(row) as u32)),
            By::Status => match self.lookup.status(self.columns.ids.get(row)) {
                Some(status) => (TEXT, of_short_text(status.as_str())),
                None => (MISSING, 0),
            },
            By::Nothing => (MISSING, 0),
        };
        key.directed(place)
    }

    /// Where a value stands among those of the table, which may not have it any more.
    fn place_of(&self, key: &Key<'_>, value: &Value) -> Place {
        match (&key.by, value) {
            (_, Value::Missing) => (MISSING, 0),
            (_, Value::Number(number)) => (NUMBER, of_float(*number)),
            (_, Value::Instant(us)) => (NUMBER, of_integer(*us)),
            (By::Column(column), Value::Text(text)) => {
                let (place, is_there) = column.dictionary().place(text);
                (TEXT, between(place, is_there))
            }
            (By::Id(_), Value::Text(text)) => {
                let columns = self.columns;
                let place = columns.by_id.partition_point(|row| columns.ids.get(*row) < text.as_str());
                (TEXT, between(place as u32, columns.row_of(text).is_some()))
            }
            (By::Collection, Value::Text(text)) => {
                let place = self.columns.collections.binary_search_by(|(id, _)| id.as_ref().cmp(text));
                let (Ok(position) | Err(position)) = place;
                (TEXT, between(position as u32, place.is_ok()))
            }
            (By::Status, Value::Text(text)) => (TEXT, of_short_text(text)),
            (_, Value::Text(_)) => (TEXT, 0),
        }
    }

    fn position(&self, row: u32) -> Position {
        Position {
            values: self.keys.iter().map(|key| self.value(key, row)).collect(),
            collection: self.columns.collection(row).to_owned(),
            id: self.columns.ids.get(row).to_owned(),
        }
    }

    fn value(&self, key: &Key<'_>, row: u32) -> Value {
        let at = row as usize;
        match &key.by {
            By::Times { is_missing, .. } if is_missing.get(at) == Some(&true) => Value::Missing,
            By::Times { values, .. } => values.get(at).map_or(Value::Missing, |us| Value::Instant(*us)),
            By::Updated(values) => values.get(at).map_or(Value::Missing, |us| Value::Instant(*us)),
            By::Column(column) => match column.coded(row) {
                Coded::Missing | Coded::Composite => Value::Missing,
                Coded::Number(number) => Value::Number(number),
                Coded::Text(code) => Value::Text(column.dictionary().text(code).to_owned()),
            },
            By::Id(_) => Value::Text(self.columns.ids.get(row).to_owned()),
            By::Collection => Value::Text(self.columns.collection(row).to_owned()),
            By::Status => {
                let status = self.lookup.status(self.columns.ids.get(row));
                status.map_or(Value::Missing, |status| Value::Text(status.as_str().to_owned()))
            }
            By::Nothing => Value::Missing,
        }
    }
}

impl<'a> By<'a> {
    fn of(columns: &'a Columns, lookup: &dyn Lookup, key: &'a SortKey) -> Result<Self> {
        let always = |values| Self::Times { values, is_missing: &[] };
        let of_two = |values| Self::Times { values, is_missing: &columns.is_instant };
        Ok(match Property::named(&key.property) {
            Property::Datetime => always(&columns.start_us),
            Property::Start => of_two(&columns.start_us),
            Property::End => of_two(&columns.end_us),
            Property::Created => always(&columns.created_us),
            Property::Updated => match lookup.updated_us() {
                Some(updated_us) => Self::Updated(updated_us),
                None => always(&columns.updated_us),
            },
            Property::Title => Self::Column(&columns.title),
            Property::License => Self::Column(&columns.license),
            Property::Attribute(name) => columns.attributes.get(name).map_or(Self::Nothing, Self::Column),
            Property::Collection => Self::Collection,
            Property::OrderStatus => Self::Status,
            Property::Id => {
                let mut ranks = vec![0; columns.by_id.len()];
                for (rank, row) in columns.by_id.iter().enumerate() {
                    if let Some(place) = ranks.get_mut(*row as usize) {
                        *place = rank as u32;
                    }
                }
                Self::Id(ranks)
            }
            Property::Geometry | Property::Kept(_) => {
                let name = key.property.as_str();
                return Err(Error::invalid_input(format!("datasets cannot be sorted by {name:?}")));
            }
        })
    }
}

impl Key<'_> {
    /// The place in the direction of the key: missing values stay last.
    fn directed(&self, (kind, place): Place) -> Place {
        match (self.direction, kind) {
            (Direction::Descending, NUMBER) => (TEXT, !place),
            (Direction::Descending, TEXT) => (NUMBER, !place),
            _ => (kind, place),
        }
    }
}

/// Odd numbers are places of what is there, even ones lie between them.
fn found(rank: u32) -> u64 {
    u64::from(rank) * 2 + 1
}

fn between(place: u32, is_there: bool) -> u64 {
    u64::from(place) * 2 + u64::from(is_there)
}

fn of_integer(number: i64) -> u64 {
    (number as u64) ^ (1 << 63)
}

/// Numbers in the order of floats; both zeros are one.
fn of_float(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

/// The first eight bytes, which differ for all states of staging.
fn of_short_text(text: &str) -> u64 {
    let mut bytes = [0; 8];
    for (place, byte) in bytes.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    u64::from_be_bytes(bytes)
}

/// A position as clients carry it, with a hash over it and the query.
fn seal(position: &Position, query: &Query) -> Result<Cursor> {
    let content = postcard::to_stdvec(position)
        .map_err(|cause| Error::internal("a cursor was not written").with_source(cause))?;
    let mut sealed = seal_of(&content, query).to_vec();
    sealed.extend(content);
    Ok(Cursor(URL_SAFE_NO_PAD.encode(sealed)))
}

fn open(cursor: &Cursor, query: &Query) -> Result<Position> {
    if cursor.0.len() > MAX_CURSOR_BYTES {
        return Err(foreign());
    }
    let sealed = URL_SAFE_NO_PAD.decode(&cursor.0).map_err(|_| foreign())?;
    let (found, content) = sealed.split_at_checked(SEAL_BYTES).ok_or_else(foreign)?;
    if *found != seal_of(content, query) {
        return Err(foreign());
    }
    postcard::from_bytes(content).map_err(|_| foreign())
}

fn foreign() -> Error {
    Error::invalid_input("the token is none of this search: ask again without it")
}

/// A hash over a position and everything that the answer to a query depends on, the length of pages excepted.
fn seal_of(content: &[u8], query: &Query) -> [u8; SEAL_BYTES] {
    let Query { ids, collections, bbox, intersects, interval, filter, sort, limit: _, after: _ } = query;
    let mut hash = Hashed(Sha256::new_with_prefix(b"thermocline page 1\0"));
    // Writing into a hash does not fail.
    let _ = std::fmt::write(
        &mut hash,
        format_args!("{ids:?}{collections:?}{bbox:?}{intersects:?}{interval:?}{filter:?}{sort:?}\0"),
    );
    hash.0.update(content);
    let mut seal = [0; SEAL_BYTES];
    for (place, byte) in seal.iter_mut().zip(hash.0.finalize()) {
        *place = byte;
    }
    seal
}

struct Hashed(Sha256);

impl std::fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
