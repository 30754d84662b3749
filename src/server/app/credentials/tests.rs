use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use thermocline_core::clock::ManualClock;

use super::*;
use crate::config::RootConfig;

const HOUR: Duration = Duration::from_secs(3600);

/// A configuration with one root `web` and its credentials `c`.
fn config(credentials: CredentialsConfig) -> Config {
    let mut config = Config::default();
    let web = RootConfig {
        url: Some("https://a.example/b".to_owned()),
        credentials: Some("c".to_owned()),
        ..RootConfig::default()
    };
    config.roots.insert("web".to_owned(), web);
    config.credentials.insert("c".to_owned(), credentials);
    config
}

fn source(keys: &Keyring, config: &Config) -> Arc<dyn CredentialSource> {
    match keys.credentials(config, "web", "a.example").expect("credentials") {
        Credentials::Source(source) => source,
        _ => panic!("no source"),
    }
}

fn bearer(file: &Path) -> CredentialsConfig {
    CredentialsConfig {
        kind: CredentialsKind::Bearer,
        token_file: Some(file.to_owned()),
        ..CredentialsConfig::default()
    }
}

/// A program that counts its runs in a file and prints a token with the number of the run.
fn program(folder: &Path, print: &str) -> CredentialsConfig {
    let path = folder.join("key.sh");
    let runs = folder.join("runs");
    let text = format!("#!/bin/sh\necho x >> {0}\nn=$(wc -l < {0})\n{print}\n", runs.display());
    std::fs::write(&path, text).expect("a program");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("rights");
    CredentialsConfig {
        kind: CredentialsKind::Command,
        command: vec![path.to_string_lossy().into_owned()],
        ..CredentialsConfig::default()
    }
}

fn n_runs(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("runs")).unwrap_or_default().lines().count()
}

fn token(text: &str) -> Secret {
    Secret::Bearer(text.to_owned())
}

#[tokio::test]
async fn a_changed_file_counts_from_the_next_request_and_a_lost_one_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let (keys, config) = (Keyring::default(), config(bearer(&file)));
    let source = source(&keys, &config);
    assert_eq!(*source.secret().await.unwrap(), token("first"));

    std::fs::write(&file, "the second").unwrap();
    assert_eq!(*source.secret().await.unwrap(), token("the second"));

    std::fs::remove_file(&file).unwrap();
    assert_eq!(*source.secret().await.unwrap(), token("the second"));
    let problems = keys.problems().join("");
    assert!(problems.contains("[credentials.c] of [roots.web]: cannot read"), "{problems}");
    assert!(!problems.contains("second"), "{problems}");

    std::fs::write(&file, "third").unwrap();
    assert_eq!(*source.secret().await.unwrap(), token("third"));
    assert!(keys.problems().is_empty());
}

#[tokio::test]
async fn a_refused_secret_is_told_until_another_one_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "sesame").unwrap();
    let (keys, config) = (Keyring::default(), config(bearer(&file)));
    let source = source(&keys, &config);
    let wrong = source.secret().await.unwrap();
    source.refused(&wrong, Refusal::Denied("403 Forbidden"));
    let problems = keys.problems();
    assert_eq!(
        problems,
        ["credentials: [credentials.c] of [roots.web]: the store does not take them: 403 Forbidden"]
    );

    std::fs::write(&file, "the right one").unwrap();
    let right = source.secret().await.unwrap();
    assert!(keys.problems().is_empty());
    // Late news of the one before, and a right that a good secret lacks.
    source.refused(&wrong, Refusal::Wrong("401 Unauthorized"));
    source.taken(&right);
    source.refused(&right, Refusal::Denied("403 Forbidden"));
    assert!(keys.problems().is_empty());
    source.refused(&right, Refusal::Wrong("ExpiredToken"));
    assert_eq!(keys.problems().len(), 1);
}

