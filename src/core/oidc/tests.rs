use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use super::*;
use crate::clock::ManualClock;
use crate::{Error, Result};

const ISSUER: &str = "https://login.example.org/realms/climate";
const DESCRIPTION: &str = "https://login.example.org/realms/climate/.well-known/openid-configuration";
const KEYS: &str = "https://login.example.org/keys";
const NOW_S: i64 = 1_800_000_000;

/// A key of an issuer.
enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Pair {
    fn rsa(bits: &str) -> Self {
        let command = format!("openssl genrsa {bits} | openssl pkcs8 -topk8 -nocrypt -outform DER");
        let made = Command::new("sh").args(["-c", &command]).output().unwrap();
        Self::Rsa(RsaKeyPair::from_pkcs8(&made.stdout).unwrap())
    }

    fn p256() -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let made = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self::P256(EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random).unwrap())
    }

    fn ed25519() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// As the issuer publishes it.
    fn published(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| BASE64.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": text(&n), "e": text(&e)})
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "kid": kid, "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])})
            }
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": text(pair.public_key().as_ref())})
            }
        }
    }

    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature).unwrap();
                signature
            }
            Self::P256(pair) => pair.sign(&random, signed).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(signed).as_ref().to_vec(),
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |part: &Value| BASE64.encode(part.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        format!("{signed}.{}", BASE64.encode(self.sign(signed.as_bytes())))
    }

    /// A token of that key whose header is right.
    fn issue(&self, kid: &str, claims: &Value) -> String {
        self.token(&json!({"alg": self.algorithm(), "kid": kid, "typ": "JWT"}), claims)
    }
}

/// Claims of a token that counts, with these changed; null takes one out.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "thermocline", "sub": "anna", "exp": NOW_S + 300, "nbf": NOW_S, "iat": NOW_S,
        "groups": ["climate", "ocean"], "scope": "openid stage",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// An issuer that answers with documents, and counts how often it is asked for its keys.
#[derive(Default)]
struct Fake {
    documents: Mutex<HashMap<String, Value>>,
    n_asked: AtomicUsize,
}

impl Fake {
    fn publish(&self, keys: &[Value]) {
        let mut documents = self.documents.lock();
        documents.insert(DESCRIPTION.into(), json!({"issuer": ISSUER, "jwks_uri": KEYS, "other": []}));
        documents.insert(KEYS.into(), json!({"keys": keys}));
    }

