use std::{error::Error, future::Future, sync::Arc};

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
