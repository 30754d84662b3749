//! Section `[credentials.NAME]`.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;
use super::units::Span;

/// Access to an object store. Secrets stay in files or in the environment, never in this file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialsConfig {
    /// Where the secrets are: "env" (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`), "aws"
    /// (`~/.aws/credentials`, or the role of the machine), "static" (two files), "bearer" (a file with a token), "netrc"
    /// (`~/.netrc`) or "command" (a program that prints them). Files are read again when they change, programs are
    /// run again before what they printed expires.
    pub kind: CredentialsKind,
    /// Of "aws": the profile; the default one without.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"archive")]
    pub profile: Option<String>,
    /// Of "static": file that holds the access key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/run/secrets/s3-key")]
    pub key_file: Option<PathBuf>,
    /// Of "static": file that holds the secret access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/run/secrets/s3-secret")]
    pub secret_file: Option<PathBuf>,
    /// Of "bearer": file that holds the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/run/secrets/token")]
    pub token_file: Option<PathBuf>,
    /// Of "netrc": the file; `$NETRC` or `~/.netrc` without. Its machine is the host of the root's endpoint or address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/run/secrets/netrc")]
    pub netrc_file: Option<PathBuf>,
    /// Of "command": the program with its arguments; no shell is between. It prints a JSON object with `AccessKeyId`,
    /// `SecretAccessKey`, `SessionToken` and `Expiration` as programs for the AWS tools do, or with `token` and
    /// `expires` (RFC 3339) or `expires_in` (seconds). Without an expiry it is run again after an hour.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = &["/usr/local/bin/archive-key", "--role", "reader"])]
    pub command: Vec<String>,
    /// Of "command": how long it may run.
    pub command_timeout: Span,
}

impl Default for CredentialsConfig {
    fn default() -> Self {
        Self {
            kind: CredentialsKind::default(),
            profile: None,
            key_file: None,
            secret_file: None,
            token_file: None,
            netrc_file: None,
            command: Vec::new(),
            command_timeout: Span::seconds(30),
        }
    }
}

/// Where secrets are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CredentialsKind {
    /// The usual variables of the environment.
    #[default]
    Env,
    /// The usual files of the AWS tools, or the role of the machine.
    Aws,
    /// Two files.
    Static,
    /// A file with a token.
    Bearer,
    /// A file with names and passwords for machines.
    Netrc,
    /// A program that prints them.
    Command,
}

impl CredentialsConfig {
    pub(super) fn complete(&mut self, name: &str, check: &mut Check<'_>) {
        if !check.is_set(&["credentials", name, "kind"]) {
            let message =
                "names no `kind`: one of \"env\", \"aws\", \"static\", \"bearer\", \"netrc\", \"command\"";
            check.mistake(&["credentials", name], message);
        }
        let files = [
            ("key_file", &mut self.key_file, CredentialsKind::Static),
            ("secret_file", &mut self.secret_file, CredentialsKind::Static),
            ("token_file", &mut self.token_file, CredentialsKind::Bearer),
        ];
        for (key, file, kind) in files {
            let key = ["credentials", name, key];
            match (&file, self.kind == kind) {
                (None, true) => check.mistake(&key, format!("kind {kind:?} needs it").to_lowercase()),
                (Some(_), false) => check.mistake(&key, format!("belongs to kind {kind:?}").to_lowercase()),
                (Some(path), true) => *file = Some(readable(&key, path.clone(), check)),
                (None, false) => {}
            }
        }
        self.complete_netrc(name, check);
        self.complete_command(name, check);
        if self.profile.is_some() && self.kind != CredentialsKind::Aws {
            check.mistake(&["credentials", name, "profile"], "belongs to kind aws");
        }
    }
}

impl CredentialsConfig {
    fn complete_netrc(&mut self, name: &str, check: &mut Check<'_>) {
        let key = ["credentials", name, "netrc_file"];
        let Some(path) = self.netrc_file.take() else { return };
        if self.kind != CredentialsKind::Netrc {
            check.mistake(&key, "belongs to kind netrc");
        }
        self.netrc_file = Some(readable(&key, path, check));
    }

    fn complete_command(&self, name: &str, check: &mut Check<'_>) {
        let key = ["credentials", name, "command"];
        match (self.kind == CredentialsKind::Command, self.command.first()) {
            (true, None) => check.mistake(&key, "kind command needs it"),
            (true, Some(program)) if !Path::new(program).is_absolute() => {
                check.mistake(&key, format!("{program:?} is no absolute path: a program has no folder here"));
            }
            (false, Some(_)) => check.mistake(&key, "belongs to kind command"),
            (true, Some(_)) | (false, None) => {}
        }
        let key = ["credentials", name, "command_timeout"];
        if self.kind != CredentialsKind::Command && check.is_set(&key) {
            check.mistake(&key, "belongs to kind command");
        }
        if self.command_timeout.0.is_zero() {
            check.mistake(&key, "has to be more than 0s");
        }
    }
}

fn readable(key: &[&str], path: PathBuf, check: &mut Check<'_>) -> PathBuf {
    let path = check.absolute(key, &path);
    if let Err(cause) = std::fs::File::open(&path) {
        check.mistake(key, format!("cannot read {}: {cause}", path.display()));
    }
    path
}
