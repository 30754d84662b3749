//! Reading the configuration again while the server runs.
//!
//! What can change while running is taken over: the level of the log, and what the catalog files say. The
//! other keys that differ are named in the log as needing a restart. A configuration with mistakes changes
//! nothing, and shows on `/health` until it is mended.

use async_trait::async_trait;
use parking_lot::Mutex;
use thermocline_core::Result;
use thermocline_core::catalog::{DatasetSpec, Provider};
use toml::Value;
use tracing::{error, info, warn};

use crate::config::Config;
use crate::logs::set_log_level;

/// The key that is taken over.
const LOG_LEVEL: &str = "server.log_level";

/// The configuration in force, and what is wrong with the one that was read last.
///
/// It is a provider without datasets: what is wrong is told where providers tell it.
pub(crate) struct Reloads {
    running: Mutex<Config>,
    problem: Mutex<Option<String>>,
}

impl Reloads {
    pub(super) fn new(config: Config) -> Self {
        Self { running: Mutex::new(config), problem: Mutex::default() }
    }

    /// Takes over what can change of a configuration that was read again; an error is its mistakes.
    pub(crate) fn take_over(&self, read: std::result::Result<Config, String>) {
        match read {
            Ok(config) => {
                *self.problem.lock() = None;
                self.apply(config);
            }
            Err(mistakes) => {
                error!(error = %mistakes, "configuration has mistakes, the running one stays in force");
                *self.problem.lock() = Some(format!("configuration: {mistakes}"));
            }
        }
    }

    fn apply(&self, config: Config) {
        let mut running = self.running.lock();
        let changed = changed_keys(&running, &config);
        if changed.iter().any(|key| key == LOG_LEVEL) {
            set_log_level(&config.server.log_level);
            info!(log_level = config.server.log_level, "configuration taken over");
            running.server.log_level = config.server.log_level;
        }
        let fixed: Vec<String> = changed.into_iter().filter(|key| key != LOG_LEVEL).collect();
        if !fixed.is_empty() {
            warn!(keys = fixed.join(", "), "configuration changed, these keys count after a restart");
        }
    }
}

#[async_trait]
impl Provider for Reloads {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        Ok(Vec::new())
    }

    fn problems(&self) -> Vec<String> {
        self.problem.lock().iter().cloned().collect()
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

    #[test]
    fn mistakes_show_until_they_are_mended_and_change_nothing() {
        let reloads = Reloads::new(Config::default());
        reloads.take_over(Err("no such key".to_owned()));
        assert_eq!(reloads.problems(), ["configuration: no such key"]);
        assert_eq!(*reloads.running.lock(), Config::default());
        reloads.take_over(Ok(Config::default()));
        assert!(reloads.problems().is_empty());
    }
}
