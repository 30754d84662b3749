//! Puts the parts together: roots, index, catalog, reader, plugins.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use thermocline_catalog_files::{CatalogFilesProvider, CatalogRoot};
use thermocline_core::bytes::{ObjectSettings, Objects, Residency, Staged};
use thermocline_core::catalog::{Catalog, CatalogParts, CatalogSettings, DirectoryProvider, Provider};
use thermocline_core::clock::SystemClock;
use thermocline_core::format::{Format, Limits};
use thermocline_core::harvest::{HarvestJob, Harvests};
use thermocline_core::index::{IndexSettings, IndexStore};
use thermocline_core::jobs::JobKind;
use thermocline_core::read::{ReadSettings, Reader};
use thermocline_core::reference::{References, WorkerSettings, Workers};
use thermocline_core::staging::Staging;
use thermocline_core::verify::VerifyLevel;
use thermocline_core::{Error, Result};
use thermocline_http::clients::Clients;
use thermocline_http::hold::{HoldConfig, RecallOnRead};
use thermocline_http::identity::Access;
use thermocline_http::{AddressRule, App, AppState, HttpConfig, PluginStatus, ServePlugin, Waiting};
use thermocline_search::{Search, SearchParts};
use tracing::{error, info};

use crate::config::{AddressRuleConfig, Config, RootConfig, VerifyConfig};
use crate::plugins::Registry;

use cold::Beside;
use lock::StateLock;
use look::Looked;
use reload::{Reach, Watch};
use stores::{NamedStores, NamingProvider};
use unwatched::{NEVER, Unwatched};

pub(crate) use harvest::of_place;
pub(crate) use missing_rules::MissingRules;
pub(crate) use reload::Reloads;

mod access;
mod cold;
mod credentials;
mod harvest;
mod jobs;
mod lock;
mod look;
mod missing_rules;
mod oidc;
mod reload;
mod roots;
mod stores;
mod unwatched;
mod versions;
mod webhooks;

/// The subcommand by which the process starts itself to call the reference libraries.
pub(crate) const WORKER_COMMAND: &str = "reference-worker";

/// What a command reads: paths and addresses besides the catalogs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Paths and addresses.
    pub(crate) paths: Vec<String>,
    /// Whether the only dataset of the only path is served without `/datasets/{id}` too.
    pub(crate) is_single: bool,
    /// Folders and prefixes that are harvested besides those of the catalogs; `None` for a command that harvests nothing.
    pub(crate) harvested: Option<Vec<String>>,
}

impl Sources {
    /// Every path and address of the command line.
    fn places(&self) -> Vec<String> {
        self.paths.iter().chain(self.harvested.iter().flatten()).cloned().collect()
    }
}

/// What a command does with cold objects and with what the server keeps of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It recalls them; the folder of state is its own.
    Recall,
    /// It only looks at them, beside a server that runs: what is cold stays cold.
    Look,
}

/// The parts that every command needs.
pub(crate) struct Parts {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) reader: Arc<Reader>,
    /// Finds datasets by listing.
    pub(crate) harvests: Option<Harvests>,
    /// Brings cold objects online, if the command does.
    pub(crate) recalls: Option<Recalls>,
    /// Folder where summaries of datasets are kept; `None` to make them again.
    pub(crate) summaries: Option<PathBuf>,
    /// Where cold objects are.
    residency: Option<Arc<dyn Residency>>,
    /// Who may do what.
    access: Arc<Access>,
    /// What each client may ask for.
    clients: Arc<Clients>,
    /// What goes wrong when the configuration is read again.
    pub(crate) reloads: Arc<Reloads>,
    /// Access rules that datasets name in vain.
    pub(crate) missing_rules: Arc<MissingRules>,
    /// What declares the datasets of each path, in order.
    of_paths: Vec<Arc<dyn Provider>>,
}

/// The engine that brings cold objects online, and the folder of state that is its own.
pub(crate) struct Recalls {
    pub(crate) staging: Staging,
    /// How long objects stay online for a request that does not say.
    pub(crate) lifetime: Duration,
    beside: Beside,
    _lock: StateLock,
}

impl Recalls {
    /// Goes on with what was under way, and tells of what has ended.
    ///
    /// # Errors
    /// A key of webhooks that cannot be read.
    pub(crate) async fn start(&self, config: &Config) -> Result<()> {
        self.staging.start().await;
        access::warn_of_paths(config);
        webhooks::start(config, self)
    }

    /// Ends the background work and waits for it. Recalls go on in the archives and are found again.
    pub(crate) async fn shut_down(&self) {
        self.staging.shut_down().await;
        self.beside.shut_down().await;
    }
}

