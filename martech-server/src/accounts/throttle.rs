//! Guessing is slow: limits for each address, and each account from an address.
//!
//! | what | at once | then one each |
//! |---|---|---|
//! | an account, from one address | 5 | 30 s |
//! | an address (of IPv6, its /64) | 30 | 2 s |
//! | a site of IPv6 (its /48) | 120 | 500 ms |
//! | tokens and keys that open nothing, of an address | 30 | 2 s |
//!
//! The middle column is by default; an address's is the setting, and the others follow it.
//!
//! No password is refused because of what others tried from elsewhere. Each address has so many attempts, and where more
//! passwords come than can be verified, the line has an order. First come those who have signed in to the account from that
//! address before (the records know them, see `session`), then strangers: those at accounts that few have tried, of these
//! those from whose address the fewest were wrong, and of these those who were sent away most often. See the
//! [device cookies](https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies)
//! of OWASP, of which this is the half that needs no cookie.
//!
//! The counts are kept by each server for itself, and forgotten when it stops. Their memory is bounded: see [`Limit`].

use std::{cmp::Reverse, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock, Reference},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use quick_cache::sync::Cache;

use super::{Email, password::HashError};
use crate::limits::{Limit, network, site};

/// Failed attempts that are written down at once, and then one a minute: what is kept for 400 days must not fill the disk.
const NOTED: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");

/// So many strangers' addresses are remembered; of more those that come up again.
const REMEMBERED: usize = 20_000;

/// Whose password is verified first where many wait. The greater goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// All that is known is what became of others from where they are.
    Stranger(Tries),
    /// They have signed in from where they are, or are signed in.
    Known,
}

/// How many tried the account, and what became of those at the same address who were strangers. Few that were wrong are
/// better; of as many, more that were sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Tries {
    /// More have tried the account of late than forget their passwords.
    pub(super) beset: Reverse<bool>,
    pub(super) wrong: Reverse<u32>,
    /// Since the last that was wrong.
    pub(super) sent_away: u32,
}

/// Counts attempts. The clock is replaced in tests.
pub(crate) struct Throttle<C: Clock = MonotonicClock> {
    of_account_here: Limit<(Email, IpAddr), C>,
    of_address: Limit<IpAddr, C>,
    of_site: Limit<IpAddr, C>,
    of_account: Limit<Email, C>,
    strangers: Cache<IpAddr, Tries>,
    of_bearer: Limit<IpAddr, C>,
    of_bearer_site: Limit<IpAddr, C>,
    /// Where the admin token was shown, and until when it is not looked at.
    bearers: Cache<IpAddr, Bearers<C::Instant>>,
    clock: C,
    noted: Noted<C>,
    tokens_noted: Noted<C>,
}

/// What is written down of what many may do.
type Noted<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

impl Throttle {
    /// With so many attempts at once for an address.
    pub(crate) fn new(attempts: u32) -> Self {
        Self::with_clock(attempts, MonotonicClock)
    }
}

impl<C: Clock + Clone> Throttle<C> {
    fn with_clock(attempts: u32, clock: C) -> Self {
        let noted = || {
            let quota = Quota::per_minute(NonZeroU32::MIN).allow_burst(NOTED);
            RateLimiter::direct_with_clock(quota, clock.clone())
        };
        Self {
            of_account_here: Limit::new(
                "sign-in to an account from an address",
                attempts / 6,
                Duration::from_secs(30),
                clock.clone(),
            ),
            of_address: Limit::new("sign-in from an address", attempts, Duration::from_secs(2), clock.clone()),
            of_site: Limit::new(
                "sign-in from a site",
                attempts.saturating_mul(SITE),
                Duration::from_secs(2) / SITE,
                clock.clone(),
            ),
            of_bearer: Limit::new("wrong tokens of an address", attempts, Duration::from_secs(2), clock.clone()),
            of_bearer_site: Limit::new(
                "wrong tokens of a site",
                attempts.saturating_mul(SITE),
                Duration::from_secs(2) / SITE,
                clock.clone(),
            ),
            bearers: Cache::new(REMEMBERED),
            of_account: Limit::new(
                "sign-in to an account",
                attempts.saturating_mul(3),
                Duration::from_secs(30),
                clock.clone(),
            ),
            strangers: Cache::new(REMEMBERED),
            noted: noted(),
            tokens_noted: noted(),
            clock,
        }
    }

