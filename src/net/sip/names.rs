//! Asks the DNS what `hops` wants to know (RFC 3263 section 4).
//!
//! Answers are kept for as long as they say, at most an hour, and at most so many of them; a
//! question that nobody answers is not repeated for half a minute. A name in the hosts file of this
//! machine is what that says, and no record of the DNS is looked at.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use tokio::time::timeout;

use super::SipError;
use super::address::SipUri;
use super::hops::{
    ADDRESSES_MAX, HOPS_MAX, Hop, Naptr, SERVERS_MAX, Service, Srv, ordered, services,
};
use super::transport::Transport;
use crate::net::plain;

/// How long one question may take, of two that are asked before it is given up: a caller waits.
const QUESTION_LIMIT: Duration = Duration::from_millis(1500);
/// How long all questions about one name may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(8);
/// A question that nobody answered is not asked again for so long; some firewalls swallow those for
/// NAPTR and SRV.
const SILENT_FOR: Duration = Duration::from_secs(30);
/// Such questions remembered at once; while there are so many, no more are.
const SILENT_MAX: usize = 256;
/// Answers kept at once, in messages.
const CACHE_LEN_MAX: u64 = 256;
/// However long an answer says that it holds.
const CACHED_FOR_MAX: Duration = Duration::from_secs(60 * 60);
/// The same for one that says that there is nothing.
const ABSENT_FOR_MAX: Duration = Duration::from_secs(5 * 60);

/// Where names are looked up.
pub(super) struct Names {
    /// None where the machine names no DNS server: then it is asked itself, for addresses only.
    resolver: Option<TokioResolver>,
    hosts: Hosts,
    silent: Mutex<HashMap<(String, RecordType), Instant>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bounded(options: &mut ResolverOpts) {
    options.timeout = options.timeout.min(QUESTION_LIMIT);
    options.attempts = 1;
    options.cache_size = CACHE_LEN_MAX;
    options.positive_max_ttl = Some(CACHED_FOR_MAX);
    options.negative_max_ttl = Some(ABSENT_FOR_MAX);
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // We look there ourselves, before any record is asked for.
    options.use_hosts_file = ResolveHosts::Never;
}

impl Names {
    /// Asks as this machine does, or the given server.
    pub(super) fn new(server: Option<SocketAddr>) -> Self {
        let hosts = Hosts::from_system().unwrap_or_default();
        let builder = match server {
            Some(server) => Ok(TokioResolver::builder_with_config(
                only(server),
                TokioRuntimeProvider::default(),
            )),
            None => TokioResolver::builder_tokio(),
        };
        let resolver = builder.and_then(|mut builder| {
            bounded(builder.options_mut());
            builder.build()
        });
        if let Err(error) = &resolver {
            tracing::info!(%error, "no DNS server is known: SRV records are not looked up");
        }
        Self { resolver: resolver.ok(), hosts, silent: Mutex::default() }
    }

    /// The servers that a URI leads to, in the order in which they are to be tried; never none.
    /// `wanted` is the transport, if it is settled.
    ///
    /// # Errors
    /// The host has no address.
    pub(super) async fn hops(
        &self,
        uri: &SipUri,
        wanted: Option<Transport>,
    ) -> Result<Vec<Hop>, SipError> {
        let unresolved = |detail: String| SipError::Unresolved { host: uri.host.clone(), detail };
        let transport = wanted.unwrap_or(Transport::Udp);
        let port = uri.port.unwrap_or(transport.default_port());
        if let Ok(ip) = uri.host.parse::<IpAddr>() {
            let address = plain(SocketAddr::new(ip, port));
            return Ok(vec![Hop { transport, address, server: uri.host.clone(), srv: None }]);
        }
        match timeout(LOOKUP_LIMIT, self.look_up(uri, wanted, port)).await {
            Ok(hops) => hops.map_err(unresolved),
            Err(_) => Err(unresolved(format!("no answer within {} s", LOOKUP_LIMIT.as_secs()))),
        }
    }

