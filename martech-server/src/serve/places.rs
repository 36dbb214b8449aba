//! How many connections there may be, of everyone and of one address, and who has to go when there is no room.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::pulse::Pulse;
use crate::limits::{network, site};

/// Who has waited for its client for less is left alone: the client may be about to ask.
const LEAST_WAIT: Duration = Duration::from_millis(500);
/// How soon it is looked again for somebody who could go.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A site of IPv6 has so many times the places of an address.
const OF_SITE: u32 = 8;

/// The places of all connections.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    per_address: u32,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    connections: HashMap<u64, Arc<Pulse>>,
    addresses: HashMap<IpAddr, u32>,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    address: Option<IpAddr>,
    pulse: Arc<Pulse>,
    _permit: OwnedSemaphorePermit,
}

/// A place among those of an address, before there is one among all.
#[derive(Debug)]
pub(super) struct Admitted {
    places: Arc<Places>,
    address: Option<IpAddr>,
}

impl Places {
    pub(super) fn new(all: usize, per_address: u32) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { free, per_address, taken: Mutex::default() })
    }

    /// A place of that address, unless it has all that it may. Proxies speak for many: theirs are not counted.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, is_proxy: bool) -> Option<Admitted> {
        let address = (!is_proxy).then(|| network(peer));
        let mut taken = self.taken();
        for (network, most) in bounds(address, self.per_address) {
            if taken.addresses.get(&network).is_some_and(|count| *count >= most) {
                return None;
            }
        }
        for (network, _) in bounds(address, self.per_address) {
            *taken.addresses.entry(network).or_default() += 1;
        }
        drop(taken);
        Some(Admitted { places: self.clone(), address })
    }

    /// Asks the connection that has waited longest for its client to go.
    fn make_room(&self) {
        let Some(before) = Instant::now().checked_sub(LEAST_WAIT) else { return };
        let taken = self.taken();
        let waiting = taken.connections.values().filter(|pulse| !pulse.is_wanted());
        let waiting = waiting.filter_map(|pulse| Some((pulse.waits_since()?, pulse)));
        if let Some((_, pulse)) = waiting.filter(|(since, _)| *since < before).min_by_key(|(since, _)| *since) {
            pulse.want();
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, address: Option<IpAddr>) {
        let mut taken = self.taken();
        for (network, _) in bounds(address, self.per_address) {
            if let Some(count) = taken.addresses.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    taken.addresses.remove(&network);
                }
            }
        }
    }
}

/// The networks in which an address is counted, and how many places each has.
fn bounds(address: Option<IpAddr>, per_address: u32) -> impl Iterator<Item = (IpAddr, u32)> {
    let site = address.and_then(site).map(|site| (site, per_address.saturating_mul(OF_SITE)));
    address.map(|address| (address, per_address)).into_iter().chain(site)
}

impl Admitted {
    /// A place among all: at once where one is free, otherwise when somebody has gone.
    pub(super) async fn place(mut self) -> Place {
        let permit = loop {
            if let Ok(permit) = self.places.free.clone().try_acquire_owned() {
                break permit;
            }
            self.places.make_room();
            if let Ok(Ok(permit)) = timeout(LOOK_AGAIN, self.places.free.clone().acquire_owned()).await {
                break permit;
            }
        };
        let places = self.places.clone();
        let pulse = Pulse::new();
        let number = {
            let mut taken = places.taken();
            let number = taken.next;
            taken.next += 1;
            taken.connections.insert(number, pulse.clone());
            number
        };
        Place { places, number, address: self.address.take(), pulse, _permit: permit }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.places.leave(self.address);
    }
}

impl Place {
    pub(super) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().connections.remove(&self.number);
        self.places.leave(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_has_so_many_places() {
        let places = Places::new(10, 2);
        let first = places.admit(ip("192.0.2.1"), false).unwrap().place().await;
        let second = places.admit(ip("::ffff:192.0.2.1"), false).unwrap();
        assert!(places.admit(ip("192.0.2.1"), false).is_none());
        assert!(places.admit(ip("192.0.2.1"), true).is_some(), "a proxy");
        assert!(places.admit(ip("192.0.2.2"), false).is_some());
        drop(second);
        assert!(places.admit(ip("192.0.2.1"), false).is_some());
        drop(first);
        assert!(places.taken().addresses.is_empty() && places.taken().connections.is_empty());
    }

    #[test]
    fn an_ipv6_subscriber_is_a_network() {
        let places = Places::new(10, 1);
        let held = places.admit(ip("2001:db8:1:2::3"), false);
        assert!(held.is_some());
        assert!(places.admit(ip("2001:db8:1:2:ffff::4"), false).is_none());
        assert!(places.admit(ip("2001:db8:1:3::3"), false).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_longest_goes_first_and_who_is_busy_stays() {
        let places = Places::new(3, 10);
        let enter = || async { places.admit(ip("192.0.2.1"), false).unwrap().place().await };
        let busy = enter().await;
        let _request = busy.pulse().begin();
        let oldest = enter().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let newer = enter().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let (pulse, leaving) = (oldest.pulse().clone(), oldest);
        let leave = async {
            pulse.wanted().await;
            drop(leaving);
        };
        let (_fourth, ()) = tokio::join!(enter(), leave);
        assert!(!busy.pulse().is_wanted() && !newer.pulse().is_wanted());
    }
}
