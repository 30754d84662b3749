//! Reading the configuration and secrets again while the server runs.
//!
//! What can change while running is taken over: the level of the log, credentials, access rules, tokens and their issuers,
//! who may stage, what each client may ask for, and what the catalog files say. The other keys that differ are named in the
//! log as needing a restart. Files with secrets are looked at whenever the catalogs are. What has mistakes changes nothing,
//! and shows on `/health` until it is mended.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use parking_lot::Mutex;
use thermocline_core::catalog::{DatasetSpec, Provider};
use thermocline_core::webhook::{HostList, Hosts};
use thermocline_core::{Error, Result};
use thermocline_http::clients::Clients;
use thermocline_http::identity::Access;
use toml::Value;
use tracing::{error, info, warn};

use super::access::rules;
use super::credentials::Keyring;
use super::roots::declared;
use super::stores::NamedStores;
use crate::config::Config;
use crate::listener::Certificates;
use crate::logs::set_log_level;

/// The configuration in force, and what is wrong with what was read last.
pub(crate) struct Reloads {
    reach: Reach,
    running: Mutex<Config>,
    /// Held while the configuration is read again and taken over.
    turn: Mutex<()>,
    /// What the server shows to clients that speak TLS.
    certificates: OnceLock<Arc<Certificates>>,
    problems: Mutex<Problems>,
}

/// What the configuration lets the server reach.
pub(super) struct Reach {
    pub(super) stores: Arc<NamedStores>,
    /// The keys by which they are reached.
    pub(super) keys: Arc<Keyring>,
    /// Who may do what.
    pub(super) access: Arc<Access>,
    /// What each client may ask for.
    pub(super) clients: Arc<Clients>,
    /// Who may be told of the end of requests, if this command stages.
    pub(super) webhook_hosts: Option<HostList>,
    /// Paths and addresses of the command line.
    pub(super) paths: Vec<String>,
    /// Folders of catalog files.
    pub(super) folders: Vec<PathBuf>,
}

#[derive(Default)]
struct Problems {
    config: Option<String>,
    secrets: Option<String>,
    access: Option<String>,
    webhook_key: Option<String>,
}

impl Reloads {
    pub(super) fn new(config: Config, reach: Reach) -> Self {
        Self {
            reach,
            running: Mutex::new(config),
            turn: Mutex::default(),
            certificates: OnceLock::new(),
            problems: Mutex::default(),
        }
    }

    /// Tells what is wrong with these certificates too.
    pub(crate) fn show(&self, certificates: Arc<Certificates>) {
        // There is one listener, so that nothing else was shown before.
        let _ = self.certificates.set(certificates);
    }

    /// Reads the configuration again and takes over what can change of it; an error is its mistakes. Blocking.
    pub(crate) fn take_over(&self, read: impl FnOnce() -> std::result::Result<Config, String>) {
        // What was read first is taken over first: what stands in the file now is what counts in the end.
        let _turn = self.turn.lock();
        match read() {
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
            ["tokens", "access"].iter().any(|section| is_in(section, key))
                || matches!(key.as_str(), "staging.networks" | "staging.anonymous")
                || (is_in("roots", key) && key.ends_with(".access"))
        };
        let is_issuer = |key: &String| is_in("oidc", key);
        let (has_rules, has_issuers) = (changed.iter().any(is_access), changed.iter().any(is_issuer));
        // Who may do what first: nothing that takes long keeps what is withdrawn in force.
        self.problems.lock().access = match has_rules || has_issuers {
            true => self.govern(&mut running, &config, has_issuers),
            false => None,
        };
        let is_limit = |key: &String| key.starts_with("limits.per_client");
        if changed.iter().any(is_limit) {
            running.limits.per_client = config.limits.per_client.clone();
            self.reach.clients.replace(running.limits.per_client.limits());
            info!("limits of clients taken over");
        }
        // Without a key nobody is told before a restart.
        let has_key = running.staging.webhook_key_file.is_some();
        let is_webhook_host = |key: &String| has_key && key == "limits.webhook_hosts";
        if changed.iter().any(is_webhook_host) {
            running.limits.webhook_hosts = config.limits.webhook_hosts.clone();
            self.tell_at(&running.limits.webhook_hosts);
        }
        if changed.iter().any(is_log_level) {
            set_log_level(&config.server.log_level);
            info!(log_level = config.server.log_level, "level of the log taken over");
            running.server.log_level = config.server.log_level;
        }
        if changed.iter().any(is_credentials) {
            running.credentials = config.credentials;
            self.redeclare(&running);
        }
        let is_taken = |key: &String| {
            is_log_level(key)
                || is_credentials(key)
                || is_access(key)
                || is_limit(key)
                || is_issuer(key)
                || is_webhook_host(key)
        };
        let fixed: Vec<String> = changed.into_iter().filter(|key| !is_taken(key)).collect();
        if !fixed.is_empty() {
            warn!(keys = fixed.join(", "), "configuration changed, these keys count after a restart");
        }
    }

