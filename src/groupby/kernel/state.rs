//! Partial aggregates of cells.

use thermocline_core::{Error, Result};

use super::ends::Ends;
use super::extremes::Extremes;
use super::integers::{IntegerProducts, IntegerSums, Sign};
use super::members::Members;
use super::moments::Moments;
use super::number::{Doubles, Instants, Ints, Kind, MISSING_TIME, Numeric, Singles, Texts, UInts};
use super::run::{Run, Take, part};
use super::sums::{Products, Sums};
use super::truths::{Counts, Truths};
use super::{Cells, Lane};
use crate::{Action, NO_GROUP, Source};

/// What is aggregated, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    /// The action.
    pub(crate) action: Action,
    /// The decoded type.
    pub(crate) source: Source,
    /// Whether missing values are left out; else one of them makes the cell missing.
    pub(crate) skipna: bool,
    /// `sum`, `prod`: fewer valid values give NaN.
    pub(crate) min_count: u64,
    /// `std`, `var`: the divisor is n − ddof, of weighted ones Σw − ddof.
    pub(crate) ddof: u64,
    /// `median` (0.5), `quantile`.
    pub(crate) q: Vec<f64>,
    /// Whether runs come with weights.
    pub(crate) is_weighted: bool,
}

impl Spec {
    /// True if values are integers and summed as such.
    fn is_exact(&self) -> bool {
        !self.is_weighted && !matches!(self.source, Source::Single | Source::Double | Source::Text)
    }

    /// True if a missing value makes its cell missing.
    fn can_spoil(&self) -> bool {
        use Action::{All, Any, Count, First, Last};
        let is_indifferent = matches!(self.action, Count | First | Last | Any | All);
        let can_be_missing = matches!(self.source, Source::Single | Source::Double | Source::Time);
        !self.skipna && can_be_missing && !is_indifferent
    }

    /// The integers that sums and products are.
    fn sign(&self) -> Sign {
        if matches!(self.source, Source::UInt(_)) { Sign::Unsigned } else { Sign::Signed }
    }
}

/// To which cells the values of a run go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'t> {
    /// Value i to cell `first + i`.
    Each {
        /// The first cell.
        first: usize,
    },
    /// All to one cell.
    One {
        /// The cell.
        cell: usize,
    },
    /// Value i to cell `first + cells[i]`; [`crate::NO_GROUP`] for none.
    Table {
        /// Added to each.
        first: usize,
        /// One for each value.
        cells: &'t [u32],
    },
}

impl Target<'_> {
    /// True if all of a run's values go to cells that there are.
    fn fits(&self, n_values: usize, n_cells: usize) -> bool {
        match self {
            Self::Each { first } => first.checked_add(n_values).is_some_and(|end| end <= n_cells),
            Self::One { cell } => *cell < n_cells,
            Self::Table { first, cells } => {
                let n_left = n_cells.saturating_sub(*first);
                let is_there = |cell: &u32| (*cell as usize) < n_left || *cell == NO_GROUP;
                cells.len() == n_values && cells.iter().all(is_there)
            }
        }
    }
}

/// The weights of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RunWeights<'w> {
    /// All have this one; 1 where there are none.
    One(f64),
    /// One for each value.
    Each(&'w [f64]),
}

/// Partial aggregates of `n` cells.
///
/// A value whose weight is NaN is missing. What is given to a cell is merged in the order of the runs, and a run for one
/// cell is first aggregated on its own: how values are cut into runs is part of the order.
pub(crate) struct State {
    spec: Spec,
    n_cells: usize,
    lanes: Lanes,
    spoiled: Option<Spoiled>,
}

/// Partial aggregates, for each kind of values.
enum Lanes {
    Single(Partials<Singles>),
    Double(Partials<Doubles>),
    Int(Partials<Ints>),
    UInt(Partials<UInts>),
    Time(Partials<Instants>),
    TextCounts(Counts),
    TextEnds(Ends<Texts>),
}

