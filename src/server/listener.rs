//! Accepts connections and speaks HTTP/1.1 and HTTP/2 on them, in clear or by TLS, within bounds.

mod stall;
mod tls;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::config::ServerConfig;

use stall::Unstalled;

pub(crate) use tls::Certificates;

/// Streams that one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 64;

/// What no request of HTTP/1 begins with, and every connection of HTTP/2 (RFC 9113, section 3.4).
const HTTP2_MARK: &[u8] = b"PRI";

/// What every connection of TLS begins with: a record of the handshake (RFC 8446, section 5.1).
const TLS_MARK: u8 = 22;

/// What those are told who speak HTTP in clear where TLS is spoken.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 49\r\nConnection: close\r\n\r\n\
    This server speaks HTTPS here: ask for https://.\n";

/// Most bytes of a request in clear that are read where TLS is spoken.
const MAX_REFUSED_BYTES: u64 = 64 << 10;

/// How long to wait for the second byte of a connection.
const PEEK_PAUSE: Duration = Duration::from_millis(10);

/// How long to wait when the system has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests.
pub(crate) trait Answer: Clone + Send + Sync + 'static {
    /// The answer to one request.
    fn answer(self, request: Request) -> impl Future<Output = Response> + Send;
}

impl<F, T> Answer for F
where
    F: Fn(Request) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = Response> + Send + 'static,
{
    fn answer(self, request: Request) -> impl Future<Output = Response> + Send {
        self(request)
    }
}

/// Sends what `answer` gives until `shutdown`, then lets running requests finish within the grace period. Clients have to
/// speak TLS if there is somebody who accepts it.
///
/// Returns false if some were cut off.
pub(crate) async fn serve<A: Answer>(
    (listener, tls): (TcpListener, Option<TlsAcceptor>),
    answer: A,
    config: &ServerConfig,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> bool {
    let n_connections = usize::try_from(config.max_connections.get()).unwrap_or(Semaphore::MAX_PERMITS);
    let connections = Arc::new(Semaphore::new(n_connections.min(Semaphore::MAX_PERMITS)));
    let protocol = Arc::new(Protocol::new(config, tls));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                wait_after(&error).await;
                continue;
            }
        };
        let watcher = graceful.watcher();
        let (protocol, answer) = (Arc::clone(&protocol), answer.clone());
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            let opened = tokio::select! {
                opened = protocol.open(stream) => opened,
                // It has not asked for anything.
                () = shutdown.cancelled() => return,
            };
            match opened {
                Ok(Opened::Plain(stream, version)) => {
                    connection((stream, peer), version, &protocol, answer, watcher).await;
                }
                // Boxed: connections in clear need none of the room.
                Ok(Opened::Tls(stream, version)) => {
                    Box::pin(connection((*stream, peer), version, &protocol, answer, watcher)).await;
                }
                Err(error) => debug!(%peer, %error, "connection was not opened"),
            }
            drop(permit);
        });
    }
    drop(listener);
    tokio::time::timeout(config.shutdown_grace.0, graceful.shutdown()).await.is_ok()
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// How HTTP is spoken on connections.
struct Protocol {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    header_timeout: Duration,
    write_timeout: Duration,
}

/// A connection, and how HTTP is spoken on it.
enum Opened {
    /// In clear.
    Plain(Unstalled<TcpStream>, Version),
    /// By TLS.
    Tls(Box<TlsStream<Unstalled<TcpStream>>>, Version),
}

/// Versions of HTTP that a client may begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

impl Protocol {
    fn new(config: &ServerConfig, tls: Option<TlsAcceptor>) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout.0)
            .max_buf_size(config.max_header.as_usize());
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(config.max_header.0).unwrap_or(u32::MAX))
            .keep_alive_interval(config.header_timeout.0)
            .keep_alive_timeout(config.header_timeout.0);
        let (header_timeout, write_timeout) = (config.header_timeout.0, config.write_timeout.0);
        Self { http1, http2, tls, header_timeout, write_timeout }
    }

    /// Finds out how a client speaks, or agrees with it about that.
    ///
    /// # Errors
    /// A connection that ends or sends nothing in time; a client that cannot speak TLS where that is spoken.
    async fn open(&self, stream: TcpStream) -> io::Result<Opened> {
        // Answers are written whole: waiting for more would only delay the last packet.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            let version = self.version(&stream).await?;
            return Ok(Opened::Plain(Unstalled::new(stream, self.write_timeout), version));
        };
        let shaken = tokio::time::timeout(self.header_timeout, async {
            let mut first = [0];
            if stream.peek(&mut first).await? > 0 && first != [TLS_MARK] {
                // Whether it takes the hint does not matter.
                let _ = refuse(stream).await;
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"));
            }
            tls.accept(Unstalled::new(stream, self.write_timeout)).await
        });
        let stream = shaken.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        let version = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Version::Http2,
            _ => Version::Http1,
        };
        Ok(Opened::Tls(Box::new(stream), version))
    }

    /// Which version a client speaks, by its first bytes, which stay to be read: what reads them first would need
    /// a buffer of twice the size, and clients that wait for cold data keep theirs for long.
    ///
    /// # Errors
    /// A connection that ends, or sends nothing in time.
    async fn version(&self, stream: &TcpStream) -> io::Result<Version> {
        let looked = tokio::time::timeout(self.header_timeout, async {
            let mut first = [0; HTTP2_MARK.len()];
            loop {
                let n_bytes = stream.peek(&mut first).await?;
                match first.get(..n_bytes) {
                    None | Some([]) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Some(HTTP2_MARK) => return Ok(Version::Http2),
                    Some(beginning) if HTTP2_MARK.starts_with(beginning) => {
                        tokio::time::sleep(PEEK_PAUSE).await;
                    }
                    Some(_) => return Ok(Version::Http1),
                }
            }
        });
        looked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

async fn connection<A: Answer, S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    (stream, peer): (S, SocketAddr),
    version: Version,
    protocol: &Protocol,
    answer: A,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = answer.clone().answer(request.map(axum::body::Body::new));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let stream = TokioIo::new(stream);
    let served = match version {
        Version::Http1 => watcher.watch(protocol.http1.serve_connection(stream, service)).await,
        Version::Http2 => watcher.watch(protocol.http2.serve_connection(stream, service)).await,
    };
    if let Err(error) = served {
        debug!(%peer, %error, "connection ended");
    }
}

