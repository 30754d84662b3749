//! All tests of the repository as a whole, in one binary: linking is what takes long.

mod architecture;
mod plugins;
