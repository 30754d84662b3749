//! The table of all options.

use super::action::Action;
use super::options::{Bins, Closed, Options, Weights};
use super::values::{
    bins, check_length, count, freq, freq_text, joined, names, quantiles, seasons, seasons_text, switch,
    weights, weights_text, word, word_of,
};
use crate::Failure;

type Read = fn(&str, &str, &mut Options) -> Result<(), Failure>;
type Write = fn(&Options) -> Option<String>;

/// What there is to know of an option: parsing, the canonical form, and every list that is shown come from it.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// What its values look like.
    pub values: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
    /// The words that it knows, of options that have a closed list.
    pub words: &'static [&'static str],
    /// The actions that take it; `None` is all of them.
    pub actions: Option<&'static [Action]>,
    read: Read,
    write: Write,
}

impl OptionSpec {
    /// True if an action takes it.
    pub fn goes_with(&self, action: Action) -> bool {
        self.actions.is_none_or(|actions| actions.contains(&action))
    }

    /// Reads a value into options.
    ///
    /// # Errors
    /// [`Failure::Mistake`] naming the option.
    pub fn read(&self, value: &str, options: &mut Options) -> Result<(), Failure> {
        check_length(self.name, value)?;
        (self.read)(self.name, value, options)
    }

    /// The value as it is read again; `None` where it is the default.
    pub fn write(&self, options: &Options) -> Option<String> {
        (self.write)(options)
    }
}

/// The actions that leave missing values out, or do not.
const SKIPPING: &[Action] = &[
    Action::Mean,
    Action::Min,
    Action::Max,
    Action::Sum,
    Action::Prod,
    Action::Std,
    Action::Var,
    Action::Median,
    Action::First,
    Action::Last,
    Action::Quantile,
];

/// The actions whose value of a group could be a member's, so that the source minus it is an anomaly. Counts, sums, products,
/// spreads and truths are not of that kind: differences from them mean nothing, and those of large integers are not exact.
const SUBTRACTED: &[Action] =
    &[Action::Mean, Action::Median, Action::Min, Action::Max, Action::First, Action::Last, Action::Quantile];

const CLOSED: [(&str, Closed); 2] = [("right", Closed::Right), ("left", Closed::Left)];

/// All options, sorted by name as the canonical form has them.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "anomaly",
        values: "0 or 1",
        default: "0",
        about: "the source minus the value of its group, on the shape of the source; with one grouper",
        words: &["0", "1"],
        actions: Some(SUBTRACTED),
        read: |name, value, options| {
            options.anomaly = switch(name, value)?;
            Ok(())
        },
        write: |options| options.anomaly.then(|| "1".to_owned()),
    },
    OptionSpec {
        name: "bins",
        values: "ascending edges a,b,…, or n:10 for ten of equal width from the smallest label to the largest",
        default: "none: groups of equal labels",
        about: "groups are intervals of the coordinate",
        words: &[],
        actions: None,
        read: |name, value, options| {
            options.bins = Some(bins(name, value)?);
            Ok(())
        },
        write: |options| {
            options.bins.as_ref().map(|bins| match bins {
                Bins::Edges(edges) => joined(edges),
                Bins::Count(count) => format!("n:{count}"),
            })
        },
    },
    OptionSpec {
        name: "closed",
        values: "a word",
        default: "right",
        about: "the side of each of the bins that belongs to it",
        words: &["right", "left"],
        actions: None,
        read: |name, value, options| {
            options.closed = word(name, value, &CLOSED)?;
            Ok(())
        },
        write: |options| (options.closed != Closed::default()).then(|| word_of(&options.closed, &CLOSED)),
    },
    OptionSpec {
        name: "ddof",
        values: "an integer from 0",
        default: "0",
        about: "the divisor is n − ddof; no result where that is not above 0",
        words: &[],
        actions: Some(&[Action::Std, Action::Var]),
        read: |name, value, options| {
            options.ddof = count(name, value)?;
            Ok(())
        },
        write: |options| (options.ddof > 0).then(|| options.ddof.to_string()),
    },
    OptionSpec {
        name: "drop_incomplete",
        values: "0 or 1",
        default: "0",
        about: "with freq=QS-DEC: seasons without all their months are left out",
        words: &["0", "1"],
        actions: None,
        read: |name, value, options| {
            options.drop_incomplete = switch(name, value)?;
            Ok(())
        },
        write: |options| options.drop_incomplete.then(|| "1".to_owned()),
    },
    OptionSpec {
        name: "freq",
        values: "a number, which may be left out for 1, and YS, YE, QS, QS-DEC, QE, MS, ME, D, h, min or s: 2MS, 10D, QS-DEC",
        default: "none",
        about: "groups are consecutive spans of time, anchored and labelled as pandas' offsets are",
        words: &[],
        actions: None,
        read: |name, value, options| {
            options.freq = Some(freq(name, value)?);
            Ok(())
        },
        write: |options| options.freq.map(freq_text),
    },
    OptionSpec {
        name: "min_count",
        values: "an integer from 0",
        default: "0",
        about: "fewer valid values than this give no result",
        words: &[],
        actions: Some(&[Action::Sum, Action::Prod]),
        read: |name, value, options| {
            options.min_count = count(name, value)?;
            Ok(())
        },
        write: |options| (options.min_count > 0).then(|| options.min_count.to_string()),
    },
    OptionSpec {
        name: "over",
        values: "names of dimensions with commas between them",
        default: "none",
        about: "further dimensions that are reduced in the same step",
        words: &[],
        actions: None,
        read: |name, value, options| {
            options.over = names(name, value)?;
            Ok(())
        },
        write: |options| (!options.over.is_empty()).then(|| options.over.join(",")),
    },
    OptionSpec {
        name: "q",
        values: "one or several numbers from 0 to 1, with commas between them",
        default: "none: quantile needs it",
        about: "which quantiles; several make a dimension quantile, the last of the result",
        words: &[],
        actions: Some(&[Action::Quantile]),
        read: |name, value, options| {
            options.q = quantiles(name, value)?;
            Ok(())
        },
        write: |options| (!options.q.is_empty()).then(|| joined(&options.q)),
    },
    OptionSpec {
        name: "seasons",
        values: "runs of the months' letters JFMAMJJASOND with commas between them: DJFM,AMJJ,ASON",
        default: "those of DJF, JJA, MAM, SON that occur",
        about: "which seasons, in the order of the result; months in none of them are left out",
        words: &[],
        actions: None,
        read: |name, value, options| {
            options.seasons = Some(seasons(name, value)?);
            Ok(())
        },
        write: |options| options.seasons.as_deref().map(seasons_text),
    },
    OptionSpec {
        name: "skipna",
        values: "0 or 1",
        default: "1",
        about: "0: a missing value makes the result of its group missing; first and last go by position alone",
        words: &["0", "1"],
        actions: Some(SKIPPING),
        read: |name, value, options| {
            // 1 is what holds without the option, for every type.
            options.skipna = (!switch(name, value)?).then_some(false);
            Ok(())
        },
        write: |options| (options.skipna == Some(false)).then(|| "0".to_owned()),
    },
    OptionSpec {
        name: "weights",
        values: "none, coslat, cellarea, days_in_month, or the name of a variable",
        default: "none",
        about: "what values are weighted by",
        words: &[],
        actions: Some(Weights::ACTIONS),
        read: |name, value, options| {
            options.weights = weights(name, value)?;
            Ok(())
        },
        write: |options| options.weights.as_ref().map(weights_text),
    },
];
