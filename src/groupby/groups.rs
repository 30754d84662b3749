//! Groups: which one each position of a variable belongs to, and the labels of all.
//!
//! Read from coordinates that are kept with the index: nothing is read from the archive. Labels occur in ascending order,
//! texts by code point, seasons and bins in the order that is asked for.

use std::sync::Arc;

use thermocline_core::manifest::Manifest;
use thermocline_core::select::Resolved;
use thermocline_model::Attributes;
use thermocline_model::cf::TimeUnits;

use crate::{Failure, Request};

/// The code of a position that belongs to no group: not selected, or its label is missing.
pub const NO_GROUP: u32 = u32::MAX;

/// One grouper looked up: a code for each position along the axes that its coordinate lies on.
#[derive(Debug, Clone)]
pub struct Factor {
    /// Name of the result's dimension: the component as spelt, the coordinate, or `{coordinate}_bins`.
    pub name: String,
    /// Name of the coordinate.
    pub coordinate: String,
    /// The axes of the variable that the labels depend on, ascending.
    pub axes: Vec<usize>,
    /// The group of each position of these axes, over their whole lengths, in C order; [`NO_GROUP`] for none.
    pub codes: Arc<[u32]>,
    /// The label of each group.
    pub labels: GroupLabels,
    /// How many positions each group has.
    pub n_members: Vec<u64>,
    /// Attributes of the result's coordinate; none of most groupers.
    pub attrs: Attributes,
    /// True if every position along the one axis is a group of its own, in order: nothing is reduced along it.
    pub is_identity: bool,
    /// True if groups without members are listed: bins, spans of time, chosen seasons.
    pub lists_empty: bool,
}

impl Factor {
    /// How many groups there are.
    pub fn n_groups(&self) -> usize {
        self.n_members.len()
    }
}

/// Labels of groups, one each.
#[derive(Debug, Clone)]
pub enum GroupLabels {
    /// Integers.
    Integers(Vec<i64>),
    /// Integers without sign, where some are beyond `i64`.
    Unsigned(Vec<u64>),
    /// Numbers.
    Floats {
        /// The numbers.
        values: Vec<f64>,
        /// True if they have the precision of `f32`.
        is_single: bool,
    },
    /// Booleans.
    Booleans(Vec<bool>),
    /// Texts.
    Texts(Vec<String>),
    /// Instants in microseconds of their calendar, with the units in which the result stores them.
    Times {
        /// The instants.
        ticks: Vec<i64>,
        /// Units and calendar; `{unit} since {date}` as the text of the attribute is in [`Factor::attrs`].
        units: TimeUnits,
    },
    /// Intervals between neighbouring edges: one fewer than edges.
    Intervals {
        /// Ascending edges.
        edges: Vec<f64>,
        /// True if the right side is closed, else the left.
        is_right_closed: bool,
    },
}

/// Looks the groupers of a request up in the coordinates of a variable. Blocking: reads coordinates that are kept with the
/// index. `resolved` is the selection on the variable: positions outside of it belong to no group, and labels that occur
/// only there are not listed.
///
/// # Errors
/// [`thermocline_core::ErrorKind::NotFound`] for coordinates that do not exist, with Cloudify's text; [`Failure::Mistake`] for
/// scalar ones, for those that share no dimension with the variable, and for components that the calendar does not have;
/// [`Failure::Impossible`] for times that cannot be decoded.
pub(crate) fn factors(
    _manifest: &Manifest,
    _path: &str,
    _request: &Request,
    _resolved: &Resolved,
) -> Result<Vec<Factor>, Failure> {
    Err(Failure::mistake("groups are not looked up yet"))
}
