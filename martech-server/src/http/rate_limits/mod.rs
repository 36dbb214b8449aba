//! Rate limits of requests, by address and by key.
//!
//! - The address is counted first, before the server reads the body, looks up a key or hashes a password. A key is
//!   counted only after its lookup, so that invalid keys use no memory.
//! - The address is that of the client, as trusted proxies report it. An IPv6 address counts as its /64. A /48 has
//!   65,536 of these, so each /48 has a limit too, eight times that of an address.
//! - The bytes of events are counted by address, after decompression and before parsing.
//! - A rejected request gets the time to wait ([`fields`]) and does not count.
//! - Networks can be exempt. Private networks are by default, because load tests run there, and because all clients
//!   appear there behind a proxy that the settings do not name.

mod fields;
mod rate;

use std::{
    fmt,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, OnceLock},
};

use axum::{
    extract::{Request, State},
    http::{Extensions, HeaderMap},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::clock::{Clock, MonotonicClock};

use self::fields::Counted;
pub use self::rate::{ByteRate, Rate};
use crate::{
    http::{
        bodies::Bodies,
        error::{ApiError, catalogue},
        peer::TrustedProxies,
    },
    util::{Left, Limit, Networks, network, site},
};

/// The class of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Requests that send events.
    Ingest,
    /// Requests that read or administer, or are about accounts.
    Reads,
}

/// The rate limits of a server.
#[derive(Debug, Clone)]
pub(crate) struct RateLimits {
    /// Requests that send events, by address and by key.
    pub(crate) per_address: Rate,
    pub(crate) per_key: Rate,
    /// Bytes of events, after decompression.
    pub(crate) bytes_per_address: ByteRate,
    /// Other requests, by address and by key.
    pub(crate) reads: Rate,
    /// Networks that are not limited.
    pub(crate) exempt: Networks,
}

/// The limit of an IPv6 site, as a multiple of the limit of an address.
const OF_SITE: u32 = 8;

/// The limits of a server. Tests replace the clock.
pub(crate) struct Rates<C: Clock = MonotonicClock> {
    ingest: Pair<C>,
    reads: Pair<C>,
    bytes: Option<ByAddress<C>>,
    exempt: Networks,
}

struct Pair<C: Clock> {
    address: Option<ByAddress<C>>,
    key: Option<Limited<String, C>>,
}

/// A limit by network, and a larger one by site.
struct ByAddress<C: Clock> {
    network: Limited<IpAddr, C>,
    site: Option<Limited<IpAddr, C>>,
}

impl<C: Clock + Clone> ByAddress<C> {
    fn new(by: &'static str, by_site: &'static str, rate: Rate, clock: &C) -> Option<Self> {
        let site = Limited::new(by_site, rate.times(OF_SITE), clock);
        Some(Self { network: Limited::new(by, rate, clock)?, site })
    }

    fn count(&self, address: IpAddr, many: NonZeroU32) -> Counted {
        let counted = self.network.count(&network(address), many);
        if counted.outcome.is_err() {
            return counted;
        }
        // If the site is over its limit, all of its addresses are.
        let of_site = self.site.as_ref().zip(site(address)).map(|(limited, site)| limited.count(&site, many));
        of_site.filter(|of_site| of_site.outcome.is_err()).unwrap_or(counted)
    }
}

struct Limited<K: std::hash::Hash + Eq + Clone, C: Clock> {
    by: &'static str,
    rate: Rate,
    limit: Limit<K, C>,
}

impl<K: std::hash::Hash + Eq + Clone, C: Clock + Clone> Limited<K, C> {
    fn new(by: &'static str, rate: Rate, clock: &C) -> Option<Self> {
        let (count, period) = rate.bucket()?;
        Some(Self { by, rate, limit: Limit::new(by, count, period, clock.clone()) })
    }

    fn count(&self, key: &K, many: NonZeroU32) -> Counted {
        Counted { by: self.by, rate: self.rate, outcome: self.limit.check_many(key, many) }
    }
}

impl<C: Clock + Clone> Pair<C> {
    fn new(address: Rate, key: Rate, clock: &C) -> Self {
        Self { address: ByAddress::new("address", "site", address, clock), key: Limited::new("key", key, clock) }
    }
}

impl Rates {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self::with_clock(limits, &MonotonicClock)
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn with_clock(limits: RateLimits, clock: &C) -> Self {
        let RateLimits { per_address, per_key, bytes_per_address, reads, exempt } = limits;
        Self {
            ingest: Pair::new(per_address, per_key, clock),
            reads: Pair::new(reads, reads, clock),
            bytes: ByAddress::new(fields::BYTES, fields::BYTES, bytes_per_address.0, clock),
            exempt,
        }
    }

