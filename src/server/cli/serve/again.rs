//! Reading the configuration and the catalogs again while the server runs: at SIGHUP, and whenever the file of the
//! configuration has changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thermocline_core::catalog::Catalog;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use crate::app::{MissingRules, Parts, Reloads};
use crate::cli::Failure;
use crate::config::Config;

/// Reads the configuration and the catalogs again.
pub(super) struct Again<R> {
    read: R,
    reloads: Arc<Reloads>,
    missing_rules: Arc<MissingRules>,
    catalog: Arc<Catalog>,
    tasks: TaskTracker,
}

impl<R: Fn() -> Result<Config, Failure> + Send + Sync + 'static> Again<R> {
    /// `read` reads the configuration. Blocking.
    pub(super) fn new(read: R, parts: &Parts, tasks: &TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            read,
            reloads: Arc::clone(&parts.reloads),
            missing_rules: Arc::clone(&parts.missing_rules),
            catalog: Arc::clone(&parts.catalog),
            tasks: tasks.clone(),
        })
    }

    /// Begins to read everything again.
    pub(super) fn begin(self: &Arc<Self>) {
        let again = Arc::clone(self);
        self.tasks.spawn(async move {
            let reading = Arc::clone(&again);
            let taken_over = tokio::task::spawn_blocking(move || {
                reading.reloads.take_over(|| (reading.read)().map_err(|error| error.to_string()));
            });
            if let Err(error) = taken_over.await {
                error!(%error, "configuration was not read again");
            }
            again.missing_rules.look().await;
            again.catalog.scan().await;
        });
    }

    /// Begins to read everything again whenever a file is another one than it was and has stayed so for one more look,
    /// until the server ends: half of a file that is being written may be a configuration, too, without the rules behind.
    pub(super) async fn watch(self: Arc<Self>, file: PathBuf, every: Duration, is_ending: CancellationToken) {
        let mut changes = Changes::since(look_at(&file).await);
        while is_ending.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            if changes.has_settled(look_at(&file).await) {
                info!(file = %file.display(), "the configuration has changed, reading it again");
                self.begin();
            }
        }
    }
}

/// What is known of a file that is looked at from time to time.
struct Changes {
    known: Option<Look>,
    last: Option<Look>,
}

impl Changes {
    fn since(known: Option<Look>) -> Self {
        Self { known, last: known }
    }

    /// Whether the file is another one than was known, and the same as at the last look.
    fn has_settled(&mut self, now: Option<Look>) -> bool {
        // One that is away for a moment is being replaced.
        let is_new = now.is_some() && now != self.known && now == self.last;
        self.last = now;
        if is_new {
            self.known = now;
        }
        is_new
    }
}

/// By what a file is known: its number, its size in bytes, when it was written and when anything of it was changed, in
/// nanoseconds since 1970.
type Look = (u64, u64, i128, i128);

async fn look_at(file: &Path) -> Option<Look> {
    let file = file.to_owned();
    tokio::task::spawn_blocking(move || look(&file)).await.ok()?
}

/// `None` for a file that is not there.
fn look(file: &Path) -> Option<Look> {
    let found = fs::metadata(file).ok()?;
    let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let written = time(found.mtime(), found.mtime_nsec());
    Some((found.ino(), found.len(), written, time(found.ctime(), found.ctime_nsec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_once_when_it_does_not_change_any_more() {
        let look = |size| Some((1, size, 0, 0));
        let mut changes = Changes::since(look(5));
        let looks = [look(5), look(0), look(3), None, look(8), look(8), look(8), look(9), look(8), look(8)];
        let settled: Vec<bool> = looks.into_iter().map(|now| changes.has_settled(now)).collect();
        assert_eq!(settled, [false, false, false, false, false, true, false, false, false, false]);
    }

    #[test]
    fn a_file_that_is_written_or_replaced_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("thermocline.toml");
        assert_eq!(look(&file), None);
        fs::write(&file, "a = 1").unwrap();
        let first = look(&file);
        assert_eq!(look(&file), first);
        fs::write(&file, "a = 12").unwrap();
        let second = look(&file);
        assert!(second.is_some() && second != first);
        // Of the same size, and as old as the one before.
        let other = dir.path().join("other.toml");
        fs::copy(&file, &other).unwrap();
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&other).unwrap().set_modified(written).unwrap();
        fs::rename(&other, &file).unwrap();
        assert_ne!(look(&file), second);
    }
}
