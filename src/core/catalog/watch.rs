//! Change notices of the operating system: a hint to scan now, never the only way to notice a change.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::debug;

/// Most changed paths that are told one by one.
const MAX_PATHS: usize = 1000;

/// Tells that something changed.
#[derive(Default)]
pub(super) struct Hint {
    changed: Mutex<BTreeSet<PathBuf>>,
    notify: Notify,
}

impl Hint {
    /// Tells of a change of `paths`; none means that nobody knows what changed.
    pub(super) fn tell(&self, paths: &[PathBuf]) {
        let mut changed = self.changed.lock();
        if paths.is_empty() {
            changed.insert(PathBuf::new());
        }
        // One beyond the limit says that there are too many.
        let n_free = (MAX_PATHS + 1).saturating_sub(changed.len());
        changed.extend(paths.iter().take(n_free).cloned());
        self.notify.notify_one();
    }

    /// Returns when there was a change since the last call.
    pub(super) async fn notified(&self) {
        self.notify.notified().await;
    }

    /// The paths that changed since the last call; `None` when they are not known, or too many.
    pub(super) fn take(&self) -> Option<Vec<PathBuf>> {
        let changed = std::mem::take(&mut *self.changed.lock());
        let is_known =
            changed.len() <= MAX_PATHS && changed.first().is_some_and(|path| *path != PathBuf::new());
        is_known.then(|| changed.into_iter().collect())
    }
}

/// Watches until it is dropped.
pub(super) struct Watcher {
    _watcher: RecommendedWatcher,
}

/// Places to watch, and who is told when something changes below them.
pub(super) struct Watched {
    pub(super) paths: Vec<PathBuf>,
    pub(super) hint: Arc<Hint>,
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
            watched.iter().filter(|watched| watched.is_about(&event)).for_each(|w| w.hint.tell(&event.paths));
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
