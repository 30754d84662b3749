//! Which tokens and networks have which rights.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use thermocline_core::access::{Caller, Rules};
use thermocline_core::clock::{Clock, SystemClock};
use thermocline_core::staging::Owner;

use super::{Credentials, Identity, Right};

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
}

/// The rules at present; they can be exchanged while the server runs.
pub struct Access {
    rules: ArcSwap<AccessRules>,
    clock: Arc<dyn Clock>,
}

impl Access {
    /// These rules; whether a token has expired is asked of `clock`.
    pub fn new(rules: AccessRules, clock: Arc<dyn Clock>) -> Self {
        Self { rules: ArcSwap::from_pointee(rules), clock }
    }

    /// Takes other rules, from the next request on.
    pub fn replace(&self, rules: AccessRules) {
        self.rules.store(Arc::new(rules));
    }

    /// Who comes `from` an address with these credentials: `Some(None)` are some that hold no token.
    pub(super) fn identify(&self, credentials: Option<Option<&str>>, from: Option<IpAddr>) -> Identity {
        let rules = self.rules.load();
        let network = from.and_then(|from| rules.networks.iter().find(|network| network.contains(&from)));
        let mut identity = Identity {
            owner: network
                .map_or_else(Owner::anonymous, |network| Owner(format!("network:{network}").into())),
            token: None,
            groups: Arc::default(),
            view: rules.datasets.view(&Caller { from, ..Caller::default() }),
            may_stage: rules.anonymous_stages || network.is_some(),
            may_administer: rules.anonymous_administers,
            from,
            credentials: Credentials::None,
        };
        let Some(presented) = credentials else { return identity };
        let Some(token) = presented.and_then(|presented| find(&rules.tokens, presented)) else {
            identity.credentials = Credentials::Unknown;
            return identity;
        };
        if token.has_expired(self.clock.now_ns()) {
            identity.credentials = Credentials::Expired;
            return identity;
        }
        identity.credentials = Credentials::Valid;
        identity.owner = token.owner();
        identity.token = Some(token.name.as_str().into());
        identity.groups = Arc::clone(&token.groups);
        if token.may_read || token.may_administer {
            let caller = Caller {
                token: Some(&token.name),
                owner: token.owner.as_deref(),
                groups: &token.groups,
                from,
            };
            identity.view = rules.datasets.view(&caller);
        }
        identity.may_stage |= token.may(Right::Stage);
        identity.may_administer |= token.may(Right::Administer);
        identity
    }

    /// True if there is a token with this right that has not expired.
    pub(super) fn some_token_may(&self, right: Right) -> bool {
        self.some_token(|token| token.may(right))
    }

    /// True if there is a token by which what is of `owner` may be changed.
    pub(super) fn some_token_may_change(&self, owner: &Owner) -> bool {
        self.some_token(|token| token.may_administer || (token.may_stage && token.owner() == *owner))
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
    fn other_rules_hold_from_the_next_request_on() {
        let access = access(&ManualClock::new(0));
        access.replace(AccessRules { anonymous_stages: true, ..AccessRules::default() });
        assert!(access.identify(None, None).may_stage);
        assert_eq!(access.identify(Some(Some("g")), None).credentials, Credentials::Unknown);
    }
}
