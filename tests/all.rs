//! All tests of the repository as a whole, in one binary: linking is what takes long.

#![cfg(test)]

mod architecture;
mod plugins;
