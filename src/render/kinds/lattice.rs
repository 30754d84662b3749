//! Values at the nodes of a lattice in a panel: what contour lines and filled levels are made of.
//!
//! A node has a place in pixels and a value. Nodes form rows and columns, but need not stand in line: of a map every
//! node stands at the centre of the cell that its pixel shows, so that lines are those of the data on any grid and in
//! any projection. Where several nodes share a cell they fall together, and what is left between the cells' centres is
//! the mesh that joins neighbouring ones.

use rayon::prelude::*;

use super::Size;
use crate::view::CompiledView;
use crate::{Cancel, CellMap, Error, Field, Grid, MapProjection, NO_CELL, Result, View};

/// Most nodes of a lattice made of pixels; larger panels have a node every few pixels.
const MAX_NODES: usize = 600_000;

/// Nodes farther than this from the panel's corner are nowhere, in pixels.
const FARTHEST: f32 = 1e6;

/// Values at nodes in a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Lattice {
    pub(super) n_columns: usize,
    pub(super) n_rows: usize,
    /// Where each node is, in pixels, row by row.
    pub(super) places: Vec<[f32; 2]>,
    /// The value at each node; NaN for missing ones.
    pub(super) values: Vec<f64>,
    /// Quads, row by row, that must not be crossed although their corners have values.
    pub(super) cut: Vec<bool>,
}

impl Lattice {
    /// Nodes at the crossings of columns at `xs` and rows at `ys` (pixels), with `values` of shape `(ys, xs)`: the
    /// centres of the cells of a section or of a rectilinear grid on a separable map.
    ///
    /// # Errors
    /// [`Error::Invalid`] for lengths that do not fit.
    pub fn rectilinear(xs: &[f64], ys: &[f64], values: Vec<f64>) -> Result<Self> {
        if xs.len().checked_mul(ys.len()) != Some(values.len()) {
            return Err(Error::Invalid(format!(
                "{} values do not fit {} rows and {} columns",
                values.len(),
                ys.len(),
                xs.len()
            )));
        }
        let places = ys.iter().flat_map(|y| xs.iter().map(|x| [*x as f32, *y as f32])).collect();
        Ok(Self::of(xs.len(), ys.len(), places, values))
    }

    /// Nodes every `step` pixels of a panel, its edges included, with the value that `value` gives at each (x, y).
    pub fn sampled((width, height): Size, step: f64, value: impl Fn(f64, f64) -> f64 + Sync) -> Self {
        let (xs, ys) = (ruler(width, step), ruler(height, step));
        let places: Vec<[f32; 2]> =
            ys.iter().flat_map(|y| xs.iter().map(|x| [*x as f32, *y as f32])).collect();
        let values = places.par_iter().map(|[x, y]| value(f64::from(*x), f64::from(*y))).collect();
        Self::of(xs.len(), ys.len(), places, values)
    }

