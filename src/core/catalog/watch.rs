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

/// Places to watch, and who is told when something changes below them.
pub(super) struct Watched {
    pub(super) paths: Vec<PathBuf>,
    pub(super) hint: Arc<Notify>,
}

/// Watches all places with one watcher: systems allow few. Blocking: it walks the directories.
///
/// `None` if the system gives no notices (too many directories, a network file system).
pub(super) fn watch(watched: Vec<Watched>) -> Option<Watcher> {
    let paths: Vec<PathBuf> = watched.iter().flat_map(|watched| watched.paths.iter().cloned()).collect();
    if paths.is_empty() {
        return None;
    }
    let on_event = move |event: Result<notify::Event, notify::Error>| {
        // Reading a file is an event too, and no change.
        if let Ok(event) = event
            && !matches!(event.kind, EventKind::Access(_))
        {
            watched.iter().filter(|watched| watched.is_about(&event)).for_each(|w| w.hint.notify_one());
        }
    };
    let mut watcher = notify::recommended_watcher(on_event)
        .inspect_err(|error| debug!(%error, "no change notices, polling only"))
        .ok()?;
    for path in paths {
        if let Err(error) = watcher.watch(&path, RecursiveMode::Recursive) {
            debug!(path = %path.display(), %error, "no change notices here, polling only");
        }
    }
    Some(Watcher { _watcher: watcher })
}

impl Watched {
    /// An event without a path (notices were lost) is about everything.
    fn is_about(&self, event: &notify::Event) -> bool {
        let is_below = |changed: &PathBuf| self.paths.iter().any(|path| changed.starts_with(path));
        event.paths.is_empty() || event.paths.iter().any(is_below)
    }
}
