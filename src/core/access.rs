//! Who may read and stage which dataset: rules by name, and what a client sees under them.
//!
//! A dataset names one rule, or none and then the rule `default` counts. What a client may read is a [`View`]: one bit for
//! each rule. Whatever is kept for many clients (lists, documents) is kept for each view; clients with equal views get equal
//! documents.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::{Error, Result};

/// Name of the rule of datasets that name none.
pub const DEFAULT_RULE: &str = "default";

/// Name of the rule of datasets that are open to anyone, whatever [`DEFAULT_RULE`] says; it can be declared otherwise.
pub const PUBLIC_RULE: &str = "public";

/// Most rules of a server.
pub const MAX_RULES: usize = 1024;

/// Whom a right is given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Whoever holds this token, by its name, or a token of this owner.
    Token(Arc<str>),
    /// Whoever is of this group.
    Group(Arc<str>),
    /// Whoever comes from this network.
    Network(IpNet),
    /// Whoever may stage on this server and may read the dataset: what a rule says that does not say who stages.
    Stagers,
}

/// A network such as `10.0.0.0/8`, or a single address. One of IPv4 that is written as IPv6 is what it is: clients are
/// looked up by their addresses of IPv4.
pub fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok().or_else(|| text.parse().ok().map(IpAddr::into));
    let IpNet::V6(written) = network? else { return network };
    let mapped = written.addr().to_ipv4_mapped().zip(written.prefix_len().checked_sub(96));
    mapped.and_then(|(address, prefix)| IpNet::new(address.into(), prefix).ok()).or(network)
}

impl Who {
    /// What `anyone`, `token:NAME`, `group:NAME`, `network:CIDR` mean.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let unknown = || {
            let message = format!("\"{text}\" is none of anyone, token:NAME, group:NAME, network:CIDR");
            Error::invalid_input(message)
        };
        if text == "anyone" {
            return Ok(Self::Anyone);
        }
        let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or_else(unknown)?;
        match kind {
            "token" => Ok(Self::Token(name.into())),
            "group" => Ok(Self::Group(name.into())),
            "network" => network(name).map(Self::Network).ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }

    fn is(&self, caller: &Caller<'_>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Token(name) => caller.token == Some(&**name) || caller.owner == Some(&**name),
            Self::Group(group) => caller.groups.contains(group),
            Self::Network(network) => caller.from.is_some_and(|from| network.contains(&from)),
            Self::Stagers => caller.may_stage,
        }
    }
}

/// A client, as far as rules look at it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// Name of its token; `None` without one that is valid.
    pub token: Option<&'a str>,
    /// Owner of its token, if that has one.
    pub owner: Option<&'a str>,
    /// Groups that it is of.
    pub groups: &'a [Arc<str>],
    /// Where it comes from, behind proxies that are trusted.
    pub from: Option<IpAddr>,
    /// Whether it may stage where no rule says who does.
    pub may_stage: bool,
}

/// What can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// To see and to read a dataset.
    Read,
    /// To have its objects brought online.
    Stage,
    /// To evict them, and to change what others asked for.
    Administer,
}

/// Who has which right on the datasets of a rule. Who administers may stage, and who is named as staging may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Who may read.
    pub read: Vec<Who>,
    /// Who may stage; [`Who::Stagers`] gives nobody the right to read.
    pub stage: Vec<Who>,
    /// Who may administer.
    pub administer: Vec<Who>,
}

impl Rule {
    /// Everybody reads.
    fn open() -> Self {
        Self { read: vec![Who::Anyone], stage: vec![Who::Stagers], administer: Vec::new() }
    }

    /// True if somebody has a right under this rule.
    pub fn allows(&self, right: Right, caller: &Caller<'_>) -> bool {
        let is_in = |list: &[Who]| list.iter().any(|who| *who != Who::Stagers && who.is(caller));
        let administers = is_in(&self.administer);
        match right {
            Right::Administer => administers,
            Right::Read => administers || is_in(&self.stage) || is_in(&self.read),
            Right::Stage => {
                let may_as_usual = self.stage.contains(&Who::Stagers) && Who::Stagers.is(caller);
                administers || is_in(&self.stage) || (may_as_usual && is_in(&self.read))
            }
        }
    }
}

/// All rules of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    by_name: Arc<BTreeMap<Arc<str>, usize>>,
    rules: Vec<Rule>,
    restricts: bool,
}