    /// Nodes at the centres of the cells that a view shows.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn of_cells(
        cells: &CellMap,
        grid: &Grid,
        field: &Field,
        view: &View,
        cancel: &Cancel,
    ) -> Result<Self> {
        let is_native = view.projection == MapProjection::Native;
        let farthest = f64::from(view.width.max(view.height)) / 2.0;
        let look = MapLook { grid, field, view: view.compiled(), seam: Seam::of(view), is_native, farthest };
        Self::of_pixels((view.width, view.height), cells, &look, cancel)
    }

    /// Nodes at the centres of the cells of a panel's pixels, and of those around it.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn of_pixels(
        (width, height): Size,
        cells: &CellMap,
        look: &impl Look,
        cancel: &Cancel,
    ) -> Result<Self> {
        let (columns, rows) = (pixel_ruler(width, height), pixel_ruler(height, width));
        if columns.is_empty() || rows.is_empty() {
            return Ok(Self::of(0, 0, Vec::new(), Vec::new()));
        }
        let beyond = usual_cell(cells, (width, height));
        let (columns, rows) = (surrounded(columns, beyond), surrounded(rows, beyond));
        let is_inside = |column: i64, row: i64| {
            (0..i64::from(width)).contains(&column) && (0..i64::from(height)).contains(&row)
        };
        let lines: Vec<Vec<([f32; 2], f64)>> = rows
            .par_iter()
            .map(|row| {
                cancel.check()?;
                let mut seen = Seen { cell: NO_CELL, value: f64::NAN, centre: None };
                let node = |column: &i64| {
                    let at = (*column as f64 + 0.5, *row as f64 + 0.5);
                    let cell = match is_inside(*column, *row) {
                        true => cell_of(cells, width, *column, *row),
                        false => look.beyond(at).unwrap_or(NO_CELL),
                    };
                    if cell != seen.cell {
                        seen = Seen::of(cell, look);
                    }
                    let (x, y) = seen.centre.and_then(|centre| look.from(at, centre)).unwrap_or(at);
                    ([x as f32, y as f32], seen.value)
                };
                Ok(columns.iter().map(node).collect())
            })
            .collect::<Result<_>>()?;
        let (places, values) = lines.into_iter().flatten().unzip();
        let mut lattice = Self::of(columns.len(), rows.len(), places, values);
        lattice.cut_between(cells, (width, height), (&columns, &rows), look, cancel)?;
        Ok(lattice)
    }

    fn of(n_columns: usize, n_rows: usize, places: Vec<[f32; 2]>, values: Vec<f64>) -> Self {
        let n_quads = n_columns.saturating_sub(1) * n_rows.saturating_sub(1);
        Self { n_columns, n_rows, places, values, cut: vec![false; n_quads] }
    }

    /// Cuts quads with a missing pixel between their corners.
    fn cut_between(
        &mut self,
        cells: &CellMap,
        (width, height): Size,
        (columns, rows): (&[i64], &[i64]),
        look: &impl Look,
        cancel: &Cancel,
    ) -> Result<()> {
        let inside = |pair: &[i64], length: u32| pair[0].max(0)..=pair[1].min(i64::from(length) - 1);
        let is_dense =
            |ruler: &[i64], length: u32| ruler.windows(2).all(|pair| inside(pair, length).count() <= 2);
        let n_quads = self.n_columns.saturating_sub(1);
        if n_quads == 0 || (is_dense(columns, width) && is_dense(rows, height)) {
            return Ok(());
        }
        self.cut.par_chunks_mut(n_quads).zip(rows.par_windows(2)).try_for_each(|(cut, rows)| {
            cancel.check()?;
            let mut last = (NO_CELL, true);
            let mut is_missing = |column: i64, row: i64| {
                let cell = cell_of(cells, width, column, row);
                if cell != last.0 {
                    last = (cell, !look.value(cell).is_finite());
                }
                cell == NO_CELL || last.1
            };
            for (cut, columns) in cut.iter_mut().zip(columns.windows(2)) {
                *cut = inside(rows, height)
                    .any(|row| inside(columns, width).any(|column| is_missing(column, row)));
            }
            Ok(())
        })
    }

    /// Smallest and largest value at the nodes; `None` without any.
    pub fn extremes(&self) -> Option<(f64, f64)> {
        super::range::extremes(self.values.iter().copied())
    }

    /// The corners of a quad, around it; `None` if one is missing or the quad is cut.
    pub(super) fn quad(&self, row: usize, column: usize) -> Option<Quad> {
        let n_quads = self.n_columns.checked_sub(1)?;
        if column >= n_quads || *self.cut.get(row * n_quads + column)? {
            return None;
        }
        let above = row * self.n_columns + column;
        let nodes = [above, above + 1, above + self.n_columns + 1, above + self.n_columns];
        let mut quad = Quad { nodes, places: [[0.0; 2]; 4], values: [0.0; 4] };
        for (corner, node) in nodes.into_iter().enumerate() {
            quad.places[corner] = *self.places.get(node)?;
            quad.values[corner] = *self.values.get(node)?;
        }
        let is_placed = quad.places.iter().flatten().all(|at| at.abs() <= FARTHEST);
        (is_placed && quad.values.iter().all(|value| value.is_finite())).then_some(quad)
    }
}

