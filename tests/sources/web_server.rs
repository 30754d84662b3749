//! A plain web server with the habits of real ones.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, LAST_MODIFIED, LOCATION,
    RANGE,
};
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;

/// How the server names the state of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    StrongTag,
    WeakTag,
    TimeOnly,
    Nothing,
}

/// What the server answers to `PROPFIND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// This status, as servers do that know no WebDAV.
    Refused(u16),
    /// A page with 200, as servers do that take every method for GET.
    Page,
    /// One level, whatever depth is asked for.
    OneLevel,
    /// Everything below, as RFC 4918 says.
    All,
}

/// The server's habits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    pub(crate) naming: Naming,
    pub(crate) listing: Listing,
    /// Ranges are honoured; else the whole object comes with 200.
    pub(crate) has_ranges: bool,
    /// Bodies end before they are complete.
    pub(crate) is_breaking_off: bool,
}

impl Default for Habits {
    fn default() -> Self {
        let (naming, listing) = (Naming::StrongTag, Listing::Refused(405));
        Self { naming, listing, has_ranges: true, is_breaking_off: false }
    }
}

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    tag: String,
    modified: SystemTime,
}

struct Shared {
    objects: Mutex<BTreeMap<String, Stored>>,
    habits: Mutex<Habits>,
    /// What takes an object's place in the middle of its next answer.
    next: Mutex<Option<(String, Stored)>>,
}

/// A running server. Its objects change at once, never by halves.
pub(crate) struct WebServer {
    shared: Arc<Shared>,
    pub(crate) address: String,
}

impl WebServer {
    pub(crate) async fn start(habits: Habits) -> Self {
        let shared = Arc::new(Shared {
            objects: Mutex::default(),
            habits: Mutex::new(habits),
            next: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { shared, address }
    }

    pub(crate) fn set_habits(&self, habits: Habits) {
        *self.shared.habits.lock() = habits;
    }

    /// Stores an object that was changed an hour ago; `version` makes its tag and its time.
    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>, version: i32) {
        self.shared.objects.lock().insert(path.to_owned(), stored(bytes, version));
    }

    /// Stores an object in the middle of the next answer with the old one, whose body breaks off.
    pub(crate) fn put_while_it_is_sent(&self, path: &str, bytes: Vec<u8>, version: i32) {
        *self.shared.next.lock() = Some((path.to_owned(), stored(bytes, version)));
    }

    /// Address of a path, percent-encoded by the caller.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }
}

fn stored(bytes: Vec<u8>, version: i32) -> Stored {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let modified = hour_ago + Duration::from_secs(version.unsigned_abs().into());
    Stored { bytes: bytes.into(), tag: format!("\"{version}\""), modified }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let habits = *shared.habits.lock();
    let path = percent_decode(request.uri().path().trim_start_matches('/'));
    if request.method().as_str() == "PROPFIND" {
        let depth =
            request.headers().get("depth").and_then(|depth| depth.to_str().ok()).unwrap_or("infinity");
        return listing(&shared, habits, path.trim_end_matches('/'), depth == "1");
    }
    let stored = shared.objects.lock().get(&path).cloned();
    let mut habits = habits;
    if request.method() == Method::GET
        && let Some((path, next)) = shared.next.lock().take()
    {
        habits.is_breaking_off = true;
        shared.objects.lock().insert(path, next);
    }
    match stored {
        Some(stored) => object(request.method(), request.headers(), habits, &stored),
        None => folder_or_nothing(&shared, &path),
    }
}

/// A folder without a slash is redirected to its page, as static servers do.
fn folder_or_nothing(shared: &Shared, path: &str) -> Response {
    let folder = format!("{}/", path.trim_end_matches('/'));
    if !shared.objects.lock().keys().any(|name| name.starts_with(&folder)) {
        return plain(StatusCode::NOT_FOUND, "nothing here");
    }
    if path.ends_with('/') {
        return plain(StatusCode::OK, "<html>a page of links</html>");
    }
    let mut response = plain(StatusCode::MOVED_PERMANENTLY, "");
    response.headers_mut().insert(LOCATION, format!("/{folder}").parse().unwrap());
    response
}

fn object(method: &Method, asked: &HeaderMap, habits: Habits, stored: &Stored) -> Response {
    let tag = match habits.naming {
        Naming::StrongTag => Some(stored.tag.clone()),
        Naming::WeakTag => Some(format!("W/{}", stored.tag)),
        Naming::TimeOnly | Naming::Nothing => None,
    };
    // RFC 9110, section 13.1.1: If-Match compares strongly.
    if let Some(wanted) = asked.get(IF_MATCH)
        && (tag.as_deref().map(str::as_bytes) != Some(wanted.as_bytes())
            || wanted.as_bytes().starts_with(b"W/"))
    {
        return plain(StatusCode::PRECONDITION_FAILED, "another state");
    }
    let whole = stored.bytes.len();
    let range = asked.get(RANGE).and_then(|range| bounds(range.to_str().ok()?)).filter(|_| habits.has_ranges);
    let (status, bytes) = match range {
        Some((start, end)) => (StatusCode::PARTIAL_CONTENT, stored.bytes.slice(start..end.min(whole))),
        None => (StatusCode::OK, stored.bytes.clone()),
    };
    let mut response = Response::builder().status(status).header(CONTENT_LENGTH, bytes.len());
    if let Some((start, end)) = range {
        let content_range = format!("bytes {start}-{}/{whole}", end.min(whole) - 1);
        response = response.header(CONTENT_RANGE, content_range).header(ACCEPT_RANGES, "bytes");
    }
    if let Some(tag) = tag {
        response = response.header(ETAG, tag);
    }
    if habits.naming != Naming::Nothing {
        response = response.header(LAST_MODIFIED, httpdate::fmt_http_date(stored.modified));
    }
    if *method == Method::HEAD {
        return response.body(Body::empty()).unwrap();
    }
    response.body(body(bytes, habits)).unwrap()
}

fn body(bytes: Bytes, habits: Habits) -> Body {
    if !habits.is_breaking_off || bytes.len() < 1000 {
        return Body::from(bytes);
    }
    let half = bytes.slice(..bytes.len() / 2);
    let broken = std::io::Error::other("the connection breaks off");
    Body::from_stream(futures::stream::iter([Ok(half), Err(broken)]))
}

fn bounds(range: &str) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse::<usize>().ok()? + 1))
}

