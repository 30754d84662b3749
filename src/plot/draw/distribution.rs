//! How often values occur.

use std::sync::Arc;

use serde_json::json;
use thermocline_render::figure::Plane;
use thermocline_render::kinds::{Histogram, palette};
use thermocline_render::{Cancel, Extent};

use super::map::{Shown, selected};
use super::panel::{Known, Panel};
use super::{laid_out, style};
use crate::{Axes, Failure, Needs, Plan, Plotter, Wanted};

/// Height of a histogram whose height nobody asked for, as a share of its width.
const DEFAULT_ASPECT: f64 = 0.5;

/// Bins of histograms that follow each other, if nobody asks for a number.
const ANIMATED_BINS: usize = 30;

/// The middle half of the values lies between these.
const QUARTILES: [f64; 2] = [0.25, 0.75];

impl Plotter {
    /// The panel of a histogram of the values along some axes.
    pub(super) async fn distribution_panel(
        &self,
        plan: &Plan,
        axes: &[usize],
        (frame, common): Shown<'_>,
        cancel: &Cancel,
    ) -> Result<Panel, Failure> {
        let selected = selected(plan, 0, frame)?;
        let drawn = Axes { selected: &selected, drawn: axes };
        let wanted = Wanted { statistics: true, quantiles: Some(QUARTILES) };
        let read = self.read_field(&plan.manifest, &drawn, Needs::All, wanted, cancel).await?;
        let options = &plan.options;
        let found = read
            .statistics
            .map(|found| (found.min, found.max))
            .filter(|(min, max)| min.is_finite() && max.is_finite());
        let common_ends = common.and_then(|common| common.range.ends);
        let (min, max) = common_ends.or(found).unwrap_or((0.0, 1.0));
        let low = options.vmin.unwrap_or_else(|| options.vmax.map_or(min, |vmax| min.min(vmax)));
        let high = options.vmax.unwrap_or_else(|| max.max(low));
        let interquartile = read.quantiles.map_or(f64::NAN, |[lower, upper]| upper - lower);
        let n_valid = read.statistics.map_or(0, |found| found.n_valid);
        let n_bins = match options.bins {
            Some(bins) => bins as usize,
            // As many of each picture: bars of other widths are not compared.
            None if common.is_some() => ANIMATED_BINS,
            None => Histogram::suitable_bins(n_valid, (low, high), interquartile),
        };
        let mut histogram = Histogram::even(low, high, n_bins)?;
        let field = Arc::clone(&read.field);
        let histogram = self
            .run(cancel, move || {
                histogram.add_all(&field.values);
                histogram
            })
            .await?;
        let mut x = histogram.value_axis(style::axis_label(options.xlabel.as_ref(), plan.label()));
        x.first = x.first.min(low);
        let all = common.and_then(|common| common.counts.clone());
        let mut y = all.unwrap_or_else(|| histogram.count_axis());
        y.label = style::axis_label(options.ylabel.as_ref(), "number of values".into());
        let mut figure = style::figure(plan, Plane::Axes { x: x.clone(), y: y.clone() }, None, frame);
        figure.height = figure.height.or(Some(style::height_of(figure.width, DEFAULT_ASPECT)));
        let layout = laid_out(&figure)?;
        let [_, _, width, height] = layout.panel;
        let marks = histogram.bars((&x, &y), (width, height), palette::color(0));
        let mut known = Known {
            extent: Some(Extent { west: x.first, east: x.last, south: y.first, north: y.last }),
            statistics: read.statistics,
            n_chunks: read.n_chunks,
            bytes_read: read.bytes_read,
            ..Known::default()
        };
        known.more.insert("edges".into(), json!(histogram.edges()));
        known.more.insert("counts".into(), json!(histogram.counts()));
        known.more.insert("vmin".into(), json!(low));
        known.more.insert("vmax".into(), json!(high));
        Ok(Panel { figure, layout, marks, known })
    }
}
