//! Ids of datasets that are found rather than declared (contract: formats, section 1).

/// The id of a file or directory store, by its path relative to the folder that is served: the path
/// without the last extension, `/` written as `.`.
///
/// ```
/// use thermocline_core::catalog::id_of_path;
/// assert_eq!(id_of_path("era5/1979/t2m.nc"), "era5.1979.t2m");
/// assert_eq!(id_of_path("tas.v20240618.nc"), "tas.v20240618");
/// ```
pub fn id_of_path(relative: &str) -> String {
    let relative = relative.trim_matches('/');
    let (folder, name) = match relative.rsplit_once('/') {
        Some((folder, name)) => (Some(folder), name),
        None => (None, relative),
    };
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    };
    match folder {
        Some(folder) => format!("{}.{stem}", folder.replace('/', ".")),
        None => stem.to_owned(),
    }
}

/// Extensions that promise a dataset: such a file is listed even when it is none.
const PROMISING: &[&str] = &["nc", "nc4", "cdf", "h5", "hdf5", "he5"];

/// True for a name whose extension promises a dataset.
pub(crate) fn is_promising(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| PROMISING.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

/// True for names that are not looked at: hidden files, and what programs write before they rename it.
pub(crate) fn is_ignored(name: &str) -> bool {
    const TEMPORARY: &[&str] = &[".part", ".partial", ".swp", ".lock", ".crdownload", ".filepart"];
    name.starts_with('.')
        || name.ends_with('~')
        || (name.starts_with('#') && name.ends_with('#'))
        || TEMPORARY.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_path_without_the_last_extension_and_with_dots() {
        for (path, id) in [
            ("a.nc", "a"),
            ("a.b.nc", "a.b"),
            ("a", "a"),
            ("x/y/z.h5", "x.y.z"),
            ("x.y/z.h5", "x.y.z"),
            ("x.v1/z", "x.v1.z"),
            ("/x/z.nc/", "x.z"),
            ("store.zarr", "store"),
            ("é t.nc", "é t"),
        ] {
            assert_eq!(id_of_path(path), id, "{path}");
        }
    }

    #[test]
    fn hidden_and_unfinished_files_are_not_looked_at() {
        for name in [".a.nc", ".nfs0001", "a.nc~", "#a.nc#", "a.nc.part", "A.PARTIAL", ".a.nc.x3Fk2"] {
            assert!(is_ignored(name), "{name}");
        }
        for name in ["a.nc", "a.nc.tmp", "tmp.nc", "part", "a#.nc"] {
            assert!(!is_ignored(name), "{name}");
        }
    }

    #[test]
    fn extensions_promise_in_any_case() {
        assert!(is_promising("a.nc") && is_promising("A.HDF5") && is_promising("b.nc4"));
        assert!(!is_promising("nc") && !is_promising("a.txt") && !is_promising("a.nc.gz"));
    }
}
