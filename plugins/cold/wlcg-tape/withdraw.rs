//! Recalls that the site is to stop. What it cannot be told is told again later: it would recall, and keep, for nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thermocline_core::Result;
use thermocline_core::bytes::Credentials;
use thermocline_core::clock::Clock;
use thermocline_core::cold::batches::{Batches, Step};
use thermocline_core::cold::{ObjectId, StoreContext};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::Located;
use crate::client::{Client, is_within};
use crate::documents::ByPath;

/// How long to wait before the site is told again; twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// The longest of these waits.
const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// How long the site is told: about as long as recalls take at most.
const TRIED_FOR: Duration = Duration::from_secs(2 * 24 * 3600);

/// Most files that wait for the site to be told.
const MAX_LATE_FILES: usize = 100_000;

/// Files of requests of one root at the site that nobody wants any more.
pub(crate) struct Withdrawal {
    key: String,
    /// The site's names of the requests in which they may be.
    names: Vec<String>,
    by: Credentials,
    ids: Vec<ObjectId>,
    paths: Vec<String>,
}

impl Withdrawal {
    /// Files of a batch that are to be dropped from some requests of the site.
    pub(crate) fn new(key: &str, names: &[&str], by: &Credentials, files: &[Located]) -> Self {
        Self {
            key: key.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            by: by.clone(),
            ids: files.iter().map(|(object, _)| object.id.clone()).collect(),
            paths: files.iter().map(|(_, path)| path.clone()).collect(),
        }
    }
}

/// Withdrawals of a site. Cloning gives the same ones.
#[derive(Clone)]
pub(crate) struct Withdrawals {
    shared: Arc<Shared>,
}

struct Shared {
    client: Arc<Client>,
    batches: Batches,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    late: Mutex<Late>,
}

/// What the site could not be told, and since when, in nanoseconds since 1970.
#[derive(Default)]
struct Late {
    waiting: VecDeque<(Withdrawal, i64)>,
    n_files: usize,
    is_being_told: bool,
}

impl Withdrawals {
    pub(crate) fn new(client: Arc<Client>, batches: Batches, context: &StoreContext) -> Self {
        let shared = Shared {
            client,
            batches,
            clock: Arc::clone(&context.clock),
            tasks: context.tasks.clone(),
            shutdown: context.shutdown.clone(),
            late: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Asks the site to stop recalls: they count as cancelled when it has agreed.
    ///
    /// # Errors
    /// A site that does not answer: it is asked again until it does.
    pub(crate) async fn ask(&self, withdrawal: Withdrawal) -> Result<()> {
        let asked = self.shared.tell(&withdrawal).await;
        match &asked {
            Ok(()) => self.shared.end(&withdrawal),
            Err(_) => self.ask_later(withdrawal),
        }
        asked
    }

    fn ask_later(&self, withdrawal: Withdrawal) {
        let shared = &self.shared;
        let mut late = shared.late.lock();
        if late.n_files.saturating_add(withdrawal.paths.len()) > MAX_LATE_FILES {
            drop(late);
            shared.give_up(&withdrawal, "too many wait for it");
            return;
        }
        late.push(withdrawal, shared.clock.now_ns());
        if !std::mem::replace(&mut late.is_being_told, true) {
            shared.tasks.spawn(Arc::clone(shared).tell_late());
        }
    }
}

impl Shared {
    /// Tells the site what it could not be told before, until it was told all.
    async fn tell_late(self: Arc<Self>) {
        let mut wait = FIRST_WAIT;
        loop {
            let Some((withdrawal, since_ns)) = self.late.lock().pop() else { return };
            if self.shutdown.run_until_cancelled(self.clock.sleep(wait)).await.is_none() {
                return;
            }
            let told = match self.shutdown.run_until_cancelled(self.tell(&withdrawal)).await {
                Some(told) => told,
                None => return,
            };
            match told {
                Ok(()) => {
                    info!(batch = withdrawal.key, n_objects = withdrawal.paths.len(), "recalls were stopped");
                    self.end(&withdrawal);
                    wait = Duration::ZERO;
                }
                Err(error) if !is_within(TRIED_FOR, since_ns, self.clock.now_ns()) => {
                    self.give_up(&withdrawal, error.message());
                }
                Err(_) => {
                    wait = (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
                    self.late.lock().push(withdrawal, since_ns);
                }
            }
        }
    }

    /// Asks the site to drop files.
    async fn tell(&self, withdrawal: &Withdrawal) -> Result<()> {
        let Withdrawal { names, by, paths, .. } = withdrawal;
        if let [name] = &names[..] {
            return self.client.cancel(name, paths, by).await;
        }
        // A path that is not of a request would spoil its cancelling.
        for name in names {
            let files = self.client.poll(name, by).await?.map(|document| document.files).unwrap_or_default();
            let there = ByPath::new(files, |file| &file.path);
            let paths: Vec<String> = paths.iter().filter(|path| there.get(path).is_some()).cloned().collect();
            if !paths.is_empty() {
                self.client.cancel(name, &paths, by).await?;
            }
        }
        Ok(())
    }

    fn end(&self, withdrawal: &Withdrawal) {
        let cancelled = withdrawal.ids.iter().map(|id| (id.clone(), Step::Cancelled));
        self.batches.set(&withdrawal.key, cancelled);
    }

    fn give_up(&self, withdrawal: &Withdrawal, reason: &str) {
        let n_objects = withdrawal.paths.len();
        warn!(batch = withdrawal.key, n_objects, reason, "recalls could not be stopped");
        self.end(withdrawal);
    }
}

impl Late {
    fn push(&mut self, withdrawal: Withdrawal, since_ns: i64) {
        self.n_files = self.n_files.saturating_add(withdrawal.paths.len());
        self.waiting.push_back((withdrawal, since_ns));
    }

    /// The one that has waited longest. If there is none, nobody tells the site any more.
    fn pop(&mut self) -> Option<(Withdrawal, i64)> {
        let next = self.waiting.pop_front();
        match &next {
            Some((withdrawal, _)) => self.n_files = self.n_files.saturating_sub(withdrawal.paths.len()),
            None => self.is_being_told = false,
        }
        next
    }
}
