//! Retry timing: exponential backoff with full jitter and a deadline.

use std::time::Duration;

use tokio::time::Instant;

use crate::{setters::setters, store::Advice};

/// Retry policy for batches to which the store answers [`Advice::Retry`] or [`Advice::RetryAfter`].
///
/// The n-th delay, counted from 0, is uniformly distributed between zero and the smaller of `initial * 2^n` and `max`.
/// This is "full jitter", which spreads the retries of many clients best
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
///
/// ```
/// use std::time::Duration;
///
/// use martech_core::sink::RetryPolicy;
///
/// let policy = RetryPolicy::default().deadline(Duration::from_secs(10));
/// assert_eq!(policy.max, Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Upper bound of the first delay; default 100 ms.
    pub initial: Duration,
    /// Upper bound of all delays; default 5 s. [`Advice::RetryAfter`] may ask for more.
    pub max: Duration,
    /// Longest time from the first of consecutive failures to the start of the next retry; default 60 s. A batch is
    /// given up when the next retry would begin later. Any answer about part of the batch resets the time.
    /// [`Duration::MAX`] disables the deadline.
    pub deadline: Duration,
    /// Longest [`Advice::RetryAfter`] that is honored; default 30 s. Longer requests are shortened to this.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(5),
            deadline: Duration::from_secs(60),
            max_retry_after: Duration::from_secs(30),
        }
    }
}

setters! {
    RetryPolicy {
        initial: Duration,
        max: Duration,
        deadline: Duration,
        max_retry_after: Duration,
    }
}

/// Backoff state of one batch.
#[derive(Debug)]
pub(super) struct Backoff<'a> {
    policy: &'a RetryPolicy,
    random: &'a mut fastrand::Rng,
    failures: u32,
    failing_since: Option<Instant>,
}

impl<'a> Backoff<'a> {
    pub(super) fn new(policy: &'a RetryPolicy, random: &'a mut fastrand::Rng) -> Self {
        Self { policy, random, failures: 0, failing_since: None }
    }

    /// Resets the backoff after an answer from the store.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.failing_since = None;
    }

    /// Returns the delay before the next retry; `None` when the retry would pass the deadline.
    pub(super) fn failed(&mut self, advice: Advice, now: Instant) -> Option<Duration> {
        let since = *self.failing_since.get_or_insert(now);
        let bound = self.policy.initial.saturating_mul(2u32.saturating_pow(self.failures)).min(self.policy.max);
        self.failures = self.failures.saturating_add(1);

        let jittered = bound.mul_f64(self.random.f64());
        let delay = match advice {
            Advice::RetryAfter(least) => jittered.max(least.min(self.policy.max_retry_after)),
            _ => jittered,
        };
        (now.duration_since(since).saturating_add(delay) <= self.policy.deadline).then_some(delay)
    }

    /// Whether the last failure was the first since an answer.
    pub(super) fn is_first(&self) -> bool {
        self.failures == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
            deadline: Duration::from_secs(10),
            max_retry_after: Duration::from_secs(4),
        }
    }

    #[test]
    fn delays_stay_below_doubling_bound() {
        let (policy, now) = (policy(), Instant::now());
        let mut longest = [Duration::ZERO; 6];
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::new(&policy, &mut random);
            for longest in &mut longest {
                *longest = (*longest).max(backoff.failed(Advice::Retry, now).unwrap());
            }
        }
        for (longest, bound) in longest.iter().zip([100, 200, 400, 800, 1000, 1000]) {
            let bound = Duration::from_millis(bound);
            assert!(*longest <= bound && *longest > bound.mul_f64(0.9), "{longest:?} against {bound:?}");
        }
    }

    #[test]
    fn honors_retry_after_up_to_cap() {
        let (policy, now) = (policy(), Instant::now());
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(&policy, &mut random);
        let mut ask = |seconds| backoff.failed(Advice::RetryAfter(Duration::from_secs(seconds)), now);
        assert_eq!(ask(3), Some(Duration::from_secs(3)));
        assert_eq!(ask(3600), Some(Duration::from_secs(4)));
    }

    #[test]
    fn answer_resets_deadline() {
        let (policy, start) = (policy(), Instant::now());
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(&policy, &mut random);
        assert!(backoff.failed(Advice::Retry, start).is_some());
        let late = start + Duration::from_secs(11);
        assert_eq!(backoff.failed(Advice::Retry, late), None);
        backoff.answered();
        assert!(backoff.failed(Advice::Retry, late).is_some());
        assert!(backoff.is_first());
    }

    #[test]
    fn unlimited_deadline_and_many_failures_do_not_overflow() {
        let policy = RetryPolicy { deadline: Duration::MAX, max: Duration::MAX, ..policy() };
        let now = Instant::now();
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff { failures: u32::MAX, ..Backoff::new(&policy, &mut random) };
        assert!(backoff.failed(Advice::Retry, now).is_some());
    }
}
