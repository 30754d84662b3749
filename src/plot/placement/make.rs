//! From the numbers of coordinates to grids.

use std::sync::Arc;

use thermocline_core::format::Region;
use thermocline_core::manifest::{Manifest, blocking};
use thermocline_core::read::{Decoder, Reader};
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::cf::{Healpix, Horizontal, Projection, is_in_radians};
use thermocline_model::{ArrayBytes, Attributes, Variable};
use thermocline_render::grid::{Corners, MAX_CELLS};
use thermocline_render::{Cancel, Grid};

use super::Found;
use super::mesh::{Faces, Mpas};

/// Most corners of a grid of polygons.
const MAX_GRID_CORNERS: u64 = 1 << 28;

/// Memory for each number of a coordinate while a grid is made, in bytes: as it is stored, and decoded.
const NUMBER_BYTES: u64 = 16;

/// Memory for each cell while the search structure of a grid is made, in bytes (measured).
const CELL_BYTES: u64 = 100;

/// What a grid is made of, read.
pub(crate) enum Material {
    Rectilinear { longitudes: Vec<f64>, latitudes: Vec<f64> },
    Plane { x: Vec<f64>, y: Vec<f64>, projection: Projection },
    Curvilinear { shape: (usize, usize), longitudes: Vec<f64>, latitudes: Vec<f64>, corners: Option<Corners> },
    Polygons(Corners),
    Faces(Nodes),
    Centres { longitudes: Vec<f64>, latitudes: Vec<f64> },
    Healpix { grid: Healpix, n_cells: u64, numbers: Option<Vec<f64>> },
    Native { n_rows: usize, n_columns: usize },
}

/// Polygons by the numbers of their nodes.
pub(crate) struct Nodes {
    /// Numbers in C order; NaN for none.
    numbers: Vec<f64>,
    n_each: usize,
    /// True if the numbers of the first node of all polygons come first.
    is_turned: bool,
    /// The number of the first node.
    start: f64,
    /// How many of the numbers count, of each polygon; all, if not known.
    counts: Option<Vec<f64>>,
    longitudes: Vec<f64>,
    latitudes: Vec<f64>,
}

/// Reads what a grid is made of.
///
/// # Errors
/// Coordinates that cannot be read; [`ErrorKind::TooLarge`] beyond the most cells of a grid.
pub(crate) async fn make(
    reader: &Reader,
    manifest: &Arc<Manifest>,
    variable: &Variable,
    found: Found<'_>,
) -> Result<Material> {
    let read = Read { reader, manifest };
    Ok(match found {
        Found::Rectilinear { degrees, .. } => {
            let (longitudes, latitudes) = read.degrees(&degrees, &degrees).await?;
            Material::Rectilinear { longitudes, latitudes }
        }
        Found::Plane { x, y, projection, .. } => {
            let (x, y) = (read.plane(x, &projection).await?, read.plane(y, &projection).await?);
            Material::Plane { x, y, projection }
        }
        Found::Curvilinear { axes, degrees, bounds } => {
            let lengths = (length(variable, axes.0)?, length(variable, axes.1)?);
            read.curvilinear(lengths, &degrees, bounds).await?
        }
        Found::Bounded { degrees, bounds, .. } => Material::Polygons(read.corners(&degrees, &bounds).await?),
        Found::Faces { faces, .. } => Material::Faces(read.faces(&faces).await?),
        Found::Mpas { mpas, .. } => Material::Faces(read.mpas(&mpas).await?),
        Found::Centres { degrees, .. } => {
            let (longitudes, latitudes) = read.degrees(&degrees, &degrees).await?;
            Material::Centres { longitudes, latitudes }
        }
        Found::Healpix { axis, grid, numbers } => {
            let numbers = match numbers {
                Some(numbers) => Some(read.numbers(numbers, &numbers.attrs).await?),
                None => None,
            };
            Material::Healpix { grid, n_cells: length(variable, axis)? as u64, numbers }
        }
        Found::Native { axes } => {
            Material::Native { n_rows: length(variable, axes.0)?, n_columns: length(variable, axes.1)? }
        }
    })
}

