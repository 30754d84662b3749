//! Two dimensions that are not both horizontal, as an image.

use std::sync::Arc;

use thermocline_core::select::{Labels, ResolvedAxis, TimeAxis};
use thermocline_model::cf::{Axis as Measure, TimeUnits};
use thermocline_render::figure::Plane;
use thermocline_render::kinds::section::{Direction, SectionAxis};
use thermocline_render::kinds::section_cells;
use thermocline_render::ticks::Quantity;
use thermocline_render::{Cancel, CellMap, Extent, NO_CELL, View};

use super::map::{Shown, selected};
use super::painting::{Center, Painting};
use super::panel::{Known, Panel};
use super::{laid_out, style};
use crate::plan::Dim;
use crate::{Axes, Failure, Needs, Plan, Plotter, Wanted};

/// Most names along an axis; of longer dimensions it has positions.
const MAX_NAMES: usize = 2000;

/// Height of a section whose height nobody asked for, as a share of its width.
const DEFAULT_ASPECT: f64 = 0.6;

/// A dimension along one side of a panel.
pub(super) struct Side {
    /// Positions along the dimension, in the order of the cells.
    pub positions: Vec<u64>,
    /// Length of the dimension.
    pub len: u64,
    /// The labels of these positions as numbers of the axis.
    values: Vec<f64>,
    /// The axis with its cells.
    pub axis: SectionAxis,
}

impl Side {
    /// The side of a selected axis. A coordinate that neither ascends nor descends makes no axis: positions do.
    pub(super) fn of(dim: &Dim, selected: &ResolvedAxis, asked: Option<&String>) -> Result<Self, Failure> {
        let mut positions: Vec<u64> = match &selected.indices {
            Some(indices) => indices.iter().collect(),
            None => (0..selected.len).collect(),
        };
        positions.sort_unstable();
        let (quantity, values) = measured(dim, &positions);
        let mut values = values;
        let direction = if dim.is_downwards { Direction::Descending } else { Direction::Ascending };
        let label = style::axis_label(asked, side_label(dim, &quantity));
        let by_label =
            values.as_ref().map(|values| SectionAxis::new(&dim.name, values, quantity, label, direction));
        let axis = match by_label {
            Some(Ok(axis)) => axis,
            _ => {
                let numbers: Vec<f64> = positions.iter().map(|position| *position as f64).collect();
                let label = style::axis_label(asked, format!("{} (position)", dim.name));
                let axis =
                    SectionAxis::new(&dim.name, &numbers, Quantity::Number, label, Direction::Ascending)?;
                values = Some(numbers);
                axis
            }
        };
        Ok(Self { positions, len: selected.len, values: values.unwrap_or_default(), axis })
    }

    fn center(&self) -> Center<'_> {
        Center { values: &self.values, positions: &self.positions, len: self.len, axis: &self.axis }
    }

    /// The positions of cells along the dimension.
    fn along(&self, cells: &[u32]) -> Vec<u32> {
        let position = |cell: &u32| self.positions.get(*cell as usize).and_then(|at| u32::try_from(*at).ok());
        cells.iter().map(|cell| position(cell).unwrap_or(NO_CELL)).collect()
    }
}

/// Times, degrees and lengths say what they are by themselves.
fn side_label(dim: &Dim, quantity: &Quantity) -> String {
    match quantity {
        Quantity::Longitude | Quantity::Latitude | Quantity::Time(_) => String::new(),
        _ => dim.title(),
    }
}

