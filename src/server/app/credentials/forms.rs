//! The forms in which secrets are kept: files of their own, the AWS tools' profiles, `.netrc`, what programs print.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use thermocline_core::bytes::Secret;
use thermocline_core::{Error, Result};

use super::nanoseconds;
use crate::config::{CredentialsConfig, CredentialsKind};

/// What a program printed.
pub(super) struct Printed {
    pub(super) secret: Secret,
    /// When it is of no use any more, in nanoseconds since 1970.
    pub(super) expires_ns: Option<i64>,
}

/// Files that a secret is read from.
pub(super) fn files(config: &CredentialsConfig) -> Vec<PathBuf> {
    let files = match config.kind {
        CredentialsKind::Env | CredentialsKind::Command => Vec::new(),
        CredentialsKind::Static => vec![config.key_file.clone(), config.secret_file.clone()],
        CredentialsKind::Bearer => vec![config.token_file.clone()],
        CredentialsKind::Aws => vec![profiles_file()],
        CredentialsKind::Netrc => vec![netrc_file(config)],
    };
    files.into_iter().flatten().collect()
}

/// Reads a secret from its files; `machine` is for whom, if the file names machines. Blocking.
///
/// # Errors
/// [`thermocline_core::ErrorKind::InvalidInput`] for files that cannot be read or do not have it.
pub(super) fn read(config: &CredentialsConfig, machine: &str) -> Result<Secret> {
    let secret = |file: &Option<PathBuf>| read_text(file.as_deref().unwrap_or(Path::new("")));
    Ok(match config.kind {
        CredentialsKind::Static => Secret::Key {
            key_id: secret(&config.key_file)?,
            secret: secret(&config.secret_file)?,
            token: None,
        },
        CredentialsKind::Bearer => Secret::Bearer(secret(&config.token_file)?),
        CredentialsKind::Aws => profile(config.profile.as_deref().unwrap_or("default"))?,
        CredentialsKind::Netrc => {
            let file = netrc_file(config).ok_or_else(|| Error::invalid_input("there is no ~/.netrc"))?;
            find_machine(&read_text(&file)?, machine).ok_or_else(|| {
                Error::invalid_input(format!("{} names no login for {machine}", file.display()))
            })?
        }
        CredentialsKind::Env | CredentialsKind::Command => {
            return Err(Error::internal("these credentials are in no file"));
        }
    })
}

/// True if the role of the machine is meant: no profile is named, and none is there.
pub(super) fn is_role_of_machine(config: &CredentialsConfig) -> bool {
    config.kind == CredentialsKind::Aws && config.profile.is_none() && profile("default").is_err()
}

/// The AWS tools' credentials file.
fn profiles_file() -> Option<PathBuf> {
    std::env::var_os("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from).or_else(|| in_home(".aws/credentials"))
}

fn netrc_file(config: &CredentialsConfig) -> Option<PathBuf> {
    let named = config.netrc_file.clone().or_else(|| std::env::var_os("NETRC").map(PathBuf::from));
    named.or_else(|| in_home(".netrc"))
}

fn in_home(name: &str) -> Option<PathBuf> {
    std::env::var_os("HOME").map(|home| Path::new(&home).join(name))
}

fn read_text(path: &Path) -> Result<String> {
    let unreadable =
        |cause| Error::invalid_input(format!("cannot read {}", path.display())).with_source(cause);
    Ok(std::fs::read_to_string(path).map_err(unreadable)?.trim().to_owned())
}

fn profile(name: &str) -> Result<Secret> {
    let file = profiles_file();
    let text = file.as_deref().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    find_profile(&text, name).ok_or_else(|| {
        let file = file.unwrap_or_default();
        Error::invalid_input(format!("no profile {name:?} with a key in {}", file.display()))
    })
}

fn find_profile(text: &str, name: &str) -> Option<Secret> {
    let section = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != format!("[{name}]"))
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let keys: Vec<(&str, &str)> =
        section.filter_map(|line| line.split_once('=')).map(|(k, v)| (k.trim(), v.trim())).collect();
    let value = |key: &str| keys.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    Some(Secret::Key {
        key_id: value("aws_access_key_id")?,
        secret: value("aws_secret_access_key")?,
        token: value("aws_session_token"),
    })
}

