//! Values at their places, and two variables against each other, as discs.

use std::sync::Arc;

use thermocline_core::select::ResolvedAxis;
use thermocline_model::cf::LonLat;
use thermocline_render::figure::Plane;
use thermocline_render::kinds::palette;
use thermocline_render::kinds::range::padded;
use thermocline_render::kinds::scatter::{Edges, points, scatter};
use thermocline_render::text::typeset_units;
use thermocline_render::ticks::{Axis, Quantity};
use thermocline_render::{Cancel, Extent, Frame, Grid};

use super::chosen::Chosen;
use super::map::{Shown, map_plane, selected, view};
use super::panel::{Known, Panel};
use super::scale::{self, Range};
use super::{flags, laid_out, style};
use crate::{Axes, Failure, Needs, Plan, Plotter, Wanted};

/// Diameter of points in pixels if nobody asks for another.
const DEFAULT_DIAMETER: f64 = 4.0;

/// Most points of a picture.
const MAX_POINTS: u64 = 1 << 21;

/// Room beside the outermost points, as a share of their range.
const ROOM: f64 = 0.04;

impl Plotter {
    /// The panel of a map with a disc at each cell.
    pub(super) async fn discs_panel(
        &self,
        plan: &Plan,
        axes: &[usize],
        (frame, common): Shown<'_>,
        cancel: &Cancel,
    ) -> Result<Panel, Failure> {
        let grid = self.plan_grid(plan).await?;
        let selected = selected(plan, 0, frame)?;
        let chosen = Chosen::of(&selected, axes);
        check_points(chosen.n_cells())?;
        let base = view(plan, &grid)?;
        let drawn = Axes { selected: &selected, drawn: axes };
        let ranged = match common {
            Some(ranged) => ranged.clone(),
            None => self.ranged(plan, &drawn, cancel).await?,
        };
        let scale = flags::named(plan, scale::of_range(&plan.options, ranged.range)?);
        let read = self.read_field(&plan.manifest, &drawn, Needs::All, Wanted::default(), cancel).await?;
        let figure = style::figure(plan, map_plane(plan, &base), Some(&scale), frame);
        let layout = laid_out(&figure)?;
        let view = layout.panel_view(&base);
        let known = Known {
            scale: Some(scale.clone()),
            extent: Some(view.extent),
            view: Some(view.clone()),
            statistics: ranged.statistics,
            n_chunks: read.n_chunks,
            bytes_read: read.bytes_read + ranged.bytes_read,
            ..Known::default()
        };
        let (field, inner, disc) = (Arc::clone(&read.field), cancel.clone(), disc(plan));
        let marks = self.run(cancel, move || {
            let cells = placed(&grid, &chosen, |cell| field.value(cell));
            let places: Vec<LonLat> = cells.iter().map(|(place, _)| *place).collect();
            let value = |number: usize| cells.get(number).map_or(f64::NAN, |(_, value)| *value);
            points(&view, &places, |number| scale.color(scale.entry(value(number))), disc, &inner)
        });
        Ok(Panel { figure, layout, marks: marks.await??, known })
    }

