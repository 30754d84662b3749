//! Section `[credentials.NAME]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;

/// Access to an object store. Secrets stay in files or in the environment, never in this file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialsConfig {
    /// Where the secrets are: "env" (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`), "aws"
    /// (`~/.aws/credentials`, or the role of the machine), "static" (two files) or "bearer" (a file with a token).
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
}

impl CredentialsConfig {
    pub(super) fn complete(&mut self, name: &str, check: &mut Check<'_>) {
        if !check.is_set(&["credentials", name, "kind"]) {
            let message = "names no `kind`: one of \"env\", \"aws\", \"static\", \"bearer\"";
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
        if self.profile.is_some() && self.kind != CredentialsKind::Aws {
            check.mistake(&["credentials", name, "profile"], "belongs to kind aws");
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
