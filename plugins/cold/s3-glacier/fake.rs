//! A bucket that the store talks to over a socket, with the states and refusals of S3 Glacier; it counts what it is asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use thermocline_core::bytes::{Credentials, StoreOptions};
use thermocline_core::cold::{ColdObject, NamespaceRoot, ObjectId, StoreContext};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{GlacierConfig, GlacierStore};

/// How the fake behaves.
#[derive(Debug, Clone)]
pub(crate) struct Manners {
    /// How long a restore by Standard takes; by Bulk twice, by Expedited a third of it.
    pub(crate) restore: Duration,
    /// How long a day of `Days` lasts.
    pub(crate) day: Duration,
    /// Objects whose restores end without a copy.
    pub(crate) fails: Vec<&'static str>,
    /// Objects that nobody may restore.
    pub(crate) denied: Vec<&'static str>,
    /// Every such number of restores is answered with SlowDown.
    pub(crate) slow_down_every: Option<usize>,
    /// Every such number of answers to restores is lost on the way.
    pub(crate) lose_every: Option<usize>,
    pub(crate) has_expedited: bool,
    /// Whether listings tell of restores.
    pub(crate) tells_restores: bool,
    /// The code with which every request is refused.
    pub(crate) refuses_all: Option<&'static str>,
    /// Status, and code if it names one, with which listings are refused.
    pub(crate) refuses_lists: Option<(u16, &'static str)>,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            restore: Duration::from_millis(150),
            day: Duration::from_secs(86_400),
            fails: Vec::new(),
            denied: Vec::new(),
            slow_down_every: None,
            lose_every: None,
            has_expedited: true,
            tells_restores: true,
            refuses_all: None,
            refuses_lists: None,
        }
    }
}

struct Stored {
    content: Vec<u8>,
    class: &'static str,
    restore: Option<Restore>,
}

#[derive(Clone)]
struct Restore {
    ready: Instant,
    ends: Instant,
    tier: String,
}

/// What the fake was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Restores that began, by key.
    pub(crate) restores: BTreeMap<String, usize>,
    pub(crate) posts: usize,
    pub(crate) prolonged: usize,
    pub(crate) upgraded: usize,
    pub(crate) heads: usize,
    pub(crate) lists: usize,
    pub(crate) days: Vec<u64>,
    pub(crate) tiers: Vec<String>,
    pub(crate) unsigned: usize,
}

struct Bucket {
    objects: BTreeMap<String, Stored>,
    manners: Manners,
    counts: Counts,
    /// Name of the key by which the last request was signed.
    last_key: Option<String>,
}

