//! One issuer: where its keys are, and which of its tokens count here.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use url::Url;

use super::fetch::Fetch;
use super::keys::Keys;
use super::token::Token;
use super::{Checked, IssuerSettings, Person};
use crate::clock::Clock;
use crate::{Error, Result};

/// How often an issuer is asked for its keys, at most.
const PAUSE: Duration = Duration::from_secs(60);

/// After what time keys are asked for again although they do.
const STALE_AFTER: Duration = Duration::from_secs(3600);

/// By how much clocks may differ.
const LEEWAY_SECONDS: f64 = 60.0;

/// Longest name of an owner or a group, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// An issuer whose tokens count.
pub(super) struct Issuer {
    name: Arc<str>,
    settings: IssuerSettings,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    known: RwLock<Known>,
    /// When it was asked last, in nanoseconds since 1970; held while it is asked.
    asked_ns: tokio::sync::Mutex<Option<i64>>,
    problem: Mutex<Option<String>>,
    tasks: TaskTracker,
}

/// Keys as the issuer published them last.
#[derive(Clone, Default)]
struct Known {
    keys: Arc<Keys>,
    /// When, in nanoseconds since 1970.
    since_ns: Option<i64>,
    /// How often they were exchanged.
    generation: u64,
}

/// What of the description of an issuer is looked at (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub(super) fn new(
        name: Arc<str>,
        settings: IssuerSettings,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            name,
            settings,
            fetch,
            clock,
            known: RwLock::default(),
            asked_ns: tokio::sync::Mutex::default(),
            problem: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    pub(super) fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    /// True if a token says that it is of this issuer.
    pub(super) fn is_named_by(&self, token: &Token<'_>) -> bool {
        token.claims.iss == self.settings.issuer
    }

    /// How often the keys were exchanged.
    pub(super) fn generation(&self) -> u64 {
        self.known.read().generation
    }

    /// Why the keys are not known, or not as they are now.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }

    /// Takes over the keys of the same issuer.
    pub(super) fn take_keys_of(&self, same: &Self) {
        let known = same.known.read().clone();
        *self.known.write() = known;
    }

    /// Whether a token of this issuer counts, by the keys that are known.
    pub(super) fn check(&self, token: &Token<'_>, now_ns: i64) -> Checked {
        let keys = Arc::clone(&self.known.read().keys);
        let Token { signed, signature, header, claims } = token;
        let is_for_us = self.settings.audience.iter().any(|audience| claims.aud.names(audience));
        if !is_for_us || !keys.have_signed(header, signed, signature) {
            return Checked::Unknown;
        }
        let now = now_ns as f64 / 1e9;
        if claims.nbf.is_some_and(|begins| now + LEEWAY_SECONDS < begins) {
            return Checked::Unknown;
        }
        let ends = claims.exp + LEEWAY_SECONDS;
        if now >= ends {
            return Checked::Expired;
        }
        match self.person(token, ends) {
            Some(person) => Checked::Valid(Arc::new(person)),
            None => Checked::Unknown,
        }
    }

    /// Who holds a valid token; `None` if it does not say so in words that can stand in a log.
    fn person(&self, token: &Token<'_>, ends: f64) -> Option<Person> {
        let (claims, settings) = (&token.claims, &self.settings);
        let owner = claims.get(&settings.owner_claim)?.as_str().filter(|owner| is_name(owner))?;
        let groups = claims.texts(&settings.groups_claim).into_iter().filter(|group| is_name(group));
        let scopes = claims.words(&settings.scopes_claim);
        let has_one = |of: &[String]| of.iter().any(|scope| scopes.contains(&scope.as_str()));
        let expires_ns = (ends * 1e9) as i64;
        Some(Person {
            issuer: Arc::clone(&self.name),
            owner: owner.to_owned(),
            groups: groups.map(Arc::from).collect(),
            may_read: settings.read_scopes.is_empty() || has_one(&settings.read_scopes),
            may_stage: has_one(&settings.stage_scopes),
            may_administer: has_one(&settings.admin_scopes),
            expires_ns,
        })
    }

    /// Asks for the keys if the one of a token is not known, or if they are old.
    pub(super) async fn make_ready(self: &Arc<Self>, token: &Token<'_>) {
        let keys = Arc::clone(&self.known.read().keys);
        let Token { signed, signature, header, .. } = token;
        let is_known = match header.kid {
            Some(_) => keys.may_have_signed(header),
            // Only its signature tells whether its key is one of those.
            None => keys.have_signed(header, signed, signature),
        };
        if is_known {
            return self.refresh();
        }
        // Whoever asked goes away before the answer does not end it: it counts for all others too.
        let asked = self.tasks.spawn(Arc::clone(self).ask()).await;
        if let Err(error) = asked {
            warn!(issuer = %self.name, %error, "the issuer was not asked for its keys");
        }
    }

    /// Asks for the keys if they are old. Nobody waits for what is good enough.
    pub(super) fn refresh(self: &Arc<Self>) {
        let since_ns = self.known.read().since_ns;
        if since_ns.is_some_and(|since_ns| self.is_over(since_ns, STALE_AFTER)) {
            self.ask_beside();
        }
    }

    /// Asks for the keys while nobody waits for them.
    pub(super) fn ask_beside(self: &Arc<Self>) {
        drop(self.tasks.spawn(Arc::clone(self).ask()));
    }

    /// Asks for the keys, unless that was done a moment ago.
    async fn ask(self: Arc<Self>) {
        let mut asked_ns = self.asked_ns.lock().await;
        if asked_ns.is_some_and(|asked_ns| !self.is_over(asked_ns, PAUSE)) {
            return;
        }
        *asked_ns = Some(self.clock.now_ns());
        let (issuer, found) = (&self.name, self.published().await);
        *self.problem.lock() = match found {
            Ok(keys) => {
                let mut known = self.known.write();
                known.since_ns = Some(self.clock.now_ns());
                if *known.keys != keys {
                    known.keys = Arc::new(keys);
                    known.generation = known.generation.wrapping_add(1);
                    info!(%issuer, "keys of the issuer taken over");
                }
                None
            }
            Err(error) => {
                let n_known = self.known.read().keys.len();
                warn!(%issuer, %error, n_known, "keys of the issuer cannot be read, those known stay in force");
                Some(format!(
                    "issuer {issuer}: its keys cannot be read, {n_known} known ones stay in force: {error}"
                ))
            }
        };
    }

    /// The keys as the issuer publishes them now.
    async fn published(&self) -> Result<Keys> {
        let issuer = &self.settings.issuer;
        // As it stands in tokens, but for a slash at its end (OpenID Connect Discovery 1.0, section 4.1).
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let address = safe_url(&address)?;
        let description: Description =
            serde_json::from_slice(&self.fetch.get(&address).await?).map_err(|cause| {
                Error::invalid_input(format!("{address} describes no issuer")).with_source(cause)
            })?;
        if description.issuer != *issuer {
            let found = description.issuer;
            return Err(Error::invalid_input(format!("{address} describes \"{found}\", not \"{issuer}\"")));
        }
        Keys::read(&self.fetch.get(&safe_url(&description.jwks_uri)?).await?)
    }

    /// True if that long has passed, or the clock was set back.
    fn is_over(&self, since_ns: i64, span: Duration) -> bool {
        let passed = self.clock.now_ns().saturating_sub(since_ns);
        u64::try_from(passed).map_or(true, |passed| Duration::from_nanos(passed) >= span)
    }
}

/// An address whose answers come from whom it names: of HTTPS, or of this machine.
///
/// # Errors
/// [`crate::ErrorKind::InvalidInput`] for others.
pub fn safe_url(text: &str) -> Result<Url> {
    let url = Url::parse(text)
        .map_err(|cause| Error::invalid_input(format!("\"{text}\" is no address")).with_source(cause))?;
    let is_here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || !(url.scheme() == "https" || (url.scheme() == "http" && is_here)) {
        return Err(Error::invalid_input(format!("\"{text}\" is not an https:// address without a user")));
    }
    Ok(url)
}

/// True for what can stand in a log and a rule.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && !text.chars().any(char::is_control)
}
