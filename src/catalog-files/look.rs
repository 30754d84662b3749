//! Looks for what a file names: again and again, since files come and go while the catalog stays as it is.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use thermocline_core::catalog::{DatasetSpec, HarvestSpec, SourceSpec};
use thermocline_core::clock::Clock;

use crate::declare::{Declared, DeclaredSource, Parsed};
use crate::find::{Places, is_pattern};
use crate::{Mistake, families, harvests};

/// Files that were found and are looked for again in one round, in case that another root has them now: all of them
/// one after the other, since each costs a request of the file system.
const LOOKS: usize = 100;

/// Listing a family takes at most this part of the time.
const SHARE_OF_TIME: i64 = 20;

/// A file in force, with what was found of it.
pub(crate) struct Looked {
    pub(crate) parsed: Parsed,
    families: Vec<ListedFamily>,
    harvests: Vec<Found>,
    /// Whose turn it is of those that were found.
    turn: usize,
    is_new: bool,
}

/// What was found of a family.
#[derive(Default)]
struct ListedFamily {
    specs: Vec<Arc<DatasetSpec>>,
    /// For each pattern whether files matched it.
    has_matches: Vec<bool>,
    due_ns: i64,
    /// Why it could not be listed the last time.
    problem: Option<String>,
}

/// What a harvest is.
#[derive(PartialEq)]
enum Found {
    /// With the reason why it would be refused, of one that was a harvest when it was looked at before.
    Harvest(Arc<HarvestSpec>, Option<String>),
    Refused(Arc<DatasetSpec>),
}

/// What was found of paths in one round: many entries may name one file.
type Known = HashMap<(Arc<str>, Option<Arc<str>>), SourceSpec>;

impl Looked {
    pub(crate) fn new(parsed: Parsed) -> Self {
        let families = parsed.families.iter().map(|_| ListedFamily::default()).collect();
        Self { parsed, families, harvests: Vec::new(), turn: 0, is_new: true }
    }

    /// Looks for what the file names; true if something is not as it was.
    pub(crate) fn look(&mut self, places: &Places<'_>, is_harvested: bool, clock: &dyn Clock) -> bool {
        let has_new_datasets = self.look_for_datasets(places);
        let has_new_families = self.list_families(places, clock);
        let mut before = std::mem::take(&mut self.harvests).into_iter();
        let mut has_new_harvests = false;
        for harvest in &self.parsed.harvests {
            let found = harvests::found(harvest, places, is_harvested);
            let (found, is_new) = Found::after(before.next(), found);
            has_new_harvests |= is_new;
            self.harvests.push(found);
        }
        let was_new = std::mem::take(&mut self.is_new);
        was_new || has_new_datasets || has_new_families || has_new_harvests
    }

    /// The datasets that entries name by their ids, in the order of the file.
    pub(crate) fn specs(&self) -> impl Iterator<Item = &Arc<DatasetSpec>> {
        self.parsed.datasets.iter().map(|declared| &declared.spec)
    }

    /// Datasets of families and refused harvests.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Arc<DatasetSpec>> {
        let refused = self.harvests.iter().filter_map(|found| match found {
            Found::Refused(spec) => Some(spec),
            Found::Harvest(..) => None,
        });
        self.families.iter().flat_map(|family| &family.specs).chain(refused)
    }

    /// Harvests that can be made.
    pub(crate) fn harvests(&self) -> impl Iterator<Item = &Arc<HarvestSpec>> {
        self.harvests.iter().filter_map(|found| match found {
            Found::Harvest(harvest, _) => Some(harvest),
            Found::Refused(_) => None,
        })
    }

    /// What could not be looked at.
    pub(crate) fn problems(&self, path: &Path) -> Vec<Mistake> {
        let families = self.parsed.families.iter().zip(&self.families);
        let problem = |(family, listed): (&crate::declare::Family, &ListedFamily)| {
            let message = format!("the family {:?} was not listed: {}", family.id, listed.problem.as_ref()?);
            Some((family.line, message))
        };
        let harvests = self.parsed.harvests.iter().zip(&self.harvests);
        let away = harvests.filter_map(|(harvest, found)| match found {
            Found::Harvest(spec, Some(reason)) => {
                Some((harvest.line, format!("the harvest {:?} stays as it was found: {reason}", spec.id)))
            }
            _ => None,
        });
        let mistake = |(line, message)| Mistake { file: path.to_owned(), line, path: String::new(), message };
        families.filter_map(problem).chain(away).map(mistake).collect()
    }

    fn look_for_datasets(&mut self, places: &Places<'_>) -> bool {
        let n_datasets = self.parsed.datasets.len();
        let turn = if self.is_new { 0..n_datasets } else { self.turn..self.turn.saturating_add(LOOKS) };
        self.turn = if turn.end >= n_datasets { 0 } else { turn.end };
        let mut known = Known::new();
        let mut has_changed = false;
        for (number, declared) in self.parsed.datasets.iter_mut().enumerate() {
            if turn.contains(&number) || !declared.is_settled() {
                has_changed |= declared.look(places, self.is_new, &mut known);
            }
        }
        has_changed
    }

    fn list_families(&mut self, places: &Places<'_>, clock: &dyn Clock) -> bool {
        let mut has_changed = false;
        for (family, listed) in self.parsed.families.iter().zip(&mut self.families) {
            let started_ns = clock.now_ns();
            if started_ns < listed.due_ns {
                continue;
            }
            match families::list(family, places, &mut listed.has_matches) {
                Ok(specs) => {
                    listed.problem = None;
                    has_changed |= listed.take(specs);
                }
                Err(reason) => listed.problem = Some(reason),
            }
            let ended_ns = clock.now_ns();
            let took_ns = ended_ns.saturating_sub(started_ns);
            listed.due_ns = ended_ns.saturating_add(took_ns.saturating_mul(SHARE_OF_TIME));
        }
        has_changed
    }
}

