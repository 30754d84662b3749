//! Who asks, and what they may do.
//!
//! A client is known by a token (as a bearer token, or as the password of Basic authentication, so that `.netrc`
//! works), else by its network, else it is anonymous. What it may read and stage follows from that and from the rules of
//! [`thermocline_core::access`]. The router hides what a client may not read before any handler sees the request;
//! [`MayStage`] and [`MayAdminister`] are the extractors of the calls that need more.
//!
//! # Specification
//! RFC 6750 (bearer tokens), RFC 7617 (Basic), RFC 7239 (`Forwarded`).

mod client;
mod issuers;
mod paths;
mod rules;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri};
use thermocline_core::access::{Caller, View};
use thermocline_core::staging::Owner;

use crate::links::{peer, peer_of};
use crate::live::audit;
use crate::problem::{CREDENTIALS_NEEDED, NOT_ALLOWED};
use crate::{App, AppState, Problem};

pub use client::client_address;
pub use paths::{Paths, PathsToRead, PathsToStage};
pub use rules::{Access, AccessRules, Holder, Token};
pub use thermocline_core::access::Right;

/// Longest `Authorization` header that is looked at, in bytes: tokens of issuers may have 16 KiB, and are a third longer as
/// passwords.
const MAX_HEADER_BYTES: usize = 23 << 10;

const CHALLENGES: [HeaderValue; 2] = [
    HeaderValue::from_static("Bearer realm=\"thermocline\""),
    HeaderValue::from_static("Basic realm=\"thermocline\", charset=\"UTF-8\""),
];

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What shares and requests are counted by: `token:NAME`, `network:CIDR`, `anonymous`.
    pub owner: Owner,
    /// Name of its token, if that is valid.
    pub token: Option<Arc<str>>,
    /// Groups that it is of.
    pub groups: Arc<[Arc<str>]>,
    /// Which datasets it may see and read.
    pub view: View,
    /// Whether objects may be staged: where no rule says who stages, or files of some root by their paths.
    pub may_stage: bool,
    /// Whether objects may be staged where no rule says who stages.
    stages_as_usual: bool,
    /// Whether objects may be evicted, stores paused, everybody's requests changed.
    pub may_administer: bool,
    /// Whether its token counts where rules say who may stage or administer datasets.
    token_stages: bool,
    /// Where the request comes from, behind proxies that are trusted.
    pub from: Option<IpAddr>,
    /// What came of the credentials.
    pub credentials: Credentials,
}

/// Who sent the request, as its rights were looked at.
#[derive(Clone)]
struct Noted(Arc<Identity>);

/// What came of the credentials of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// None came.
    None,
    /// A token of this server.
    Valid,
    /// A token of this server that has expired.
    Expired,
    /// Something else.
    Unknown,
}

impl Identity {
    /// Who sent a request.
    pub fn of(app: &App, parts: &Parts) -> Self {
        Self::of_head(app, &parts.headers, &parts.extensions)
    }

    /// The same of a request that is whole.
    pub(crate) fn of_request(app: &App, request: &Request) -> Self {
        Self::of_head(app, request.headers(), request.extensions())
    }

    /// The same, and whoever asks again while this request is answered is told the same. Not so after it has waited for cold
    /// bytes: who goes on then asks [`Presented`].
    pub(crate) fn noted(app: &App, request: &mut Request) -> Self {
        let identity = Self::of_request(app, request);
        request.extensions_mut().insert(Noted(Arc::new(identity.clone())));
        identity
    }

    fn of_head(app: &App, headers: &HeaderMap, extensions: &Extensions) -> Self {
        match extensions.get() {
            Some(Noted(identity)) => identity.as_ref().clone(),
            None => Self::seen_by(app, headers, peer_of(extensions)),
        }
    }

    /// The same for a request from `peer` that was taken apart.
    pub fn seen_by(app: &App, headers: &HeaderMap, peer: Option<SocketAddr>) -> Self {
        Presented::seen_by(app, headers, peer).identity(app)
    }

