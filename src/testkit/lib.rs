//! What tests of every crate share: files opened as formats see them, damage, and one conformance
//! suite for each trait of the core.

pub mod conformance;
mod files;
mod mutant;

pub use files::{LocalFile, decode_all};
pub use mutant::mutate;