/// Builds roots, index, catalog and reader. Must be called within the runtime.
///
/// # Errors
/// A root that cannot be reached, a path that is not there, an index that cannot be written; a folder of state that
/// another server has.
pub(crate) async fn assemble(
    registry: &Registry,
    config: &Config,
    sources: &Sources,
    purpose: Purpose,
) -> Result<Parts> {
    let catalogs = CatalogFilesProvider::new(config.catalogs.dirs.clone(), catalog_roots(config)).harvested();
    let folders = catalogs.folders();
    let places = sources.places();
    let beside = Beside::default();
    let keys = Arc::clone(&beside.keys);
    let roots = roots::declared(config, &keys, &places, &folders)?;
    let settings = ObjectSettings {
        max_open_files: config.read.max_open_files,
        max_remote_reads: config.read.max_remote_reads,
        max_local_reads: config.read.max_local_reads,
        settled_after: config.read.settled_after.0,
        ..ObjectSettings::default()
    };
    let timeout = config.read.store_timeout.0;
    let connect = move |prefix: &str| roots::connect(prefix, timeout);
    let namespace = Arc::new(cold::namespace(config, &places));
    // Looks at names only: whether something is online is not its business.
    let names = Objects::new(roots.clone(), settings.clone(), tokio::runtime::Handle::current());
    let (recalls, residency) = match purpose {
        Purpose::Recall => {
            let lock = StateLock::take(config.state.dir())?;
            let staging = cold::staging(registry, config, namespace, names, &beside).await?;
            let residency = Staged::of(&staging, config.staging.prefetch);
            (Some(Recalls { staging, lifetime: config.staging.lifetime.0, beside, _lock: lock }), residency)
        }
        Purpose::Look => {
            let stores = cold::stores(registry, config, &namespace, &beside, &|_| None)?;
            (None, Looked::of(namespace, stores, config.state.cache_dir()))
        }
    };
    let objects = Arc::new(NamedStores::new(roots, settings, Box::new(connect), residency.clone()));
    let formats: Vec<Arc<dyn Format>> =
        registry.formats().iter().filter(|format| config.plugins.is_enabled(format.id())).cloned().collect();
    let index = IndexStore::open(IndexSettings {
        dir: config.state.index_dir().to_owned(),
        table_memory_bytes: config.state.tables_memory.as_usize(),
    })?;
    let index = Arc::new(index);
    let opener = || Arc::<NamedStores>::clone(&objects);
    let directory = |path: &String| -> Arc<dyn Provider> {
        let provider = DirectoryProvider::new(path.clone(), opener(), formats.clone());
        Arc::new(provider.with_index(Arc::clone(&index)))
    };
    let of_paths: Vec<Arc<dyn Provider>> = sources.paths.iter().map(directory).collect();
    let access = Arc::new(Access::new(access::rules(config)?, Arc::new(SystemClock)));
    oidc::trusted(config)?.count(&access);
    let clients = Clients::new(config.limits.per_client.limits());
    let reach = Reach {
        stores: opener(),
        keys,
        access: Arc::clone(&access),
        clients: Arc::clone(&clients),
        webhook_hosts: recalls.as_ref().map(|recalls| recalls.staging.webhook_hosts().clone()),
        paths: places,
        folders,
    };
    let reloads = Arc::new(Reloads::new(config.clone(), reach));
    let catalogs = Arc::new(NamingProvider::new(catalogs, opener()));
    let given = sources.harvested.iter().flatten().map(|place| Ok(Arc::new(of_place(place)?)));
    let declared = harvest::Declared { files: Arc::clone(&catalogs), given: given.collect::<Result<_>>()? };
    let is_harvesting = sources.harvested.is_some();
    let harvests = harvest::open(config, declared, (opener(), &formats), (purpose, is_harvesting)).await?;
    // Catalog files first: what they say of a dataset counts more than that a file lies in a folder.
    let providers = [catalogs as Arc<dyn Provider>, Arc::new(Watch(Arc::clone(&reloads)))];
    let providers = providers.into_iter().chain(of_paths.iter().cloned());
    let providers = providers.map(|provider| watched_or_not(config, provider));
    let parts = CatalogParts {
        // Last, and as it is: it says by itself when there is something new.
        providers: providers.chain(harvests.as_ref().map(Harvests::provider)).collect(),
        index,
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
    let reader = Reader::new(opener(), opener(), formats, read).on_cold_stores(residency.clone());
    let catalog = Arc::new(Catalog::new(parts));
    let missing_rules = Arc::new(MissingRules::new(Arc::clone(&catalog), Arc::clone(&access)));
    Ok(Parts {
        catalog,
        reader: Arc::new(reader),
        harvests,
        // A command that only looks has no folder of its own: a server may be using it.
        summaries: recalls.is_some().then(|| config.state.dir().to_owned()),
        recalls,
        residency,
        access,
        clients,
        reloads,
        missing_rules,
        of_paths,
    })
}

impl Parts {
    /// The id of the only dataset of the only path.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] if there is not exactly one.
    pub(crate) async fn only_dataset(&self) -> Result<String> {
        let [path] = self.of_paths.as_slice() else {
            return Err(Error::invalid_input("--single serves one PATH"));
        };
        match path.specs().await?.as_slice() {
            [only] => Ok(only.id.to_string()),
            specs => {
                Err(Error::invalid_input(format!("--single serves one dataset, PATH holds {}", specs.len())))
            }
        }
    }
}

fn watched_or_not(config: &Config, provider: Arc<dyn Provider>) -> Arc<dyn Provider> {
    if config.catalogs.watch { provider } else { Arc::new(Unwatched(provider)) }
}

fn catalog_roots(config: &Config) -> Vec<CatalogRoot> {
    let base = |root: &RootConfig| match (&root.path, &root.url) {
        (Some(path), _) => path.to_string_lossy().into_owned(),
        (None, url) => url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned(),
    };
    config
        .roots
        .iter()
        .map(|(name, root)| CatalogRoot {
            name: Some(name.clone()),
            base: base(root),
            store: cold::store_of(config, name).map(str::to_owned),
        })
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

/// Starts the plugins and gathers what every handler has. `single` is the dataset that is served without
/// `/datasets/{id}` too.
///
/// # Errors
/// A database of jobs that cannot be used.
pub(crate) async fn start(
    registry: &Registry,
    config: &Config,
    single: Option<String>,
    parts: &Parts,
) -> Result<AppState> {
    let http = http_config(config, single);
    let plugins: Vec<_> = registry
        .serve(config)
        .into_iter()
        .map(|plugin| match config.plugins.is_enabled(plugin.id()) {
            true => (plugin, PluginStatus::Running),
            false => (plugin, PluginStatus::Disabled),
        })
        .collect();
    let staging = parts.recalls.as_ref().map(|recalls| recalls.staging.clone());
    let enabled = plugins.iter().filter(|(_, status)| *status == PluginStatus::Running);
    let kinds = enabled.flat_map(|(plugin, _)| plugin.job_kinds());
    let harvest = parts
        .harvests
        .clone()
        .map(|harvests| Arc::new(HarvestJob::new(harvests, Arc::clone(&parts.catalog))) as Arc<dyn JobKind>);
    let kinds = kinds.chain(harvest).collect();
    // A command that only looks leaves the jobs of the running server alone.
    let jobs = match parts.recalls {
        Some(_) => Some(jobs::open(config, kinds, staging.clone()).await?),
        None => None,
    };
    let search = Search::open(SearchParts {
        catalog: Arc::clone(&parts.catalog),
        staging: staging.clone(),
        dir: parts.summaries.clone(),
        attributes: Some(config.plugins.stac.attributes.clone()),
        clock: Arc::new(SystemClock),
    });
    if let (None, Some(residency)) = (&parts.recalls, &parts.residency) {
        search.look_at(Arc::clone(residency));
    }
    let waiting = Waiting::new(http.hold.max_held, http.max_streams_each);
    let with = |plugins| {
        Arc::new(App {
            plugins,
            versions: versions::versions(registry),
            search: search.clone(),
            staging: staging.clone(),
            jobs: jobs.clone(),
            access: Arc::clone(&parts.access),
            waiting: Arc::clone(&waiting),
            clients: Arc::clone(&parts.clients),
            ..App::new(Arc::clone(&parts.catalog), Arc::clone(&parts.reader), http.clone())
        })
    };
    oidc::ask(&parts.access);
    let app = with(plugins.clone());
    let mut started = Vec::with_capacity(plugins.len());
    for (plugin, status) in plugins {
        let status = match status {
            PluginStatus::Running => start_plugin(plugin.as_ref(), &app).await,
            other => other,
        };
        started.push((plugin, status));
    }
    Ok(with(started))
}

/// One plugin that fails to start, by an error or a panic, is left out; the others go on.
async fn start_plugin(plugin: &dyn ServePlugin, app: &AppState) -> PluginStatus {
    let started = AssertUnwindSafe(plugin.start(app)).catch_unwind().await;
    match started.unwrap_or_else(|_| Err(Error::internal("it stopped by a mistake of the program"))) {
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

fn http_config(config: &Config, single: Option<String>) -> HttpConfig {
    let (server, plugins) = (&config.server, &config.plugins);
    HttpConfig {
        public_url: server.public_url.clone(),
        trusted_proxies: server.trusted_proxies.iter().map(|network| network.0).collect(),
        names_proxies: server.names_proxies(),
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
        is_tls: server.tls.files().is_some(),
        hold: hold_config(config),
        max_streams_each: server.max_streams.get() as usize,
    }
}

fn hold_config(config: &Config) -> HoldConfig {
    let staging = &config.staging;
    HoldConfig {
        hold: staging.hold.0,
        max_hold: staging.max_hold.0,
        max_held: config.max_held(),
        recall_on_read: match staging.recall_on_read {
            crate::config::RecallOnRead::Anyone => RecallOnRead::Anyone,
            crate::config::RecallOnRead::Owners => RecallOnRead::Owners,
            crate::config::RecallOnRead::Never => RecallOnRead::Never,
        },
    }
}

#[cfg(test)]
mod tests;
