//! The Conventions for Climate and Forecast metadata: what coordinates mean, and times.
//!
//! [`Axis`] tells what a coordinate measures, [`Scope`] which variables those of a group see, [`Roles`] which of them
//! are data, [`Grid`] where their cells lie: by latitudes and longitudes ([`Horizontal`]), in the plane of a map
//! ([`Projection`]) or as [`Healpix`] pixels.
//!
//! Times are numbers with units such as `hours since 1900-01-01` in one of six calendars: [`TimeUnits`] turns numbers
//! into [`DateTime`]s and back, [`Period`] reads the dates of a request. Instants are exact to the microsecond and
//! compared by their ticks ([`DateTime::ticks`]), 64-bit numbers within one calendar.
//!
//! ```
//! use thermocline_model::Number;
//! use thermocline_model::cf::{Calendar, Period, TimeUnits};
//!
//! let units = TimeUnits::parse("hours since 1999-12-31T12:00", Calendar::NoLeap)?;
//! let time = units.decode(Number::Float(1420.5))?;
//! assert_eq!(time.to_string(), "2000-02-28T16:30:00");
//!
//! let february = Period::parse("2000-02", Calendar::NoLeap)?;
//! assert_eq!(february.end().to_string(), "2000-03-01T00:00:00");
//! assert!(february.contains(&time));
//! # Ok::<(), thermocline_model::cf::TimeError>(())
//! ```
//!
//! # Source
//! CF Conventions 1.11. Where CF is silent about times, Python's cftime decides: `tests/cf` compares with it.
//!
//! # Limits
//! Years lie within [`MAX_YEAR`]; there are no leap seconds; nanoseconds are rounded to microseconds.

mod axis;
mod calendar;
mod datetime;
mod error;
#[cfg(test)]
mod example;
mod grid;
mod healpix;
mod horizontal;
mod mesh;
mod period;
mod projection;
mod reference;
mod roles;
mod scan;
mod scope;
#[cfg(test)]
mod tests;
mod units;
mod years;

pub use axis::{Axis, Evidence, is_in_radians};
pub use calendar::Calendar;
pub use datetime::{DateTime, MAX_YEAR};
pub use error::TimeError;
pub use grid::{Grid, Pixels, Plane};
pub use healpix::{Healpix, HealpixOrder};
pub use horizontal::Horizontal;
pub use period::{Period, Precision};
pub use projection::{Ellipsoid, LonLat, PlaneUnit, Projection};
pub use roles::{NAMING_BOUNDS, NAMING_COORDINATES, Role, Roles};
pub use scope::{Scope, along};
pub use units::{TimeUnits, Unit};
