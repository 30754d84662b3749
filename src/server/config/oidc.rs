//! Section `[oidc.NAME]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Check;

/// An OpenID Connect issuer whose tokens count, as bearer tokens or as passwords of Basic authentication. The server has
/// to be built with the feature "oidc". Rules of access know the holders by their groups, and all of them as
/// "token:oidc:NAME".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OidcConfig {
    /// Its address, exactly as its tokens name it ("iss"); its keys are found from there.
    #[schemars(example = "https://login.example.org/realms/climate")]
    pub issuer: String,
    /// Whom tokens have to be meant for ("aud"), exactly; one of several is enough. A token for another service must not
    /// open this one.
    #[schemars(example = ["thermocline"])]
    pub audience: Vec<String>,
    /// The claim that says whose a token is: what shares and requests are counted by. As for the other claims, one inside
    /// others is named by a JSON pointer, "/a/b".
    pub owner_claim: String,
    /// The claim with the groups: a list, or one name. Rules name them as "group:NAME", whichever issuer says so.
    #[schemars(example = "/realm_access/roles")]
    pub groups_claim: String,
    /// The claim with the scopes: a list, or words between spaces.
    pub scopes_claim: String,
    /// Scopes of which one allows to read what is not open to anyone. Without any every token of the issuer does, as far as
    /// the rules of access say.
    #[schemars(example = ["storage.read:/"])]
    pub read_scopes: Vec<String>,
    /// Scopes of which one allows to stage. Without any no token of the issuer does.
    #[schemars(example = ["storage.stage:/"])]
    pub stage_scopes: Vec<String>,
    /// Scopes of which one allows to administer. Without any no token of the issuer does.
    #[schemars(example = ["thermocline.admin"])]
    pub admin_scopes: Vec<String>,
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: Vec::new(),
            owner_claim: "sub".to_owned(),
            groups_claim: "groups".to_owned(),
            scopes_claim: "scope".to_owned(),
            read_scopes: Vec::new(),
            stage_scopes: Vec::new(),
            admin_scopes: Vec::new(),
        }
    }
}

impl OidcConfig {
    pub(super) fn complete(&self, name: &str, check: &mut Check<'_>) {
        if let Some(message) = self.issuer_mistake() {
            check.mistake(&["oidc", name, "issuer"], message);
        }
        if self.audience.iter().all(String::is_empty) {
            let message = "names nobody: tokens that are meant for other services would open this one";
            check.mistake(&["oidc", name, "audience"], message);
        }
        let claims = [
            ("owner_claim", &self.owner_claim),
            ("groups_claim", &self.groups_claim),
            ("scopes_claim", &self.scopes_claim),
        ];
        for (key, _) in claims.into_iter().filter(|(_, claim)| claim.is_empty()) {
            check.mistake(&["oidc", name, key], "names no claim");
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(is_plain) {
            check.mistake(
                &["oidc", name],
                "has a name with other signs than letters, digits, \"-\", \"_\" and \".\"",
            );
        }
    }

    #[cfg(feature = "oidc")]
    fn issuer_mistake(&self) -> Option<String> {
        match thermocline_core::oidc::safe_url(&self.issuer) {
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                Some(format!("\"{}\" has a query or a fragment, which no issuer has", self.issuer))
            }
            Ok(_) => None,
            Err(error) => Some(error.message().to_owned()),
        }
    }

    /// The section is refused as a whole.
    #[cfg(not(feature = "oidc"))]
    fn issuer_mistake(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Known, Mistakes, Surroundings, load};

    fn loaded(text: &str) -> Result<Config, Mistakes> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("thermocline.toml");
        std::fs::write(&file, text).unwrap();
        let surroundings =
            Surroundings { variables: [("HOME".into(), "/h".into())].into(), working_dir: dir.path().into() };
        load(&surroundings, Some(&file), &[], &Known::default()).map(|loaded| loaded.config)
    }

    const RIGHT: &str = "[oidc.dkrz]\nissuer = \"https://login.example.org\"\naudience = [\"thermocline\"]\n";

    #[cfg(not(feature = "oidc"))]
    #[test]
    fn a_server_without_the_feature_refuses_the_section_by_name() {
        let mistakes = loaded(RIGHT).unwrap_err().to_string();
        assert!(mistakes.contains("oidc") && mistakes.contains("feature"), "{mistakes}");
    }

    #[cfg(feature = "oidc")]
    #[test]
    fn what_would_open_the_server_to_strangers_is_a_mistake() {
        let issuer = &loaded(RIGHT).unwrap().oidc["dkrz"];
        assert_eq!((issuer.owner_claim.as_str(), issuer.stage_scopes.len()), ("sub", 0));
        for (text, key) in [
            ("[oidc.a]\naudience = [\"b\"]\n", "oidc.a.issuer"),
            ("[oidc.a]\nissuer = \"http://login.example.org\"\naudience = [\"b\"]\n", "oidc.a.issuer"),
            ("[oidc.a]\nissuer = \"https://login.example.org/?a\"\naudience = [\"b\"]\n", "oidc.a.issuer"),
            ("[oidc.a]\nissuer = \"https://login.example.org\"\n", "oidc.a.audience"),
            ("[oidc.a]\nissuer = \"https://login.example.org\"\naudience = [\"\"]\n", "oidc.a.audience"),
            (&format!("{RIGHT}owner_claim = \"\"\n"), "oidc.dkrz.owner_claim"),
            (&format!("{RIGHT}client_secret = \"\"\n"), "oidc.dkrz.client_secret"),
        ] {
            let mistakes = loaded(text).unwrap_err().to_string();
            assert!(mistakes.contains(key), "{text}: {mistakes}");
        }
    }
}