/// Memory that making a grid takes, in bytes, from the lengths of what it is made of.
pub(crate) fn making_bytes(found: &Found<'_>) -> u64 {
    let numbers = |variables: &[&Variable]| {
        let n = variables.iter().map(|variable| variable.n_elements().unwrap_or(u64::MAX));
        n.fold(0, u64::saturating_add).saturating_mul(NUMBER_BYTES)
    };
    let both = |degrees: &Horizontal<'_>| numbers(&[degrees.longitude, degrees.latitude]);
    // Coordinates may have a step before the dimensions of their cells.
    let cells = |of: &Horizontal<'_>, n_dims: usize| {
        let lengths = of.latitude.shape.iter().rev().take(n_dims);
        lengths.fold(CELL_BYTES, |bytes, len| bytes.saturating_mul(*len)).saturating_add(both(of))
    };
    // Each corner of a face gets a place.
    let faces = |numbered: &Variable, nodes: &Horizontal<'_>| {
        let n_each = numbered.shape.iter().copied().min().unwrap_or(1).max(1);
        let cells = numbered.n_elements().map_or(u64::MAX, |n| (n / n_each).saturating_mul(CELL_BYTES));
        cells.saturating_add(numbers(&[numbered, numbered])).saturating_add(both(nodes))
    };
    match found {
        Found::Rectilinear { degrees, .. } => both(degrees),
        Found::Plane { x, y, .. } => numbers(&[x, y]),
        Found::Curvilinear { degrees, bounds, .. } => {
            cells(degrees, 2).saturating_add(bounds.as_ref().map_or(0, both))
        }
        Found::Bounded { degrees, bounds, .. } => cells(degrees, 1).saturating_add(both(bounds)),
        Found::Faces { faces: found, .. } => faces(found.connectivity, &found.nodes),
        Found::Mpas { mpas, .. } => faces(mpas.vertices_on_cell, &mpas.vertices),
        Found::Centres { degrees, .. } => cells(degrees, 1),
        Found::Healpix { numbers: Some(numbered), .. } => numbers(&[numbered, numbered]),
        Found::Healpix { numbers: None, .. } | Found::Native { .. } => 0,
    }
}

impl Material {
    /// The grid. Computes.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for numbers that make no grid.
    pub(crate) fn grid(self, cancel: &Cancel) -> Result<Grid> {
        let grid = match self {
            Self::Rectilinear { longitudes, latitudes } => Grid::rectilinear(&longitudes, &latitudes),
            Self::Plane { x, y, projection } => Grid::plane(&x, &y, projection),
            Self::Curvilinear { shape, longitudes, latitudes, corners } => {
                Grid::curvilinear(shape, longitudes, latitudes, corners, cancel)
            }
            Self::Polygons(corners) => Grid::polygons(corners, cancel),
            Self::Faces(nodes) => Grid::polygons(nodes.corners()?, cancel),
            Self::Centres { longitudes, latitudes } => Grid::centres(longitudes, latitudes, cancel),
            Self::Healpix { grid, n_cells, numbers } => Grid::healpix(
                grid,
                n_cells,
                numbers.map(|numbers| pixel_numbers(&numbers)).transpose()?.flatten(),
            ),
            Self::Native { n_rows, n_columns } => Grid::native(n_rows, n_columns),
        };
        grid.map_err(|error| match error {
            thermocline_render::Error::TooLarge(detail) => Error::new(ErrorKind::TooLarge, detail),
            other => Error::unsupported(format!("the coordinates make no grid: {other}")),
        })
    }
}

/// The numbers of pixels; `None` if they are counted from 0.
fn pixel_numbers(numbers: &[f64]) -> Result<Option<Vec<u64>>> {
    if numbers.iter().enumerate().all(|(at, number)| *number == at as f64) {
        return Ok(None);
    }
    let number = |number: &f64| {
        let is_whole = *number >= 0.0 && number.fract() == 0.0 && *number < 9.0e15;
        // A cell without a number is nowhere: no pixel has this one.
        if number.is_nan() { Ok(u64::MAX) } else { is_whole.then_some(*number as u64).ok_or(*number) }
    };
    let numbers: Result<Vec<u64>, f64> = numbers.iter().map(number).collect();
    numbers
        .map(Some)
        .map_err(|number| Error::unsupported(format!("{number} is no number of a HEALPix pixel")))
}

impl Nodes {
    /// The corners of all polygons. Those that name a node that does not exist have none.
    fn corners(self) -> Result<Corners> {
        let n_each = self.n_each.max(1);
        let n_cells = self.numbers.len() / n_each;
        let n_corners = n_cells * n_each;
        let (mut longitudes, mut latitudes) = (vec![f64::NAN; n_corners], vec![f64::NAN; n_corners]);
        for cell in 0..n_cells {
            let places = self.places(cell, n_cells, n_each);
            let to = cell * n_each;
            for (at, (longitude, latitude)) in places.into_iter().flatten().enumerate() {
                if let (Some(x), Some(y)) = (longitudes.get_mut(to + at), latitudes.get_mut(to + at)) {
                    (*x, *y) = (longitude, latitude);
                }
            }
        }
        if n_cells > 0 && longitudes.iter().all(|longitude| longitude.is_nan()) {
            return Err(Error::unsupported("no face of the mesh has a node that exists"));
        }
        Ok(Corners { n_each, longitudes, latitudes })
    }

