//! Claims of the engine as a whole: over a fake store, a database and a cache on the disk, on a clock that tests move.

mod bound;
mod cancel;
mod copies;
mod deliveries;
mod durable;
mod ends;
mod failures;
mod forgotten;
mod in_place;
mod life;
mod patience;
mod quotas;
mod room;
mod scale;
mod store;
mod telling;
mod told;
mod world;
