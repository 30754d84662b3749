//! Telling others of the end of requests, while the server runs.

use std::sync::Arc;

use thermocline_core::Result;
use thermocline_core::webhook::{Hosts, KeyFile, Sender, WebhookSettings, Webhooks};

use super::Recalls;
use crate::config::Config;

/// Begins to send what is due, if the configuration names hosts that may be told. It ends with what the stores do.
///
/// # Errors
/// A key that cannot be read, or is none.
pub(super) fn start(config: &Config, recalls: &Recalls) -> Result<()> {
    let Some(key) = config.staging.webhook_key_file.clone().map(KeyFile::new) else { return Ok(()) };
    // What was accepted before the list became empty is given up with a reason, not kept silently.
    let hosts = Hosts::parse(&config.limits.webhook_hosts)?;
    key.read()?;
    let sender = Sender::new(Arc::new(hosts), key)?;
    let webhooks = Webhooks::new(recalls.staging.clone(), sender, WebhookSettings::default());
    recalls.beside.spawn(|stop| webhooks.run(stop));
    Ok(())
}
