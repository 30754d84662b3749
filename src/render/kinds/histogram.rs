//! Histograms: how many values lie between two edges.

use rayon::prelude::*;

use super::{Size, range};
use crate::ticks::{Axis, Quantity};
use crate::{Color, Error, Mark, Result, Values};

/// Fewest and most bins that are chosen if nobody says.
const N_BINS: (u64, u64) = (5, 200);

/// Most bins.
pub const MAX_BINS: usize = 4096;

/// Counts of values between edges. A value on an edge counts above it, one on the last edge below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    edges: Vec<f64>,
    counts: Vec<u64>,
    /// Values below the first edge.
    pub n_below: u64,
    /// Values above the last edge.
    pub n_above: u64,
    /// Values that are missing or not finite.
    pub n_missing: u64,
}

impl Histogram {
    /// Nothing counted yet, between ascending edges.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer than two edges, or ones that do not ascend; [`Error::TooLarge`] beyond [`MAX_BINS`].
    pub fn new(edges: Vec<f64>) -> Result<Self> {
        if edges.len() > MAX_BINS + 1 {
            return Err(Error::TooLarge(format!("{} bins are more than {MAX_BINS}", edges.len() - 1)));
        }
        if edges.len() < 2
            || edges.iter().any(|edge| !edge.is_finite())
            || edges.windows(2).any(|pair| pair[0] >= pair[1])
        {
            return Err(Error::Invalid("a histogram needs at least two edges, finite and ascending".into()));
        }
        let counts = vec![0; edges.len() - 1];
        Ok(Self { edges, counts, n_below: 0, n_above: 0, n_missing: 0 })
    }

    /// Nothing counted yet, in `n_bins` bins of equal width. A range of one value gets room around it.
    ///
    /// # Errors
    /// Those of [`Histogram::new`].
    pub fn even(min: f64, max: f64, n_bins: usize) -> Result<Self> {
        if n_bins > MAX_BINS {
            return Err(Error::TooLarge(format!("{n_bins} bins are more than {MAX_BINS}")));
        }
        let (min, max) = if min == max { range::padded(min, max, 0.0) } else { (min, max) };
        let share = |number: usize| number as f64 / n_bins as f64;
        let mut edges: Vec<f64> =
            (0..=n_bins).map(|number| min * (1.0 - share(number)) + max * share(number)).collect();
        if let [.., last] = edges.as_mut_slice() {
            *last = max;
        }
        // Ranges narrower than so many neighbouring numbers have fewer bins.
        edges.dedup();
        Self::new(edges)
    }

    /// How many bins suit `n` values in a range, whose middle half is `interquartile` wide.
    ///
    /// # Source
    /// D. Freedman and P. Diaconis (1981): bins of 2 · interquartile / ∛n. Where that is 0, H. A. Sturges (1926).
    pub fn suitable_bins(n: u64, (min, max): (f64, f64), interquartile: f64) -> usize {
        let width = 2.0 * interquartile / (n as f64).cbrt();
        let n_bins = if width > 0.0 && width.is_finite() {
            ((max - min) / width).ceil()
        } else {
            (n.max(1) as f64).log2().ceil() + 1.0
        };
        let n_bins = if n_bins.is_finite() { n_bins as u64 } else { N_BINS.0 };
        n_bins.clamp(N_BINS.0, N_BINS.1) as usize
    }

    /// The edges of the bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// How many values lie in each bin.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Counts a value.
    pub fn add(&mut self, value: f64) {
        let (first, last) = (self.edges[0], self.edges[self.edges.len() - 1]);
        match value {
            _ if !value.is_finite() => self.n_missing += 1,
            _ if value < first => self.n_below += 1,
            _ if value > last => self.n_above += 1,
            _ => {
                let bin = self.bin(value, first, last);
                self.counts[bin] += 1;
            }
        }
    }

    /// The bin of a value between the first and the last edge.
    fn bin(&self, value: f64, first: f64, last: f64) -> usize {
        // Right at once for bins of equal width, but for rounding; others are searched.
        let n_bins = self.counts.len();
        let guess = (((value - first) / (last - first) * n_bins as f64) as usize).min(n_bins - 1);
        if self.edges[guess] <= value && value < self.edges[guess + 1] {
            return guess;
        }
        self.edges.partition_point(|edge| *edge <= value).saturating_sub(1).min(n_bins - 1)
    }

    /// Counts values.
    pub fn add_all(&mut self, values: &Values) {
        const PIECE: usize = 1 << 18;
        let empty =
            Self { counts: vec![0; self.counts.len()], n_below: 0, n_above: 0, n_missing: 0, ..self.clone() };
        let counted = |add: &dyn Fn(&mut Self)| {
            let mut piece = empty.clone();
            add(&mut piece);
            piece
        };
        let pieces: Vec<Self> = match values {
            Values::F32(values) => values
                .par_chunks(PIECE)
                .map(|piece| counted(&|sum| piece.iter().for_each(|value| sum.add(f64::from(*value)))))
                .collect(),
            Values::F64(values) => values
                .par_chunks(PIECE)
                .map(|piece| counted(&|sum| piece.iter().for_each(|value| sum.add(*value))))
                .collect(),
        };
        for piece in pieces {
            self.absorb(&piece);
        }
    }

