//! Which servers a SIP URI leads to, and in which order they are tried (RFC 3263, RFC 2782). Pure:
//! what the DNS says is passed in, as are the time and the dice.
//!
//! ```text
//!  sip:pbx.example --NAPTR--> services --SRV--> servers, by priority and weight --A, AAAA--> hops
//!                     | none                | none
//!                     '--> UDP, TCP, TLS    '--> the name's own addresses, default port
//! ```
//!
//! An IP address, a port, or a name without a dot leads straight to addresses.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::transport::Transport;

/// A server that did not answer is tried last for so long.
const LAME_FOR: Duration = Duration::from_secs(60);
/// Servers that are remembered for it; while the table is full, no more are.
const LAME_MAX: usize = 256;
/// Servers of one name that are tried, the best first.
pub(super) const SERVERS_MAX: usize = 8;
/// Addresses of one server that are tried.
pub(super) const ADDRESSES_MAX: usize = 4;
/// Hops altogether: whoever waits for a call does not wait for more.
pub(super) const HOPS_MAX: usize = 8;

/// A NAPTR record (RFC 3403).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naptr {
    pub(super) order: u16,
    pub(super) preference: u16,
    pub(super) flags: String,
    pub(super) service: String,
    /// Where the rule is no plain replacement; such rules are for other applications.
    pub(super) has_regexp: bool,
    pub(super) replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// Without the dot at its end; empty if there is decidedly no such service.
    pub(super) target: String,
}

/// The name of SRV records, and how the servers in them are spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) transport: Transport,
    pub(super) name: String,
}

/// A server to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// How it is spoken to.
    pub transport: Transport,
    /// Where it is.
    pub address: SocketAddr,
    /// What it is called: the host of the URI, or that of an SRV record.
    pub server: String,
    /// Priority and weight of the SRV record that named it.
    pub srv: Option<(u16, u16)>,
}

/// The SRV name for a transport; WebSocket is not dialled.
fn service(transport: Transport, domain: &str) -> Option<Service> {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws | Transport::Wss => return None,
    };
    Some(Service { transport, name: format!("{prefix}.{domain}") })
}

/// What a NAPTR record of SIP offers (RFC 3263 4.1), if it is one that is spoken here.
fn offered(record: &Naptr) -> Option<Service> {
    let transport = match record.service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Transport::Udp,
        "SIP+D2T" => Transport::Tcp,
        "SIPS+D2T" => Transport::Tls,
        _ => return None,
    };
    let is_plain = record.flags.eq_ignore_ascii_case("s") && !record.has_regexp;
    let name = record.replacement.trim_end_matches('.').to_owned();
    (is_plain && !name.is_empty()).then_some(Service { transport, name })
}

/// The services to look up, the one that is preferred first. `wanted` is what the URI asks for.
///
/// Of the NAPTR records only those count whose order is the lowest among the usable ones
/// (RFC 3403 4.1): whoever puts TLS first is not spoken to in clear because TLS fails. Without any,
/// the common order is UDP, TCP, TLS.
pub(super) fn services(domain: &str, wanted: Option<Transport>, records: &[Naptr]) -> Vec<Service> {
    if let Some(transport) = wanted {
        return service(transport, domain).into_iter().collect();
    }
    let mut usable: Vec<(u16, u16, Service)> = records
        .iter()
        .filter_map(|record| Some((record.order, record.preference, offered(record)?)))
        .collect();
    usable.sort_by_key(|(order, preference, _)| (*order, *preference));
    let Some(first) = usable.first().map(|(order, ..)| *order) else {
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls];
        return all.into_iter().filter_map(|transport| service(transport, domain)).collect();
    };
    let of_first = usable.into_iter().filter(|(order, ..)| *order == first);
    of_first.map(|(.., service)| service).collect()
}

/// The records in the order in which their servers are tried: by priority, and within one by lot,
/// where the weight is the chance (RFC 2782, "Weight"). Records that name no server are left out.
pub(super) fn ordered(mut records: Vec<Srv>, dice: &mut fastrand::Rng) -> Vec<Srv> {
    records.retain(|record| !record.target.is_empty() && record.port != 0);
    // Those without weight stand first among their equals, so that they have a small chance, too.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut out = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equals = records.iter().take_while(|record| record.priority == priority);
        let total: u32 = equals.map(|record| u32::from(record.weight)).sum();
        let lot = dice.u32(0..=total);
        let mut sum = 0;
        let drawn = records.iter().position(|record| {
            sum += u32::from(record.weight);
            sum >= lot
        });
        // The sum reaches the total within the equals, so one is always drawn.
        out.push(records.remove(drawn.unwrap_or(0)));
    }
    out
}

/// Servers that did not answer lately.
#[derive(Debug, Default)]
pub(super) struct Lame {
    until: HashMap<(Transport, SocketAddr), Instant>,
}

impl Lame {
    /// This one did not answer, or refused for want of service.
    pub(super) fn mark(&mut self, now: Instant, hop: &Hop) {
        self.until.retain(|_, until| now < *until);
        if self.until.len() < LAME_MAX {
            self.until.insert((hop.transport, hop.address), now + LAME_FOR);
        }
    }

    /// This one answered.
    pub(super) fn clear(&mut self, hop: &Hop) {
        self.until.remove(&(hop.transport, hop.address));
    }

    fn is_lame(&self, now: Instant, hop: &Hop) -> bool {
        self.until.get(&(hop.transport, hop.address)).is_some_and(|until| now < *until)
    }