    fn n_asked(&self) -> usize {
        self.n_asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Fetch for Fake {
    async fn get(&self, url: &Url) -> Result<Vec<u8>> {
        if url.as_str() == KEYS {
            self.n_asked.fetch_add(1, Ordering::Relaxed);
        }
        let found = self.documents.lock().get(url.as_str()).cloned();
        found.map(|document| document.to_string().into_bytes()).ok_or_else(|| Error::not_found("no document"))
    }
}

fn settings() -> IssuerSettings {
    IssuerSettings {
        issuer: ISSUER.into(),
        audience: vec!["thermocline".into(), "https://data.example.org".into()],
        owner_claim: "sub".into(),
        groups_claim: "groups".into(),
        scopes_claim: "scope".into(),
        read_scopes: Vec::new(),
        stage_scopes: vec!["stage".into()],
        admin_scopes: vec!["admin".into()],
    }
}

struct World {
    fake: Arc<Fake>,
    clock: ManualClock,
    issuers: Issuers,
}

impl World {
    fn new(settings: IssuerSettings, keys: &[Value]) -> Self {
        let (fake, clock) = (Arc::new(Fake::default()), ManualClock::new(NOW_S * 1_000_000_000));
        fake.publish(keys);
        let (fetch, time): (Arc<dyn Fetch>, Arc<dyn Clock>) = (fake.clone(), Arc::new(clock.clone()));
        let issuers = Issuers::new([("dkrz".to_owned(), settings)].into(), &fetch, &time);
        Self { fake, clock, issuers }
    }

    async fn check(&self, token: &str) -> Checked {
        self.issuers.make_ready(token).await;
        self.issuers.check(token)
    }

    async fn person(&self, token: &str) -> Option<Arc<Person>> {
        match self.check(token).await {
            Checked::Valid(person) => Some(person),
            _ => None,
        }
    }
}

static ELLIPTIC: LazyLock<Pair> = LazyLock::new(Pair::p256);

/// A world with one key "k", and a token of it with these claims changed.
fn world(changes: &Value) -> (World, String) {
    let world = World::new(settings(), &[ELLIPTIC.published("k")]);
    (world, ELLIPTIC.issue("k", &claims(changes)))
}

#[tokio::test]
async fn tokens_of_each_algorithm_say_who_holds_them() {
    for pair in [Pair::rsa("2048"), Pair::p256(), Pair::ed25519()] {
        let world = World::new(settings(), &[pair.published("k"), Pair::p256().published("other")]);
        let person = world.person(&pair.issue("k", &claims(&json!({})))).await;
        let person = person.unwrap_or_else(|| panic!("{} is not known", pair.algorithm()));
        assert_eq!((&*person.issuer, &*person.owner), ("dkrz", "anna"));
        assert_eq!(*person.groups, ["climate".into(), "ocean".into()]);
        assert!(person.may_read && person.may_stage && !person.may_administer);
        let unnamed = pair.token(&json!({"alg": pair.algorithm()}), &claims(&json!({})));
        assert!(world.person(&unnamed).await.is_some(), "a token need not name its key");
        let forged = Pair::issue(
            if pair.algorithm() == "ES256" { &ELLIPTIC } else { &pair },
            "other",
            &claims(&json!({})),
        );
        assert_eq!(world.check(&forged).await, Checked::Unknown);
    }
}

#[tokio::test]
async fn claims_decide_what_counts() {
    let long = "x".repeat(256);
    for (changes, expected) in [
        (json!({}), "valid"),
        (json!({"aud": ["other", "https://data.example.org"]}), "valid"),
        (json!({"aud": "Thermocline"}), "unknown"),
        (json!({"aud": "thermocline.example.org"}), "unknown"),
        (json!({"aud": ["other"]}), "unknown"),
        (json!({"aud": []}), "unknown"),
        (json!({"aud": null}), "unknown"),
        (json!({"aud": {"thermocline": true}}), "unknown"),
        (json!({"iss": format!("{ISSUER}/")}), "unknown"),
        (json!({"iss": "https://evil.example.org"}), "unknown"),
        (json!({"iss": null}), "unknown"),
        (json!({"exp": NOW_S - 59}), "valid"),
        (json!({"exp": (NOW_S as f64) + 0.5}), "valid"),
        (json!({"exp": NOW_S - 60}), "expired"),
        (json!({"exp": 0}), "expired"),
        (json!({"exp": null}), "unknown"),
        (json!({"exp": (NOW_S + 300).to_string()}), "unknown"),
        (json!({"exp": 1e300}), "valid"),
        (json!({"nbf": NOW_S + 60}), "valid"),
        (json!({"nbf": NOW_S + 61}), "unknown"),
        (json!({"nbf": null}), "valid"),
        (json!({"nbf": "soon"}), "unknown"),
        (json!({"sub": null}), "unknown"),
        (json!({"sub": ""}), "unknown"),
        (json!({"sub": 7}), "unknown"),
        (json!({"sub": "a\nb"}), "unknown"),
        (json!({"sub": long}), "unknown"),
        (json!({"padding": "x".repeat(MAX_TOKEN_BYTES)}), "unknown"),
    ] {
        let (world, token) = world(&changes);
        let found = match world.check(&token).await {
            Checked::Valid(_) => "valid",
            Checked::Expired => "expired",
            Checked::Unknown => "unknown",
        };
        assert_eq!(found, expected, "{changes}");
    }
}

#[tokio::test]
async fn the_algorithm_has_to_be_that_of_the_key() {
    let (rsa, elliptic) = (Pair::rsa("2048"), &ELLIPTIC);
    let keys =
        [rsa.published("r"), elliptic.published("e"), json!({"kty": "oct", "kid": "o", "k": "c2VjcmV0"})];
    let world = World::new(settings(), &keys);
    let right = claims(&json!({}));
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "None", "kid": "r"}),
        json!({"alg": "HS256", "kid": "r"}),
        json!({"alg": "HS256", "kid": "o"}),
        json!({"alg": "RS384", "kid": "r"}),
        json!({"alg": "PS256", "kid": "r"}),
        json!({"alg": "RS256", "kid": "e"}),
        json!({"alg": "ES256", "kid": "r"}),
        json!({"alg": "rs256", "kid": "r"}),
        json!({"alg": "RS256", "kid": "r", "crit": ["b64"], "b64": false}),
        json!({"alg": "RS256", "kid": "r", "typ": "logout+jwt"}),
        json!({"alg": "RS256", "kid": 7}),
        json!({"kid": "r"}),
    ] {
        assert_eq!(world.check(&rsa.token(&header, &right)).await, Checked::Unknown, "{header}");
    }
    let header = json!({"alg": "RS256", "kid": "r", "typ": "at+JWT", "jku": "https://evil.example.org"});
    assert!(world.person(&rsa.token(&header, &right)).await.is_some());
    // What an attacker signs with the public key as a shared secret, and what nobody signs.
    let unsigned = rsa.token(&json!({"alg": "none"}), &right);
    let (signed, _) = unsigned.rsplit_once('.').unwrap();
    assert_eq!(world.check(&format!("{signed}.")).await, Checked::Unknown);
    assert_eq!(world.check(signed).await, Checked::Unknown);
}

