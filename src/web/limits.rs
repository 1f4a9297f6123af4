//! How often somebody may do something. Pure: the time comes from outside.
//!
//! Each has a bucket of so many goes; one is regained after each `regain`. What is kept of a bucket
//! is the moment at which it will be full again.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How many goes, and how fast they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Goes of a full bucket.
    pub burst: u32,
    /// After this time there is one more.
    pub regain: Duration,
}

/// Buckets of those who did something lately.
#[derive(Debug)]
pub struct Limiter<K> {
    limit: Limit,
    full_at: BTreeMap<K, Instant>,
}

/// Buckets that are kept. With one more, those that are full again are dropped, or else the one
/// that is nearest to it: whoever has done most is remembered longest.
const KEPT_MAX: usize = 4096;

impl<K: Ord + Clone> Limiter<K> {
    /// All buckets are full.
    pub fn new(limit: Limit) -> Self {
        Self { limit, full_at: BTreeMap::new() }
    }

    /// Takes a go.
    ///
    /// # Errors
    /// How long it is until there is one again.
    pub fn take(&mut self, who: &K, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.get(who).copied().unwrap_or(now).max(now);
        let after = full_at + self.limit.regain;
        let empty_at = now + self.limit.regain * self.limit.burst;
        if after > empty_at {
            return Err(after - empty_at);
        }
        if !self.full_at.contains_key(who) {
            self.make_room(now);
        }
        self.full_at.insert(who.clone(), after);
        Ok(())
    }

    /// Puts a go back that is not to count after all.
    pub fn give_back(&mut self, who: &K) {
        if let Some(full_at) = self.full_at.get_mut(who)
            && let Some(before) = full_at.checked_sub(self.limit.regain)
        {
            *full_at = before;
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.full_at.len() < KEPT_MAX {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= KEPT_MAX {
            let nearest = self.full_at.iter().min_by_key(|(_, full_at)| **full_at);
            if let Some(who) = nearest.map(|(who, _)| who.clone()) {
                self.full_at.remove(&who);
            }
        }
    }
}

/// Whom an address counts for: itself, or, since a household has as many addresses of IPv6 as it
/// likes, the network of 64 bits that it is given (RFC 6177).
pub fn source_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { burst: 3, regain: Duration::from_secs(10) };

    #[test]
    fn goes_come_back_one_by_one() {
        let mut limiter = Limiter::new(LIMIT);
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert_eq!(limiter.take(&"a", now), Ok(()));
        }
        assert_eq!(limiter.take(&"a", now), Err(Duration::from_secs(10)));
        assert_eq!(limiter.take(&"b", now), Ok(()), "others have their own");
        assert_eq!(limiter.take(&"a", at(9)), Err(Duration::from_secs(1)));
        assert_eq!(limiter.take(&"a", at(10)), Ok(()));
        assert_eq!(limiter.take(&"a", at(10)), Err(Duration::from_secs(10)));
        for _ in 0..3 {
            assert_eq!(limiter.take(&"a", at(1000)), Ok(()), "and never more than a bucket");
        }
        assert!(limiter.take(&"a", at(1000)).is_err());
        limiter.give_back(&"a");
        assert_eq!(limiter.take(&"a", at(1000)), Ok(()));
    }

    #[test]
    fn who_has_done_most_is_remembered() {
        let mut limiter = Limiter::new(LIMIT);
        let now = Instant::now();
        for _ in 0..3 {
            limiter.take(&u32::MAX, now).expect("is left");
        }
        for other in 0..2 * u32::try_from(KEPT_MAX).expect("small") {
            limiter.take(&other, now).expect("is left");
        }
        assert!(limiter.take(&u32::MAX, now).is_err());
        assert!(limiter.full_at.len() <= KEPT_MAX);
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let key = |text: &str| source_key(text.parse().expect("an address")).to_string();
        assert_eq!(key("192.0.2.1"), "192.0.2.1");
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(key("::1"), "::");
    }
}