    fn of(&self, traffic: Traffic) -> &Pair<C> {
        match traffic {
            Traffic::Ingest => &self.ingest,
            Traffic::Reads => &self.reads,
        }
    }

    fn count_address(&self, traffic: Traffic, address: IpAddr) -> Option<Counted> {
        Some(self.of(traffic).address.as_ref()?.count(address, NonZeroU32::MIN))
    }

    /// Returns whether an address is exempt from limits.
    pub(crate) fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.contains(address)
    }

    fn count_bytes(&self, address: IpAddr, bytes: usize) -> Option<Counted> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Some(self.bytes.as_ref()?.count(address, NonZeroU32::new(bytes)?))
    }

    fn count_key(&self, traffic: Traffic, id: &str) -> Option<Counted> {
        self.of(traffic).key.as_ref().map(|limited| limited.count(&id.to_owned(), NonZeroU32::MIN))
    }
}

impl<C: Clock> fmt::Debug for Rates<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").field("exempt", &self.exempt).finish_non_exhaustive()
    }
}

/// The counts of one request in the limits. The key and the bytes are counted later than the address. An exempt
/// address passes all checks and gets no headers.
#[derive(Debug)]
pub(crate) struct RateCheck {
    /// `None` if the address is exempt.
    rates: Option<Arc<Rates>>,
    traffic: Traffic,
    address: IpAddr,
    by_address: Option<Counted>,
    by_key: OnceLock<Counted>,
    by_bytes: OnceLock<Counted>,
}

impl RateCheck {
    /// Counts a request of an address.
    pub(crate) fn begin(rates: &Arc<Rates>, traffic: Traffic, address: IpAddr) -> Self {
        let rates = (!rates.is_exempt(address)).then(|| rates.clone());
        let by_address = rates.as_ref().and_then(|rates| rates.count_address(traffic, address));
        Self { rates, traffic, address, by_address, by_key: OnceLock::new(), by_bytes: OnceLock::new() }
    }

    /// Fails with 429 if the address is over its limit.
    pub(crate) fn check_address(&self) -> Result<(), ApiError> {
        self.by_address.map_or(Ok(()), check)
    }

    /// Counts the key of the request. Fails with 429 and the longer wait of the key and the address if the key is over
    /// its limit.
    pub(crate) fn count_key(&self, id: &str) -> Result<(), ApiError> {
        let counted = self.rates.as_ref().and_then(|rates| rates.count_key(self.traffic, id));
        let Some(counted) = counted else { return Ok(()) };
        let address_waits = self.by_address.map(Counted::wait).unwrap_or_default();
        check(*self.by_key.get_or_init(|| counted.at_least(address_waits)))
    }

    /// Counts the bytes of the request's events. Fails with 429 if the address is over its limit.
    pub(crate) fn count_bytes(&self, bytes: usize) -> Result<(), ApiError> {
        let counted = self.rates.as_ref().and_then(|rates| rates.count_bytes(self.address, bytes));
        let Some(counted) = counted else { return Ok(()) };
        check(*self.by_bytes.get_or_init(|| counted))
    }

    /// Writes the rate-limit headers of the response.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let later = [self.by_key.get(), self.by_bytes.get()].into_iter().flatten().copied();
        fields::tell(headers, self.by_address.into_iter().chain(later));
    }
}

/// The state of [`limit`].
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    pub(crate) rates: Arc<Rates>,
    pub(crate) proxies: Arc<TrustedProxies>,
    pub(crate) bodies: Arc<Bodies>,
}

/// Middleware for requests that read or administer: rejects those over the limit of their address, and adds the
/// rate-limit headers to all responses. Handlers find the [`RateCheck`] in the request's extensions.
pub(crate) async fn limit(State(limiter): State<Limiter>, mut request: Request, next: Next) -> Response {
    let Limiter { rates, proxies, bodies } = limiter;
    let rate_check = Arc::new(RateCheck::begin(&rates, Traffic::Reads, proxies.client_of(&request)));
    let mut response = match rate_check.check_address() {
        Ok(()) => {
            request.extensions_mut().insert(rate_check.clone());
            next.run(request).await
        }
        Err(error) => {
            let (parts, body) = request.into_parts();
            bodies.discard(&parts.headers, body).await;
            error.into_response()
        }
    };
    rate_check.tell(response.headers_mut());
    response
}

/// Counts the key of a request, if the request is [limited](limit).
pub(crate) fn count_key(request: &Extensions, key: &str) -> Result<(), ApiError> {
    request.get::<Arc<RateCheck>>().map_or(Ok(()), |rate_check| rate_check.count_key(key))
}

