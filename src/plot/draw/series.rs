//! Values along a dimension as lines.

use serde_json::json;
use thermocline_core::select::ResolvedAxis;
use thermocline_render::figure::Plane;
use thermocline_render::kinds::line::{coordinate_range, legend, lines, value_range};
use thermocline_render::kinds::{LineStyle, Series};
use thermocline_render::ticks::{Axis, Quantity};
use thermocline_render::{Cancel, Extent, Frame};

use super::map::{Shown, selected};
use super::panel::{Known, Panel};
use super::plane::measured;
use super::{laid_out, style};
use crate::options::NormChoice;
use crate::{Axes, Failure, Plan, Plotter};

/// Height of a figure of lines whose height nobody asked for, as a share of its width.
const DEFAULT_ASPECT: f64 = 0.45;

/// Width of lines in pixels.
const LINE_WIDTH: f32 = 1.5;

/// Most values of all lines.
const MAX_VALUES: u64 = 1 << 23;

impl Plotter {
    /// The panel of lines along an axis, one for each position of `hue`.
    pub(super) async fn series_panel(
        &self,
        plan: &Plan,
        (axis, hue): (usize, Option<usize>),
        (frame, common): Shown<'_>,
        cancel: &Cancel,
    ) -> Result<Panel, Failure> {
        let selected = selected(plan, 0, frame)?;
        let axes: Vec<usize> = hue.into_iter().chain([axis]).collect();
        let count = |axis: &usize| selected.axes.get(*axis).map_or(1, ResolvedAxis::n_selected);
        let n_values = axes.iter().map(count).fold(1_u64, u64::saturating_mul);
        if n_values > MAX_VALUES {
            return Err(Failure::too_large(format!(
                "a line of {n_values} values; at most {MAX_VALUES}: select a range, or every n-th by isel=dim=::n"
            )));
        }
        let read =
            self.read_series(&plan.manifest, &Axes { selected: &selected, drawn: &axes }, cancel).await?;
        let gone = || thermocline_core::Error::internal("a drawn dimension is gone");
        let dim = plan.dims.get(axis).ok_or_else(gone)?;
        let positions = read.positions.last().ok_or_else(gone)?;
        let (quantity, labels) = measured(dim, positions);
        let is_labelled = labels.is_some();
        let coordinates =
            labels.unwrap_or_else(|| positions.iter().map(|position| *position as f64).collect());
        let names: Vec<String> = match (hue.and_then(|hue| plan.dims.get(hue)), read.positions.as_slice()) {
            (Some(hue), [lines, _]) => lines.iter().map(|position| hue.text(*position)).collect(),
            _ => vec![plan.long_name()],
        };
        let n = coordinates.len();
        let series: Vec<Series<'_>> = (0..names.len())
            .zip(names)
            .map(|(number, name)| {
                let values = (number * n..(number + 1) * n).map(|at| read.values.get(at)).collect();
                Series::new(number, name, &coordinates, values)
            })
            .collect();
        let options = &plan.options;
        let frame_style = options.frame.unwrap_or(Frame::Full);
        let (first, last) = coordinate_range(&series);
        let ends = (options.vmin, options.vmax);
        let (low, high) = match common.and_then(|common| common.range.ends) {
            Some((min, max)) => {
                let all = Series::new(0, String::new(), &[0.0, 1.0], vec![min, max]);
                value_range(&[all], ends, frame_style)
            }
            None => value_range(&series, ends, frame_style),
        };
        let is_log = options.norm == Some(NormChoice::Log) && low > 0.0;
        let has_own_label = matches!(quantity, Quantity::Time(_) | Quantity::Longitude | Quantity::Latitude);
        let x_label = match is_labelled {
            _ if has_own_label => String::new(),
            true => dim.title(),
            false => format!("{} (position)", dim.name),
        };
        let x = Axis { first, last, quantity, label: style::axis_label(options.xlabel.as_ref(), x_label) };
        let y = Axis {
            first: low,
            last: high,
            quantity: if is_log { Quantity::Log } else { Quantity::Number },
            label: style::axis_label(options.ylabel.as_ref(), plan.label()),
        };
        let mut figure = style::figure(plan, Plane::Axes { x: x.clone(), y: y.clone() }, None, frame);
        figure.height = figure.height.or(Some(style::height_of(figure.width, DEFAULT_ASPECT)));
        figure.legend = legend(&series);
        let layout = laid_out(&figure)?;
        let [_, _, width, height] = layout.panel;
        let line_style = LineStyle {
            shape: options.line_shape.unwrap_or(thermocline_render::kinds::LineShape::Line),
            width: LINE_WIDTH,
            marker: None,
            scale: layout.unit,
        };
        let marks = lines(&series, (&x, &y), (width, height), &line_style);
        let mut known = Known {
            extent: Some(Extent { west: first, east: last, south: low, north: high }),
            n_chunks: read.n_chunks,
            bytes_read: read.bytes_read,
            ..Known::default()
        };
        known.more.insert("vmin".into(), json!(low));
        known.more.insert("vmax".into(), json!(high));
        known.more.insert("n_values".into(), json!(read.values.len()));
        Ok(Panel { figure, layout, marks, known })
    }
}
