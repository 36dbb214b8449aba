//! Rate limits against guessing of passwords and tokens.
//!
//! | limit | burst | then one each |
//! |---|---|---|
//! | sign-ins to an account, from one address | 5 | 30 s |
//! | sign-ins from an address (for IPv6, a /64) | 30 | 2 s |
//! | sign-ins from an IPv6 site (a /48) | 120 | 500 ms |
//! | unknown tokens and keys, from an address | 30 | 2 s |
//! | unknown tokens and keys, from an IPv6 site | 120 | 500 ms |
//!
//! The bursts are defaults. A setting gives the burst of an address, and the others scale with it.
//!
//! No limit counts attempts from elsewhere, so others cannot lock a user out. When more passwords arrive than can be
//! verified, they wait in an ordered queue. First come clients who have signed in to the account from their address
//! before (the records store this, see `session`). Then come strangers: first those at accounts with few attempts,
//! among them those whose address has sent the fewest wrong passwords, and among these those who were rejected most
//! often. This is the half of OWASP's [device
//! cookies](https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies) that needs no
//! cookie.
//!
//! Each server keeps its own counts in memory and loses them when it stops. Their memory is bounded: see [`Limit`].

use std::{cmp::Reverse, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock, Reference},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use quick_cache::sync::Cache;

use super::{Email, password::HashError};
use crate::util::{Limit, network, site};

/// The burst of failed attempts in the audit log; then one a minute. Entries are stored for 400 days and must not fill
/// the disk.
const NOTED: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");

/// The capacity of each cache of addresses. Beyond it, addresses that return are kept.
const REMEMBERED: usize = 20_000;

/// The rank of a password in the queue for verification. The greatest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// The client is not known at this account. The rank depends on earlier attempts.
    Stranger(Tries),
    /// The client has signed in to this account from here before, or is signed in.
    Known,
}

/// The attempts at the account, and the outcomes of strangers' attempts from the same address. The order is that of the
/// fields: an account with few attempts ranks higher, then fewer wrong passwords, then more rejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Tries {
    /// Whether the account has more recent attempts than forgetful users cause.
    pub(super) beset: Reverse<bool>,
    pub(super) wrong: Reverse<u32>,
    /// Rejections since the last wrong password.
    pub(super) sent_away: u32,
}

/// Counts attempts. Tests replace the clock.
pub(crate) struct Throttle<C: Clock = MonotonicClock> {
    of_account_here: Limit<(Email, IpAddr), C>,
    of_address: Limit<IpAddr, C>,
    of_site: Limit<IpAddr, C>,
    of_account: Limit<Email, C>,
    strangers: Cache<IpAddr, Tries>,
    of_bearer: Limit<IpAddr, C>,
    of_bearer_site: Limit<IpAddr, C>,
    /// Addresses that presented the valid admin token, and addresses whose tokens are rejected for a time.
    bearers: Cache<IpAddr, Bearers<C::Instant>>,
    clock: C,
    noted: Noted<C>,
    tokens_noted: Noted<C>,
}

/// A limit on audit entries that clients can cause.
type Noted<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

impl Throttle {
    /// Creates the limits. `attempts` is the burst of one address.
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

    /// Returns whether to record a failed sign-in, so that guesses do not fill the disk.
    pub(crate) fn is_noted(&self) -> bool {
        self.noted.check().is_ok()
    }

    /// Returns whether to record an unknown token. This limit is separate, so that unknown tokens do not displace
    /// entries about passwords.
    pub(crate) fn is_token_noted(&self) -> bool {
        self.tokens_noted.check().is_ok()
    }

    /// Counts an attempt from an address, and returns its standing.
    ///
    /// # Errors
    ///
    /// Returns the time to wait if the address or its site has made too many.
    pub(crate) fn address(&self, address: Option<IpAddr>) -> Result<Standing, Duration> {
        let Some(address) = address.map(network) else { return Ok(Standing::Stranger(Tries::default())) };
        self.of_address.check(&address)?;
        if let Some(site) = site(address) {
            self.of_site.check(&site)?;
        }
        Ok(Standing::Stranger(self.strangers.get(&address).unwrap_or_default()))
    }

    /// Counts an attempt at an account from an address.
    ///
    /// # Errors
    ///
    /// Returns the time to wait if there were too many.
    pub(crate) fn attempt(&self, email: &Email, address: Option<IpAddr>) -> Result<(), Duration> {
        self.address(address)?;
        match address {
            Some(address) => self.of_account_here.check(&(email.clone(), network(address))).map(drop),
            None => Ok(()),
        }
    }

    /// Returns the standing of a client who is not known at the account.
    pub(crate) fn stranger(&self, email: &Email, address: Option<IpAddr>) -> Standing {
        let beset = Reverse(self.of_account.check(email).is_err());
        let tries = address.and_then(|address| self.strangers.get(&network(address))).unwrap_or_default();
        Standing::Stranger(Tries { beset, ..tries })
    }

    /// Records the outcome of an attempt: whether the password was right, or that it was not verified.
    pub(crate) fn tried(&self, address: Option<IpAddr>, looked: Result<bool, HashError>) {
        let Some(address) = address.map(network) else { return };
        // The read and the write are not atomic, so a concurrent update may be lost.
        let tries = self.strangers.get(&address).unwrap_or_default();
        let Tries { wrong: Reverse(wrong), sent_away, .. } = tries;
        let tries = match looked {
            Ok(true) => return,
            Ok(false) => Tries { wrong: Reverse(wrong.saturating_add(1)), sent_away: 0, ..tries },
            Err(_) => Tries { sent_away: sent_away.saturating_add(1), ..tries },
        };
        self.strangers.insert(address, tries);
    }

