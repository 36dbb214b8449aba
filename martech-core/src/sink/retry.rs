//! When to append again: exponential backoff with full jitter and a deadline.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::Advice;

/// How a batch is retried when the store says [`Advice::Retry`] or [`Advice::RetryAfter`].
///
/// The n-th delay is drawn evenly between zero and `initial * 2^n`, at most `max`: "full jitter", which spreads the
/// retries of many clients best (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Upper bound of the first delay; 100 ms.
    pub initial: Duration,
    /// Upper bound of all delays; 5 s.
    pub max: Duration,
    /// A batch is given up when the next retry would begin later than this after the first of an unbroken row of
    /// failures; 60 s. Any answer about part of the batch breaks the row. [`Duration::MAX`]: never.
    pub deadline: Duration,
    /// The longest [`Advice::RetryAfter`] that is honored; what asks for more is retried after this; 30 s.
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

/// The retries of one batch.
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

    /// The store answered: it is there, so a later failure starts from the beginning.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.failing_since = None;
    }

    /// How long to wait after a failure; `None` when it is time to give up.
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

    /// Whether the failure last told of is the first of its row.
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
    fn delays_stay_below_a_bound_that_doubles() {
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
    fn retry_after_is_honored_up_to_a_cap() {
        let (policy, now) = (policy(), Instant::now());
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(&policy, &mut random);
        let mut ask = |seconds| backoff.failed(Advice::RetryAfter(Duration::from_secs(seconds)), now);
        assert_eq!(ask(3), Some(Duration::from_secs(3)));
        assert_eq!(ask(3600), Some(Duration::from_secs(4)));
    }

    #[test]
    fn an_answer_starts_the_deadline_anew() {
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
    fn endless_deadlines_and_many_failures_do_not_overflow() {
        let policy = RetryPolicy { deadline: Duration::MAX, max: Duration::MAX, ..policy() };
        let now = Instant::now();
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff { failures: u32::MAX, ..Backoff::new(&policy, &mut random) };
        assert!(backoff.failed(Advice::Retry, now).is_some());
    }
}
