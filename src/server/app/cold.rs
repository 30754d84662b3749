//! Cold stores, the names of their objects, and the engine that brings them online.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use thermocline_core::bytes::{ObjectOpener, StoreOptions};
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::cold::{Namespace, NamespaceRoot, PathRule, StoreContext};
use thermocline_core::staging::schedule::{MountPolicy, Policy};
use thermocline_core::staging::{NamedStore, Owner, OwnerLimits, Staging, StagingParts, StagingSettings};
use thermocline_core::state::{Database, DatabaseSettings};
use thermocline_core::{Error, Result};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::credentials::Keyring;
use super::roots::options_of;
use crate::config::{ColdConfig, Config, OwnerConfig, RootConfig};
use crate::plugins::Registry;

/// Name of the database below state.dir.
const DATABASE: &str = "state.db";

/// Every declared root under its name: those of the configuration, then the folders of the command line.
pub(super) fn namespace(config: &Config, paths: &[String]) -> Namespace {
    let mut roots: Vec<NamespaceRoot> =
        config.roots.iter().map(|(name, root)| named(config, name, root)).collect();
    for path in paths {
        let Some(base) = folder_of(path) else { continue };
        if roots.iter().any(|root| is_at_or_below(&base, &root.base)) {
            continue;
        }
        let name = free_name(&roots, &base);
        roots.push(NamespaceRoot { name: name.into(), base, map: Vec::new(), store: None });
    }
    Namespace::new(roots)
}

/// Name of the cold store on which a root lies.
pub(super) fn store_of<'a>(config: &'a Config, root: &str) -> Option<&'a str> {
    let lies_on = |store: &&ColdConfig| store.roots.iter().any(|bound| bound == root);
    config.cold.iter().find(|(_, store)| lies_on(store)).map(|(name, _)| name.as_str())
}

/// How the roots of a store are reached that are no folders.
fn places(config: &Config, keys: &Keyring, cold: &ColdConfig) -> Result<BTreeMap<Arc<str>, StoreOptions>> {
    let of = |name: &String| {
        config.roots.get(name).filter(|root| root.url.is_some())?;
        Some(options_of(config, keys, name).map(|options| (name.as_str().into(), options)))
    };
    cold.roots.iter().filter_map(of).collect()
}

fn named(config: &Config, name: &str, root: &RootConfig) -> NamespaceRoot {
    let base = match (&root.path, &root.url) {
        (Some(path), _) => path.to_string_lossy().into_owned(),
        (None, url) => url.clone().unwrap_or_default(),
    };
    let rules = root.map.iter().map(|rule| PathRule { from: rule.from.clone(), to: rule.to.clone() });
    NamespaceRoot {
        name: name.into(),
        base: base.trim_end_matches('/').to_owned(),
        map: rules.collect(),
        store: store_of(config, name).map(Into::into),
    }
}

/// The folder that a path of the command line names, or lies in.
fn folder_of(path: &str) -> Option<String> {
    if path.contains("://") {
        return Some(path.trim_end_matches('/').to_owned());
    }
    let absolute = std::path::absolute(path).ok()?;
    let folder = if absolute.is_dir() { absolute.as_path() } else { absolute.parent()? };
    Some(folder.to_str()?.trim_end_matches('/').to_owned())
}

fn is_at_or_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The last part of a path, with a number behind it if a root has that name already.
fn free_name(roots: &[NamespaceRoot], base: &str) -> String {
    let last = base.rsplit('/').find(|part| !part.is_empty()).unwrap_or("root").replace(':', "-");
    let is_free = |name: &str| roots.iter().all(|root| &*root.name != name);
    let numbered = (2..).map(|n| format!("{last}-{n}"));
    std::iter::once(last.clone()).chain(numbered).find(|name| is_free(name)).unwrap_or(last)
}

