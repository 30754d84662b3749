//! How a field is painted: cells, interpolated cells, contour lines, filled levels.

use std::sync::Arc;

use thermocline_render::kinds::contour::{contour, contour_map, filled, filled_map};
use thermocline_render::kinds::scatter::Edges;
use thermocline_render::kinds::section::SectionAxis;
use thermocline_render::kinds::{ContourStyle, Lattice, LineColor, contour_levels, filled_levels};
use thermocline_render::raster::{paint, paint_bilinear};
use thermocline_render::{Cancel, CellMap, Field, Frame, Grid, Levels, Mark, Result, Scale, View};

use super::flags;
use super::scale::{self, Range};
use crate::options::Interpolation;
use crate::{Failure, Kind, Plan};

/// Width of contour lines in pixels.
const LINE_WIDTH: f32 = 1.2;

/// Height of the letters of their labels in pixels.
const LABEL_SIZE: f32 = 10.0;

/// How a field is painted.
#[derive(Debug, Clone)]
pub(super) enum Method {
    /// The colour of each cell.
    Cells,
    /// Colours between the centres of cells.
    Bilinear,
    /// Lines at these levels.
    Lines(Vec<f64>),
    /// Levels filled with colours.
    Filled,
}

/// A way to paint, with the colours.
#[derive(Debug, Clone)]
pub(super) struct Painting {
    /// How.
    pub method: Method,
    /// The colours.
    pub scale: Scale,
    edges: Edges,
    /// Pixels of a unit, by which the figure widens labels.
    unit: f32,
    has_labels: bool,
}

impl Painting {
    /// That of a plan whose values have a range.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for a range or levels that make no sense.
    pub(super) fn of(plan: &Plan, range: Range) -> std::result::Result<Self, Failure> {
        let mut options = plan.options.clone();
        let plain = scale::of_range(&options, range)?;
        let levels = options.levels.clone().unwrap_or(Levels::Continuous);
        let method = match plan.kind {
            Kind::Contour => Method::Lines(contour_levels(&levels, plain.norm, plain.range())),
            Kind::ContourFilled => {
                let edges = filled_levels(&levels, plain.norm, plain.range());
                if edges.len() > 1 {
                    options.levels = Some(Levels::Edges(edges));
                }
                Method::Filled
            }
            _ if options.interpolation == Some(Interpolation::Bilinear) => Method::Bilinear,
            _ => Method::Cells,
        };
        let scale = if plan.kind == Kind::ContourFilled { scale::of_range(&options, range)? } else { plain };
        let scale = flags::named(plan, scale);
        let is_crisp = options.frame == Some(Frame::None);
        Ok(Self {
            method,
            scale,
            edges: if is_crisp { Edges::Crisp } else { Edges::Smooth },
            unit: 1.0,
            has_labels: !is_crisp,
        })
    }

    /// The same in a figure that widens labels by `unit`.
    pub(super) fn widened(self, unit: f32) -> Self {
        Self { unit, ..self }
    }

    /// Paints a map.
    pub(super) fn map(
        &self,
        (cells, grid, field): (&Arc<CellMap>, &Grid, &Field),
        view: &View,
        cancel: &Cancel,
    ) -> Result<Vec<Mark>> {
        let image = match &self.method {
            Method::Lines(levels) => {
                return contour_map((cells, grid, field), view, levels, &self.line_style(), cancel);
            }
            Method::Cells => paint(cells, field, &self.scale, view, cancel)?,
            Method::Bilinear => paint_bilinear(grid, field, &self.scale, view, cancel)?,
            Method::Filled => filled_map((cells, grid, field), view, &self.scale, self.edges, cancel)?,
        };
        Ok(vec![Mark::Image(image)])
    }

    /// Paints a section; `shown` are the positions of the cells along each side.
    pub(super) fn section(
        &self,
        (cells, field): (&Arc<CellMap>, &Field),
        (x, y): (&Center<'_>, &Center<'_>),
        view: &View,
        cancel: &Cancel,
    ) -> Result<Vec<Mark>> {
        let size = (view.width, view.height);
        match &self.method {
            Method::Lines(levels) => {
                contour(&lattice(field, (x, y), size)?, levels, size, &self.line_style(), cancel)
            }
            Method::Filled => {
                let nearest = |column: u32, row: u32| match cells.as_ref() {
                    CellMap::Separable { rows, columns, n_columns } => {
                        let found = rows.get(row as usize).zip(columns.get(column as usize));
                        found.map_or(f64::NAN, |(row, column)| field.value(row * n_columns + column))
                    }
                    CellMap::Each(_) => f64::NAN,
                };
                let lattice = lattice(field, (x, y), size)?;
                Ok(vec![Mark::Image(filled(&lattice, size, nearest, (&self.scale, self.edges), cancel)?)])
            }
            Method::Cells | Method::Bilinear => {
                Ok(vec![Mark::Image(paint(cells, field, &self.scale, view, cancel)?)])
            }
        }
    }

    fn line_style(&self) -> ContourStyle<'_> {
        ContourStyle {
            color: LineColor::Of(&self.scale),
            width: LINE_WIDTH,
            label_size: self.has_labels.then_some(LABEL_SIZE),
            scale: self.unit,
        }
    }
}

/// The centres of the cells along one side of a section.
pub(super) struct Center<'s> {
    /// Their places along the side, as numbers of the axis.
    pub values: &'s [f64],
    /// Their positions along the dimension.
    pub positions: &'s [u64],
    /// Length of the dimension.
    pub len: u64,
    /// The axis.
    pub axis: &'s SectionAxis,
}

/// The values at the centres of a section's cells.
fn lattice(
    field: &Field,
    (x, y): (&Center<'_>, &Center<'_>),
    (width, height): (u32, u32),
) -> Result<Lattice> {
    let across = |value: &f64| x.axis.axis().share(*value) * f64::from(width);
    let down = |value: &f64| (1.0 - y.axis.axis().share(*value)) * f64::from(height);
    let xs: Vec<f64> = x.values.iter().map(across).collect();
    let ys: Vec<f64> = y.values.iter().map(down).collect();
    let value = |row: &u64, column: &u64| {
        let cell = row.checked_mul(x.len).and_then(|start| start.checked_add(*column));
        cell.and_then(|cell| u32::try_from(cell).ok()).map_or(f64::NAN, |cell| field.value(cell))
    };
    let values = y.positions.iter().flat_map(|row| x.positions.iter().map(move |column| value(row, column)));
    Lattice::rectilinear(&xs, &ys, values.collect())
}
