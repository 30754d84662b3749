//! Serves datasets as STAC items, collections and an item search.

use thermocline_http::ServePlugin;

/// The plugin.
#[derive(Debug, Default)]
pub struct StacPlugin;

impl ServePlugin for StacPlugin {
    fn id(&self) -> &'static str {
        "stac"
    }
}
