//! Where a request came from. What a proxy says about it counts only if the proxy is ours.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::config::WebConfig;

use super::Web;
use super::visits::Peer;

/// The address that a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source(pub IpAddr);

impl FromRequestParts<Web> for Source {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip());
        // Every connection that is served has one.
        let peer = peer.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
        Ok(Self(source(peer, &parts.headers, web.config())))
    }
}

/// The last address that none of our proxies has: each of them adds the one that it was asked from
/// at the end of the list, and what stands before may be made up.
fn source(peer: IpAddr, headers: &HeaderMap, config: &WebConfig) -> IpAddr {
    let mut source = peer.to_canonical();
    let told = headers.get_all("x-forwarded-for").iter();
    let told: Vec<&str> = told.filter_map(|value| value.to_str().ok()).collect();
    for entry in told.iter().flat_map(|list| list.split(',')).rev() {
        if !config.is_proxy(source) {
            break;
        }
        // Whatever stands beyond something that is no address is not to be believed either.
        let Some(address) = address(entry) else { break };
        source = address;
    }
    source
}

/// `192.0.2.1`, `192.0.2.1:5`, `2001:db8::1` or `[2001:db8::1]:5`.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let parsed = bare.unwrap_or(entry).parse::<IpAddr>().ok();
    let parsed = parsed.or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()));
    parsed.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CallTokens;

    #[test]
    fn only_our_proxies_are_believed() {
        let config = WebConfig {
            listen: "127.0.0.1:0".parse().expect("an address"),
            certificate: None,
            public_url: None,
            call_tokens: CallTokens::None,
            calls_per_minute_per_source: 6,
            trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
        };
        for (peer, forwarded, expected) in [
            ("192.0.2.1", "", "192.0.2.1"),
            ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
            ("::ffff:10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
            ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.1", "203.0.113.5, 198.51.100.9, 10.0.0.2", "198.51.100.9"),
            ("10.0.0.1", "203.0.113.5, unknown", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            if !forwarded.is_empty() {
                headers.insert("x-forwarded-for", forwarded.parse().expect("a value"));
            }
            let found = source(peer.parse().expect("an address"), &headers, &config);
            assert_eq!(found.to_string(), expected, "{peer} {forwarded}");
        }
    }
}
