//! Groups: which one each position of a variable belongs to, and the labels of all.
//!
//! Read from coordinates that are kept with the index: nothing is read from the archive. Labels occur in ascending order,
//! texts by code point, seasons and bins in the order that is asked for. The coordinate of a dimension that ascends or
//! descends strictly makes each position a group of its own, in the order of the dimension, as in xarray.
//!
//! | groups | found by |
//! |---|---|
//! | equal labels of a coordinate | `unique` |
//! | equal components of its times | `component` |
//! | spans of time | `spans` |
//! | seasons, in one year or in each | `seasons` |
//! | intervals of its numbers | `bins` |
//!
//! # Limits
//! Coordinates have at most 2^25 labels; spans and bins, which are listed without members too, are at most 2^22.

mod bins;
mod chosen;
mod component;
mod coordinate;
mod seasons;
mod spans;
#[cfg(test)]
mod tests;
mod unique;

use std::sync::Arc;

use thermocline_core::Error;
use thermocline_core::manifest::Manifest;
use thermocline_core::select::Resolved;
use thermocline_model::cf::{Scope, TimeUnits};
use thermocline_model::{Attributes, Variable};

use crate::request::{FrequencyUnit, Grouper};
use crate::{Component, Estimate, Failure, Options, Request};

use coordinate::Along;

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

/// Most groups that are listed whether they have members or not.
const MAX_LISTED: u64 = 1 << 22;

/// Looks the groupers of a request up in the coordinates of a variable. Blocking: reads coordinates that are kept with the
/// index. `resolved` is the selection on the variable: positions outside of it belong to no group, and labels that occur
/// only there are not listed.
///
/// # Errors
/// [`thermocline_core::ErrorKind::NotFound`] for coordinates that do not exist, with Cloudify's text; [`Failure::Mistake`] for
/// scalar ones, for those that share no dimension with the variable, and for components that the calendar does not have;
/// [`Failure::Impossible`] for times that cannot be decoded; [`Failure::TooLarge`] for a grouper of more than `max_groups`, and
/// for more than can be listed.
pub(crate) fn factors(
    manifest: &Manifest,
    path: &str,
    request: &Request,
    resolved: &Resolved,
    max_groups: u64,
) -> Result<Vec<Factor>, Failure> {
    let missing = || Error::not_found(format!("Variable '{}' not found in dataset", request.variable));
    let variable = manifest.dataset.root.variable(path).ok_or_else(missing)?;
    let (group, _) = path.rsplit_once('/').unwrap_or(("", path));
    let scope = Scope::at(&manifest.dataset.root, group).ok_or_else(missing)?;
    for grouper in &request.groupers {
        check_exists(&scope, variable, grouper)?;
    }
    let chosen = resolved.variables.iter().find(|chosen| chosen.path == path);
    let chosen = chosen.ok_or_else(|| Error::internal(format!("{path:?} is not in its selection")))?;
    let mut factors: Vec<Factor> = Vec::new();
    let mut used = Used::default();
    for grouper in &request.groupers {
        let along = Along::read(manifest, &scope, variable, chosen, &grouper.coordinate)?;
        let rule = Rule::of(grouper, &along, &request.options)?;
        used.count(&rule);
        let factor = along.factor(rule.apply(&along, max_groups)?, &rule);
        if factors.iter().any(|other| other.name == factor.name) {
            return Err(Failure::mistake(format!("grouper {:?} is given twice", factor.name)));
        }
        factors.push(factor);
    }
    used.check(&request.options, &request.grouper_text())?;
    Ok(factors)
}

/// Cloudify's text for a coordinate that is neither a variable nor a dimension.
fn check_exists(scope: &Scope<'_>, variable: &Variable, grouper: &Grouper) -> Result<(), Failure> {
    let name = &grouper.coordinate;
    let has_dim = |variable: &Variable| variable.dims.contains(name);
    if scope.variable(name).is_some() || has_dim(variable) || scope.variables().any(has_dim) {
        return Ok(());
    }
    let text = grouper.text();
    Err(Error::not_found(format!("Groupby coordinate '{text}' not found in dataset")).into())
}

/// Groups as a rule finds them: a code for each position of the coordinate, in the coordinate's own order of axes.
struct Coded {
    codes: Vec<u32>,
    labels: GroupLabels,
    attrs: Attributes,
}