    /// Puts those last that did not answer lately; none is left out, since they may again.
    pub(super) fn put_last(&self, now: Instant, hops: &mut [Hop]) {
        hops.sort_by_key(|hop| self.is_lame(now, hop));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Naptr {
        Naptr {
            order,
            preference,
            flags: "s".to_owned(),
            service: service.to_owned(),
            has_regexp: false,
            replacement: replacement.to_owned(),
        }
    }

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    fn names(services: &[Service]) -> Vec<(Transport, &str)> {
        services.iter().map(|service| (service.transport, service.name.as_str())).collect()
    }

    #[test]
    fn what_the_uri_asks_for_is_looked_up_and_nothing_else() {
        let offers = [naptr(1, 1, "SIP+D2T", "_sip._tcp.elsewhere.example.")];
        for (transport, name) in [
            (Transport::Udp, "_sip._udp.pbx.example"),
            (Transport::Tcp, "_sip._tcp.pbx.example"),
            (Transport::Tls, "_sips._tcp.pbx.example"),
        ] {
            let found = services("pbx.example", Some(transport), &offers);
            assert_eq!(names(&found), [(transport, name)]);
        }
        assert!(services("pbx.example", Some(Transport::Wss), &offers).is_empty());
    }

    #[test]
    fn naptr_records_are_read_by_order_and_preference() {
        // The example of RFC 3263 4.1, shuffled, with what other applications have there.
        let mut offers = vec![
            naptr(100, 50, "SIP+D2U", "_sip._udp.example.com."),
            naptr(90, 50, "sip+d2t", "_sip._tcp.example.com."),
            naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com."),
            naptr(10, 50, "SIPS+D2S", "_sips._sctp.example.com."),
            Naptr { flags: "u".to_owned(), ..naptr(5, 1, "SIP+D2U", "_sip._udp.x.") },
            Naptr { has_regexp: true, ..naptr(5, 1, "SIP+D2U", "_sip._udp.x.") },
            naptr(5, 1, "SIP+D2U", "."),
        ];
        let found = services("example.com", None, &offers);
        assert_eq!(names(&found), [(Transport::Tls, "_sips._tcp.example.com")]);
        offers.push(naptr(50, 10, "SIP+D2U", "_sip._udp.example.com."));
        let found = services("example.com", None, &offers);
        let expected =
            [(Transport::Udp, "_sip._udp.example.com"), (Transport::Tls, "_sips._tcp.example.com")];
        assert_eq!(names(&found), expected);
    }

    #[test]
    fn without_usable_naptr_records_all_transports_are_asked_for() {
        for offers in [vec![], vec![naptr(10, 1, "E2U+sip", "x.")]] {
            let found = services("a.example", None, &offers);
            let transports: Vec<_> = found.iter().map(|service| service.transport).collect();
            assert_eq!(transports, [Transport::Udp, Transport::Tcp, Transport::Tls]);
        }
    }

    #[test]
    fn priorities_come_in_order_and_weights_by_lot() {
        let records = vec![
            srv(20, 0, "spare"),
            srv(10, 30, "big"),
            srv(10, 10, "small"),
            srv(10, 0, "rare"),
            srv(0, 1, ""),
            Srv { port: 0, ..srv(1, 1, "portless") },
        ];
        let mut dice = fastrand::Rng::with_seed(7);
        let mut first: HashMap<String, u32> = HashMap::new();
        for _ in 0..4_000 {
            let found = ordered(records.clone(), &mut dice);
            let mut targets: Vec<&str> = found.iter().map(|one| one.target.as_str()).collect();
            assert_eq!(targets.last(), Some(&"spare"));
            *first.entry(found[0].target.clone()).or_default() += 1;
            targets.sort_unstable();
            assert_eq!(targets, ["big", "rare", "small", "spare"], "each once");
        }
        // Of 41 lots (0 to 40) one is the rare one's, 30 the big one's and 10 the small one's.
        let of = |name: &str| first.get(name).copied().unwrap_or(0);
        assert!((2_700..3_150).contains(&of("big")), "{first:?}");
        assert!((800..1_150).contains(&of("small")), "{first:?}");
        assert!((40..200).contains(&of("rare")), "{first:?}");
        assert!(ordered(Vec::new(), &mut dice).is_empty());
    }

    #[test]
    fn who_did_not_answer_is_tried_last_for_a_while() {
        let hop = |port: u16| Hop {
            transport: Transport::Udp,
            address: SocketAddr::from(([192, 0, 2, 1], port)),
            server: "a".to_owned(),
            srv: None,
        };
        let (now, mut lame) = (Instant::now(), Lame::default());
        let ports = |lame: &Lame, now: Instant| {
            let mut hops = vec![hop(1), hop(2), hop(3)];
            lame.put_last(now, &mut hops);
            hops.iter().map(|hop| hop.address.port()).collect::<Vec<_>>()
        };
        lame.mark(now, &hop(1));
        lame.mark(now, &hop(2));
        assert_eq!(ports(&lame, now), [3, 1, 2]);
        lame.clear(&hop(2));
        assert_eq!(ports(&lame, now), [2, 3, 1]);
        assert_eq!(ports(&lame, now + LAME_FOR), [1, 2, 3]);
        for port in 10..(10 + 2 * LAME_MAX as u16) {
            lame.mark(now, &hop(port));
        }
        assert_eq!(lame.until.len(), LAME_MAX);
        lame.mark(now + LAME_FOR, &hop(9));
        assert_eq!(lame.until.len(), 1);
    }
}
