//! Which tokens and networks have which rights.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use thermocline_core::access::{Caller, Rules, View, Who};
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::staging::Owner;

use super::issuers::Trusted;
use super::{Credentials, Identity, Right};

/// A token that counts, however it is known.
pub struct Holder {
    /// Its name.
    pub name: Arc<str>,
    /// Whose it is.
    pub owner: Owner,
    /// Groups of whoever holds it.
    pub groups: Arc<[Arc<str>]>,
    /// Whether it allows to read what is not open to anyone.
    pub may_read: bool,
    /// Whether it allows to stage.
    pub may_stage: bool,
    /// Whether it allows to administer.
    pub may_administer: bool,
}

impl From<&Token> for Holder {
    fn from(token: &Token) -> Self {
        Self {
            name: token.name.as_str().into(),
            owner: token.owner(),
            groups: Arc::clone(&token.groups),
            may_read: token.may_read,
            may_stage: token.may_stage,
            may_administer: token.may_administer,
        }
    }
}

/// A token by which a client is known. The token itself is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name in the configuration.
    pub name: String,
    /// SHA-256 of it. Tokens are random, so that a salt would add nothing.
    pub digest: [u8; 32],
    /// Groups of whoever holds it.
    pub groups: Arc<[Arc<str>]>,
    /// Whether it allows to read what is not open to anyone.
    pub may_read: bool,
    /// Whose it is; several tokens of one owner share its requests and its share. Its name without one.
    pub owner: Option<String>,
    /// Whether it allows to stage.
    pub may_stage: bool,
    /// Whether it allows to administer.
    pub may_administer: bool,
    /// When it ends, in nanoseconds since 1970; never without one.
    pub expires_ns: Option<i64>,
}

impl Token {
    fn owner(&self) -> Owner {
        Owner(format!("token:{}", self.owner.as_deref().unwrap_or(&self.name)).into())
    }

    fn may(&self, right: Right) -> bool {
        match right {
            // Who administers may stage as well.
            Right::Stage => self.may_stage || self.may_administer,
            Right::Administer => self.may_administer,
            Right::Read => self.may_read || self.may_administer,
        }
    }

    fn has_expired(&self, now_ns: i64) -> bool {
        self.expires_ns.is_some_and(|expires_ns| expires_ns <= now_ns)
    }
}

/// Who may do what beyond reading. By default nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRules {
    /// Tokens.
    pub tokens: Vec<Token>,
    /// Networks whose clients may stage without a token.
    pub networks: Vec<IpNet>,
    /// Whether anyone may stage.
    pub anonymous_stages: bool,
    /// Whether anyone may administer: for demonstrations.
    pub anonymous_administers: bool,
    /// Who may read and stage which datasets.
    pub datasets: Rules,
    /// Rules of the files of roots for who names them by their paths, by the names of the roots; others are under the rule
    /// of datasets that name none.
    pub roots: BTreeMap<Arc<str>, Arc<str>>,
}

/// The rules at present; they can be exchanged while the server runs.
pub struct Access {
    rules: ArcSwap<AccessRules>,
    clock: Arc<dyn Clock>,
    trusted: Trusted,
}

impl Access {
    /// These rules; whether a token has expired is asked of `clock`.
    pub fn new(rules: AccessRules, clock: Arc<dyn Clock>) -> Self {
        Self { rules: ArcSwap::from_pointee(rules), clock, trusted: Trusted::default() }
    }

    /// Issuers whose tokens count too.
    pub(super) fn trusted(&self) -> &Trusted {
        &self.trusted
    }

    /// Takes other rules, from the next request on.
    pub fn replace(&self, rules: AccessRules) {
        self.rules.store(Arc::new(rules));
    }

    /// True if there is a dataset that somebody may not read, or could be one.
    pub fn restricts(&self) -> bool {
        self.rules.load().datasets.restrict()
    }

    /// True if there is an access rule of that name.
    pub fn has_rule(&self, name: &str) -> bool {
        self.rules.load().datasets.number(Some(name)).is_some()
    }

