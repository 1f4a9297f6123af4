//! What a trunk engineer wants to know before serving: the certificate, the ports, the passwords, the
//! registrars.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use jiff::Timestamp;

use crate::config::{Config, ListenAddress, Transport};
use crate::net::sip::{
    Access, RegisterPlan, SipConfig, SipEndpoint, SipError, TlsFiles, check_certificate,
};

/// A certificate that ends sooner is warned about: renewal should have happened by then.
const RENEW_BEFORE_S: i64 = 14 * 24 * 60 * 60;

/// Prints what was found; says how much is to be mended.
pub(super) async fn run(config: &Config) -> usize {
    let mut failed = certificate(config, Timestamp::now().as_second());
    for address in &config.sip.listen {
        failed += port(address);
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
    failed + registrars(config).await
}

fn names(config: &Config) -> String {
    let names: Vec<&str> = config.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    names.join(", ")
}

fn day(unix_s: i64) -> String {
    Timestamp::from_second(unix_s)
        .map_or_else(|_| "an unknown day".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

fn certificate(config: &Config, now_s: i64) -> usize {
    let Some(files) = &config.sip.certificate else { return 0 };
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
fn port(listen: &ListenAddress) -> usize {
    let bound = match listen.transport {
        Transport::Udp => UdpSocket::bind(listen.address).map(drop),
        _ => TcpListener::bind(listen.address).map(drop),
    };
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

async fn registrars(config: &Config) -> usize {
    let asked: Vec<(&str, &str)> = config
        .trunks
        .iter()
        .filter_map(|trunk| Some((trunk.name.as_str(), trunk.register.as_ref()?)))
        .flat_map(|(name, register)| {
            register.registrars.iter().map(move |uri| (name, uri.as_str()))
        })
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
        match sip.ping(uri).await {
            Ok(pong) => {
                let took = pong.took.as_millis();
                println!("ok    trunk {trunk}: {uri} answers ({}, {took} ms)", pong.status);
            }
            Err(error) => {
                failed += 1;
                println!("WRONG trunk {trunk}: {uri}: {error}");
            }
        }
    }
    sip.shutdown().await;
    failed
}

/// An endpoint to ask from; not every machine has IPv6.
async fn endpoint(config: &Config) -> Result<SipEndpoint, SipError> {
    let bound = |any: &[SocketAddr]| {
        SipEndpoint::bind(SipConfig {
            udp: any.to_vec(),
            tls_ca: config.sip.tls_ca.clone(),
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
