//! A bound on the bodies that are on their way to the queue of a project.
//!
//! Large and compressed bodies are unpacked and parsed by as many workers as there are processors. Bodies that come faster wait for a
//! worker, and the wait grows with each of them. At the bound, a further body is refused with 503 before it is read, so that the
//! others are in the queue within a fraction of a second. The bound is a count: no clock and no estimate is in it, so a neighbour
//! that takes the processor, or a disk that stalls, refuses nobody.
//!
//! Small bodies are parsed where they arrive and have no bound but the number of connections.

use std::{sync::Arc, thread, time::Duration};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Bodies for each processor. One takes a few milliseconds.
const PER_PROCESSOR: usize = 16;

/// The bodies of one project that are on their way.
#[derive(Debug)]
pub(crate) struct IngestLimit(Arc<Semaphore>);

/// A body on its way, until this is dropped.
#[derive(Debug)]
pub(crate) struct IngestPermit(#[expect(dead_code, reason = "dropping it is what counts")] OwnedSemaphorePermit);

impl Default for IngestLimit {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(2, usize::from).max(2);
        Self(Arc::new(Semaphore::new(processors * PER_PROCESSOR)))
    }
}

impl IngestLimit {
    /// Whether a body would be taken now.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.0.available_permits() > 0 { Ok(()) } else { Err(server_busy()) }
    }

    /// Takes a body, unless the bound is reached.
    pub(crate) fn enter(&self) -> Result<IngestPermit, ApiError> {
        self.0.clone().try_acquire_owned().map(IngestPermit).map_err(|_| server_busy())
    }
}

fn server_busy() -> ApiError {
    let message = "more bodies wait to be parsed than may wait; send the events again after Retry-After";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "server_busy", message).retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_at_the_bound_and_takes_again_below_it() {
        let limit = IngestLimit(Arc::new(Semaphore::new(2)));
        let (first, _second) = (limit.enter().unwrap(), limit.enter().unwrap());
        assert!(limit.check().is_err());
        assert_eq!(limit.enter().unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
        drop(first);
        assert!(limit.check().is_ok() && limit.enter().is_ok());
    }
}
