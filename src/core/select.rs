//! Selections: one grammar for plots, groupby, staging and subsets, and the objects that a selection needs.
//!
//! A [`Selection`] is parsed once, from a path, a query or the members of a body. [`resolve`] looks it up in the
//! coordinates of a dataset, which are kept with its manifest: nothing is read from the archive. [`objects`] then
//! names the objects that hold a selected chunk.
//!
//! ```
//! use thermocline_core::select::{Selection, Value};
//!
//! let mut selection = Selection::new();
//! selection.path("time/-12_-1/lat/30_60")?;
//! selection.query("plev", "nearest(500)::85000")?;
//! selection.query("bbox", "-10,35,30,70")?;
//! assert!(selection.query("lat", "45").is_err(), "a dimension is selected once");
//!
//! let mut body = Selection::new();
//! body.between("time", Some(Value::from("2000-01")), Some(Value::from("2000-03")))?;
//! body.bounding_box([-10.0, 35.0, 30.0, 70.0])?;
//! # Ok::<(), thermocline_core::Error>(())
//! ```
//!
//! # Specification
//! | form | meaning |
//! |---|---|
//! | path `time/-12_-1` | integers on a time are positions, half-open, negative ones from the end |
//! | path `lat/30_60` | values, lo ≤ c < hi; ISO 8601 dates too, where neither `hi` nor its period belongs to the range |
//! | query `{dim}=v` | the very value; a partial date names its period, which holds exactly one step |
//! | query `{dim}={method}::{v}` | `nearest`, `pad`, `backfill`, `exact`; with a tolerance `nearest(3h)::v` |
//! | query `{dim}=lo:hi` | values, both ends included, either may be empty; a partial date ends with its period |
//! | query `sel=dim=…` | the same, for names that are options |
//! | query `isel=dim=i`, `i:j`, `i:j:k` | positions, as Python indexes |
//! | query `bbox=w,s,e,n` | cells whose centre lies in a box, across the antimeridian when w > e |
//! | query `group=/path` | a subgroup |
//!
//! Values are those of xarray: packed and missing ones decoded, labels cast to the type of the coordinate, `pad` and
//! `backfill` in the order of the coordinate. Two things differ where xarray gives an empty or no answer: `lo:hi`
//! takes the values between its ends on descending and unsorted coordinates too (`60:30` on a descending one is
//! `30:60`), and coordinates that are no index can be selected by, along one dimension like an index and over
//! several as a mask.
//!
//! # For plots and groupby
//! Dimensions that a selection does not name are left whole ([`ResolvedAxis::indices`] is `None`): which position is
//! drawn of them is the business of the caller. A dimension with [`ResolvedAxis::is_single`] is dropped, as by
//! xarray's `sel` with a scalar. Masks ([`ResolvedVariable::masks`]) are beside the positions along each dimension:
//! a cell is selected when all of them have it.
//!
//! # Limits
//! Coordinates beyond 2^25 labels, and those that are not kept with the manifest, can be selected by position only.

mod coordinate;
mod grammar;
mod horizontal;
mod indices;
mod labels;
mod mask;
mod objects;
mod resolve;
#[cfg(test)]
mod tests;
mod times;

use std::fmt;

use crate::{Error, Result};

use grammar::Pick;

pub use coordinate::{Coordinate, Labels};
pub use grammar::{Method, Slice, Tolerance};
pub use horizontal::BoundingBox;
pub use indices::{Indices, Run};
pub use mask::Mask;
pub use objects::objects;
pub use resolve::{Resolved, ResolvedAxis, ResolvedVariable, resolve};
pub use times::TimeAxis;

/// Most dimensions and coordinates that one selection may name.
const MAX_TERMS: usize = 64;

/// A value in a selection: its text, as a query would write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(String);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self(number.to_string())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a term of a selection is about.
#[derive(Debug, Clone, PartialEq)]
enum Target {
    /// A dimension or coordinate of this name.
    Named(String),
    /// The time, whatever its name is.
    Time,
}

impl Target {
    fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Time => "time",
        }
    }
}

/// What to take along one dimension, or of one coordinate.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    target: Target,
    pick: Pick,
}

/// A part of a dataset, by labels, positions and a box. The empty selection is everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    group: Option<String>,
    terms: Vec<Term>,
    bounding_box: Option<BoundingBox>,
}

impl Selection {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// True if nothing is selected, neither a group.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the pairs of a path, `time/-12_-1/lat/30_60`. Segments are already percent-decoded.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for a path that is not made of pairs, and for names that come twice.
    pub fn path(&mut self, segments: &str) -> Result<()> {
        let mut segments = segments.split('/').filter(|segment| !segment.is_empty());
        while let Some(name) = segments.next() {
            let range = segments.next().ok_or_else(|| {
                Error::invalid_input(format!("{name} in the path has no range; a path selects {name}/lo_hi"))
            })?;
            self.push(name, grammar::path_range(name, range)?)?;
        }
        Ok(())
    }

