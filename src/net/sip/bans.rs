//! Sources that are ignored for a while: scanners, guessers of passwords, floods. Pure.
//!
//! ```text
//!  refused or malformed --strike--> counted --too many within the window--> banned --time--> free
//! ```
//!
//! Sources of datagrams can be forged. So nobody whom a trunk names is ever banned, and the tables
//! are bounded: a flood from forged addresses can make them forget, not grow.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Strikes are counted within windows of this length.
const WINDOW: Duration = Duration::from_secs(60);
/// Who has shown a right password is not banned for so long.
const TRUST: Duration = Duration::from_secs(60 * 60);
/// How often bans that have ended are looked for in a full table.
const PURGE_EVERY: Duration = Duration::from_secs(1);
/// Sources counted at once, and sources banned at once. A full table of strikes is begun anew; to a
/// full table of bans none is added until one has ended.
const SOURCES_MAX: usize = 8192;

/// When a source is ignored, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BanLimits {
    /// So many strikes within a minute are too many; 0 for never.
    pub strikes_max: u32,
    /// How long a source is ignored then.
    pub length: Duration,
}

#[derive(Debug)]
pub(super) struct Bans {
    limits: BanLimits,
    window_until: Instant,
    strikes: HashMap<IpAddr, u32>,
    until: HashMap<IpAddr, Instant>,
    purge_at: Instant,
    trusted: HashMap<IpAddr, Instant>,
}

/// A household has a /64 of IPv6 for itself (RFC 6177), and so has a scanner.
pub(super) fn key(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        ip => ip,
    }
}

impl Bans {
    pub(super) fn new(limits: BanLimits, now: Instant) -> Self {
        Self {
            limits,
            window_until: now + WINDOW,
            strikes: HashMap::new(),
            until: HashMap::new(),
            purge_at: now,
            trusted: HashMap::new(),
        }
    }

    pub(super) fn is_banned(&self, source: IpAddr, now: Instant) -> bool {
        // Nearly always empty, and asked for every message.
        !self.until.is_empty() && self.until.get(&key(source)).is_some_and(|until| now < *until)
    }

    /// Counts a request that was refused or could not be read; says whether its source is banned
    /// from now on.
    pub(super) fn strike(&mut self, source: IpAddr, now: Instant) -> bool {
        if self.limits.strikes_max == 0 {
            return false;
        }
        let source = key(source);
        if self.trusted.get(&source).is_some_and(|until| now < *until) {
            return false;
        }
        if now >= self.window_until
            || (self.strikes.len() >= SOURCES_MAX && !self.strikes.contains_key(&source))
        {
            self.strikes.clear();
            self.window_until = now + WINDOW;
        }
        let strikes = self.strikes.entry(source).or_default();
        *strikes += 1;
        if *strikes <= self.limits.strikes_max {
            return false;
        }
        self.strikes.remove(&source);
        if self.until.len() >= SOURCES_MAX && now >= self.purge_at {
            self.until.retain(|_, until| now < *until);
            self.purge_at = now + PURGE_EVERY;
        }
        if self.until.len() >= SOURCES_MAX {
            return false;
        }
        self.until.insert(source, now + self.limits.length);
        true
    }

    /// A source has proven that it is known: what it did is forgotten, and for a while it is not
    /// banned whatever it does.
    pub(super) fn trust(&mut self, source: IpAddr, now: Instant) {
        let source = key(source);
        self.strikes.remove(&source);
        if self.trusted.len() >= SOURCES_MAX {
            self.trusted.retain(|_, until| now < *until);
        }
        if self.trusted.len() < SOURCES_MAX {
            self.trusted.insert(source, now + TRUST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bans(strikes_max: u32, now: Instant) -> Bans {
        Bans::new(BanLimits { strikes_max, length: Duration::from_secs(600) }, now)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn too_many_within_a_minute_are_banned_and_then_free_again() {
        let start = Instant::now();
        let mut bans = bans(3, start);
        let (scanner, other) = (ip("198.51.100.7"), ip("198.51.100.8"));
        for _ in 0..3 {
            assert!(!bans.strike(scanner, start));
        }
        assert!(!bans.is_banned(scanner, start));
        assert!(bans.strike(scanner, start) && bans.is_banned(scanner, start));
        assert!(!bans.is_banned(other, start));
        let end = start + Duration::from_secs(600);
        assert!(bans.is_banned(scanner, end - Duration::from_secs(1)));
        assert!(!bans.is_banned(scanner, end));
    }

    #[test]
    fn a_few_a_minute_are_never_too_many() {
        let mut now = Instant::now();
        let mut bans = bans(3, now);
        for _ in 0..100 {
            for _ in 0..3 {
                assert!(!bans.strike(ip("198.51.100.7"), now));
            }
            now += WINDOW;
        }
        for _ in 0..3 {
            bans.strike(ip("198.51.100.7"), now);
        }
        bans.trust(ip("198.51.100.7"), now);
        assert!((0..9).all(|_| !bans.strike(ip("198.51.100.7"), now)));
        assert!((0..4).any(|_| bans.strike(ip("198.51.100.7"), now + TRUST)));
        let mut never = Bans::new(BanLimits { strikes_max: 0, length: WINDOW }, now);
        assert!((0..1000).all(|_| !never.strike(ip("198.51.100.7"), now)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_a_mapped_address_is_itself() {
        let now = Instant::now();
        let mut bans = bans(1, now);
        bans.strike(ip("2001:db8:0:1::5"), now);
        assert!(bans.strike(ip("2001:db8:0:1:ffff::9"), now));
        assert!(bans.is_banned(ip("2001:db8:0:1::1"), now));
        assert!(!bans.is_banned(ip("2001:db8:0:2::1"), now));
        bans.strike(ip("198.51.100.7"), now);
        assert!(bans.strike(ip("::ffff:198.51.100.7"), now));
        assert!(bans.is_banned(ip("198.51.100.7"), now));
    }

    #[test]
    fn forged_sources_do_not_fill_the_memory() {
        let now = Instant::now();
        let mut bans = bans(1, now);
        for number in 0..3 * SOURCES_MAX as u32 {
            let source = IpAddr::from(number.to_be_bytes());
            bans.strike(source, now);
            bans.strike(source, now);
        }
        assert!(bans.strikes.len() <= SOURCES_MAX && bans.until.len() <= SOURCES_MAX);
    }
}