/// Partial aggregates, for each family of actions.
enum Partials<K: Numeric> {
    Counts(Counts),
    Sums(Sums<K>),
    Products(Products<K>),
    IntegerSums(IntegerSums<K>),
    IntegerProducts(IntegerProducts<K>),
    Moments(Moments<K>),
    Extremes(Extremes<K>),
    Ends(Ends<K>),
    Truths(Truths),
    Members(Members<K>),
}

/// Cells that a missing value has made missing.
struct Spoiled(Vec<bool>);

impl State {
    /// Memory that a cell takes, in bytes; of actions that need all values, what each value takes is
    /// [`State::value_bytes`].
    pub(crate) fn cell_bytes(spec: &Spec) -> u64 {
        use Action::{All, Any, Count, First, Last, Max, Mean, Median, Min, Prod, Quantile, Std, Sum, Var};
        let value = match spec.source {
            Source::Single => 4,
            // The text itself is taken to need as much as its place.
            Source::Text => 48,
            _ => 8,
        };
        let sum = if spec.is_exact() { 16 } else { 8 };
        let count = if spec.min_count > 0 { 8 } else { 0 };
        let aggregate = match spec.action {
            Count => 8,
            Mean => sum + 8,
            Sum | Prod => sum + count,
            Min | Max => value,
            First | Last => value + 8,
            Any | All => 1,
            Std | Var if spec.source == Source::Single => 24,
            Std | Var => 28,
            // A place, a length, and the results.
            Median | Quantile => 16 + 8 * spec.q.len().max(1) as u64,
        };
        aggregate + u64::from(spec.can_spoil())
    }

    /// Memory that each member of a cell takes, in bytes: 0 for streaming actions.
    pub(crate) fn value_bytes(spec: &Spec) -> u64 {
        match spec.source {
            _ if !spec.action.needs_all_values() => 0,
            Source::Single => 4,
            _ => 8,
        }
    }

    /// Nothing seen. `n_members` is how many values each cell may be given at most, for actions that need all of them.
    pub(crate) fn new(spec: &Spec, n_cells: usize, n_members: &dyn Fn(usize) -> u64) -> Self {
        let lanes = match (spec.source, spec.action) {
            (Source::Single, _) => Lanes::Single(Partials::new(spec, n_cells, n_members)),
            (Source::Double, _) => Lanes::Double(Partials::new(spec, n_cells, n_members)),
            (Source::UInt(8), _) => Lanes::UInt(Partials::new(spec, n_cells, n_members)),
            (Source::Int(_) | Source::UInt(_) | Source::Bool, _) => {
                Lanes::Int(Partials::new(spec, n_cells, n_members))
            }
            (Source::Time, _) => Lanes::Time(Partials::new(spec, n_cells, n_members)),
            (Source::Text, Action::First) => Lanes::TextEnds(Ends::new(n_cells, false, spec.skipna)),
            (Source::Text, Action::Last) => Lanes::TextEnds(Ends::new(n_cells, true, spec.skipna)),
            (Source::Text, _) => Lanes::TextCounts(Counts::new(n_cells)),
        };
        let spoiled = spec.can_spoil().then(|| Spoiled(vec![false; n_cells]));
        Self { spec: spec.clone(), n_cells, lanes, spoiled }
    }

