//! Signals: the end of the server's life, and the wish to read configuration and catalogs again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The signals that the server listens to.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on: SIGTERM and SIGINT end the server, SIGHUP reads configuration and catalogs again.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Cancels `shutdown` at the first signal to end and leaves the process at the second; calls
    /// `reload` at each SIGHUP.
    pub(crate) async fn obey(mut self, shutdown: CancellationToken, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => self.end(&shutdown, "SIGTERM"),
                _ = self.interrupt.recv() => self.end(&shutdown, "SIGINT"),
                _ = self.hangup.recv() => {
                    info!("reading configuration and catalogs again");
                    reload();
                }
            }
        }
    }

    fn end(&self, shutdown: &CancellationToken, signal: &'static str) {
        if shutdown.is_cancelled() {
            warn!(signal, "leaving at once");
            std::process::exit(1);
        }
        info!(signal, "shutting down, waiting for running requests");
        shutdown.cancel();
    }
}