    /// The hops of a host that is a name.
    ///
    /// # Errors
    /// Why there are none.
    async fn look_up(
        &self,
        uri: &SipUri,
        wanted: Option<Transport>,
        port: u16,
    ) -> Result<Vec<Hop>, String> {
        let (host, bare) = (&uri.host, uri.host.trim_end_matches('.'));
        let pinned = self.pinned(host);
        if uri.port.is_none() && bare.contains('.') && pinned.is_empty() {
            let found = self.servers(bare, wanted).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let addresses = match pinned.is_empty() {
            true => self.addresses(host, port).await?,
            false => pinned,
        };
        let transport = wanted.unwrap_or(Transport::Udp);
        let hops = addresses.into_iter().take(HOPS_MAX);
        Ok(hops.map(|ip| hop(transport, ip, port, host, None)).collect())
    }

    /// The servers that a domain's SRV records name; none if it has no such records.
    async fn servers(&self, domain: &str, wanted: Option<Transport>) -> Result<Vec<Hop>, String> {
        let offers = match wanted {
            None => self.naptr(domain).await,
            Some(_) => Vec::new(),
        };
        let services = services(domain, wanted, &offers);
        let records = join_all(services.iter().map(|one| self.srv(&one.name))).await;
        if records.iter().all(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let mut dice = fastrand::Rng::with_seed(rand::random());
        let mut servers: Vec<(&Service, Srv)> = Vec::new();
        for (service, records) in services.iter().zip(records) {
            servers.extend(ordered(records, &mut dice).into_iter().map(|one| (service, one)));
        }
        servers.truncate(SERVERS_MAX);
        if servers.is_empty() {
            return Err("its SRV records say that it has no SIP service".to_owned());
        }
        let found = servers.iter().map(|(_, one)| self.addresses(&one.target, one.port));
        let found = join_all(found).await;
        let mut hops = Vec::new();
        for ((service, one), addresses) in servers.iter().zip(found) {
            let srv = Some((one.priority, one.weight));
            let addresses = addresses.unwrap_or_default().into_iter().take(ADDRESSES_MAX);
            hops.extend(addresses.map(|ip| hop(service.transport, ip, one.port, &one.target, srv)));
        }
        hops.truncate(HOPS_MAX);
        match hops.is_empty() {
            true => Err("none of the servers in its SRV records has an address".to_owned()),
            false => Ok(hops),
        }
    }

    async fn naptr(&self, domain: &str) -> Vec<Naptr> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let records = self.records(domain, RecordType::NAPTR).await;
        let read = records.into_iter().filter_map(|record| match record.data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                service: text(&naptr.services),
                has_regexp: !naptr.regexp.is_empty(),
                replacement: naptr.replacement.to_ascii(),
            }),
            _ => None,
        });
        read.collect()
    }

    async fn srv(&self, name: &str) -> Vec<Srv> {
        let records = self.records(name, RecordType::SRV).await;
        let read = records.into_iter().filter_map(|record| match record.data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii().trim_end_matches('.').to_owned(),
            }),
            _ => None,
        });
        read.collect()
    }

    /// What the DNS answers; nothing, if it does not.
    async fn records(&self, name: &str, kind: RecordType) -> Vec<Record> {
        let Some(resolver) = &self.resolver else { return Vec::new() };
        let key = (name.to_ascii_lowercase(), kind);
        let now = Instant::now();
        if locked(&self.silent).get(&key).is_some_and(|until| now < *until) {
            return Vec::new();
        }
        let Ok(asked) = Name::from_ascii(format!("{name}.")) else { return Vec::new() };
        match resolver.lookup(asked, kind).await {
            Ok(found) => found.answers().to_vec(),
            Err(error) if error.is_no_records_found() => Vec::new(),
            Err(error) => {
                tracing::debug!(question = name, %kind, %error, "the DNS gave no answer");
                let mut silent = locked(&self.silent);
                silent.retain(|_, until| now < *until);
                if silent.len() < SILENT_MAX {
                    silent.insert(key, now + SILENT_FOR);
                }
                Vec::new()
            }
        }
    }

    /// The addresses of a host: as the DNS says, else as this machine finds them, which may know
    /// ways of its own.
    ///
    /// # Errors
    /// There is none.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<IpAddr>, String> {
        let pinned = self.pinned(host);
        if !pinned.is_empty() {
            return Ok(pinned);
        }
        if let Some(resolver) = &self.resolver {
            // A name without a dot is completed as the machine is told to (`search`).
            let asked = match host.trim_end_matches('.') {
                bare if bare.contains('.') => format!("{bare}."),
                bare => bare.to_owned(),
            };
            if let Ok(found) = resolver.lookup_ip(asked.as_str()).await {
                let found: Vec<IpAddr> = found.iter().collect();
                if !found.is_empty() {
                    return Ok(found);
                }
            }
        }
        let found = tokio::net::lookup_host((host, port)).await;
        let found: Vec<IpAddr> =
            found.map_err(|error| error.to_string())?.map(|address| address.ip()).collect();
        match found.is_empty() {
            true => Err("the name has no address".to_owned()),
            false => Ok(found),
        }
    }

    /// What the hosts file says, IPv4 first.
    fn pinned(&self, host: &str) -> Vec<IpAddr> {
        let Ok(name) = Name::from_ascii(host.to_ascii_lowercase()) else { return Vec::new() };
        let of = |kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(of)
            .flat_map(|found| found.answers().to_vec())
            .filter_map(|record| record.data.ip_addr())
            .collect()
    }
}

/// A configuration that asks one server, over UDP and, for long answers, TCP.
fn only(server: SocketAddr) -> ResolverConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    ResolverConfig::from_name_servers(vec![config])
}

fn hop(transport: Transport, ip: IpAddr, port: u16, server: &str, srv: Option<(u16, u16)>) -> Hop {
    let address = plain(SocketAddr::new(ip, port));
    Hop { transport, address, server: server.to_owned(), srv }
}

#[cfg(test)]
mod tests {
    use super::super::tests::dns::{A, AAAA, DnsServer, Entry, SRV, a, naptr, srv};
    use super::*;

