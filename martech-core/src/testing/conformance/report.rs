use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

/// How a check ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is as it should be.
    Passed,
    /// There was nothing to check, and why.
    NotApplicable(&'static str),
}

/// How the checks ended, in the order in which they ran.
#[derive(Debug, Default)]
#[must_use = "a failed check is only noted here; `assert_passed` panics"]
pub struct Report {
    checks: Vec<(&'static str, Result<Verdict, String>)>,
}

/// A check takes seconds; one that takes longer than this waits for something that does not come.
const LIMIT: Duration = Duration::from_secs(300);

impl Report {
    /// Runs a check to its end, and notes which it was.
    pub(super) async fn note(&mut self, name: &'static str, check: impl Future<Output = Verdict>) {
        let ended = tokio::time::timeout(LIMIT, caught(check)).await;
        self.checks.push((name, ended.unwrap_or_else(|_| Err(format!("has not ended in {} s", LIMIT.as_secs())))));
    }

    /// The checks that failed, each with what it found and expected.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.checks.iter().filter_map(|(name, ended)| Some((*name, ended.as_ref().err()?.as_str())))
    }

    /// The checks that do not apply to this store, each with why.
    pub fn not_applicable(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.checks.iter().filter_map(|(name, ended)| match ended {
            Ok(Verdict::NotApplicable(why)) => Some((*name, *why)),
            _ => None,
        })
    }

    /// # Panics
    /// When a check failed; the message is the whole report.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.failed().next().is_none(), "the store does not conform:\n{self}");
    }
}

/// One line for each check, more where one failed.
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

/// The message of a panic in place of the panic.
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
