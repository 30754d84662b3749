//! Issuers whose tokens count, from the configuration.

use thermocline_core::Result;
use thermocline_http::identity::Access;

use crate::config::Config;

/// Lets the tokens of the issuers count that the configuration names, and of no others.
///
/// # Errors
/// [`thermocline_core::ErrorKind::Internal`] if TLS cannot be spoken.
#[cfg(feature = "oidc")]
pub(super) fn trust(config: &Config, access: &Access) -> Result<()> {
    use std::sync::Arc;

    use thermocline_core::clock::{Clock, SystemClock};
    use thermocline_core::oidc::{Fetch, IssuerSettings, Issuers, Web};

    use crate::config::OidcConfig;

    let settings = |config: &OidcConfig| IssuerSettings {
        issuer: config.issuer.clone(),
        audience: config.audience.clone(),
        owner_claim: config.owner_claim.clone(),
        groups_claim: config.groups_claim.clone(),
        scopes_claim: config.scopes_claim.clone(),
        read_scopes: config.read_scopes.clone(),
        stage_scopes: config.stage_scopes.clone(),
        admin_scopes: config.admin_scopes.clone(),
    };
    if config.oidc.is_empty() {
        access.trust(None);
        return Ok(());
    }
    let named = config.oidc.iter().map(|(name, issuer)| (name.clone(), settings(issuer))).collect();
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (Arc::new(Web::new()?), Arc::new(SystemClock));
    access.trust(Some(Arc::new(Issuers::new(named, &fetch, &clock))));
    Ok(())
}

/// Nobody but this server gives tokens: loading the configuration refused the section.
#[cfg(not(feature = "oidc"))]
pub(super) fn trust(_: &Config, _: &Access) -> Result<()> {
    Ok(())
}

/// Asks the issuers for their keys while nobody waits for them.
#[cfg(feature = "oidc")]
pub(super) fn ask(access: &Access) {
    access.ask_issuers();
}

/// There are no issuers.
#[cfg(not(feature = "oidc"))]
pub(super) fn ask(_: &Access) {}

/// Asks the issuers again that gave no keys.
#[cfg(feature = "oidc")]
pub(super) fn ask_again(access: &Access) {
    access.ask_issuers_again();
}

/// There are no issuers.
#[cfg(not(feature = "oidc"))]
pub(super) fn ask_again(_: &Access) {}

/// What is wrong with the issuers.
#[cfg(feature = "oidc")]
pub(super) fn problems(access: &Access) -> Vec<String> {
    access.issuer_problems()
}

/// There are no issuers.
#[cfg(not(feature = "oidc"))]
pub(super) fn problems(_: &Access) -> Vec<String> {
    Vec::new()
}
