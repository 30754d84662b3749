//! The options of a request.

use super::action::Action;
use super::table::{OPTIONS, OptionSpec};

/// How wide the groups of a resampling are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frequency {
    /// How many units, at least 1.
    pub n: u32,
    /// The unit.
    pub unit: FrequencyUnit,
}

/// The unit of a [`Frequency`], named as pandas' offsets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of pandas' offsets")]
pub enum FrequencyUnit {
    YearStart,
    YearEnd,
    QuarterStart,
    QuarterEnd,
    /// `QS-DEC`: quarters that begin in December, March, June and September.
    SeasonStart,
    MonthStart,
    MonthEnd,
    Day,
    Hour,
    Minute,
    Second,
}

/// Intervals of a coordinate.
#[derive(Debug, Clone, PartialEq)]
pub enum Bins {
    /// Ascending finite edges, at least two.
    Edges(Vec<f64>),
    /// So many of equal width from the smallest label to the largest.
    Count(u32),
}

/// The side of an interval that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Closed {
    #[default]
    Right,
    Left,
}

/// What values are weighted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weights {
    /// The cosine of the latitude.
    CosLat,
    /// The area of the cell: that of `cell_measures`, else of the grid.
    CellArea,
    /// The length of the month that the time lies in.
    DaysInMonth,
    /// A variable of the dataset.
    Variable(String),
}

impl Weights {
    /// The actions that weigh.
    pub const ACTIONS: &'static [Action] = &[Action::Mean, Action::Sum, Action::Std, Action::Var];
}

/// The options of a request. [`Options::default`] is what holds without any.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// Whether missing values are left out; `None` is yes where values can be missing, and what is read of `skipna=1`.
    pub skipna: Option<bool>,
    /// `sum`, `prod`: fewer valid values give no result.
    pub min_count: u64,
    /// `std`, `var`: the divisor is n − ddof.
    pub ddof: u64,
    /// `quantile`: each in [0, 1], in the order of the request.
    pub q: Vec<f64>,
    /// Groups are intervals of the coordinate.
    pub bins: Option<Bins>,
    /// The closed side of these.
    pub closed: Closed,
    /// Groups are spans of time.
    pub freq: Option<Frequency>,
    /// Months of each season (1 to 12, in the order of the year's run) with its letters, in the order of the result.
    pub seasons: Option<Vec<(String, Vec<u8>)>>,
    /// Seasons without all their months are left out.
    pub drop_incomplete: bool,
    /// Further dimensions that are reduced, sorted by name, each once.
    pub over: Vec<String>,
    /// What values are weighted by.
    pub weights: Option<Weights>,
    /// The source minus the group's value instead of the group's value.
    pub anomaly: bool,
}

impl Options {
    /// Every option there is, sorted by name.
    pub fn all() -> &'static [OptionSpec] {
        OPTIONS
    }

    /// The option of a name; `None` for names that are none.
    pub fn spec(name: &str) -> Option<&'static OptionSpec> {
        Self::all().iter().find(|spec| spec.name == name)
    }

    /// The names of all options.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::all().iter().map(|spec| spec.name)
    }
}
