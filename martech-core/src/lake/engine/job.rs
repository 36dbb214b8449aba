use tokio::sync::oneshot;

use crate::lake::error::Result;

/// A message to a background thread.
#[derive(Debug)]
pub(crate) enum Job {
    /// Do the work that is due.
    Due,
    /// Do all work now, and send the result.
    All(oneshot::Sender<Result<()>>),
    /// For the compaction thread: remove the days before this one, and send the number of removed events.
    Forget(i32, oneshot::Sender<Result<u64>>),
    /// Stop the thread.
    Stop,
}
