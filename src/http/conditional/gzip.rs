//! Which answers may be compressed. The router does it ([`crate::router`]).

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, RANGE};

use super::Representation;

/// What the entity tag of a compressed answer ends with: its bytes are not those of the plain one.
pub(crate) const GZIP_SUFFIX: &str = "-gz";

/// Shorter bodies stay as they are: a packet holds them anyway.
pub(super) const MIN_LEN_BYTES: usize = 512;

/// Marks an answer that the router may send compressed.
#[derive(Debug, Clone)]
pub(crate) struct Compressible {
    /// The entity tag of the plain body.
    pub(crate) etag: String,
    /// The plain body.
    pub(crate) body: Bytes,
}

impl Compressible {
    /// The mark, if the request accepts gzip and the body is text of at least some length.
    pub(super) fn of(
        headers: &HeaderMap,
        representation: &Representation,
        body: &Bytes,
        min_len_bytes: usize,
    ) -> Option<Self> {
        let is_marked = body.len() >= min_len_bytes && may_compress(headers, representation);
        is_marked.then(|| Self { etag: representation.etag.clone(), body: body.clone() })
    }
}

/// True if the whole of a representation may be sent compressed: text, to a request that accepts gzip and names no range.
pub(super) fn may_compress(headers: &HeaderMap, representation: &Representation) -> bool {
    is_text(representation.media_type) && !headers.contains_key(RANGE) && accepts_gzip(headers)
}

/// True for media types that compression makes shorter and that no client reads by ranges of bytes alone.
pub(super) fn is_text(media_type: &str) -> bool {
    let media_type = media_type.split(';').next().unwrap_or_default().trim_end();
    media_type.starts_with("text/")
        || matches!(media_type, "application/json" | "application/xml" | "application/yaml")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
}

/// True if `Accept-Encoding` names gzip, or everything, with a weight above 0.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    for list in headers.get_all(ACCEPT_ENCODING) {
        for item in list.to_str().unwrap_or_default().split(',') {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), |q| q.trim().parse::<f32>());
            let is_wanted = weight.is_ok_and(|weight| weight > 0.0);
            match coding.trim() {
                "gzip" | "x-gzip" => return is_wanted,
                "*" => any = is_wanted,
                _ => {}
            }
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_accepted_as_the_weights_say() {
        let cases = [
            ("gzip", true),
            ("gzip, deflate, br", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, *", false),
            ("*", true),
            ("*;q=0", false),
            ("identity", false),
            ("", false),
            ("gzip;q=x", false),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn chunks_are_no_text() {
        for media_type in ["application/json", "text/html; charset=utf-8", "application/problem+json"] {
            assert!(is_text(media_type), "{media_type}");
        }
        for media_type in ["application/octet-stream", "application/x-parquet", "image/png"] {
            assert!(!is_text(media_type), "{media_type}");
        }
    }
}