fn listing(shared: &Shared, habits: Habits, folder: &str, is_one_level: bool) -> Response {
    let is_one_level = match habits.listing {
        Listing::Refused(status) => return plain(StatusCode::from_u16(status).unwrap(), "no such method"),
        Listing::Page => return plain(StatusCode::OK, "<html>a page of links</html>"),
        Listing::OneLevel => true,
        Listing::All => is_one_level,
    };
    let base = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut rows = String::new();
    let mut folders = std::collections::BTreeSet::from([base.clone()]);
    for (path, stored) in shared.objects.lock().iter() {
        let Some(name) = path.strip_prefix(&base) else { continue };
        let depths = name.match_indices('/').map(|(slash, _)| slash + 1);
        for end in if is_one_level { depths.take(1).collect() } else { depths.collect::<Vec<_>>() } {
            folders.insert(format!("{base}{}", &name[..end]));
        }
        if !(is_one_level && name.contains('/')) {
            row(&mut rows, path, Some(stored));
        }
    }
    folders.iter().for_each(|folder| row(&mut rows, folder, None));
    let xml = format!(r#"<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">{rows}</D:multistatus>"#);
    let mut response = plain(StatusCode::MULTI_STATUS, &xml);
    response.headers_mut().insert(CONTENT_TYPE, "application/xml".parse().unwrap());
    response
}

/// A row as Apache writes it: the time of modification, no tag.
fn row(rows: &mut String, path: &str, stored: Option<&Stored>) {
    let href = path.replace('%', "%25").replace(' ', "%20").replace('#', "%23").replace('?', "%3F");
    let kind = if stored.is_none() { "<D:collection/>" } else { "" };
    let modified = stored.map_or(SystemTime::UNIX_EPOCH, |stored| stored.modified);
    let len_bytes = stored.map_or(0, |stored| stored.bytes.len());
    write!(
        rows,
        "<D:response><D:href>/{href}</D:href><D:propstat><D:prop><D:resourcetype>{kind}</D:resourcetype>\
         <D:getlastmodified>{}</D:getlastmodified><D:getcontentlength>{len_bytes}</D:getcontentlength>\
         </D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>",
        httpdate::fmt_http_date(modified)
    )
    .unwrap();
}

fn plain(status: StatusCode, text: &str) -> Response {
    Response::builder()
        .status(status)
        .header(CONTENT_LENGTH, text.len())
        .body(Body::from(text.to_owned()))
        .unwrap()
}

fn percent_decode(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8().unwrap().into_owned()
}