    /// True if the client sent a token of this server by itself: passwords are sent by browsers that keep them.
    pub(crate) fn holds_bearer_token(&self, headers: &HeaderMap) -> bool {
        let scheme =
            headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()?.trim().split(' ').next());
        self.credentials == Credentials::Valid
            && scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
    }

    /// The client as rules look at it that say who may read.
    fn known_caller(&self) -> Caller<'_> {
        Caller {
            token: self.token.as_deref(),
            owner: self.token.as_ref().and_then(|_| self.owner.0.strip_prefix("token:")),
            groups: &self.groups,
            from: self.from,
            may_stage: self.stages_as_usual,
        }
    }

    /// The client as rules look at it that say who may do more: by its token only if that may.
    fn caller(&self) -> Caller<'_> {
        if self.token_stages {
            return self.known_caller();
        }
        Caller { from: self.from, may_stage: self.stages_as_usual, ..Caller::default() }
    }

    /// True if a request or a job of `owner` may be changed.
    pub fn may_change(&self, owner: &Owner) -> bool {
        self.may_administer || (self.may_stage && self.owner == *owner)
    }

    /// True if a request or a job of `owner` may be changed that concerns a dataset.
    pub fn may_change_of(&self, app: &App, owner: &Owner, dataset: Option<&str>) -> bool {
        self.may_change(owner) || dataset.is_some_and(|dataset| self.has(app, dataset, Right::Administer))
    }

    /// True if a dataset is there for this client. What no catalog declares any more is so for whom it was before; what
    /// is not known is there for those who see everything.
    pub fn sees(&self, app: &App, dataset: &str) -> bool {
        if !app.restricts() {
            return true;
        }
        match app.catalog.access(dataset) {
            Some(access) => self.view.sees_rule(access.rule.as_deref()),
            None => app.access.is_whole(&self.view),
        }
    }

    /// The same of a dataset that a request or a job of `owner` concerns: its owner knows what he asked for once nobody
    /// declares it any more. Whoever has no token shares his name with others, and knows nothing by it. What was asked for by
    /// paths is known to its owner, and to those from whom no root is hidden.
    pub fn sees_of(&self, app: &App, owner: &Owner, dataset: Option<&str>) -> bool {
        let Some(dataset) = dataset else { return self.owner == *owner || self.sees_all_roots(app) };
        let is_own = self.credentials == Credentials::Valid && self.owner == *owner;
        let is_withdrawn = || app.catalog.is_complete() && app.catalog.spec(dataset).is_none();
        self.sees(app, dataset) || (is_own && is_withdrawn())
    }

    /// True if this client has a right on a dataset; on one that is not declared, as on what no rule says anything of.
    pub fn has(&self, app: &App, dataset: &str, right: Right) -> bool {
        match (app.catalog.spec(dataset), right) {
            (Some(spec), _) => app.access.allows(self, spec.access.as_deref(), right),
            (None, Right::Read) => self.sees(app, dataset),
            (None, Right::Stage) => self.stages_as_usual,
            (None, Right::Administer) => self.may_administer,
        }
    }

    /// Refuses a client that may not stage a dataset.
    ///
    /// # Errors
    /// 404 for a dataset that is not there for it, as for one that does not exist; 401 with `WWW-Authenticate`, or 403 if
    /// no credentials would help.
    pub fn check_stages(&self, app: &App, dataset: &str) -> Result<(), Problem> {
        if !self.sees(app, dataset) {
            return Err(Problem::no_dataset(dataset));
        }
        if self.has(app, dataset, Right::Stage) {
            return Ok(());
        }
        let rule = app.catalog.spec(dataset).and_then(|spec| spec.access.clone());
        let would_help = app.access.some_token_has(rule.as_deref(), Right::Stage);
        let detail = format!("{} may not stage dataset '{dataset}'", self.owner);
        Err(self.refused(would_help, "staging", detail))
    }

    /// The problem of a client that may not read the bytes of a dataset, which is never "not found".
    pub(crate) fn may_not_read(&self) -> Problem {
        match self.credentials {
            Credentials::Valid => challenge("the token may not read this".to_owned()),
            Credentials::Expired => {
                challenge("the token has expired; this needs one that has not".to_owned())
            }
            Credentials::Unknown => {
                challenge("the credentials are none of this server; this needs a token".to_owned())
            }
            Credentials::None => challenge("this needs a token".to_owned()),
        }
    }

    /// The problem of a client that lacks a right.
    ///
    /// It is 401 if the client is not known by a token and one would help, else 403.
    pub fn refusal(&self, app: &App, right: Right) -> Problem {
        let what = match right {
            Right::Read => "reading",
            Right::Stage => "staging",
            Right::Administer => "administration",
        };
        let detail = match self.credentials {
            Credentials::Valid => format!("{} lacks the right of {what}", self.owner),
            _ => format!("{what} is not open to {}", self.owner),
        };
        self.refused(app.access.some_token_may(right), what, detail)
    }

    /// The problem of a client that may not change a request or a job of somebody else.
    ///
    /// It is 401 if the client is not known by a token and one would help, else 403.
    pub fn not_owner(&self, app: &App, owner: &Owner, what: &str) -> Problem {
        let detail = format!("{what} is not of {}", self.owner);
        self.refused(app.access.some_token_may_change(owner), &format!("changing {what}"), detail)
    }

    /// 401 where a token would help that did not come, else 403 with `detail`.
    fn refused(&self, would_help: bool, what: &str, detail: String) -> Problem {
        match self.credentials {
            Credentials::Expired if would_help => {
                challenge(format!("the token has expired; {what} needs one that has not"))
            }
            Credentials::Unknown if would_help => {
                challenge(format!("the credentials are none of this server; {what} needs a token"))
            }
            Credentials::None if would_help => challenge(format!("{what} needs a token")),
            _ => Problem::new(&NOT_ALLOWED, detail),
        }
    }
}

