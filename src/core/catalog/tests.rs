//! The catalog over files of a fake format, on a clock that the tests move.

mod cold;
mod found;
mod opened;
mod world;
