use super::error::{LakeError, Result};

/// Runs file reads and long computations off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => Err(LakeError::Task(panic.to_string())),
    }
}
