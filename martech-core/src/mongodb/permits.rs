//! Limits of the queries that run at once.
//!
//! The driver's pool limits the commands that run at once, but a query has no connection between two of its commands,
//! and keeps what it has gathered. These permits therefore bound the memory of queries.

use tokio::sync::{Semaphore, SemaphorePermit};

const STATS: usize = 4;
const LOOKUPS: usize = 8;

/// Permits of the queries of all databases on a server. Dropping a query returns its permit.
#[derive(Debug)]
pub(super) struct QueryPermits {
    stats: Semaphore,
    lookups: Semaphore,
}

impl Default for QueryPermits {
    fn default() -> Self {
        Self { stats: Semaphore::new(STATS), lookups: Semaphore::new(LOOKUPS) }
    }
}

impl QueryPermits {
    /// Waits until a `stats` query may run.
    pub(super) async fn stats(&self) -> SemaphorePermit<'_> {
        acquire(&self.stats).await
    }

    /// Waits until a query of one journey, or of a page of users, may run.
    pub(super) async fn lookup(&self) -> SemaphorePermit<'_> {
        acquire(&self.lookups).await
    }
}

async fn acquire(permits: &Semaphore) -> SemaphorePermit<'_> {
    permits.acquire().await.expect("nothing closes the semaphore")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::{
        event::Timestamp,
        mongodb::{MongoError, MongoOptions, MongoStore},
        query::{JourneyQuery, Reader, StatsQuery, TimeRange},
    };

    #[tokio::test]
    async fn stats_queries_wait_and_do_not_hold_up_lookups() {
        let store =
            MongoStore::new(MongoOptions::new("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=1")).await.unwrap();
        let other = store.in_database("other");
        let mut running = Vec::new();
        for _ in 0..STATS {
            running.push(store.target.permits.stats().await);
        }
        let range = TimeRange { from: Timestamp::from_millis(0), to: Timestamp::from_millis(1) };
        let stats = || other.stats(StatsQuery::new(range));
        assert!(timeout(Duration::from_millis(20), stats()).await.is_err());
        let journey = other.journey(JourneyQuery::new("u")).await;
        assert!(matches!(journey, Err(MongoError::Unavailable(_))), "{journey:?}");
        drop(running);
        assert!(matches!(stats().await, Err(MongoError::Unavailable(_))));
    }
}
