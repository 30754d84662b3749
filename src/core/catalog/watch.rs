//! Change notices of the operating system: a hint to scan now, never the only way to notice a change.

use std::path::PathBuf;
use std::sync::Arc;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tracing::debug;

/// Watches until it is dropped.
pub(super) struct Watcher {
    _watcher: RecommendedWatcher,
}

/// Calls `hint` when something changes below `paths`. Blocking: it walks the directories.
///
/// `None` if the system gives no notices (too many directories, a network file system).
pub(super) fn watch(paths: &[PathBuf], hint: Arc<Notify>) -> Option<Watcher> {
    if paths.is_empty() {
        return None;
    }
    let on_event = move |event: Result<notify::Event, notify::Error>| {
        // Reading a file is an event too, and no change.
        if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
            hint.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(on_event)
        .inspect_err(|error| debug!(%error, "no change notices, polling only"))
        .ok()?;
    for path in paths {
        if let Err(error) = watcher.watch(path, RecursiveMode::Recursive) {
            debug!(path = %path.display(), %error, "no change notices here, polling only");
        }
    }
    Some(Watcher { _watcher: watcher })
}
