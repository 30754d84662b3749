//! Names that no group and no array can have in what is served.

/// Keys of Zarr that a name must not be.
const KEYS: [&str; 5] = ["zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"];

/// Why a group or an array of this name has to be left out; `None` for a name that can be served.
///
/// ```
/// use thermocline_core::names::reserved;
/// assert!(reserved("#refs#").is_some());
/// assert_eq!(reserved("Gate #1"), None);
/// ```
pub fn reserved(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("the name is empty"),
        "." | ".." => Some("the name is a relative path"),
        name if KEYS.contains(&name) => Some("the name is a key of Zarr"),
        name if name.starts_with("__") => Some("names that start with __ are reserved in Zarr"),
        name if name.contains('/') => Some("the name contains a slash"),
        // fsspec asks for the URL up to `#`: the group's own path, whose listing it would take for a chunk.
        name if name.starts_with('#') => {
            Some("names that start with # are cut off by clients, which would read a listing as data")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_elsewhere_are_left_out() {
        for name in ["", ".", "..", "zarr.json", ".zarray", "__proto__", "a/b", "#refs#", "#"] {
            assert!(reserved(name).is_some(), "{name}");
        }
        for name in ["c", "0.0", "Gate #1", "x#y?z", "_a", ".hidden", "zarr"] {
            assert_eq!(reserved(name), None, "{name}");
        }
    }
}
