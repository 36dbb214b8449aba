//! Counters of sign-in attempts.

use prometheus::{IntCounter, IntCounterVec, Opts, core::Collector};

/// Outcome of a sign-in attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignInOutcome {
    SignedIn,
    /// The address or the password is wrong, or malformed.
    Failed,
    /// There were too many attempts before.
    Throttled,
    /// The password was not checked: too many attempts at once, or an internal error.
    Error,
}

impl SignInOutcome {
    const NAMES: [&'static str; 4] = ["signed_in", "failed", "throttled", "error"];
}

/// Counts sign-in attempts by outcome.
#[derive(Debug)]
pub(crate) struct SignIns {
    counters: [IntCounter; SignInOutcome::NAMES.len()],
    all: IntCounterVec,
}

impl Default for SignIns {
    fn default() -> Self {
        let opts = Opts::new("martech_sign_ins_total", "Sign-in attempts, by outcome.");
        let all = IntCounterVec::new(opts, &["outcome"]).expect("the name is valid");
        Self { counters: SignInOutcome::NAMES.map(|name| all.with_label_values(&[name])), all }
    }
}

impl SignIns {
    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.all.clone())]
    }

    pub(crate) fn count(&self, outcome: SignInOutcome) {
        self.counters[outcome as usize].inc();
    }
}
