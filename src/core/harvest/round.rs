//! One round of a harvest: list, declare, index.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};
use thermocline_model::DatasetId;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::listing::Page;
use super::names::Naming;
use super::table::{self, Due, Fate, Kept, Round, Standing};
use super::{FIRST_BACK_OFF, HarvestCounts, Harvests, MAX_BACK_OFF, MAX_OBJECTS};
use crate::catalog::{Catalog, HarvestSpec};
use crate::clock::nanoseconds;
use crate::manifest::blocking;
use crate::{Error, ErrorKind, Result};

/// Pages that wait to be kept.
const PAGES_AHEAD: usize = 4;

/// Objects whose fates are kept together.
const INDEXED_AT_ONCE: usize = 256;

/// Objects whose states are compared with the catalog's together.
const COMPARED_AT_ONCE: usize = 1000;

/// How often objects are counted for those who watch, and what part of the time that takes at most.
const COUNTED_EVERY: Duration = Duration::from_secs(1);
const SHARE_OF_COUNTING: i64 = 20;

/// Objects that are due again within this time are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a listing found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listed {
    /// Names that were looked at, by this process.
    pub n_looked_at: u64,
    /// Objects that were not known.
    pub n_new: u64,
    /// Objects that have changed.
    pub n_changed: u64,
    /// Objects that were there before and are not any more.
    pub n_vanished: u64,
}

/// How far a round is, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HarvestStep {
    /// So many names were looked at.
    Listing(u64),
    /// So many objects are indexed, waiting and so on.
    Indexing(HarvestCounts),
}

/// What comes after some objects were indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// More of them are due.
    More,
    /// Some are due after this time.
    After(Duration),
    /// None is due soon.
    Nothing,
}

impl Harvests {
    /// Does one whole round: lists if that is due or `must_list` says so, and indexes whatever is due. `watch` is told
    /// how far it is.
    ///
    /// # Errors
    /// A place that cannot be listed, a database that cannot be used. That an object is not indexed is none: see
    /// [`Harvests::failures`].
    pub async fn round(
        &self,
        harvest: &Arc<HarvestSpec>,
        catalog: &Catalog,
        watch: &(dyn Fn(HarvestStep) + Sync),
    ) -> Result<HarvestCounts> {
        self.list(harvest, &|n| watch(HarvestStep::Listing(n))).await?;
        self.declare(harvest, catalog).await?;
        loop {
            let next = self.index(harvest, catalog).await?;
            watch(HarvestStep::Indexing(self.counts_for(&harvest.id, next).await?));
            match next {
                Next::More => {}
                Next::After(wait) => self.shared.clock.sleep(wait).await,
                Next::Nothing => return self.counts(&harvest.id).await,
            }
        }
    }

    /// Lists every place of a harvest, going on where an earlier listing was broken off. `watch` is told how many names
    /// were looked at.
    ///
    /// # Errors
    /// Patterns that are none, a place that cannot be listed, too many objects, a database that cannot be used.
    pub async fn list(&self, harvest: &Arc<HarvestSpec>, watch: &(dyn Fn(u64) + Sync)) -> Result<Listed> {
        let listed = self.list_places(harvest, watch).await;
        let mut problems = self.shared.problems.lock();
        match &listed {
            Ok((_, complaints)) if complaints.is_empty() => problems.remove(&harvest.id),
            Ok((_, complaints)) => problems.insert(harvest.id.clone(), complaints.clone()),
            Err(error) => {
                problems.insert(harvest.id.clone(), vec![format!("harvest \"{}\": {error}", harvest.id)])
            }
        };
        drop(problems);
        let (listed, complaints) = listed?;
        info!(
            harvest = harvest.id,
            n_looked_at = listed.n_looked_at,
            n_new = listed.n_new,
            n_changed = listed.n_changed,
            n_vanished = listed.n_vanished,
            "harvest listed"
        );
        for complaint in complaints {
            warn!(harvest = harvest.id, error = complaint, "harvest could not look at everything");
        }
        Ok(listed)
    }

