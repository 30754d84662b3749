//! The list of plugins. It is written out: what is not named here does not exist.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thermocline_cold_command::CommandStore;
use thermocline_cold_posix::PosixStore;
use thermocline_cold_s3_glacier::GlacierStore;
use thermocline_cold_simulated::SimulatedStore;
use thermocline_cold_wlcg_tape::WlcgTapeStore;
use thermocline_core::cold::{ColdStore, StoreContext};
use thermocline_core::format::Format;
use thermocline_core::{Error, Result};
use thermocline_http::ServePlugin;

use crate::config::{Config, KeyMistake, StoreKeys};

mod faces;

/// The formats that can be read, the protocols that are served, the kinds of cold stores.
#[derive(Clone, Default)]
pub struct Registry {
    formats: Vec<Arc<dyn Format>>,
    cold: Vec<ColdKind>,
    builtin: Vec<Builtin>,
    private: Vec<Arc<dyn ServePlugin>>,
    n_builtin_formats: usize,
}

/// A kind of cold store.
#[derive(Clone)]
pub struct ColdKind {
    kind: &'static str,
    paths: &'static [&'static str],
    keys: fn(&'static str) -> StoreKeys,
    check: Arc<CheckKeys>,
    make: Arc<MakeStore>,
}

type CheckKeys = dyn Fn(toml::Table) -> std::result::Result<(), KeyMistake> + Send + Sync;

type MakeStore = dyn Fn(&StoreContext, toml::Table) -> Result<Arc<dyn ColdStore>> + Send + Sync;

impl ColdKind {
    /// The kind that `[cold.NAME] kind` calls `kind`: its own keys are read as `C`, and `make` makes a store of them.
    pub fn new<C, S>(kind: &'static str, make: fn(C, &StoreContext) -> Result<S>) -> Self
    where
        C: DeserializeOwned + Serialize + JsonSchema + Default + 'static,
        S: ColdStore + 'static,
    {
        let read = |keys: toml::Table| -> std::result::Result<C, KeyMistake> {
            serde_path_to_error::deserialize(toml::Value::Table(keys)).map_err(|error| mistake_of(&error))
        };
        let check = move |keys: toml::Table| {
            let config = read(keys)?;
            // Over no root and without a folder a store does nothing but look at what it was told.
            let made = make(config, &StoreContext::new(Vec::new()));
            made.map(drop).map_err(|error| KeyMistake { key: Vec::new(), message: error.to_string() })
        };
        let make = move |context: &StoreContext, keys: toml::Table| -> Result<Arc<dyn ColdStore>> {
            let config = read(keys).map_err(|mistake| Error::invalid_input(mistake.to_string()))?;
            Ok(Arc::new(make(config, context)?))
        };
        Self { kind, paths: &[], keys: store_keys::<C>, check: Arc::new(check), make: Arc::new(make) }
    }

    /// The same kind, with own keys that are paths: relative ones begin at the file that names them.
    #[must_use]
    pub fn with_paths(self, keys: &'static [&'static str]) -> Self {
        Self { paths: keys, ..self }
    }

    /// A store of this kind with its own keys. Blocking.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] naming the key that is wrong; what keeps the store from working.
    pub(crate) fn make(&self, context: &StoreContext, keys: toml::Table) -> Result<Arc<dyn ColdStore>> {
        (self.make)(context, keys)
    }

    /// What is wrong with a store's own keys.
    pub(crate) fn check(&self, keys: toml::Table) -> std::result::Result<(), KeyMistake> {
        (self.check)(keys)
    }
}

fn store_keys<C: Serialize + JsonSchema + Default>(kind: &'static str) -> StoreKeys {
    let defaults = serde_json::to_value(C::default()).unwrap_or_default();
    StoreKeys { kind, schema: schemars::schema_for!(C).to_value(), defaults }
}

/// Where a key is wrong, and how.
fn mistake_of(error: &serde_path_to_error::Error<toml::de::Error>) -> KeyMistake {
    let key = error.path().iter().filter_map(|segment| match segment {
        serde_path_to_error::Segment::Map { key } => Some(key.clone()),
        _ => None,
    });
    KeyMistake { key: key.collect(), message: error.inner().message().trim().to_owned() }
}

/// A protocol that is made once its configuration is known.
type Builtin = fn(&Config, &Shared) -> Arc<dyn ServePlugin>;

/// What several protocols use.
struct Shared {
    groupby: Arc<thermocline_groupby::Engine>,
}

impl Shared {
    fn new(config: &Config) -> Self {
        Self { groupby: Arc::new(thermocline_groupby::Engine::new(faces::groupby(config))) }
    }
}

