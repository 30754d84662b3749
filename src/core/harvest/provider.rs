//! What was found, declared as datasets.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::names::Naming;
use super::{Harvests, Shared, table};
use crate::Result;
use crate::catalog::{DatasetSpec, HarvestSpec, Provider, SharedSpecs};

/// What was declared last, and of what it was made.
pub(super) struct Declared {
    generation: i64,
    harvests: Vec<Found>,
    specs: SharedSpecs,
}

/// Datasets of one harvest, by the names of their objects.
struct Found {
    harvest: Arc<HarvestSpec>,
    by_href: HashMap<String, Arc<DatasetSpec>>,
}

impl Declared {
    fn is_of(&self, generation: i64, harvests: &[Arc<HarvestSpec>]) -> bool {
        self.generation == generation
            && self.harvests.len() == harvests.len()
            && self.harvests.iter().zip(harvests).all(|(known, harvest)| known.is_of(harvest))
    }
}

impl Found {
    fn is_of(&self, harvest: &Arc<HarvestSpec>) -> bool {
        Arc::ptr_eq(&self.harvest, harvest) || self.harvest == *harvest
    }
}

impl Harvests {
    /// Declares what was found; always the same one.
    pub fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.shared) as Arc<dyn Provider>
    }
}

#[async_trait]
impl Provider for Shared {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        Ok(self.shared_specs().await?.iter().map(|spec| DatasetSpec::clone(spec)).collect())
    }

    async fn shared_specs(&self) -> Result<SharedSpecs> {
        // Ids of harvests that are not read yet would not be found, and clients read that as fill values.
        self.source.read_once().await?;
        let harvests = self.source.harvests();
        let declared = Arc::clone(&self.declared);
        let read = self.database.read(move |connection| {
            let generation = table::generation(connection)?;
            let mut declared = declared.lock();
            if let Some(known) = declared.as_ref().filter(|known| known.is_of(generation, &harvests)) {
                return Ok(Arc::clone(&known.specs));
            }
            let mut specs = Vec::new();
            let mut found = Vec::new();
            for harvest in harvests {
                let known = declared.as_ref().and_then(|declared| {
                    declared.harvests.iter().find(|known| known.is_of(&harvest)).map(|known| &known.by_href)
                });
                let of_harvest = datasets(&harvest, table::hrefs(connection, &harvest.id)?, known);
                specs.extend(of_harvest.iter().map(|(_, spec)| Arc::clone(spec)));
                found.push(Found { harvest, by_href: of_harvest.into_iter().collect() });
            }
            let specs: SharedSpecs = specs.into();
            *declared = Some(Declared { generation, harvests: found, specs: Arc::clone(&specs) });
            Ok(specs)
        });
        read.await
    }

    fn problems(&self) -> Vec<String> {
        let declared = self.source.harvests();
        let problems = self.problems.lock();
        declared.iter().filter_map(|harvest| problems.get(&harvest.id)).flatten().cloned().collect()
    }
}

/// Datasets of one harvest, those that are known as they are. What is wrong with its patterns is told when it is
/// listed; what has no id is a failure of its own.
fn datasets(
    harvest: &Arc<HarvestSpec>,
    hrefs: Vec<String>,
    known: Option<&HashMap<String, Arc<DatasetSpec>>>,
) -> Vec<(String, Arc<DatasetSpec>)> {
    let Ok(naming) = Naming::new(Arc::clone(harvest)) else { return Vec::new() };
    let dataset = |href: String| {
        let spec = match known.and_then(|known| known.get(&href)) {
            Some(spec) => Arc::clone(spec),
            None => Arc::new(naming.dataset(&href)?.ok()?),
        };
        Some((href, spec))
    };
    hrefs.into_iter().filter_map(dataset).collect()
}
