//! What is found at one moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_core::access::View;
use thermocline_core::catalog::{CollectionRules, CollectionSpec};

use crate::columns::{Added, Columns, Governed};
use crate::order::Orders;
use crate::sight::Sight;

/// Most views of which is kept what they see of one moment, besides those that see all.
const MAX_SIGHTS: usize = 32;

/// Collections that are declared, and the access rules of the datasets that are declared in them.
pub(crate) type Declared = (Vec<Arc<CollectionSpec>>, CollectionRules);

/// What is found at one moment.
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    pub(crate) columns: Columns,
    /// Different access rules of the rows.
    pub(crate) rules: BTreeSet<Option<Arc<str>>>,
    /// What those see who see all of it.
    whole: Arc<Sight>,
    /// What others see, those last who were asked for last.
    sights: Mutex<Vec<(View, Arc<Sight>)>>,
    /// Those that are declared.
    specs: Vec<Arc<CollectionSpec>>,
    /// Under which access rules datasets are declared in them, found or not.
    members: CollectionRules,
    /// When what is told of each row last changed, and the generation of the orders that it is of.
    updated_us: Mutex<Option<(u64, Arc<Vec<i64>>)>>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::new(0, Columns::default(), (Vec::new(), CollectionRules::new()))
    }
}

impl Snapshot {
    fn new(generation: u64, columns: Columns, (specs, members): Declared) -> Self {
        let mut rules = BTreeSet::new();
        // Who does not see all that are declared in a collection does not see all.
        for rule in columns.access.iter().chain(members.values().flatten()) {
            if !rules.contains(rule) {
                rules.insert(rule.clone());
            }
        }
        Self {
            generation,
            rules,
            whole: Arc::new(Sight::whole(&columns, &specs)),
            members,
            sights: Mutex::default(),
            columns,
            specs,
            updated_us: Mutex::default(),
        }
    }

    /// True if these collections were declared at that moment.
    pub(crate) fn has_declared(&self, (specs, members): &Declared) -> bool {
        self.specs == *specs && self.members == *members
    }

    /// The next moment, without some datasets and with others, and with some under other access rules.
    pub(crate) fn next(
        &self,
        removed: &[String],
        added: Vec<Added>,
        governed: &[Governed],
        declared: Declared,
    ) -> Self {
        let columns = match removed.is_empty() && added.is_empty() {
            true => self.columns.clone(),
            false => self.columns.patched(removed, added),
        };
        Self::new(self.generation + 1, columns.governed(governed), declared)
    }

    /// What a view sees, if that is known.
    pub(crate) fn known_sight(&self, view: &View) -> Option<Arc<Sight>> {
        if self.rules.iter().all(|rule| view.sees_rule(rule.as_deref())) {
            return Some(Arc::clone(&self.whole));
        }
        let mut sights = self.sights.lock();
        let position = sights.iter().position(|(known, _)| known == view)?;
        let found = sights.remove(position);
        let sight = Arc::clone(&found.1);
        sights.push(found);
        Some(sight)
    }

    /// What a view sees. Takes milliseconds for many if it is not known.
    pub(crate) fn sight(&self, view: &View) -> Arc<Sight> {
        if let Some(known) = self.known_sight(view) {
            return known;
        }
        let is_seen = |spec: &&Arc<CollectionSpec>| {
            let rules = self.members.get(spec.id.as_str());
            rules.is_none_or(|rules| rules.iter().any(|rule| view.sees_rule(rule.as_deref())))
        };
        let specs: Vec<Arc<CollectionSpec>> = self.specs.iter().filter(is_seen).cloned().collect();
        let sight = Arc::new(Sight::of(view, &self.columns, &specs));
        let mut sights = self.sights.lock();
        if sights.len() >= MAX_SIGHTS {
            sights.remove(0);
        }
        sights.push((view.clone(), Arc::clone(&sight)));
        sight
    }

    /// When what is told of each row last changed: its summary, or where its objects are. `None` if no dataset has
    /// objects on cold stores.
    pub(crate) fn updated_us(&self, orders: &Orders) -> Option<Arc<Vec<i64>>> {
        if orders.n_datasets() == 0 {
            return None;
        }
        let generation = orders.generation();
        let mut known = self.updated_us.lock();
        if let Some((of, updated_us)) = known.as_ref()
            && *of == generation
        {
            return Some(Arc::clone(updated_us));
        }
        let columns = &self.columns;
        let latest = |(row, updated_us): (u32, &i64)| {
            let changed_ns = orders.of(columns.ids.get(row)).map_or(i64::MIN, |order| order.changed_ns);
            (*updated_us).max(changed_ns.div_euclid(1000))
        };
        let updated_us: Arc<Vec<i64>> = Arc::new((0..).zip(&columns.updated_us).map(latest).collect());
        *known = Some((generation, Arc::clone(&updated_us)));
        Some(updated_us)
    }
}
