//! Paths for links.

use percent_encoding::percent_decode_str;
use thermocline_http::links::segment;

/// A path as it arrived, without a trailing slash and encoded anew, so that it can stand between quotes.
pub fn encoded_path(path: &str) -> String {
    let path = path.trim_end_matches('/');
    let parts = path.split('/').map(|part| segment(&percent_decode_str(part).decode_utf8_lossy()));
    parts.collect::<Vec<_>>().join("/")
}

/// Text for HTML and XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
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

    #[test]
    fn markup_cannot_be_written_by_names() {
        assert_eq!(escaped("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
