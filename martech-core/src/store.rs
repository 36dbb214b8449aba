//! The trait that connects all parts: a batch goes in, and the outcome of each event comes out.

mod steps;

use std::{
    borrow::Cow,
    error::Error,
    fmt::{self, Write as _},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use serde::{Serialize, Serializer};

pub use self::steps::{Step, Steps};

/// A destination of events: a database, a lake of files, another server.
///
/// # Contract
/// - `Ok` covers every event of the batch: it is durable, a duplicate, or rejected. [`Appended::stored`], the
///   duplicates and the rejections add up to the length of the batch.
/// - `Err` covers the whole batch, and [`StoreError::advice`] says how to proceed. Some events may be stored despite
///   the error. A store that deduplicates by id reports them as duplicates when the append is repeated, so a retry is
///   idempotent.
/// - The future is cancel safe: it may be dropped at any await point. The batch is then stored or not, and never left
///   in a partial state.
///
/// `testing::conformance` (feature `testing`) checks all of this for any store.
pub trait Store<E>: Send + Sync + 'static {
    /// Stores a batch. The batch is borrowed, so a retry copies nothing.
    ///
    /// # Errors
    /// Fails if the outcome for the batch as a whole is unknown or negative; see [`Advice`].
    fn append(&self, batch: &[E]) -> impl Future<Output = Result<Appended, StoreError>> + Send;
}

impl<E: Sync, S: Store<E>> Store<E> for Arc<S> {
    fn append(&self, batch: &[E]) -> impl Future<Output = Result<Appended, StoreError>> + Send {
        S::append(self, batch)
    }
}

/// A store whose type is known only at run time. Cloning is cheap, and clones share the store.
///
/// ```
/// use martech_core::{MemoryStore, Store, store::DynStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stores: Vec<DynStore<&str>> = vec![DynStore::new(MemoryStore::new())]; // possibly of different types
/// assert_eq!(stores[0].append(&["a page view"]).await?.stored, 1);
/// # Ok(()) }
/// ```
pub struct DynStore<E>(Arc<dyn ErasedStore<E>>);

impl<E: Sync + 'static> DynStore<E> {
    /// Erases the type of a store.
    pub fn new(store: impl Store<E>) -> Self {
        Self(Arc::new(store))
    }
}

impl<E: Sync + 'static> Store<E> for DynStore<E> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        self.0.append_erased(batch).await
    }
}

impl<E> Clone for DynStore<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> fmt::Debug for DynStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynStore").finish_non_exhaustive()
    }
}

trait ErasedStore<E>: Send + Sync {
    fn append_erased<'a>(
        &'a self,
        batch: &'a [E],
    ) -> Pin<Box<dyn Future<Output = Result<Appended, StoreError>> + Send + 'a>>;
}

impl<E: Sync, S: Store<E>> ErasedStore<E> for S {
    fn append_erased<'a>(
        &'a self,
        batch: &'a [E],
    ) -> Pin<Box<dyn Future<Output = Result<Appended, StoreError>> + Send + 'a>> {
        Box::pin(self.append(batch))
    }
}

/// The outcome of a batch, event by event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Appended {
    /// Number of events that this append made durable.
    pub stored: usize,
    /// Indices, ascending, of the events that were already stored (or occur earlier in the same batch).
    pub duplicates: Vec<usize>,
    /// The events that the store permanently rejects, ascending by index.
    pub rejected: Vec<Rejection>,
}

impl Appended {
    /// Creates the outcome in which all `count` events are stored.
    pub fn all(count: usize) -> Self {
        Self { stored: count, ..Self::default() }
    }

    /// Returns the number of events covered: the length of the batch, if the store kept the contract.
    pub fn total(&self) -> usize {
        self.stored + self.duplicates.len() + self.rejected.len()
    }
}

/// An event that the store rejects, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// Position in the batch.
    pub index: usize,
    /// The reason, for programs.
    pub code: RejectionCode,
    /// The reason in words, for the sender.
    pub reason: String,
}

/// The reason that a store rejects an event, for programs: a name in `snake_case`.
///
/// A store may use codes of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RejectionCode(Cow<'static, str>);

impl Rejection {
    /// Creates the rejection of an event that the store cannot keep as it is.
    pub fn unfit(index: usize, reason: impl Into<String>) -> Self {
        Self { index, code: RejectionCode::REJECTED_BY_STORE, reason: reason.into() }
    }

    /// Creates the rejection of an event whose id belongs to another event. For events of this crate, `event::Signature`
    /// determines whether two events differ.
    pub fn id_conflict(index: usize, id: impl fmt::Display) -> Self {
        let reason = format!(
            "another event already has the id {id}: its user, type or occurredAt differs; give each event its own id, \
             and resend an event unchanged"
        );
        Self { index, code: RejectionCode::ID_CONFLICT, reason }
    }
}

impl RejectionCode {
    /// The store cannot keep the event as it is.
    pub const REJECTED_BY_STORE: Self = Self(Cow::Borrowed("rejected_by_store"));
    /// Another event has the same id.
    pub const ID_CONFLICT: Self = Self(Cow::Borrowed("id_conflict"));

    /// Creates a code from its name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// Returns the name, which is also used on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<RejectionCode> for Cow<'static, str> {
    fn from(code: RejectionCode) -> Self {
        code.0
    }
}

/// Serializes as its [name](RejectionCode::as_str).
impl Serialize for RejectionCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An error returned if an append failed as a whole. [`advice`](Self::advice) tells the caller what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    advice: Advice,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The action to take after a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The failure may be transient: append the same batch again, with backoff.
    Retry,
    /// The store is overloaded or unavailable: append the same batch again, but not before this delay has passed.
    RetryAfter(Duration),
    /// The store rejects this batch: the same bytes will be rejected again, but smaller parts may be accepted.
    Refused,
    /// The store accepts nothing more for the life of this process, for example because its disk failed an fsync.
    Fatal,
}

impl StoreError {
    /// Creates an error with [`Advice::Retry`].
    pub fn retry(message: impl Into<String>) -> Self {
        Self::new(Advice::Retry, message)
    }

    /// Creates an error with [`Advice::RetryAfter`].
    pub fn retry_after(delay: Duration, message: impl Into<String>) -> Self {
        Self::new(Advice::RetryAfter(delay), message)
    }

    /// Creates an error with [`Advice::Refused`].
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Advice::Refused, message)
    }

    /// Creates an error with [`Advice::Fatal`].
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(Advice::Fatal, message)
    }

    fn new(advice: Advice, message: impl Into<String>) -> Self {
        Self { advice, message: message.into(), source: None }
    }

    /// Returns the error with another error as its source.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the action to take.
    pub fn advice(&self) -> Advice {
        self.advice
    }
}

/// Formats an error and its sources in one line.
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
