//! Who may do what, from the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use thermocline_core::Result;
use thermocline_core::access::{DEFAULT_RULE, Rules};
use thermocline_http::identity::{AccessRules, Token};
use tracing::warn;

use crate::config::{Config, Scope, TokenConfig};

/// The rules of the configuration.
///
/// # Errors
/// Those of [`Rules::new`]: without the rules of datasets everything would be open.
pub(super) fn rules(config: &Config) -> Result<AccessRules> {
    Ok(AccessRules {
        tokens: config.tokens.iter().filter_map(|(name, token)| named(name, token)).collect(),
        networks: config.staging.networks.iter().map(|network| network.0).collect(),
        anonymous_stages: config.staging.anonymous,
        anonymous_administers: config.staging.anonymous_administers,
        datasets: dataset_rules(config)?,
        roots: root_rules(config),
    })
}

/// Which roots name a rule.
fn root_rules(config: &Config) -> BTreeMap<Arc<str>, Arc<str>> {
    let named = config.roots.iter();
    named.filter_map(|(name, root)| Some((name.as_str().into(), root.access.as_deref()?.into()))).collect()
}

fn dataset_rules(config: &Config) -> Result<Rules> {
    let named = config.access.iter().map(|(name, rule)| (name.as_str().into(), rule.rule()));
    Rules::new(named)
}

/// Warns of rules that keep files from less than their author may think: whoever stages by paths is not asked for them.
pub(super) fn warn_of_paths(config: &Config) {
    if let Some(keys) = staging_past_rules(config) {
        warn!(
            keys,
            "access rules restrict datasets, yet whoever these keys let stage may bring files of roots without access online \
             by path"
        );
    }
}

/// The keys by which clients without a token may stage files of datasets that rules keep from somebody.
fn staging_past_rules(config: &Config) -> Option<&'static str> {
    let restrict = config
        .access
        .values()
        .any(|rule| !rule.read.iter().any(|who| who == "anyone") || rule.stage.is_some());
    match (config.staging.anonymous, !config.staging.networks.is_empty()) {
        _ if !restrict || !has_open_cold_root(config) => None,
        (true, true) => Some("staging.anonymous, staging.networks"),
        (true, false) => Some("staging.anonymous"),
        (false, true) => Some("staging.networks"),
        (false, false) => None,
    }
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

/// True if there are cold files under no rule.
fn has_open_cold_root(config: &Config) -> bool {
    let is_ruled = |name: &String| config.roots.get(name).is_some_and(|root| root.access.is_some());
    let mut roots = config.cold.values().flat_map(|cold| &cold.roots);
    !config.access.contains_key(DEFAULT_RULE) && roots.any(|name| !is_ruled(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_warned_of_where_clients_without_a_token_stage_by_path() {
        let cold = "[cold.tape]\nroots = [\"archive\"]\nkind = \"simulated\"\n";
        let rule = "[access.staff]\nread = [\"group:staff\"]\n";
        let open = "[access.open]\nread = [\"anyone\"]\n";
        let anonymous = "[staging]\nanonymous = true\n";
        let networks = "[staging]\nnetworks = [\"10.0.0.0/8\"]\n";
        for (sections, warned_of) in [
            ([cold, rule, anonymous], Some("staging.anonymous")),
            ([cold, rule, networks], Some("staging.networks")),
            ([cold, rule, ""], None),
            ([cold, open, anonymous], None),
            (["", rule, anonymous], None),
            (
                [cold, rule, &*format!("[roots.archive]\npath = \"/a\"\naccess = \"staff\"\n{anonymous}")],
                None,
            ),
        ] {
            let config: Config = toml::from_str(&sections.concat()).unwrap();
            assert_eq!(staging_past_rules(&config), warned_of, "{sections:?}");
        }
    }
}