/// Four neighbouring nodes, around the quad between them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quad {
    /// Their numbers.
    pub(super) nodes: [usize; 4],
    /// Where they are.
    pub(super) places: [[f32; 2]; 4],
    /// Their values.
    pub(super) values: [f64; 4],
}

impl Quad {
    /// Place and value in the middle: four triangles around it share the quad, and values are linear in each.
    pub(super) fn middle(&self) -> ([f32; 2], f64) {
        let mean = |axis: usize| self.places.iter().map(|place| place[axis] / 4.0).sum();
        ([mean(0), mean(1)], self.values.iter().map(|value| value / 4.0).sum())
    }
}

/// What is known of the cells of a panel.
pub(super) trait Look: Sync {
    /// The value of a cell; NaN if it is missing.
    fn value(&self, cell: u32) -> f64;

    /// Where the middle of a cell is.
    fn centre(&self, cell: u32) -> Option<(f64, f64)>;

    /// Where the middle of a cell is as seen from a point in the cell; `None` if it is not to be seen from there. The node
    /// of that point then stays where it is.
    fn from(&self, at: (f64, f64), centre: (f64, f64)) -> Option<(f64, f64)>;

    /// The cell at a point beyond the panel.
    fn beyond(&self, at: (f64, f64)) -> Option<u32>;
}

/// The cells of a map.
struct MapLook<'m> {
    grid: &'m Grid,
    field: &'m Field,
    view: CompiledView<'m>,
    seam: Seam,
    is_native: bool,
    /// No cell's centre is farther than this from its nodes, in pixels.
    farthest: f64,
}

impl Look for MapLook<'_> {
    fn value(&self, cell: u32) -> f64 {
        self.field.value(cell)
    }

    fn centre(&self, cell: u32) -> Option<(f64, f64)> {
        self.view.position(self.grid.centre(cell)?)
    }

    fn from(&self, at: (f64, f64), centre: (f64, f64)) -> Option<(f64, f64)> {
        let centre = self.seam.turned(at, centre);
        let distance = (at.0 - centre.0).hypot(at.1 - centre.1);
        (distance <= self.farthest && !self.seam.is_between(&self.view, at, centre)).then_some(centre)
    }

    fn beyond(&self, (x, y): (f64, f64)) -> Option<u32> {
        let place = self.view.place(x, y)?;
        (self.is_native || place.latitude.abs() <= 90.0).then(|| self.grid.locate(place)).flatten()
    }
}

/// A cell with what is known of it, kept while neighbouring nodes are in it.
struct Seen {
    cell: u32,
    value: f64,
    centre: Option<(f64, f64)>,
}

impl Seen {
    fn of(cell: u32, look: &impl Look) -> Self {
        let value = if cell == NO_CELL { f64::NAN } else { look.value(cell) };
        let is_finite = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
        let centre = if value.is_finite() { look.centre(cell).filter(is_finite) } else { None };
        Self { cell, value, centre }
    }
}

/// Where a map is cut, so that neighbours on the earth lie at its opposite sides.
#[derive(Debug, Clone, Copy)]
enum Seam {
    /// Nowhere.
    None,
    /// At the sides, where the map begins again after so many pixels.
    Turn(f64),
    /// Along the outline.
    Outline,
}

impl Seam {
    fn of(view: &View) -> Self {
        match view.projection {
            MapProjection::PlateCarree | MapProjection::Mercator => {
                let span = view.extent.east - view.extent.west;
                Self::Turn(360.0 / span * f64::from(view.width))
            }
            MapProjection::Robinson | MapProjection::Mollweide | MapProjection::EqualEarth => Self::Outline,
            _ => Self::None,
        }
    }

    /// The centre in the turn of the map that is nearest to a node.
    fn turned(self, node: (f64, f64), centre: (f64, f64)) -> (f64, f64) {
        match self {
            Self::Turn(turn) if turn.is_finite() && turn > 0.0 => {
                (centre.0 + ((node.0 - centre.0) / turn).round() * turn, centre.1)
            }
            _ => centre,
        }
    }

