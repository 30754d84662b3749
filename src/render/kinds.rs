//! The kinds of plots other than images: each makes marks for a panel from values, places and a style.
//!
//! | Module | Draws |
//! |---|---|
//! | [`contour`] | lines of equal value and filled levels, over a [`lattice`] |
//! | [`line`] | series over an axis |
//! | [`histogram`] | how values are spread |
//! | [`scatter`] | discs at places, on a map or between two axes |
//! | [`section`] | cells between two coordinates that are not both horizontal |
//! | [`quiver`] | arrows of two components |
//! | [`range`] | round numbers for levels and axes |
//! | [`palette`] | colours of several series |
//!
//! All are pure: what is drawn depends on the arguments alone. Sizes are in pixels of the panel. Values that are not
//! finite are missing.

pub mod contour;
pub mod histogram;
mod isoline;
mod label;
pub mod lattice;
pub mod line;
pub mod palette;
pub mod quiver;
pub mod range;
pub mod scatter;
pub mod section;

pub use contour::{ContourStyle, LineColor, contour, contour_levels, filled, filled_levels};
pub use histogram::Histogram;
pub use lattice::Lattice;
pub use line::{LineShape, LineStyle, Series};
pub use quiver::{QuiverStyle, Wind, quiver};
pub use scatter::{Edges, points, scatter};
pub use section::{SectionAxis, section_cells};

/// Width and height of a panel in pixels.
pub type Size = (u32, u32);
