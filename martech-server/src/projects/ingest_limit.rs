//! A limit on the bodies that are on their way to the disk of a project.
//!
//! A pool with one worker per processor decompresses and parses large and compressed bodies, and their events wait in a
//! queue. Bodies that arrive faster wait, and each one increases the wait. At the limit, the server refuses further bodies
//! with 503 before it reads them, so that the other bodies are durable within a fraction of a second. The limit is a count,
//! and depends on no clock and no estimate. A neighbor that uses the processor therefore causes no refusals by itself.
//!
//! Small bodies need no worker. Only the number of connections limits them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::IngestRefusal;
use crate::util::worker_count;

/// Maximum number of bodies per worker. A body of a thousand events takes about ten milliseconds, so bodies at the limit
/// wait for less than a tenth of a second. There are at least two workers, so eight batch clients are never refused.
const PER_WORKER: usize = 4;

/// The limit of one project.
#[derive(Debug)]
pub(crate) struct IngestLimit(Arc<Semaphore>);

impl Default for IngestLimit {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(worker_count() * PER_WORKER)))
    }
}

impl IngestLimit {
    /// Checks whether there is a place for a body, without taking it.
    ///
    /// # Errors
    /// Returns 503 if the limit is reached.
    pub(crate) fn check(&self) -> Result<(), IngestRefusal> {
        if self.0.available_permits() > 0 { Ok(()) } else { Err(IngestRefusal::Busy) }
    }

    /// Takes a permit for a body. Dropping the permit releases the place.
    ///
    /// # Errors
    /// Returns 503 if the limit is reached.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, IngestRefusal> {
        self.0.clone().try_acquire_owned().map_err(|_| IngestRefusal::Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_at_limit_and_accepts_below_it() {
        let limit = IngestLimit(Arc::new(Semaphore::new(2)));
        let (first, _second) = (limit.enter().unwrap(), limit.enter().unwrap());
        assert!(limit.check().is_err());
        assert_eq!(limit.enter().unwrap_err(), IngestRefusal::Busy);
        drop(first);
        assert!(limit.check().is_ok() && limit.enter().is_ok());
    }
}
