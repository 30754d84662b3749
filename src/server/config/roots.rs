//! Section `[roots.NAME]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::access::{DEFAULT_RULE, PUBLIC_RULE};
use thermocline_http::AddressRule;

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
    /// Name of the `[access.NAME]` under which its files are for who names them by their paths, as staging calls do;
    /// "default" without one. Datasets on them are under their own rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"staff")]
    pub access: Option<String>,
    /// How users name what lies below this root: `from` is their path or address, `to` is ours. Kerchunk
    /// references to the source objects (`?target=source`) say what users write; files of this machine that no
    /// rule names are not given out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = &[AddressRuleConfig { from: "/eodc/products".into(), to: "/archive/cmip6".into() }])]
    pub map: Vec<AddressRuleConfig>,
}

/// One place under two names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressRuleConfig {
    /// What users write: a path where they have mounted the place, or a URL.
    pub from: String,
    /// The root or what lies below it, as this server names it.
    pub to: String,
}

impl RootConfig {
    pub(super) fn complete(
        &mut self,
        name: &str,
        (credentials, rules): (&[String], &[String]),
        check: &mut Check<'_>,
    ) {
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
        self.check_map(name, check);
        if let Some(wanted) = self.credentials.as_ref().filter(|wanted| !credentials.contains(wanted)) {
            let message = format!("no [credentials.{wanted}] is configured");
            check.mistake(&["roots", name, "credentials"], message);
        }
        let is_rule =
            |rule: &&String| [DEFAULT_RULE, PUBLIC_RULE].contains(&rule.as_str()) || rules.contains(*rule);
        if let Some(wanted) = self.access.as_ref().filter(|wanted| !is_rule(wanted)) {
            check.mistake(&["roots", name, "access"], format!("no [access.{wanted}] is configured"));
        }
    }

    fn check_map(&self, name: &str, check: &mut Check<'_>) {
        let path = self.path.as_ref().map(|path| path.to_string_lossy());
        let own = path.as_deref().or(self.url.as_deref()).unwrap_or_default();
        let root = AddressRule { from: String::new(), to: own.to_owned() };
        for rule in &self.map {
            if root.rest_of(&format!("{}/", rule.to)).is_none() {
                let message = format!("`to` is \"{}\", which does not lie below the root {own}", rule.to);
                check.mistake(&["roots", name, "map"], message);
            }
            if !rule.from.starts_with('/') && !rule.from.contains("://") {
                let message = format!("`from` is \"{}\", neither an absolute path nor a URL", rule.from);
                check.mistake(&["roots", name, "map"], message);
            }
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

#[cfg(test)]
mod tests {
    use crate::config::{Known, Surroundings, load};

    #[test]
    fn the_access_rule_of_a_root_is_one_that_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let (file, root) = (dir.path().join("thermocline.toml"), dir.path().display());
        let surroundings =
            Surroundings { variables: [("HOME".into(), "/h".into())].into(), working_dir: dir.path().into() };
        for (rule, is_there) in [("staff", true), ("default", true), ("public", true), ("staf", false)] {
            let text = format!("[access.staff]\n[roots.a]\npath = \"{root}\"\naccess = \"{rule}\"\n");
            std::fs::write(&file, text).unwrap();
            let mistakes = load(&surroundings, Some(&file), &[], &Known::default()).err();
            let mistake = mistakes.map(|mistakes| mistakes.to_string()).unwrap_or_default();
            assert_eq!(mistake.is_empty(), is_there, "{mistake}");
            assert_eq!(mistake.contains("no [access.staf] is configured"), !is_there, "{mistake}");
        }
    }

    #[test]
    fn a_rule_maps_what_users_write_to_a_place_below_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let (file, root) = (dir.path().join("thermocline.toml"), dir.path().display());
        let surroundings =
            Surroundings { variables: [("HOME".into(), "/h".into())].into(), working_dir: dir.path().into() };
        for (from, to, mistake) in [
            ("/eodc", format!("{root}"), None),
            ("https://data.example", format!("{root}/cmip6"), None),
            ("/eodc", format!("{root}-2"), Some("does not lie below the root")),
            ("eodc", format!("{root}"), Some("neither an absolute path nor a URL")),
        ] {
            let rule = format!("[{{from = \"{from}\", to = \"{to}\"}}]");
            std::fs::write(&file, format!("[roots.a]\npath = \"{root}\"\nmap = {rule}\n")).unwrap();
            let mistakes = load(&surroundings, Some(&file), &[], &Known::default())
                .err()
                .map(|mistakes| mistakes.to_string());
            match mistake {
                None => assert_eq!(mistakes, None),
                Some(mistake) => assert!(mistakes.is_some_and(|found| found.contains(mistake)), "{rule}"),
            }
        }
    }
}
