use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc};

use super::{JourneyPage, JourneyQuery, Stats, StatsQuery, UsersPage, UsersQuery};

/// A store of [`Event`](crate::Event)s that answers queries.
///
/// # Contract
/// - An answer includes every event whose append completed before the query began. It may include events whose append
///   was in progress.
/// - Each event counts once. Two events with the same [key](crate::event::EventKey) are the same event. A store that
///   deduplicates by id alone never holds two events with the same id.
/// - A cursor is a position in an order, not in a list that the store keeps (keyset pagination). Every item that
///   exists from the first page to the last is shown exactly once, regardless of concurrent appends.
/// - An invalid query returns an error that displays as its [`QueryError`](super::QueryError) does.
///
/// `testing::conformance` (feature `testing`) checks all of this for any store.
pub trait Reader: Send + Sync + 'static {
    /// The error of a failed query.
    type Error: Error + Send + Sync + 'static;

    /// Returns a user's events in time order.
    fn journey(&self, query: JourneyQuery) -> impl Future<Output = Result<JourneyPage, Self::Error>> + Send;

    /// Returns users with their statistics.
    fn users(&self, query: UsersQuery) -> impl Future<Output = Result<UsersPage, Self::Error>> + Send;

    /// Returns the statistics of a shop.
    fn stats(&self, query: StatsQuery) -> impl Future<Output = Result<Stats, Self::Error>> + Send;
}

impl<R: Reader> Reader for Arc<R> {
    type Error = R::Error;

    fn journey(&self, query: JourneyQuery) -> impl Future<Output = Result<JourneyPage, Self::Error>> + Send {
        R::journey(self, query)
    }

    fn users(&self, query: UsersQuery) -> impl Future<Output = Result<UsersPage, Self::Error>> + Send {
        R::users(self, query)
    }

    fn stats(&self, query: StatsQuery) -> impl Future<Output = Result<Stats, Self::Error>> + Send {
        R::stats(self, query)
    }
}

/// A reader whose type is known only at run time. Cloning is cheap, and clones share the reader.
///
/// ```
/// use martech_core::{MemoryStore, query::{DynReader, JourneyQuery, Reader}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let reader = DynReader::new(MemoryStore::of_events()); // or a lake
/// assert!(reader.journey(JourneyQuery::new("u1")).await?.events.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DynReader(Arc<dyn ErasedReader>);

/// The error of a [`DynReader`]. It displays as the error of the reader behind it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DynReaderError(Box<dyn Error + Send + Sync>);

impl DynReader {
    /// Erases the type of a reader.
    pub fn new(reader: impl Reader) -> Self {
        Self(Arc::new(reader))
    }
}

impl DynReaderError {
    /// Returns the error of the reader behind it, which can be downcast.
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl Reader for DynReader {
    type Error = DynReaderError;

    async fn journey(&self, query: JourneyQuery) -> Result<JourneyPage, DynReaderError> {
        self.0.journey_erased(query).await
    }

    async fn users(&self, query: UsersQuery) -> Result<UsersPage, DynReaderError> {
        self.0.users_erased(query).await
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, DynReaderError> {
        self.0.stats_erased(query).await
    }
}

impl fmt::Debug for DynReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynReader").finish_non_exhaustive()
    }
}

type ErasedAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, DynReaderError>> + Send + 'a>>;

trait ErasedReader: Send + Sync {
    fn journey_erased(&self, query: JourneyQuery) -> ErasedAnswer<'_, JourneyPage>;
    fn users_erased(&self, query: UsersQuery) -> ErasedAnswer<'_, UsersPage>;
    fn stats_erased(&self, query: StatsQuery) -> ErasedAnswer<'_, Stats>;
}

impl<R: Reader> ErasedReader for R {
    fn journey_erased(&self, query: JourneyQuery) -> ErasedAnswer<'_, JourneyPage> {
        Box::pin(async move { self.journey(query).await.map_err(|error| DynReaderError(error.into())) })
    }

    fn users_erased(&self, query: UsersQuery) -> ErasedAnswer<'_, UsersPage> {
        Box::pin(async move { self.users(query).await.map_err(|error| DynReaderError(error.into())) })
    }

    fn stats_erased(&self, query: StatsQuery) -> ErasedAnswer<'_, Stats> {
        Box::pin(async move { self.stats(query).await.map_err(|error| DynReaderError(error.into())) })
    }
}
