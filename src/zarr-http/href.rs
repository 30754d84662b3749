//! Paths for links.

use percent_encoding::percent_decode_str;
use thermocline_http::links::segment;

/// A path as it arrived, without a trailing slash and encoded anew, so that it can stand between quotes.
pub fn encoded_path(path: &str) -> String {
    let path = path.trim_end_matches('/');
    let parts = path.split('/').map(|part| segment(&percent_decode_str(part).decode_utf8_lossy()));
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_once() {
        assert_eq!(encoded_path("/datasets/a%20b/zarr/"), "/datasets/a%20b/zarr");
        assert_eq!(encoded_path("/datasets/a'b/zarr/x%252Fy"), "/datasets/a%27b/zarr/x%252Fy");
        assert_eq!(encoded_path("/"), "");
    }
}