#[tokio::test]
async fn what_a_program_prints_is_renewed_before_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(0);
    let keys = Keyring::new(Arc::new(clock.clone()));
    let config = config(program(folder.path(), r#"echo "{\"token\": \"t$n\", \"expires_in\": 3600}""#));
    let source = source(&keys, &config);
    assert_eq!(n_runs(folder.path()), 0, "nothing is run before it is needed");

    assert_eq!(*source.secret().await.unwrap(), token("t1"));
    clock.advance(HOUR * 9 / 10);
    assert_eq!(*source.secret().await.unwrap(), token("t1"));
    clock.advance(HOUR / 10 - Duration::from_secs(30));
    assert_eq!(*source.secret().await.unwrap(), token("t2"));
    assert_eq!(n_runs(folder.path()), 2);
}

#[tokio::test]
async fn a_program_that_fails_leaves_what_it_printed_in_force_until_that_expires() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(0);
    let keys = Keyring::new(Arc::new(clock.clone()));
    let print = r#"[ $n -gt 1 ] && { echo sesame >&2; exit 3; }; echo '{"token": "t", "expires_in": 3600}'"#;
    let config = config(program(folder.path(), print));
    let source = source(&keys, &config);
    assert_eq!(*source.secret().await.unwrap(), token("t"));

    clock.advance(HOUR - Duration::from_secs(60));
    assert_eq!(*source.secret().await.unwrap(), token("t"));
    assert_eq!(*source.secret().await.unwrap(), token("t"));
    assert_eq!(n_runs(folder.path()), 2, "it is not run for every request");
    let problems = keys.problems().join("");
    assert!(problems.contains("[credentials.c]") && problems.contains("ended with 3"), "{problems}");
    assert!(!problems.contains("sesame"), "{problems}");

    clock.advance(Duration::from_secs(61));
    let error = source.secret().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_program_is_asked_again_soon_however_often_it_prints_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(0);
    let keys = Keyring::new(Arc::new(clock.clone()));
    let print = r#"[ $n -lt 4 ] && t=old || t=new; echo "{\"token\": \"$t\", \"expires_in\": 36000}""#;
    let config = config(program(folder.path(), print));
    let source = source(&keys, &config);

    for number in 1..4 {
        let secret = source.secret().await.unwrap();
        assert_eq!((&*secret, n_runs(folder.path())), (&token("old"), number));
        source.refused(&secret, Refusal::Wrong("ExpiredToken"));
        source.refused(&secret, Refusal::Wrong("ExpiredToken"));
        assert_eq!(*source.secret().await.unwrap(), token("old"), "it is not run for each refusal");
        clock.advance(ASKED_AGAIN_AFTER);
    }
    assert_eq!(*source.secret().await.unwrap(), token("new"));
    assert!(keys.problems().is_empty());
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = CredentialsConfig {
        command_timeout: crate::config::Span(Duration::from_millis(200)),
        ..program(folder.path(), "sleep 600")
    };
    let (keys, config) = (Keyring::default(), config(hanging));
    let error = source(&keys, &config).secret().await.unwrap_err();
    assert!(error.to_string().contains("did not end within"), "{error}");
}

#[tokio::test]
async fn credentials_that_are_configured_anew_reach_whoever_holds_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("a"), "first").unwrap();
    std::fs::write(file("netrc"), "machine a.example login ann password b").unwrap();
    let keys = Keyring::default();
    let source = source(&keys, &config(bearer(&file("a"))));
    std::fs::write(file("b"), "second").unwrap();

    keys.update(&config(bearer(&file("b"))));
    assert_eq!(*source.secret().await.unwrap(), token("second"));

    let netrc = CredentialsConfig {
        kind: CredentialsKind::Netrc,
        netrc_file: Some(file("netrc")),
        ..CredentialsConfig::default()
    };
    keys.update(&config(netrc));
    let login = Secret::Basic { user: "ann".to_owned(), password: "b".to_owned() };
    assert_eq!(*source.secret().await.unwrap(), login);
}

#[test]
fn a_login_is_that_of_the_host_of_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("netrc");
    std::fs::write(&file, "machine a.example login ann password b").unwrap();
    let netrc = CredentialsConfig {
        kind: CredentialsKind::Netrc,
        netrc_file: Some(file),
        ..CredentialsConfig::default()
    };
    let (keys, config) = (Keyring::default(), config(netrc));
    assert!(matches!(keys.credentials(&config, "web", "a.example"), Ok(Credentials::Source(_))));
    let error = keys.credentials(&config, "web", "b.example").err().expect("no login").to_string();
    assert!(error.contains("names no login for b.example"), "{error}");
}
