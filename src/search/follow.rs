//! Following the catalog: a summary of every listed dataset that is indexed, made again only if what it depends on
//! changed.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use metrics::{counter, gauge};
use sha2::{Digest, Sha256};
use thermocline_core::Result;
use thermocline_core::catalog::{Catalog, DatasetSpec, IndexedManifests, Listed};
use thermocline_core::manifest::{Manifest, blocking};
use tracing::{debug, error, info, warn};

use crate::columns::{Added, Columns, Governed};
use crate::entry::Entry;
use crate::search::{Search, Shared};
use crate::store::{Key, New, Packed, Stored, VERSION};
use crate::summary::Summary;

/// Changes that come within this time of one another are taken over together.
const SETTLE: Duration = Duration::from_millis(200);

/// The catalog is looked at this often even if it tells of no change: collections change silently, and what failed is
/// tried again.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Datasets that are summarised in one go.
const TOGETHER: usize = 256;

/// Goes at the same time.
const AT_A_TIME: usize = 2;

/// What was summarised is found at the latest when this much more was.
const PUBLISH_EVERY: usize = 8 * TOGETHER;

/// What could not be summarised is tried again after this many looks.
const LOOKS_BEFORE_RETRY: u64 = 12;

/// Where following the catalog stands.
#[derive(Default)]
pub(crate) struct Followed {
    /// What is found, by id.
    known: HashMap<Box<str>, Known>,
    /// What could not be summarised, and the look at which it is tried again.
    failed: HashMap<(u64, Fingerprint), u64>,
    n_looks: u64,
    /// True once nothing is kept of datasets that are not listed.
    is_swept: bool,
}

type Fingerprint = [u8; 16];

struct Known {
    /// That of the declaration.
    number: u64,
    fingerprint: Fingerprint,
    /// Where its summary is kept.
    summary: i64,
    /// The access rule under which it is found.
    access: Option<Arc<str>>,
    /// The last look at which it was listed.
    seen: u64,
}

/// What is to be done.
struct Changes {
    todo: Vec<Listed>,
    /// Ids of what is not found any more, and whether it is still listed.
    gone: Vec<(String, bool)>,
    /// What is under another access rule than it is found under.
    governed: Vec<Governed>,
}

/// What came of summarising some datasets.
#[derive(Default)]
struct Summarised {
    /// What was kept already.
    kept: Vec<(Listed, Fingerprint, Added)>,
    made: Vec<(Listed, Fingerprint, New)>,
    failed: Vec<(u64, Fingerprint)>,
}

impl Search {
    /// Follows the catalog for ever.
    pub(crate) async fn follow(&self) {
        let mut changes = self.shared.catalog.changes();
        loop {
            changes.mark_unchanged();
            if let Err(error) = self.refresh().await {
                warn!(%error, "datasets were not summarised, will retry");
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = self.shared.clock.sleep(LOOK_EVERY) => {}
            }
            self.shared.clock.sleep(SETTLE).await;
        }
    }

    /// Summarises what the catalog lists at present and is indexed. Returns when all of it can be found.
    ///
    /// # Errors
    /// An index or database that cannot be read.
    pub async fn refresh(&self) -> Result<()> {
        let mut guard = Arc::clone(&self.shared.followed).lock_owned().await;
        let shared = Arc::clone(&self.shared);
        let (mut guard, changes, is_complete) = blocking(move || {
            shared.store()?;
            let listing = shared.catalog.listing();
            let is_complete = listing.is_complete;
            let changes = guard.compare(listing.datasets, &shared.unreadable.lock());
            Ok((guard, changes, is_complete))
        })
        .await?;
        let followed = &mut *guard;
        self.govern(followed, changes.governed).await?;
        self.remove(followed, changes.gone).await?;
        self.summarise(followed, changes.todo).await?;
        self.shared.orders.look().await;
        if is_complete && !followed.is_swept {
            self.sweep().await?;
            followed.is_swept = true;
        }
        let is_found = |number: &i64| followed.known.values().any(|known| known.summary == *number);
        self.shared.unreadable.lock().retain(is_found);
        gauge!("thermocline_search_datasets").set(followed.known.len() as f64);
        Ok(())
    }

