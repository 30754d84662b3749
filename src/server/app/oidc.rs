//! Issuers whose tokens count, from the configuration.

#[cfg(feature = "oidc")]
use std::sync::Arc;

use thermocline_core::Result;
#[cfg(feature = "oidc")]
use thermocline_core::oidc::Issuers;
use thermocline_http::identity::{Access, AccessRules};

use crate::config::Config;

/// The issuers that a configuration names, before their tokens count.
pub(super) struct Trusted {
    #[cfg(feature = "oidc")]
    issuers: Option<Arc<Issuers>>,
}

#[cfg(feature = "oidc")]
impl Trusted {
    /// Lets the tokens of these issuers count, and of no others.
    pub(super) fn count(self, access: &Access) {
        access.trust(self.issuers);
    }

    /// The same with the rules that are made for them: no token counts under those of others.
    pub(super) fn count_under(self, rules: AccessRules, access: &Access) {
        access.replace_all(rules, self.issuers);
    }
}

#[cfg(not(feature = "oidc"))]
impl Trusted {
    pub(super) fn count(self, _: &Access) {}

    pub(super) fn count_under(self, rules: AccessRules, access: &Access) {
        access.replace(rules);
    }
}

/// The issuers of the configuration.
///
/// # Errors
/// [`thermocline_core::ErrorKind::Internal`] if TLS cannot be spoken.
#[cfg(feature = "oidc")]
pub(super) fn trusted(config: &Config) -> Result<Trusted> {
    use thermocline_core::clock::{Clock, SystemClock};
    use thermocline_core::oidc::{Fetch, IssuerSettings, Web};

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
        return Ok(Trusted { issuers: None });
    }
    let named = config.oidc.iter().map(|(name, issuer)| (name.clone(), settings(issuer))).collect();
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (Arc::new(Web::new()?), Arc::new(SystemClock));
    Ok(Trusted { issuers: Some(Arc::new(Issuers::new(named, &fetch, &clock))) })
}

/// Nobody but this server gives tokens: loading the configuration refused the section.
#[cfg(not(feature = "oidc"))]
pub(super) fn trusted(_: &Config) -> Result<Trusted> {
    Ok(Trusted {})
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
