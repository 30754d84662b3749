//! Serves a THREDDS catalog and a site map of the datasets.

use thermocline_http::ServePlugin;

/// The plugin.
#[derive(Debug, Default)]
pub struct ThreddsPlugin;

impl ServePlugin for ThreddsPlugin {
    fn id(&self) -> &'static str {
        "thredds"
    }
}