    /// Who comes `from` an address with these credentials: `Some(None)` are some that hold no token.
    pub(super) fn identify(&self, credentials: Option<Option<&str>>, from: Option<IpAddr>) -> Identity {
        let rules = self.rules.load();
        let found = match credentials {
            None => Err(Credentials::None),
            Some(presented) => self.holder(&rules, presented),
        };
        let mut identity = anonymous(&rules, from);
        match found {
            Ok(holder) => hold(&mut identity, &rules, holder),
            Err(credentials) => identity.credentials = credentials,
        }
        identity
    }

    fn holder(
        &self,
        rules: &AccessRules,
        presented: Option<&str>,
    ) -> std::result::Result<Holder, Credentials> {
        let presented = presented.ok_or(Credentials::Unknown)?;
        let Some(token) = find(&rules.tokens, presented) else { return self.trusted.holder(presented) };
        if token.has_expired(self.clock.now_ns()) { Err(Credentials::Expired) } else { Ok(token.into()) }
    }

    /// True if a client has a right on the datasets that name a rule; nobody has one under a rule that does not exist.
    pub(super) fn allows(&self, who: &Identity, rule: Option<&str>, right: Right) -> bool {
        let rules = self.rules.load();
        let Some(named) = rules.datasets.rule(rule) else { return false };
        who.may_administer
            || match right {
                Right::Read => who.view.sees_rule(rule),
                Right::Stage | Right::Administer => named.allows(right, &who.caller()),
            }
    }

    /// The most that a client may do with the files of a root that it names by their paths, of reading and staging; `None` if
    /// they are not there for it.
    pub(super) fn right_on_root(&self, who: &Identity, root: &str) -> Option<Right> {
        if who.may_administer {
            return Some(Right::Stage);
        }
        let rules = self.rules.load();
        let rule = rules.roots.get(root).map(|rule| &**rule);
        let named = rules.datasets.rule(rule).filter(|_| who.view.sees_rule(rule))?;
        Some(if named.allows(Right::Stage, &who.caller()) { Right::Stage } else { Right::Read })
    }

    /// True if there is a token by which files of a root may be staged.
    pub(super) fn some_token_stages_root(&self, root: &str) -> bool {
        let rule = self.rules.load().roots.get(root).cloned();
        self.some_token_has(rule.as_deref(), Right::Stage)
    }

    /// True if a client sees whatever some rule covers.
    pub(super) fn is_whole(&self, view: &View) -> bool {
        *view == self.rules.load().datasets.whole_view()
    }

    /// True if everybody may read the datasets that name a rule.
    pub(crate) fn is_open(&self, rule: Option<&str>) -> bool {
        let rules = self.rules.load();
        rules.datasets.rule(rule).is_some_and(|rule| rule.allows(Right::Read, &Caller::default()))
    }

    /// True if there is a token that has not expired with a right on the datasets that name a rule, or somebody else may
    /// give one.
    pub(crate) fn some_token_has(&self, rule: Option<&str>, right: Right) -> bool {
        let rules = self.rules.load();
        let Some(named) = rules.datasets.rule(rule) else { return false };
        let of_group = [&named.administer, &named.stage, &named.read];
        let is_of_issuer = |name: &str| name.starts_with("oidc:");
        if of_group.into_iter().flatten().any(|who| match who {
            Who::Group(_) => true,
            Who::Token(name) => is_of_issuer(name),
            _ => false,
        }) {
            return true;
        }
        self.some_token(|token| {
            let counts = match right {
                Right::Read => token.may_read,
                Right::Stage | Right::Administer => token.may_stage,
            };
            let caller = Caller {
                token: Some(&token.name),
                owner: token.owner.as_deref(),
                groups: &token.groups,
                from: None,
                may_stage: token.may(Right::Stage),
            };
            token.may_administer || (counts && named.allows(right, &caller))
        })
    }

    /// True if there is a token with this right that has not expired.
    pub(super) fn some_token_may(&self, right: Right) -> bool {
        self.trusted.some_may(right) || self.some_token(|token| token.may(right))
    }

