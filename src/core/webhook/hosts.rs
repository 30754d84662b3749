//! Which hosts may be called, and at which addresses.
//!
//! # Specification
//! Special addresses are those of the IANA registries for special purposes (RFC 6890), as of 2026.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use parking_lot::RwLock;
use url::{Host, Url};

use crate::{Error, Result};

/// Longest address of a webhook in bytes.
const MAX_URL_BYTES: usize = 2048;

/// How long names may take to be resolved before a webhook is accepted.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Networks of IPv4 that are not the public internet. A mistake in one is none that can be compiled.
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// The public internet of IPv6.
const PUBLIC_V6: Ipv6Net = v6([0x2000, 0], 3);

/// What of it is not: protocols, documentation, and addresses that hold one of IPv4.
const SPECIAL_V6: [Ipv6Net; 4] =
    [v6([0x2001, 0], 23), v6([0x2001, 0xdb8], 32), v6([0x2002, 0], 16), v6([0x3fff, 0], 20)];

const fn v4(bytes: [u8; 4], prefix_bits: u8) -> Ipv4Net {
    let [a, b, c, d] = bytes;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix_bits)
}

const fn v6(first: [u16; 2], prefix_bits: u8) -> Ipv6Net {
    let [a, b] = first;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix_bits)
}

/// The hosts that may be called.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    listed: Vec<Listed>,
    /// Addresses that are called although they are not public.
    networks: Vec<IpNet>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    scheme: &'static str,
    name: Name,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// This host.
    Host(Host),
    /// Every host whose name ends so; begins with a dot.
    Below(String),
}

/// The hosts that may be called at the moment: the list may become another one while the server runs.
#[derive(Debug, Clone, Default)]
pub struct HostList(Arc<RwLock<Arc<Hosts>>>);

impl HostList {
    /// The list as it is now.
    pub fn get(&self) -> Arc<Hosts> {
        Arc::clone(&self.0.read())
    }

    /// Puts another list in force, for whoever has this one.
    pub fn replace(&self, hosts: Hosts) {
        *self.0.write() = Arc::new(hosts);
    }
}

impl From<Hosts> for HostList {
    fn from(hosts: Hosts) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(hosts))))
    }
}

impl Hosts {
    /// What a list says: `hooks.example`, `hooks.example:8443`, `*.example.org`, `http://hooks.example` (without TLS), an
    /// address of its own (`http://192.0.2.7:8080`), and networks (`10.1.0.0/16`) whose addresses may be called if a host
    /// of the list has them, although they are private.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] that names the entry which is none of these.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self> {
        let mut hosts = Self::default();
        for entry in entries.iter().map(AsRef::as_ref) {
            match entry.parse::<IpNet>() {
                Ok(network) => hosts.networks.push(network),
                Err(_) => hosts.listed.push(Listed::parse(entry)?),
            }
        }
        Ok(hosts)
    }

    /// True if no host may be called.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The address that a text means, if its host may be called.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] that says what is wrong with it, never what is listed.
    pub fn target(&self, text: &str) -> Result<Url> {
        let wrong = |why: &str| Error::invalid_input(format!("the address of a webhook {why}"));
        if text.len() > MAX_URL_BYTES {
            return Err(wrong(&format!("is longer than {MAX_URL_BYTES} bytes")));
        }
        let mut url = Url::parse(text).map_err(|_| wrong("is no URL"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(wrong("is none of https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("names a user or a password"));
        }
        url.set_fragment(None);
        let (host, port) = (url.host().map(|host| host.to_owned()), url.port_or_known_default());
        let (Some(host), Some(port)) = (host, port) else { return Err(wrong("names no host")) };
        if !self.listed.iter().any(|listed| listed.is(url.scheme(), &host, port)) {
            let named = match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_string(),
            };
            let scheme = url.scheme();
            return Err(wrong(&format!("is at {scheme}://{named}, which this server may not call")));
        }
        Ok(url)
    }

    /// The same, if the host has no address that may not be called as far as is known now. A host whose name cannot be
    /// resolved at the moment may be called later.
    ///
    /// # Errors
    /// Those of [`Hosts::target`].
    pub async fn admit(&self, text: &str) -> Result<Url> {
        let url = self.target(text)?;
        if let Some(Host::Domain(name)) = url.host() {
            let resolving = tokio::time::timeout(RESOLVE_TIMEOUT, self.resolve(name));
            if let Ok(Err(Unreachable::Refused(_))) = resolving.await {
                let message =
                    format!("the address of a webhook is at {name}, which is no host of the public internet");
                return Err(Error::invalid_input(message));
            }
        }
        Ok(url)
    }

    /// The addresses of a host of the list.
    ///
    /// # Errors
    /// A name without addresses, or of which one may not be called.
    pub(super) async fn resolve(&self, name: &str) -> std::result::Result<Vec<SocketAddr>, Unreachable> {
        let found = tokio::net::lookup_host((name, 0)).await;
        let found: Vec<SocketAddr> = found.map_err(|_| Unreachable::Unknown(name.to_owned()))?.collect();
        if found.is_empty() {
            return Err(Unreachable::Unknown(name.to_owned()));
        }
        match found.iter().find(|address| !self.may_reach(address.ip())) {
            Some(_) => Err(Unreachable::Refused(name.to_owned())),
            None => Ok(found),
        }
    }

    /// True for addresses of the public internet, and of networks of the list.
    fn may_reach(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Why a host has no addresses that may be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreachable {
    /// Its name has none.
    #[error("the name {0} cannot be resolved")]
    Unknown(String),
    /// They are not public, and not in a network of the list.
    #[error("{0} has a private address that is in no network of limits.webhook_hosts")]
    Refused(String),
}

impl Listed {
    fn parse(entry: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid_input(format!(
                "\"{entry}\" is none of HOST, HOST:PORT, *.DOMAIN, http://HOST and a network such as 10.1.0.0/16"
            ))
        };
        let (scheme, rest) = match entry.split_once("://") {
            None => ("https", entry),
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            Some(_) => return Err(wrong()),
        };
        let (below, rest) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| wrong())?;
        let is_host = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let is_plain = url.username().is_empty() && url.password().is_none() && !rest.ends_with('/');
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return Err(wrong()) };
        if !(is_host && is_plain) || rest.contains('*') {
            return Err(wrong());
        }
        let name = match (below, host.to_owned()) {
            (false, host) => Name::Host(host),
            (true, Host::Domain(domain)) if domain.contains('.') => Name::Below(format!(".{domain}")),
            (true, _) => return Err(wrong()),
        };
        Ok(Self { scheme, name, port })
    }

    fn is(&self, scheme: &str, host: &Host, port: u16) -> bool {
        let is_named = match (&self.name, host) {
            (Name::Host(name), host) => name == host,
            (Name::Below(end), Host::Domain(domain)) => domain.ends_with(end.as_str()),
            (Name::Below(_), _) => false,
        };
        is_named && self.scheme == scheme && self.port == port
    }
}