    async fn list_places(
        &self,
        harvest: &Arc<HarvestSpec>,
        watch: &(dyn Fn(u64) + Sync),
    ) -> Result<(Listed, Vec<String>)> {
        let naming = Naming::new(Arc::clone(harvest))?;
        let (id, declaration) = (harvest.id.clone(), self.declaration(harvest));
        let begin = move |connection: &_| {
            Ok((table::begin_round(connection, &id, &declaration)?, table::n_objects(connection, &id)?))
        };
        let (round, n_known) = self.shared.database.write(begin).await?;
        let (sender, mut pages) = mpsc::channel(PAGES_AHEAD);
        let walk = self.walk(naming, round.clone(), sender);
        let keep = async {
            let mut listed = Listed::default();
            while let Some((place, page)) = pages.recv().await {
                let n_looked_at = page.n_looked_at;
                let kept = self.keep_page(harvest, &round, place, page).await?;
                listed.n_looked_at = listed.n_looked_at.saturating_add(n_looked_at);
                listed.n_new = listed.n_new.saturating_add(kept.n_new);
                listed.n_changed = listed.n_changed.saturating_add(kept.n_changed);
                if n_known.saturating_add(listed.n_new) > MAX_OBJECTS {
                    let message =
                        format!("more than {MAX_OBJECTS} objects, which is the most of one harvest");
                    return Err(Error::new(ErrorKind::TooLarge, message));
                }
                watch(listed.n_looked_at);
            }
            // Whoever sends after that gives up.
            drop(pages);
            Ok(listed)
        };
        let (complaints, listed) = tokio::join!(walk, keep);
        let (mut listed, complaints) = (listed?, complaints?);
        listed.n_vanished = self.end_listing(harvest, round.number).await?;
        Ok((listed, complaints))
    }

    /// Lists on the blocking pool, and sends what it finds.
    async fn walk(
        &self,
        naming: Naming,
        round: Round,
        sender: mpsc::Sender<(usize, Page)>,
    ) -> Result<Vec<String>> {
        let lister = self.shared.lister.clone();
        let walk = blocking(move || {
            let mut complaints = Vec::new();
            for (number, place) in naming.spec.places.iter().enumerate().skip(round.place) {
                let after = round.cursor.as_deref().filter(|_| number == round.place);
                complaints.extend(lister.list(&naming, &place.base, after, &mut |page| {
                    let sent = sender.blocking_send((number, page));
                    sent.map_err(|_| Error::internal("nobody waits for the listing any more"))
                })?);
            }
            Ok(complaints)
        });
        walk.await
    }

    async fn keep_page(
        &self,
        harvest: &HarvestSpec,
        round: &Round,
        place: usize,
        page: Page,
    ) -> Result<Kept> {
        let id = harvest.id.clone();
        let round = Round { number: round.number, place, cursor: page.cursor.clone() };
        let keep = move |connection: &_| table::keep_page(connection, &id, &round, &page);
        self.shared.database.write(keep).await
    }

    async fn end_listing(&self, harvest: &HarvestSpec, round: i64) -> Result<u64> {
        let now_ns = self.shared.clock.now_ns();
        let forget_before_ns = now_ns.saturating_sub(nanoseconds(harvest.keep_missing));
        let id = harvest.id.clone();
        let end = move |connection: &_| table::end_round(connection, &id, round, (now_ns, forget_before_ns));
        let (n_marked, n_forgotten) = self.shared.database.write(end).await?;
        if n_forgotten > 0 {
            info!(harvest = harvest.id, n_forgotten, "what vanished long ago is not listed any more");
        }
        Ok(n_marked as u64)
    }

    /// Lets the catalog know what was found, and takes from it what became of it elsewhere: objects that were indexed
    /// when somebody opened them, or that the index has lost.
    ///
    /// # Errors
    /// A database that cannot be used.
    pub async fn declare(&self, harvest: &Arc<HarvestSpec>, catalog: &Catalog) -> Result<()> {
        catalog.scan_one(&self.provider()).await;
        let naming = Arc::new(Naming::new(Arc::clone(harvest))?);
        let mut after = String::new();
        loop {
            let (naming, last) = (Arc::clone(&naming), std::mem::take(&mut after));
            let read = move |connection: &_| {
                let settled = table::settled(connection, &naming.spec.id, &last, COMPARED_AT_ONCE)?;
                let last = settled.last().map(|(href, _)| href.clone());
                let named = settled.into_iter().filter_map(|(href, is_indexed)| {
                    let id = naming.id_of(&href)?;
                    Some((href, is_indexed, id))
                });
                Ok((last, named.collect::<Vec<_>>()))
            };
            let (last, named) = self.shared.database.read(read).await?;
            let Some(last) = last else { return Ok(()) };
            after = last;
            let ids: Vec<&DatasetId> = named.iter().map(|(.., id)| id).collect();
            let states = catalog.are_indexed(&ids).await;
            let other = named
                .iter()
                .zip(states)
                .filter(|((_, is_indexed, _), now)| now.is_some_and(|now| now != *is_indexed));
            let other: Vec<String> = other.map(|((href, ..), _)| href.clone()).collect();
            if !other.is_empty() {
                let id = harvest.id.clone();
                let look_again = move |connection: &_| table::look_again(connection, &id, &other);
                self.shared.database.write(look_again).await?;
            }
        }
    }

