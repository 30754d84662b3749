//! Logs.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, ServerConfig};

/// The filter in force, to put another in its place.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging to standard error; a second call changes nothing.
pub(crate) fn start_logs(config: &ServerConfig) {
    let (filter, handle) = reload::Layer::new(filter(&config.log_level));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match config.log {
        LogFormat::Text => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    // An error means that a host program has its own subscriber, which then has the logs.
    if started.is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// Logs what `level` says from now on.
pub(crate) fn set_log_level(level: &str) {
    if let Some(handle) = FILTER.get() {
        // An error means that the subscriber is gone, and with it the logs.
        let _ = handle.reload(filter(level));
    }
}

fn filter(level: &str) -> Targets {
    level.parse().unwrap_or_default()
}