    /// Puts datasets under other access rules, before anything that takes long.
    async fn govern(&self, followed: &mut Followed, governed: Vec<Governed>) -> Result<()> {
        self.publish(Vec::new(), Vec::new(), governed.clone()).await?;
        for (id, rule) in governed {
            if let Some(known) = followed.known.get_mut(id.as_str()) {
                known.access = rule;
            }
        }
        Ok(())
    }

    async fn remove(&self, followed: &mut Followed, gone: Vec<(String, bool)>) -> Result<()> {
        let ids: Vec<String> = gone.iter().map(|(id, _)| id.clone()).collect();
        for id in &ids {
            self.shared.orders.forget(id);
        }
        self.publish(ids, Vec::new(), Vec::new()).await?;
        for (id, _) in &gone {
            followed.known.remove(id.as_str());
        }
        // Of what is refused for a while it is remembered when it was first seen.
        let unlisted = gone.into_iter().filter(|(_, is_listed)| !is_listed).map(|(id, _)| id).collect();
        self.shared.store()?.forget(Vec::new(), unlisted).await
    }

    async fn summarise(&self, followed: &mut Followed, mut todo: Vec<Listed>) -> Result<()> {
        if todo.is_empty() {
            return Ok(());
        }
        let n_datasets = todo.len();
        // What shares a source is read from the index once.
        todo.sort_by(|a, b| Catalog::source_name(&a.spec).cmp(Catalog::source_name(&b.spec)));
        let now_ns = self.shared.clock.now_ns();
        let chunks: Vec<Vec<Listed>> = todo.chunks(TOGETHER).map(<[Listed]>::to_vec).collect();
        let mut work = stream::iter(chunks)
            .map(|some| {
                let shared = Arc::clone(&self.shared);
                blocking(move || shared.summarise(some, now_ns))
            })
            .buffer_unordered(AT_A_TIME);
        let (mut found, mut replaced, mut n_made) = (Vec::new(), Vec::new(), 0);
        while let Some(summarised) = work.next().await {
            let Summarised { kept, made, failed } = summarised?;
            n_made += made.len();
            let retry_at = followed.n_looks + LOOKS_BEFORE_RETRY;
            followed.failed.extend(failed.into_iter().map(|failed| (failed, retry_at)));
            found.extend(kept);
            found.extend(self.save(made).await?);
            if found.len() >= PUBLISH_EVERY {
                replaced.extend(self.let_find(followed, std::mem::take(&mut found)).await?);
            }
        }
        replaced.extend(self.let_find(followed, found).await?);
        self.shared.store()?.forget(replaced, Vec::new()).await?;
        counter!("thermocline_search_summarised_total").increment(n_made as u64);
        if n_made > 0 {
            debug!(n_datasets, n_made, "datasets summarised");
        }
        Ok(())
    }

    /// Lets datasets be found, and notes that they are: what is not published is looked at again. The answer are the
    /// numbers of the summaries that were replaced.
    async fn let_find(
        &self,
        followed: &mut Followed,
        found: Vec<(Listed, Fingerprint, Added)>,
    ) -> Result<Vec<i64>> {
        let mut added = Vec::with_capacity(found.len());
        let mut noted = Vec::with_capacity(found.len());
        for (listed, fingerprint, found) in found {
            noted.push((listed, fingerprint, found.number));
            added.push(found);
        }
        self.publish(Vec::new(), added, Vec::new()).await?;
        let note = |(listed, fingerprint, number)| followed.note(&listed, fingerprint, number);
        Ok(noted.into_iter().filter_map(note).collect())
    }

    async fn save(&self, made: Vec<(Listed, Fingerprint, New)>) -> Result<Vec<(Listed, Fingerprint, Added)>> {
        if made.is_empty() {
            return Ok(Vec::new());
        }
        let new = made.iter().map(|(_, _, new)| new.clone()).collect();
        let numbers = self.shared.store()?.save(new).await?;
        let added = made.into_iter().zip(numbers).map(|((listed, fingerprint, new), number)| {
            let access = listed.spec.access.clone();
            (listed, fingerprint, Added { entry: new.entry, number, access })
        });
        Ok(added.collect())
    }

