//! Section `[access.NAME]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::access::{MAX_RULES, Rule, Who};

use super::Config;
use super::load::Check;

/// Who may read, stage and administer the datasets that name this rule. The rule called "default" is that of datasets
/// that name none, and of the files of roots without `access`; without it they are open to anyone. "public" is open to
/// anyone unless it is declared otherwise.
///
/// Each list is of "anyone", "token:NAME" (the name of a token, or the owner of some), "group:NAME" and "network:CIDR".
/// Who may administer may stage, and who is named here as staging may read. Tokens with the scope "admin" may everything.
///
/// Files that are named by their paths (`/requests`, `/objects`, `/upload`, WLCG's tape API) are under the rule that their
/// root names (`roots.NAME.access`), not under those of the datasets that read them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessConfig {
    /// Who may see and read them. Nobody but those below without this key. A token counts only with the scope "read".
    #[schemars(example = ["group:climate", "network:10.0.0.0/8"])]
    pub read: Vec<String>,
    /// Who may have them brought online. Without this key whoever may read them and may stage on this server (a token with
    /// the scope "stage", staging.anonymous, staging.networks); a token counts only with the scope "stage".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["token:operations"])]
    pub stage: Option<Vec<String>>,
    /// Who may change what others asked for of them. A token counts only with the scope "stage".
    #[schemars(example = ["group:curators"])]
    pub admin: Vec<String>,
}

impl AccessConfig {
    /// The rule. What is no name of anybody is left out, which loading the configuration has reported.
    pub fn rule(&self) -> Rule {
        let who = |texts: &[String]| -> Vec<Who> {
            texts.iter().filter_map(|text| Who::parse(text).ok()).collect()
        };
        Rule {
            read: who(&self.read),
            stage: self.stage.as_deref().map_or_else(|| vec![Who::Stagers], who),
            administer: who(&self.admin),
        }
    }

    pub(super) fn complete(&self, name: &str, n_rules: usize, check: &mut Check<'_>) {
        let lists = [
            ("read", self.read.as_slice()),
            ("stage", self.stage.as_deref().unwrap_or_default()),
            ("admin", self.admin.as_slice()),
        ];
        for (key, list) in lists {
            for text in list {
                if let Err(error) = Who::parse(text) {
                    check.mistake(&["access", name, key], error.message().to_owned());
                }
            }
        }
        // Two are always there.
        if n_rules > MAX_RULES - 2 {
            check.mistake(
                &["access", name],
                format!("is one of {n_rules} rules: at most {} are taken", MAX_RULES - 2),
            );
        }
    }
}

/// What is wrong where [`Config::has_unnamed_proxy`].
pub(crate) const UNNAMED_PROXY: &str = "rules name networks, the server listens to this machine only, and \
    server.trusted_proxies names no proxy: all who come through a proxy on this machine count as this machine. Name it \
    there, for example [\"127.0.0.1\"], if it writes X-Forwarded-For itself";

impl Config {
    /// True if rules ask from which network a client comes, and nobody but a proxy that is not named can tell.
    pub(crate) fn has_unnamed_proxy(&self) -> bool {
        let is_network = |text: &String| text.starts_with("network:");
        let names_networks = |rule: &AccessConfig| {
            rule.read.iter().chain(rule.stage.iter().flatten()).chain(&rule.admin).any(is_network)
        };
        let asks = !self.staging.networks.is_empty() || self.access.values().any(names_networks);
        asks && self.server.listen.ip().is_loopback() && !self.server.names_proxies()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use thermocline_core::access::{Caller, Right};

    use super::*;

    fn rule(text: &str) -> Rule {
        toml::from_str::<AccessConfig>(text).unwrap().rule()
    }

    fn from(address: &str) -> Caller<'static> {
        Caller { from: Some(address.parse::<IpAddr>().unwrap()), may_stage: true, ..Caller::default() }
    }

    #[test]
    fn who_stages_is_left_to_the_server_unless_the_rule_says() {
        let inside = "read = [\"network:10.0.0.0/8\"]";
        assert!(rule(inside).allows(Right::Stage, &from("10.1.1.1")));
        assert!(!rule(inside).allows(Right::Stage, &from("192.0.2.1")), "who may not read may not stage");
        let nobody = format!("{inside}\nstage = []");
        assert!(!rule(&nobody).allows(Right::Stage, &from("10.1.1.1")));
        assert!(rule(&nobody).allows(Right::Read, &from("10.1.1.1")));
    }

    #[test]
    fn a_rule_without_readers_is_closed() {
        assert!(!rule("").allows(Right::Read, &from("10.1.1.1")));
    }

    #[test]
    fn rules_of_networks_behind_a_proxy_that_nobody_named_are_told_of() {
        let rule = |who: &str| AccessConfig { read: vec![who.to_owned()], ..AccessConfig::default() };
        let config = |who: &str, proxies: &[&str], listen: &str| {
            let mut config = Config::default();
            config.access.insert("inside".to_owned(), rule(who));
            if !proxies.is_empty() {
                config.server.trusted_proxies =
                    proxies.iter().map(|proxy| (*proxy).to_owned().try_into().unwrap()).collect();
            }
            config.server.listen = listen.parse().unwrap();
            config
        };
        for (who, proxies, listen, is_told) in [
            ("network:10.0.0.0/8", [].as_slice(), "127.0.0.1:9000", true),
            ("network:10.0.0.0/8", &["127.0.0.1/32"], "127.0.0.1:9000", false),
            ("network:10.0.0.0/8", &[], "0.0.0.0:9000", false),
            ("group:climate", &[], "127.0.0.1:9000", false),
        ] {
            assert_eq!(
                config(who, proxies, listen).has_unnamed_proxy(),
                is_told,
                "{who} {proxies:?} {listen}"
            );
        }
    }
}