/// The login of a machine, or the default one.
///
/// # Source
/// The GNU inetutils manual, "The .netrc file"; quotes as curl takes them.
fn find_machine(text: &str, machine: &str) -> Option<Secret> {
    let mut tokens = netrc_tokens(text).into_iter();
    let (mut default, mut is_wanted, mut is_default) = (None, false, false);
    let (mut login, mut password) = (None, None);
    let finish = |login: &mut Option<String>, password: &mut Option<String>| {
        let (user, password) = (login.take(), password.take()?);
        Some(Secret::Basic { user: user.unwrap_or_default(), password })
    };
    while let Some(token) = tokens.next() {
        match token.as_str() {
            word @ ("machine" | "default") => {
                match finish(&mut login, &mut password) {
                    found @ Some(_) if is_wanted => return found,
                    found if is_default => default = default.or(found),
                    _ => {}
                }
                is_default = word == "default";
                is_wanted = !is_default && tokens.next().as_deref() == Some(machine);
            }
            "login" => login = tokens.next(),
            "password" => password = tokens.next(),
            "account" => drop(tokens.next()),
            _ => {}
        }
    }
    match finish(&mut login, &mut password) {
        found @ Some(_) if is_wanted => found,
        found if is_default => default.or(found),
        _ => default,
    }
}

/// The words of a `.netrc`, without comments and macros.
fn netrc_tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut is_macro) = (Vec::new(), false);
    for line in text.lines() {
        let line = line.trim();
        if is_macro {
            is_macro = !line.is_empty();
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with("macdef") {
            is_macro = true;
            continue;
        }
        split_words(line, &mut tokens);
    }
    tokens
}

fn split_words(line: &str, words: &mut Vec<String>) {
    let mut characters = line.chars().peekable();
    while let Some(first) = characters.next() {
        if first.is_whitespace() {
            continue;
        }
        let is_quoted = first == '"';
        let mut word = if is_quoted { String::new() } else { String::from(first) };
        while let Some(next) = characters.next_if(|next| is_quoted || !next.is_whitespace()) {
            match next {
                '"' if is_quoted => break,
                '\\' if is_quoted => word.extend(characters.next()),
                _ => word.push(next),
            }
        }
        words.push(word);
    }
}

/// What a program prints.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "AccessKeyId")]
    key_id: Option<String>,
    #[serde(rename = "SecretAccessKey")]
    secret: Option<String>,
    #[serde(rename = "SessionToken")]
    session: Option<String>,
    #[serde(alias = "access_token")]
    token: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(alias = "Expiration", alias = "expiration", alias = "expires_at")]
    expires: Option<String>,
    expires_in: Option<f64>,
}

/// Reads what a program printed at a time.
///
/// # Errors
/// [`thermocline_core::ErrorKind::InvalidInput`] for anything but a secret that is valid at that time. What was printed
/// is no part of the message.
pub(super) fn printed(bytes: &[u8], now_ns: i64) -> Result<Printed> {
    let wrong = |why: &str| Error::invalid_input(format!("the program {why}"));
    let document: Document =
        serde_json::from_slice(bytes).map_err(|_| wrong("printed no JSON object of credentials"))?;
    let secret = match document {
        Document { key_id: Some(key_id), secret: Some(secret), session: token, .. } => {
            Secret::Key { key_id, secret, token }
        }
        Document { token: Some(token), .. } => Secret::Bearer(token),
        Document { username: Some(user), password: Some(password), .. } => Secret::Basic { user, password },
        _ => {
            return Err(wrong(
                "printed neither AccessKeyId and SecretAccessKey, nor token, nor username and password",
            ));
        }
    };
    let expires_ns = match (&document.expires, document.expires_in) {
        (Some(text), _) => {
            Some(time_of(text).ok_or_else(|| wrong("printed an expiry that is no time of RFC 3339"))?)
        }
        (None, Some(seconds)) => {
            let lasts =
                Duration::try_from_secs_f64(seconds).map_err(|_| wrong("printed no time in expires_in"))?;
            Some(now_ns.saturating_add(nanoseconds(lasts)))
        }
        (None, None) => None,
    };
    if expires_ns.is_some_and(|expires_ns| expires_ns <= now_ns) {
        return Err(wrong("printed credentials that have expired"));
    }
    Ok(Printed { secret, expires_ns })
}

