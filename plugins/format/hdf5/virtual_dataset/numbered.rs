//! Names of sources that are numbered: `%b` stands for the number of a block, `%%` for a percent sign.
//!
//! # Source
//! HDF5 library, `H5Pset_virtual`; `H5Dvirtual.c`, `H5D_virtual_parse_source_name`.

use thermocline_core::{Error, Result};

/// True if a name has a place for a number.
pub(super) fn is_numbered(name: &str) -> bool {
    name.replace("%%", "").contains("%b")
}

/// The name of the source with that number.
pub(super) fn numbered(name: &str, number: u64) -> Result<String> {
    let mut out = String::with_capacity(name.len());
    let mut rest = name.chars();
    while let Some(next) = rest.next() {
        if next != '%' {
            out.push(next);
            continue;
        }
        match rest.next() {
            Some('b') => out.push_str(&number.to_string()),
            Some('%') => out.push('%'),
            _ => return Err(Error::corrupt(format!("a source whose name has a single %: {name}"))),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_the_name_says() {
        for (name, is, expected) in [
            ("f-%b.h5", true, "f-12.h5"),
            ("%b/%b", true, "12/12"),
            ("100%%", false, "100%"),
            ("%%b", false, "%b"),
            ("plain", false, "plain"),
        ] {
            assert_eq!((is_numbered(name), numbered(name, 12).unwrap().as_str()), (is, expected));
        }
        assert!(numbered("%d", 1).is_err());
        assert!(numbered("%", 1).is_err());
    }
}
