//! The cache of objects that were copied out of cold stores: its folder, and its space.
//!
//! [`CacheDir`] knows the files, [`Space`] what may come in and what may go. Neither knows requests: who wants
//! what, and what has to be durable before a file is removed, is the business of the engine.

mod dir;
mod key;
mod recover;
mod space;

pub use dir::{CacheDir, Found, Identified};
pub(crate) use dir::{Claim, FileStep, label, remove_file, sync_folder};
pub use key::CacheKey;
pub use recover::{Known, Recovered, Unknown};
pub use space::{Eviction, Kept, NoSpace, ReadGuard, Reservation, Space, SpaceSettings, SpaceUse};