#[tokio::test]
async fn keys_for_something_else_and_weak_ones_sign_nothing() {
    let pair = &ELLIPTIC;
    for (name, value) in [
        ("use", json!("enc")),
        ("alg", json!("ES384")),
        ("key_ops", json!(["sign"])),
        ("crv", json!("P-384")),
        ("kty", json!("RSA")),
        ("x", json!("AAAA")),
        ("x", json!("!")),
    ] {
        let mut key = pair.published("k");
        key[name] = value.clone();
        let world = World::new(settings(), &[key, Pair::ed25519().published("other")]);
        let token = pair.issue("k", &claims(&json!({})));
        assert_eq!(world.check(&token).await, Checked::Unknown, "{name} {value}");
    }
    let mut key = pair.published("k");
    key["key_ops"] = json!(["verify"]);
    let world = World::new(settings(), &[key]);
    assert!(world.person(&pair.issue("k", &claims(&json!({})))).await.is_some());
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_at_most_once_a_minute() {
    let (old, new) = (Pair::p256(), Pair::ed25519());
    let world = World::new(settings(), &[old.published("old")]);
    let (with_old, with_new) = (old.issue("old", &claims(&json!({}))), new.issue("new", &claims(&json!({}))));
    assert!(world.person(&with_old).await.is_some());
    world.fake.publish(&[new.published("new")]);
    for n in 0..100 {
        let invented = new.issue(&format!("invented-{n}"), &claims(&json!({})));
        assert_eq!(world.check(&invented).await, Checked::Unknown);
    }
    assert_eq!(world.check(&with_new).await, Checked::Unknown);
    assert_eq!(world.fake.n_asked(), 1, "it was asked a moment ago");
    world.clock.advance(Duration::from_secs(60));
    assert!(world.person(&with_new).await.is_some());
    assert_eq!(world.fake.n_asked(), 2);
    assert_eq!(world.check(&with_old).await, Checked::Unknown, "its key was withdrawn, remembered or not");
}

#[tokio::test]
async fn a_token_that_names_no_key_has_a_new_one_fetched_too() {
    let (old, new) = (Pair::p256(), Pair::p256());
    let world = World::new(settings(), &[old.published("old")]);
    let unnamed = |pair: &Pair| pair.token(&json!({"alg": "ES256"}), &claims(&json!({})));
    assert!(world.person(&unnamed(&old)).await.is_some());
    world.fake.publish(&[old.published("old"), new.published("new")]);
    assert_eq!(world.check(&unnamed(&new)).await, Checked::Unknown);
    world.clock.advance(Duration::from_secs(60));
    assert!(world.person(&unnamed(&new)).await.is_some());
    assert_eq!(world.fake.n_asked(), 2);
}

#[tokio::test]
async fn keys_that_were_asked_for_beforehand_make_nobody_wait() {
    let (world, token) = world(&json!({}));
    world.issuers.ask();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(world.issuers.check(&token), Checked::Valid(_)));
    assert_eq!(world.fake.n_asked(), 1);
}