/// True for addresses of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.contains(&address) && !SPECIAL_V6.iter().any(|network| network.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts() -> Hosts {
        Hosts::parse(&[
            "hooks.example",
            "hooks.example:8443",
            "*.site.example",
            "http://plain.example",
            "http://127.0.0.1:8080",
            "[2001:db8::7]",
            "10.1.0.0/16",
        ])
        .unwrap()
    }

    #[test]
    fn hosts_of_the_list_may_be_called_and_no_others() {
        for (url, may_be_called) in [
            ("https://hooks.example/x?y=1", true),
            ("https://HOOKS.example:443/x", true),
            ("https://hooks.example:8443/", true),
            ("https://hooks.example:8444/", false),
            ("http://hooks.example/", false),
            ("https://other.example/", false),
            ("https://hooks.example.evil.example/", false),
            ("https://a.site.example/", true),
            ("https://a.b.site.example/", true),
            ("https://site.example/", false),
            ("https://evilsite.example/", false),
            ("http://plain.example/", true),
            ("https://plain.example/", false),
            ("http://127.0.0.1:8080/", true),
            ("http://127.1:8080/", true),
            ("http://127.0.0.1:8081/", false),
            ("https://10.1.2.3/", false),
            ("https://[2001:db8::7]/", true),
            ("https://[::1]/", false),
            ("https://user@hooks.example/", false),
            ("https://user:secret@hooks.example/", false),
            ("https://hooks.example@other.example/", false),
            ("ftp://hooks.example/", false),
            ("file:///etc/passwd", false),
            ("hooks.example", false),
            ("", false),
        ] {
            assert_eq!(hosts().target(url).is_ok(), may_be_called, "{url}");
        }
        let long = format!("https://hooks.example/{}", "x".repeat(3000));
        assert!(hosts().target(&long).is_err());
    }

    #[test]
    fn every_special_network_is_refused_from_its_first_address_to_its_last() {
        for network in SPECIAL_V4.map(IpNet::from).into_iter().chain(SPECIAL_V6.map(IpNet::from)) {
            assert_eq!(network.addr(), network.network(), "{network} has bits behind its prefix");
            assert!(!is_public(network.network()) && !is_public(network.broadcast()), "{network}");
        }
        assert!(is_public("2000::1".parse().unwrap()) && !is_public("4000::".parse().unwrap()));
    }

    #[test]
    fn a_refusal_does_not_say_what_is_listed() {
        let message = hosts().target("https://other.example/").unwrap_err().to_string();
        assert!(message.contains("https://other.example") && !message.contains("hooks"), "{message}");
    }

    #[test]
    fn addresses_that_are_not_public_are_called_only_if_their_network_is_listed() {
        for (address, is_reached) in [
            ("93.184.216.34", true),
            ("2606:2800:220:1::1", true),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("2002:a9fe:a9fe::1", false),
            ("192.168.1.1", false),
            ("100.64.0.1", false),
            ("172.31.255.255", false),
            ("172.32.0.1", true),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fc00::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(hosts().may_reach(address.parse().unwrap()), is_reached, "{address}");
        }
    }

    #[tokio::test]
    async fn a_listed_name_with_a_private_address_is_refused_before_it_is_called() {
        let refused = Hosts::parse(&["http://localhost:8080"]).unwrap();
        let error = refused.admit("http://localhost:8080/").await.unwrap_err();
        assert!(error.to_string().contains("no host of the public internet"), "{error}");

        let listed = Hosts::parse(&["http://localhost:8080", "127.0.0.0/8", "::1/128"]).unwrap();
        listed.admit("http://localhost:8080/").await.unwrap();
    }

    #[test]
    fn entries_that_are_no_hosts_are_named() {
        for entry in [
            "",
            "*",
            "*.com",
            "https://",
            "ftp://a.example",
            "a.example/path",
            "u@a.example",
            "a b",
            "*.1.2.3.4",
        ] {
            let error = Hosts::parse(&[entry]).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{entry}\"")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}", entry in ".{0,40}") {
            let _ = hosts().target(&text);
            let _ = hosts().target(&format!("https://{text}"));
            let _ = Hosts::parse(&[entry]);
        }
    }
}