    /// Counts an unknown token or key.
    ///
    /// # Errors
    ///
    /// Returns the time to wait if the address or its site has presented too many.
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

    /// Returns whether the server checks an admin token from `address`, so that the token cannot be guessed at any
    /// speed. An address that has presented the valid token is not affected by the guesses of others.
    ///
    /// # Errors
    ///
    /// Returns the time until the server checks it.
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

    /// Records that the valid admin token came from `address`.
    pub(crate) fn token_shown(&self, address: IpAddr) {
        self.bearers.insert(network(address), Bearers::Known);
    }
}

/// The state of an address or site that has presented tokens.
#[derive(Debug, Clone, Copy)]
enum Bearers<I> {
    Known,
    Until(I),
}

/// The limit of an IPv6 site, as a multiple of the limit of an address.
const SITE: u32 = 4;

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn email(name: &str) -> Email {
        format!("{name}@shop.example").parse().unwrap()
    }

    /// The standing of a stranger whose address has sent this many wrong passwords.
    fn stranger(wrong: u32) -> Standing {
        Standing::Stranger(Tries { wrong: Reverse(wrong), ..Tries::default() })
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn limits_attempts_at_an_account_by_address() {
        let clock = FakeRelativeClock::default();
        let throttle = Throttle::with_clock(30, clock.clone());
        let (ann, ben) = (email("ann"), email("ben"));
        for _ in 0..5 {
            assert_eq!(throttle.attempt(&ann, address("10.0.0.1")), Ok(()));
        }
        let wait = throttle.attempt(&ann, address("10.0.0.1")).unwrap_err();
        assert!(wait > Duration::from_secs(29) && wait <= Duration::from_secs(30), "{wait:?}");
        assert_eq!(throttle.attempt(&ann, address("10.0.0.2")), Ok(()), "Ann herself is somewhere else");
        assert_eq!(throttle.attempt(&ben, address("10.0.0.1")), Ok(()), "Ben has the same address");
        clock.advance(wait);
        assert_eq!(throttle.attempt(&ann, address("10.0.0.1")), Ok(()));
        assert!(throttle.attempt(&ann, address("10.0.0.1")).is_err());
    }

    #[test]
    fn limits_attempts_by_address_and_by_site() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let taken =
            (0..1000).filter(|number| throttle.attempt(&email(&format!("u{number}")), address("10.0.0.1")).is_ok());
        assert_eq!(taken.count(), 30);
        // All addresses of a /64 share one limit.
        let taken = (0..1000).filter(|number| throttle.address(address(&format!("2001:db8::{number:x}"))).is_ok());
        assert_eq!(taken.count(), 30);
        // All networks of a site share four times as much.
        let of = |number: u32| address(&format!("2001:db8:0:{number:x}::1"));
        assert_eq!((1..65_000).filter(|number| throttle.address(of(*number)).is_ok()).count(), 90);
        assert!(throttle.address(address("2001:db8:1::1")).is_ok(), "another site has its own");
        assert_eq!(throttle.address(address("::ffff:10.0.0.2")), Ok(stranger(0)));
        assert_eq!(throttle.address(None), Ok(stranger(0)));
    }

    #[test]
    fn distributed_guesses_rank_last_and_reject_no_one() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let (ann, fresh) = (email("ann"), address("10.0.0.1"));
        for number in 0..10_000_u32 {
            let elsewhere = Some(IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0b00_0000 + number)));
            assert!(throttle.attempt(&ann, elsewhere).is_ok());
            throttle.stranger(&ann, elsewhere);
            throttle.tried(elsewhere, Ok(false));
        }
        assert!(throttle.attempt(&ann, fresh).is_ok(), "her address is new");
        let beset = throttle.stranger(&ann, fresh);
        let ben = throttle.stranger(&email("ben"), fresh);
        assert!(Standing::Known > ben && ben > beset, "other accounts do not wait for hers");
        assert!(beset > throttle.stranger(&ann, address("11.0.0.1")), "she comes before clients with wrong guesses");
    }

    #[test]
    fn rejected_clients_rank_before_new_strangers() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let (ann, home) = (email("ann"), address("10.0.0.1"));
        throttle.tried(home, Err(HashError::Busy));
        let comes_back = throttle.stranger(&ann, home);
        assert!(Standing::Known > comes_back && comes_back > stranger(0));
        throttle.tried(home, Ok(false));
        assert_eq!(throttle.stranger(&ann, home), stranger(1), "it was looked at");
    }

    #[test]
    fn limits_unknown_tokens_but_not_a_known_address() {
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
        assert!(
            throttle.may_show_token(of).is_ok(),
            "invalid tokens from the same network do not block a known address"
        );
    }

    #[test]
    fn limits_unknown_tokens_by_site() {
        let throttle = Throttle::with_clock(30, FakeRelativeClock::default());
        let of = |number: u32| format!("2001:db8:0:{number:x}::1").parse().unwrap();
        throttle.token_shown(of(7));
        assert_eq!((1000..2000).filter(|number| throttle.wrong_bearer(of(*number)).is_ok()).count(), 120);
        assert!(throttle.may_show_token(of(9999)).is_err(), "an address whose network has shown no valid token");
        assert!(throttle.may_show_token(of(7)).is_ok(), "at the address where the token was used before");
        assert!(throttle.may_show_token("2001:db8:1::1".parse().unwrap()).is_ok(), "another site");
    }
}
