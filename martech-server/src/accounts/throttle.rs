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
//! server for itself, and forgotten when it stops. Their memory is bounded: see [`Limit`].

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use super::Email;
use crate::limits::{Limit, network};

/// Failed attempts that are written down at once, and then one a second.
const NOTED: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");

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
            of_account_here: Limit::new(
                "sign-in to an account from an address",
                attempts / 6,
                Duration::from_secs(30),
                clock.clone(),
            ),
            of_address: Limit::new("sign-in from an address", attempts, Duration::from_secs(2), clock.clone()),
            of_account: Limit::new(
                "sign-in to an account",
                attempts.saturating_mul(3),
                Duration::from_secs(30),
                clock.clone(),
            ),
            noted: RateLimiter::direct_with_clock(Quota::per_second(NonZeroU32::MIN).allow_burst(NOTED), clock),
        }
    }

    /// Whether a failed attempt is written down, so that many who guess do not fill the disk.
    pub(crate) fn is_noted(&self) -> bool {
        self.noted.check().is_ok()
    }

    /// Counts an attempt of an address; how long it must wait instead.
    pub(crate) fn address(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        address.map_or(Ok(()), |address| self.of_address.check(&network(address)).map(drop))
    }

    /// Counts an attempt at an account. The address comes first, so that what it may not do costs nobody else anything.
    pub(crate) fn account(&self, email: &Email, address: Option<IpAddr>) -> Result<(), Duration> {
        self.address(address)?;
        if let Some(address) = address {
            self.of_account_here.check(&(email.clone(), network(address)))?;
        }
        self.of_account.check(email).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

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
}