    /// Names that are looked up in a zone on loopback, and in a hosts file with one line.
    struct Dns {
        names: Names,
        server: DnsServer,
    }

    impl Dns {
        async fn with(zone: Vec<Entry>) -> Self {
            let server = DnsServer::with(zone).await;
            let mut hosts = Hosts::default();
            hosts.read_hosts_conf(&b"192.0.2.77 pinned.example # by hand\n"[..]).unwrap();
            let names = Names { hosts, ..Names::new(Some(server.address)) };
            Self { names, server }
        }

        async fn hops(&self, uri: &str) -> Result<Vec<(Transport, String)>, String> {
            let uri = SipUri::parse(uri).expect("a SIP URI");
            let found = self.names.hops(&uri, uri.asked_transport()).await;
            let found = found.map_err(|error| error.to_string())?;
            Ok(found.into_iter().map(|hop| (hop.transport, hop.address.to_string())).collect())
        }
    }

    fn zone() -> Vec<Entry> {
        vec![
            srv("_sip._udp.pbx.example", [20, 0, 5080], "two.pbx.example"),
            srv("_sip._udp.pbx.example", [10, 0, 5070], "one.pbx.example"),
            srv("_sip._tcp.pbx.example", [10, 0, 5060], "two.pbx.example"),
            a("one.pbx.example", [192, 0, 2, 1]),
            a("two.pbx.example", [192, 0, 2, 2]),
            naptr("carrier.example", 10, "SIPS+D2T", "_sips._tcp.carrier.example"),
            naptr("carrier.example", 20, "SIP+D2U", "_sip._udp.carrier.example"),
            srv("_sips._tcp.carrier.example", [0, 0, 5061], "edge.carrier.example"),
            a("edge.carrier.example", [192, 0, 2, 3]),
            a("plain.example", [192, 0, 2, 4]),
            a("plain.example", [192, 0, 2, 5]),
            srv("_sip._udp.closed.example", [0, 0, 0], "."),
            a("closed.example", [192, 0, 2, 6]),
            srv("_sip._tcp.half.example", [0, 0, 5060], "pinned.example"),
        ]
    }

    #[tokio::test]
    async fn a_domain_leads_to_the_servers_of_its_records() {
        use Transport::{Tcp, Tls, Udp};
        let dns = Dns::with(zone()).await;
        let cases: [(&str, &[(Transport, &str)]); 9] = [
            (
                "sip:pbx.example",
                &[(Udp, "192.0.2.1:5070"), (Udp, "192.0.2.2:5080"), (Tcp, "192.0.2.2:5060")],
            ),
            ("sip:100@pbx.example;transport=tcp", &[(Tcp, "192.0.2.2:5060")]),
            // TLS comes first there, so there is no way back to what can be read.
            ("sip:carrier.example", &[(Tls, "192.0.2.3:5061")]),
            ("sips:carrier.example", &[(Tls, "192.0.2.3:5061")]),
            ("sip:plain.example", &[(Udp, "192.0.2.4:5060"), (Udp, "192.0.2.5:5060")]),
            ("sips:plain.example", &[(Tls, "192.0.2.4:5061"), (Tls, "192.0.2.5:5061")]),
            ("sip:one.pbx.example:5090", &[(Udp, "192.0.2.1:5090")]),
            ("sip:pinned.example", &[(Udp, "192.0.2.77:5060")]),
            ("sip:half.example", &[(Tcp, "192.0.2.77:5060")]),
        ];
        for (uri, expected) in cases {
            let expected: Vec<_> =
                expected.iter().map(|(kind, address)| (*kind, (*address).to_owned())).collect();
            assert_eq!(dns.hops(uri).await, Ok(expected), "{uri}");
        }
        let closed = dns.hops("sip:closed.example").await.expect_err("it says so");
        assert!(closed.contains("closed.example: its SRV records say that it has no"), "{closed}");
    }

    #[tokio::test]
    async fn answers_are_kept_and_what_needs_no_question_asks_none() {
        let dns = Dns::with(zone()).await;
        dns.hops("sip:pbx.example;transport=udp").await.expect("it is there");
        let mut asked = dns.server.asked();
        asked.sort_unstable();
        let of = |name: &str, kind: u16| (name.to_owned(), kind);
        let expected = [
            of("_sip._udp.pbx.example", SRV),
            of("one.pbx.example", A),
            of("one.pbx.example", AAAA),
            of("two.pbx.example", A),
            of("two.pbx.example", AAAA),
        ];
        assert_eq!(asked, expected);
        // All of it holds for a minute, and so does that there are no IPv6 addresses.
        for uri in [
            "sip:pbx.example;transport=udp",
            "sip:pinned.example",
            "sip:192.0.2.9",
            "sip:192.0.2.9:5070;transport=tls",
            "sip:[2001:db8::1]",
        ] {
            dns.hops(uri).await.expect("it needs no question");
            let asked = dns.server.asked();
            assert!(asked.is_empty(), "{uri}: {asked:?}");
        }
    }
}