impl Default for Rules {
    /// Everybody reads everything.
    fn default() -> Self {
        let by_name = [(DEFAULT_RULE.into(), 0), (PUBLIC_RULE.into(), 1)];
        Self { by_name: Arc::new(by_name.into()), rules: vec![Rule::open(), Rule::open()], restricts: false }
    }
}

impl Rules {
    /// These rules by their names. Without one that is called [`DEFAULT_RULE`], datasets that name none are read by anyone;
    /// without one that is called [`PUBLIC_RULE`], so are those that name it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for more than [`MAX_RULES`].
    pub fn new(named: impl IntoIterator<Item = (Arc<str>, Rule)>) -> Result<Self> {
        let (mut by_name, mut rules) = (BTreeMap::new(), Vec::new());
        for (name, rule) in named {
            by_name.insert(name, rules.len());
            rules.push(rule);
        }
        for name in [DEFAULT_RULE, PUBLIC_RULE] {
            if !by_name.contains_key(name) {
                by_name.insert(name.into(), rules.len());
                rules.push(Rule::open());
            }
        }
        if rules.len() > MAX_RULES {
            return Err(Error::invalid_input(format!("more than {MAX_RULES} access rules")));
        }
        let restricts = rules.iter().any(|rule| !rule.read.contains(&Who::Anyone));
        Ok(Self { by_name: Arc::new(by_name), rules, restricts })
    }

    /// True if there is a dataset that somebody may not read, or could be one. Names of rules that do not exist are not
    /// counted: see [`Rules::number`].
    pub fn restrict(&self) -> bool {
        self.restricts
    }

    /// The number of the rule that a dataset names; `None` if there is no such rule: nobody may read it then.
    pub fn number(&self, name: Option<&str>) -> Option<usize> {
        self.by_name.get(name.unwrap_or(DEFAULT_RULE)).copied()
    }

    /// The rule that a dataset names.
    pub fn rule(&self, name: Option<&str>) -> Option<&Rule> {
        self.rules.get(self.number(name)?)
    }

    /// Names of the rules, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }

    /// What a client sees.
    pub fn view(&self, caller: &Caller<'_>) -> View {
        self.view_of(|rule| rule.allows(Right::Read, caller))
    }

    /// What whoever administers the server sees: all that some rule covers.
    pub fn whole_view(&self) -> View {
        self.view_of(|_| true)
    }

    fn view_of(&self, sees: impl Fn(&Rule) -> bool) -> View {
        let mut bits = vec![0_u64; self.rules.len().div_ceil(64)];
        for (number, _) in self.rules.iter().enumerate().filter(|(_, rule)| sees(rule)) {
            if let Some(word) = bits.get_mut(number / 64) {
                *word |= 1 << (number % 64);
            }
        }
        View { bits: bits.into(), by_name: Arc::clone(&self.by_name), restricts: self.restricts }
    }
}

/// Which rules' datasets a client may read. It knows the rules by their names, so that it holds whatever they become
/// while a request is answered.
#[derive(Debug, Clone)]
pub struct View {
    bits: Arc<[u64]>,
    by_name: Arc<BTreeMap<Arc<str>, usize>>,
    restricts: bool,
}

impl View {
    /// True if the datasets of a rule are seen by its number; those of no known rule are not.
    pub fn sees(&self, rule: Option<usize>) -> bool {
        let word = rule.and_then(|rule| self.bits.get(rule / 64).map(|word| (word, rule % 64)));
        word.is_some_and(|(word, bit)| word >> bit & 1 == 1)
    }

    /// True if datasets that name this rule are seen; nobody sees those of a rule that does not exist.
    pub fn sees_rule(&self, name: Option<&str>) -> bool {
        self.sees(self.by_name.get(name.unwrap_or(DEFAULT_RULE)).copied())
    }

    /// True if there is a rule of that name.
    pub fn has_rule(&self, name: Option<&str>) -> bool {
        self.by_name.contains_key(name.unwrap_or(DEFAULT_RULE))
    }

    /// True if others may see something else, so that no answer may be kept for them.
    pub fn is_private(&self) -> bool {
        self.restricts
    }
}

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        let has_same_rules = Arc::ptr_eq(&self.by_name, &other.by_name) || self.by_name == other.by_name;
        self.bits == other.bits && has_same_rules && self.restricts == other.restricts
    }
}

impl Eq for View {}

