//! A diagnostic as it is asked for: the words of a path and a query, read by a closed grammar.
//!
//! | Module | |
//! |---|---|
//! | [`action`] | what is computed |
//! | [`component`] | parts of times |
//! | [`options`] | how it is computed |
//! | [`table`] | every option: its name, what it means, how it is read and written |
//! | [`values`] | values of options from texts, and back |
//! | [`parse`] | a request from its words |
//! | [`rules`] | what goes with what |
//! | [`canonical`] | a request in one form |
//!
//! # Limits
//! Names of coordinates have neither dots nor commas here: what follows the first dot is a component, and a comma is between
//! groupers. At most three groupers, 10 000 bins, 1 000 quantiles; a month is in at most one season.

mod action;
mod canonical;
mod component;
mod options;
mod parse;
mod rules;
mod table;
#[cfg(test)]
mod tests;
mod values;

use thermocline_core::select::Selection;

use crate::Failure;

pub use action::Action;
pub use component::Component;
pub use options::{Bins, Closed, Frequency, FrequencyUnit, Options, Weights};
pub use table::OptionSpec;

/// One of the groupers of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouper {
    /// Name of the coordinate.
    pub coordinate: String,
    /// The component of a time, as it is spelt and what it means.
    pub component: Option<(String, Component)>,
}

impl Grouper {
    /// As it is written: `time.month`.
    pub fn text(&self) -> String {
        match &self.component {
            Some((word, _)) => format!("{}.{word}", self.coordinate),
            None => self.coordinate.clone(),
        }
    }

    /// The name of the result's dimension, but for bins: the component as it is spelt, or the coordinate.
    pub fn dimension(&self) -> &str {
        self.component.as_ref().map_or(&self.coordinate, |(word, _)| word)
    }
}

/// A diagnostic as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Name or path of the variable in the selected group.
    pub variable: String,
    /// One to three.
    pub groupers: Vec<Grouper>,
    /// What is computed of the members of each group.
    pub action: Action,
    /// How.
    pub options: Options,
    /// What is selected before grouping.
    pub selection: Selection,
    /// The words of the selection, sorted: names (`sel`, `isel`, `bbox`, `group` or a dimension) and values. `sel` is there
    /// only of dimensions whose names mean something else.
    pub selecting: Vec<(String, String)>,
}

impl Request {
    /// Reads the words of a request, percent-decoded: the parts of the path, and its options in order, those of the path
    /// and those of the query together (`f` and `wait` are not among them). Names that are no options select: whether the
    /// variable has such a dimension is seen when the request is planned.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for unknown words, malformed values, options that come twice or that the action does not take.
    /// A grouper whose coordinate does not exist is an error of planning: 404 where everything else is right or not.
    pub fn parse(
        variable: &str,
        grouper: &str,
        action: &str,
        pairs: &[(String, String)],
    ) -> Result<Self, Failure> {
        parse::parse(variable, grouper, action, pairs)
    }

    /// The same request in one form, percent-encoded: `tas/time.month/std/ddof=1`, options and selections as segments
    /// sorted by name, defaults left out. [`Request::read`] of it gives the same request.
    pub fn canonical(&self) -> String {
        canonical::canonical(self)
    }

    /// Reads the canonical form, or any path below `groupby/`: three segments and then options, percent-encoded.
    ///
    /// # Errors
    /// Those of [`Request::parse`].
    pub fn read(path: &str) -> Result<Self, Failure> {
        canonical::read(path)
    }

    /// Name and value of a segment `name=value` of a path, which is still percent-encoded.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for a segment that is none.
    pub fn pair(segment: &str) -> Result<(String, String), Failure> {
        canonical::pair(segment)
    }

    /// Options that are not left at their defaults and selections as [`Request::parse`] takes them, sorted by name.
    pub fn pairs(&self) -> Vec<(String, String)> {
        canonical::pairs(self)
    }

    /// Names that select and are not those of a dimension, with what they do.
    pub fn selecting_words() -> &'static [(&'static str, &'static str)] {
        &parse::SELECTING
    }

    /// Names of dimensions and coordinates that the request selects by.
    pub fn selected_names(&self) -> impl Iterator<Item = &str> {
        self.selecting.iter().filter_map(|(name, value)| match name.as_str() {
            "sel" | "isel" => value.split_once('=').map(|(dim, _)| dim),
            "bbox" | "group" => None,
            dim => Some(dim),
        })
    }

    /// The group that is selected, without slashes at its ends; empty for the root.
    pub fn group(&self) -> &str {
        let group = self.selecting.iter().find(|(name, _)| name == "group");
        group.map_or("", |(_, path)| path.trim_matches('/'))
    }

    /// The groupers as the path has them: `time.year,time.month`.
    pub fn grouper_text(&self) -> String {
        self.groupers.iter().map(Grouper::text).collect::<Vec<_>>().join(",")
    }
}