    /// Adds the counts of another histogram.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has other edges.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.edges != other.edges {
            return Err(Error::Invalid("histograms with different edges cannot be added".into()));
        }
        self.absorb(other);
        Ok(())
    }

    fn absorb(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
        self.n_below += other.n_below;
        self.n_above += other.n_above;
        self.n_missing += other.n_missing;
    }

    /// The axis of the values.
    pub fn value_axis(&self, label: Option<String>) -> Axis {
        Axis {
            first: self.edges[0],
            last: self.edges[self.edges.len() - 1],
            quantity: Quantity::Number,
            label,
        }
    }

    /// The axis of the counts, from 0.
    pub fn count_axis(&self) -> Axis {
        let most = self.most() as f64;
        Axis {
            first: 0.0,
            last: most.max(1.0) * 1.05,
            quantity: Quantity::Number,
            label: Some("count".into()),
        }
    }

    /// The axis of the counts by their logarithm, from a half: a bin with one value is still seen.
    pub fn log_count_axis(&self) -> Axis {
        let most = self.most() as f64;
        Axis { first: 0.5, last: most.max(1.0) * 1.5, quantity: Quantity::Log, label: Some("count".into()) }
    }

    fn most(&self) -> u64 {
        self.counts.iter().copied().max().unwrap_or(0)
    }

    /// A bar for each bin that is not empty.
    pub fn bars(&self, (x, y): (&Axis, &Axis), (width, height): Size, color: Color) -> Vec<Mark> {
        let (width, height) = (f64::from(width), f64::from(height));
        let across = |value: f64| (x.share(value) * width).clamp(-1.0, width + 1.0);
        // A gap of a pixel tells wide bars apart; narrow ones stand side by side.
        let gap = if width / self.counts.len() as f64 >= 6.0 { 1.0 } else { 0.0 };
        let bar = |(edges, count): (&[f64], &u64)| {
            let (left, right) = (across(edges[0]), across(edges[1]));
            let top = (1.0 - y.share(*count as f64)) * height;
            if *count == 0 || !(left.is_finite() && right.is_finite() && top.is_finite()) {
                return None;
            }
            let (left, right) = (left.min(right) as f32, (left.max(right) - gap) as f32);
            let (top, foot) = (top.clamp(-1.0, height) as f32, height as f32);
            Some(vec![[left, top], [right, top], [right, foot], [left, foot]])
        };
        let rings: Vec<_> = self.edges.windows(2).zip(&self.counts).filter_map(bar).collect();
        if rings.is_empty() { Vec::new() } else { vec![Mark::Area { rings, color }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_belong_to_the_bin_above_but_the_last() {
        let mut histogram = Histogram::new(vec![0.0, 1.0, 3.0]).expect("edges");
        histogram.add_all(&Values::F64(vec![-0.1, 0.0, 1.0, 2.9, 3.0, 3.1, f64::NAN, f64::INFINITY]));

        assert_eq!(histogram.counts(), [1, 3]);
        assert_eq!((histogram.n_below, histogram.n_above, histogram.n_missing), (1, 1, 2));
    }

    #[test]
    fn parts_make_the_whole() {
        let values: Vec<f32> =
            (0..1_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
        let mut whole = Histogram::even(0.0, 16_777_216.0, 37).expect("bins");
        let mut parts = whole.clone();
        whole.add_all(&Values::F32(values.clone()));
        for part in values.chunks(77_777) {
            let mut sum = Histogram::even(0.0, 16_777_216.0, 37).expect("bins");
            part.iter().for_each(|value| sum.add(f64::from(*value)));
            parts.merge(&sum).expect("the same edges");
        }

        assert_eq!(whole, parts);
        assert_eq!(whole.counts().iter().sum::<u64>(), 1_000_000);
    }

    #[test]
    fn the_number_of_bins_grows_with_the_values_within_bounds() {
        assert_eq!(Histogram::suitable_bins(1000, (0.0, 10.0), 5.0), 10);
        assert_eq!(Histogram::suitable_bins(1000, (0.0, 1e9), 5.0), 200);
        assert_eq!(Histogram::suitable_bins(3, (0.0, 1.0), 1.0), 5);
        assert_eq!(Histogram::suitable_bins(1024, (0.0, 1.0), 0.0), 11);
        assert_eq!(Histogram::suitable_bins(0, (f64::NAN, f64::NAN), f64::NAN), 5);
    }

    #[test]
    fn bars_stand_on_the_lower_edge() {
        let mut histogram = Histogram::even(0.0, 2.0, 2).expect("bins");
        [0.5, 1.5, 1.6].into_iter().for_each(|value| histogram.add(value));
        let y = Axis { first: 0.0, last: 4.0, quantity: Quantity::Number, label: None };

        let marks = histogram.bars((&histogram.value_axis(None), &y), (10, 40), Color::rgb(1, 2, 3));

        let rings = vec![
            vec![[0.0, 30.0], [5.0, 30.0], [5.0, 40.0], [0.0, 40.0]],
            vec![[5.0, 20.0], [10.0, 20.0], [10.0, 40.0], [5.0, 40.0]],
        ];
        assert_eq!(marks, vec![Mark::Area { rings, color: Color::rgb(1, 2, 3) }]);
    }

    proptest::proptest! {
        #[test]
        fn every_value_is_counted_once(values: Vec<f64>, min: f64, max: f64, n_bins in 0usize..300) {
            if let Ok(mut histogram) = Histogram::even(min, max, n_bins) {
                values.iter().for_each(|value| histogram.add(*value));
                let counted: u64 = histogram.counts().iter().sum();
                let beyond = histogram.n_below + histogram.n_above + histogram.n_missing;
                proptest::prop_assert_eq!(counted + beyond, values.len() as u64);
                let axes = (&histogram.value_axis(None), &histogram.log_count_axis());
                histogram.bars(axes, (100, 100), Color::TRANSPARENT);
            }
        }
    }
}