    /// True if there is a token by which what is of `owner` may be changed.
    pub(super) fn some_token_may_change(&self, owner: &Owner) -> bool {
        let is_of_issuer = owner.0.starts_with("oidc:") && self.trusted.some_may(Right::Stage);
        is_of_issuer
            || self.trusted.some_may(Right::Administer)
            || self.some_token(|token| token.may_administer || (token.may_stage && token.owner() == *owner))
    }

    fn some_token(&self, is_it: impl Fn(&Token) -> bool) -> bool {
        let now_ns = self.clock.now_ns();
        self.rules.load().tokens.iter().any(|token| !token.has_expired(now_ns) && is_it(token))
    }
}

impl Default for Access {
    /// Reading only, for everybody.
    fn default() -> Self {
        Self::new(AccessRules::default(), Arc::new(SystemClock))
    }
}

/// A client without a token, as far as its network says who it is.
fn anonymous(rules: &AccessRules, from: Option<IpAddr>) -> Identity {
    let network = from.and_then(|from| rules.networks.iter().find(|network| network.contains(&from)));
    let may_administer = rules.anonymous_administers;
    let view = match may_administer {
        true => rules.datasets.whole_view(),
        false => rules.datasets.view(&Caller { from, ..Caller::default() }),
    };
    let mut identity = Identity {
        owner: network.map_or_else(Owner::anonymous, |network| Owner(format!("network:{network}").into())),
        token: None,
        groups: Arc::default(),
        view,
        may_stage: false,
        stages_as_usual: rules.anonymous_stages || network.is_some(),
        may_administer,
        token_stages: false,
        from,
        credentials: Credentials::None,
    };
    identity.may_stage = identity.stages_as_usual || stages_paths(&identity, rules);
    identity
}

/// Makes a client the one that holds a token.
fn hold(identity: &mut Identity, rules: &AccessRules, holder: Holder) {
    let Holder { name, owner, groups, may_read, may_stage, may_administer } = holder;
    identity.credentials = Credentials::Valid;
    identity.owner = owner;
    identity.token = Some(name);
    identity.groups = groups;
    identity.token_stages = may_stage || may_administer;
    identity.stages_as_usual |= identity.token_stages;
    identity.may_administer |= may_administer;
    if identity.may_administer {
        identity.view = rules.datasets.whole_view();
    } else if may_read {
        identity.view = rules.datasets.view(&identity.known_caller());
    }
    identity.may_stage |= identity.stages_as_usual || stages_paths(identity, rules);
}

/// True if the rule of some root lets a client stage by its name: it may stage paths then, and nothing else by that.
fn stages_paths(identity: &Identity, rules: &AccessRules) -> bool {
    let caller = Caller { may_stage: false, ..identity.caller() };
    let mut of_roots = rules.roots.values().map(|rule| Some(&**rule)).chain([None]);
    of_roots.any(|rule| rules.datasets.rule(rule).is_some_and(|rule| rule.allows(Right::Stage, &caller)))
}

/// The token of that text. Takes the same time whichever it is.
fn find<'a>(tokens: &'a [Token], presented: &str) -> Option<&'a Token> {
    let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
    tokens
        .iter()
        .fold(None, |found, token| if are_equal(&token.digest, &digest) { Some(token) } else { found })
}