/// What an axis measures, and its values at some positions as numbers: of names their places. None without labels.
pub(super) fn measured(dim: &Dim, positions: &[u64]) -> (Quantity, Option<Vec<f64>>) {
    let at = |values: &[f64]| -> Option<Vec<f64>> {
        positions.iter().map(|position| values.get(usize::try_from(*position).ok()?).copied()).collect()
    };
    if let Some(Labels::Times { ticks, axis }) = dim.coordinate.as_ref().map(|found| &found.labels) {
        let Ok(units) = TimeUnits::parse("seconds since 2000-01-01", axis.calendar()) else {
            return (Quantity::Number, None);
        };
        let number = |tick: &i64| match *tick {
            TimeAxis::MISSING => f64::NAN,
            tick => units.encode_ticks(tick).as_f64(),
        };
        let values: Vec<f64> = ticks.iter().map(number).collect();
        return (Quantity::Time(units), at(&values));
    }
    if let Some(Labels::Texts(_)) = dim.coordinate.as_ref().map(|found| &found.labels)
        && positions.len() <= MAX_NAMES
    {
        let names = positions.iter().map(|position| dim.text(*position)).collect();
        let places = (0..positions.len()).map(|place| place as f64 + 0.5);
        return (Quantity::Names(names), Some(places.collect()));
    }
    let quantity = match dim.axis {
        Some(Measure::Longitude) => Quantity::Longitude,
        Some(Measure::Latitude) => Quantity::Latitude,
        _ => Quantity::Number,
    };
    (quantity, dim.numbers().and_then(|values| at(&values)))
}

impl Plotter {
    /// The panel of two dimensions.
    pub(super) async fn plane_panel(
        &self,
        plan: &Plan,
        (rows, columns): (usize, usize),
        (frame, common): Shown<'_>,
        cancel: &Cancel,
    ) -> Result<Panel, Failure> {
        let selected = selected(plan, 0, frame)?;
        let gone = || thermocline_core::Error::internal("a drawn dimension is gone");
        let (y_dim, x_dim) = plan.dims.get(rows).zip(plan.dims.get(columns)).ok_or_else(gone)?;
        let (y_axis, x_axis) = selected.axes.get(rows).zip(selected.axes.get(columns)).ok_or_else(gone)?;
        let y = Side::of(y_dim, y_axis, plan.options.ylabel.as_ref())?;
        let x = Side::of(x_dim, x_axis, plan.options.xlabel.as_ref())?;
        let drawn_axes = [rows, columns];
        let drawn = Axes { selected: &selected, drawn: &drawn_axes };
        let ranged = match common {
            Some(ranged) => ranged.clone(),
            None => self.ranged(plan, &drawn, cancel).await?,
        };
        let painting = Painting::of(plan, ranged.range)?;
        let plane = Plane::Axes { x: x.axis.axis().clone(), y: y.axis.axis().clone() };
        let mut figure = style::figure(plan, plane, Some(&painting.scale), frame);
        figure.height = figure.height.or(Some(style::height_of(figure.width, DEFAULT_ASPECT)));
        let layout = laid_out(&figure)?;
        let painting = painting.widened(layout.unit);
        let [_, _, width, height] = layout.panel;
        let view = View { width, height, ..View::globe(width, height) };
        let cells = match section_cells(&x.axis, &y.axis, (width, height)) {
            CellMap::Separable { rows, columns, .. } => CellMap::Separable {
                rows: y.along(&rows),
                columns: x.along(&columns),
                n_columns: u32::try_from(x.len).unwrap_or(NO_CELL),
            },
            each => each,
        };
        let cells = Arc::new(cells);
        let needs = Needs::Pixels(&cells);
        let read = self.read_field(&plan.manifest, &drawn, needs, Wanted::default(), cancel).await?;
        let extent = Extent {
            west: x.axis.axis().first,
            east: x.axis.axis().last,
            south: y.axis.axis().first,
            north: y.axis.axis().last,
        };
        let known = Known {
            scale: Some(painting.scale.clone()),
            extent: Some(extent),
            statistics: ranged.statistics,
            n_chunks: read.n_chunks,
            bytes_read: read.bytes_read + ranged.bytes_read,
            ..Known::default()
        };
        let (field, inner) = (Arc::clone(&read.field), cancel.clone());
        let painted = move || {
            let (x, y) = (x.center(), y.center());
            painting.section((&cells, &field), (&x, &y), &view, &inner)
        };
        let marks = self.run(cancel, painted).await??;
        Ok(Panel { figure, layout, marks, known })
    }
}
