//! What was written to the audit log.

use std::fmt::Debug;
use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_http::live::AUDIT;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Keeps what this thread writes to the audit log, as long as it is there.
pub struct AuditLog {
    entries: Arc<Mutex<Vec<AuditEntry>>>,
    _kept: DefaultGuard,
}

/// A line of the audit log.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who asked.
    pub owner: String,
    /// The address from which the request came.
    pub from: String,
    /// What was asked for.
    pub what: String,
    /// To what it was to be done.
    pub subject: String,
    /// What came of it.
    pub outcome: String,
}

impl AuditLog {
    /// Begins to keep.
    pub fn keep() -> Self {
        let entries = Arc::new(Mutex::new(Vec::new()));
        let kept = tracing_subscriber::registry().with(Kept(Arc::clone(&entries))).set_default();
        Self { entries, _kept: kept }
    }

    /// What was written since this was asked before.
    pub fn take(&self) -> Vec<AuditEntry> {
        std::mem::take(&mut self.entries.lock())
    }
}

struct Kept(Arc<Mutex<Vec<AuditEntry>>>);

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == AUDIT {
            let mut entry = AuditEntry::default();
            event.record(&mut entry);
            self.0.lock().push(entry);
        }
    }
}

impl Visit for AuditEntry {
    fn record_str(&mut self, field: &Field, value: &str) {
        let slot = match field.name() {
            "owner" => &mut self.owner,
            "from" => &mut self.from,
            "what" => &mut self.what,
            "subject" => &mut self.subject,
            "outcome" => &mut self.outcome,
            _ => return,
        };
        value.clone_into(slot);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
