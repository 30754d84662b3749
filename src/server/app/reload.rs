//! Reading the configuration and secrets again while the server runs.
//!
//! What can change while running is taken over: the level of the log, credentials, tokens, who may stage, and what the
//! catalog files say. The other keys that differ are named in the log as needing a restart. Files with secrets are looked at
//! whenever the catalogs are. What has mistakes changes nothing, and shows on `/health` until it is mended.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use thermocline_core::catalog::{DatasetSpec, Provider};
use thermocline_core::{Error, Result};
use thermocline_http::identity::Access;
use toml::Value;
use tracing::{error, info, warn};

use super::access::rules;
use super::roots::{declared, secret_files};
use super::stores::NamedStores;
use crate::config::Config;
use crate::logs::set_log_level;

/// The configuration in force, and what is wrong with what was read last.
pub(crate) struct Reloads {
    reach: Reach,
    running: Mutex<Config>,
    /// Identities of the files with secrets, as they were read.
    secrets: Mutex<Vec<Identity>>,
    problems: Mutex<Problems>,
}

/// What the configuration lets the server reach.
pub(super) struct Reach {
    pub(super) stores: Arc<NamedStores>,
    /// Who may do what.
    pub(super) access: Arc<Access>,
    /// Paths and addresses of the command line.
    pub(super) paths: Vec<String>,
    /// Folders of catalog files.
    pub(super) folders: Vec<PathBuf>,
}

/// A file, and its size, time of modification and number if it is there.
type Identity = (PathBuf, Option<(u64, i64, i64, u64)>);

#[derive(Default)]
struct Problems {
    config: Option<String>,
    secrets: Option<String>,
}

impl Reloads {
    pub(super) fn new(config: Config, reach: Reach) -> Self {
        let secrets = Mutex::new(identities(&config));
        Self { reach, running: Mutex::new(config), secrets, problems: Mutex::default() }
    }

    /// Takes over what can change of a configuration that was read again; an error is its mistakes. Blocking.
    pub(crate) fn take_over(&self, read: std::result::Result<Config, String>) {
        match read {
            Ok(config) => {
                self.problems.lock().config = None;
                self.apply(config);
            }
            Err(mistakes) => {
                error!(error = %mistakes, "configuration has mistakes, the running one stays in force");
                self.problems.lock().config = Some(format!("configuration: {mistakes}"));
            }
        }
    }

    fn apply(&self, config: Config) {
        let mut running = self.running.lock();
        let changed = changed_keys(&running, &config);
        let is_log_level = |key: &String| key == "server.log_level";
        let is_credentials = |key: &String| key.starts_with("credentials.");
        let is_access = |key: &String| {
            key == "tokens"
                || key.starts_with("tokens.")
                || matches!(key.as_str(), "staging.networks" | "staging.anonymous")
        };
        if changed.iter().any(is_log_level) {
            set_log_level(&config.server.log_level);
            info!(log_level = config.server.log_level, "level of the log taken over");
            running.server.log_level = config.server.log_level;
        }
        if changed.iter().any(is_credentials) {
            running.credentials = config.credentials;
            self.redeclare(&running);
        }
        if changed.iter().any(is_access) {
            running.tokens = config.tokens;
            running.staging.networks = config.staging.networks;
            running.staging.anonymous = config.staging.anonymous;
            self.reach.access.replace(rules(&running));
            info!("tokens and networks taken over");
        }
        let is_taken = |key: &String| is_log_level(key) || is_credentials(key) || is_access(key);
        let fixed: Vec<String> = changed.into_iter().filter(|key| !is_taken(key)).collect();
        if !fixed.is_empty() {
            warn!(keys = fixed.join(", "), "configuration changed, these keys count after a restart");
        }
    }

    /// Looks whether a file with secrets changed. Blocking.
    fn look_at_secrets(&self) {
        let running = self.running.lock();
        let now = identities(&running);
        if *self.secrets.lock() != now {
            *self.secrets.lock() = now;
            self.redeclare(&running);
        }
    }

    /// Connects to the stores again, with the credentials as they are now.
    fn redeclare(&self, config: &Config) {
        let Reach { stores, paths, folders, .. } = &self.reach;
        self.problems.lock().secrets = match declared(config, paths, folders) {
            Ok(roots) => {
                stores.redeclare(roots);
                info!("credentials read again");
                None
            }
            Err(error) => {
                error!(%error, "credentials cannot be read, those before stay in force");
                Some(format!("credentials: {error}"))
            }
        };
    }
}

fn identities(config: &Config) -> Vec<Identity> {
    let identity = |path: PathBuf| {
        let metadata = path.metadata().ok();
        let state = metadata.map(|found| (found.len(), found.mtime(), found.mtime_nsec(), found.ino()));
        (path, state)
    };
    secret_files(config).into_iter().map(identity).collect()
}

/// A provider without datasets: secrets are looked at when providers are asked, and what is wrong is told where
/// providers tell it.
pub(super) struct Watch(pub(super) Arc<Reloads>);

#[async_trait]
impl Provider for Watch {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        let reloads = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || reloads.look_at_secrets())
            .await
            .map_err(|cause| Error::internal("files with secrets were not looked at").with_source(cause))?;
        Ok(Vec::new())
    }

    fn problems(&self) -> Vec<String> {
        let problems = self.0.problems.lock();
        [&problems.config, &problems.secrets].into_iter().flatten().cloned().collect()
    }
}

/// Keys whose values differ, each as it is written in the file.
fn changed_keys(before: &Config, now: &Config) -> Vec<String> {
    let value = |config| Value::try_from(config).unwrap_or(Value::Boolean(false));
    let mut changed = Vec::new();
    compare("", Some(&value(before)), Some(&value(now)), &mut changed);
    changed
}

fn compare(key: &str, before: Option<&Value>, now: Option<&Value>, changed: &mut Vec<String>) {
    if before == now {
        return;
    }
    let (Some(Value::Table(before)), Some(Value::Table(now))) = (before, now) else {
        changed.push(key.to_owned());
        return;
    };
    let added = now.keys().filter(|name| !before.contains_key(*name));
    for name in before.keys().chain(added) {
        let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        compare(&key, before.get(name), now.get(name), changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_named_as_the_file_names_them() {
        let before = Config::default();
        let mut now = Config::default();
        now.server.log_level = "debug".to_owned();
        now.read.max_open_files = 7;
        now.roots.insert("a".to_owned(), crate::config::RootConfig::default());
        assert_eq!(changed_keys(&before, &now), ["server.log_level", "roots.a", "read.max_open_files"]);
    }
}