/// Nanoseconds since 1970 of a time of RFC 3339, in any zone.
fn time_of(text: &str) -> Option<i64> {
    let text = text.trim();
    let (local, zone_minutes) =
        match text.rfind(['+', '-']).filter(|at| *at > 10).and_then(|at| text.split_at_checked(at)) {
            Some((local, zone)) => {
                let (hours, minutes) = zone.get(1..)?.split_once(':')?;
                let minutes =
                    hours.parse::<i64>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?;
                (local, if zone.starts_with('-') { -minutes } else { minutes })
            }
            None => (text.trim_end_matches(['Z', 'z']), 0),
        };
    let time: SystemTime = humantime::parse_rfc3339_weak(&format!("{local}Z")).ok()?;
    let since_epoch = i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()?;
    since_epoch.checked_sub(zone_minutes.checked_mul(60_000_000_000)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn key(key_id: &str, secret: &str, token: Option<&str>) -> Secret {
        Secret::Key { key_id: key_id.to_owned(), secret: secret.to_owned(), token: token.map(str::to_owned) }
    }

    fn basic(user: &str, password: &str) -> Secret {
        Secret::Basic { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn a_profile_is_found_by_its_name() {
        let text =
            "[default]\naws_access_key_id = A\n[other]\naws_access_key_id=B\naws_secret_access_key = S\n";
        assert_eq!(find_profile(text, "other"), Some(key("B", "S", None)));
        assert_eq!(find_profile(text, "default"), None);
    }

    #[test]
    fn a_login_is_found_by_its_machine_and_the_default_one_comes_last() {
        let text = "# of the archive\nmachine a.example login ann password \"a \\\"word\\\"\"\n\
                    macdef init\nmachine b.example login no password no\n\n\
                    machine b.example\n  login bob\n  account x\n  password b\ndefault login any password one";
        assert_eq!(find_machine(text, "a.example"), Some(basic("ann", "a \"word\"")));
        assert_eq!(find_machine(text, "b.example"), Some(basic("bob", "b")));
        assert_eq!(find_machine(text, "c.example"), Some(basic("any", "one")));
        assert_eq!(find_machine("machine a.example login ann password a", "c.example"), None);
    }

    #[test]
    fn what_programs_of_the_aws_tools_print_is_a_key_with_an_expiry() {
        let text = br#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S", "SessionToken": "T",
            "Expiration": "1970-01-01T02:00:10+02:00"}"#;
        let found = printed(text, SECOND).unwrap();
        assert_eq!((found.secret, found.expires_ns), (key("A", "S", Some("T")), Some(10 * SECOND)));
    }

    #[test]
    fn tokens_last_as_long_as_they_say() {
        let found = printed(br#"{"access_token": "t", "expires_in": 60}"#, SECOND).unwrap();
        assert_eq!((found.secret, found.expires_ns), (Secret::Bearer("t".to_owned()), Some(61 * SECOND)));
        let found = printed(br#"{"username": "u", "password": "p"}"#, 0).unwrap();
        assert_eq!((found.secret, found.expires_ns), (basic("u", "p"), None));
    }

    #[test]
    fn what_is_no_valid_secret_is_refused_without_its_words() {
        for text in [
            "sesame",
            r#"{"AccessKeyId": "sesame"}"#,
            r#"{"token": "sesame", "expires": "tomorrow"}"#,
            r#"{"token": "sesame", "expires_in": -1}"#,
            r#"{"token": "sesame", "expires": "1970-01-01T00:00:01Z"}"#,
        ] {
            let error = printed(text.as_bytes(), SECOND).err().expect(text).to_string();
            assert!(!error.contains("sesame"), "{error}");
        }
    }

    #[test]
    fn times_have_zones() {
        for (text, seconds) in [
            ("1970-01-01T00:00:05Z", Some(5)),
            ("1970-01-01T00:00:05.000+00:00", Some(5)),
            ("1970-01-01T01:00:05+01:00", Some(5)),
            ("1970-01-01T00:00:05-01:30", Some(5 + 5400)),
            ("1970-01-01", None),
            ("", None),
        ] {
            assert_eq!(time_of(text), seconds.map(|seconds: i64| seconds * SECOND), "{text}");
        }
    }
}
