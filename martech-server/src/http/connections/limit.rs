//! Limits on open connections, in total and per address, and on their idle time.
//!
//! At the limit, the server closes the connection that has been idle longest and accepts the new one. A flood of idle
//! connections therefore does not lock out other clients.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, interval, timeout},
};

use super::state::ConnectionState;
use crate::util::{network, site};

/// Minimum idle time before a connection is closed for another one: its client may be about to send.
const MIN_IDLE: Duration = Duration::from_millis(500);
/// Interval at which a waiting connection looks for an idle one to replace.
const RETRY: Duration = Duration::from_millis(50);
/// Shortest and longest interval between sweeps for idle connections.
const SWEEP: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// Connection limit of an IPv6 /48, as a multiple of the limit per address.
const PER_SITE: u32 = 8;

/// The open connections and their limits.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    free: Arc<Semaphore>,
    per_address: u32,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Arc<ConnectionState>>,
    addresses: HashMap<IpAddr, u32>,
}

/// Share of the limits that one connection holds until the permit is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limit: Arc<ConnectionLimit>,
    number: u64,
    address: Option<IpAddr>,
    state: Arc<ConnectionState>,
    _permit: OwnedSemaphorePermit,
}

/// A connection within the limit of its address that does not count toward the total limit yet.
#[derive(Debug)]
pub(super) struct Admitted {
    limit: Arc<ConnectionLimit>,
    address: Option<IpAddr>,
}

impl ConnectionLimit {
    pub(super) fn new(all: usize, per_address: u32) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { free, per_address, open: Mutex::default() })
    }

    /// Counts a connection for its address. Returns `None` if the address has reached its limit. Connections from
    /// trusted proxies are not counted, because a proxy serves many clients.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, is_proxy: bool) -> Option<Admitted> {
        let address = (!is_proxy).then(|| network(peer));
        let mut open = self.open();
        for (network, most) in bounds(address, self.per_address) {
            if open.addresses.get(&network).is_some_and(|count| *count >= most) {
                return None;
            }
        }
        for (network, _) in bounds(address, self.per_address) {
            *open.addresses.entry(network).or_default() += 1;
        }
        drop(open);
        Some(Admitted { limit: self.clone(), address })
    }

    /// Closes connections that have been idle for at least `limit`, until this future is dropped.
    pub(super) async fn close_idle(&self, limit: Duration) -> Infallible {
        let [most_often, least_often] = SWEEP;
        let mut ticks = interval((limit / 4).clamp(most_often, least_often));
        loop {
            let now = ticks.tick().await;
            let open = self.open();
            let is_late = |since: Instant| now.saturating_duration_since(since) >= limit;
            open.connections
                .values()
                .filter(|state| state.idle_since().is_some_and(is_late))
                .for_each(|state| state.close());
        }
    }

    /// Closes the connection that has been idle longest, if it has been idle for more than [`MIN_IDLE`].
    fn make_room(&self) {
        let Some(before) = Instant::now().checked_sub(MIN_IDLE) else { return };
        let open = self.open();
        let idle = open.connections.values().filter_map(|state| Some((state.idle_since()?, state)));
        if let Some((_, state)) = idle.filter(|(since, _)| *since < before).min_by_key(|(since, _)| *since) {
            state.close();
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, address: Option<IpAddr>) {
        let mut open = self.open();
        for (network, _) in bounds(address, self.per_address) {
            if let Some(count) = open.addresses.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    open.addresses.remove(&network);
                }
            }
        }
    }
}

/// Returns the networks in which an address is counted, and the limit of each.
fn bounds(address: Option<IpAddr>, per_address: u32) -> impl Iterator<Item = (IpAddr, u32)> {
    let site = address.and_then(site).map(|site| (site, per_address.saturating_mul(PER_SITE)));
    address.map(|address| (address, per_address)).into_iter().chain(site)
}

impl Admitted {
    /// Waits until the total limit admits the connection.
    pub(super) async fn permit(mut self) -> ConnectionPermit {
        let permit = loop {
            if let Ok(permit) = self.limit.free.clone().try_acquire_owned() {
                break permit;
            }
            self.limit.make_room();
            if let Ok(Ok(permit)) = timeout(RETRY, self.limit.free.clone().acquire_owned()).await {
                break permit;
            }
        };
        let limit = self.limit.clone();
        let state = ConnectionState::new();
        let number = {
            let mut open = limit.open();
            let number = open.next;
            open.next += 1;
            open.connections.insert(number, state.clone());
            number
        };
        ConnectionPermit { limit, number, address: self.address.take(), state, _permit: permit }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.limit.leave(self.address);
    }
}

impl ConnectionPermit {
    pub(super) fn state(&self) -> &Arc<ConnectionState> {
        &self.state
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.limit.open().connections.remove(&self.number);
        self.limit.leave(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn limits_connections_per_address() {
        let limit = ConnectionLimit::new(10, 2);
        let first = limit.admit(ip("192.0.2.1"), false).unwrap().permit().await;
        let second = limit.admit(ip("::ffff:192.0.2.1"), false).unwrap();
        assert!(limit.admit(ip("192.0.2.1"), false).is_none());
        assert!(limit.admit(ip("192.0.2.1"), true).is_some(), "a proxy");
        assert!(limit.admit(ip("192.0.2.2"), false).is_some());
        drop(second);
        assert!(limit.admit(ip("192.0.2.1"), false).is_some());
        drop(first);
        assert!(limit.open().addresses.is_empty() && limit.open().connections.is_empty());
    }

    #[test]
    fn counts_ipv6_addresses_by_network() {
        let limit = ConnectionLimit::new(10, 1);
        let held = limit.admit(ip("2001:db8:1:2::3"), false);
        assert!(held.is_some());
        assert!(limit.admit(ip("2001:db8:1:2:ffff::4"), false).is_none());
        assert!(limit.admit(ip("2001:db8:1:3::3"), false).is_some());
    }

    /// Opens a connection whose task does nothing.
    async fn connect(limit: &Arc<ConnectionLimit>) -> Arc<ConnectionState> {
        let permit = limit.admit(ip("192.0.2.1"), false).unwrap().permit().await;
        let state = permit.state().clone();
        let task = tokio::spawn(async move {
            let _permit = permit;
            std::future::pending::<()>().await;
        });
        state.set_task(task.abort_handle());
        state
    }

    #[tokio::test(start_paused = true)]
    async fn replaces_the_longest_idle_connection() {
        let limit = ConnectionLimit::new(3, 10);
        let busy = connect(&limit).await;
        let _request = busy.begin();
        let oldest = connect(&limit).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let newer = connect(&limit).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let newest = connect(&limit).await;
        assert!(oldest.idle_since().is_none(), "closed");
        assert!(newer.idle_since().is_some() && newest.idle_since().is_some());
        assert_eq!(limit.open().connections.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn closes_connections_after_the_idle_timeout() {
        let limit = ConnectionLimit::new(3, 10);
        let (idle, busy) = (connect(&limit).await, connect(&limit).await);
        let request = busy.begin();
        let sweep = tokio::spawn({
            let limit = limit.clone();
            async move { limit.close_idle(Duration::from_secs(60)).await }
        });
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert!(idle.idle_since().is_some());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(idle.idle_since().is_none());
        drop(request);
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert!(busy.idle_since().is_some(), "idle since its response ended");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(limit.open().connections.is_empty());
        sweep.abort();
    }
}