    /// Takes over rules, tokens, networks and issuers, all or none of them; gives what is wrong with them.
    fn govern(&self, running: &mut Config, config: &Config, has_issuers: bool) -> Option<String> {
        let mut next = running.clone();
        next.tokens = config.tokens.clone();
        next.access = config.access.clone();
        for (name, root) in &mut next.roots {
            // A root that is gone is so after a restart only: until then its rule counts.
            if let Some(now) = config.roots.get(name) {
                root.access = now.access.clone();
            }
        }
        next.oidc = config.oidc.clone();
        next.staging.networks = config.staging.networks.clone();
        next.staging.anonymous = config.staging.anonymous;
        let access = &self.reach.access;
        let made = rules(&next).and_then(|rules| Ok((rules, super::oidc::trusted(&next)?)));
        let (rules, trusted) = match made {
            Ok(made) => made,
            Err(error) => {
                error!(%error, "access rules, tokens and issuers cannot be taken over, those before stay in force");
                return Some(format!("access: {error}"));
            }
        };
        if has_issuers {
            trusted.count_under(rules, access);
            super::oidc::ask(access);
        } else {
            access.replace(rules);
        }
        *running = next;
        info!(has_issuers, "access rules, tokens and networks taken over");
        None
    }

    /// Lets these hosts be told of the end of requests, and no others.
    fn tell_at(&self, listed: &[String]) {
        let Some(hosts) = &self.reach.webhook_hosts else { return };
        match Hosts::parse(listed) {
            Ok(listed) => {
                hosts.replace(listed);
                info!("hosts of webhooks taken over");
            }
            Err(error) => error!(%error, "hosts of webhooks cannot be taken over"),
        }
    }

    /// Looks whether messages can be signed. What is wrong is logged once. Blocking.
    fn look_at_webhook_key(&self) {
        let running = self.running.lock().clone();
        let found = super::webhooks::problem(&running);
        let mut problems = self.problems.lock();
        if let Some(error) = found.as_deref().filter(|_| found != problems.webhook_key) {
            error!(error, "webhooks cannot be signed, they wait");
        }
        problems.webhook_key = found;
    }

    /// Connects to the stores again, with the credentials as they are configured now.
    fn redeclare(&self, config: &Config) {
        let Reach { stores, keys, paths, folders, .. } = &self.reach;
        keys.update(config);
        self.problems.lock().secrets = match declared(config, keys, paths, folders) {
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

/// A provider without datasets: secrets are looked at when providers are asked, issuers that did not answer are asked again,
/// and what is wrong is told where providers tell it.
pub(super) struct Watch(pub(super) Arc<Reloads>);

#[async_trait]
impl Provider for Watch {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        super::oidc::ask_again(&self.0.reach.access);
        let reloads = Arc::clone(&self.0);
        let look = move || {
            reloads.reach.keys.look();
            reloads.look_at_webhook_key();
        };
        let looking = tokio::task::spawn_blocking(look).await;
        looking
            .map_err(|cause| Error::internal("files with secrets were not looked at").with_source(cause))?;
        Ok(Vec::new())
    }

    fn problems(&self) -> Vec<String> {
        let problems = self.0.problems.lock();
        let certificate = self.0.certificates.get().and_then(|certificates| certificates.problem());
        let own =
            [&problems.config, &problems.secrets, &problems.access, &problems.webhook_key, &certificate]
                .into_iter()
                .flatten()
                .cloned();
        let keys = self.0.reach.keys.problems();
        own.chain(keys).chain(super::oidc::problems(&self.0.reach.access)).collect()
    }
}

/// True if a key is a section or one of its keys.
fn is_in(section: &str, key: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
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