impl Hash for View {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // Views of equal bits are of the same rules nearly always.
        self.bits.hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let who = |texts: &[&str]| texts.iter().map(|text| Who::parse(text).unwrap()).collect::<Vec<_>>();
        let rule = |read, stage, administer| Rule {
            read: who(read),
            stage: who(stage),
            administer: who(administer),
        };
        Rules::new([
            ("inside".into(), rule(&["network:10.0.0.0/8"], &["group:climate"], &["token:root"])),
            ("open".into(), rule(&["anyone"], &["token:a"], &[])),
        ])
        .unwrap()
    }

    #[test]
    fn rights_follow_from_token_group_and_network_and_the_larger_hold_the_smaller() {
        let rules = rules();
        let inside = rules.rule(Some("inside")).unwrap();
        let groups: [Arc<str>; 1] = ["climate".into()];
        for (caller, rights) in [
            (Caller::default(), [false, false, false]),
            (Caller { from: "10.1.2.3".parse().ok(), ..Caller::default() }, [true, false, false]),
            (Caller { groups: &groups, ..Caller::default() }, [true, true, false]),
            (Caller { token: Some("root"), ..Caller::default() }, [true, true, true]),
            (Caller { token: Some("x"), owner: Some("root"), ..Caller::default() }, [true, true, true]),
            (Caller { token: Some("climate"), ..Caller::default() }, [false, false, false]),
        ] {
            let found =
                [Right::Read, Right::Stage, Right::Administer].map(|right| inside.allows(right, &caller));
            assert_eq!(found, rights, "{caller:?}");
        }
    }

    #[test]
    fn a_rule_that_does_not_say_who_stages_leaves_that_to_the_server_and_gives_nobody_the_right_to_read() {
        let rule = Rule {
            read: vec![Who::Group("climate".into())],
            stage: vec![Who::Stagers],
            administer: Vec::new(),
        };
        let groups: [Arc<str>; 1] = ["climate".into()];
        for (groups, may_stage, rights) in [
            (&groups[..], true, [true, true]),
            (&groups[..], false, [true, false]),
            (&[], true, [false, false]),
        ] {
            let caller = Caller { groups, may_stage, ..Caller::default() };
            let found = [Right::Read, Right::Stage].map(|right| rule.allows(right, &caller));
            assert_eq!(found, rights, "{caller:?}");
        }
    }

    #[test]
    fn a_rule_that_does_not_exist_hides_its_datasets_from_everybody() {
        let rules = rules();
        assert_eq!(rules.number(Some("typo")), None);
        assert!(!rules.whole_view().sees(rules.number(Some("typo"))));
        assert!(rules.view(&Caller::default()).sees(rules.number(None)), "open without a rule of its own");
        let view = rules.whole_view();
        assert!(!view.sees_rule(Some("typo")) && !view.has_rule(Some("typo")));
        assert!(view.sees_rule(Some("inside")) && view.sees_rule(Some(PUBLIC_RULE)) && view.sees_rule(None));
    }

    #[test]
    fn what_is_public_is_open_although_the_default_is_not() {
        let nobody = Rule { read: Vec::new(), stage: Vec::new(), administer: Vec::new() };
        let view = Rules::new([(DEFAULT_RULE.into(), nobody)]).unwrap().view(&Caller::default());
        assert!(view.sees_rule(Some(PUBLIC_RULE)) && !view.sees_rule(None) && view.is_private());
    }

    #[test]
    fn clients_who_may_read_the_same_have_equal_views() {
        let rules = rules();
        let view = |from: &str| rules.view(&Caller { from: from.parse().ok(), ..Caller::default() });
        assert_eq!(view("10.0.0.1"), view("10.9.9.9"));
        assert_ne!(view("10.0.0.1"), view("192.0.2.1"));
        assert!(rules.restrict() && !Rules::default().restrict());
    }

    #[test]
    fn networks_are_compared_with_addresses_as_clients_have_them() {
        for (text, address, is_of) in [
            ("10.1.0.0/16", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("::ffff:10.1.0.0/112", "10.1.2.3", true),
            ("::ffff:10.1.0.0/112", "10.2.2.3", false),
            ("::ffff:10.1.2.3", "10.1.2.3", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("::/0", "2001:db8::1", true),
        ] {
            let network = network(text).unwrap();
            assert_eq!(network.contains(&address.parse::<IpAddr>().unwrap()), is_of, "{text} {address}");
        }
        assert_eq!(network("localhost"), None);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["", "any", "token:", "network:10.0.0.0/99", "group", "user:a"] {
            assert!(Who::parse(text).is_err(), "{text}");
        }
    }
}
