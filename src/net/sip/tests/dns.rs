//! A small DNS server on loopback, which writes its answers octet by octet.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

pub(in crate::net::sip) const A: u16 = 1;
pub(in crate::net::sip) const AAAA: u16 = 28;
pub(in crate::net::sip) const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// What a zone holds: names, with the type and the data of a record.
pub(in crate::net::sip) type Entry = (String, u16, Vec<u8>);

/// A name in the DNS's own form (RFC 1035 3.1).
fn labels(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

pub(in crate::net::sip) fn srv(
    name: &str,
    [priority, weight, port]: [u16; 3],
    target: &str,
) -> Entry {
    let mut data = Vec::new();
    for number in [priority, weight, port] {
        data.extend_from_slice(&number.to_be_bytes());
    }
    data.extend(labels(target));
    (name.to_owned(), SRV, data)
}

pub(in crate::net::sip) fn naptr(name: &str, order: u16, service: &str, target: &str) -> Entry {
    let mut data = order.to_be_bytes().to_vec();
    data.extend_from_slice(&10_u16.to_be_bytes());
    for text in ["s", service, ""] {
        data.push(text.len() as u8);
        data.extend_from_slice(text.as_bytes());
    }
    data.extend(labels(target));
    (name.to_owned(), NAPTR, data)
}

pub(in crate::net::sip) fn a(name: &str, address: [u8; 4]) -> Entry {
    (name.to_owned(), A, address.to_vec())
}

/// The question of a query: its octets, its name and its type.
fn question(query: &[u8]) -> (&[u8], String, u16) {
    let (mut at, mut name) = (12, String::new());
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        name.push_str(&String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        name.push('.');
        at = end;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    (&query[12..at + 5], name.trim_end_matches('.').to_owned(), kind)
}

/// The answer of a server that knows this zone, octet by octet (RFC 1035 4.1): answers that hold
/// for a minute, or that there is nothing, which holds as long (RFC 2308).
fn answer(query: &[u8], zone: &[Entry]) -> Vec<u8> {
    let (question, name, kind) = question(query);
    let found: Vec<&Vec<u8>> = zone
        .iter()
        .filter(|(known, of, _)| *known == name && *of == kind)
        .map(|(.., data)| data)
        .collect();
    let mut out = query[..2].to_vec();
    // A response, recursion wanted and there; one question, these answers, maybe an authority.
    out.extend_from_slice(&[0x81, 0x80, 0, 1]);
    out.extend_from_slice(&(found.len() as u16).to_be_bytes());
    out.extend_from_slice(&[0, u8::from(found.is_empty()), 0, 0]);
    out.extend_from_slice(question);
    let mut record = |kind: u16, data: &[u8]| {
        // The name is that of the question, at octet 12.
        out.extend_from_slice(&[0xc0, 12]);
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
        out.extend_from_slice(&(data.len() as u16).to_be_bytes());
        out.extend_from_slice(data);
    };
    for data in &found {
        record(kind, data);
    }
    if found.is_empty() {
        // SOA: two names, then serial, refresh, retry, expire and minimum.
        let mut soa = [labels("ns.example"), labels("admin.example")].concat();
        for number in [1_u32, 60, 60, 60, 60] {
            soa.extend_from_slice(&number.to_be_bytes());
        }
        record(6, &soa);
    }
    out
}

/// A server that runs until the test ends.
pub(in crate::net::sip) struct DnsServer {
    pub(in crate::net::sip) address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

impl DnsServer {
    pub(in crate::net::sip) async fn with(zone: Vec<Entry>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<(String, u16)>>>::default();
        let log = asked.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let query = &buffer[..length];
                let (_, name, kind) = question(query);
                log.lock().unwrap().push((name, kind));
                _ = socket.send_to(&answer(query, &zone), from).await;
            }
        });
        Self { address, asked }
    }

    /// What it was asked since the last time: names, with the types of records.
    pub(in crate::net::sip) fn asked(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}
