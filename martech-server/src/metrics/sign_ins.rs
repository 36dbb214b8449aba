//! Attempts to sign in.

use prometheus::{IntCounter, IntCounterVec, Opts, core::Collector};

use crate::accounts::AccountError;

/// How an attempt to sign in ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignInOutcome {
    SignedIn,
    /// The address or the password is wrong, or cannot be one.
    Failed,
    /// There were too many attempts before.
    Throttled,
    /// It could not be told: too many at once, or something is broken.
    Error,
}

impl SignInOutcome {
    const NAMES: [&'static str; 4] = ["signed_in", "failed", "throttled", "error"];

    pub(crate) fn of<T>(answer: &Result<T, AccountError>) -> Self {
        match answer {
            Ok(_) => Self::SignedIn,
            Err(AccountError::TooManyRequests(_)) => Self::Throttled,
            Err(AccountError::Records(_) | AccountError::Hash(_)) => Self::Error,
            Err(_) => Self::Failed,
        }
    }
}

/// Counts them.
#[derive(Debug)]
pub(crate) struct SignIns {
    counters: [IntCounter; SignInOutcome::NAMES.len()],
    all: IntCounterVec,
}

impl Default for SignIns {
    fn default() -> Self {
        let opts = Opts::new("martech_sign_ins_total", "Attempts to sign in, by how they ended.");
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