    /// Takes a run. `position` is that of the first value among the members in their order (for `first` and `last`), and
    /// each next value stands `step` later.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::Internal`] for cells that do not exist, for values of another kind than the source's,
    /// and for more or fewer weights than values.
    pub(crate) fn take(
        &mut self,
        values: Lane<'_>,
        to: Target<'_>,
        weights: RunWeights<'_>,
        position: u64,
        step: u64,
    ) -> Result<()> {
        let has_weights = match weights {
            RunWeights::One(_) => true,
            RunWeights::Each(weights) => weights.len() == values.len(),
        };
        if !has_weights || !to.fits(values.len(), self.n_cells) {
            return Err(Error::internal("a run of values does not fit the cells that it is for"));
        }
        let spoiled = self.spoiled.as_mut();
        match (&mut self.lanes, values) {
            (Lanes::Single(partials), Lane::Single(values)) => {
                partials.take(&Run::new(values, weights, position, step), to, spoiled);
            }
            (Lanes::Double(partials), Lane::Double(values)) => {
                partials.take(&Run::new(values, weights, position, step), to, spoiled);
            }
            (Lanes::Int(partials), Lane::Int(values)) => {
                partials.take(&Run::new(values, weights, position, step), to, spoiled);
            }
            (Lanes::UInt(partials), Lane::UInt(values)) => {
                partials.take(&Run::new(values, weights, position, step), to, spoiled);
            }
            (Lanes::Time(partials), Lane::Int(values)) => {
                partials.take(&Run::new(values, weights, position, step), to, spoiled);
            }
            (Lanes::TextCounts(counts), Lane::Text(values)) => {
                feed::<Texts>(counts, &Run::new(values, weights, position, step), to);
            }
            (Lanes::TextEnds(ends), Lane::Text(values)) => {
                feed::<Texts>(ends, &Run::new(values, weights, position, step), to);
            }
            _ => return Err(Error::internal("a run has values of another kind than the variable")),
        }
        Ok(())
    }

    /// The results. Of cells that were given nothing: NaN, or what [`Cells`] says is missing; 0 of counts and sums, 1 of
    /// products, false of `any`, true of `all`, and no meaning for `min max first last` of integers.
    ///
    /// # Errors
    /// The number of the first cell whose integers leave 64 bits.
    pub(crate) fn finish(self) -> Result<Cells, Overflow> {
        let spec = &self.spec;
        let mut cells = match self.lanes {
            Lanes::Single(partials) => partials.finish(spec)?,
            Lanes::Double(partials) => partials.finish(spec)?,
            Lanes::Int(partials) => partials.finish(spec)?,
            Lanes::UInt(partials) => partials.finish(spec)?,
            Lanes::Time(partials) => partials.finish(spec)?,
            Lanes::TextCounts(counts) => counts.finish(),
            Lanes::TextEnds(ends) => ends.finish(),
        };
        if let Some(spoiled) = &self.spoiled {
            let n_results_each = if spec.action == Action::Quantile { spec.q.len() } else { 1 };
            spoiled.mark(&mut cells, n_results_each);
        }
        Ok(cells)
    }
}

impl<K: Numeric> Partials<K> {
    fn new(spec: &Spec, n_cells: usize, n_members: &dyn Fn(usize) -> u64) -> Self {
        let is_exact = spec.is_exact();
        match spec.action {
            Action::Count => Self::Counts(Counts::new(n_cells)),
            Action::Mean if is_exact => Self::IntegerSums(IntegerSums::new(n_cells, true)),
            Action::Mean => Self::Sums(Sums::of_means(n_cells)),
            Action::Sum if is_exact => Self::IntegerSums(IntegerSums::new(n_cells, spec.min_count > 0)),
            Action::Sum => Self::Sums(Sums::of_sums(n_cells, spec.min_count)),
            Action::Prod if is_exact => {
                Self::IntegerProducts(IntegerProducts::new(n_cells, spec.min_count > 0))
            }
            Action::Prod => Self::Products(Products::new(n_cells, spec.min_count)),
            Action::Min => Self::Extremes(Extremes::new(n_cells, false)),
            Action::Max => Self::Extremes(Extremes::new(n_cells, true)),
            Action::Std | Action::Var => Self::Moments(Moments::new(n_cells)),
            Action::First => Self::Ends(Ends::new(n_cells, false, spec.skipna)),
            Action::Last => Self::Ends(Ends::new(n_cells, true, spec.skipna)),
            Action::Any => Self::Truths(Truths::new(n_cells, false)),
            Action::All => Self::Truths(Truths::new(n_cells, true)),
            Action::Median => Self::Members(Members::new(n_cells, n_members, &[0.5])),
            Action::Quantile => Self::Members(Members::new(n_cells, n_members, &spec.q)),
        }
    }

