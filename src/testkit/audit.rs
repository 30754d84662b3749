//! What was written to the audit log.

use std::cell::RefCell;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Once;

use thermocline_http::live::AUDIT;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

thread_local! {
    static KEPT: RefCell<Option<Vec<AuditEntry>>> = const { RefCell::new(None) };
}

/// Keeps what this thread writes to the audit log, as long as it is there.
pub struct AuditLog {
    _of_this_thread: PhantomData<*const ()>,
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
        listen();
        KEPT.set(Some(Vec::new()));
        Self { _of_this_thread: PhantomData }
    }

    /// What was written since this was asked before.
    pub fn take(&self) -> Vec<AuditEntry> {
        KEPT.replace(Some(Vec::new())).unwrap_or_default()
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        KEPT.set(None);
    }
}

/// Listens in all threads, which has to begin before anything is written: where nobody listens when a line is written
/// for the first time, it may be left out for good.
pub(crate) fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let layer = Kept.with_filter(filter_fn(|metadata| metadata.target() == AUDIT));
        // A test that listens for itself is asked nothing here.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    });
}

struct Kept;

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        KEPT.with_borrow_mut(|kept| {
            if let Some(kept) = kept {
                let mut entry = AuditEntry::default();
                event.record(&mut entry);
                kept.push(entry);
            }
        });
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
