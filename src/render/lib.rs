//! Draws fields on grids as pictures: from values, places and a style to pixels.
//!
//! It reads nothing and knows no dataset. The way of a map is
//!
//! ```text
//! View   pixel → place on the earth (projection, extent)            view
//! Grid   place → cell, with a search structure kept for each grid   grid
//!        View × Grid = CellMap: the cell of each pixel, which tells what must be read
//! Field  cell → value                                               field
//! Scale  value → entry of a colour map                              scale, colormap
//!        CellMap × Field × Scale = an Image                         raster
//! Mark   what is drawn into a panel: images, lines, discs, texts    mark, kinds
//! Figure panel, axes, texts, colour bar, coast → Picture            figure
//!        Picture → PNG, WebP, GIF, SVG                              encode
//! ```
//!
//! The same input gives the same bytes, on any number of threads. Work runs on rayon's current pool.
//!
//! # Pixel rules
//! Column i and row j count from the upper left corner; a pixel shows the cell that contains its centre
//! `(i + 0.5, j + 0.5)`. Values are compared as float64. Longitudes and latitudes are degrees.

pub mod color;
pub mod colormap;
pub mod earth;
pub mod encode;
mod error;
pub mod field;
pub mod figure;
pub mod grid;
pub mod kinds;
pub mod mark;
pub mod raster;
pub mod scale;
pub mod text;
pub mod ticks;
pub mod view;

pub use color::Color;
pub use colormap::Colormap;
pub use error::{Cancel, Error, Result};
pub use field::{Cells, Field, Statistics, Values};
pub use figure::{Figure, Frame, Layout, Picture, Theme};
pub use grid::{CellMap, Grid, NO_CELL};
pub use mark::{Image, Mark};
pub use scale::{Entry, Levels, Norm, Scale};
pub use view::{Extent, MapProjection, View};
