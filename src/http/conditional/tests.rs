use http_body_util::BodyExt;

use super::*;

fn representation() -> Representation {
    Representation {
        media_type: "application/octet-stream",
        etag: "abc".into(),
        modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)),
        max_age: Duration::from_secs(3600),
    }
}

fn get(headers: &[(&'static str, &str)]) -> Response {
    ask(Method::GET, headers)
}

fn ask(method: Method, headers: &[(&'static str, &str)]) -> Response {
    let headers = headers
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    respond(&method, &headers, &representation(), Bytes::from_static(b"0123456789"))
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

async fn body(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

#[tokio::test]
async fn a_whole_body_says_all_that_caches_need() {
    let response = get(&[]);

    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-length"), Some("10"));
    assert_eq!(header(&response, "content-type"), Some("application/octet-stream"));
    assert_eq!(header(&response, "etag"), Some("\"abc\""));
    assert_eq!(header(&response, "last-modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(header(&response, "cache-control"), Some("public, max-age=3600"));
    assert_eq!(header(&response, "accept-ranges"), Some("bytes"));
    assert_eq!(header(&response, "vary"), None);
    assert_eq!(body(response).await, b"0123456789");
}

#[tokio::test]
async fn a_range_is_206_with_its_bytes() {
    let response = get(&[("range", "bytes=2-4")]);

    assert_eq!(response.status(), 206);
    assert_eq!(header(&response, "content-range"), Some("bytes 2-4/10"));
    assert_eq!(header(&response, "content-length"), Some("3"));
    assert_eq!(body(response).await, b"234");
}

#[test]
fn a_range_outside_the_body_is_416_with_its_length() {
    let response = get(&[("range", "bytes=10-")]);

    assert_eq!(response.status(), 416);
    assert_eq!(header(&response, "content-range"), Some("bytes */10"));
    assert_eq!(header(&response, "cache-control"), Some("no-store"));
}

#[test]
fn conditions_are_evaluated_in_the_order_of_the_standard() {
    let cases: [(&[(&'static str, &str)], u16); 24] = [
        (&[("if-none-match", "\"abc\"")], 304),
        (&[("if-none-match", "\"x\", W/\"abc\"")], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-match", "\"abc\"")], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", "\"x\"")], 412),
        (&[("if-match", "W/\"abc\"")], 412),
        (&[("if-match", "\"x\""), ("if-none-match", "\"abc\"")], 412),
        (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 304),
        (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], 200),
        (&[("if-modified-since", "yesterday")], 200),
        (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"), ("if-none-match", "\"x\"")], 200),
        (&[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], 412),
        (&[("range", "bytes=0-1"), ("if-range", "\"abc\"")], 206),
        (&[("range", "bytes=0-1"), ("if-range", "\"x\"")], 200),
        (&[("range", "bytes=0-1"), ("if-range", "W/\"abc\"")], 200),
        (&[("range", "bytes=0-1"), ("if-range", "\"abc-gz\"")], 200),
        (&[("range", "bytes=0-1"), ("if-range", "\"x\", \"abc\"")], 200),
        (&[("range", "bytes=0-1"), ("if-match", "\"abc\"")], 206),
        (&[("range", "bytes=0-1"), ("if-match", "\"abc-gz\"")], 412),
        (&[("if-match", "\"abc-gz\"")], 200),
        (&[("range", "bytes=0-1"), ("if-range", "Sun, 06 Nov 1994 08:49:37 GMT")], 206),
        (&[("range", "bytes=0-1"), ("if-range", "Sun, 06 Nov 1994 08:49:36 GMT")], 200),
    ];
    for (headers, status) in cases {
        assert_eq!(get(headers).status(), status, "{headers:?}");
    }
}

#[test]
fn a_304_has_the_tag_and_no_length() {
    let response = get(&[("if-none-match", "\"abc\"")]);

    assert_eq!(header(&response, "etag"), Some("\"abc\""));
    assert_eq!(header(&response, "content-length"), None);
    assert_eq!(http_body::Body::size_hint(response.body()).exact(), None);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let response = ask(Method::HEAD, &[("range", "bytes=0-1")]);

    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-length"), Some("10"));
    assert_eq!(body(response).await, b"");
}

#[test]
fn a_length_that_is_not_known_is_not_told() {
    let known = respond_head(&HeaderMap::new(), &representation(), Some(7));
    let unknown = respond_head(&HeaderMap::new(), &representation(), None);

    assert_eq!(header(&known, "content-length"), Some("7"));
    assert_eq!(header(&unknown, "content-length"), None);
    assert_eq!(http_body::Body::size_hint(unknown.body()).exact(), None);
}

#[test]
fn head_of_text_that_is_not_made_promises_no_coding() {
    let asked = |headers: &[(&'static str, &'static str)], media_type| {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        respond_head_of_text(&headers.collect(), &Representation { media_type, ..representation() })
    };
    let (gzip, csv) = (("accept-encoding", "gzip"), "text/csv; charset=utf-8");
    for (headers, media_type, status, etag) in [
        (vec![gzip], csv, 200, None),
        (vec![], csv, 200, Some("\"abc\"")),
        (vec![("accept-encoding", "gzip;q=0")], csv, 200, Some("\"abc\"")),
        (vec![gzip, ("range", "bytes=0-1")], csv, 200, Some("\"abc\"")),
        (vec![gzip], "application/octet-stream", 200, Some("\"abc\"")),
        (vec![gzip, ("if-none-match", "\"abc-gz\"")], csv, 304, Some("\"abc-gz\"")),
    ] {
        let response = asked(&headers, media_type);
        assert_eq!((response.status().as_u16(), header(&response, "etag")), (status, etag), "{headers:?}");
        for name in ["content-encoding", "content-length"] {
            assert_eq!(header(&response, name), None, "{name} of {headers:?}");
        }
    }
    assert_eq!(header(&asked(&[gzip], csv), "vary"), Some("Accept-Encoding"));
}

#[test]
fn times_that_http_cannot_say_are_left_out() {
    let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let representation = Representation { modified: Some(before_1970), ..representation() };

    let response = respond(&Method::GET, &HeaderMap::new(), &representation, Bytes::new());

    assert_eq!(header(&response, "last-modified"), None);
}
