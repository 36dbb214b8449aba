use std::{error::Error, future::Future, sync::Arc};

use super::{JourneyPage, JourneyQuery, Stats, StatsQuery, UsersPage, UsersQuery};

/// A store of [`Event`](crate::Event)s that answers questions.
///
/// # Contract
/// - An answer holds every event whose append was answered before the question was asked. It may hold those that were
///   being appended meanwhile.
/// - Each event counts once. Two of one [key](crate::event::EventKey) are the same; a store that tells events apart by
///   their ids alone never holds two of one id.
/// - A cursor names a place in an order, not in a list that the store keeps: walking from page to page shows everything
///   once that is there from the first page to the last, whatever is appended in between.
/// - A question that cannot be answered as it was put is an error that shows as its
///   [`QueryError`](super::QueryError) does.
///
/// `testing::conformance` (feature `testing`) checks all of this for any store.
pub trait Reader: Send + Sync + 'static {
    /// Why a question has no answer.
    type Error: Error + Send + Sync + 'static;

    /// A user's events in time order.
    fn journey(&self, query: JourneyQuery) -> impl Future<Output = Result<JourneyPage, Self::Error>> + Send;

    /// Users with their figures.
    fn users(&self, query: UsersQuery) -> impl Future<Output = Result<UsersPage, Self::Error>> + Send;

    /// The figures of a shop.
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