    /// Whether a failed attempt is written down, so that many who guess do not fill the disk.
    pub(crate) fn is_noted(&self) -> bool {
        self.noted.check().is_ok()
    }

    /// The same of a token that opens nothing: many of those do not hide who guesses at passwords.
    pub(crate) fn is_token_noted(&self) -> bool {
        self.tokens_noted.check().is_ok()
    }

    /// Counts an attempt of an address; how long it must wait instead.
    pub(crate) fn address(&self, address: Option<IpAddr>) -> Result<Standing, Duration> {
        let Some(address) = address.map(network) else { return Ok(Standing::Stranger(Tries::default())) };
        self.of_address.check(&address)?;
        if let Some(site) = site(address) {
            self.of_site.check(&site)?;
        }
        Ok(Standing::Stranger(self.strangers.get(&address).unwrap_or_default()))
    }

    /// Counts an attempt at an account from an address; how long it must wait instead.
    pub(crate) fn attempt(&self, email: &Email, address: Option<IpAddr>) -> Result<(), Duration> {
        self.address(address)?;
        match address {
            Some(address) => self.of_account_here.check(&(email.clone(), network(address))).map(drop),
            None => Ok(()),
        }
    }

    /// The standing of somebody who is not known there.
    pub(crate) fn stranger(&self, email: &Email, address: Option<IpAddr>) -> Standing {
        let beset = Reverse(self.of_account.check(email).is_err());
        let tries = address.and_then(|address| self.strangers.get(&network(address))).unwrap_or_default();
        Standing::Stranger(Tries { beset, ..tries })
    }

    /// What became of an attempt: whether the password was right, if it was looked at.
    pub(crate) fn tried(&self, address: Option<IpAddr>, looked: Result<bool, HashError>) {
        let Some(address) = address.map(network) else { return };
        // Of two at once one may be lost.
        let tries = self.strangers.get(&address).unwrap_or_default();
        let Tries { wrong: Reverse(wrong), sent_away, .. } = tries;
        let tries = match looked {
            Ok(true) => return,
            Ok(false) => Tries { wrong: Reverse(wrong.saturating_add(1)), sent_away: 0, ..tries },
            Err(_) => Tries { sent_away: sent_away.saturating_add(1), ..tries },
        };
        self.strangers.insert(address, tries);
    }

    /// Counts a token or a key that opens nothing; how long its address must wait, where it has shown too many.
    pub(crate) fn wrong_bearer(&self, address: IpAddr) -> Result<(), Duration> {
        let count = |limit: &Limit<IpAddr, C>, counted: IpAddr| {
            limit.check(&counted).map(drop).inspect_err(|wait| {
                if !matches!(self.bearers.get(&counted), Some(Bearers::Known)) {
                    self.bearers.insert(counted, Bearers::Until(self.clock.now() + (*wait).into()));
                }
            })
        };
        let of_address = count(&self.of_bearer, network(address));
        let of_site = site(address).map_or(Ok(()), |site| count(&self.of_bearer_site, site));
        of_address.and(of_site)
    }

    /// Whether the admin token is looked at that comes from an address; if not, how long until it is. Otherwise it could be
    /// guessed as fast as one likes. Where it was shown before, others' guesses are in nobody's way.
    pub(crate) fn may_show_token(&self, address: IpAddr) -> Result<(), Duration> {
        let wait = |counted: IpAddr| match self.bearers.get(&counted) {
            Some(Bearers::Until(until)) => Some(Duration::from(until.duration_since(self.clock.now()))),
            _ => None,
        };
        let network = network(address);
        if let Some(Bearers::Known) = self.bearers.get(&network) {
            return Ok(());
        }
        match wait(network).max(site(address).and_then(wait)) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(wait),
        }
    }

    /// The admin token came from there.
    pub(crate) fn token_shown(&self, address: IpAddr) {
        self.bearers.insert(network(address), Bearers::Known);
    }
}

/// What is known of an address that shows tokens.
#[derive(Debug, Clone, Copy)]
enum Bearers<I> {
    Known,
    Until(I),
}

