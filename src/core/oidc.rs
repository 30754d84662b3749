//! Tokens of OpenID Connect issuers: whose they are, and which groups and rights they carry.
//!
//! A token counts if it is signed with a key that its issuer publishes, and is meant for this server. Keys are kept; they
//! are asked for again every hour and when a token names one that is not known, at most once a minute. Those that are
//! known stay in force while the issuer does not answer.
//!
//! # Specification
//! OpenID Connect Discovery 1.0; RFC 7515 (JWS), 7517 (JWK), 7518 (RS256, ES256), 8037 (EdDSA), 7519 (JWT); RFC 8725
//! (best practices), section 3 above all: the algorithm has to be that of the key, and "none" and those of shared secrets
//! are no algorithms.
//!
//! # Limits
//! Tokens of at most 16 KiB, documents of issuers of at most 1 MiB, 100 keys of each. Encrypted tokens, and those that
//! only their issuer can read, are not understood.

mod fetch;
mod issuer;
mod keys;
mod token;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::clock::Clock;

pub use fetch::{Fetch, Web};
pub use issuer::safe_url;

use issuer::Issuer;
use token::Token;

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 << 10;

/// Most tokens that are remembered as valid: their signatures are not computed again for each chunk.
const MAX_REMEMBERED: usize = 10_000;

/// An issuer whose tokens count, and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Its address, exactly as its tokens name it.
    pub issuer: String,
    /// Whom tokens are meant for; one of these has to be named exactly.
    pub audience: Vec<String>,
    /// The claim that says whose a token is.
    pub owner_claim: String,
    /// The claim with the groups.
    pub groups_claim: String,
    /// The claim with the scopes.
    pub scopes_claim: String,
    /// Scopes of which one allows to read what is not open to anyone; if there are none, every token does.
    pub read_scopes: Vec<String>,
    /// Scopes of which one allows to stage.
    pub stage_scopes: Vec<String>,
    /// Scopes of which one allows to administer.
    pub admin_scopes: Vec<String>,
}

/// Who holds a token, as its issuer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name of the issuer in the configuration.
    pub issuer: Arc<str>,
    /// Whose the token is, as the issuer calls him.
    pub owner: String,
    /// Groups that he is of.
    pub groups: Arc<[Arc<str>]>,
    /// Whether the token allows to read what is not open to anyone.
    pub may_read: bool,
    /// Whether it allows to stage.
    pub may_stage: bool,
    /// Whether it allows to administer.
    pub may_administer: bool,
    /// When it ends, leeway included, in nanoseconds since 1970.
    pub expires_ns: i64,
}

/// What came of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It counts.
    Valid(Arc<Person>),
    /// It did count.
    Expired,
    /// It is none of these issuers, not for this server, not signed, or damaged.
    Unknown,
}

/// The issuers whose tokens count.
pub struct Issuers {
    issuers: Vec<Arc<Issuer>>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<HashMap<[u8; 32], Remembered>>,
}

/// A token that was found valid.
struct Remembered {
    person: Arc<Person>,
    /// Position of its issuer.
    issuer: usize,
    /// How often the keys of the issuer had been exchanged.
    generation: u64,
}

impl Issuers {
    /// These issuers by their names in the configuration; their documents come by `fetch`, when they are needed.
    pub fn new(
        settings: BTreeMap<String, IssuerSettings>,
        fetch: &Arc<dyn Fetch>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let issuer = |(name, settings): (String, _)| {
            Arc::new(Issuer::new(name.into(), settings, Arc::clone(fetch), Arc::clone(clock)))
        };
        let issuers = settings.into_iter().map(issuer).collect();
        Self { issuers, clock: Arc::clone(clock), remembered: Mutex::default() }
    }

    /// Takes over what `before` knows of the same issuers: a change of the configuration must not depend on their
    /// answering.
    pub fn take_keys_of(&self, before: &Self) {
        for issuer in &self.issuers {
            let same =
                before.issuers.iter().find(|other| other.settings().issuer == issuer.settings().issuer);
            if let Some(same) = same {
                issuer.take_keys_of(same);
            }
        }
    }

    /// Asks all issuers for their keys before anybody brings a token: nobody then waits for them, and what is wrong is told
    /// at once. Must be called within a runtime; does not wait.
    pub fn ask(&self) {
        for issuer in &self.issuers {
            issuer.ask_beside();
        }
    }

    /// Asks those again that gave no keys when they were asked last; at most once a minute, like whatever asks them.
    pub fn ask_again(&self) {
        for issuer in self.issuers.iter().filter(|issuer| issuer.problem().is_some()) {
            issuer.ask_beside();
        }
    }

    /// Looks at a token with the keys that are known.
    pub fn check(&self, text: &str) -> Checked {
        let (digest, now_ns) = (digest(text), self.clock.now_ns());
        if let Some((person, _)) = self.remembered(&digest) {
            return if person.expires_ns > now_ns { Checked::Valid(person) } else { Checked::Expired };
        }
        let Some(token) = Token::read(text) else { return Checked::Unknown };
        // Two of them may be the same issuer for different audiences.
        let fitting = self.issuers.iter().enumerate().filter(|(_, issuer)| issuer.is_named_by(&token));
        let mut checked = Checked::Unknown;
        for (number, issuer) in fitting {
            let generation = issuer.generation();
            checked = issuer.check(&token, now_ns);
            match &checked {
                Checked::Valid(person) => {
                    let person = Arc::clone(person);
                    self.remember(digest, Remembered { person, issuer: number, generation }, now_ns);
                    return checked;
                }
                Checked::Expired => return checked,
                Checked::Unknown => {}
            }
        }
        checked
    }

    /// Asks the issuer of a token for its keys, if they may have changed, so that [`Issuers::check`] knows them.
    pub async fn make_ready(&self, text: &str) {
        if let Some((_, issuer)) = self.remembered(&digest(text)) {
            return issuer.refresh();
        }
        let Some(token) = Token::read(text) else { return };
        for issuer in self.issuers.iter().filter(|issuer| issuer.is_named_by(&token)) {
            issuer.make_ready(&token).await;
        }
    }

    /// True if somebody may get a token with such a right.
    pub fn some_give(&self, gives: impl Fn(&IssuerSettings) -> bool) -> bool {
        self.issuers.iter().any(|issuer| gives(issuer.settings()))
    }

    /// What is wrong with the issuers.
    pub fn problems(&self) -> Vec<String> {
        self.issuers.iter().filter_map(|issuer| issuer.problem()).collect()
    }

    /// Who holds a token that was found valid with the keys that are known, and whose token it is.
    fn remembered(&self, digest: &[u8; 32]) -> Option<(Arc<Person>, &Arc<Issuer>)> {
        let remembered = self.remembered.lock();
        let Remembered { person, issuer, generation } = remembered.get(digest)?;
        let issuer = self.issuers.get(*issuer).filter(|issuer| issuer.generation() == *generation)?;
        Some((Arc::clone(person), issuer))
    }

    fn remember(&self, digest: [u8; 32], found: Remembered, now_ns: i64) {
        let mut remembered = self.remembered.lock();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.retain(|_, found| found.person.expires_ns > now_ns);
        }
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest, found);
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests;