impl ListedFamily {
    /// Takes over what was found; what was found before stays the same in memory. True if something differs.
    fn take(&mut self, specs: Vec<DatasetSpec>) -> bool {
        let is_same =
            self.specs.len() == specs.len() && self.specs.iter().zip(&specs).all(|(a, b)| **a == *b);
        if is_same {
            return false;
        }
        let before: HashMap<&str, &Arc<DatasetSpec>> =
            self.specs.iter().map(|spec| (spec.id.as_str(), spec)).collect();
        let known = |spec: DatasetSpec| match before.get(spec.id.as_str()) {
            Some(known) if ***known == spec => Arc::clone(known),
            _ => Arc::new(spec),
        };
        self.specs = specs.into_iter().map(known).collect();
        true
    }
}

impl Declared {
    /// True if looking again would find the same, as long as the file that was found stays.
    fn is_settled(&self) -> bool {
        match &self.source {
            DeclaredSource::Nowhere => true,
            DeclaredSource::Path { path, .. } => {
                !is_pattern(path) && !matches!(self.spec.source, SourceSpec::Refused(_))
            }
            DeclaredSource::Prefix(_) | DeclaredSource::List { .. } => false,
        }
    }

    /// Looks for the source; true if it is another one than before.
    fn look(&mut self, places: &Places<'_>, is_new: bool, known: &mut Known) -> bool {
        let found = match &self.source {
            DeclaredSource::Nowhere if !is_new => return false,
            DeclaredSource::Nowhere => self.spec.source.clone(),
            DeclaredSource::Path { path, root } => known
                .entry((Arc::clone(path), root.clone()))
                .or_insert_with(|| places.source(path, root.as_deref()))
                .clone(),
            DeclaredSource::Prefix(prefix) => places.only_below(prefix),
            DeclaredSource::List { path, root } => places.listed(path, root.as_deref()),
        };
        // A file that was there and is not any more is lost or away for a moment: who opens the dataset is told so.
        if !is_new && self.is_settled() && matches!(found, SourceSpec::Refused(_)) {
            return false;
        }
        let found = places.on_store(found, self.store.as_deref(), self.spec.format.as_deref());
        if found == self.spec.source {
            return false;
        }
        Arc::make_mut(&mut self.spec).source = found;
        true
    }
}

impl Found {
    /// What counts after what counted before, and whether something else is declared. A folder that was there and is
    /// not any more is away for a moment: what was found in it is not withdrawn.
    fn after(before: Option<Self>, found: Result<HarvestSpec, Box<DatasetSpec>>) -> (Self, bool) {
        match (before, found) {
            (Some(Self::Harvest(known, _)), Ok(harvest)) if *known == harvest => {
                (Self::Harvest(known, None), false)
            }
            (Some(Self::Harvest(known, _)), Err(refused)) => {
                let reason = match &refused.source {
                    SourceSpec::Refused(reason) => reason.clone(),
                    _ => String::new(),
                };
                (Self::Harvest(known, Some(reason)), false)
            }
            (Some(Self::Refused(known)), Err(refused)) if *known == *refused => (Self::Refused(known), false),
            (_, Ok(harvest)) => (Self::Harvest(Arc::new(harvest), None), true),
            (_, Err(refused)) => (Self::Refused(refused.into()), true),
        }
    }
}
