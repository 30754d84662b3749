//! The range of values and its colours.

use thermocline_render::{Colormap, Levels, Norm, Scale, Statistics};

use crate::options::{NormChoice, Options};
use crate::{Failure, Wanted};

/// The quantiles between which the values of a robust range lie.
const ROBUST: [f64; 2] = [0.02, 0.98];

/// The linear part of `norm=symlog` without a half width, as a share of the larger end.
const SYMLOG_SHARE: f64 = 0.01;

/// What of all selected values must be known to colour them.
pub(super) fn wanted(options: &Options) -> Wanted {
    let is_open = is_open(options);
    let is_robust = options.is_robust == Some(true);
    let is_log = options.norm == Some(NormChoice::Log);
    Wanted {
        statistics: is_open && (!is_robust || is_log),
        quantiles: (is_open && is_robust).then_some(ROBUST),
    }
}

/// True if an end of the range comes from the data.
pub(super) fn is_open(options: &Options) -> bool {
    match (&options.levels, options.vmin, options.vmax) {
        (Some(Levels::Edges(_)), _, _) | (_, Some(_), Some(_)) => false,
        (_, None, None) => true,
        _ => options.norm != Some(NormChoice::Centered),
    }
}

/// What is known of all selected values.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Range {
    /// Smallest and largest value, or those of most values; `None` without any.
    pub ends: Option<(f64, f64)>,
    /// The smallest value above 0.
    pub min_positive: Option<f64>,
}

impl Range {
    /// That of what was read.
    pub(super) fn of(statistics: Option<&Statistics>, quantiles: Option<[f64; 2]>) -> Self {
        let ends = match (quantiles, statistics) {
            (Some([lo, hi]), _) => Some((lo, hi)),
            (None, Some(statistics)) => Some((statistics.min, statistics.max)),
            (None, None) => None,
        };
        Self {
            ends: ends.filter(|(min, max)| min.is_finite() && max.is_finite()),
            min_positive: statistics
                .map(|statistics| statistics.min_positive)
                .filter(|least| least.is_finite()),
        }
    }

    /// That of some values.
    pub(super) fn of_values(values: impl Iterator<Item = f64>) -> Self {
        values.filter(|value| value.is_finite()).fold(Self::default(), |range, value| {
            let (min, max) = range.ends.unwrap_or((value, value));
            let least = range.min_positive.unwrap_or(f64::INFINITY);
            Self {
                ends: Some((min.min(value), max.max(value))),
                min_positive: if value > 0.0 { Some(least.min(value)) } else { range.min_positive },
            }
        })
    }

    /// That of two together.
    pub(super) fn with(self, other: Self) -> Self {
        let both = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        Self {
            ends: self.ends.zip(other.ends).map(|(a, b)| both(a, b)).or(self.ends).or(other.ends),
            min_positive: self.min_positive.into_iter().chain(other.min_positive).reduce(f64::min),
        }
    }
}

/// The scale of values of which the range is known.
///
/// # Errors
/// [`Failure::Mistake`] for ends that make no range.
pub(super) fn of_range(options: &Options, range: Range) -> Result<Scale, Failure> {
    let options = &settled(options, range);
    let choice = options.norm.unwrap_or(NormChoice::Linear);
    let (mut vmin, mut vmax) = ends(options, range.ends, choice);
    if choice == NormChoice::Log && vmin <= 0.0 {
        // Values without a logarithm are missing; the range is that of the others.
        let least = range.min_positive.filter(|least| *least <= vmax);
        vmin = least.unwrap_or(if vmax > 0.0 { vmax } else { 1.0 });
        vmax = vmax.max(vmin);
    }
    let norm = match choice {
        NormChoice::Linear => Norm::Linear,
        NormChoice::Log => Norm::Log,
        NormChoice::Power(exponent) => Norm::Power(exponent),
        NormChoice::Centered => Norm::Centered,
        NormChoice::SymLog(half_width) => {
            let larger = vmin.abs().max(vmax.abs());
            let half_width = half_width.unwrap_or(larger * SYMLOG_SHARE);
            Norm::SymLog(if half_width > 0.0 { half_width } else { 1.0 })
        }
    };
    let levels = options.levels.clone().unwrap_or(Levels::Continuous);
    let name = options.colormap.as_deref().unwrap_or(crate::defaults::GENERAL);
    let mut scale = Scale::new(vmin, vmax, norm, levels, Colormap::named(name)?)?;
    scale.above = options.above;
    scale.below = options.below;
    scale.bad = options.bad.unwrap_or(scale.bad);
    Ok(scale)
}

/// The options with the colours of differences, if the values lie on both sides of 0.
fn settled(options: &Options, range: Range) -> Options {
    let is_on_both_sides = range.ends.is_some_and(|(min, max)| min < 0.0 && max > 0.0);
    match options.diverging.filter(|_| is_on_both_sides) {
        Some(colormap) => Options {
            colormap: Some(colormap.to_owned()),
            norm: Some(NormChoice::Centered),
            ..options.clone()
        },
        None => options.clone(),
    }
}

/// The ends of the range: those of the request, else of the data. Where the data end before a given end the range is that
/// end alone.
fn ends(options: &Options, found: Option<(f64, f64)>, choice: NormChoice) -> (f64, f64) {
    if let Some(Levels::Edges(edges)) = &options.levels
        && let (Some(first), Some(last)) = (edges.first(), edges.last())
    {
        return (*first, *last);
    }
    let (min, max) = found.unwrap_or((0.0, 1.0));
    match (options.vmin, options.vmax) {
        (Some(vmin), Some(vmax)) => (vmin, vmax),
        (Some(end), None) | (None, Some(end)) if choice == NormChoice::Centered => (-end.abs(), end.abs()),
        (Some(vmin), None) => (vmin, max.max(vmin)),
        (None, Some(vmax)) => (min.min(vmax), vmax),
        (None, None) => (min, max),
    }
}
