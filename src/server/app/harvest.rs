//! Harvests: those that catalog files declare, and those of a command line.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use thermocline_core::bytes::ObjectOpener;
use thermocline_core::catalog::{DatasetPer, DatasetSpec, HarvestPlace, HarvestSpec, SourceSpec};
use thermocline_core::clock::SystemClock;
use thermocline_core::format::Format;
use thermocline_core::harvest::{HarvestSource, Harvests, HarvestsParts};
use thermocline_core::state::{Database, DatabaseSettings};
use thermocline_core::{Error, Result};
use thermocline_model::DatasetId;

use super::Purpose;
use super::cold::blocking;
use super::stores::NamingProvider;
use crate::config::Config;

/// Name of the database below state.dir.
const DATABASE: &str = "harvest.db";

/// What is harvested.
pub(super) struct Declared {
    /// The catalog files.
    pub(super) files: Arc<NamingProvider>,
    /// Harvests of a command line.
    pub(super) given: Vec<Arc<HarvestSpec>>,
}

#[async_trait]
impl HarvestSource for Declared {
    fn harvests(&self) -> Vec<Arc<HarvestSpec>> {
        self.given.iter().cloned().chain(self.files.harvests()).collect()
    }

    async fn read_once(&self) -> Result<()> {
        self.files.read_once().await
    }
}

/// The harvests with what they found; `None` for a command that only looks when nothing was ever harvested.
///
/// # Errors
/// A database that cannot be used.
pub(super) async fn open(
    config: &Config,
    declared: Declared,
    (opener, formats): (Arc<dyn ObjectOpener>, &[Arc<dyn Format>]),
    (purpose, is_harvesting): (Purpose, bool),
) -> Result<Option<Harvests>> {
    let path = config.state.dir().join(DATABASE);
    if purpose == Purpose::Look && !is_harvesting && !path.exists() {
        return Ok(None);
    }
    let settings = DatabaseSettings::new(path);
    let database = blocking(move || Database::open(settings, Harvests::MIGRATIONS)).await?;
    let n_indexers = super::catalog_settings(config).n_indexers;
    Ok(Some(Harvests::new(HarvestsParts {
        database,
        source: Arc::new(declared),
        opener,
        formats: formats.to_vec(),
        clock: Arc::new(SystemClock),
        n_indexers,
    })))
}

/// The harvest of a path or address that a command line names, with the ids that its datasets have when it is served.
///
/// # Errors
/// A path that is none.
pub(crate) fn of_place(place: &str) -> Result<HarvestSpec> {
    let base = if place.contains("://") { place.trim_end_matches('/').to_owned() } else { absolute(place)? };
    let id = DatasetId::new("harvest").map_err(|error| Error::internal(error.to_string()))?;
    let template = DatasetSpec::new(id, SourceSpec::Refused("it is a harvest".to_owned()), base.clone());
    Ok(HarvestSpec {
        id: base.clone(),
        places: vec![HarvestPlace { base, include: Vec::new() }],
        exclude: Vec::new(),
        is_recursive: true,
        dataset_per: DatasetPer::Object,
        every: None,
        keep_missing: HarvestSpec::KEEP_MISSING,
        fields: Vec::new(),
        template,
    })
}

fn absolute(path: &str) -> Result<String> {
    let unusable = || Error::invalid_input(format!("{path:?} is no folder"));
    let absolute = std::path::absolute(Path::new(path)).map_err(|cause| unusable().with_source(cause))?;
    if !absolute.is_dir() {
        return Err(unusable());
    }
    let text = absolute.to_str().ok_or_else(|| Error::invalid_input(format!("{path:?} is not UTF-8")))?;
    Ok(text.trim_end_matches('/').to_owned())
}