#[tokio::test]
async fn what_is_known_of_an_issuer_outlives_a_change_of_its_settings_and_of_no_other() {
    let (world, token) = world(&json!({}));
    assert!(world.person(&token).await.is_some());
    let changed = |settings| {
        let (fetch, time): (Arc<dyn Fetch>, Arc<dyn Clock>) =
            (world.fake.clone(), Arc::new(world.clock.clone()));
        let issuers = Issuers::new([("renamed".to_owned(), settings)].into(), &fetch, &time);
        issuers.take_keys_of(&world.issuers);
        issuers
    };
    world.fake.documents.lock().clear();
    let same = changed(IssuerSettings { stage_scopes: Vec::new(), ..settings() });
    let Checked::Valid(person) = same.check(&token) else { panic!("its key is known") };
    assert_eq!((&*person.issuer, person.may_stage), ("renamed", false), "the settings are those of now");
    let other = changed(IssuerSettings { issuer: "https://other.example.org".into(), ..settings() });
    let foreign = ELLIPTIC.issue("k", &claims(&json!({"iss": "https://other.example.org"})));
    assert_eq!(other.check(&foreign), Checked::Unknown);
}

#[tokio::test]
async fn a_key_that_was_withdrawn_ends_within_an_hour_although_nobody_brings_another() {
    let (world, token) = world(&json!({"exp": NOW_S + 100_000}));
    assert!(world.person(&token).await.is_some());
    world.fake.publish(&[Pair::p256().published("new")]);
    world.clock.advance(Duration::from_secs(3_600));
    assert!(world.person(&token).await.is_some(), "nobody waits");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.check(&token).await, Checked::Unknown);
}

#[tokio::test]
async fn keys_stay_in_force_while_the_issuer_does_not_answer_and_that_is_told() {
    let (world, token) = world(&json!({"exp": NOW_S + 100_000}));
    assert!(world.person(&token).await.is_some());
    world.fake.documents.lock().clear();
    world.clock.advance(Duration::from_secs(7_200));
    let other = ELLIPTIC.issue("k", &claims(&json!({"sub": "bert", "exp": NOW_S + 100_000})));
    assert!(world.person(&other).await.is_some(), "nobody waits for it");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let problems = world.issuers.problems();
    assert!(problems.len() == 1 && problems[0].contains("issuer dkrz"), "{problems:?}");
    world.fake.publish(&[ELLIPTIC.published("k")]);
    world.clock.advance(Duration::from_secs(60));
    let unknown = ELLIPTIC.issue("unknown", &claims(&json!({})));
    assert_eq!(world.check(&unknown).await, Checked::Unknown);
    assert!(world.issuers.problems().is_empty());
    assert!(world.person(&token).await.is_some());
}

#[tokio::test]
async fn an_issuer_that_is_down_at_first_is_asked_again() {
    let (world, token) = world(&json!({}));
    world.fake.documents.lock().clear();
    assert_eq!(world.check(&token).await, Checked::Unknown);
    world.fake.publish(&[ELLIPTIC.published("k")]);
    world.clock.advance(Duration::from_secs(61));
    assert!(world.person(&token).await.is_some());
}

