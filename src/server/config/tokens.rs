//! Section `[tokens.NAME]`.

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;

/// A token by which a client is known, as a bearer token or as the password of Basic authentication.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenConfig {
    /// What the token is recognised by: `sha256:` and 64 hexadecimal digits. `thermocline token new NAME` makes a
    /// token and this line; the token itself stands nowhere.
    #[schemars(example = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub hash: String,
    /// Whose it is: what shares and requests are counted by. The token's name without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"climate-group")]
    pub owner: Option<String>,
    /// Groups of whoever holds it, which access rules name as "group:NAME".
    #[schemars(example = ["climate"])]
    pub groups: Vec<String>,
    /// What it allows: "read" (what is not open to anyone), "stage" (staging calls, recalls by reading), "admin" (everything:
    /// reading, evicting, pausing, all requests).
    pub scopes: Vec<Scope>,
    /// When it ends, as a date and time in UTC; never without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "2027-12-31T00:00:00Z")]
    pub expires: Option<String>,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Reading what is not open to anyone, as access rules say.
    Read,
    /// Staging calls, and recalls by reading.
    Stage,
    /// Evicting, pausing stores, everybody's requests.
    Admin,
}

impl TokenConfig {
    /// The hash as bytes; `None` if it is none.
    pub fn digest(&self) -> Option<[u8; 32]> {
        let digits = self.hash.strip_prefix("sha256:")?;
        let mut digest = [0; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(digest)
    }

    /// When it ends.
    pub fn expiry(&self) -> Option<SystemTime> {
        self.expires.as_deref().and_then(|text| humantime::parse_rfc3339_weak(text).ok())
    }

    pub(super) fn complete(&mut self, name: &str, check: &mut Check<'_>) {
        if self.digest().is_none() {
            let message =
                "is not \"sha256:\" and 64 hexadecimal digits, as `thermocline token new` prints them";
            check.mistake(&["tokens", name, "hash"], message);
        }
        if self.groups.iter().any(String::is_empty) {
            check.mistake(&["tokens", name, "groups"], "has a group without a name");
        }
        if let (Some(text), None) = (&self.expires, self.expiry()) {
            let message = format!("\"{text}\" is not a time such as \"2027-12-31T00:00:00Z\"");
            check.mistake(&["tokens", name, "expires"], message);
        }
    }
}
