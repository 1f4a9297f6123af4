//! `[web]` and `[records]`: pages, the HTTP API, and how long what was kept is kept.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::checked::CertificateConfig;

/// `[web]`: pages and API for callers' browsers, agents, supervisors and operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfig {
    /// Where; beyond this machine over TLS, or from behind a proxy.
    pub listen: SocketAddr,
    /// What is shown to browsers; none for plain HTTP.
    pub certificate: Option<CertificateConfig>,
    /// How the pages are reached from outside, without a slash at its end.
    pub public_url: Option<String>,
    /// Whether whoever calls from a browser needs a token.
    pub call_tokens: CallTokens,
    /// Calls that one address may begin a minute.
    pub calls_per_minute_per_source: u32,
    /// Whose word on where a request came from is believed (`X-Forwarded-For`).
    pub trusted_proxies: Vec<IpNet>,
}

impl WebConfig {
    /// Whether browsers reach the pages over TLS, be it ours or a proxy's.
    pub fn is_encrypted(&self) -> bool {
        let is_https = |url: &String| url.starts_with("https://");
        self.certificate.is_some() || self.public_url.as_ref().is_some_and(is_https)
    }

    /// Whether this is the address of one of our proxies.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// Whether whoever calls from a browser needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallTokens {
    /// Everybody who reaches the page may call.
    None,
    /// Only who shows a token, or a pass that was made with one.
    Required,
}

/// `[records]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordsConfig {
    /// After so many days calls are forgotten, with recordings and hand-offs; never, if not given.
    pub retention_days: Option<u32>,
    /// After so many days recordings are removed, and the rest of the call stays; with their calls, if
    /// not given.
    pub recording_retention_days: Option<u32>,
    /// After so many days lines of the audit are forgotten; never, if not given.
    pub audit_retention_days: Option<u32>,
}