    /// The corners of a polygon; `None` if one of them is no node.
    fn places(&self, cell: usize, n_cells: usize, n_each: usize) -> Option<Vec<(f64, f64)>> {
        let count = self.counts.as_ref().and_then(|counts| counts.get(cell));
        let count = count.map_or(n_each, |count| (*count as usize).min(n_each));
        let mut places = Vec::with_capacity(count);
        for corner in 0..count {
            let at = if self.is_turned { corner * n_cells + cell } else { cell * n_each + corner };
            let number = self.numbers.get(at)? - self.start;
            // Polygons with fewer corners than others end with numbers of nothing.
            if number.is_nan() || number < 0.0 {
                continue;
            }
            let node = (number.fract() == 0.0).then_some(number as usize)?;
            places.push((*self.longitudes.get(node)?, *self.latitudes.get(node)?));
        }
        Some(places)
    }
}

fn length(variable: &Variable, axis: usize) -> Result<usize> {
    let len = variable.shape.get(axis).copied().unwrap_or(0);
    let too_many = || Error::new(ErrorKind::TooLarge, format!("{len} cells exceed {MAX_CELLS}"));
    usize::try_from(len).ok().filter(|_| len <= MAX_CELLS).ok_or_else(too_many)
}

/// Reads coordinates of one dataset.
struct Read<'r> {
    reader: &'r Reader,
    manifest: &'r Arc<Manifest>,
}

impl Read<'_> {
    async fn numbers(&self, variable: &Variable, attrs: &Attributes) -> Result<Vec<f64>> {
        numbers(self.reader, self.manifest, variable, attrs).await
    }

    /// Longitudes and latitudes in degrees, of coordinates or of their bounds.
    async fn degrees(&self, of: &Horizontal<'_>, stored: &Horizontal<'_>) -> Result<(Vec<f64>, Vec<f64>)> {
        let longitudes = self.in_degrees(of.longitude, stored.longitude).await?;
        Ok((longitudes, self.in_degrees(of.latitude, stored.latitude).await?))
    }

    /// Bounds have the units and missing values of what they bound, unless they say otherwise.
    async fn in_degrees(&self, of: &Variable, stored: &Variable) -> Result<Vec<f64>> {
        let values = self.numbers(stored, &stored.attrs).await?;
        let says_units = stored.attrs.text("units").is_some();
        let is_radian = if says_units {
            is_in_radians(&stored.name, &stored.attrs)
        } else {
            is_in_radians(&of.name, &of.attrs)
        };
        if is_radian { each(values, f64::to_degrees).await } else { Ok(values) }
    }

    async fn plane(&self, coordinate: &Variable, projection: &Projection) -> Result<Vec<f64>> {
        let scale = projection.scale(coordinate.attrs.text("units"));
        let scale = scale.ok_or_else(|| {
            Error::unsupported(format!("the units of {:?} are none of its grid mapping", coordinate.name))
        })?;
        let values = self.numbers(coordinate, &coordinate.attrs).await?;
        if scale == 1.0 { Ok(values) } else { each(values, move |value| value * scale).await }
    }

    async fn curvilinear(
        &self,
        (n_rows, n_columns): (usize, usize),
        degrees: &Horizontal<'_>,
        bounds: Option<Horizontal<'_>>,
    ) -> Result<Material> {
        let (longitudes, latitudes) = self.degrees(degrees, degrees).await?;
        let n_cells = n_rows.checked_mul(n_columns).filter(|n| *n > 0);
        let Some(n_cells) = n_cells else { return Err(Error::unsupported("the grid has no cells")) };
        let Some((longitudes, latitudes)) = steady((longitudes, latitudes), n_cells).await? else {
            return Err(Error::unsupported(format!(
                "the places of {:?} and {:?} move along {:?}",
                degrees.longitude.name,
                degrees.latitude.name,
                degrees.latitude.dims.first().map(String::as_str).unwrap_or_default()
            )));
        };
        let corners = match bounds.filter(|bounds| bounds.latitude.shape.len() == 3) {
            Some(bounds) if bounds.latitude.shape.last() == Some(&4) => {
                Some(self.corners(degrees, &bounds).await?)
            }
            _ => None,
        };
        Ok(Material::Curvilinear { shape: (n_rows, n_columns), longitudes, latitudes, corners })
    }

    async fn corners(&self, of: &Horizontal<'_>, bounds: &Horizontal<'_>) -> Result<Corners> {
        let n_corners = bounds.latitude.n_elements().unwrap_or(u64::MAX);
        check_corners(n_corners)?;
        let n_each = bounds.latitude.shape.last().and_then(|n| usize::try_from(*n).ok()).unwrap_or(1);
        let (longitudes, latitudes) = self.degrees(of, bounds).await?;
        Ok(Corners { n_each, longitudes, latitudes })
    }

    async fn faces(&self, faces: &Faces<'_>) -> Result<Nodes> {
        let connectivity = faces.connectivity;
        check_corners(connectivity.n_elements().unwrap_or(u64::MAX))?;
        let numbers = self.numbers(connectivity, &connectivity.attrs).await?;
        let n_each = if faces.is_turned { connectivity.shape.first() } else { connectivity.shape.last() };
        let n_each = n_each.and_then(|n| usize::try_from(*n).ok()).unwrap_or(1);
        let start = connectivity.attrs.get("start_index").and_then(|start| start.as_number());
        let start = start.map_or(0.0, |start| start.as_f64());
        let (longitudes, latitudes) = self.degrees(&faces.nodes, &faces.nodes).await?;
        Ok(Nodes { numbers, n_each, is_turned: faces.is_turned, start, counts: None, longitudes, latitudes })
    }

    async fn mpas(&self, mpas: &Mpas<'_>) -> Result<Nodes> {
        let on_cell = mpas.vertices_on_cell;
        check_corners(on_cell.n_elements().unwrap_or(u64::MAX))?;
        let numbers = self.numbers(on_cell, &on_cell.attrs).await?;
        let n_each = on_cell.shape.last().and_then(|n| usize::try_from(*n).ok()).unwrap_or(1);
        let counts = match mpas.n_edges_on_cell {
            Some(counts) => Some(self.numbers(counts, &counts.attrs).await?),
            None => None,
        };
        let longitudes = self.in_mpas_degrees(mpas.vertices.longitude).await?;
        let latitudes = self.in_mpas_degrees(mpas.vertices.latitude).await?;
        Ok(Nodes { numbers, n_each, is_turned: false, start: 1.0, counts, longitudes, latitudes })
    }

    /// All angles of these meshes are radians, unless they say otherwise.
    async fn in_mpas_degrees(&self, of: &Variable) -> Result<Vec<f64>> {
        let values = self.numbers(of, &of.attrs).await?;
        let is_radian = of.attrs.text("units").is_none() || is_in_radians(&of.name, &of.attrs);
        if is_radian { each(values, f64::to_degrees).await } else { Ok(values) }
    }
}

