//! Plans and descriptions of results that were asked for lately, so that a chunk of a lazy result costs no planning.

use std::sync::{Arc, Weak};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use thermocline_core::manifest::{Manifest, blocking};
use thermocline_groupby::{Described, Engine, Failure, Plan, Request};
use thermocline_http::Problem;
use tokio::sync::OnceCell;

use crate::trouble::problem;

/// Most plans that are kept.
const MAX_PLANS: usize = 2_000;

/// Memory of the plans that are kept, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// What a plan takes beside its groups and labels, in bytes.
const PLAN_BYTES: u64 = 16 << 10;

/// A diagnostic that can be computed, with what is known of its result.
pub(crate) struct Planned {
    /// The plan.
    pub(crate) plan: Arc<Plan>,
    described: OnceCell<(Arc<Described>, Arc<Manifest>)>,
    key: Key,
    /// Where it is kept, and itself as it is kept there.
    kept: Weak<Kept>,
    this: Weak<Self>,
}

impl Planned {
    /// The result as a dataset without its values: described once.
    ///
    /// # Errors
    /// Those of reading coordinates.
    pub(crate) async fn described(&self) -> Result<&(Arc<Described>, Arc<Manifest>), Problem> {
        let describe = || async {
            let plan = Arc::clone(&self.plan);
            let described = blocking(move || {
                let described = Described::of(&plan)?;
                let manifest = described.manifest(&plan, None)?;
                Ok((Arc::new(described), manifest))
            });
            let described = described.await?;
            self.weigh_with(&described.0);
            Ok(described)
        };
        self.described.get_or_try_init(describe).await.map_err(Problem::for_metadata)
    }

    /// Counts its description, too, if it is still kept: it may push others out, or have no room itself.
    fn weigh_with(&self, described: &Described) {
        let (Some(kept), Some(planned)) = (self.kept.upgrade(), self.this.upgrade()) else { return };
        let len_bytes = self.len_bytes() + described.len_bytes();
        // One that is kept no longer stays away.
        let _ = kept.replace(self.key.clone(), Entry { planned, len_bytes }, true);
    }

    /// Memory of the plan, roughly, in bytes: the groups of each position, and a coordinate along each axis.
    fn len_bytes(&self) -> u64 {
        let codes: u64 = self.plan.factors.iter().map(|factor| factor.codes.len() as u64 * 4).sum();
        let groups: u64 = self.plan.factors.iter().map(|factor| factor.n_groups() as u64 * 64).sum();
        let labels: u64 = self.plan.axes.iter().map(|axis| axis.n_selected() * 16).sum();
        PLAN_BYTES + codes + groups + labels
    }
}

/// A request in the state of a dataset that it was planned for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    dataset: String,
    revision: String,
    canonical: String,
}

/// A plan that is kept, with the memory that it counts for: a description that is made later changes it by another entry.
#[derive(Clone)]
struct Entry {
    planned: Arc<Planned>,
    len_bytes: u64,
}

#[derive(Clone)]
struct Weights;

impl Weighter<Key, Entry> for Weights {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        key.canonical.len() as u64 + entry.len_bytes
    }
}

type Kept = Cache<Key, Entry, Weights>;

/// The plans that are kept.
pub(crate) struct Plans(Arc<Kept>);

impl Plans {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(MAX_PLANS, MAX_BYTES, Weights)))
    }

    /// The plan of a request: kept, or made once for all who ask.
    ///
    /// # Errors
    /// Those of planning, as answers.
    pub(crate) async fn plan(
        &self,
        engine: &Engine,
        manifest: &Arc<Manifest>,
        request: Request,
    ) -> Result<Arc<Planned>, Problem> {
        let key = Key {
            dataset: manifest.id.to_string(),
            revision: manifest.revision.to_string(),
            canonical: request.canonical(),
        };
        let make = async {
            let plan = Arc::new(engine.plan(manifest, request).await?);
            let planned = Arc::new_cyclic(|this| Planned {
                plan,
                described: OnceCell::new(),
                key: key.clone(),
                kept: Arc::downgrade(&self.0),
                this: Weak::clone(this),
            });
            let len_bytes = planned.len_bytes();
            Ok::<_, Failure>(Entry { planned, len_bytes })
        };
        let entry = self.0.get_or_insert_async(&key, make).await.map_err(problem)?;
        Ok(entry.planned)
    }

    /// Memory of what is kept, in bytes.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.0.weight()
    }
}