    /// Forgets what is kept of datasets that are not listed any more.
    async fn sweep(&self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let unlisted = blocking(move || {
            let listing = shared.catalog.listing();
            let listed: HashSet<&str> =
                listing.datasets.iter().map(|listed| listed.spec.id.as_str()).collect();
            Ok(shared
                .store()?
                .ids()?
                .into_iter()
                .filter(|id| !listed.contains(id.as_str()))
                .collect::<Vec<_>>())
        })
        .await?;
        if !unlisted.is_empty() {
            info!(
                n_datasets = unlisted.len(),
                "forgetting summaries of datasets that are not listed any more"
            );
        }
        self.shared.store()?.forget(Vec::new(), unlisted).await
    }

    /// Lets changes be found.
    async fn publish(&self, removed: Vec<String>, added: Vec<Added>, governed: Vec<Governed>) -> Result<()> {
        let catalog = Arc::clone(&self.shared.catalog);
        let declared = blocking(move || Ok((catalog.collections(), catalog.collection_rules()))).await?;
        let before = Arc::clone(&self.shared.snapshot.read());
        let is_same = removed.is_empty() && added.is_empty() && governed.is_empty();
        if is_same && before.has_declared(&declared) {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            // Making summaries takes long: what was put under another rule meanwhile is under that one from now on.
            let mut governed = governed;
            governed.extend(shared.governed_meanwhile(&before.columns, &added));
            let after = Arc::new(before.next(&removed, added, &governed, declared));
            // The old table goes when the last search in it ends.
            *shared.snapshot.write() = after;
            Ok(())
        })
        .await
    }
}

impl Followed {
    /// What is to be summarised, and what is not found any more.
    fn compare(&mut self, datasets: Vec<Listed>, unreadable: &HashSet<i64>) -> Changes {
        self.n_looks += 1;
        let look = self.n_looks;
        self.failed.retain(|_, retry_at| *retry_at > look);
        let mut todo = Vec::new();
        let mut refused = HashSet::new();
        let mut governed = Vec::new();
        for listed in datasets {
            let id = listed.spec.id.as_str();
            let known = self.known.get_mut(id);
            if let Some(known) = &known
                && known.access != listed.spec.access
            {
                governed.push((id.to_owned(), listed.spec.access.clone()));
            }
            let Some(fingerprint) = listed.fingerprint else {
                match known {
                    Some(_) if listed.is_refused => {
                        refused.insert(id.to_owned());
                    }
                    // Declared otherwise a moment ago: what was found is found until it is looked at.
                    Some(known) => known.seen = look,
                    None => {}
                }
                continue;
            };
            let mut is_current = false;
            if let Some(known) = known {
                known.seen = look;
                is_current = (known.number, known.fingerprint) == (listed.number, fingerprint)
                    && !unreadable.contains(&known.summary);
            }
            if !is_current && !self.failed.contains_key(&(listed.number, fingerprint)) {
                todo.push(listed);
            }
        }
        let gone = self.known.iter().filter(|(_, known)| known.seen != look);
        let gone = gone.map(|(id, _)| (id.to_string(), refused.contains(id.as_ref())));
        Changes { todo, gone: gone.collect(), governed }
    }

    /// Notes what is found of a dataset. The answer is the number of the summary that it replaces.
    fn note(&mut self, listed: &Listed, fingerprint: Fingerprint, summary: i64) -> Option<i64> {
        let access = listed.spec.access.clone();
        let known = Known { number: listed.number, fingerprint, summary, access, seen: self.n_looks };
        let before = self.known.insert(listed.spec.id.as_str().into(), known)?;
        (before.summary != summary).then_some(before.summary)
    }
}

impl Shared {
    /// Datasets that the catalog has under another access rule than they are found under.
    fn governed_meanwhile(&self, columns: &Columns, added: &[Added]) -> Vec<Governed> {
        let found = (0..columns.len()).zip(&columns.access).map(|(row, rule)| (columns.ids.get(row), rule));
        let added = added.iter().map(|added| (added.entry.id.as_str(), &added.access));
        let governed = found.chain(added).filter_map(|(id, rule)| {
            let access = self.catalog.access(id)?;
            (access.rule != *rule).then(|| (id.to_owned(), access.rule))
        });
        governed.collect()
    }

