//! Where the interface of the site is.

use std::time::Duration;

use thermocline_core::bytes::Credentials;
use thermocline_core::{Error, Result};
use url::Url;

use super::transport::ASK_AGAIN_REFUSED;
use super::{Client, is_within};
use crate::config::Place;
use crate::documents::{Discovery, shortened};

/// How long it is believed where the interface is.
const DISCOVERED_FOR: Duration = Duration::from_secs(3600);

impl Client {
    /// The address of a call.
    pub(super) async fn url(&self, segments: &[&str], by: &Credentials) -> Result<Url> {
        let mut url = match &self.place {
            Place::Known(url) => url.clone(),
            Place::Discovered(site) => self.discovered(site, by).await?,
        };
        let is_base = url.path_segments_mut().map(|mut path| {
            path.pop_if_empty().extend(segments);
        });
        is_base.map_err(|()| Error::internal("the address of the interface has no path"))?;
        Ok(url)
    }

    /// Where the site says that its interface is. What was found before counts while it does not answer.
    async fn discovered(&self, site: &Url, by: &Credentials) -> Result<Url> {
        let known = self.found.lock().clone();
        let now_ns = self.clock.now_ns();
        if let Some((url, at_ns)) = &known
            && is_within(DISCOVERED_FOR, *at_ns, now_ns)
        {
            return Ok(url.clone());
        }
        match (self.discover(site, by).await, known) {
            (Ok(url), _) => {
                *self.found.lock() = Some((url.clone(), now_ns));
                Ok(url)
            }
            (Err(_), Some((url, _))) => Ok(url),
            (Err(error), None) => Err(error),
        }
    }

    async fn discover(&self, site: &Url, by: &Credentials) -> Result<Url> {
        let mut url = site.clone();
        let path = url.path_segments_mut().map(|mut path| {
            path.pop_if_empty().extend([".well-known", "wlcg-tape-rest-api"]);
        });
        path.map_err(|()| Error::internal("the address of the site has no path"))?;
        let answer = self.send(self.clients()?.api.get(url), by).await.map_err(|(error, _)| error)?;
        if !answer.status.is_success() {
            return Err(self.failed("wlcg-tape-rest-api", &answer));
        }
        let found: Discovery = self.document("wlcg-tape-rest-api", &answer)?;
        let endpoint = found.endpoints.iter().find(|endpoint| endpoint.version == "v1");
        let endpoint = endpoint.ok_or_else(|| {
            self.in_trouble("the site names no interface of version v1".to_owned(), ASK_AGAIN_REFUSED)
        })?;
        let url = Url::parse(endpoint.uri.trim_end_matches('/')).ok();
        // Credentials are for this host: what the site writes must not send them elsewhere.
        let url = url.filter(|url| {
            url.host() == site.host() && (url.scheme() == site.scheme() || url.scheme() == "https")
        });
        url.ok_or_else(|| {
            let uri = shortened(&endpoint.uri);
            let message = format!(
                "the site names {uri} as its interface, on another host: `api` says that it is meant"
            );
            self.in_trouble(message, ASK_AGAIN_REFUSED)
        })
    }
}
