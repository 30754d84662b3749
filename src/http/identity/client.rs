//! The address of the client, behind proxies that are trusted.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::App;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Most entries of a forwarding header that are looked at.
const MAX_HOPS: usize = 32;

/// The address of the client: the peer, or, if that is a proxy that the operator named, the last address in what it forwards
/// that is not one. `None` if such a proxy does not say, says nonsense, or forwards two headers that contradict each
/// other: nobody is then taken for a neighbour. A proxy that writes one of the two headers passes the other on as the client
/// sent it; one that nobody named may pass on both, so that nothing it says counts here.
pub fn client_address(app: &App, headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<IpAddr> {
    let peer = peer?.ip().to_canonical();
    if !app.config.names_proxies {
        return Some(peer);
    }
    behind(&app.config.trusted_proxies, headers, peer)
}

fn behind(proxies: &[IpNet], headers: &HeaderMap, peer: IpAddr) -> Option<IpAddr> {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    if !is_proxy(&peer) {
        return Some(peer);
    }
    let standard = headers.contains_key(FORWARDED).then(|| last_hop(is_proxy, forwarded(headers)));
    let usual = headers.contains_key(X_FORWARDED_FOR).then(|| last_hop(is_proxy, x_forwarded_for(headers)));
    match (standard, usual) {
        (Some(standard), Some(usual)) => standard.filter(|_| standard == usual),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => None,
    }
}

/// The last of the addresses that is no proxy, or the first if all are.
fn last_hop(is_proxy: impl Fn(&IpAddr) -> bool, hops: Vec<Option<IpAddr>>) -> Option<IpAddr> {
    let mut last = None;
    for hop in hops.into_iter().rev().take(MAX_HOPS) {
        let address = hop?;
        if !is_proxy(&address) {
            return Some(address);
        }
        last = Some(address);
    }
    last
}

/// Addresses of `Forwarded: for=…`, in order; `None` for those that are hidden or malformed.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let name_of = |element: &str| {
        let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let named = pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        named.and_then(|(_, value)| address(value.trim().trim_matches('"')))
    };
    items(headers, &FORWARDED, name_of)
}

fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    items(headers, &X_FORWARDED_FOR, |item| address(item.trim()))
}

fn items(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Option<IpAddr>,
) -> Vec<Option<IpAddr>> {
    let lists = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    lists.flat_map(|list| list.split(',').map(&read).collect::<Vec<_>>()).collect()
}

/// An address with or without port and brackets.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let alone = plain.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    alone.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_trusted_proxies_forward_is_believed_from_the_last_hop_on() {
        let proxies = ["127.0.0.0/8", "192.0.2.7/32"].map(|network| network.parse().unwrap());
        for (peer, name, value, client) in [
            ("198.51.100.1", "x-forwarded-for", "10.0.0.1", Some("198.51.100.1")),
            ("127.0.0.1", "x-other", "", None),
            ("127.0.0.1", "x-forwarded-for", "10.0.0.1", Some("10.0.0.1")),
            ("127.0.0.1", "x-forwarded-for", "10.0.0.1, 203.0.113.9", Some("203.0.113.9")),
            ("127.0.0.1", "x-forwarded-for", "203.0.113.9, 192.0.2.7", Some("203.0.113.9")),
            ("127.0.0.1", "x-forwarded-for", "203.0.113.9:4711", Some("203.0.113.9")),
            ("127.0.0.1", "x-forwarded-for", "10.0.0.1, unknown", None),
            ("127.0.0.1", "x-forwarded-for", "", None),
            ("127.0.0.1", "x-forwarded-for", "192.0.2.7, 127.0.0.2", Some("192.0.2.7")),
            (
                "127.0.0.1",
                "forwarded",
                "for=10.0.0.1;proto=http, For=\"[2001:db8::1]:80\"",
                Some("2001:db8::1"),
            ),
            ("127.0.0.1", "forwarded", "for=_hidden", None),
            ("127.0.0.1", "forwarded", "proto=https", None),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )]);
            let found = behind(&proxies, &headers, peer.parse().unwrap());
            assert_eq!(found, client.map(|client| client.parse().unwrap()), "{peer} {name}: {value}");
        }
    }

    #[test]
    fn a_header_that_the_proxy_only_passes_on_makes_nobody_a_neighbour() {
        let proxies = ["127.0.0.0/8".parse().unwrap()];
        for (standard, usual, client) in [
            ("for=10.0.0.1", "203.0.113.9", None),
            ("for=203.0.113.9", "10.0.0.1, 198.51.100.4", None),
            ("proto=https", "10.0.0.1", None),
            ("for=10.0.0.1", "unknown", None),
            ("for=203.0.113.9", "10.0.0.1, 203.0.113.9", Some("203.0.113.9")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED, http::HeaderValue::from_static(standard));
            headers.insert(X_FORWARDED_FOR, http::HeaderValue::from_static(usual));
            let found = behind(&proxies, &headers, "127.0.0.1".parse().unwrap());
            assert_eq!(found, client.map(|client| client.parse().unwrap()), "{standard} {usual}");
        }
    }
}