impl Registry {
    /// Every plugin of this repository.
    pub fn builtin() -> Self {
        let formats: Vec<Arc<dyn Format>> = vec![
            Arc::new(thermocline_format_hdf5::Hdf5Format::default()),
            Arc::new(thermocline_format_netcdf::NetcdfFormat),
            Arc::new(thermocline_format_zarr::ZarrFormat),
            Arc::new(thermocline_format_kerchunk::KerchunkFormat),
        ];
        let builtin: Vec<Builtin> = vec![
            |_, _| Arc::new(thermocline_serve_datasets::DatasetsPlugin),
            |_, _| Arc::new(thermocline_serve_zarr::ZarrPlugin),
            |config, _| {
                Arc::new(thermocline_serve_kerchunk::KerchunkPlugin::new((&config.plugins.kerchunk).into()))
            },
            |config, _| Arc::new(thermocline_serve_stac::StacPlugin::new(faces::stac(config))),
            |config, _| {
                Arc::new(thermocline_serve_intake::IntakePlugin::new((&config.plugins.intake).into()))
            },
            |config, shared| {
                let (settings, groupby) = ((&config.plugins.plot).into(), &config.plugins.groupby);
                if !groupby.enabled {
                    return Arc::new(thermocline_serve_plot::PlotPlugin::new(settings));
                }
                let engine = Arc::clone(&shared.groupby);
                Arc::new(thermocline_serve_plot::PlotPlugin::with_groupby(settings, engine))
            },
            |config, shared| {
                let settings = faces::groupby_answers(config);
                let writer = thermocline_format_netcdf::writer();
                let engine = Arc::clone(&shared.groupby);
                Arc::new(thermocline_serve_groupby::GroupbyPlugin::new(settings, engine, writer))
            },
            |_, _| Arc::new(thermocline_serve_thredds::ThreddsPlugin::default()),
            |config, _| Arc::new(thermocline_serve_staging::StagingPlugin::new(faces::staging(config))),
            |config, _| Arc::new(thermocline_serve_jobs::JobsPlugin::new(faces::jobs(config))),
            |config, _| Arc::new(thermocline_serve_chiller::ChillerPlugin::new(faces::chiller(config))),
            |config, _| Arc::new(thermocline_serve_wlcg::WlcgPlugin::new(faces::wlcg(config))),
            |_, _| Arc::new(thermocline_serve_metrics::MetricsPlugin::default()),
        ];
        let cold = vec![
            ColdKind::new("simulated", SimulatedStore::new).with_paths(&["table", "recall_log"]),
            ColdKind::new("posix", PosixStore::new),
            ColdKind::new("command", CommandStore::new).with_paths(&["spool"]),
            ColdKind::new("s3-glacier", GlacierStore::new),
            ColdKind::new("wlcg-tape", WlcgTapeStore::new),
        ];
        Self { n_builtin_formats: formats.len(), formats, cold, builtin, private: Vec::new() }
    }

    /// The same list with one more protocol, for a server with a private plugin.
    #[must_use]
    pub fn with(mut self, plugin: impl ServePlugin + 'static) -> Self {
        self.private.push(Arc::new(plugin));
        self
    }

    /// The same list with one more format.
    #[must_use]
    pub fn with_format(mut self, format: impl Format + 'static) -> Self {
        self.formats.push(Arc::new(format));
        self
    }

    /// The same list with one more kind of cold store.
    #[must_use]
    pub fn with_cold(mut self, kind: ColdKind) -> Self {
        self.cold.push(kind);
        self
    }

    /// A kind of cold store by its name.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] naming the kinds that there are.
    pub(crate) fn cold(&self, kind: &str) -> Result<&ColdKind> {
        self.cold.iter().find(|known| known.kind == kind).ok_or_else(|| {
            let known: Vec<&str> = self.cold_kinds().collect();
            Error::invalid_input(format!(
                "no cold store of kind \"{kind}\" is built in; there are: {}",
                known.join(", ")
            ))
        })
    }

    /// What is wrong with the own keys of a store of a kind.
    ///
    /// # Errors
    /// The first mistake.
    pub(crate) fn check_store(&self, kind: &str, keys: &toml::Table) -> std::result::Result<(), KeyMistake> {
        match self.cold(kind) {
            Ok(known) => known.check(keys.clone()),
            Err(error) => Err(KeyMistake { key: vec!["kind".to_owned()], message: error.to_string() }),
        }
    }

    /// The own keys of a store of a kind that are paths.
    pub(crate) fn store_paths(&self, kind: &str) -> &'static [&'static str] {
        self.cold(kind).map_or(&[], |known| known.paths)
    }

    /// The own keys of every kind of cold store.
    pub fn store_keys(&self) -> Vec<StoreKeys> {
        self.cold.iter().map(|known| (known.keys)(known.kind)).collect()
    }

    /// The kinds of cold stores.
    pub fn cold_kinds(&self) -> impl Iterator<Item = &'static str> {
        self.cold.iter().map(|known| known.kind)
    }

    /// The formats, in the order in which they are asked.
    pub fn formats(&self) -> &[Arc<dyn Format>] {
        &self.formats
    }

    /// The protocols as configured, in the order in which they are shown.
    pub fn serve(&self, config: &Config) -> Vec<Arc<dyn ServePlugin>> {
        let shared = Shared::new(config);
        self.builtin.iter().map(|make| make(config, &shared)).chain(self.private.iter().cloned()).collect()
    }

    /// Ids of the plugins beyond the built-in ones.
    pub fn private_ids(&self) -> Vec<&'static str> {
        let formats = self.formats.iter().skip(self.n_builtin_formats).map(|format| format.id());
        formats.chain(self.private.iter().map(|plugin| plugin.id())).collect()
    }
}