/// The fake; it ends with this.
pub(crate) struct Fake {
    bucket: Arc<Mutex<Bucket>>,
    endpoint: String,
    server: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Fake {
    /// A bucket `archive` with objects of classes; each object's bytes are made from its key.
    pub(crate) async fn start(manners: Manners, objects: &[(&str, &'static str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let stored = |(key, class): &(&str, &'static str)| {
            let content = content_of(key);
            ((*key).to_owned(), Stored { content, class, restore: None })
        };
        let objects = objects.iter().map(stored).collect();
        let bucket =
            Arc::new(Mutex::new(Bucket { objects, manners, counts: Counts::default(), last_key: None }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&bucket);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { bucket, endpoint, server }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.bucket.lock().manners);
    }

    pub(crate) fn last_key(&self) -> Option<String> {
        self.bucket.lock().last_key.clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.bucket.lock().counts.clone()
    }

    /// The bytes that a read gives; `None` if it is refused.
    pub(crate) fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        let mut bucket = self.bucket.lock();
        let state = bucket.state(key)?;
        let is_online = matches!(state, State::Online | State::Restored(_));
        is_online.then(|| bucket.objects[key].content.clone())
    }

    /// Somebody else has asked for a restore, which ends at this time from now.
    pub(crate) fn restored_by_others(&self, key: &str, in_time: Duration) {
        let ready = Instant::now() + in_time;
        let restore = Restore { ready, ends: ready + Duration::from_secs(86_400), tier: "Bulk".to_owned() };
        self.bucket.lock().objects.get_mut(key).unwrap().restore = Some(restore);
    }

    /// The context of a store over the bucket, with a key unless it is left out.
    pub(crate) fn context(&self, credentials: Credentials) -> StoreContext {
        let root = NamespaceRoot {
            name: "cold".into(),
            base: "s3://archive".to_owned(),
            map: Vec::new(),
            store: Some("glacier".into()),
        };
        let options = StoreOptions {
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".to_owned()),
            credentials,
            request_timeout: Some(Duration::from_secs(10)),
            ..StoreOptions::default()
        };
        StoreContext { places: [("cold".into(), options)].into(), ..StoreContext::new(vec![root]) }
    }

    /// A store that looks often.
    pub(crate) fn store(&self, change: impl FnOnce(&mut GlacierConfig)) -> GlacierStore {
        let mut config = GlacierConfig {
            poll_every: Duration::from_millis(20),
            poll_max: Duration::from_millis(200),
            requests_per_second: 20_000.0,
            ..GlacierConfig::default()
        };
        change(&mut config);
        GlacierStore::new(config, &self.context(key())).unwrap()
    }
}

/// The usual key.
pub(crate) fn key() -> Credentials {
    Credentials::Key { key_id: "key".to_owned(), secret: "secret".to_owned(), token: None }
}

pub(crate) fn content_of(key: &str) -> Vec<u8> {
    key.bytes().cycle().take(5000 + key.len()).collect()
}

pub(crate) fn object(key: &str) -> ColdObject {
    ColdObject { id: ObjectId::new("cold", key).unwrap(), href: format!("s3://archive/{key}").into() }
}

enum State {
    Online,
    Cold,
    Restoring,
    Restored(Instant),
}

/// Status, headers and body.
type Reply = (u16, Vec<(&'static str, String)>, String);

impl Bucket {
    fn state(&mut self, key: &str) -> Option<State> {
        let fails = self.manners.fails.contains(&key);
        let stored = self.objects.get_mut(key)?;
        if !matches!(stored.class, "GLACIER" | "DEEP_ARCHIVE") {
            return Some(State::Online);
        }
        let now = Instant::now();
        let Some(restore) = stored.restore.clone() else { return Some(State::Cold) };
        if now < restore.ready {
            return Some(State::Restoring);
        }
        if fails || now >= restore.ends {
            stored.restore = None;
            return Some(State::Cold);
        }
        Some(State::Restored(restore.ends))
    }

    fn answer(&mut self, request: &Request) -> Option<Reply> {
        if !request.head.to_ascii_lowercase().contains("authorization: aws4-hmac-sha256") {
            self.counts.unsigned += 1;
            return Some(error(403, "AccessDenied"));
        }
        let (_, credential) = request.head.split_once("Credential=").unwrap();
        self.last_key = credential.split_once('/').map(|(key, _)| key.to_owned());
        if let Some(code) = self.manners.refuses_all {
            return Some(error(403, code));
        }
        let Some(key) = request.path.strip_prefix("/archive/") else {
            return Some(error(404, "NoSuchBucket"));
        };
        let key = percent_decode_str(key).decode_utf8().unwrap().into_owned();
        match request.method.as_str() {
            "GET" if key.is_empty() => Some(match self.manners.refuses_lists {
                Some((status, "")) => (status, Vec::new(), "<html>back soon</html>".to_owned()),
                Some((status, code)) => error(status, code),
                None => self.list(&request.query),
            }),
            _ if !self.objects.contains_key(&key) => {
                self.counts.heads += usize::from(request.method == "HEAD");
                Some(error(404, "NoSuchKey"))
            }
            "HEAD" => Some(self.head(&key)),
            "POST" if request.query.starts_with("restore") => {
                self.counts.posts += 1;
                let is_nth =
                    |every: Option<usize>| every.is_some_and(|every| self.counts.posts.is_multiple_of(every));
                if is_nth(self.manners.slow_down_every) {
                    return Some(error(503, "SlowDown"));
                }
                let is_lost = is_nth(self.manners.lose_every);
                let reply = self.restore(&key, &request.body);
                (!is_lost).then_some(reply)
            }
            other => panic!("{other} {key}"),
        }
    }

    fn head(&mut self, key: &str) -> Reply {
        self.counts.heads += 1;
        let state = self.state(key).unwrap();
        let stored = &self.objects[key];
        let mut headers = vec![("Content-Length", stored.content.len().to_string()), ("ETag", tag(key))];
        if stored.class != "STANDARD" {
            headers.push(("x-amz-storage-class", stored.class.to_owned()));
        }
        let restore = match state {
            State::Online | State::Cold => None,
            State::Restoring => Some("ongoing-request=\"true\"".to_owned()),
            State::Restored(ends) => Some(format!(
                "ongoing-request=\"false\", expiry-date=\"{}\"",
                httpdate::fmt_http_date(wall(ends))
            )),
        };
        headers.extend(restore.map(|restore| ("x-amz-restore", restore)));
        (200, headers, String::new())
    }

    fn restore(&mut self, key: &str, body: &str) -> Reply {
        let within = |tag: &str| {
            let (_, rest) = body.split_once(&format!("<{tag}>"))?;
            rest.split_once('<').map(|(text, _)| text.to_owned())
        };
        let days: u64 = within("Days").unwrap().parse().unwrap();
        let tier = within("Tier").unwrap();
        self.counts.days.push(days);
        self.counts.tiers.push(tier.clone());
        let rank =
            |tier: &str| ["Bulk", "Standard", "Expedited"].iter().position(|known| *known == tier).unwrap();
        if self.manners.denied.contains(&key) {
            return error(403, "AccessDenied");
        }
        if tier == "Expedited" && self.objects[key].class == "DEEP_ARCHIVE" {
            return error(400, "InvalidArgument");
        }
        let state = self.state(key).unwrap();
        let (day, usual) = (self.manners.day, self.manners.restore);
        let now = Instant::now();
        let stored = self.objects.get_mut(key).unwrap();
        match state {
            State::Online => return error(403, "ObjectAlreadyInActiveTierError"),
            State::Restored(_) => {
                stored.restore.as_mut().unwrap().ends = now + day * days as u32;
                self.counts.prolonged += 1;
                return (200, Vec::new(), String::new());
            }
            State::Restoring if rank(&tier) <= rank(&stored.restore.as_ref().unwrap().tier) => {
                return error(409, "RestoreAlreadyInProgress");
            }
            _ if tier == "Expedited" && !self.manners.has_expedited => {
                return error(503, "GlacierExpeditedRetrievalNotAvailable");
            }
            State::Restoring => self.counts.upgraded += 1,
            State::Cold => *self.counts.restores.entry(key.to_owned()).or_default() += 1,
        }
        let ready = now + usual.mul_f64([2.0, 1.0, 1.0 / 3.0][rank(&tier)]);
        stored.restore = Some(Restore { ready, ends: ready + day * days as u32, tier });
        (202, Vec::new(), String::new())
    }

    fn list(&mut self, query: &str) -> Reply {
        self.counts.lists += 1;
        let parameter = |name: &str| {
            let of = |pair: &str| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
            let text = query.split('&').find_map(of).unwrap_or_default();
            percent_decode_str(&text).decode_utf8().unwrap().into_owned()
        };
        let (prefix, after) = (parameter("prefix"), parameter("start-after"));
        let limit: usize = parameter("max-keys").parse().unwrap();
        let keys = self.objects.keys().filter(|key| key.starts_with(&prefix) && **key > after);
        let keys: Vec<String> = keys.cloned().collect();
        let entries: String = keys.iter().take(limit).map(|key| self.entry(key)).collect();
        let is_truncated = keys.len() > limit;
        let body = format!(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><EncodingType>url</EncodingType>\
             <IsTruncated>{is_truncated}</IsTruncated>{entries}</ListBucketResult>"
        );
        (200, Vec::new(), body)
    }

    fn entry(&mut self, key: &str) -> String {
        let status = match self.state(key).unwrap() {
            _ if !self.manners.tells_restores => String::new(),
            State::Online | State::Cold => String::new(),
            State::Restoring => {
                "<RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>".to_owned()
            }
            State::Restored(ends) => format!(
                "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>{}</RestoreExpiryDate></RestoreStatus>",
                humantime::format_rfc3339_seconds(wall(ends))
            ),
        };
        let stored = &self.objects[key];
        let encoded = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        format!(
            "<Contents><Key>{encoded}</Key><ETag>{}</ETag><Size>{}</Size><StorageClass>{}</StorageClass>{status}</Contents>",
            tag(key).replace('"', "&quot;"),
            stored.content.len(),
            stored.class
        )
    }
}

fn tag(key: &str) -> String {
    format!("\"tag of {}\"", key.len())
}

/// A moment as the clock on the wall shows it.
fn wall(moment: Instant) -> SystemTime {
    SystemTime::now() + moment.saturating_duration_since(Instant::now())
}

fn error(status: u16, code: &str) -> Reply {
    (
        status,
        Vec::new(),
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>"),
    )
}

struct Request {
    method: String,
    path: String,
    query: String,
    head: String,
    body: String,
}

/// Answers the requests of a connection until it ends, or an answer is lost.
async fn serve(mut stream: TcpStream, bucket: Arc<Mutex<Bucket>>) {
    let mut buffer = Vec::new();
    while let Some(request) = next_request(&mut stream, &mut buffer).await {
        let reply = bucket.lock().answer(&request);
        let Some((status, mut headers, body)) = reply else { return };
        let is_head = request.method == "HEAD";
        if !headers.iter().any(|(name, _)| *name == "Content-Length") {
            headers.push(("Content-Length", body.len().to_string()));
        }
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let body = if is_head { "" } else { &body };
        let answer = format!("HTTP/1.1 {status} Said\r\n{lines}\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn next_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            let total = end + 4 + length.unwrap_or(0);
            if buffer.len() >= total {
                let body = String::from_utf8(buffer[end + 4..total].to_vec()).unwrap();
                buffer.drain(..total);
                let mut words = head.split(' ');
                let method = words.next().unwrap().to_owned();
                let target = words.next().unwrap();
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                let (path, query) = (path.to_owned(), query.to_owned());
                return Some(Request { method, path, query, head, body });
            }
        }
        let mut part = [0; 8192];
        let n_bytes = stream.read(&mut part).await.ok().filter(|n_bytes| *n_bytes > 0)?;
        buffer.extend_from_slice(&part[..n_bytes]);
    }
}
