//! One limit, for each of many keys, in bounded memory.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::keyed::HashMapStateStore,
};

/// What is remembered of each kind: some MiB.
const MOST: usize = 50_000;

/// Who has one address of a network of IPv6 has them all.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// The site of an address of IPv6: whoever has a site has 65,536 networks. `None` of an address of IPv4. Its last bit is set, so that it is
/// none of its networks.
pub(crate) fn site(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V6(address) => Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 80 << 80 | 1))),
        IpAddr::V4(_) => None,
    }
}

/// What is left to somebody who was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) count: u32,
    /// When all of it is there again.
    pub(crate) whole_in: Duration,
}

/// Counts by key. Where there are too many to remember, those are forgotten who may come again anyway, and then all.
pub(crate) struct Limit<K: Hash + Eq + Clone, C: Clock> {
    what: &'static str,
    limiter: RwLock<Limiter<K, C>>,
    quota: Quota,
    clock: C,
    most: usize,
}

type Limiter<K, C> = RateLimiter<K, HashMapStateStore<K>, C, StateInformationMiddleware>;

impl<K: Hash + Eq + Clone, C: Clock + Clone> Limit<K, C> {
    /// So many at once, and then one in each period. `what` names it in the log.
    pub(crate) fn new(what: &'static str, burst: u32, period: Duration, clock: C) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let period = period.max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).expect("it is not zero").allow_burst(burst);
        Self { what, limiter: RwLock::new(Self::limiter(quota, &clock)), quota, clock, most: MOST }
    }

    fn limiter(quota: Quota, clock: &C) -> Limiter<K, C> {
        RateLimiter::new(quota, HashMapStateStore::default(), clock.clone())
    }

    /// Counts one of this key; what is left to it, or how long it must wait instead.
    pub(crate) fn check(&self, key: &K) -> Result<Left, Duration> {
        self.check_many(key, NonZeroU32::MIN)
    }

    /// Counts several of this key. More than may come at once count as so many: else they could never come.
    pub(crate) fn check_many(&self, key: &K, count: NonZeroU32) -> Result<Left, Duration> {
        self.make_room();
        let limiter = self.limiter.read().unwrap_or_else(PoisonError::into_inner);
        let checked = limiter.check_key_n(key, count.min(self.quota.burst_size()));
        let checked = checked.expect("no more is counted than may come at once");
        let state = checked.map_err(|refused| refused.wait_time_from(self.clock.now()))?;
        Ok(self.left(&state))
    }

    fn left(&self, state: &StateSnapshot) -> Left {
        let count = state.remaining_burst_capacity();
        let used = self.quota.burst_size().get().saturating_sub(count);
        Left { count, whole_in: self.quota.replenish_interval().saturating_mul(used) }
    }

    /// Many must have been counted before this happens again, so whoever makes it happen gains little.
    fn make_room(&self) {
        if self.remembered() < self.most {
            return;
        }
        let mut limiter = self.limiter.write().unwrap_or_else(PoisonError::into_inner);
        limiter.retain_recent();
        if limiter.len() > self.most / 2 {
            tracing::warn!(limit = self.what, "too many were counted to remember them all; they are forgotten");
            *limiter = Self::limiter(self.quota, &self.clock);
        }
    }

    pub(crate) fn remembered(&self) -> usize {
        self.limiter.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut limit = Limit::<u32, _>::new("test", 1, Duration::from_secs(1), FakeRelativeClock::default());
        limit.most = 100;
        for key in 0..1000 {
            assert!(limit.check(&key).is_ok());
            assert!(limit.remembered() <= 100);
        }
        // Those that may come again are the first to be forgotten.
        let limit = Limit { most: 100, ..Limit::new("test", 1, Duration::from_secs(1), FakeRelativeClock::default()) };
        (0..80).for_each(|key| assert!(limit.check(&key).is_ok()));
        limit.clock.advance(Duration::from_secs(2));
        (100..140).for_each(|key| assert!(limit.check(&key).is_ok()));
        assert!(limit.remembered() <= 100 && (100..140).all(|key| limit.check(&key).is_err()));
    }

    #[test]
    fn many_keys_are_not_all_remembered() {
        let limit = Limit::<u32, _>::new("test", 5, Duration::from_secs(60), FakeRelativeClock::default());
        for key in 0..300_000 {
            assert!(limit.check(&key).is_ok());
        }
        assert!(limit.remembered() <= MOST);
    }

    #[test]
    fn a_small_network_of_ipv6_is_one_and_a_mapped_address_is_what_it_maps() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:0:1"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_ne!(parse("10.0.0.1"), parse("10.0.0.2"));
    }
}
