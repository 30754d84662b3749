//! Puts the parts together: roots, index, catalog, reader, plugins.

use std::path::Path;
use std::sync::Arc;

use thermocline_catalog_files::{CatalogFilesProvider, CatalogRoot};
use thermocline_core::Result;
use thermocline_core::bytes::{ObjectSettings, Objects};
use thermocline_core::catalog::{Catalog, CatalogParts, CatalogSettings, DirectoryProvider, Provider};
use thermocline_core::format::{Format, Limits};
use thermocline_core::index::{IndexSettings, IndexStore};
use thermocline_core::read::{ReadSettings, Reader};
use thermocline_core::reference::{References, WorkerSettings, Workers};
use thermocline_core::verify::VerifyLevel;
use thermocline_http::{AddressRule, App, AppState, HttpConfig, PluginStatus, ServePlugin};
use tracing::{error, info};

use crate::config::{AddressRuleConfig, Config, RootConfig, VerifyConfig};
use crate::plugins::Registry;

use unwatched::{NEVER, Unwatched};

mod roots;
mod unwatched;
mod versions;

/// The subcommand by which the process starts itself to call the reference libraries.
pub(crate) const WORKER_COMMAND: &str = "reference-worker";

/// What a command reads: paths and addresses besides the catalogs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Paths and addresses.
    pub(crate) paths: Vec<String>,
    /// Whether the only one of them is served without `/datasets/{id}` too.
    pub(crate) is_single: bool,
}

/// The parts that every command needs.
pub(crate) struct Parts {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) reader: Arc<Reader>,
}

/// Builds roots, index, catalog and reader. Must be called within the runtime.
///
/// # Errors
/// A root that cannot be reached, a path that is not there, an index that cannot be written.
pub(crate) fn assemble(registry: &Registry, config: &Config, sources: &Sources) -> Result<Parts> {
    let catalogs = CatalogFilesProvider::new(config.catalogs.dirs.clone(), catalog_roots(config));
    let roots = roots::declared(config, &sources.paths, &catalogs.folders())?;
    let settings = ObjectSettings {
        max_open_files: config.read.max_open_files,
        max_remote_reads: config.read.max_remote_reads,
        ..ObjectSettings::default()
    };
    let objects = Objects::new(roots, settings, tokio::runtime::Handle::current());
    let formats: Vec<Arc<dyn Format>> =
        registry.formats().iter().filter(|format| config.plugins.is_enabled(format.id())).cloned().collect();
    let index = IndexStore::open(IndexSettings {
        dir: config.state.index_dir().to_owned(),
        table_memory_bytes: config.state.tables_memory.as_usize(),
    })?;
    let opener = || Arc::<Objects>::clone(&objects);
    let parts = CatalogParts {
        providers: providers(config, sources, catalogs, &objects, &formats),
        index: Arc::new(index),
        opener: opener(),
        formats: formats.clone(),
        references: references(config),
        settings: catalog_settings(config),
    };
    let read = ReadSettings {
        cache_bytes: config.state.memory.0,
        work_bytes: config.read.work_memory.0,
        limits: Limits::from(&config.limits),
        ..ReadSettings::default()
    };
    let reader = Reader::new(opener(), opener(), formats, read);
    Ok(Parts { catalog: Arc::new(Catalog::new(parts)), reader: Arc::new(reader) })
}

/// Catalog files first: what they say of a dataset counts more than that a file lies in a folder.
fn providers(
    config: &Config,
    sources: &Sources,
    catalogs: CatalogFilesProvider,
    objects: &Arc<Objects>,
    formats: &[Arc<dyn Format>],
) -> Vec<Arc<dyn Provider>> {
    let opener = Arc::<Objects>::clone(objects);
    let directories = DirectoryProvider::new(sources.paths.clone(), opener, formats.to_vec());
    let providers: Vec<Arc<dyn Provider>> = vec![Arc::new(catalogs), Arc::new(directories)];
    if config.catalogs.watch {
        return providers;
    }
    providers.into_iter().map(|provider| Arc::new(Unwatched(provider)) as Arc<dyn Provider>).collect()
}

fn catalog_roots(config: &Config) -> Vec<CatalogRoot> {
    let base = |root: &RootConfig| match (&root.path, &root.url) {
        (Some(path), _) => path.to_string_lossy().into_owned(),
        (None, url) => url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned(),
    };
    config
        .roots
        .iter()
        .map(|(name, root)| CatalogRoot { name: Some(name.clone()), base: base(root) })
        .collect()
}