#[tokio::test]
async fn what_was_wrong_with_an_issuer_is_forgotten_although_nobody_brings_a_token() {
    let (world, _) = world(&json!({}));
    let look = async || {
        world.issuers.ask_again();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        world.issuers.problems().len()
    };
    world.fake.documents.lock().clear();
    world.issuers.ask();
    assert_eq!(look().await, 1);
    world.fake.publish(&[ELLIPTIC.published("k")]);
    assert_eq!(look().await, 1, "it was asked a moment ago");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(look().await, 0);
    look().await;
    assert_eq!(world.fake.n_asked(), 1, "an issuer that is well is left alone");
}

#[tokio::test]
async fn many_who_come_at_once_ask_once() {
    let (world, token) = world(&json!({}));
    futures::future::join_all((0..50).map(|_| world.issuers.make_ready(&token))).await;
    assert_eq!(world.fake.n_asked(), 1);
    assert!(matches!(world.issuers.check(&token), Checked::Valid(_)));
}

#[tokio::test]
async fn documents_of_somebody_else_or_without_use_give_no_keys() {
    let good = json!({"issuer": ISSUER, "jwks_uri": KEYS});
    let key = ELLIPTIC.published("k");
    for (description, keys, says) in [
        (
            json!({"issuer": "https://evil.example.org", "jwks_uri": KEYS}),
            json!({"keys": [key]}),
            "evil.example.org",
        ),
        (json!({"issuer": format!("{ISSUER}/"), "jwks_uri": KEYS}), json!({"keys": [key]}), "describes"),
        (
            json!({"issuer": ISSUER, "jwks_uri": "http://login.example.org/keys"}),
            json!({"keys": [key]}),
            "https://",
        ),
        (json!({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}), json!({"keys": [key]}), "https://"),
        (json!([]), json!({"keys": [key]}), "describes no issuer"),
        (good.clone(), json!({"keys": []}), "none of its keys"),
        (good.clone(), json!({"keys": vec![key.clone(); 101]}), "101 keys"),
        (good, json!("keys"), "no JSON Web Key Set"),
    ] {
        let (world, token) = world(&json!({}));
        let documents = [(DESCRIPTION.to_owned(), description), (KEYS.to_owned(), keys)];
        *world.fake.documents.lock() = documents.into();
        assert_eq!(world.check(&token).await, Checked::Unknown);
        let problems = world.issuers.problems();
        assert!(problems[0].contains(says), "{problems:?}");
    }
}

#[tokio::test]
async fn a_token_that_was_valid_ends_when_it_expires() {
    let (world, token) = world(&json!({}));
    assert!(world.person(&token).await.is_some());
    world.clock.advance(Duration::from_secs(359));
    assert!(world.person(&token).await.is_some());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.check(&token).await, Checked::Expired);
}

#[tokio::test]
async fn claims_are_found_inside_others_and_scopes_decide() {
    let settings = IssuerSettings {
        owner_claim: "preferred_username".into(),
        groups_claim: "/realm_access/roles".into(),
        scopes_claim: "https://example.org/scopes".into(),
        read_scopes: vec!["read".into()],
        ..settings()
    };
    let world = World::new(settings, &[ELLIPTIC.published("k")]);
    for (scopes, rights) in [
        (json!(["read", "admin"]), [true, false, true]),
        (json!("stage reader"), [false, true, false]),
        (json!({"read": true}), [false, false, false]),
    ] {
        let token = ELLIPTIC.issue(
            "k",
            &claims(&json!({
                "preferred_username": "anna", "realm_access": {"roles": ["climate", 7, "b\u{0}"]},
                "https://example.org/scopes": scopes,
            })),
        );
        let person = world.person(&token).await.unwrap();
        assert_eq!(*person.groups, ["climate".into()]);
        assert_eq!([person.may_read, person.may_stage, person.may_administer], rights, "{scopes}");
    }
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let (world, token) = world(&json!({}));
    let person = world.person(&token).await.unwrap();
    for n in 0..2 * MAX_REMEMBERED as u64 {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.to_le_bytes());
        let found = Remembered { person: Arc::clone(&person), issuer: 0, generation: 1 };
        world.issuers.remember(digest, found, NOW_S * 1_000_000_000);
    }
    assert!(world.issuers.remembered.lock().len() <= MAX_REMEMBERED);
    assert!(world.person(&token).await.is_some());
}

