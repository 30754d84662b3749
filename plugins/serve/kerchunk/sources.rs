//! Source objects as ways to open a dataset.
//!
//! Clients fetch them from this server, by number: where an object lies is not told.

use serde_json::{Map, Value};
use thermocline_http::AccessMethod;
use thermocline_search::{SourceObject, Summary};

/// Most objects of one dataset that are named.
const MAX_NAMED: usize = 100;

/// Formats whose objects are chunks: no client opens one by itself.
const WITHOUT_FILES: [&str; 1] = ["zarr"];

/// The source objects of a dataset: `source`, or `source-0001` and so on where there are several.
pub(crate) fn access_methods(summary: &Summary) -> Vec<AccessMethod> {
    if WITHOUT_FILES.contains(&summary.format.as_str()) {
        return Vec::new();
    }
    let named = summary.sources.iter().take(MAX_NAMED).enumerate();
    named.map(|(number, object)| access_method(summary, number, object)).collect()
}

fn access_method(summary: &Summary, number: usize, object: &SourceObject) -> AccessMethod {
    let is_only = summary.n_sources == 1;
    AccessMethod {
        name: if is_only { "source".to_owned() } else { format!("source-{:04}", number + 1) },
        title: "Source file",
        path: format!("/objects/{number}"),
        media_type: media_type(&object.href, &summary.format),
        xarray_call: None,
        roles: &["source"],
        fields: Map::from_iter([("file:size".to_owned(), Value::from(object.len_bytes))]),
        // One dataset of THREDDS has one address for each service.
        thredds_service: is_only.then_some("HTTPServer"),
        intake_method: None,
    }
}

/// Media type of an object by the ending of its name, else by the format of its dataset.
///
/// # Source
/// STAC best practices, common media types.
pub(crate) fn media_type(href: &str, format: &str) -> &'static str {
    let path = if href.contains("://") { href.split(['?', '#']).next().unwrap_or_default() } else { href };
    let ending = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match (ending.as_str(), format) {
        ("nc" | "nc3" | "nc4" | "cdf", _) | (_, "netcdf") => "application/netcdf",
        ("h5" | "hdf5" | "he5", _) | (_, "hdf5") => "application/x-hdf5",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_follow_names_then_formats() {
        for (href, format, expected) in [
            ("/a/b.nc", "hdf5", "application/netcdf"),
            ("/a/b.NC4", "kerchunk", "application/netcdf"),
            ("https://h/b.h5?version=2.nc.x", "kerchunk", "application/x-hdf5"),
            ("/a/b", "hdf5", "application/x-hdf5"),
            ("/a/b.001", "netcdf", "application/netcdf"),
            ("/a/b.he5", "hdf5", "application/x-hdf5"),
            ("/a/b.nc/0.0", "kerchunk", "application/octet-stream"),
        ] {
            assert_eq!(media_type(href, format), expected, "{href} {format}");
        }
    }
}
