//! `[webrtc]`: the media of calls from browsers, and of agents who take calls in theirs.

use std::net::IpAddr;

/// `[webrtc]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebRtcConfig {
    /// Addresses of this machine that browsers send their audio to; at least one. An unspecified one
    /// stands for all of its kind, but for loopback.
    pub listen: Vec<IpAddr>,
    /// First port for it.
    pub udp_port_min: u16,
    /// Last port for it. A call takes one port on each address.
    pub udp_port_max: u16,
    /// What browsers are told besides, where others reach this machine under another address.
    pub advertise_ip: Option<IpAddr>,
    /// Servers that tell whoever asks how it is seen from outside, `stun:HOST[:PORT]`: asked by us
    /// for each call, and by pages.
    pub stun: Vec<String>,
    /// Servers that pass audio on where nothing else gets through: for pages only.
    pub turn: Vec<TurnConfig>,
    /// A browser that is not connected by then has its call ended.
    pub connect_timeout_s: u64,
}

/// One of `turn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnConfig {
    /// `turn:HOST[:PORT]` or `turns:...`, with `?transport=tcp` if wanted.
    pub url: String,
    /// With what name pages use it.
    pub username: String,
    /// Environment variable that holds the password for that. Pages are told it.
    pub password_env: String,
}
