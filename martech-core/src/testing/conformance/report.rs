use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

/// Result of a check that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The check passed.
    Passed,
    /// The check does not apply, for this reason.
    NotApplicable(&'static str),
}

/// Results of checks, in the order in which they ran.
#[derive(Debug, Default)]
#[must_use = "failed checks are only recorded; `assert_passed` panics"]
pub struct Report {
    checks: Vec<(&'static str, Result<Verdict, String>)>,
}

/// Checks take seconds. A check that exceeds this limit is stuck.
const LIMIT: Duration = Duration::from_secs(300);

impl Report {
    /// Runs a check and records its result under `name`.
    pub(super) async fn note(&mut self, name: &'static str, check: impl Future<Output = Verdict>) {
        let ended = tokio::time::timeout(LIMIT, caught(check)).await;
        self.checks.push((name, ended.unwrap_or_else(|_| Err(format!("did not finish within {} s", LIMIT.as_secs())))));
    }

    /// Returns the failed checks, each with its panic message.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.checks.iter().filter_map(|(name, ended)| Some((*name, ended.as_ref().err()?.as_str())))
    }

    /// Returns the checks that do not apply to this store, each with the reason.
    pub fn not_applicable(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.checks.iter().filter_map(|(name, ended)| match ended {
            Ok(Verdict::NotApplicable(why)) => Some((*name, *why)),
            _ => None,
        })
    }

    /// Panics if a check failed.
    ///
    /// # Panics
    /// When a check failed. The message is the whole report.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.failed().next().is_none(), "the store does not conform:\n{self}");
    }
}

/// One line per check, or more if a check failed.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, ended) in &self.checks {
            match ended {
                Ok(Verdict::Passed) => writeln!(f, "passed          {name}")?,
                Ok(Verdict::NotApplicable(why)) => writeln!(f, "not applicable  {name}: {why}")?,
                Err(message) => writeln!(f, "FAILED          {name}: {message}")?,
            }
        }
        Ok(())
    }
}

/// Converts a panic to an error with its message.
async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(message(&*panic))),
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref().cloned()).unwrap_or_else(|| "panicked without a message".to_owned())
}