    fn summarise(&self, listed: Vec<Listed>, now_ns: i64) -> Result<Summarised> {
        let ids: Vec<&str> = listed.iter().map(|listed| listed.spec.id.as_str()).collect();
        let mut stored = self.store()?.find(&ids)?;
        let mut manifests = self.catalog.indexed_manifests();
        let mut summarised = Summarised::default();
        for listed in listed {
            let stored = stored.remove(listed.spec.id.as_str());
            let Some(fingerprint) = listed.fingerprint else { continue };
            let key = self.key(&listed.spec, fingerprint);
            if let Some(content) = stored.as_ref().and_then(|stored| stored.content.as_ref())
                && content.key == key
                && !self.unreadable.lock().contains(&content.number)
            {
                self.note_order(&content.entry.id, &content.hrefs);
                let added = Added {
                    entry: content.entry.clone(),
                    number: content.number,
                    access: listed.spec.access.clone(),
                };
                summarised.kept.push((listed, fingerprint, added));
                continue;
            }
            match self.make(&listed, &mut manifests, stored.as_ref(), now_ns) {
                Some((fingerprint, new)) => summarised.made.push((listed, fingerprint, new)),
                None => summarised.failed.push((listed.number, fingerprint)),
            }
        }
        Ok(summarised)
    }

    fn make(
        &self,
        listed: &Listed,
        manifests: &mut IndexedManifests,
        stored: Option<&Stored>,
        now_ns: i64,
    ) -> Option<(Fingerprint, New)> {
        let dataset = &listed.spec.id;
        let (fingerprint, manifest) = match manifests.get(&listed.spec) {
            Ok(found) => found?,
            Err(error) => {
                warn!(%dataset, %error, "dataset was not summarised, will retry");
                return None;
            }
        };
        let described = catch_unwind(AssertUnwindSafe(|| self.describe(&manifest)));
        let Ok(mut summary) = described else {
            error!(%dataset, "dataset was not summarised by a mistake of this program");
            return None;
        };
        let before = stored.and_then(|stored| stored.content.as_ref());
        let before = before.and_then(|content| self.store().ok()?.summary(content.number).ok()?);
        summary.created_ns = stored.map_or(now_ns, |stored| stored.created_ns);
        summary.updated_ns = updated_ns(&mut summary, before.as_ref(), now_ns);
        let packed = Packed::of(&summary);
        let packed =
            packed.inspect_err(|error| warn!(%dataset, %error, "dataset was not summarised")).ok()?;
        let hrefs = hrefs(&manifest);
        self.note_order(&summary.id, &hrefs);
        let new = New {
            key: self.key(&listed.spec, fingerprint),
            created_ns: summary.created_ns,
            entry: Entry::of(&summary),
            hrefs,
            summary: packed,
        };
        Some((fingerprint, new))
    }

    fn note_order(&self, id: &str, hrefs: &[String]) {
        self.orders.note(id, hrefs.iter().map(String::as_str));
    }

    /// A hash over everything that a summary is made from.
    fn key(&self, spec: &DatasetSpec, fingerprint: Fingerprint) -> Key {
        let DatasetSpec {
            id,
            title,
            description,
            source,
            format,
            group,
            variables,
            exclude_variables,
            attributes,
            is_hidden: _,
            access: _,
            invalidate_after: _,
            about,
            origin: _,
        } = spec;
        let mut hash = Hashed(Sha256::new());
        // Writing into a hash does not fail.
        let _ = std::fmt::write(
            &mut hash,
            format_args!(
                "{VERSION}{:?}{id:?}{title:?}{description:?}{source:?}{format:?}{group:?}{variables:?}\
                 {exclude_variables:?}{attributes:?}{about:?}",
                self.searchable
            ),
        );
        hash.0.update(env!("CARGO_PKG_VERSION"));
        hash.0.update(fingerprint);
        let mut key = Key::default();
        for (place, byte) in key.iter_mut().zip(hash.0.finalize()) {
            *place = byte;
        }
        key
    }
}

/// When what is told of a dataset last changed: what it was made from may change without that.
fn updated_ns(summary: &mut Summary, before: Option<&Summary>, now_ns: i64) -> i64 {
    let Some(before) = before else { return now_ns };
    summary.updated_ns = before.updated_ns;
    if summary == before { before.updated_ns } else { now_ns }
}

fn hrefs(manifest: &Manifest) -> Vec<String> {
    manifest.dataset.objects.iter().map(|object| object.href.clone()).collect()
}

struct Hashed(Sha256);

