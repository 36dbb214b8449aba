//! Guessing is slow: limits for each account, each address, and each account from an address.
//!
//! | what | at once | then one each |
//! |---|---|---|
//! | an account, from one address | 5 | 30 s |
//! | an address (of IPv6, its /64) | 30 | 2 s |
//! | an account, from everywhere | 90 | 30 s |
//!
//! The middle column is by default; an address's is the setting, and the others follow it.
//!
//! So one who forgot a password is not kept waiting by others who guess at it, and many who guess are. They are kept by each
//! server for itself, and forgotten when it stops. Their memory is bounded: where there are too many to remember, those are
//! forgotten who have waited long enough, and then all.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed, keyed::HashMapStateStore},
};

use super::Email;

/// Failed attempts that are written down at once, and then one a second.
const NOTED: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");
/// What is remembered of each kind; some 10 MiB in all.
const MOST: usize = 50_000;

/// Counts attempts. The clock is replaced in tests.
pub(crate) struct Throttle<C: Clock = MonotonicClock> {
    of_account_here: Limit<(Email, IpAddr), C>,
    of_address: Limit<IpAddr, C>,
    of_account: Limit<Email, C>,
    noted: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
}

impl Throttle {
    /// With so many attempts at once for an address.
    pub(crate) fn new(attempts: u32) -> Self {
        Self::with_clock(attempts, MonotonicClock)
    }
}

impl<C: Clock + Clone> Throttle<C> {
    fn with_clock(attempts: u32, clock: C) -> Self {
        Self {
            of_account_here: Limit::new(attempts / 6, Duration::from_secs(30), clock.clone()),
            of_address: Limit::new(attempts, Duration::from_secs(2), clock.clone()),
            of_account: Limit::new(attempts.saturating_mul(3), Duration::from_secs(30), clock.clone()),
            noted: RateLimiter::direct_with_clock(Quota::per_second(NonZeroU32::MIN).allow_burst(NOTED), clock),
        }
    }

    /// Whether a failed attempt is written down, so that many who guess do not fill the disk.
    pub(crate) fn is_noted(&self) -> bool {
        self.noted.check().is_ok()
    }

    /// Counts an attempt of an address; how long it must wait instead.
    pub(crate) fn address(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        address.map_or(Ok(()), |address| self.of_address.check(&network(address)))
    }

    /// Counts an attempt at an account. The address comes first, so that what it may not do costs nobody else anything.
    pub(crate) fn account(&self, email: &Email, address: Option<IpAddr>) -> Result<(), Duration> {
        self.address(address)?;
        if let Some(address) = address {
            self.of_account_here.check(&(email.clone(), network(address)))?;
        }
        self.of_account.check(email)
    }
}

/// Who has one address of a network of IPv6 has them all.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

struct Limit<K: Hash + Eq + Clone, C: Clock> {
    limiter: RwLock<Limiter<K, C>>,
    quota: Quota,
    clock: C,
    most: usize,
}

type Limiter<K, C> = RateLimiter<K, HashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

impl<K: Hash + Eq + Clone, C: Clock + Clone> Limit<K, C> {
    fn new(burst: u32, then: Duration, clock: C) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(then).expect("it is not zero").allow_burst(burst);
        Self { limiter: RwLock::new(Self::limiter(quota, &clock)), quota, clock, most: MOST }
    }

    fn limiter(quota: Quota, clock: &C) -> Limiter<K, C> {
        RateLimiter::new(quota, HashMapStateStore::default(), clock.clone())
    }

    fn check(&self, key: &K) -> Result<(), Duration> {
        self.make_room();
        let limiter = self.limiter.read().unwrap_or_else(PoisonError::into_inner);
        limiter.check_key(key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    /// Many must have been counted before this happens again, so whoever makes it happen gains little.
    fn make_room(&self) {
        if self.limiter.read().unwrap_or_else(PoisonError::into_inner).len() < self.most {
            return;
        }
        let mut limiter = self.limiter.write().unwrap_or_else(PoisonError::into_inner);
        limiter.retain_recent();
        if limiter.len() > self.most / 2 {
            tracing::warn!("too many guess at passwords to remember them all; they are forgotten");
            *limiter = Self::limiter(self.quota, &self.clock);
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn email(name: &str) -> Email {
        format!("{name}@shop.example").parse().unwrap()
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn guesses_at_an_account_are_slow_and_others_are_not_kept_waiting() {
        let clock = FakeRelativeClock::default();
        let throttle = Throttle::with_clock(30, clock.clone());
        let (ann, ben) = (email("ann"), email("ben"));
        for _ in 0..5 {
            assert_eq!(throttle.account(&ann, address("10.0.0.1")), Ok(()));
        }
        let wait = throttle.account(&ann, address("10.0.0.1")).unwrap_err();
        assert!(wait > Duration::from_secs(29) && wait <= Duration::from_secs(30), "{wait:?}");
        assert_eq!(throttle.account(&ann, address("10.0.0.2")), Ok(()), "Ann herself is somewhere else");
        assert_eq!(throttle.account(&ben, address("10.0.0.1")), Ok(()), "and Ben behind the same wall");
        clock.advance(wait);
        assert_eq!(throttle.account(&ann, address("10.0.0.1")), Ok(()));
        assert!(throttle.account(&ann, address("10.0.0.1")).is_err());
    }

    #[test]
    fn one_address_guesses_at_few_accounts_and_many_at_one() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let taken =
            (0..1000).filter(|number| throttle.account(&email(&format!("u{number}")), address("10.0.0.1")).is_ok());
        assert_eq!(taken.count(), 30);
        let taken = (0..100_000).filter(|number| {
            let address = IpAddr::V6(Ipv6Addr::from_bits(u128::from(*number as u32) << 64));
            throttle.account(&email("ann"), Some(address)).is_ok()
        });
        assert_eq!(taken.count(), 90);
        // The whole of a small network counts as one.
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let taken = (0..1000).filter(|number| throttle.address(address(&format!("2001:db8::{number:x}"))).is_ok());
        assert_eq!(taken.count(), 30);
        assert_eq!(throttle.address(address("::ffff:10.0.0.1")), Ok(()));
        assert_eq!(throttle.address(None), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let mut limit = Limit::<u32, _>::new(1, Duration::from_secs(1), FakeRelativeClock::default());
        limit.most = 100;
        let remembered = |limit: &Limit<u32, _>| limit.limiter.read().unwrap().len();
        for key in 0..1000 {
            assert_eq!(limit.check(&key), Ok(()));
            assert!(remembered(&limit) <= 100);
        }
        // Those that may come again are the first to be forgotten.
        let limit = Limit { most: 100, ..Limit::new(1, Duration::from_secs(1), FakeRelativeClock::default()) };
        (0..80).for_each(|key| limit.check(&key).unwrap());
        limit.clock.advance(Duration::from_secs(2));
        (100..140).for_each(|key| limit.check(&key).unwrap());
        assert!(remembered(&limit) <= 100 && (100..140).all(|key| limit.check(&key).is_err()));
    }
}
