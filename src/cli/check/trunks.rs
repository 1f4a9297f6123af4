//! What a trunk engineer wants to know before serving: the certificates, the ports, the passwords, the
//! servers that a trunk's addresses lead to, and whether they answer.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use jiff::Timestamp;

use crate::config::{CertificateConfig, Config, Transport};
use crate::net::sip::{
    Access, Hop, Pong, RegisterPlan, SipConfig, SipEndpoint, SipError, TlsFiles, check_certificate,
};

/// A certificate that ends sooner is warned about: renewal should have happened by then.
const RENEW_BEFORE_S: i64 = 14 * 24 * 60 * 60;

/// Prints what was found; says how much is to be mended.
pub(super) async fn run(config: &Config) -> usize {
    let now_s = Timestamp::now().as_second();
    let of_pages = config.web.as_ref().and_then(|web| web.certificate.as_ref());
    let mut failed = 0;
    for files in config.sip.certificate.iter().chain(of_pages) {
        failed += certificate(files, now_s);
    }
    for listen in &config.sip.listen {
        let bound = match listen.transport {
            Transport::Udp => UdpSocket::bind(listen.address).map(drop),
            _ => TcpListener::bind(listen.address).map(drop),
        };
        failed += port(&listen.to_string(), bound);
    }
    if let Some(web) = &config.web {
        let bound = TcpListener::bind(web.listen).map(drop);
        failed += port(&format!("web {}", web.listen), bound);
    }
    if config.trunks.is_empty() {
        return failed;
    }
    for error in [Access::from_config(config).err(), RegisterPlan::from_config(config).err()] {
        failed += usize::from(error.is_some());
        if let Some(error) = error {
            println!("WRONG {error}");
        }
    }
    println!("ok    trunks: {}", names(config));
    failed + addresses(config).await
}

fn names(config: &Config) -> String {
    let names: Vec<&str> = config.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    names.join(", ")
}

