//! Concurrency limit and timeout of queries.
//!
//! A query runs to its end even if its client has disconnected or timed out, because the threads that read files cannot
//! be stopped. The query keeps its permit until then, so a client gains nothing by repeatedly sending queries and
//! disconnecting. The stores limit their own concurrency; this module limits the queue in front of them.

use std::{future::Future, sync::Arc, thread, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tracing::Instrument;

use crate::{
    http::error::{ApiError, catalogue},
    projects::backend::BackendError,
};

/// The default number of permits for each core.
const PLACES_PER_CORE: usize = 4;
/// The length of the queue, as a multiple of the number of permits.
const LINE: usize = 4;
/// The timeout for a permit.
const LINE_PATIENCE: Duration = Duration::from_secs(5);

/// The queries of a server.
#[derive(Debug)]
pub(crate) struct Queries {
    places: Arc<Semaphore>,
    /// One permit for each query that runs or waits.
    present: Arc<Semaphore>,
    line_patience: Duration,
    patience: Duration,
}

impl Queries {
    /// Creates the limit. `places` is the number of concurrent queries, `patience` their timeout.
    pub(crate) fn new(places: Option<u32>, patience: Duration) -> Self {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let places =
            places.map_or_else(|| PLACES_PER_CORE * cores(), |places| usize::try_from(places).unwrap_or(usize::MAX));
        let places = places.min(Semaphore::MAX_PERMITS / (LINE + 1));
        Self {
            places: Arc::new(Semaphore::new(places)),
            present: Arc::new(Semaphore::new(places * (LINE + 1))),
            line_patience: LINE_PATIENCE,
            patience,
        }
    }

    /// Runs a query when a permit is free.
    ///
    /// # Errors
    ///
    /// Returns 503 if the queue is full, or if the permit or the answer does not arrive in time.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, BackendError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.place().await?;
        let work = async move {
            // Keep the permit until the work ends, even if the caller stops waiting.
            let _place = place;
            question.await
        };
        match timeout(self.patience, tokio::spawn(work.in_current_span())).await {
            Ok(Ok(answer)) => Ok(answer?),
            Ok(Err(panic)) => Err(catalogue::internal(&panic)),
            Err(_) => Err(catalogue::query_timeout()),
        }
    }

    async fn place(&self) -> Result<[OwnedSemaphorePermit; 2], ApiError> {
        let present = self.present.clone().try_acquire_owned().map_err(|_| catalogue::too_many_queries())?;
        let place = timeout(self.line_patience, self.places.clone().acquire_owned())
            .await
            .map_err(|_| catalogue::too_many_queries())?;
        Ok([place.map_err(|closed| catalogue::internal(&closed))?, present])
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use axum::http::StatusCode;
    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn queries(places: u32) -> Queries {
        Queries::new(Some(places), LONG)
    }

    /// Returns a query that completes when the sender sends its answer.
    fn slow() -> (oneshot::Sender<u8>, impl Future<Output = Result<u8, BackendError>>) {
        let (answer, asked) = oneshot::channel();
        (answer, async { Ok(asked.await.unwrap_or_default()) })
    }

    #[tokio::test]
    async fn queries_wait_in_a_bounded_queue() {
        let queries = Arc::new(Queries { line_patience: Duration::from_millis(20), ..queries(1) });
        let (answer, question) = slow();
        let first = tokio::spawn({
            let queries = queries.clone();
            async move { queries.answer(question).await }
        });
        while queries.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let late = queries.answer(ready(Ok(2))).await.unwrap_err();
        assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE, "nobody waits for ever");
        let line: Vec<_> = (0..LINE).map(|_| queries.present.clone().try_acquire_owned().unwrap()).collect();
        assert!(queries.place().await.is_err(), "the line is full");
        drop(line);
        answer.send(1).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 1);
        assert_eq!(queries.answer(ready(Ok(3))).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn abandoned_query_keeps_its_permit_until_it_ends() {
        let queries = queries(1);
        let (answer, question) = slow();
        let abandoned = timeout(Duration::from_millis(20), queries.answer(question)).await;
        assert!(abandoned.is_err());
        assert_eq!(queries.places.available_permits(), 0);
        answer.send(1).unwrap();
        assert_eq!(queries.answer(ready(Ok(2))).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn slow_query_times_out() {
        let queries = Queries { patience: Duration::from_millis(20), ..queries(2) };
        let refused = queries.answer(pending::<Result<(), _>>()).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(queries.places.available_permits(), 1, "it is still being worked on");
    }
}
