//! Section `[roots.NAME]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;

/// A folder or prefix below which files may be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RootConfig {
    /// A folder of this machine. Exactly one of `path` and `url` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/archive/cmip6")]
    pub path: Option<PathBuf>,
    /// A prefix of an object store or web server: `s3://`, `https://` or `http://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "s3://bucket/prefix")]
    pub url: Option<String>,
    /// Name of the `[credentials.NAME]` for the store; without one it is read anonymously.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"archive")]
    pub credentials: Option<String>,
    /// Address of an S3 service that is not Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "https://s3.example.org")]
    pub endpoint: Option<String>,
    /// Region of the bucket; most services beside Amazon's ignore it, hence "us-east-1" without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "eu-central-1")]
    pub region: Option<String>,
    /// Puts the bucket into the host name instead of the path. Off: the other form works everywhere.
    pub virtual_host: bool,
}

impl RootConfig {
    pub(super) fn complete(&mut self, name: &str, credentials: &[String], check: &mut Check<'_>) {
        match (&self.path, &self.url) {
            (Some(path), None) => {
                let path = check.absolute(&["roots", name, "path"], path);
                if !path.is_dir() {
                    check.mistake(&["roots", name, "path"], format!("{} is not a folder", path.display()));
                }
                self.path = Some(path);
            }
            (None, Some(url)) => self.check_url(name, url, check),
            (None, None) => check.mistake(&["roots", name], "names neither `path` nor `url`"),
            (Some(_), Some(_)) => check.mistake(&["roots", name, "url"], "one of `path` and `url`, not both"),
        }
        if let Some(wanted) = self.credentials.as_ref().filter(|wanted| !credentials.contains(wanted)) {
            let message = format!("no [credentials.{wanted}] is configured");
            check.mistake(&["roots", name, "credentials"], message);
        }
    }

    fn check_url(&self, name: &str, url: &str, check: &mut Check<'_>) {
        let is_good = url::Url::parse(url)
            .is_ok_and(|url| matches!(url.scheme(), "s3" | "http" | "https") && url.has_host());
        if !is_good {
            let message = format!(
                "\"{url}\" is not an address such as \"s3://bucket/prefix\" or \"https://host/path\""
            );
            check.mistake(&["roots", name, "url"], message);
        }
    }
}