    /// Adds a parameter of a query: `sel`, `isel`, `bbox` and `group`, else the name of a dimension or coordinate.
    /// Callers keep their own options to themselves.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for malformed values, and for names that come twice.
    pub fn query(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "sel" => {
                let (dim, value) = pair(name, value)?;
                self.push(dim, grammar::pick(dim, value)?)
            }
            "isel" => {
                let (dim, value) = pair(name, value)?;
                self.positions(dim, value)
            }
            "bbox" => self.set_box(grammar::bounding_box(value)?),
            "group" => self.group(value),
            dim => self.push(dim, grammar::pick(dim, value)?),
        }
    }

    /// Selects a subgroup by its path.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] if a group was selected before.
    pub fn group(&mut self, path: &str) -> Result<()> {
        grammar::check_text("group", path)?;
        if self.group.is_some() {
            return Err(Error::invalid_input("group is given twice"));
        }
        self.group = Some(path.trim_matches('/').to_owned());
        Ok(())
    }

    /// Selects by a value in the forms of a query: `v`, `lo:hi`, `nearest::v`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for malformed values, and for names that come twice.
    pub fn value(&mut self, name: &str, value: impl Into<Value>) -> Result<()> {
        let pick = grammar::pick(name, &value.into().0)?;
        self.push(name, pick)
    }

    /// Selects the values between two, both included; `None` is an open end.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for names that come twice.
    pub fn between(&mut self, name: &str, lo: Option<Value>, hi: Option<Value>) -> Result<()> {
        self.push(name, range(name, lo, hi)?)
    }

    /// Selects the times between two, both included, along the dimension of time, whatever its name is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] if the time is selected twice.
    pub fn time(&mut self, lo: Option<Value>, hi: Option<Value>) -> Result<()> {
        let pick = range("time", lo, hi)?;
        self.push_term(Term { target: Target::Time, pick })
    }

    /// Selects by positions in the forms of `isel`: `i`, `i:j`, `i:j:k`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for malformed positions, and for names that come twice.
    pub fn positions(&mut self, dim: &str, positions: &str) -> Result<()> {
        self.push(dim, grammar::positions(dim, positions)?)
    }

    /// Selects one position, from the end if negative.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for names that come twice.
    pub fn position(&mut self, dim: &str, position: i64) -> Result<()> {
        self.push(dim, Pick::Position(position))
    }

    /// Selects positions as Python slices them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for a step of 0, and for names that come twice.
    pub fn slice(&mut self, dim: &str, slice: Slice) -> Result<()> {
        self.push(dim, grammar::slice(dim, slice.start, slice.stop, slice.step)?)
    }

    /// Selects the cells in a box: west, south, east, north in degrees.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for numbers that are no box, and for a second box.
    pub fn bounding_box(&mut self, edges: [f64; 4]) -> Result<()> {
        self.set_box(BoundingBox::new(edges)?)
    }

    fn set_box(&mut self, bounding_box: BoundingBox) -> Result<()> {
        if self.bounding_box.replace(bounding_box).is_some() {
            return Err(Error::invalid_input("bbox is given twice"));
        }
        Ok(())
    }

    fn push(&mut self, name: &str, pick: Pick) -> Result<()> {
        self.push_term(Term { target: Target::Named(name.to_owned()), pick })
    }

    fn push_term(&mut self, term: Term) -> Result<()> {
        let name = term.target.name();
        grammar::check_text("the name of a dimension", name)?;
        if name.is_empty() {
            return Err(Error::invalid_input("a selection without the name of a dimension"));
        }
        if self.terms.iter().any(|other| other.target.name() == name) {
            return Err(Error::invalid_input(format!("{name} is selected twice")));
        }
        if self.terms.len() >= MAX_TERMS {
            return Err(Error::invalid_input(format!("a selection names at most {MAX_TERMS} dimensions")));
        }
        self.terms.push(term);
        Ok(())
    }
}

fn range(name: &str, lo: Option<Value>, hi: Option<Value>) -> Result<Pick> {
    for end in lo.iter().chain(&hi) {
        grammar::check_text(name, &end.0)?;
    }
    let text = |end: Option<Value>| end.map(|value| value.0);
    Ok(Pick::Range { lo: text(lo), hi: text(hi) })
}

/// `dim=…` of `sel` and `isel`.
fn pair<'t>(option: &str, text: &'t str) -> Result<(&'t str, &'t str)> {
    let wrong = || Error::invalid_input(format!("{option}={text}: write {option}=dim=value"));
    text.split_once('=').filter(|(dim, _)| !dim.is_empty()).ok_or_else(wrong)
}
