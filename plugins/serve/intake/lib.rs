//! Serves datasets as intake and intake-esm catalogs.

use thermocline_http::ServePlugin;

/// The plugin.
#[derive(Debug, Default)]
pub struct IntakePlugin;

impl ServePlugin for IntakePlugin {
    fn id(&self) -> &'static str {
        "intake"
    }
}
