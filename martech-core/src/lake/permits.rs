//! Permits of the queries that run at once.
//!
//! A `stats` query reads all events of a time range. It uses one thread per core and much memory, so a lake runs one at
//! a time. A process with several lakes bounds the `stats` queries of all of them with one [`ScanLimit`].

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The `journey` and `users` queries of a lake that run at once.
const LOOKUPS: usize = 8;

/// The number of `stats` queries that the lakes of a process run at once. Clones share the limit.
///
/// Each lake runs one `stats` query at a time, so the lakes take turns: a lake with many queries does not keep out the
/// others.
///
/// ```
/// use martech_core::lake::{LakeOptions, ScanLimit};
///
/// let limit = ScanLimit::new(2);
/// let lakes = ["berlin", "paris", "rome"].map(|dir| LakeOptions::new(dir).scan_limit(limit.clone()));
/// ```
#[derive(Debug, Clone)]
pub struct ScanLimit {
    permits: Arc<Semaphore>,
}

impl ScanLimit {
    /// Creates a limit of `queries` at once, which is at least 1.
    pub fn new(queries: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(queries.clamp(1, Semaphore::MAX_PERMITS))) }
    }
}

/// Permits of the queries of one lake.
#[derive(Debug)]
pub(crate) struct QueryPermits {
    scan: Arc<Semaphore>,
    scan_limit: ScanLimit,
    lookups: Arc<Semaphore>,
}

/// Held by a query while it runs.
#[derive(Debug)]
pub(crate) struct QueryPermit {
    _lake: OwnedSemaphorePermit,
    _process: Option<OwnedSemaphorePermit>,
}

impl QueryPermits {
    pub(crate) fn new(scan_limit: ScanLimit) -> Self {
        let [scan, lookups] = [1, LOOKUPS].map(|count| Arc::new(Semaphore::new(count)));
        Self { scan, scan_limit, lookups }
    }

    /// Waits until a `stats` query may run. At most one query of a lake waits for the limit of the process, which is
    /// fair, so the lakes take turns.
    pub(crate) async fn scan(&self) -> QueryPermit {
        let lake = acquire(&self.scan).await;
        QueryPermit { _lake: lake, _process: Some(acquire(&self.scan_limit.permits).await) }
    }

    /// Waits until a query of one journey, or of a page of users, may run.
    pub(crate) async fn lookup(&self) -> QueryPermit {
        QueryPermit { _lake: acquire(&self.lookups).await, _process: None }
    }
}

async fn acquire(permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    permits.clone().acquire_owned().await.expect("nothing closes the semaphore")
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
        time::Duration,
    };

    use tokio::time::timeout;

    use super::*;

    /// Polls once.
    async fn waits(query: Pin<&mut impl Future>) -> bool {
        timeout(Duration::ZERO, query).await.is_err()
    }

    #[tokio::test]
    async fn lakes_take_turns_within_the_limit_of_the_process() {
        let limit = ScanLimit::new(1);
        let [busy, quiet] = [(); 2].map(|()| QueryPermits::new(limit.clone()));

        let running = busy.scan().await;
        let mut second_of_busy = pin!(busy.scan());
        let mut first_of_quiet = pin!(quiet.scan());
        assert!(waits(second_of_busy.as_mut()).await);
        assert!(waits(first_of_quiet.as_mut()).await);
        let _lookup = busy.lookup().await;

        drop(running);
        assert!(waits(second_of_busy.as_mut()).await);
        let running = first_of_quiet.await;
        assert!(waits(second_of_busy.as_mut()).await);
        drop(running);
        second_of_busy.await;
    }

    #[tokio::test]
    async fn lake_runs_one_scan_at_a_time() {
        let permits = QueryPermits::new(ScanLimit::new(2));
        let running = permits.scan().await;
        let mut second = pin!(permits.scan());
        assert!(waits(second.as_mut()).await);
        drop(running);
        second.await;
    }
}
