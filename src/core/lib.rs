//! The verbs of Thermocline: finding datasets, indexing them, reading their chunks.
//!
//! Formats, cold stores and providers are traits here and crates of their own below `plugins/`.
//! Nothing in this crate knows HTTP.

pub mod access;
pub mod admission;
pub mod bytes;
pub mod catalog;
pub mod clock;
pub mod cold;
pub mod coordinates;
pub mod error;
pub mod flight;
pub mod format;
pub mod harvest;
pub mod index;
pub mod jobs;
pub mod manifest;
pub mod names;
#[cfg(feature = "oidc")]
pub mod oidc;
pub mod parallel;
pub mod read;
pub mod reference;
pub mod select;
pub mod staging;
pub mod state;
pub mod threads;
pub mod verify;
pub mod webhook;
pub mod write;

pub use error::{Error, ErrorKind, Result};
