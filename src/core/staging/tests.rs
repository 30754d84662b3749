//! Claims of the engine as a whole: over a fake store, a database and a cache on the disk, on a clock that tests move.

mod bound;
mod cancel;
mod durable;
mod failures;
mod life;
mod room;
mod scale;
mod store;
mod told;
mod world;
