//! Recalls files as gfal2, FTS and Rucio ask tape sites for them.
//!
//! # Serves
//! Requests of [`thermocline_core::staging`], the same as the native ones.
//!
//! # Specification
//! WLCG Tape REST API, version 1.

use thermocline_http::ServePlugin;

/// How the site presents itself.
#[derive(Debug, Clone)]
pub struct WlcgSettings {
    /// Name of the site.
    pub sitename: String,
}

/// The plugin.
pub struct WlcgPlugin {
    _settings: WlcgSettings,
}

impl WlcgPlugin {
    /// The plugin with its settings.
    pub fn new(settings: WlcgSettings) -> Self {
        Self { _settings: settings }
    }
}

impl ServePlugin for WlcgPlugin {
    fn id(&self) -> &'static str {
        "wlcg"
    }
}