    /// The panel of the plotted variable over another one.
    pub(super) async fn pairs_panel(
        &self,
        plan: &Plan,
        axes: &[usize],
        (frame, common): Shown<'_>,
        cancel: &Cancel,
    ) -> Result<Panel, Failure> {
        let (ours, other) = (selected(plan, 0, frame)?, selected(plan, 1, frame)?);
        let count = |axis: &usize| ours.axes.get(*axis).map_or(1, ResolvedAxis::n_selected);
        check_points(axes.iter().map(count).fold(1, u64::saturating_mul))?;
        let y = self.read_series(&plan.manifest, &Axes { selected: &ours, drawn: axes }, cancel).await?;
        let x = self.read_series(&plan.manifest, &Axes { selected: &other, drawn: axes }, cancel).await?;
        let numbers = |values: &thermocline_render::Values| -> Vec<f64> {
            (0..values.len()).map(|at| values.get(at)).collect()
        };
        let (xs, ys) = (numbers(&x.values), numbers(&y.values));
        let is_alone = plan.options.frame == Some(Frame::None);
        let room = if is_alone { 0.0 } else { ROOM };
        let ends = |values: &[f64], common: Option<(f64, f64)>| {
            let own = || Range::of_values(values.iter().copied()).ends.unwrap_or((0.0, 1.0));
            let (min, max) = common.unwrap_or_else(own);
            padded(min, max, room)
        };
        let (west, east) = ends(&xs, common.and_then(|common| common.across.ends));
        let (south, north) = ends(&ys, common.and_then(|common| common.range.ends));
        let options = &plan.options;
        let south = options.vmin.unwrap_or(options.vmax.map_or(south, |vmax| south.min(vmax)));
        let north = options.vmax.unwrap_or(north.max(south));
        let axis = |first, last, label| Axis { first, last, quantity: Quantity::Number, label };
        let x_axis =
            axis(west, east, style::axis_label(options.xlabel.as_ref(), other_label(plan, &other.path)));
        let y_axis = axis(south, north, style::axis_label(options.ylabel.as_ref(), plan.label()));
        let plane = Plane::Axes { x: x_axis.clone(), y: y_axis.clone() };
        let mut figure = style::figure(plan, plane, None, frame);
        figure.height = figure.height.or(Some(style::height_of(figure.width, 0.7)));
        let layout = laid_out(&figure)?;
        let [_, _, width, height] = layout.panel;
        let known = Known {
            extent: Some(Extent { west, east, south, north }),
            n_chunks: x.n_chunks + y.n_chunks,
            bytes_read: x.bytes_read + y.bytes_read,
            ..Known::default()
        };
        let (inner, disc) = (cancel.clone(), disc(plan));
        let marks = self.run(cancel, move || {
            let color = |_| palette::color(0);
            scatter((&xs, &ys), (&x_axis, &y_axis), (width, height), color, disc, &inner)
        });
        Ok(Panel { figure, layout, marks: marks.await??, known })
    }
}

fn check_points(n_points: u64) -> Result<(), Failure> {
    if n_points <= MAX_POINTS {
        return Ok(());
    }
    Err(Failure::too_large(format!(
        "{n_points} points; at most {MAX_POINTS}: select fewer, or draw cells with kind=image"
    )))
}

/// Places and values of the selected cells that have both.
fn placed(grid: &Grid, chosen: &Chosen, value: impl Fn(u32) -> f64) -> Vec<(LonLat, f64)> {
    let n_columns = u64::from(grid.shape().1);
    let cells = chosen
        .cells()
        .filter_map(|[row, column]| u32::try_from(row.checked_mul(n_columns)?.checked_add(column)?).ok());
    cells
        .filter_map(|cell| Some((grid.centre(cell)?, value(cell))))
        .filter(|(_, value)| !value.is_nan())
        .collect()
}

/// Diameter of discs, and whether their edges are smooth.
fn disc(plan: &Plan) -> (f32, Edges) {
    let is_alone = plan.options.frame == Some(Frame::None);
    let factor = if is_alone { 1.0 } else { style::text_scale(&plan.options) };
    let diameter = plan.options.size.unwrap_or(DEFAULT_DIAMETER) * factor;
    (diameter as f32, if is_alone { Edges::Crisp } else { Edges::Smooth })
}

/// Name and units of another variable of the dataset.
fn other_label(plan: &Plan, path: &str) -> String {
    let attrs = plan.manifest.dataset.root.variable(path).map(|variable| &variable.attrs);
    let text = |name: &str| attrs.and_then(|attrs| attrs.text(name)).unwrap_or_default().trim().to_owned();
    let name = Some(text("long_name")).filter(|name| !name.is_empty()).unwrap_or_else(|| path.to_owned());
    match typeset_units(&text("units")) {
        units if units.is_empty() => name,
        units => format!("{name} [{units}]"),
    }
}
