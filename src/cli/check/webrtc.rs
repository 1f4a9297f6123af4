//! Whether browsers' audio can be taken: the addresses of `[webrtc]`, and the passwords that pages are told.

use std::net::UdpSocket;

use crate::config::Config;
use crate::web::ice::IceServers;

/// Prints what was found; says how much is to be mended.
pub(super) fn run(config: &Config) -> usize {
    let webrtc = &config.webrtc;
    let mut failed = 0;
    for ip in &webrtc.listen {
        match UdpSocket::bind((*ip, 0)) {
            Ok(_) => {
                let (low, high) = (webrtc.udp_port_min, webrtc.udp_port_max);
                println!("ok    audio of browsers on {ip}, ports {low} to {high}");
            }
            Err(error) => {
                failed += 1;
                println!("WRONG webrtc.listen: {ip} is no address of this machine: {error}");
            }
        }
    }
    if let Err(error) = IceServers::new(webrtc, |name| std::env::var(name).ok()) {
        failed += 1;
        println!("WRONG {error}");
    }
    failed
}
