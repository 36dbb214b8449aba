//! A rate limit for each of many keys, in bounded memory.

use std::{
    hash::Hash,
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

/// The capacity of a limit, in keys: some MiB.
const MOST: usize = 50_000;

/// The quota that remains after an accepted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) count: u32,
    /// The time until the full quota is available.
    pub(crate) whole_in: Duration,
}

/// Counts by key. When the capacity is reached, the limit forgets keys whose full quota is available again. If that
/// frees less than half of the capacity, it forgets all keys.
pub(crate) struct Limit<K: Hash + Eq + Clone, C: Clock> {
    what: &'static str,
    limiter: RwLock<Limiter<K, C>>,
    quota: Quota,
    clock: C,
    most: usize,
}

type Limiter<K, C> = RateLimiter<K, HashMapStateStore<K>, C, StateInformationMiddleware>;

impl<K: Hash + Eq + Clone, C: Clock + Clone> Limit<K, C> {
    /// Creates a limit of `burst` at once, and then one in each period. `what` is the name of the limit in the log.
    pub(crate) fn new(what: &'static str, burst: u32, period: Duration, clock: C) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let period = period.max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).expect("it is not zero").allow_burst(burst);
        Self { what, limiter: RwLock::new(Self::limiter(quota, &clock)), quota, clock, most: MOST }
    }

    fn limiter(quota: Quota, clock: &C) -> Limiter<K, C> {
        RateLimiter::new(quota, HashMapStateStore::default(), clock.clone())
    }

    /// Counts one request of a key, and returns the remaining quota.
    ///
    /// # Errors
    ///
    /// Returns the time to wait if the quota is used up. A rejected request does not count.
    pub(crate) fn check(&self, key: &K) -> Result<Left, Duration> {
        self.check_many(key, NonZeroU32::MIN)
    }

    /// Counts several units of a key at once. A count above the burst counts as the burst, because it could never be
    /// accepted otherwise.
    ///
    /// # Errors
    ///
    /// Returns the time to wait if the quota is used up. A rejected request does not count.
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

    /// Frees memory at capacity. An attacker must be counted many times to trigger this, and so gains little.
    fn make_room(&self) {
        if self.remembered() < self.most {
            return;
        }
        let mut limiter = self.limiter.write().unwrap_or_else(PoisonError::into_inner);
        limiter.retain_recent();
        if limiter.len() > self.most / 2 {
            tracing::warn!(limit = self.what, "a rate limit has too many keys; resetting it");
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
        // Keys whose quota is full again are forgotten first.
        let limit = Limit { most: 100, ..Limit::new("test", 1, Duration::from_secs(1), FakeRelativeClock::default()) };
        (0..80).for_each(|key| assert!(limit.check(&key).is_ok()));
        limit.clock.advance(Duration::from_secs(2));
        (100..140).for_each(|key| assert!(limit.check(&key).is_ok()));
        assert!(limit.remembered() <= 100 && (100..140).all(|key| limit.check(&key).is_err()));
    }

    #[test]
    fn capacity_bounds_the_number_of_keys() {
        let limit = Limit::<u32, _>::new("test", 5, Duration::from_secs(60), FakeRelativeClock::default());
        for key in 0..300_000 {
            assert!(limit.check(&key).is_ok());
        }
        assert!(limit.remembered() <= MOST);
    }
}
