//! What every store is made with, besides its own configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::NamespaceRoot;
use crate::bytes::StoreOptions;
use crate::clock::{Clock, SystemClock};

/// What a store is given.
#[derive(Clone)]
pub struct StoreContext {
    /// The roots that lie on it.
    pub roots: Vec<NamespaceRoot>,
    /// How those that lie in an object store or on a web server are reached, by the name of the root.
    pub places: BTreeMap<Arc<str>, StoreOptions>,
    /// A folder of its own, for what has to survive a restart of the server; `None` if nothing has to.
    pub state: Option<PathBuf>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where its background work is counted.
    pub tasks: TaskTracker,
    /// Ends its background work. Recalls go on in the archive.
    pub shutdown: CancellationToken,
}

impl StoreContext {
    /// A store over `roots` that keeps nothing, on the clock of the machine.
    pub fn new(roots: Vec<NamespaceRoot>) -> Self {
        Self {
            roots,
            places: BTreeMap::new(),
            state: None,
            clock: Arc::new(SystemClock),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        }
    }
}
