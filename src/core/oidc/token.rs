//! Tokens as texts: what they say, before anybody knows whether it is true.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::MAX_TOKEN_BYTES;

/// Types of tokens that say who somebody is (RFC 7519, section 5.1; RFC 9068, section 2.1). Others are meant for something
/// else (RFC 8725, section 3.11).
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// A token, and what it says of itself.
pub(super) struct Token<'t> {
    /// What the signature is of.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
    pub(super) header: Header,
    pub(super) claims: Claims,
}

/// How a token is signed.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    typ: Option<String>,
    /// What one has to understand beyond the standard: nothing is.
    crit: Option<Value>,
}

/// What a token says of its holder.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: Audience,
    /// Seconds since 1970; fractions are allowed.
    pub(super) exp: f64,
    pub(super) nbf: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Whom a token is meant for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, who: &str) -> bool {
        match self {
            Self::One(one) => one == who,
            Self::Several(several) => several.iter().any(|one| one == who),
        }
    }
}

impl<'t> Token<'t> {
    /// The parts of a token; `None` for what is none.
    pub(super) fn read(text: &'t str) -> Option<Self> {
        if text.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.'))?;
        let header: Header = json(header)?;
        let is_known = |typ: &String| TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known));
        if header.crit.is_some() || !header.typ.as_ref().is_none_or(is_known) {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { signed: signed.as_bytes(), signature, header, claims: json(claims)? })
    }
}

impl Claims {
    /// A claim by its name, or by a JSON pointer (RFC 6901) if it lies inside others.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let Some(pointer) = name.strip_prefix('/') else { return self.others.get(name) };
        let (first, _) = pointer.split_once('/').unwrap_or((pointer, ""));
        let outer = self.others.get(&first.replace("~1", "/").replace("~0", "~"))?;
        outer.pointer(pointer.get(first.len()..).unwrap_or_default())
    }

    /// The words of a claim: of a list, or of a text between spaces (RFC 8693, section 4.2).
    pub(super) fn words(&self, name: &str) -> Vec<&str> {
        match self.get(name) {
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            other => texts(other),
        }
    }

    /// The texts of a claim: of a list, or one.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        texts(self.get(name))
    }
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn json<T: for<'d> Deserialize<'d>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
