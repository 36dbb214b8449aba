//! Timings of an append, for tracing. They do not pass through [`Appended`](super::Appended): a store reports them, and
//! the caller that asked for them gets them, whatever wraps the store.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    time::Instant,
};

use crate::sync::thread_local;

/// Timings of what a batch waited for in its store. Empty if the store reports none.
///
/// ```
/// use std::time::Instant;
///
/// use martech_core::store::{Step, Steps};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let append = async {
///     let from = Instant::now();
///     // ... the fsync ...
///     Steps { synced: Some(Step { from, to: Instant::now() }), ..Steps::default() }.report();
/// };
/// let ((), steps) = Steps::collect(append).await;
/// assert!(steps.synced.is_some());
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    /// The fsync that made the batch durable on the disk of this machine.
    pub synced: Option<Step>,
    /// For a spool: forwarding to the store behind it, including retries.
    pub forwarded: Option<Step>,
}

/// The start and the end of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Start of the step.
    pub from: Instant,
    /// End of the step.
    pub to: Instant,
}

thread_local! {
    /// The steps of the append that this thread is polling. `None` if no caller collects them.
    static CURRENT: Cell<Option<Steps>> = const { Cell::new(None) };
}

impl Steps {
    /// Reports steps of the append that is running. Call this from the future that [`Store::append`] returns, not from
    /// a task that it spawns. Without a caller that collects them, this does nothing.
    ///
    /// [`Store::append`]: super::Store::append
    pub fn report(self) {
        CURRENT.with(|current| current.set(current.get().map(|steps| steps.and(self))));
    }

    /// Runs an append and returns the steps that it reported. A sink does this for its store.
    pub async fn collect<T>(append: impl Future<Output = T>) -> (T, Self) {
        let mut append = pin!(append);
        let mut steps = Self::default();
        let output = poll_fn(|context| {
            let outer = CURRENT.with(|current| current.replace(Some(steps)));
            let restore = Restore(outer);
            let poll = append.as_mut().poll(context);
            steps = CURRENT.with(Cell::get).unwrap_or_default();
            drop(restore);
            poll
        });
        let output = output.await;
        (output, steps)
    }

    /// Combines the steps of two batches, or of two parts of one, as if they had been one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { synced: Step::join(self.synced, other.synced), forwarded: Step::join(self.forwarded, other.forwarded) }
    }
}

/// Restores the steps of the outer append, even if the inner one panics.
struct Restore(Option<Steps>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

impl Step {
    /// Returns the step from the earlier start to the later end.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }

    fn join(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        }
    }
}