fn references(config: &Config) -> Arc<dyn References> {
    let program = std::env::current_exe().unwrap_or_else(|_| "thermocline".into());
    let command = vec![program.to_string_lossy().into_owned(), WORKER_COMMAND.to_owned()];
    let settings =
        WorkerSettings { max_copied_bytes: config.index.verify_remote.0, ..WorkerSettings::default() };
    Arc::new(Workers::new(command, config.state.dir().join("spool"), settings))
}

fn catalog_settings(config: &Config) -> CatalogSettings {
    let defaults = CatalogSettings::default();
    let n_workers = usize::try_from(config.index.workers).unwrap_or(usize::MAX);
    CatalogSettings {
        scan_every: if config.catalogs.watch { config.catalogs.scan_every.0 } else { NEVER },
        n_indexers: if n_workers == 0 { defaults.n_indexers } else { n_workers },
        verify: match config.index.verify {
            VerifyConfig::Full => VerifyLevel::Full,
            VerifyConfig::Sample => VerifyLevel::Sample,
            VerifyConfig::Off => VerifyLevel::Off,
        },
        limits: Limits::from(&config.limits),
        ..defaults
    }
}

/// Starts the plugins and gathers what every handler has.
pub(crate) async fn start(
    registry: &Registry,
    config: &Config,
    sources: &Sources,
    parts: &Parts,
) -> AppState {
    let http = http_config(config, sources);
    let with = |plugins| {
        Arc::new(App {
            catalog: Arc::clone(&parts.catalog),
            reader: Arc::clone(&parts.reader),
            config: http.clone(),
            plugins,
            versions: versions::versions(registry),
        })
    };
    let plugins: Vec<_> = registry
        .serve(&config.plugins)
        .into_iter()
        .map(|plugin| match config.plugins.is_enabled(plugin.id()) {
            true => (plugin, PluginStatus::Running),
            false => (plugin, PluginStatus::Disabled),
        })
        .collect();
    let app = with(plugins.clone());
    let mut started = Vec::with_capacity(plugins.len());
    for (plugin, status) in plugins {
        let status = match status {
            PluginStatus::Running => start_plugin(plugin.as_ref(), &app).await,
            other => other,
        };
        started.push((plugin, status));
    }
    with(started)
}

/// One plugin that fails to start is left out; the others go on.
async fn start_plugin(plugin: &dyn ServePlugin, app: &AppState) -> PluginStatus {
    match plugin.start(app).await {
        Ok(()) => {
            info!(plugin = plugin.id(), "plugin started");
            PluginStatus::Running
        }
        Err(cause) => {
            error!(plugin = plugin.id(), error = %cause, "plugin did not start, its routes are left out");
            PluginStatus::Failed(cause.to_string())
        }
    }
}

/// The rule with its place as objects are named: without links.
fn address_rule(rule: &AddressRuleConfig) -> AddressRule {
    let place = std::fs::canonicalize(&rule.to).ok();
    let to = place.and_then(|place| Some(place.to_str()?.to_owned())).unwrap_or_else(|| rule.to.clone());
    AddressRule { from: rule.from.clone(), to }
}

fn http_config(config: &Config, sources: &Sources) -> HttpConfig {
    let (server, plugins) = (&config.server, &config.plugins);
    let single = sources.paths.first().filter(|_| sources.is_single).and_then(|path| {
        let name = Path::new(path.trim_end_matches('/')).file_name()?.to_str()?;
        Some(thermocline_core::catalog::id_of_path(name))
    });
    HttpConfig {
        public_url: server.public_url.clone(),
        trusted_proxies: server.trusted_proxies.iter().map(|network| network.0.to_string()).collect(),
        metadata_max_age: plugins.zarr.metadata_max_age.0,
        chunk_max_age: plugins.zarr.chunk_max_age.0,
        max_listed_chunks: plugins.zarr.max_listed_chunks,
        max_whole_object_bytes: plugins.kerchunk.max_whole_object.0,
        serve_objects: plugins.kerchunk.serve_objects,
        address_map: config.roots.values().flat_map(|root| &root.map).map(address_rule).collect(),
        single,
        cors_origins: server.cors.allowed_origins.clone(),
        request_timeout: server.request_timeout.0,
        max_concurrent_requests: server.max_requests.get() as usize,
        max_body_bytes: server.max_body.as_usize(),
        is_tls: false,
    }
}
