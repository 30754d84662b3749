//! Ten thousand clients wait for one cold file, over real connections: one recall, little memory, the right bytes.
//!
//! A process of its own, so that its memory is that of the waiting clients.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::convert::Infallible;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thermocline_http::HttpConfig;
use thermocline_http::hold::HoldConfig;
use thermocline_http::router::Stack;
use thermocline_model::{ByteOrder, DataType};
use thermocline_serve_zarr::ZarrPlugin;
use thermocline_testkit::{FakeTape, TestServer, ToyChunk, ToyDataset, toy_variable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Clients that wait.
const N_CLIENTS: u64 = 10_000;

/// What each may take, in bytes: the contract's bound. The clients' own ends are part of it here.
const MAX_BYTES_EACH: u64 = 20 << 10;

/// Connections that are made at the same time.
const AT_ONCE: usize = 100;

const CHUNK: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// As long as aiohttp waits; headers as clients send them.
const REQUEST: &str = "GET /datasets/toy/zarr/v/0 HTTP/1.1\r\nHost: test.example\r\n\
    User-Agent: Python/3.12 aiohttp/3.14.5\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n\
    Connection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_readers_of_one_cold_file_cost_one_recall_and_little_memory() {
    let n_clients = raise_descriptor_limit();
    let tape = FakeTape::new();
    let server = server(&tape, n_clients).await;
    let file = server.file("toy").canonicalize().unwrap();
    tape.release(&file).unwrap();
    let address = listen(server.stack().clone()).await;
    // What the first request makes is not counted.
    assert_waits(&tape, &mut ask(address).await, 1).await;

    let before = resident_bytes();
    let mut clients = Vec::with_capacity(usize::try_from(n_clients).unwrap());
    while (clients.len() as u64) < n_clients {
        let asking = (0..AT_ONCE).map(|_| ask(address));
        clients.extend(futures::future::join_all(asking).await);
    }
    let n_waiting = clients.len();
    until(|| tape.n_waiting() == n_waiting).await;
    let each = resident_bytes().saturating_sub(before) / n_waiting as u64;
    assert_eq!(tape.joined().len(), 1, "one recall, however many ask");

    let recalled = std::time::Instant::now();
    tape.recall(&file).unwrap();
    let answers = clients.into_iter().map(|client| tokio::spawn(answer(client)));
    for answer in futures::future::join_all(answers).await {
        let answer = answer.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
        assert!(answer.ends_with(&[b"\r\n\r\n", CHUNK.as_slice()].concat()));
    }
    println!("{n_waiting} readers, {each} bytes each, answered in {:?}", recalled.elapsed());
    assert!(each < MAX_BYTES_EACH, "{each} bytes each");
}

async fn server(tape: &Arc<FakeTape>, n_clients: u64) -> TestServer {
    let dtype = DataType::Int { size: 1, order: ByteOrder::Little };
    let variable = toy_variable("v", &["x"], (&[8], &[8]), dtype, vec![]);
    let toy = ToyDataset::default().with("", variable, &[(0, ToyChunk::Stored(CHUNK.to_vec()))]);
    let max_held = usize::try_from(n_clients).unwrap() + AT_ONCE;
    let config = HttpConfig {
        hold: HoldConfig { max_held, ..HoldConfig::default() },
        // They take no place of those that are worked on.
        max_concurrent_requests: 16,
        request_timeout: Duration::from_secs(20),
        ..HttpConfig::default()
    };
    let plugins = vec![Arc::new(ZarrPlugin) as _];
    let server = TestServer::on_tape(vec![("toy", toy)], plugins, config, tape).await.unwrap();
    server.catalog().open("toy").await.unwrap();
    server
}

/// Serves connections as the server's own listener does.
async fn listen(stack: Stack) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(60)).max_buf_size(64 << 10);
    let builder = Arc::new(builder);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (builder, stack) = (Arc::clone(&builder), stack.clone());
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
                    let stack = stack.clone();
                    async move { Ok::<_, Infallible>(stack.answer(request.map(Body::new)).await) }
                });
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

async fn ask(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

/// The request waits; then its client goes away.
async fn assert_waits(tape: &FakeTape, client: &mut TcpStream, n: usize) {
    until(|| tape.n_waiting() == n).await;
    client.shutdown().await.unwrap();
    until(|| tape.n_waiting() == 0).await;
    // The recall that it joined is forgotten with it.
    assert_eq!(tape.forget_joined(), n);
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

/// As many clients as descriptors allow: each connection has two ends here.
fn raise_descriptor_limit() -> u64 {
    let wanted = 2 * N_CLIENTS + 1000;
    let limit = getrlimit(Resource::Nofile);
    let higher = Rlimit { current: Some(wanted), maximum: limit.maximum.map(|maximum| maximum.max(wanted)) };
    let highest = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, higher).is_err() {
        setrlimit(Resource::Nofile, highest).unwrap();
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    N_CLIENTS.min(allowed.saturating_sub(1000) / 2)
}