/// A server that gives everybody this answer; and its address.
async fn web(answer: Vec<u8>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    Url::parse(&format!("http://{address}/")).unwrap()
}

#[tokio::test]
async fn documents_of_the_web_are_bounded_and_nobody_is_followed() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let get = |answer: Vec<u8>| async move { Web::new().unwrap().get(&web(answer).await).await };
    let head = |status: &str, more: &str| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}\r\n").into_bytes()
    };
    let whole = [head("200 OK", "content-length: 2\r\n"), b"{}".to_vec()].concat();
    assert_eq!(get(whole).await.unwrap(), b"{}");
    let endless = [head("200 OK", ""), vec![b' '; 2 << 20]].concat();
    assert!(get(endless).await.unwrap_err().to_string().contains("more than"));
    let short = [head("200 OK", "content-length: 9\r\n"), b"{}".to_vec()].concat();
    assert!(get(short).await.is_err());
    assert!(get(head("404 Not Found", "")).await.unwrap_err().to_string().contains("404"));
    let elsewhere = head("302 Found", "location: http://127.0.0.1:1/\r\ncontent-length: 0\r\n");
    assert!(get(elsewhere).await.unwrap_err().to_string().contains("302"));
}

#[test]
fn addresses_of_issuers_are_of_https_or_of_this_machine() {
    for (address, is_safe) in [
        ("https://login.example.org", true),
        ("http://127.0.0.1:8080/realm", true),
        ("http://[::1]/", true),
        ("http://localhost/", true),
        ("http://login.example.org", false),
        ("https://user@login.example.org", false),
        ("ftp://localhost/", false),
        ("login.example.org", false),
    ] {
        assert_eq!(safe_url(address).is_ok(), is_safe, "{address}");
    }
}

/// A world whose keys are known, and a token that counts there.
static READY: LazyLock<(World, String)> = LazyLock::new(|| {
    let (world, token) = world(&json!({}));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert!(runtime.block_on(world.person(&token)).is_some());
    (world, token)
});

proptest! {
    #[test]
    fn a_damaged_token_never_counts(position in 0_usize..1000, byte in 0x20_u8..0x7f) {
        let (world, token) = &*READY;
        let mut damaged = token.clone().into_bytes();
        let position = position % damaged.len();
        prop_assume!(damaged[position] != byte);
        damaged[position] = byte;
        prop_assert_eq!(world.issuers.check(&String::from_utf8(damaged).unwrap()), Checked::Unknown);
    }

    #[test]
    fn a_token_that_is_cut_or_longer_never_counts(len in 0_usize..1000, more in "[A-Za-z0-9_.=-]{1,9}") {
        let (world, token) = &*READY;
        let cut = &token[..len % token.len()];
        prop_assert_eq!(world.issuers.check(cut), Checked::Unknown);
        prop_assert_eq!(world.issuers.check(&format!("{token}{more}")), Checked::Unknown);
        prop_assert_eq!(world.issuers.check(&format!("{more}{token}")), Checked::Unknown);
    }

    #[test]
    fn no_text_is_taken_for_a_token(text in ".{0,200}", header in ".{0,60}", claims in ".{0,60}") {
        let (world, _) = &*READY;
        prop_assert_eq!(world.issuers.check(&text), Checked::Unknown);
        let parts = [header, claims].map(|part| BASE64.encode(part)).join(".");
        prop_assert_eq!(world.issuers.check(&format!("{parts}.AAAA")), Checked::Unknown);
    }
}
