//! Objects in stores that themselves refuse to read what is cold: nobody is asked, and a refusal is the answer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use thermocline_model::{DatasetId, ObjectIdentity};

use super::*;
use crate::cold::Locality;
use crate::staging::{Joined, Outcome, Owner, Presence};

const HREF: &str = "s3://bucket/a";
const BYTES: &[u8] = b"0123456789";

/// A bucket with one object, whose reads are refused while it is cold.
struct Bucket {
    endpoint: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_cold: AtomicBool,
    n_heads: AtomicUsize,
    n_gets: AtomicUsize,
}

impl Bucket {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::<State>::default();
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::io::Result::ok) {
                answer(stream, &served);
            }
        });
        Self { endpoint, state }
    }

    fn n_heads(&self) -> usize {
        self.state.n_heads.load(Ordering::Relaxed)
    }
}

fn answer(mut stream: TcpStream, state: &State) {
    let mut request = [0; 8192];
    let n_bytes = stream.read(&mut request).unwrap_or(0);
    let text = String::from_utf8_lossy(&request[..n_bytes]).to_lowercase();
    let (status, headers, body): (_, String, &[u8]) = if text.starts_with("head") {
        state.n_heads.fetch_add(1, Ordering::Relaxed);
        ("200 OK", format!("Content-Length: {}\r\n", BYTES.len()), b"")
    } else if state.is_cold.load(Ordering::Relaxed) {
        let body = b"<Error><Code>InvalidObjectState</Code><StorageClass>GLACIER</StorageClass></Error>";
        ("403 Forbidden", format!("Content-Length: {}\r\n", body.len()), body)
    } else {
        state.n_gets.fetch_add(1, Ordering::Relaxed);
        let range = text.split("bytes=").nth(1).and_then(|range| range.split_whitespace().next());
        let (first, last) = range.and_then(|range| range.split_once('-')).unwrap_or(("0", "9"));
        let (first, last): (usize, usize) = (first.parse().unwrap_or(0), last.parse().unwrap_or(9));
        let body = &BYTES[first..=last];
        let headers = format!("Content-Length: {}\r\nContent-Range: bytes {first}-{last}/10\r\n", body.len());
        ("206 Partial Content", headers, body)
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}ETag: \"e\"\r\nLast-Modified: Thu, 01 Jan 1970 00:00:01 GMT\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

/// A cold store that refuses to read what is cold, and counts who asks where an object is.
#[derive(Default)]
struct Refusing {
    n_asked: AtomicUsize,
    doubted: Mutex<Vec<String>>,
}

#[async_trait]
impl Residency for Refusing {
    fn is_bound(&self, href: &str) -> bool {
        href.starts_with("s3://bucket/")
    }

    async fn presence(&self, href: &str) -> Result<Presence> {
        self.n_asked.fetch_add(1, Ordering::Relaxed);
        Ok(Presence::Online { path: href.into(), guard: None })
    }

    fn refuses_cold_reads(&self, _: &str) -> bool {
        true
    }

    fn doubt(&self, href: &str) {
        self.doubted.lock().push(href.to_owned());
    }

    fn known_locality(&self, _: &str) -> Locality {
        Locality::Nearline
    }

    async fn join(&self, _: &str, _: &Owner, _: Option<&DatasetId>) -> Result<Joined> {
        Err(Error::internal("nothing at this level recalls"))
    }

    async fn wait(&self, _: &str) -> Outcome {
        Outcome::Online
    }
}

fn objects(bucket: &Bucket, residency: Option<Arc<dyn Residency>>) -> Arc<Objects> {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = StoreOptions { endpoint: Some(bucket.endpoint.clone()), ..StoreOptions::default() };
    let root = Root::store("s3://bucket", &options).expect("a root");
    let runtime = tokio::runtime::Handle::current();
    Objects::on_cold_stores(vec![root], ObjectSettings::default(), runtime, residency)
}

fn object() -> Object {
    Object {
        href: HREF.to_owned(),
        len_bytes: BYTES.len() as u64,
        identity: ObjectIdentity::ETag("\"e\"".to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_a_store_that_refuses_what_is_cold_ask_nobody() {
    let (bucket, residency) = (Bucket::start(), Arc::new(Refusing::default()));
    let objects = objects(&bucket, Some(Arc::clone(&residency) as Arc<dyn Residency>));
    for _ in 0..5 {
        assert_eq!(objects.read(&object(), 2..5).await.unwrap(), &BYTES[2..5]);
    }
    let opened = Arc::clone(&objects);
    let indexed = tokio::task::spawn_blocking(move || {
        let object = opened.open(HREF).unwrap();
        (0..5).map(|offset| object.read_at(offset, 2).unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(indexed.await.unwrap()[3], &BYTES[3..5]);

    assert_eq!(residency.n_asked.load(Ordering::Relaxed), 0);
    assert_eq!(bucket.n_heads(), 1, "opening looks once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_read_needs_staging_and_what_was_seen_counts_no_more() {
    let (bucket, residency) = (Bucket::start(), Arc::new(Refusing::default()));
    let objects = objects(&bucket, Some(Arc::clone(&residency) as Arc<dyn Residency>));
    bucket.state.is_cold.store(true, Ordering::Relaxed);

    let error = objects.read(&object(), 2..5).await.unwrap_err();
    assert_eq!((error.kind(), error.not_staged()), (ErrorKind::NotStaged, &[Arc::from(HREF)][..]));
    let opened = Arc::clone(&objects);
    let indexed = tokio::task::spawn_blocking(move || opened.open(HREF).unwrap().read_at(0, 2));
    assert_eq!(indexed.await.unwrap().unwrap_err().not_staged(), &[Arc::from(HREF)][..]);
    assert_eq!(*residency.doubted.lock(), [HREF, HREF]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_object_on_no_cold_store_says_what_is_missing() {
    let bucket = Bucket::start();
    let objects = objects(&bucket, None);
    bucket.state.is_cold.store(true, Ordering::Relaxed);

    let error = objects.read(&object(), 2..5).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("lies on no [cold.NAME]"), "{error}");
}
