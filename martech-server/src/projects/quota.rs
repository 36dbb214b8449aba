//! Daily quota of events per project.

use std::{
    num::NonZero,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use martech_core::event::{Sender, Timestamp};

use super::IngestRefusal;

/// Counts the events that a project has accepted on a UTC day. Each server counts separately, from its start.
#[derive(Debug, Default)]
pub(crate) struct Quota(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    day: i32,
    /// Events of all senders.
    events: u64,
    /// Events of senders with a secret key, which `events` includes.
    trusted: u64,
}

impl Quota {
    /// Takes `events` from a quota of `most` events per day, all or none.
    ///
    /// Anyone can use up a quota without a key. For this reason, events with a secret key count only against each
    /// other.
    ///
    /// # Errors
    /// Returns 429 if fewer events are left. `Retry-After` is the time until midnight UTC.
    pub(crate) fn take(
        &self,
        most: NonZero<u64>,
        events: usize,
        sender: Sender,
        now: Timestamp,
    ) -> Result<Part<'_>, IngestRefusal> {
        let mut taken = self.taken();
        if taken.day != now.day() {
            *taken = Taken { day: now.day(), ..Taken::default() };
        }
        let is_public = sender.is_public();
        let left = most.get().saturating_sub(if is_public { taken.events } else { taken.trusted });
        if events as u64 > left {
            let until_tomorrow = until_tomorrow(now);
            return Err(IngestRefusal::QuotaExceeded { quota: most, left, events, until_tomorrow });
        }
        taken.add(events as u64, is_public);
        Ok(Part { quota: self, events, is_public })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn add(&mut self, events: u64, is_public: bool) {
        self.events += events;
        if !is_public {
            self.trusted += events;
        }
    }

    fn give_back(&mut self, events: u64, is_public: bool) {
        self.events = self.events.saturating_sub(events);
        if !is_public {
            self.trusted = self.trusted.saturating_sub(events);
        }
    }
}

/// Events taken from a quota. They stay taken if this is dropped without [`settle`](Self::settle).
#[derive(Debug)]
pub(crate) struct Part<'a> {
    quota: &'a Quota,
    events: usize,
    is_public: bool,
}

impl Part<'_> {
    /// Gives the events that were not stored back to the quota.
    pub(crate) fn settle(self, stored: usize) {
        let unused = self.events.saturating_sub(stored) as u64;
        if unused > 0 {
            self.quota.taken().give_back(unused, self.is_public);
        }
    }
}

fn until_tomorrow(now: Timestamp) -> Duration {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let since = now.millis().saturating_sub(now.start_of_day().millis());
    DAY.saturating_sub(Duration::from_millis(since.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_limits_each_utc_day() {
        let quota = Quota::default();
        let take = |events, now| quota.take(NonZero::new(10).unwrap(), events, Sender::Anonymous, now);
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let morning = at("2026-11-22T06:00:00Z");
        assert!(take(6, morning).is_ok());
        let error = take(5, at("2026-11-22T23:59:30Z")).unwrap_err();
        let until_tomorrow = Duration::from_secs(30);
        let quota_of_day = NonZero::new(10).unwrap();
        assert_eq!(error, IngestRefusal::QuotaExceeded { quota: quota_of_day, left: 4, events: 5, until_tomorrow });
        let part = take(4, morning).unwrap();
        assert!(take(1, morning).is_err());
        part.settle(1);
        assert!(take(3, morning).is_ok() && take(1, morning).is_err());
        assert!(take(10, at("2026-11-23T00:00:00Z")).is_ok());
    }

    #[test]
    fn public_events_do_not_consume_secret_key_quota() {
        let (quota, now) = (Quota::default(), Timestamp::now());
        let take = |events, sender| quota.take(NonZero::new(10).unwrap(), events, sender, now).is_ok();
        assert!(take(10, Sender::Anonymous));
        assert!(!take(1, Sender::Page) && take(10, Sender::Trusted) && !take(1, Sender::Trusted));
        let other = Quota::default();
        assert!(other.take(NonZero::new(10).unwrap(), 10, Sender::Trusted, now).is_ok());
        assert!(other.take(NonZero::new(10).unwrap(), 1, Sender::Anonymous, now).is_err());
    }
}