impl std::fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thermocline_core::catalog::SourceSpec;
    use thermocline_model::DatasetId;

    fn listed(id: &str, number: u64, fingerprint: Option<u8>) -> Listed {
        let id = DatasetId::new(id).unwrap();
        let spec = Arc::new(DatasetSpec::new(id, SourceSpec::Object("/a.nc".to_owned()), "test"));
        let fingerprint = fingerprint.map(|byte| [byte; 16]);
        Listed { number, spec, fingerprint, is_refused: false }
    }

    fn refused(id: &str) -> Listed {
        Listed { is_refused: true, ..listed(id, 1, None) }
    }

    /// One that knows `x`, declared as number 1 and indexed as 7.
    fn followed() -> Followed {
        let mut followed = Followed::default();
        followed.compare(vec![], &HashSet::new());
        assert_eq!(followed.note(&listed("x", 1, Some(7)), [7; 16], 100), None);
        followed
    }

    fn compared(listed: Vec<Listed>) -> (Vec<u64>, Vec<(String, bool)>) {
        let Changes { todo, gone, governed: _ } = followed().compare(listed, &HashSet::new());
        (todo.iter().map(|listed| listed.number).collect(), gone)
    }

    #[test]
    fn only_what_changed_is_summarised() {
        assert_eq!(compared(vec![listed("x", 1, Some(7))]), (vec![], vec![]));
        assert_eq!(compared(vec![listed("x", 1, Some(8))]), (vec![1], vec![]));
        assert_eq!(compared(vec![listed("x", 2, Some(7))]), (vec![2], vec![]));
        assert_eq!(compared(vec![listed("x", 1, Some(7)), listed("y", 3, Some(1))]), (vec![3], vec![]));
    }

    #[test]
    fn another_access_rule_counts_at_once_whether_it_was_looked_at_or_not() {
        for fingerprint in [Some(7), None] {
            let mut anew = listed("x", 2, fingerprint);
            anew.spec = Arc::new(DatasetSpec { access: Some("staff".into()), ..(*anew.spec).clone() });
            let Changes { governed, .. } = followed().compare(vec![anew], &HashSet::new());
            assert_eq!(governed, [("x".to_owned(), Some("staff".into()))]);
        }
        let Changes { governed, .. } = followed().compare(vec![listed("x", 1, Some(7))], &HashSet::new());
        assert!(governed.is_empty());
    }

    #[test]
    fn what_is_not_listed_or_refused_is_not_found() {
        assert_eq!(compared(vec![]), (vec![], vec![("x".to_owned(), false)]));
        assert_eq!(compared(vec![refused("x")]), (vec![], vec![("x".to_owned(), true)]));
    }

    #[test]
    fn what_was_not_looked_at_since_it_was_declared_anew_is_found_as_before() {
        assert_eq!(compared(vec![listed("x", 2, None)]), (vec![], vec![]));
        assert_eq!(compared(vec![listed("x", 1, Some(7)), listed("y", 3, None)]), (vec![], vec![]));
    }

    #[test]
    fn what_failed_is_tried_again_later_or_when_it_changed() {
        let mut followed = followed();
        let y = |fingerprint| vec![listed("x", 1, Some(7)), listed("y", 3, Some(fingerprint))];
        followed.failed.insert((3, [1; 16]), followed.n_looks + LOOKS_BEFORE_RETRY);
        let none = HashSet::new();
        assert!(followed.compare(y(1), &none).todo.is_empty());
        assert_eq!(followed.compare(y(2), &none).todo.len(), 1);
        let n_looks = (0..).take_while(|_| followed.compare(y(1), &none).todo.is_empty()).count() as u64;
        assert!(n_looks < LOOKS_BEFORE_RETRY);
    }

    #[test]
    fn a_damaged_summary_is_made_again() {
        let damaged = HashSet::from([100]);
        assert_eq!(followed().compare(vec![listed("x", 1, Some(7))], &damaged).todo.len(), 1);
    }

    #[test]
    fn what_was_not_published_is_looked_at_again() {
        let mut followed = followed();
        for _ in 0..2 {
            assert_eq!(followed.compare(vec![], &HashSet::new()).gone.len(), 1);
        }
    }

    #[test]
    fn a_replaced_summary_is_named() {
        let mut followed = followed();
        assert_eq!(followed.note(&listed("x", 1, Some(8)), [8; 16], 101), Some(100));
        assert_eq!(followed.note(&listed("x", 1, Some(8)), [8; 16], 101), None);
    }
}