fn are_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    black_box(one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other))) == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use thermocline_core::access::Rule;
    use thermocline_core::clock::ManualClock;

    use super::*;

    fn access(clock: &ManualClock) -> Access {
        let token = |name: &str, text: &str, may_stage, may_administer| Token {
            name: name.to_owned(),
            digest: Sha256::digest(text).into(),
            groups: Arc::default(),
            may_read: true,
            owner: None,
            may_stage,
            may_administer,
            expires_ns: (name == "guest").then_some(5_000_000_000),
        };
        let rules = AccessRules {
            tokens: vec![
                token("reader", "r", false, false),
                token("guest", "g", true, false),
                token("root", "a", false, true),
            ],
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            ..AccessRules::default()
        };
        Access::new(rules, Arc::new(clock.clone()))
    }

    #[test]
    fn rights_come_from_the_token_and_the_network() {
        let access = access(&ManualClock::new(0));
        let inside = Some("10.2.3.4".parse().unwrap());
        for (credentials, from, owner, may_stage, may_administer) in [
            (None, None, "anonymous", false, false),
            (None, inside, "network:10.0.0.0/8", true, false),
            (Some(Some("r")), None, "token:reader", false, false),
            (Some(Some("r")), inside, "token:reader", true, false),
            (Some(Some("g")), None, "token:guest", true, false),
            (Some(Some("a")), None, "token:root", true, true),
            (Some(Some("nonsense")), None, "anonymous", false, false),
            (Some(None), None, "anonymous", false, false),
        ] {
            let identity = access.identify(credentials, from);
            assert_eq!(&*identity.owner.0, owner, "{credentials:?}");
            assert_eq!(
                (identity.may_stage, identity.may_administer),
                (may_stage, may_administer),
                "{credentials:?}"
            );
        }
    }

    #[test]
    fn a_token_ends_when_it_expires() {
        let clock = ManualClock::new(0);
        let access = access(&clock);
        assert_eq!(access.identify(Some(Some("g")), None).credentials, Credentials::Valid);
        clock.advance(Duration::from_secs(5));
        let identity = access.identify(Some(Some("g")), None);
        assert_eq!((identity.credentials, identity.may_stage), (Credentials::Expired, false));
    }

    #[test]
    fn a_token_would_help_if_there_is_one_with_the_right_that_has_not_expired() {
        let clock = ManualClock::new(0);
        let access = access(&clock);
        let guest = Owner("token:guest".into());
        assert!(access.some_token_may(Right::Stage) && access.some_token_may_change(&guest));
        clock.advance(Duration::from_secs(5));
        assert!(access.some_token_may(Right::Stage), "who administers may stage");
        assert!(access.some_token_may_change(&Owner::anonymous()), "and change what is of anybody");
        let rules = AccessRules { anonymous_stages: true, ..AccessRules::default() };
        let without_administrator = AccessRules {
            tokens: access.rules.load().tokens.iter().filter(|token| token.name != "root").cloned().collect(),
            ..rules
        };
        access.replace(without_administrator);
        assert!(!access.some_token_may(Right::Stage) && !access.some_token_may(Right::Administer));
        assert!(!access.some_token_may_change(&guest));
    }

    #[test]
    fn who_may_stage_files_of_roots_stages_nothing_else_by_that() {
        let rule =
            |read: Who, stage: Who| Rule { read: vec![read], stage: vec![stage], administer: Vec::new() };
        let inside = Who::Network("10.0.0.0/8".parse().unwrap());
        let named = [
            ("default".into(), rule(Who::Anyone, inside.clone())),
            ("other".into(), rule(Who::Anyone, Who::Stagers)),
            ("secret".into(), rule(Who::Group("staff".into()), Who::Stagers)),
        ];
        let roots = [("vault".into(), "secret".into()), ("archive".into(), "other".into())].into();
        let rules = AccessRules { datasets: Rules::new(named).unwrap(), roots, ..AccessRules::default() };
        let access = Access::new(rules, Arc::new(ManualClock::new(0)));
        let client = access.identify(None, "10.1.1.1".parse().ok());
        assert!(client.may_stage, "files of roots without a rule");
        assert!(
            access.allows(&client, None, Right::Stage)
                && !access.allows(&client, Some("other"), Right::Stage)
        );
        assert_eq!(access.right_on_root(&client, "tape"), Some(Right::Stage));
        assert_eq!(access.right_on_root(&client, "archive"), Some(Right::Read));
        assert_eq!(access.right_on_root(&client, "vault"), None);
        assert!(!access.identify(None, "192.0.2.1".parse().ok()).may_stage);
    }

    #[test]
    fn other_rules_hold_from_the_next_request_on() {
        let access = access(&ManualClock::new(0));
        access.replace(AccessRules { anonymous_stages: true, ..AccessRules::default() });
        assert!(access.identify(None, None).may_stage);
        assert_eq!(access.identify(Some(Some("g")), None).credentials, Credentials::Unknown);
    }
}