/// How labels become groups.
enum Rule<'r> {
    Equal,
    Component(&'r str, Component),
    Seasons(&'r str, &'r [Season]),
    Bins(&'r crate::Bins, crate::Closed),
    Spans(crate::Frequency),
    SeasonSpans { seasons: Vec<Season>, drops_incomplete: bool, is_chosen: bool },
}

/// The letters of a season and its months in order.
type Season = (String, Vec<u8>);

impl<'r> Rule<'r> {
    fn of(grouper: &'r Grouper, along: &Along<'_>, options: &'r Options) -> Result<Self, Failure> {
        if let Some((word, component)) = &grouper.component {
            return Ok(match (component, &options.seasons, options.freq) {
                (Component::Season, Some(seasons), None) => Self::Seasons(word, seasons),
                _ => Self::Component(word, *component),
            });
        }
        if let Some(frequency) = options.freq.filter(|_| along.is_time() || along.is_undecodable()) {
            return Self::spans(frequency, options);
        }
        match &options.bins {
            Some(bins) if !along.is_time() => Ok(Self::Bins(bins, options.closed)),
            _ => Ok(Self::Equal),
        }
    }

    fn spans(frequency: crate::Frequency, options: &Options) -> Result<Self, Failure> {
        let is_by_season = frequency.n == 1 && frequency.unit == FrequencyUnit::SeasonStart;
        let drops_incomplete = options.drop_incomplete;
        match &options.seasons {
            Some(_) if !is_by_season => Err(Failure::mistake_among(
                "option 'seasons' with 'freq': each season of each year is a group, which is QS-DEC",
                ["freq=QS-DEC"],
            )),
            None if drops_incomplete && !is_by_season => {
                let detail = "option 'drop_incomplete': only seasons are left out, with freq=QS-DEC";
                Err(Failure::mistake_among(detail, ["freq=QS-DEC"]))
            }
            None if !drops_incomplete => Ok(Self::Spans(frequency)),
            chosen => {
                let seasons = chosen.clone().unwrap_or_else(seasons::meteorological);
                Ok(Self::SeasonSpans { seasons, drops_incomplete, is_chosen: chosen.is_some() })
            }
        }
    }

    fn apply(&self, along: &Along<'_>, max_groups: u64) -> Result<Coded, Failure> {
        match self {
            Self::Equal => unique::equal(along, max_groups),
            Self::Component(word, component) => component::equal(along, (word, *component), max_groups),
            Self::Seasons(_, chosen) => seasons::in_any_year(along, chosen),
            Self::Bins(bins, closed) => bins::intervals(along, bins, *closed),
            Self::Spans(frequency) => spans::spans(along, *frequency),
            Self::SeasonSpans { seasons, drops_incomplete, .. } => {
                seasons::in_each_year(along, seasons, *drops_incomplete)
            }
        }
    }

    /// Name of the result's dimension.
    fn name(&self, coordinate: &str) -> String {
        match self {
            Self::Component(word, _) | Self::Seasons(word, _) => (*word).to_owned(),
            Self::Bins(..) => format!("{coordinate}_bins"),
            Self::Equal | Self::Spans(_) | Self::SeasonSpans { .. } => coordinate.to_owned(),
        }
    }

    fn lists_empty(&self) -> bool {
        !matches!(self, Self::Equal | Self::Component(..))
    }
}

/// How many groupers took each option.
#[derive(Default)]
struct Used {
    bins: usize,
    freq: usize,
    seasons: usize,
}

impl Used {
    fn count(&mut self, rule: &Rule<'_>) {
        match rule {
            Rule::Bins(..) => self.bins += 1,
            Rule::Spans(_) => self.freq += 1,
            Rule::Seasons(..) => self.seasons += 1,
            Rule::SeasonSpans { is_chosen, .. } => {
                self.freq += 1;
                self.seasons += usize::from(*is_chosen);
            }
            Rule::Equal | Rule::Component(..) => {}
        }
    }

    /// An option that no grouper takes, or that could be meant for several, is a mistake.
    fn check(&self, options: &Options, groupers: &str) -> Result<(), Failure> {
        let of = [
            ("bins", options.bins.is_some(), self.bins, "a coordinate of numbers without component"),
            ("freq", options.freq.is_some(), self.freq, "a time without component"),
            ("seasons", options.seasons.is_some(), self.seasons, "the component season, or a time with freq"),
            ("drop_incomplete", options.drop_incomplete, self.freq, "a time with freq=QS-DEC"),
        ];
        for (option, is_given, n_used, wanted) in of {
            if is_given && n_used != 1 {
                let detail = format!("option '{option}' is for one grouper, {wanted}; found '{groupers}'");
                return Err(Failure::mistake(detail));
            }
        }
        Ok(())
    }
}

/// Refuses more groups than are listed, before they are.
fn check_listed(what: &str, n: u64, option: &str) -> Result<(), Failure> {
    if n <= MAX_LISTED {
        return Ok(());
    }
    let detail =
        format!("{what} gives {n} groups, and at most {MAX_LISTED} are listed: choose a wider '{option}'");
    Err(Failure::TooLarge { detail, estimate: Box::new(Estimate { groups: n, ..Estimate::default() }) })
}