    fn take(&mut self, run: &Run<'_, K>, to: Target<'_>, spoiled: Option<&mut Spoiled>) {
        if let Some(spoiled) = spoiled {
            feed(spoiled, run, to);
        }
        match self {
            Self::Counts(counts) => feed(counts, run, to),
            Self::Sums(sums) => feed(sums, run, to),
            Self::Products(products) => feed(products, run, to),
            Self::IntegerSums(sums) => feed(sums, run, to),
            Self::IntegerProducts(products) => feed(products, run, to),
            Self::Moments(moments) => feed(moments, run, to),
            Self::Extremes(extremes) => feed(extremes, run, to),
            Self::Ends(ends) => feed(ends, run, to),
            Self::Truths(truths) => feed(truths, run, to),
            Self::Members(members) => feed(members, run, to),
        }
    }

    fn finish(self, spec: &Spec) -> Result<Cells, Overflow> {
        Ok(match self {
            Self::Counts(counts) => counts.finish(),
            Self::Sums(sums) => sums.finish(),
            Self::Products(products) => products.finish(),
            Self::IntegerSums(sums) if spec.action == Action::Sum => {
                sums.sums(spec.sign(), spec.min_count)?
            }
            Self::IntegerSums(sums) if spec.source == Source::Time => sums.instants(),
            Self::IntegerSums(sums) => sums.means(),
            Self::IntegerProducts(products) => products.finish(spec.sign(), spec.min_count)?,
            Self::Moments(moments) => moments.finish(spec.ddof, spec.action == Action::Std),
            Self::Extremes(extremes) => booleans(extremes.finish(), spec.source),
            Self::Ends(ends) => booleans(ends.finish(), spec.source),
            Self::Truths(truths) => truths.finish(),
            Self::Members(members) => members.finish(),
        })
    }
}

/// Values of a boolean variable are booleans again.
fn booleans(cells: Cells, source: Source) -> Cells {
    match (source, cells) {
        (Source::Bool, Cells::Ints(values)) => {
            Cells::Booleans(values.into_iter().map(|value| value != 0).collect())
        }
        (_, cells) => cells,
    }
}

/// Gives a run to partial aggregates; cells are known to exist.
fn feed<K: Kind>(partials: &mut impl Take<K>, run: &Run<'_, K>, to: Target<'_>) {
    match to {
        Target::Each { first } => partials.each(first, run),
        Target::One { cell } => partials.one(cell, run),
        Target::Table { first, cells } => {
            for (i, cell) in cells.iter().enumerate().filter(|(_, cell)| **cell != NO_GROUP) {
                partials.push(first + *cell as usize, run, i);
            }
        }
    }
}

impl Spoiled {
    fn mark(&self, cells: &mut Cells, n_results_each: usize) {
        let is_spoiled = |i: usize| {
            let cell = i.checked_div(n_results_each).unwrap_or(0);
            self.0.get(cell).copied().unwrap_or(false)
        };
        match cells {
            Cells::Floats(values) => {
                let spoiled = values.iter_mut().enumerate().filter(|(i, _)| is_spoiled(*i));
                spoiled.for_each(|(_, value)| *value = f64::NAN);
            }
            Cells::Times(ticks) => {
                let spoiled = ticks.iter_mut().enumerate().filter(|(i, _)| is_spoiled(*i));
                spoiled.for_each(|(_, tick)| *tick = MISSING_TIME);
            }
            // Nothing else can be missing.
            Cells::Ints(_) | Cells::UInts(_) | Cells::Booleans(_) | Cells::Texts(_) => {}
        }
    }
}

impl<K: Kind> Take<K> for Spoiled {
    fn push(&mut self, cell: usize, run: &Run<'_, K>, i: usize) {
        if let (Some(spoiled), Some(value)) = (self.0.get_mut(cell), run.values.get(i)) {
            *spoiled |= K::is_missing(value);
        }
    }

    fn each(&mut self, first: usize, run: &Run<'_, K>) {
        let spoiled = part(&mut self.0, first, run.values.len());
        for (spoiled, value) in spoiled.iter_mut().zip(run.values) {
            *spoiled |= K::is_missing(value);
        }
    }
}

/// An integer result that 64 bits cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow {
    /// The cell.
    pub(crate) cell: usize,
}