fn check(counted: Counted) -> Result<(), ApiError> {
    let Err(wait) = counted.outcome else { return Ok(()) };
    Err(match counted.by {
        fields::BYTES => catalogue::bytes_limited(ByteRate(counted.rate), wait),
        by => catalogue::rate_limited(by, counted.rate, wait),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn rates(address: &str, key: &str, clock: &FakeRelativeClock) -> Rates<FakeRelativeClock> {
        let limits = RateLimits {
            per_address: address.parse().unwrap(),
            per_key: key.parse().unwrap(),
            bytes_per_address: "1000B/10s".parse().unwrap(),
            reads: Rate::Off,
            exempt: Networks::default(),
        };
        Rates::with_clock(limits, clock)
    }

    #[test]
    fn accepts_after_the_reported_wait_and_no_sooner() {
        let clock = FakeRelativeClock::default();
        let rates = rates("4/10s", "off", &clock);
        let address = "192.0.2.1".parse().unwrap();
        let count = || rates.count_address(Traffic::Ingest, address).unwrap().outcome;
        let left = |count, millis| Ok(Left { count, whole_in: Duration::from_millis(millis) });
        assert_eq!(
            [count(), count(), count(), count()],
            [left(3, 2500), left(2, 5000), left(1, 7500), left(0, 10_000)]
        );
        assert_eq!(count(), Err(Duration::from_millis(2500)));
        clock.advance(Duration::from_millis(1000));
        assert_eq!(count(), Err(Duration::from_millis(1500)), "a refused request costs nothing");
        clock.advance(Duration::from_millis(1499));
        assert_eq!(count(), Err(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert!(count().is_ok());
        assert_eq!(count(), Err(Duration::from_millis(2500)));
        clock.advance(Duration::from_secs(10));
        assert_eq!(count(), left(3, 2500), "the whole burst is available again");
    }

    #[test]
    fn key_rejection_includes_wait_for_address() {
        let clock = FakeRelativeClock::default();
        let rates = rates("2/60s", "1/3s", &clock);
        let address = || rates.count_address(Traffic::Ingest, "192.0.2.1".parse().unwrap()).unwrap();
        let key = |waits| rates.count_key(Traffic::Ingest, "a").unwrap().at_least(waits).outcome;
        assert_eq!(address().wait(), Duration::ZERO);
        assert!(key(Duration::ZERO).is_ok());
        let waits = address().wait();
        assert_eq!(key(waits), Err(Duration::from_secs(30)));
        clock.advance(Duration::from_secs(30));
        assert!(address().outcome.is_ok() && key(Duration::ZERO).is_ok());
    }

    #[test]
    fn counts_bytes_and_eventually_accepts_large_bodies() {
        let clock = FakeRelativeClock::default();
        let rates = rates("off", "off", &clock);
        let count = |bytes| rates.count_bytes("192.0.2.1".parse().unwrap(), bytes).unwrap().outcome;
        assert_eq!(count(600), Ok(Left { count: 400, whole_in: Duration::from_secs(6) }));
        assert_eq!(count(600), Err(Duration::from_secs(2)));
        assert_eq!(count(400), Ok(Left { count: 0, whole_in: Duration::from_secs(10) }));
        clock.advance(Duration::from_secs(9));
        assert_eq!(count(50_000), Err(Duration::from_secs(1)), "it counts as the whole burst");
        clock.advance(Duration::from_secs(1));
        assert!(count(50_000).is_ok() && count(1).is_err());
        assert!(rates.count_bytes("192.0.2.2".parse().unwrap(), 1000).unwrap().outcome.is_ok());
        assert_eq!(rates.count_bytes("192.0.2.2".parse().unwrap(), 0), None);
    }

    #[test]
    fn addresses_sites_and_keys_have_separate_limits() {
        let clock = FakeRelativeClock::default();
        let rates = rates("1/10s", "1/10s", &clock);
        let address = |text: &str| rates.count_address(Traffic::Ingest, text.parse().unwrap()).unwrap().outcome;
        assert!(address("2001:db8::1").is_ok() && address("2001:db8::2").is_err(), "a /64 is one");
        assert!(address("2001:db8:0:1::1").is_ok() && address("192.0.2.1").is_ok());
        // All networks of a site share eight times as much. Another site has its own limit.
        let of_site = |number: u32| address(&format!("2001:db8:0:{number:x}::1")).is_ok();
        assert_eq!((2..1000).filter(|number| of_site(*number)).count(), 6, "two have come before");
        assert!(address("2001:db8:1::1").is_ok());
        let key = |id: &str| rates.count_key(Traffic::Ingest, id).unwrap().outcome;
        assert!(key("a").is_ok() && key("a").is_err() && key("b").is_ok());
        assert_eq!(rates.count_key(Traffic::Reads, "a"), None);
    }
}
