//! The cache of objects that were copied out of cold stores: its folder, and its space.
//!
//! [`CacheDir`] knows the files, [`Space`] what may come in and what may go. Neither knows requests: who wants
//! what, and what has to be durable before a file is removed, is the business of the engine.
//!
//! An object comes and goes like this:
//! 1. [`Space::reserve`]; if that fails, [`Space::victims`] tells what can go.
//! 2. [`super::landing::land`]; its first progress says [`Reservation::allocated`].
//! 3. [`Reservation::landed`], with its first pins. [`Space::read`] gives it to readers from now on.
//! 4. [`Space::victims`] or [`Space::evict`] take it out of reach, [`CacheDir::remove`] removes the file, and
//!    [`Eviction::removed`] gives the space back.
//!
//! After a start, [`CacheDir::recover`] compares the folder with the database before [`Space::restore`] fills the
//! accounts.

mod dir;
mod key;
mod recover;
mod space;
mod stamp;

pub use dir::{CacheDir, Found, Identified};
pub(crate) use dir::{Claim, FileStep, label, remove_file, sync_folder};
pub use key::CacheKey;
pub use recover::{Known, Recovered, Unknown};
pub use space::{Eviction, Kept, NoSpace, ReadGuard, Reservation, Space, SpaceSettings, SpaceUse};
pub use stamp::Stamp;
