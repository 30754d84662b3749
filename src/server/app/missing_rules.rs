//! Access rules that datasets name although no configuration declares them: nobody sees these datasets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thermocline_core::catalog::Catalog;
use thermocline_http::identity::Access;
use thermocline_model::DatasetId;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Changes of the catalog that come within this time of one another are looked at together.
const SETTLE: Duration = Duration::from_secs(1);

/// Tells the log of rules that are missing, each once until it is there.
pub(crate) struct MissingRules {
    catalog: Arc<Catalog>,
    access: Arc<Access>,
    told: Mutex<BTreeSet<Arc<str>>>,
}

impl MissingRules {
    pub(super) fn new(catalog: Arc<Catalog>, access: Arc<Access>) -> Self {
        Self { catalog, access, told: Mutex::default() }
    }

    /// Tells of what is missing whenever the catalog has changed.
    pub(crate) async fn watch(self: Arc<Self>, is_ending: CancellationToken) {
        let mut changes = self.catalog.changes();
        loop {
            changes.mark_unchanged();
            self.look().await;
            let pause = async {
                // An error means that there will be no changes any more: then the end is waited for.
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(SETTLE).await;
            };
            if is_ending.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// Tells of what is missing now and was not before.
    pub(crate) async fn look(self: &Arc<Self>) {
        if !self.catalog.names_rules() {
            return;
        }
        let missing = Arc::clone(self);
        // With many datasets this takes milliseconds. It cannot fail, and is done again if it did.
        let _ = tokio::task::spawn_blocking(move || missing.tell()).await;
    }

    fn tell(&self) {
        let named = self.catalog.named_rules();
        let news = news(&mut self.told.lock(), named, |rule| self.access.has_rule(rule));
        for (rule, (n_datasets, dataset)) in news {
            warn!(%rule, n_datasets, %dataset, "datasets name an access rule that does not exist: nobody sees them");
        }
    }
}

/// Rules by name, each with how many datasets name it, and the first of these.
type Named = BTreeMap<Arc<str>, (usize, DatasetId)>;

/// Of the rules that datasets name, those that do not exist and are not among `told`, which they are afterwards.
fn news(told: &mut BTreeSet<Arc<str>>, named: Named, exists: impl Fn(&str) -> bool) -> Named {
    let missing: Named = named.into_iter().filter(|(rule, _)| !exists(rule)).collect();
    told.retain(|rule| missing.contains_key(rule));
    missing.into_iter().filter(|(rule, _)| told.insert(Arc::clone(rule))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_rule_is_told_once_until_it_was_there() {
        let named = || -> Named {
            let of = |rule: &str, id: &str| (Arc::from(rule), (2, DatasetId::new(id).unwrap()));
            [of("climate", "a"), of("staf", "b")].into()
        };
        let mut told = BTreeSet::new();
        let mut names = |named: Named, known: &[&str]| -> Vec<String> {
            news(&mut told, named, |rule| known.contains(&rule)).keys().map(ToString::to_string).collect()
        };
        assert_eq!(names(named(), &["climate"]), ["staf"]);
        assert!(names(named(), &["climate"]).is_empty());
        assert_eq!(names(named(), &[]), ["climate"]);
        assert!(names(named(), &["climate", "staf"]).is_empty());
        assert_eq!(names(named(), &["climate"]), ["staf"], "it went away again");
        assert!(names(Named::new(), &[]).is_empty());
        assert_eq!(names(named(), &["climate"]), ["staf"], "nobody named it for a while");
    }
}