/// Degrees of all cells, one after the other.
type Degrees = (Vec<f64>, Vec<f64>);

/// The first step of places that models write once a step; `None` where they move: no map holds for all steps.
async fn steady((mut longitudes, mut latitudes): Degrees, n_cells: usize) -> Result<Option<Degrees>> {
    blocking(move || {
        let is_steady = |values: &[f64]| {
            let (first, rest) = values.split_at(n_cells.min(values.len()));
            let is_same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
            rest.chunks(n_cells).all(|step| first.iter().zip(step).all(is_same))
        };
        if !is_steady(&longitudes) || !is_steady(&latitudes) {
            return Ok(None);
        }
        longitudes.truncate(n_cells);
        latitudes.truncate(n_cells);
        Ok(Some((longitudes, latitudes)))
    })
    .await
}

/// All values changed.
async fn each(mut values: Vec<f64>, change: impl Fn(f64) -> f64 + Send + 'static) -> Result<Vec<f64>> {
    blocking(move || {
        values.iter_mut().for_each(|value| *value = change(*value));
        Ok(values)
    })
    .await
}

fn check_corners(n_corners: u64) -> Result<()> {
    if n_corners <= MAX_GRID_CORNERS {
        return Ok(());
    }
    Err(Error::new(ErrorKind::TooLarge, format!("{n_corners} corners of cells exceed {MAX_GRID_CORNERS}")))
}

/// All numbers of a variable, decoded by attributes; missing ones are NaN. Mostly they are kept with the manifest.
///
/// # Errors
/// Those of [`Reader::values`]; [`ErrorKind::Unsupported`] for what has no numbers.
pub(crate) async fn numbers(
    reader: &Reader,
    manifest: &Arc<Manifest>,
    variable: &Variable,
    attrs: &Attributes,
) -> Result<Vec<f64>> {
    let none = || Error::unsupported(format!("{:?} has no numbers", variable.name));
    let decoder = Decoder::new(&variable.dtype, attrs).ok_or_else(none)?;
    let region = Region { start: vec![0; variable.shape.len()], shape: variable.shape.clone() };
    let stored = reader.values(manifest, variable, &region).await?;
    let ArrayBytes::Fixed(bytes) = stored else { return Err(none()) };
    blocking(move || {
        let mut values = vec![f64::NAN; bytes.len() / decoder.element_size()];
        decoder.decode(&bytes, &mut values);
        Ok(values)
    })
    .await
}
