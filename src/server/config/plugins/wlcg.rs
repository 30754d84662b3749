//! Section `[plugins.wlcg]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_serve_wlcg::CancelledWord;

use crate::config::load::Check;

/// The WLCG Tape REST API, for gfal2, FTS and Rucio. Bounds are those of `[staging]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WlcgConfig {
    /// Whether the plugin is there. Without a cold store it answers nothing.
    pub enabled: bool,
    /// Name of the site, as its clients know it.
    pub sitename: String,
    /// What the site says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Climate archive")]
    pub description: Option<String>,
    /// The word for files that are not wanted any more: "CANCELLED", as the specification has it, or "CANCELED", the only
    /// one that gfal2 2.21 knows.
    pub cancelled: CancelledConfig,
}

/// The word for files that are not wanted any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CancelledConfig {
    /// That of the specification.
    #[default]
    #[serde(rename = "CANCELLED")]
    Specified,
    /// That of gfal2.
    #[serde(rename = "CANCELED")]
    Gfal2,
}

impl From<CancelledConfig> for CancelledWord {
    fn from(config: CancelledConfig) -> Self {
        match config {
            CancelledConfig::Specified => Self::Specified,
            CancelledConfig::Gfal2 => Self::Gfal2,
        }
    }
}

impl Default for WlcgConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            sitename: "thermocline".to_owned(),
            description: None,
            cancelled: CancelledConfig::default(),
        }
    }
}

impl WlcgConfig {
    pub(super) fn complete(&self, check: &mut Check<'_>) {
        if self.sitename.trim().is_empty() {
            check.mistake(&["plugins", "wlcg", "sitename"], "is empty, but clients know the site by it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Known, Surroundings, load};

    #[test]
    fn the_site_has_a_name_and_one_of_two_words_for_what_is_cancelled() {
        let variable =
            |key: &str, value: &str| (format!("THERMOCLINE__PLUGINS__WLCG__{key}"), value.to_owned());
        for (key, value, is_good) in [
            ("SITENAME", "DKRZ", true),
            ("SITENAME", " ", false),
            ("CANCELLED", "CANCELED", true),
            ("CANCELLED", "cancelled", false),
        ] {
            let variables = [("HOME".to_owned(), "/h".to_owned()), variable(key, value)].into();
            let surroundings = Surroundings { variables, ..Surroundings::default() };
            let loaded = load(&surroundings, None, &[], &Known::default());
            assert_eq!(loaded.is_ok(), is_good, "{key} = {value}");
        }
    }

    #[test]
    fn gfal2_gets_its_word() {
        assert_eq!(CancelledWord::from(CancelledConfig::Gfal2).as_str(), "CANCELED");
        assert_eq!(CancelledWord::from(CancelledConfig::default()).as_str(), "CANCELLED");
    }
}