    /// True if the seam lies between a node and the centre of its cell.
    fn is_between(self, view: &CompiledView<'_>, node: (f64, f64), centre: (f64, f64)) -> bool {
        let distance = (node.0 - centre.0).hypot(node.1 - centre.1);
        // Only cells of more than a few pixels can matter, and most are smaller.
        if distance < 2.0 || !matches!(self, Self::Outline) {
            return false;
        }
        match (view.place(node.0, node.1), view.place(centre.0, centre.1)) {
            (Some(one), Some(other)) => (one.longitude - other.longitude).abs() > 180.0,
            _ => false,
        }
    }
}

/// The cell of a pixel; `None` if it has none.
pub(super) fn cell_at(cells: &CellMap, width: u32, column: u32, row: u32) -> Option<u32> {
    let is_inside = column < width;
    Some(cell_of(cells, width, i64::from(column), i64::from(row)))
        .filter(|cell| is_inside && *cell != NO_CELL)
}

fn cell_of(cells: &CellMap, width: u32, column: i64, row: i64) -> u32 {
    match cells {
        CellMap::Separable { rows, columns, n_columns } => {
            let found = rows.get(row as usize).zip(columns.get(column as usize));
            match found {
                Some((&row, &column)) if row != NO_CELL && column != NO_CELL => {
                    row.checked_mul(*n_columns).and_then(|first| first.checked_add(column)).unwrap_or(NO_CELL)
                }
                _ => NO_CELL,
            }
        }
        CellMap::Each(cells) => {
            cells.get(row as usize * width as usize + column as usize).copied().unwrap_or(NO_CELL)
        }
    }
}

/// Pixels of a side that have nodes, the first and the last among them.
fn pixel_ruler(length: u32, other: u32) -> Vec<i64> {
    let n_pixels = u64::from(length) * u64::from(other);
    let step = (n_pixels as f64 / MAX_NODES as f64).sqrt().ceil().max(1.0) as usize;
    let last = i64::from(length) - 1;
    let mut ruler: Vec<i64> = (0..=last).step_by(step).collect();
    if ruler.last().is_some_and(|end| *end < last) {
        ruler.push(last);
    }
    ruler
}

/// About how many pixels wide a cell is: cells are met along the sides of the panel and through its middle.
fn usual_cell(cells: &CellMap, (width, height): Size) -> i64 {
    let (right, foot) = (i64::from(width) - 1, i64::from(height) - 1);
    let mut n_pixels = 0;
    let mut n_cells = 0;
    let mut meet = |cell: u32, last: &mut u32| {
        if cell != NO_CELL {
            n_pixels += 1;
            n_cells += i64::from(cell != *last);
        }
        *last = cell;
    };
    for row in [0, foot / 2, foot] {
        let mut last = NO_CELL;
        (0..=right).for_each(|column| meet(cell_of(cells, width, column, row), &mut last));
    }
    for column in [0, right / 2, right] {
        let mut last = NO_CELL;
        (0..=foot).for_each(|row| meet(cell_of(cells, width, column, row), &mut last));
    }
    (n_pixels / n_cells.max(1)).clamp(1, 1024)
}

/// A ruler with one more position before and behind it.
fn surrounded(mut ruler: Vec<i64>, beyond: i64) -> Vec<i64> {
    if let (Some(first), Some(last)) = (ruler.first().copied(), ruler.last().copied()) {
        ruler.insert(0, first - beyond);
        ruler.push(last + beyond);
    }
    ruler
}

/// Positions from 0 to a length, a step apart or a little less.
fn ruler(length: u32, step: f64) -> Vec<f64> {
    let length = f64::from(length);
    let n_steps = (length / step.max(1.0)).ceil().clamp(1.0, 8192.0);
    let n_steps = if n_steps.is_nan() { 1.0 } else { n_steps };
    (0..=n_steps as u32).map(|i| length * f64::from(i) / n_steps).collect()
}
