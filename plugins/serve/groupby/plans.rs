//! Plans and descriptions of results that were asked for lately, so that a chunk of a lazy result costs no planning.

use std::sync::Arc;

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
}

impl Planned {
    /// The result as a dataset without its values: described once.
    ///
    /// # Errors
    /// Those of reading coordinates.
    pub(crate) async fn described(&self) -> Result<&(Arc<Described>, Arc<Manifest>), Problem> {
        let describe = || {
            let plan = Arc::clone(&self.plan);
            blocking(move || {
                let described = Described::of(&plan)?;
                let manifest = described.manifest(&plan, None)?;
                Ok((Arc::new(described), manifest))
            })
        };
        self.described.get_or_try_init(describe).await.map_err(Problem::for_metadata)
    }

    /// Memory that it takes, roughly: the groups of each position, and a coordinate along each axis.
    fn weight(&self) -> u64 {
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

#[derive(Clone)]
struct Weights;

impl Weighter<Key, Arc<Planned>> for Weights {
    fn weight(&self, key: &Key, planned: &Arc<Planned>) -> u64 {
        key.canonical.len() as u64 + planned.weight()
    }
}

/// The plans that are kept.
pub(crate) struct Plans(Cache<Key, Arc<Planned>, Weights>);

impl Plans {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(MAX_PLANS, MAX_BYTES, Weights))
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
            Ok::<_, Failure>(Arc::new(Planned { plan, described: OnceCell::new() }))
        };
        self.0.get_or_insert_async(&key, make).await.map_err(problem)
    }

    /// Memory of what is kept, in bytes.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.0.weight()
    }
}
