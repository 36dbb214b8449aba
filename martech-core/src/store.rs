//! The one trait that joins everything: a batch goes in, what happened to each event comes out.

use std::{
    error::Error,
    fmt::{self, Write as _},
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

/// Where events end up: a database, a lake of files, another server.
///
/// # Contract
/// - `Ok` speaks of every event of the batch: it is durable, it was there already, or it is refused.
///   [`Appended::stored`], the duplicates and the rejections add up to the length of the batch.
/// - `Err` speaks of the whole batch, and [`StoreError::advice`] says what to do with it.
///   After an error some events may be stored all the same; a store that knows its events by an id
///   answers a repeated append with duplicates, so a retry is harmless.
/// - The future may be dropped at any await point without harm: the batch is then stored or not, never half known.
///
/// `testing::conformance` (feature `testing`) checks all of this for any store.
pub trait Store<E>: Send + Sync + 'static {
    /// Stores a batch. The batch is borrowed, so a retry copies nothing.
    fn append(&self, batch: &[E]) -> impl Future<Output = Result<Appended, StoreError>> + Send;
}

impl<E: Sync, S: Store<E>> Store<E> for Arc<S> {
    fn append(&self, batch: &[E]) -> impl Future<Output = Result<Appended, StoreError>> + Send {
        S::append(self, batch)
    }
}

/// What became of a batch, event by event. Two are equal that say the same of the events, however long it took.
#[derive(Debug, Clone, Default)]
pub struct Appended {
    /// How many events are durable because of this append.
    pub stored: usize,
    /// Indices, ascending, of the events that were there already (or earlier in the same batch).
    pub duplicates: Vec<usize>,
    /// The events that the store refuses for good, ascending by index.
    pub rejected: Vec<Rejection>,
    /// What took the time, as far as the store says so.
    pub steps: Steps,
}

impl PartialEq for Appended {
    fn eq(&self, other: &Self) -> bool {
        self.stored == other.stored && self.duplicates == other.duplicates && self.rejected == other.rejected
    }
}

impl Eq for Appended {}

/// What a batch waited for in its store, for those who trace. A store that says nothing leaves it empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    /// The sync that made it durable on the disk of this machine.
    pub synced: Option<Step>,
    /// Behind a spool: the way into the store, retries included.
    pub forwarded: Option<Step>,
}

/// From when to when something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// It began.
    pub from: Instant,
    /// It ended.
    pub to: Instant,
}

impl Steps {
    /// Those of two batches, or of two parts of one, as if they had been one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { synced: Step::join(self.synced, other.synced), forwarded: Step::join(self.forwarded, other.forwarded) }
    }
}

impl Step {
    /// From the first beginning to the last end.
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

impl Appended {
    /// Every one of `count` events is stored.
    pub fn all(count: usize) -> Self {
        Self { stored: count, ..Self::default() }
    }

    /// How many events this answer speaks of: the length of the batch, if the store kept the contract.
    pub fn total(&self) -> usize {
        self.stored + self.duplicates.len() + self.rejected.len()
    }
}

/// An event that the store refuses, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Position in the batch.
    pub index: usize,
    /// Why, for programs.
    pub code: RejectionCode,
    /// Why, in words for the person who sent it.
    pub reason: String,
}

/// Why a store refuses an event, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionCode {
    /// `rejected_by_store`: the store cannot keep it as it is.
    Unfit,
    /// `id_conflict`: another event has its id.
    IdConflict,
}

impl Rejection {
    /// Of an event that the store cannot keep as it is.
    pub fn unfit(index: usize, reason: impl Into<String>) -> Self {
        Self { index, code: RejectionCode::Unfit, reason: reason.into() }
    }

    /// Of an event whose id names another one: of events of this crate, `event::Deed` says which is another.
    pub fn id_conflict(index: usize, id: impl fmt::Display) -> Self {
        let reason = format!(
            "another event with the id {id} is there already: its user, type or occurredAt differs; give each event an id of \
             its own, and send it again as it was"
        );
        Self { index, code: RejectionCode::IdConflict, reason }
    }
}

impl RejectionCode {
    /// The name that stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unfit => "rejected_by_store",
            Self::IdConflict => "id_conflict",
        }
    }

    /// The code of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Unfit, Self::IdConflict].into_iter().find(|code| code.as_str() == name)
    }
}

/// An append failed as a whole. [`advice`](Self::advice) tells the caller what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    advice: Advice,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What to do after a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The trouble may pass: append the same batch again, with backoff.
    Retry,
    /// The store is overloaded or away: append the same batch again, not before this time has passed.
    RetryAfter(Duration),
    /// The store refuses this batch: the same bytes will be refused again, but smaller parts of it may be taken.
    Refused,
    /// The store takes nothing any more in the life of this process (its disk failed an fsync, say).
    Fatal,
}

impl StoreError {
    /// An error with [`Advice::Retry`].
    pub fn retry(message: impl Into<String>) -> Self {
        Self::new(Advice::Retry, message)
    }

    /// An error with [`Advice::RetryAfter`].
    pub fn retry_after(delay: Duration, message: impl Into<String>) -> Self {
        Self::new(Advice::RetryAfter(delay), message)
    }

    /// An error with [`Advice::Refused`].
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Advice::Refused, message)
    }

    /// An error with [`Advice::Fatal`].
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(Advice::Fatal, message)
    }

    fn new(advice: Advice, message: impl Into<String>) -> Self {
        Self { advice, message: message.into(), source: None }
    }

    /// The same error with the error that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do now.
    pub fn advice(&self) -> Advice {
        self.advice
    }
}

/// An error and what caused it, in one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
