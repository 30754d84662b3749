//! What operators decide about STAC documents.

use std::time::Duration;

/// Settings of the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StacSettings {
    /// Title of the landing page.
    pub title: String,
    /// Longer text of the landing page.
    pub description: String,
    /// Items in an answer that was asked for without `limit`.
    pub limit: usize,
    /// Most items in an answer: a larger `limit` means this one.
    pub max_limit: usize,
    /// Most items that one static document links to.
    pub static_max_items: usize,
    /// Address of a browser of STAC that shows this server.
    pub browser_url: Option<String>,
    /// Whether items carry what the viewer gridlook reads.
    pub gridlook: bool,
    /// How long the objects of an order stay online.
    pub order_lifetime: Duration,
}

impl Default for StacSettings {
    fn default() -> Self {
        Self {
            title: "Thermocline".to_owned(),
            description: "Datasets that this server serves where they lie.".to_owned(),
            limit: 10,
            max_limit: 10_000,
            static_max_items: 20_000,
            browser_url: None,
            gridlook: false,
            order_lifetime: Duration::from_secs(2 * 24 * 3600),
        }
    }
}