    /// Counts after some objects were indexed. Counting looks at the whole harvest: while more is to come, it is done
    /// every now and then only.
    pub(super) async fn counts_for(&self, id: &str, next: Next) -> Result<HarvestCounts> {
        let began_ns = self.shared.clock.now_ns();
        let known = self.shared.counted.lock().get(id).copied();
        if let Some((counts, until_ns)) = known
            && next == Next::More
            && began_ns < until_ns
        {
            return Ok(counts);
        }
        let counts = self.counts(id).await?;
        let ended_ns = self.shared.clock.now_ns();
        let took_ns = ended_ns.saturating_sub(began_ns).saturating_mul(SHARE_OF_COUNTING);
        let until_ns = ended_ns.saturating_add(took_ns.max(nanoseconds(COUNTED_EVERY)));
        self.shared.counted.lock().insert(id.to_owned(), (counts, until_ns));
        Ok(counts)
    }

    /// Indexes some objects that are due.
    pub(super) async fn index(&self, harvest: &Arc<HarvestSpec>, catalog: &Catalog) -> Result<Next> {
        let (id, now_ns) = (harvest.id.clone(), self.shared.clock.now_ns());
        let due = move |connection: &_| table::due(connection, &id, now_ns, INDEXED_AT_ONCE);
        let due = self.shared.database.read(due).await?;
        if due.is_empty() {
            return self.next(harvest).await;
        }
        let naming = Naming::new(Arc::clone(harvest))?;
        let naming = &naming;
        let fates: Vec<(Due, Fate)> = stream::iter(due)
            .map(|due| async move {
                let fate = self.index_one(naming, catalog, &due).await;
                (due, fate)
            })
            .buffer_unordered(self.shared.n_indexers)
            .collect()
            .await;
        let id = harvest.id.clone();
        self.shared.database.write(move |connection| table::settle(connection, &id, &fates)).await?;
        Ok(Next::More)
    }

    async fn next(&self, harvest: &HarvestSpec) -> Result<Next> {
        let due_ns = self.standing(&harvest.id).await?.due_ns;
        let wait_ns = due_ns.map(|due_ns| due_ns.saturating_sub(self.shared.clock.now_ns()).max(0));
        Ok(match wait_ns {
            Some(wait_ns) if wait_ns <= nanoseconds(PATIENCE) => {
                Next::After(Duration::from_nanos(wait_ns.unsigned_abs()))
            }
            _ => Next::Nothing,
        })
    }

    async fn index_one(&self, naming: &Naming, catalog: &Catalog, due: &Due) -> Fate {
        let dataset = match naming.dataset(&due.href) {
            Some(Ok(dataset)) => dataset,
            Some(Err(error)) => return Fate::Refused(error.to_string()),
            None => return Fate::Refused("the harvest does not take this name any more".to_owned()),
        };
        let error = match catalog.refresh(dataset.id.as_str()).await {
            Ok(_) => return Fate::Indexed,
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::Refused => Fate::Refused(error.to_string()),
            _ => {
                let due_ns = self.shared.clock.now_ns().saturating_add(nanoseconds(back_off(due.attempts)));
                Fate::Failed { reason: error.to_string(), due_ns }
            }
        }
    }

    pub(super) async fn standing(&self, id: &str) -> Result<Standing> {
        let id = id.to_owned();
        let read = move |connection: &_| table::standing(connection, &id);
        Ok(self.shared.database.read(read).await?.unwrap_or_default())
    }

    /// True for a harvest that has to be listed: for the first time, because its entry has changed, because its listing
    /// was broken off, or again.
    pub(super) fn is_to_be_listed(&self, harvest: &HarvestSpec, standing: &Standing) -> bool {
        let Some(listed_ns) = standing.listed_ns else { return true };
        let since_ns = self.shared.clock.now_ns().saturating_sub(listed_ns);
        standing.is_listing
            || standing.declaration != self.declaration(harvest)
            || harvest.every.is_some_and(|every| since_ns >= nanoseconds(every))
    }

    /// What decides which objects a harvest takes, and what is refused of them.
    pub(super) fn declaration(&self, harvest: &HarvestSpec) -> String {
        let taken = (&harvest.places, &harvest.exclude, harvest.is_recursive, harvest.dataset_per);
        let formats = &self.shared.lister.formats;
        let formats: Vec<_> = formats.iter().map(|format| (format.id(), format.index_version())).collect();
        let read = (&harvest.template.format, formats);
        crate::index::hex(&Sha256::digest(format!("{taken:?} {read:?}")))
    }
}

fn back_off(attempts: u32) -> Duration {
    FIRST_BACK_OFF.saturating_mul(2_u32.saturating_pow(attempts)).min(MAX_BACK_OFF)
}
