//! Sends requests in random words through the router of the server, and judges the answers.
//!
//! A request has failed if anything panicked, if its answer took longer than [`LONGEST`], if its status is none of those that
//! are allowed, or if it is an error that does not say in `problem+json` what is wrong. The same seed makes the same requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::Value;
use thermocline_core::bytes::Root;
use thermocline_http::{HttpConfig, ServePlugin};
use thermocline_testkit::{Answer, TestServer, TestSources};

use crate::dice::{Asked, Known};

/// Whatever ends the program.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Longest time that an answer may take.
const LONGEST: Duration = Duration::from_secs(5);

/// Requests that are under way at the same time.
const AT_ONCE: usize = 4;

/// Failed requests that are printed.
const MOST_SHOWN: usize = 40;

/// Statuses of an answer that is no failure of the server: not even a timeout is one of them here.
const ALLOWED: [u16; 8] = [200, 202, 304, 400, 404, 405, 413, 422];

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Makes the next request.
pub(crate) trait Asks {
    /// Requests of known datasets.
    fn new(seed: u64, known: Arc<Vec<Known>>) -> Self;

    /// The next one.
    fn request(&mut self) -> Asked;
}

/// Takes folder, number of requests and seed from the command line, and asks a server with one plugin.
///
/// # Errors
/// Requests that failed; a folder that cannot be served.
pub(crate) fn main<A: Asks>(plugin: Arc<dyn ServePlugin>) -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("no folder")?;
    let n_requests: usize = arguments.next().ok_or("no number")?.parse()?;
    let seed: u64 = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        report(info);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let tally = runtime.block_on(fuzz::<A>(plugin, &folder, n_requests, seed))?;
    tally.print();
    match tally.n_failed {
        0 => Ok(()),
        n_failed => Err(format!("{n_failed} requests failed").into()),
    }
}

async fn fuzz<A: Asks>(
    plugin: Arc<dyn ServePlugin>,
    folder: &str,
    n_requests: usize,
    seed: u64,
) -> Result<Tally, Failure> {
    let server = Arc::new(serve(plugin, folder).await?);
    let known = Arc::new(known(&server).await?);
    let began = Instant::now();
    let mut words = A::new(seed, known);
    let asked = std::iter::repeat_with(|| words.request()).take(n_requests);
    let judged = futures::stream::iter(asked).map(|asked| {
        let server = Arc::clone(&server);
        async move {
            let (verdict, status) = judge(&server, &asked).await;
            (asked, verdict, status)
        }
    });
    let mut judged = judged.buffer_unordered(AT_ONCE);
    let mut tally = Tally::default();
    while let Some((asked, verdict, status)) = judged.next().await {
        tally.add(&asked, verdict, status);
    }
    tally.seconds = began.elapsed().as_secs_f64();
    Ok(tally)
}

async fn serve(plugin: Arc<dyn ServePlugin>, folder: &str) -> Result<TestServer, Failure> {
    let sources = TestSources {
        roots: vec![Root::directory(folder)?],
        places: vec![folder.to_owned()],
        formats: thermocline::Registry::builtin().formats().to_vec(),
        check_every: Duration::from_secs(600),
        settled_after: Duration::ZERO,
    };
    Ok(TestServer::of_sources(sources, vec![plugin], HttpConfig::default()).await?)
}

/// The names of all datasets, with those of their variables and dimensions.
async fn known(server: &TestServer) -> Result<Vec<Known>, Failure> {
    let mut known = Vec::new();
    for id in server.catalog().ids() {
        let manifest = server.catalog().open(id.as_str()).await?;
        known.push(Known::of(id.as_str(), &manifest.dataset));
    }
    if known.is_empty() { Err("the folder holds no dataset".into()) } else { Ok(known) }
}

/// What is wrong with the answer, and its status.
async fn judge(server: &TestServer, asked: &Asked) -> (Option<String>, u16) {
    let panics = PANICS.load(Ordering::Relaxed);
    let headers: Vec<(&str, &str)> = asked.accept.iter().map(|accept| ("accept", accept.as_str())).collect();
    let answer = tokio::time::timeout(LONGEST, server.send(asked.method, &asked.address, &headers)).await;
    let answer = match answer {
        Err(_) => return (Some(format!("no answer within {} s", LONGEST.as_secs())), 0),
        Ok(Err(error)) => return (Some(error.to_string()), 0),
        Ok(Ok(answer)) => answer,
    };
    let status = answer.status.as_u16();
    // With several requests under way it may have been a neighbour; both are shown.
    if PANICS.load(Ordering::Relaxed) != panics {
        return (Some("something panicked".to_owned()), status);
    }
    (wrong(asked, &answer), status)
}

fn wrong(asked: &Asked, answer: &Answer) -> Option<String> {
    let status = answer.status.as_u16();
    let is_choosy = status == 406 && asked.accept.is_some();
    if !ALLOWED.contains(&status) && !is_choosy {
        return Some(format!("status {status}: {}", answer.text().chars().take(200).collect::<String>()));
    }
    let media_type = answer.header("content-type").unwrap_or_default();
    if status < 400 || asked.method == "HEAD" {
        let is_empty = answer.body.is_empty() && status == 200 && asked.method == "GET";
        return is_empty.then(|| "an empty body".to_owned());
    }
    if !media_type.starts_with("application/problem+json") {
        return Some(format!("status {status} with {media_type:?}"));
    }
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let says = document.get("detail").and_then(Value::as_str).is_some_and(|detail| !detail.is_empty());
    (!says).then(|| format!("status {status} without a detail"))
}

/// What became of all requests.
#[derive(Default)]
struct Tally {
    n_passed: usize,
    n_failed: usize,
    statuses: BTreeMap<u16, usize>,
    seconds: f64,
}

impl Tally {
    fn add(&mut self, asked: &Asked, verdict: Option<String>, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
        let Some(verdict) = verdict else {
            self.n_passed += 1;
            return;
        };
        self.n_failed += 1;
        if self.n_failed <= MOST_SHOWN {
            println!("FAIL  {} {} {:?}: {verdict}", asked.method, asked.address, asked.accept);
        }
    }

    fn print(&self) {
        println!("{:.0} s, statuses {:?}", self.seconds, self.statuses);
        println!("{} passed, {} failed", self.n_passed, self.n_failed);
    }
}
