//! A server with a dataset that not everybody may see, and the check that no answer tells of it.

use std::sync::Arc;

use anyhow::Context;
use thermocline_core::access::{Rule, Rules, Who};
use thermocline_http::ServePlugin;
use thermocline_http::identity::{AccessRules, Token};

use crate::server::TestServer;
use crate::staging::ColdParts;
use crate::toy::ToyDataset;

/// The header of whoever may see everything.
pub const READER: (&str, &str) = ("authorization", "Bearer reader");

/// SHA-256 of the token in [`READER`].
const READER_DIGEST: [u8; 32] = [
    0x3d, 0x09, 0x41, 0x96, 0x4a, 0xa3, 0xeb, 0xdc, 0xb0, 0x0c, 0xce, 0xf5, 0x8b, 0x1b, 0xb3, 0x99, 0xf9,
    0xf8, 0x98, 0x46, 0x5e, 0x98, 0x86, 0xd5, 0xae, 0xc7, 0xf3, 0x10, 0x90, 0xa0, 0xfb, 0x30,
];

/// Rules under which the datasets of the rule `staff` are seen with [`READER`] only.
pub fn staff_rules() -> AccessRules {
    let staff = Rule { read: vec![Who::Token("reader".into())], stage: Vec::new(), administer: Vec::new() };
    let reader = Token {
        name: "reader".to_owned(),
        digest: READER_DIGEST,
        groups: Arc::default(),
        may_read: true,
        owner: None,
        may_stage: false,
        may_administer: false,
        expires_ns: None,
    };
    AccessRules {
        tokens: vec![reader],
        datasets: Rules::new([("staff".into(), staff)]).unwrap_or_default(),
        ..AccessRules::default()
    }
}

impl TestServer {
    /// Serves the datasets `open`, which anybody sees, and `secret`, which is seen with [`READER`] only.
    ///
    /// # Errors
    /// Those of [`TestServer::start`].
    pub async fn with_secret(
        open: ToyDataset,
        secret: ToyDataset,
        plugins: Vec<Arc<dyn ServePlugin>>,
    ) -> anyhow::Result<Self> {
        let parts = ColdParts {
            rules: staff_rules(),
            named_rules: vec![("secret", "staff")],
            ..ColdParts::default()
        };
        let server = Self::with_staging(vec![("open", open), ("secret", secret)], plugins, parts).await?;
        server.summarise().await?;
        Ok(server)
    }

    /// Takes other access rules, as when the configuration is read again.
    ///
    /// # Errors
    /// A server that was started without any.
    pub fn replace_rules(&self, rules: AccessRules) -> anyhow::Result<()> {
        self.cold().context("a server with rules")?.access.replace(rules);
        Ok(())
    }

    /// Asks for each path without credentials, with [`READER`], and without again. Only with them the answer may have
    /// any of these words, and it must have one: else nothing would have been tested.
    ///
    /// # Errors
    /// Names the path and the word.
    pub async fn check_keeps_secret(&self, paths: &[&str], words: &[&str]) -> anyhow::Result<()> {
        for path in paths {
            let public = self.get(path).await?;
            let all = self.send("GET", path, &[READER]).await?;
            let again = self.get(path).await?;
            let known = |text: &str| words.iter().find(|word| text.to_lowercase().contains(**word)).copied();
            anyhow::ensure!(public.status == 200 && all.status == 200, "{path}: {}", public.text());
            anyhow::ensure!(known(&all.text()).is_some(), "{path} never tells of it: {}", all.text());
            if let Some(word) = known(&public.text()) {
                anyhow::bail!("{path} tells of {word}: {}", public.text());
            }
            anyhow::ensure!(public.body == again.body, "{path} is mixed up: {}", again.text());
            anyhow::ensure!(public.header("etag") != all.header("etag"), "{path}: one tag for both");
            for answer in [&public, &all] {
                let vary: Vec<&str> =
                    answer.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect();
                let vary = vary.join(",").to_lowercase();
                let caching = answer.header("cache-control").unwrap_or_default();
                anyhow::ensure!(vary.contains("authorization"), "{path}: Vary is {vary:?}");
                anyhow::ensure!(!caching.contains("public"), "{path}: Cache-Control is {caching:?}");
            }
        }
        Ok(())
    }
}
