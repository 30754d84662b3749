//! Logs.

use std::io::IsTerminal;
use std::sync::OnceLock;

use thermocline_http::live::AUDIT;
use tracing_subscriber::filter::{LevelFilter, Targets};
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

/// What `level` says, and the audit log unless it says otherwise of that.
fn filter(level: &str) -> Targets {
    let filter: Targets = level.parse().unwrap_or_default();
    if filter.iter().any(|(target, _)| target == AUDIT) {
        return filter;
    }
    filter.with_target(AUDIT, LevelFilter::INFO)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_audit_log_is_written_at_any_level_unless_it_is_named() {
        for (level, is_written) in [("info", true), ("error", true), ("off", true), ("info,audit=off", false)]
        {
            assert_eq!(filter(level).would_enable(AUDIT, &Level::INFO), is_written, "{level}");
        }
        assert!(!filter("warn").would_enable("thermocline_core", &Level::INFO));
    }
}
