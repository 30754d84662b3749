//! Accepts connections and speaks HTTP/1.1 and HTTP/2 on them, within bounds.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::config::ServerConfig;

/// Streams that one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 256;

/// How long to wait when the system has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` until `shutdown`, then lets running requests finish within the grace period.
///
/// Returns false if some were cut off.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: &ServerConfig,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> bool {
    let n_connections = usize::try_from(config.max_connections.get()).unwrap_or(Semaphore::MAX_PERMITS);
    let connections = Arc::new(Semaphore::new(n_connections.min(Semaphore::MAX_PERMITS)));
    let protocol = Arc::new(protocol(config));
    let graceful = GracefulShutdown::new();
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                wait_after(&error).await;
                continue;
            }
        };
        let watcher = graceful.watcher();
        let (protocol, router) = (Arc::clone(&protocol), router.clone());
        tasks.spawn(async move {
            connection(stream, peer, &protocol, router, watcher).await;
            drop(permit);
        });
    }
    drop(listener);
    tokio::time::timeout(config.shutdown_grace.0, graceful.shutdown()).await.is_ok()
}

fn protocol(config: &ServerConfig) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout.0)
        .max_buf_size(config.max_header.as_usize());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(config.max_header.0).unwrap_or(u32::MAX))
        .keep_alive_interval(config.header_timeout.0)
        .keep_alive_timeout(config.header_timeout.0);
    builder
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    protocol: &Builder<TokioExecutor>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Answers are written whole: waiting for more would only delay the last packet.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let served = protocol.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(served).await {
        debug!(%peer, %error, "connection ended");
    }
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