/// Tells somebody who speaks HTTP in clear that TLS is spoken, and reads the rest of the request: as long as some of it
/// is not read, closing the connection takes the answer away again.
async fn refuse(mut stream: TcpStream) -> io::Result<u64> {
    stream.write_all(NOT_TLS).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(MAX_REFUSED_BYTES), &mut tokio::io::sink()).await
}

/// A connection that vanished before it was accepted is nothing; a lack of descriptors passes.
async fn wait_after(error: &io::Error) {
    let is_gone = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !is_gone {
        warn!(%error, "cannot accept connections, will retry");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use axum::response::IntoResponse;
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::config::Span;

    const REQUEST: &[u8] = b"GET /slow HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

    /// A server whose `/slow` says that it was asked, and answers after a quarter of a second.
    async fn server(
        config: ServerConfig,
        asked: &Arc<Notify>,
    ) -> (SocketAddr, CancellationToken, JoinHandle<bool>) {
        let asked = Arc::clone(asked);
        let slow = move |_request: Request| {
            let asked = Arc::clone(&asked);
            async move {
                asked.notify_one();
                tokio::time::sleep(Duration::from_millis(250)).await;
                "done".into_response()
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let running =
            tokio::spawn(
                async move { serve((listener, None), slow, &config, &TaskTracker::new(), token).await },
            );
        (address, shutdown, running)
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_running_request_is_answered_before_the_end() {
        let asked = Arc::new(Notify::new());
        let (address, shutdown, running) = server(ServerConfig::default(), &asked).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        asked.notified().await;

        shutdown.cancel();

        assert!(answer(stream).await.ends_with("done"));
        assert!(running.await.unwrap(), "nothing was cut off");
    }

    #[tokio::test]
    async fn a_request_beyond_the_grace_period_is_cut_off() {
        let config = ServerConfig { shutdown_grace: Span(Duration::from_millis(20)), ..Default::default() };
        let asked = Arc::new(Notify::new());
        let (address, shutdown, running) = server(config, &asked).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        asked.notified().await;

        shutdown.cancel();

        assert!(!running.await.unwrap());
    }

    #[tokio::test]
    async fn a_server_without_room_for_connections_shuts_down() {
        let config = ServerConfig { max_connections: NonZeroU32::MIN, ..Default::default() };
        let asked = Arc::new(Notify::new());
        let (address, shutdown, running) = server(config, &asked).await;
        let mut only = TcpStream::connect(address).await.unwrap();
        only.write_all(REQUEST).await.unwrap();
        asked.notified().await;

        shutdown.cancel();

        assert!(running.await.unwrap());
    }

    #[tokio::test]
    async fn a_client_that_never_ends_its_request_is_dropped() {
        let config = ServerConfig { header_timeout: Span(Duration::from_millis(100)), ..Default::default() };
        let (address, ..) = server(config, &Arc::default()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost:").await.unwrap();
        assert!(!answer(stream).await.contains("200 OK"));
    }

    #[tokio::test]
    async fn a_request_that_comes_byte_by_byte_is_understood_whatever_it_begins_with() {
        for method in ["GET", "P", "PR", "PRO", "PROPFIND"] {
            let asked = Arc::new(Notify::new());
            let (address, ..) = server(ServerConfig::default(), &asked).await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            for byte in format!("{method} /slow HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").bytes()
            {
                stream.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            assert!(answer(stream).await.starts_with("HTTP/1.1 200"), "{method}");
        }
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_does_not_keep_the_server_from_stopping() {
        let asked = Arc::new(Notify::new());
        let (address, shutdown, running) = server(ServerConfig::default(), &asked).await;
        let _silent = TcpStream::connect(address).await.unwrap();
        tokio::task::yield_now().await;
        shutdown.cancel();
        assert!(running.await.unwrap());
    }
}
