//! Public keys of issuers, and what they have signed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

use super::token::Header;
use crate::{Error, Result};

/// Most keys of an issuer.
const MAX_KEYS: usize = 100;

/// The keys that an issuer publishes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Keys(Vec<Key>);

/// A key that signatures are checked with.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    public: Public,
}

/// A public key; each kind has one algorithm.
#[derive(Debug, PartialEq, Eq)]
enum Public {
    /// RS256.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// ES256: an uncompressed point (SEC 1, section 2.3.3).
    P256(Vec<u8>),
    /// EdDSA.
    Ed25519(Vec<u8>),
}

/// A document of keys (RFC 7517, section 5).
#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// What of a key is looked at (RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2).
#[derive(Deserialize)]
struct Published {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Those of a document that signatures can be checked with; others are left out.
    ///
    /// # Errors
    /// What is no such document, has too many keys, or none that is of use.
    pub(super) fn read(document: &[u8]) -> Result<Self> {
        let document: Document = serde_json::from_slice(document)
            .map_err(|cause| Error::invalid_input("its keys are no JSON Web Key Set").with_source(cause))?;
        if document.keys.len() > MAX_KEYS {
            let n_keys = document.keys.len();
            return Err(Error::invalid_input(format!("it has {n_keys} keys, at most {MAX_KEYS} are taken")));
        }
        let keys: Vec<Key> = document.keys.into_iter().filter_map(Key::of).collect();
        if keys.is_empty() {
            return Err(Error::invalid_input("none of its keys is for RS256, ES256 or EdDSA"));
        }
        Ok(Self(keys))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// True if one of them may have signed a token with this header.
    pub(super) fn may_have_signed(&self, header: &Header) -> bool {
        self.fitting(header).next().is_some()
    }

    /// True if one of them did sign that.
    pub(super) fn have_signed(&self, header: &Header, signed: &[u8], signature: &[u8]) -> bool {
        self.fitting(header).any(|key| key.public.has_signed(signed, signature))
    }

    /// Those that the header names, and whose algorithm it names; without a name all of that algorithm.
    fn fitting(&self, header: &Header) -> impl Iterator<Item = &Key> {
        let is_named = |key: &&Key| header.kid.is_none() || key.id == header.kid;
        self.0.iter().filter(is_named).filter(|key| key.public.algorithm() == header.alg)
    }
}

impl Key {
    /// A key for signatures of a known algorithm.
    fn of(published: Value) -> Option<Self> {
        let published: Published = serde_json::from_value(published).ok()?;
        let verifies = |operations: &Vec<String>| operations.iter().any(|operation| operation == "verify");
        let is_for_signatures = published.usage.as_deref().is_none_or(|usage| usage == "sig")
            && published.key_ops.as_ref().is_none_or(verifies);
        let public = match (published.kty.as_str(), published.crv.as_deref()) {
            ("RSA", _) => Public::Rsa { modulus: bytes(published.n)?, exponent: bytes(published.e)? },
            ("EC", Some("P-256")) => {
                let (x, y) = (coordinate(published.x)?, coordinate(published.y)?);
                Public::P256([&[4][..], &x, &y].concat())
            }
            ("OKP", Some("Ed25519")) => Public::Ed25519(coordinate(published.x)?),
            _ => return None,
        };
        let is_of_algorithm =
            published.alg.as_deref().is_none_or(|algorithm| algorithm == public.algorithm());
        (is_for_signatures && is_of_algorithm).then_some(Self { id: published.kid, public })
    }
}

impl Public {
    /// The one algorithm that the key is for (RFC 7518, section 3.1; RFC 8037, section 3.1).
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        let checked = match self {
            Self::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                signed,
                signature,
            ),
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
        };
        checked.is_ok()
    }
}

fn bytes(text: Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// A number of 32 bytes.
fn coordinate(text: Option<String>) -> Option<Vec<u8>> {
    bytes(text).filter(|bytes| bytes.len() == 32)
}
