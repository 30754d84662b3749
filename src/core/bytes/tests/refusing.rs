//! Objects in stores that refuse: reads of what is cold, where nobody is asked and a refusal is the answer, and secrets.

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
    /// Words without which a request is refused.
    password: Mutex<Option<&'static str>>,
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
    let is_refused = state.password.lock().is_some_and(|password| !text.contains(password));
    let (status, headers, body): (_, String, &[u8]) = if is_refused {
        let body = b"<Error><Code>InvalidAccessKeyId</Code></Error>";
        ("403 Forbidden", format!("Content-Length: {}\r\n", body.len()), body)
    } else if text.starts_with("head") {
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
    let options = StoreOptions { endpoint: Some(bucket.endpoint.clone()), ..StoreOptions::default() };
    below("s3://bucket", &options, residency)
}

fn below(root: &str, options: &StoreOptions, residency: Option<Arc<dyn Residency>>) -> Arc<Objects> {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = Root::store(root, options).expect("a root");
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

/// A source whose secret can be exchanged, and which notes what stores think of it.
#[derive(Debug)]
struct Source {
    secret: Mutex<Arc<Secret>>,
    thoughts: Mutex<Vec<(Arc<Secret>, String)>>,
}

impl Source {
    fn of(secret: Secret) -> Arc<Self> {
        Arc::new(Self { secret: Mutex::new(Arc::new(secret)), thoughts: Mutex::default() })
    }

    fn think(&self, secret: &Arc<Secret>, thought: String) {
        let mut thoughts = self.thoughts.lock();
        if thoughts.last().is_none_or(|(of, last)| (of, last) != (secret, &thought)) {
            thoughts.push((Arc::clone(secret), thought));
        }
    }

    fn thoughts(&self) -> Vec<String> {
        self.thoughts.lock().iter().map(|(_, thought)| thought.clone()).collect()
    }
}

#[async_trait]
impl CredentialSource for Source {
    async fn secret(&self) -> Result<Arc<Secret>> {
        Ok(Arc::clone(&self.secret.lock()))
    }

    fn refused(&self, secret: &Arc<Secret>, refusal: Refusal<'_>) {
        self.think(secret, format!("{refusal:?}"));
    }

    fn taken(&self, secret: &Arc<Secret>) {
        self.think(secret, "taken".to_owned());
    }
}

fn key(key_id: &str) -> Secret {
    Secret::Key { key_id: key_id.to_owned(), secret: "secret".to_owned(), token: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_bucket_does_not_take_is_told_to_its_source_and_the_next_one_counts_at_once() {
    let (bucket, source) = (Bucket::start(), Source::of(key("old")));
    *bucket.state.password.lock() = Some("credential=new/");
    let options = StoreOptions {
        endpoint: Some(bucket.endpoint.clone()),
        credentials: Credentials::Source(Arc::clone(&source) as Arc<dyn CredentialSource>),
        ..StoreOptions::default()
    };
    let objects = below("s3://bucket", &options, None);

    let error = objects.read(&object(), 2..5).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
    assert_eq!(source.thoughts(), [r#"Wrong("InvalidAccessKeyId")"#]);

    *source.secret.lock() = Arc::new(key("new"));
    assert_eq!(objects.read(&object(), 2..5).await.unwrap(), &BYTES[2..5]);
    assert_eq!(source.thoughts()[1..], ["taken"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_an_object_is_cold_is_not_held_against_the_key() {
    let (bucket, source) = (Bucket::start(), Source::of(key("right")));
    bucket.state.is_cold.store(true, Ordering::Relaxed);
    let options = StoreOptions {
        endpoint: Some(bucket.endpoint.clone()),
        credentials: Credentials::Source(Arc::clone(&source) as Arc<dyn CredentialSource>),
        ..StoreOptions::default()
    };
    let objects = below("s3://bucket", &options, Some(Arc::new(Refusing::default())));

    let error = objects.read(&object(), 2..5).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotStaged);
    assert!(source.thoughts().is_empty(), "{:?}", source.thoughts());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_a_web_server_does_not_take_is_told_to_its_source_and_the_next_one_counts_at_once() {
    let (server, source) = (Bucket::start(), Source::of(Secret::Bearer("old".to_owned())));
    *server.state.password.lock() = Some("authorization: bearer new");
    let options = StoreOptions {
        credentials: Credentials::Source(Arc::clone(&source) as Arc<dyn CredentialSource>),
        ..StoreOptions::default()
    };
    let objects = below(&server.endpoint, &options, None);
    let object = Object { href: format!("{}/a", server.endpoint), ..object() };

    let error = objects.read(&object, 2..5).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
    assert_eq!(source.thoughts(), [r#"Denied("403 Forbidden")"#]);

    *source.secret.lock() = Arc::new(Secret::Bearer("new".to_owned()));
    assert_eq!(objects.read(&object, 2..5).await.unwrap(), &BYTES[2..5]);
    assert_eq!(source.thoughts()[1..], ["taken"]);
}
