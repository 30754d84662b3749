//! Telling others of the end of requests, while the server runs.

use thermocline_core::Result;
use thermocline_core::webhook::{Hosts, KeyFile, Sender, WebhookSettings, Webhooks};

use super::Recalls;
use crate::config::Config;

/// Begins to send what is due, if the configuration names hosts that may be told. It ends with what the stores do.
///
/// # Errors
/// A key that cannot be read, or is none.
pub(super) fn start(config: &Config, recalls: &Recalls) -> Result<()> {
    let Some(key) = key_file(config) else { return Ok(()) };
    key.read()?;
    let hosts = recalls.staging.webhook_hosts();
    // What was accepted before the list became empty is given up with a reason, not kept silently.
    hosts.replace(Hosts::parse(&config.limits.webhook_hosts)?);
    let sender = Sender::new(hosts.clone(), key)?;
    let settings =
        WebhookSettings { max_attempts: config.staging.webhook_attempts, ..WebhookSettings::default() };
    let webhooks = Webhooks::new(recalls.staging.clone(), sender, settings);
    recalls.beside.spawn(|stop| webhooks.run(stop));
    Ok(())
}

/// What is wrong with the key of a configuration. Blocking.
pub(super) fn problem(config: &Config) -> Option<String> {
    let error = key_file(config)?.read().err()?;
    Some(format!("staging.webhook_key_file: {error}"))
}

fn key_file(config: &Config) -> Option<KeyFile> {
    config.staging.webhook_key_file.clone().map(KeyFile::new)
}
