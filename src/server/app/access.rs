//! Who may do what, from the configuration.

use std::time::UNIX_EPOCH;

use thermocline_core::access::Rules;
use thermocline_http::identity::{AccessRules, Token};

use crate::config::{Config, Scope, TokenConfig};

/// The rules of the configuration.
pub(super) fn rules(config: &Config) -> AccessRules {
    AccessRules {
        tokens: config.tokens.iter().filter_map(|(name, token)| named(name, token)).collect(),
        networks: config.staging.networks.iter().map(|network| network.0).collect(),
        anonymous_stages: config.staging.anonymous,
        anonymous_administers: config.staging.anonymous_administers,
        datasets: dataset_rules(config),
    }
}

/// The rules of datasets. Too many of them, which loading the configuration has reported, are none.
pub(super) fn dataset_rules(config: &Config) -> Rules {
    let named = config.access.iter().map(|(name, rule)| (name.as_str().into(), rule.rule()));
    Rules::new(named).unwrap_or_default()
}

/// A token; `None` for one whose hash is none, which loading the configuration has reported.
fn named(name: &str, token: &TokenConfig) -> Option<Token> {
    let expires = token.expiry().and_then(|expires| expires.duration_since(UNIX_EPOCH).ok());
    Some(Token {
        name: name.to_owned(),
        digest: token.digest()?,
        groups: token.groups.iter().map(|group| group.as_str().into()).collect(),
        may_read: token.scopes.contains(&Scope::Read),
        owner: token.owner.clone(),
        may_stage: token.scopes.contains(&Scope::Stage),
        may_administer: token.scopes.contains(&Scope::Admin),
        expires_ns: expires.map(|expires| i64::try_from(expires.as_nanos()).unwrap_or(i64::MAX)),
    })
}