/// An address of IPv6 that is one of a site's many networks has so many times what one has.
const SITE: u32 = 4;

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn email(name: &str) -> Email {
        format!("{name}@shop.example").parse().unwrap()
    }

    /// Of somebody from whose address so many were wrong.
    fn stranger(wrong: u32) -> Standing {
        Standing::Stranger(Tries { wrong: Reverse(wrong), ..Tries::default() })
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
            assert_eq!(throttle.attempt(&ann, address("10.0.0.1")), Ok(()));
        }
        let wait = throttle.attempt(&ann, address("10.0.0.1")).unwrap_err();
        assert!(wait > Duration::from_secs(29) && wait <= Duration::from_secs(30), "{wait:?}");
        assert_eq!(throttle.attempt(&ann, address("10.0.0.2")), Ok(()), "Ann herself is somewhere else");
        assert_eq!(throttle.attempt(&ben, address("10.0.0.1")), Ok(()), "and Ben behind the same wall");
        clock.advance(wait);
        assert_eq!(throttle.attempt(&ann, address("10.0.0.1")), Ok(()));
        assert!(throttle.attempt(&ann, address("10.0.0.1")).is_err());
    }

    #[test]
    fn an_address_guesses_at_few_accounts_and_a_site_from_few_networks() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let taken =
            (0..1000).filter(|number| throttle.attempt(&email(&format!("u{number}")), address("10.0.0.1")).is_ok());
        assert_eq!(taken.count(), 30);
        // The whole of a small network counts as one.
        let taken = (0..1000).filter(|number| throttle.address(address(&format!("2001:db8::{number:x}"))).is_ok());
        assert_eq!(taken.count(), 30);
        // And all networks of a site as four.
        let of = |number: u32| address(&format!("2001:db8:0:{number:x}::1"));
        assert_eq!((1..65_000).filter(|number| throttle.address(of(*number)).is_ok()).count(), 90);
        assert!(throttle.address(address("2001:db8:1::1")).is_ok(), "another site has its own");
        assert_eq!(throttle.address(address("::ffff:10.0.0.2")), Ok(stranger(0)));
        assert_eq!(throttle.address(None), Ok(stranger(0)));
    }

    #[test]
    fn many_who_guess_send_nobody_away_and_go_last() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let (ann, fresh) = (email("ann"), address("10.0.0.1"));
        for number in 0..10_000_u32 {
            let elsewhere = Some(IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0b00_0000 + number)));
            assert!(throttle.attempt(&ann, elsewhere).is_ok());
            throttle.stranger(&ann, elsewhere);
            throttle.tried(elsewhere, Ok(false));
        }
        assert!(throttle.attempt(&ann, fresh).is_ok(), "she is at an address where she never was");
        let beset = throttle.stranger(&ann, fresh);
        let ben = throttle.stranger(&email("ben"), fresh);
        assert!(Standing::Known > ben && ben > beset, "others' accounts do not wait for hers");
        assert!(beset > throttle.stranger(&ann, address("11.0.0.1")), "and she goes before who has guessed wrong");
    }

    #[test]
    fn who_was_sent_away_goes_before_those_who_come_for_the_first_time() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let (ann, home) = (email("ann"), address("10.0.0.1"));
        throttle.tried(home, Err(HashError::Busy));
        let comes_back = throttle.stranger(&ann, home);
        assert!(Standing::Known > comes_back && comes_back > stranger(0));
        throttle.tried(home, Ok(false));
        assert_eq!(throttle.stranger(&ann, home), stranger(1), "it was looked at");
    }

    #[test]
    fn tokens_that_open_nothing_are_limited_and_the_right_one_is_known_again() {
        let clock = FakeRelativeClock::default();
        let throttle = Throttle::with_clock(30, clock.clone());
        let (of, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert_eq!((0..100).filter(|_| throttle.wrong_bearer(of).is_ok()).count(), 30);
        let wait = throttle.may_show_token(of).unwrap_err();
        assert!(throttle.may_show_token(other).is_ok());
        clock.advance(wait);
        assert!(throttle.may_show_token(of).is_ok());
        throttle.token_shown(of);
        assert_eq!((0..100).filter(|_| throttle.wrong_bearer(of).is_ok()).count(), 1);
        assert!(throttle.may_show_token(of).is_ok(), "others at the same address lock nobody out");
    }

    #[test]
    fn tokens_are_counted_by_site_too() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let of = |number: u32| format!("2001:db8:0:{number:x}::1").parse().unwrap();
        throttle.token_shown(of(7));
        assert_eq!((1000..2000).filter(|number| throttle.wrong_bearer(of(*number)).is_ok()).count(), 120);
        assert!(throttle.may_show_token(of(9999)).is_err(), "from a network that has shown none");
        assert!(throttle.may_show_token(of(7)).is_ok(), "where it was shown before");
        assert!(throttle.may_show_token("2001:db8:1::1".parse().unwrap()).is_ok(), "another site");
    }
}
