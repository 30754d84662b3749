//! Claims of the engine as a whole: over a fake store, a database and a cache on the disk, on a clock that tests move.

mod bound;
mod cancel;
mod copies;
mod durable;
mod failures;
mod in_place;
mod life;
mod patience;
mod room;
mod scale;
mod store;
mod told;
mod world;
