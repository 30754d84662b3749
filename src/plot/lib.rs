//! Plots of a dataset's variables: from what is asked for to the bytes of a picture. No HTTP: the server and the command
//! line both come here.
//!
//! ```text
//! Request   the words of a request, checked by a closed grammar               request, options
//! Plan      what of the variable is drawn, on which grid, how; metadata only   plan, placement
//! Read      the values that the picture needs, and what is known of the rest   read
//! Drawn     the picture, and what it shows                                     draw
//! ```
//!
//! A [`Plotter`] keeps what several plots share: grids with their search structures, decoded fields, a bound for what is
//! drawn at the same time. Drawing runs on threads of its own with a lower priority than those that serve chunks.

mod defaults;
mod derivation;
mod draw;
mod failure;
mod options;
mod placement;
mod plan;
mod plotter;
mod read;
mod request;
#[cfg(test)]
mod testing;

pub use derivation::{Derivation, DerivedRange};
pub use draw::{Drawn, Facts};
pub use failure::Failure;
pub use options::{
    Interpolation, Kind, MAX_EDGES, MAX_FRAMES, MAX_PIXELS, MAX_SIDE, MAX_TEXT_CHARS, NormChoice, OptionSpec,
    Options, Switch,
};
pub use placement::{AxisRole, Placement, Places, axis_roles};
pub use plan::{Animation, Content, Dim, Plan, has_variable};
pub use plotter::{Admission, PlotSettings, Plotter};
pub use read::{Axes, Needs, ReadField, ReadSeries, Wanted};
pub use request::{Format, PathForm, Request};
