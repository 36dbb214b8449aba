//! Concurrency limit and timeout of queries.
//!
//! The stores limit how many queries run at once: the lake and MongoDB each run a few and let the others wait. This
//! module limits how many run or wait. A query over the limit is refused at once, so the queue cannot grow. One timeout
//! covers waiting and running.
//!
//! A query that times out, or whose client disconnects, leaves the queue. If a lake already runs it, the query runs to
//! its end, because the threads that read files cannot be stopped. The query keeps its permit of the lake until then, so
//! a client gains nothing by repeatedly sending queries and disconnecting.

use std::{future::Future, thread, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

use crate::{
    http::error::{ApiError, catalogue},
    projects::backend::BackendError,
};

/// The default number of queries for each core.
const QUERIES_PER_CORE: usize = 20;

/// Limits the queries of a server.
#[derive(Debug)]
pub(crate) struct QueryLimit {
    /// One permit for each query that runs or waits.
    permits: Semaphore,
    timeout: Duration,
}

impl QueryLimit {
    /// Creates a limit of `max_queries` that run or wait. Each may take `timeout`, including its wait.
    pub(crate) fn new(max_queries: Option<u32>, timeout: Duration) -> Self {
        let default = || thread::available_parallelism().map_or(1, usize::from).saturating_mul(QUERIES_PER_CORE);
        let max_queries = max_queries.map_or_else(default, |count| usize::try_from(count).unwrap_or(usize::MAX));
        Self { permits: Semaphore::new(max_queries.min(Semaphore::MAX_PERMITS)), timeout }
    }

    /// Runs a query.
    ///
    /// # Errors
    ///
    /// Returns 503 if too many queries run or wait, or if the answer does not arrive in time.
    pub(crate) async fn run<T>(&self, query: impl Future<Output = Result<T, BackendError>>) -> Result<T, ApiError> {
        let _permit = self.permits.try_acquire().map_err(|_| catalogue::too_many_queries())?;
        match timeout(self.timeout, query).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(catalogue::query_timeout()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        pin::pin,
    };

    use futures_util::poll;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn refuses_query_over_the_limit_at_once() {
        let limit = QueryLimit::new(Some(2), LONG);
        let mut running = [0; 2].map(|_| Box::pin(limit.run(pending::<Result<(), _>>())));
        for query in &mut running {
            assert!(poll!(query).is_pending());
        }
        let refused = limit.run(ready(Ok(()))).await.unwrap_err();
        assert_eq!(refused.code(), "too_many_queries");
        drop(running);
        limit.run(ready(Ok(()))).await.unwrap();
    }

    #[tokio::test]
    async fn abandoned_query_leaves_the_queue() {
        let limit = QueryLimit::new(Some(1), LONG);
        {
            let mut abandoned = pin!(limit.run(pending::<Result<(), _>>()));
            assert!(poll!(&mut abandoned).is_pending());
            assert_eq!(limit.permits.available_permits(), 0);
        }
        assert_eq!(limit.run(ready(Ok(2))).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_query_times_out() {
        let limit = QueryLimit::new(Some(1), LONG);
        let refused = limit.run(pending::<Result<(), _>>()).await.unwrap_err();
        assert_eq!(refused.code(), "query_timeout");
        assert_eq!(limit.permits.available_permits(), 1);
    }
}
