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
//! So one who forgot a password is not kept waiting by others who guess at it, and many who guess are.
//!
//! Who has signed in to an account from an address is known there: what others try from everywhere else does not count against
//! them, and where more passwords come than can be verified, theirs is the first. Of strangers those go first from whose address
//! the fewest were wrong, and of these those who were sent away most often. See the [device cookies](https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies)
//! of OWASP, of which this is the half that needs no cookie.
//!
//! All of it is kept by each server for itself, and forgotten when it stops. Its memory is bounded: see [`Limit`].

use std::{cmp::Reverse, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use quick_cache::sync::Cache;

use super::{Email, password::HashError};
use crate::limits::{Limit, network};

/// Failed attempts that are written down at once, and then one a second.
const NOTED: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");

/// So many are remembered who are known, and so many strangers' addresses; of more those that come up again.
const REMEMBERED: usize = 20_000;

/// Whose password is verified first where many wait. The greater goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// All that is known is what became of others from where they are.
    Stranger(Tries),
    /// They have signed in from where they are, or are signed in.
    Known,
}

/// What became of those at the same address who were strangers. Few that were wrong are better; of as many, more that were sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Tries {
    pub(super) wrong: Reverse<u32>,
    /// Since the last that was wrong.
    pub(super) sent_away: u32,
}

/// Counts attempts. The clock is replaced in tests.
pub(crate) struct Throttle<C: Clock = MonotonicClock> {
    of_account_here: Limit<(Email, IpAddr), C>,
    of_address: Limit<IpAddr, C>,
    of_account: Limit<Email, C>,
    known: Cache<(Email, IpAddr), ()>,
    strangers: Cache<IpAddr, Tries>,
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
            known: Cache::new(REMEMBERED),
            strangers: Cache::new(REMEMBERED),
            noted: RateLimiter::direct_with_clock(Quota::per_second(NonZeroU32::MIN).allow_burst(NOTED), clock),
        }
    }

    /// Whether a failed attempt is written down, so that many who guess do not fill the disk.
    pub(crate) fn is_noted(&self) -> bool {
        self.noted.check().is_ok()
    }

    /// Counts an attempt of an address; how long it must wait instead.
    pub(crate) fn address(&self, address: Option<IpAddr>) -> Result<Standing, Duration> {
        let Some(address) = address.map(network) else { return Ok(Standing::Stranger(Tries::default())) };
        self.of_address.check(&address)?;
        Ok(Standing::Stranger(self.strangers.get(&address).unwrap_or_default()))
    }

    /// Counts an attempt at an account. The address comes first, so that what it may not do costs nobody else anything.
    pub(crate) fn account(&self, email: &Email, address: Option<IpAddr>) -> Result<Standing, Duration> {
        let stranger = self.address(address)?;
        if let Some(address) = address {
            let here = (email.clone(), network(address));
            self.of_account_here.check(&here)?;
            if self.known.get(&here).is_some() {
                return Ok(Standing::Known);
            }
        }
        self.of_account.check(email)?;
        Ok(stranger)
    }

    /// What became of an attempt: whether the password was right, if it was looked at.
    pub(crate) fn tried(&self, email: &Email, address: Option<IpAddr>, looked: Result<bool, HashError>) {
        let Some(address) = address.map(network) else { return };
        // Of two at once one may be lost.
        let Tries { wrong: Reverse(wrong), sent_away } = self.strangers.get(&address).unwrap_or_default();
        let tries = match looked {
            Ok(true) => return self.known.insert((email.clone(), address), ()),
            Ok(false) => Tries { wrong: Reverse(wrong.saturating_add(1)), sent_away: 0 },
            Err(_) => Tries { wrong: Reverse(wrong), sent_away: sent_away.saturating_add(1) },
        };
        self.strangers.insert(address, tries);
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

    /// Of somebody from whose address so many were wrong.
    fn stranger(wrong: u32) -> Standing {
        Standing::Stranger(Tries { wrong: Reverse(wrong), sent_away: 0 })
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
            assert_eq!(throttle.account(&ann, address("10.0.0.1")), Ok(stranger(0)));
        }
        let wait = throttle.account(&ann, address("10.0.0.1")).unwrap_err();
        assert!(wait > Duration::from_secs(29) && wait <= Duration::from_secs(30), "{wait:?}");
        assert_eq!(throttle.account(&ann, address("10.0.0.2")), Ok(stranger(0)), "Ann herself is somewhere else");
        assert_eq!(throttle.account(&ben, address("10.0.0.1")), Ok(stranger(0)), "and Ben behind the same wall");
        clock.advance(wait);
        assert_eq!(throttle.account(&ann, address("10.0.0.1")), Ok(stranger(0)));
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
        assert_eq!(throttle.address(address("::ffff:10.0.0.1")), Ok(stranger(0)));
        assert_eq!(throttle.address(None), Ok(stranger(0)));
    }

    #[test]
    fn who_is_known_goes_first_and_is_not_locked_out() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let (ann, home) = (email("ann"), address("10.0.0.1"));
        throttle.tried(&ann, home, Ok(true));
        for number in 0..1000 {
            let elsewhere = address(&format!("10.1.{}.{}", number / 250, number % 250));
            if throttle.account(&ann, elsewhere).is_ok() {
                throttle.tried(&ann, elsewhere, Ok(false));
            }
        }
        assert!(throttle.account(&ann, address("10.2.0.1")).is_err(), "too many have tried");
        assert_eq!(throttle.account(&ann, home), Ok(Standing::Known));
        assert_eq!(throttle.account(&email("ben"), home), Ok(stranger(0)), "to others' accounts she is a stranger");
        assert_eq!(throttle.account(&email("ben"), address("10.1.0.1")), Ok(stranger(1)));
        // Guesses from where she is are as slow as elsewhere.
        let taken = (0..100).filter(|_| throttle.account(&ann, home).is_ok()).count();
        assert_eq!(taken, 4);
        assert!(Standing::Known > stranger(0) && stranger(0) > stranger(1));
    }

    #[test]
    fn who_was_sent_away_goes_before_those_who_come_for_the_first_time() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let (ann, home) = (email("ann"), address("10.0.0.1"));
        throttle.tried(&ann, home, Err(HashError::Busy));
        let comes_back = throttle.account(&ann, home).unwrap();
        assert!(Standing::Known > comes_back && comes_back > stranger(0));
        throttle.tried(&ann, home, Ok(false));
        assert_eq!(throttle.account(&ann, home), Ok(stranger(1)), "it was looked at");
    }
}
