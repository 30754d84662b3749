//! Colour maps by name: matplotlib's, cmocean's and Crameri's.
//!
//! # Source
//! `colormap/maps.txt` names the maps with their origins and licences, `colormap/tables.png` has their colours, one map
//! a row; `colormap/pack.py` made both from the packages' own tables. `colormap/NOTICE` has the notices of their
//! licences.
//!
//! # Limits
//! Colorcet's maps (`cet_…`) are not there: their tables are under CC BY 4.0, which asks whoever shows them to name
//! their author.

mod names;

use std::sync::LazyLock;

use crate::{Error, Result};

/// Red, green and blue of the entries of a map.
pub type Table = [[u8; 3]; 256];

/// A colour map of 256 colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colormap {
    /// The name by which it was asked for.
    pub name: String,
    /// Red, green and blue of each entry.
    pub table: Table,
}

static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| decode(include_bytes!("colormap/tables.png")));

impl Colormap {
    /// The map of a name; `_r` after it reverses it. Names may lack the `cmo.` and `cmc.` of their origin, and be in any
    /// case if only one map has them so.
    ///
    /// ```
    /// use thermocline_render::Colormap;
    ///
    /// let viridis = Colormap::named("viridis")?;
    /// assert_eq!(viridis.table[0], [0x44, 0x01, 0x54]);
    /// assert_eq!(Colormap::named("viridis_r")?.table[255], viridis.table[0]);
    /// assert_eq!(Colormap::named("thermal")?.table, Colormap::named("cmo.thermal")?.table);
    /// # Ok::<(), thermocline_render::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that no map has, with the nearest names.
    pub fn named(name: &str) -> Result<Self> {
        let (plain, is_reversed) = match name.strip_suffix("_r") {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let table = names::row(plain).and_then(|row| TABLES.get(row)).ok_or_else(|| unknown(name))?;
        let mut table = *table;
        if is_reversed {
            table.reverse();
        }
        Ok(Self { name: name.to_owned(), table })
    }

    /// Names of all maps without their reverses, with where each is from, in the order of their origins.
    pub fn names() -> Vec<MapName> {
        names::all()
    }

    /// The names nearest to one that no map has, the nearest first: those that fewest letters make it differ from.
    pub fn nearest_names(name: &str, limit: usize) -> Vec<String> {
        names::nearest(name, limit)
    }
}

/// A colour map in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapName {
    /// Its name.
    pub name: &'static str,
    /// Other names of the same map: `thermal` of `cmo.thermal`.
    pub aliases: Vec<String>,
    /// Where it is from: `matplotlib`, `cmocean`, `crameri`.
    pub origin: &'static str,
    /// Its licence.
    pub license: &'static str,
}

fn unknown(name: &str) -> Error {
    let shown: String = name.chars().take(60).collect();
    let nearest = names::nearest(name, 5).join(", ");
    Error::Invalid(format!("cmap: no colour map is named '{shown}'; the nearest names are {nearest}"))
}

/// The rows of a picture 256 pixels wide; none if it is not one, which the tests rule out for the one built in.
fn decode(bytes: &[u8]) -> Vec<Table> {
    let rows = || -> Option<Vec<u8>> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().ok()?;
        let mut pixels = vec![0; reader.output_buffer_size()?];
        reader.next_frame(&mut pixels).ok()?;
        Some(pixels)
    };
    let pixels = rows().unwrap_or_default();
    let (colors, _) = pixels.as_chunks::<3>();
    let (tables, _) = colors.as_chunks::<256>();
    tables.to_vec()
}

#[cfg(test)]
mod tests;
