//! Tokens that others issue: of OpenID Connect issuers, if this server was built to know them.

#[cfg(feature = "oidc")]
use std::sync::Arc;

#[cfg(feature = "oidc")]
use arc_swap::ArcSwapOption;
use futures::future::BoxFuture;
use http::HeaderMap;
#[cfg(feature = "oidc")]
use thermocline_core::oidc::{Checked, IssuerSettings, Issuers, Person};
#[cfg(feature = "oidc")]
use thermocline_core::staging::Owner;

#[cfg(feature = "oidc")]
use super::rules::AccessRules;
use super::rules::{Access, Holder};
use super::{Credentials, Right};

/// The issuers whose tokens count; they can be exchanged while the server runs.
#[derive(Default)]
pub(super) struct Trusted {
    #[cfg(feature = "oidc")]
    issuers: ArcSwapOption<Issuers>,
}

#[cfg(feature = "oidc")]
impl Trusted {
    /// Who holds a token.
    pub(super) fn holder(&self, presented: &str) -> Result<Holder, Credentials> {
        let issuers = self.issuers.load();
        match issuers.as_ref().map(|issuers| issuers.check(presented)) {
            Some(Checked::Valid(person)) => Ok(holder(&person)),
            Some(Checked::Expired) => Err(Credentials::Expired),
            Some(Checked::Unknown) | None => Err(Credentials::Unknown),
        }
    }

    /// True if somebody may have a token of an issuer with this right.
    pub(super) fn some_may(&self, right: Right) -> bool {
        let gives = |settings: &IssuerSettings| match right {
            Right::Read => true,
            Right::Stage => !settings.stage_scopes.is_empty() || !settings.admin_scopes.is_empty(),
            Right::Administer => !settings.admin_scopes.is_empty(),
        };
        self.issuers.load().as_ref().is_some_and(|issuers| issuers.some_give(gives))
    }

    /// Waits until the keys are known that a token may be signed with; `None` where nobody need wait.
    fn make_ready(&self, headers: &HeaderMap) -> Option<BoxFuture<'static, ()>> {
        let issuers = self.issuers.load_full()?;
        let presented = super::presented_token(headers)??;
        Some(Box::pin(async move { issuers.make_ready(&presented).await }))
    }
}

#[cfg(not(feature = "oidc"))]
impl Trusted {
    pub(super) fn holder(&self, _: &str) -> Result<Holder, Credentials> {
        Err(Credentials::Unknown)
    }

    pub(super) fn some_may(&self, _: Right) -> bool {
        false
    }

    fn make_ready(&self, _: &HeaderMap) -> Option<BoxFuture<'static, ()>> {
        None
    }
}

impl Access {
    /// Waits until it can be told whose token a request brings, where that takes more than looking at it: if its issuer
    /// has to be asked for a key. Call this before anything asks who sent the request.
    pub(crate) fn make_ready(&self, headers: &HeaderMap) -> Option<BoxFuture<'static, ()>> {
        self.trusted().make_ready(headers)
    }
}

#[cfg(feature = "oidc")]
impl Access {
    /// Takes the tokens of these issuers too, and of no others, from the next request on. Keys that are known of them stay
    /// known.
    pub fn trust(&self, issuers: Option<Arc<Issuers>>) {
        let trusted = &self.trusted().issuers;
        if let (Some(now), Some(before)) = (&issuers, trusted.load().as_ref()) {
            now.take_keys_of(before);
        }
        trusted.store(issuers);
    }

    /// Takes other rules together with the issuers for which they are made: in between no token of an issuer counts.
    pub fn replace_all(&self, rules: AccessRules, issuers: Option<Arc<Issuers>>) {
        let trusted = &self.trusted().issuers;
        if let (Some(now), Some(before)) = (&issuers, trusted.swap(None)) {
            now.take_keys_of(&before);
        }
        self.replace(rules);
        trusted.store(issuers);
    }

    /// Asks the issuers for their keys, as [`Issuers::ask`] does.
    pub fn ask_issuers(&self) {
        if let Some(issuers) = self.trusted().issuers.load().as_ref() {
            issuers.ask();
        }
    }

    /// Asks those again that gave no keys, as [`Issuers::ask_again`] does.
    pub fn ask_issuers_again(&self) {
        if let Some(issuers) = self.trusted().issuers.load().as_ref() {
            issuers.ask_again();
        }
    }

    /// What is wrong with the issuers.
    pub fn issuer_problems(&self) -> Vec<String> {
        self.trusted().issuers.load().as_ref().map(|issuers| issuers.problems()).unwrap_or_default()
    }
}

/// Who holds a token of an issuer: `oidc:NAME` is what rules call all of these tokens.
#[cfg(feature = "oidc")]
fn holder(person: &Person) -> Holder {
    let Person { issuer, owner, groups, may_read, may_stage, may_administer, .. } = person;
    Holder {
        name: format!("oidc:{issuer}").into(),
        owner: Owner(format!("oidc:{issuer}/{owner}").into()),
        groups: Arc::clone(groups),
        may_read: *may_read,
        may_stage: *may_stage,
        may_administer: *may_administer,
    }
}
