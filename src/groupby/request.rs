//! A diagnostic as it is asked for: the words of a path and a query, read by a closed grammar.

mod action;
mod component;
mod options;
mod parse;

use thermocline_core::select::Selection;

use crate::Failure;

pub use action::Action;
pub use component::Component;
pub use options::{Bins, Closed, Frequency, FrequencyUnit, Options, Weights};

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
    /// The words of the selection as they came: names (`sel`, `isel`, `bbox`, `group` or a dimension) and values.
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
    /// sorted by name, defaults left out. [`Request::parse`] of its segments gives the same request.
    pub fn canonical(&self) -> String {
        parse::canonical(self)
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