/// What stores do in the background, and the keys by which they are reached.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) keys: Arc<Keyring>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Beside {
    /// Does something until the end of the stores, which it is told of.
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl FnOnce(CancellationToken) -> F,
    ) {
        self.tasks.spawn(work(self.shutdown.clone()));
    }

    /// Ends it and waits for it. Recalls go on in the archives.
    pub(super) async fn shut_down(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The engine over the configured stores.
///
/// # Errors
/// A store of no known kind or with keys that make no sense; a database or a cache that cannot be used.
pub(super) async fn staging(
    registry: &Registry,
    config: &Config,
    namespace: Arc<Namespace>,
    opener: Arc<dyn ObjectOpener>,
    beside: &Beside,
) -> Result<Staging> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = DatabaseSettings::new(config.state.dir().join(DATABASE));
    let database = blocking(move || Database::open(settings, Staging::MIGRATIONS)).await?;
    let keeps = |name: &str| Some(config.state.dir().join("cold").join(name));
    let stores = stores(registry, config, &namespace, beside, &keeps)?;
    let parts =
        StagingParts { namespace, stores, opener, database, clock, settings: staging_settings(config) };
    Staging::open(parts).await
}

/// The configured stores, each over its roots and with the folder that `keeps` says.
///
/// # Errors
/// A store of no known kind, with keys that make no sense, or that does not work.
pub(super) fn stores(
    registry: &Registry,
    config: &Config,
    namespace: &Namespace,
    beside: &Beside,
    keeps: &dyn Fn(&str) -> Option<PathBuf>,
) -> Result<Vec<NamedStore>> {
    let make = |(name, cold): (&String, &ColdConfig)| {
        let bound = |root: &&NamespaceRoot| root.store.as_deref() == Some(name);
        let roots: Vec<NamespaceRoot> = namespace.roots().iter().filter(bound).cloned().collect();
        let context = StoreContext {
            places: places(config, &beside.keys, cold)?,
            state: keeps(name),
            tasks: beside.tasks.clone(),
            shutdown: beside.shutdown.clone(),
            ..StoreContext::new(roots)
        };
        let store = registry.cold(&cold.kind)?.make(&context, cold.keys.clone());
        let store =
            store.map_err(|cause| Error::new(cause.kind(), format!("[cold.{name}]")).with_source(cause))?;
        Ok(NamedStore { name: name.as_str().into(), store })
    };
    config.cold.iter().map(make).collect()
}

fn limits_of(owner: &OwnerConfig) -> OwnerLimits {
    OwnerLimits {
        max_active: owner.max_active,
        max_pinned_bytes: owner.max_pinned.map(|size| size.0),
        max_requests: owner.max_requests,
        max_cost_per_day: owner.max_cost_per_day.clone().map(|money| money.0),
    }
}

fn staging_settings(config: &Config) -> StagingSettings {
    let (staging, state) = (&config.staging, &config.state);
    StagingSettings {
        cache_dir: state.cache_dir(),
        cache_bytes: state.cache_size.0,
        cache_high: state.cache_high,
        cache_low: state.cache_low,
        keep_free_bytes: state.cache_keep_free.0,
        min_residency: staging.min_residency.0,
        max_objects: staging.max_objects,
        max_lifetime: staging.max_lifetime.0,
        keep_requests: staging.keep_requests.0,
        max_active_per_owner: staging.max_active_per_owner,
        max_attempts: staging.max_attempts,
        stalled_after: staging.stalled_after.0,
        recall_timeout: staging.recall_timeout.0,
        shares: staging
            .owners
            .iter()
            .map(|(name, owner)| (Owner(name.as_str().into()), owner.share))
            .collect(),
        limits: OwnerLimits {
            max_active: None,
            max_pinned_bytes: staging.max_pinned.map(|size| size.0),
            max_requests: staging.max_requests,
            max_cost_per_day: staging.max_cost_per_day.clone().map(|money| money.0),
        },
        owner_limits: staging
            .owners
            .iter()
            .map(|(name, owner)| (Owner(name.as_str().into()), limits_of(owner)))
            .collect(),
        prefetch_objects: staging.prefetch,
        policy: Policy {
            mount: MountPolicy {
                len_bytes: staging.mount_bytes.0,
                n_files: staging.mount_files,
                age: staging.mount_after.0,
            },
            ..Policy::default()
        },
        ..StagingSettings::default()
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|cause| Error::internal("opening the database was broken off").with_source(cause))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_command_line_are_roots_unless_they_lie_below_one() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b/a"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let mut config = Config::default();
        let root = RootConfig { path: Some(folder.path().join("a")), ..RootConfig::default() };
        config.roots.insert("archive".to_owned(), root);
        let namespace = namespace(&config, &[at("a"), at("b/a"), at("b/a"), at("b")]);
        let mut names: Vec<&str> = namespace.roots().iter().map(|root| &*root.name).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "archive", "b"]);
    }
}
