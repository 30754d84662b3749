//! Tokens of an OpenID Connect issuer, before the server as a process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Server, demo_files, path_of};

const CHUNK: &str = "/datasets/closed/zarr-v2/U/0.0.0";

/// A token of the operator, and its SHA-256.
const OPERATOR: (&str, &str) =
    ("operator", "06e55b633481f7bb072957eabcf110c972e86691c3cfedabe088024bffe42f23");

/// Publishes its key, and signs tokens with it.
struct Issuer {
    url: String,
    pair: Ed25519KeyPair,
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/realms/climate", listener.local_addr().expect("an address"));
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key");
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(pair.public_key())});
        let documents = [
            (
                "/realms/climate/.well-known/openid-configuration",
                json!({"issuer": url, "jwks_uri": format!("{url}/keys")}),
            ),
            ("/realms/climate/keys", json!({"keys": [key]})),
        ];
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Whoever goes away in the middle is no failure of the issuer.
                drop(answer(client, &documents));
            }
        });
        Self { url, pair }
    }

    /// A token that ends in so many seconds, with these claims besides those that every token needs.
    fn token(&self, seconds: i64, claims: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs() as i64;
        let mut all = json!({"iss": self.url, "aud": "thermocline", "sub": "anna", "exp": now + seconds});
        all.as_object_mut().expect("claims").extend(claims.as_object().expect("claims").clone());
        let part = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(json!({"alg": "EdDSA", "kid": "k", "typ": "JWT"})), part(all));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes())))
    }
}

fn answer(mut client: TcpStream, documents: &[(&str, Value)]) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let found = documents.iter().find(|(known, _)| *known == path);
    let (status, body) =
        found.map_or(("404 Not Found", String::new()), |(_, body)| ("200 OK", body.to_string()));
    let len_bytes = body.len();
    write!(client, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len_bytes}\r\n\r\n{body}")
}

/// A configuration in `folder` that takes tokens of `issuer`, and lets the group "climate" read one of two datasets.
fn configured(folder: &Path, issuer: Option<&str>) -> String {
    let catalog = "version: 1\ndatasets:\n  - {id: closed, source: {paths: [winds.nc]}, access: climate}\n  \
                   - {id: open, source: {paths: [air_temperature.nc]}}\n";
    std::fs::write(folder.join("catalog.yaml"), catalog).expect("a file");
    let section = issuer.map(|issuer| {
        format!(
            "[oidc.dkrz]\nissuer = \"{issuer}\"\naudience = [\"thermocline\"]\n\
             groups_claim = \"/realm_access/roles\"\nstage_scopes = [\"stage\"]\n"
        )
    });
    std::fs::create_dir_all(folder.join("archive")).expect("a folder");
    std::fs::write(folder.join("archive/one.bin"), [7; 100]).expect("a file");
    let text = format!(
        "[roots.archive]\npath = \"archive\"\n[cold.tape]\nkind = \"simulated\"\nroots = [\"archive\"]\n\
         [access.climate]\nread = [\"group:climate\"]\n\
         [tokens.operator]\nhash = \"sha256:{}\"\nscopes = [\"admin\"]\n{}",
        OPERATOR.1,
        section.unwrap_or_default()
    );
    let file = folder.join("thermocline.toml");
    std::fs::write(&file, text).expect("a file");
    file.to_string_lossy().into_owned()
}

/// A server over such a folder whose datasets are there.
fn serve(folder: &tempfile::TempDir, issuer: Option<&str>) -> Server {
    let file = configured(folder.path(), issuer);
    let catalog = format!("{}/catalog.yaml", path_of(folder));
    let server = Server::start(&["serve", "--config", &file, "--catalog", &catalog]);
    server.wait_for("/datasets/open/zarr-v2/.zmetadata", |status, _| status == 200);
    server
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn holders_of_an_issuers_tokens_read_and_stage_what_their_groups_and_scopes_allow() {
    let (issuer, folder) = (Issuer::start(), demo_files());
    let server = serve(&folder, Some(&issuer.url));
    let get = |headers: &str, path: &str| server.ask_with(headers, "GET", path, "");
    let climate = json!({"realm_access": {"roles": ["climate"]}});
    let token = issuer.token(300, &climate);
    let basic = format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("anna:{token}")));

    for headers in [bearer(&token), basic] {
        assert_eq!(get(&headers, "/datasets"), (200, r#"["closed","open"]"#.to_owned()));
        let (status, chunk) = get(&headers, CHUNK);
        assert!(status == 200 && chunk.len() > 1000, "{status} with {} bytes", chunk.len());
    }
    for (headers, status, says) in [
        (String::new(), 401, "needs a token"),
        (bearer(&issuer.token(300, &json!({}))), 401, "may not read this"),
        (bearer(&issuer.token(-61, &climate)), 401, "expired"),
        (
            bearer(&issuer.token(300, &json!({"aud": "another", "realm_access": climate["realm_access"]}))),
            401,
            "none of this",
        ),
        (
            bearer(&Issuer { url: issuer.url.clone(), ..Issuer::start() }.token(300, &climate)),
            401,
            "none of this",
        ),
    ] {
        let (found, problem) = get(&headers, CHUNK);
        assert!(found == status && problem.contains(says), "{headers}: {found} {problem}");
        assert_eq!(get(&headers, "/datasets").1, r#"["open"]"#, "{headers}");
        assert_eq!(get(&headers, "/datasets/open/zarr-v2/.zmetadata").0, 200, "{headers}");
    }

    let stage = |headers: &str| {
        server.ask_with(headers, "POST", "/requests", &format!("{}/archive/one.bin\n", path_of(&folder)))
    };
    assert_eq!(stage(&bearer(&token)).0, 403);
    let (status, request) = stage(&bearer(&issuer.token(300, &json!({"scope": "openid stage"}))));
    assert!(status == 202 && request.contains("\"oidc:dkrz/anna\""), "{status} {request}");
}

#[test]
fn an_issuer_that_does_not_answer_shows_on_health_until_it_is_mended_and_nothing_else_suffers() {
    let (issuer, folder) = (Issuer::start(), demo_files());
    let server = serve(&folder, Some(&format!("{}/wrong", issuer.url)));
    let token = bearer(&issuer.token(300, &json!({"realm_access": {"roles": ["climate"]}})));
    let health = || server.ask_with(&bearer(OPERATOR.0), "GET", "/health", "").1;
    until(|| health().contains("issuer dkrz") && health().contains("404"));
    assert_eq!(server.ask_with(&token, "GET", CHUNK, "").0, 401);
    assert_eq!(server.ask_with(&token, "GET", "/datasets/open/zarr-v2/.zmetadata", "").0, 200);

    configured(folder.path(), Some(&issuer.url));
    server.signal(Signal::HUP);

    until(|| !health().contains("issuer dkrz"));
    assert_eq!(server.ask_with(&token, "GET", CHUNK, "").0, 200);
    configured(folder.path(), None);
    server.signal(Signal::HUP);
    until(|| server.ask_with(&token, "GET", CHUNK, "").0 == 401);
}

fn until(holds: impl Fn() -> bool) {
    let pause = || std::thread::sleep(std::time::Duration::from_millis(100));
    assert!((0..300).inspect(|_| pause()).any(|_| holds()));
}