/// What a request says of who sent it, for those who look again later: tokens end, and rules change.
#[derive(Debug, Clone)]
pub struct Presented {
    /// The token; `Some(None)` are credentials that hold none.
    token: Option<Option<Box<str>>>,
    from: Option<IpAddr>,
}

impl Presented {
    /// That of a request.
    pub fn of(app: &App, parts: &Parts) -> Self {
        Self::seen_by(app, &parts.headers, peer(parts))
    }

    /// The same for a request from `peer` that was taken apart. It shares no memory with the request.
    pub fn seen_by(app: &App, headers: &HeaderMap, peer: Option<SocketAddr>) -> Self {
        let token = presented_token(headers).map(|token| token.map(String::into_boxed_str));
        Self { token, from: client_address(app, headers, peer) }
    }

    /// Who that is by the tokens and rules at present.
    pub fn identity(&self, app: &App) -> Identity {
        app.access.identify(self.token.as_ref().map(Option::as_deref), self.from)
    }
}

impl FromRequestParts<AppState> for Presented {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self::of(app, parts))
    }
}

impl FromRequestParts<AppState> for Identity {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self::of(app, parts))
    }
}

/// The dataset that a request's path names, as the router found it.
#[derive(Debug, Clone)]
pub(crate) struct AskedDataset {
    pub(crate) id: Arc<str>,
    /// True if it is not there for the client.
    pub(crate) is_hidden: bool,
}

/// A problem, which is noted if the call would have changed something.
fn audited(who: &Identity, parts: &Parts, problem: Problem) -> Problem {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        audit_refused(who, &parts.method, &parts.uri, problem.status);
    }
    problem
}

/// Notes a call that was refused.
pub(crate) fn audit_refused(who: &Identity, method: &Method, uri: &Uri, status: StatusCode) {
    audit(who, "call", &format!("{method} {}", uri.path()), &format!("refused with {status}"));
}

/// A client that may stage: the dataset that the path names, else paths.
///
/// # Errors
/// 401 with `WWW-Authenticate`, or 403 if no credentials would help.
pub struct MayStage(pub Identity);

impl FromRequestParts<AppState> for MayStage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let identity = Identity::of(app, parts);
        let refused = match parts.extensions.get::<AskedDataset>() {
            // One that is hidden is as one that does not exist: the handler does not find it.
            Some(AskedDataset { id, is_hidden: false }) => identity.check_stages(app, id).err(),
            _ if identity.may_stage => None,
            _ => Some(identity.refusal(app, Right::Stage)),
        };
        match refused {
            None => Ok(Self(identity)),
            Some(problem) => Err(audited(&identity, parts, problem)),
        }
    }
}

/// A client that may administer.
///
/// # Errors
/// 401 with `WWW-Authenticate`, or 403 if no credentials would help.
pub struct MayAdminister(pub Identity);

impl FromRequestParts<AppState> for MayAdminister {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let identity = Identity::of(app, parts);
        if identity.may_administer {
            Ok(Self(identity))
        } else {
            let problem = identity.refusal(app, Right::Administer);
            Err(audited(&identity, parts, problem))
        }
    }
}

fn challenge(detail: String) -> Problem {
    let problem = Problem::new(&CREDENTIALS_NEEDED, detail);
    CHALLENGES.into_iter().fold(problem, |problem, header| problem.with_header(WWW_AUTHENTICATE, header))
}

/// The token in `Authorization`: `None` without the header, `Some(None)` if it holds none.
fn presented_token(headers: &HeaderMap) -> Option<Option<String>> {
    let header = headers.get(AUTHORIZATION)?;
    let text = header.to_str().ok().filter(|text| text.len() <= MAX_HEADER_BYTES);
    Some(text.and_then(token_of))
}

fn token_of(header: &str) -> Option<String> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_as_bearer_or_as_the_password_of_basic() {
        for (header, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic bWU6YTpiYw==", Some("a:bc")),
            ("Basic OmFiYw==", Some("abc")),
            ("Basic bWU=", None),
            ("Basic !", None),
            ("Negotiate abc", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(token_of(header).as_deref(), token, "{header:?}");
        }
    }
}