fn day(unix_s: i64) -> String {
    Timestamp::from_second(unix_s)
        .map_or_else(|_| "an unknown day".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

fn certificate(files: &CertificateConfig, now_s: i64) -> usize {
    let files = TlsFiles { certificate: files.certificate.clone(), key: files.key.clone() };
    let shown = files.certificate.display();
    match check_certificate(&files) {
        Err(error) => {
            println!("WRONG {error}");
            1
        }
        Ok(dates) => {
            let until = day(dates.until_unix_s);
            match judge(dates.from_unix_s, dates.until_unix_s, now_s) {
                Judgement::NotYet => {
                    let from = day(dates.from_unix_s);
                    println!("WRONG certificate {shown} is not valid before {from}");
                    1
                }
                Judgement::Over => {
                    println!("WRONG certificate {shown} is no longer valid since {until}");
                    1
                }
                Judgement::Soon => {
                    println!("      certificate {shown} ends on {until}: renew it");
                    0
                }
                Judgement::Good => {
                    println!("ok    certificate {shown} until {until}");
                    0
                }
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    NotYet,
    Good,
    Soon,
    Over,
}

fn judge(from_s: i64, until_s: i64, now_s: i64) -> Judgement {
    match now_s {
        now if now < from_s => Judgement::NotYet,
        now if now > until_s => Judgement::Over,
        now if now > until_s - RENEW_BEFORE_S => Judgement::Soon,
        _ => Judgement::Good,
    }
}

/// Whether an address can be listened on. One that is in use may be our own: the server may run.
fn port(listen: &str, bound: std::io::Result<()>) -> usize {
    match bound {
        Ok(()) => {
            println!("ok    {listen} can be listened on");
            0
        }
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            println!("      {listen} is in use: frontdoor runs already, or another program has it");
            0
        }
        Err(error) => {
            println!("WRONG {listen} cannot be listened on: {error}");
            1
        }
    }
}

/// Which servers the trunks' addresses lead to, and whether they answer.
async fn addresses(config: &Config) -> usize {
    for trunk in config.trunks.iter().filter(|trunk| trunk.addresses().next().is_none()) {
        let name = &trunk.name;
        println!("      trunk {name} has no address to ask whether it is there (register, or to)");
    }
    let asked: Vec<(&str, &str)> = config
        .trunks
        .iter()
        .flat_map(|trunk| trunk.addresses().map(move |uri| (trunk.name.as_str(), uri)))
        .collect();
    if asked.is_empty() {
        return 0;
    }
    let sip = match endpoint(config).await {
        Ok(sip) => sip,
        Err(error) => {
            println!("WRONG {error}");
            return 1;
        }
    };
    let mut failed = 0;
    for (trunk, uri) in asked {
        let found = match sip.servers(uri).await {
            Ok(hops) => leads_to(&hops),
            Err(_) => None,
        };
        if let Some(found) = found {
            println!("ok    trunk {trunk}: {uri} leads to {found}");
        }
        let (is_well, said) = match sip.ping(uri).await {
            Ok(pong) => {
                let Pong { status, took, from } = pong;
                let said = format!("answers ({status}, {} ms, from {from})", took.as_millis());
                match pong.is_in_service() {
                    true => (true, said),
                    false => (false, format!("{said}: it is out of service")),
                }
            }
            Err(error) => (false, format!("does not answer: {error}")),
        };
        failed += usize::from(!is_well);
        println!("{} trunk {trunk}: {uri} {said}", if is_well { "ok   " } else { "WRONG" });
    }
    sip.shutdown().await;
    failed
}

/// The servers that SRV records name, in the order in which they are tried; `None` if it is the
/// host itself.
fn leads_to(hops: &[Hop]) -> Option<String> {
    hops.iter().any(|hop| hop.srv.is_some()).then(|| {
        let shown = hops.iter().map(|hop| {
            let Hop { transport, address, server, srv } = hop;
            let (priority, weight) = srv.unwrap_or_default();
            format!("{server} ({transport}:{address}, priority {priority}, weight {weight})")
        });
        shown.collect::<Vec<_>>().join(", ")
    })
}

/// An endpoint to ask from; not every machine has IPv6.
async fn endpoint(config: &Config) -> Result<SipEndpoint, SipError> {
    let bound = |any: &[SocketAddr]| {
        SipEndpoint::bind(SipConfig {
            udp: any.to_vec(),
            tls_ca: config.sip.tls_ca.clone(),
            dns_server: config.sip.dns_server,
            advertise_ip: config.sip.advertise_ip,
            user_agent: concat!("frontdoor-check/", env!("CARGO_PKG_VERSION")).to_owned(),
            incoming_queue_len_max: 1,
            ..SipConfig::default()
        })
    };
    let v4 = SocketAddr::from(([0; 4], 0));
    let v6 = SocketAddr::from(([0; 16], 0));
    match bound(&[v4, v6]).await {
        Ok((sip, _)) => Ok(sip),
        Err(_) => bound(&[v4]).await.map(|(sip, _)| sip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_of_srv_records_are_shown_in_their_order() {
        let hop = |last: u8, srv| Hop {
            transport: Transport::Tls,
            address: SocketAddr::from(([192, 0, 2, last], 5061)),
            server: format!("s{last}.pbx.example"),
            srv,
        };
        let found = leads_to(&[hop(1, Some((10, 5))), hop(2, Some((20, 0)))]);
        let expected = "s1.pbx.example (tls:192.0.2.1:5061, priority 10, weight 5), \
                        s2.pbx.example (tls:192.0.2.2:5061, priority 20, weight 0)";
        assert_eq!(found.as_deref(), Some(expected));
        assert_eq!(leads_to(&[hop(1, None)]), None);
    }

    #[test]
    fn a_certificate_is_judged_by_its_dates() {
        let day = 86_400;
        for (now, expected) in [
            (-1, Judgement::NotYet),
            (0, Judgement::Good),
            (86 * day, Judgement::Good),
            (87 * day, Judgement::Soon),
            (100 * day, Judgement::Soon),
            (100 * day + 1, Judgement::Over),
        ] {
            assert_eq!(judge(0, 100 * day, now), expected, "{now}");
        }
        assert_eq!(super::day(0), "1970-01-01");
    }
}
