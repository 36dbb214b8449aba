//! One stream of an HTTP/2 connection: a request and its response.
//!
//! A client can close the flow-control window of a stream and keep the response in memory indefinitely, while the
//! connection stays busy. The timers of the connection cannot detect this. Each stream therefore has the same deadline
//! as a response over HTTP/1. hyper runs each stream as its own task, and dropping the task resets the stream.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus::IntCounter;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::write_timer::WriteLimits;

tokio::task_local! {
    static CURRENT: Arc<Stream>;
}

/// Spawns the tasks of HTTP/2 streams and enforces their deadlines.
#[derive(Debug, Clone)]
pub(super) struct StreamExecutor {
    limits: WriteLimits,
    given_up: IntCounter,
}

impl StreamExecutor {
    pub(super) fn new(limits: WriteLimits, given_up: IntCounter) -> Self {
        Self { limits, given_up }
    }
}

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        let Self { limits, given_up } = self.clone();
        let stream = Arc::new(Stream::default());
        tokio::spawn(CURRENT.scope(stream.clone(), async move {
            tokio::select! {
                biased;
                _ = future => {}
                () = stream.overdue(limits) => {
                    given_up.inc();
                    tracing::debug!("reset a stream: its client does not read the response");
                }
                () = stream.abandoned() => {}
            }
        }));
    }
}

/// State of the response on a stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// `None` while the client has nothing to read.
    progress: Mutex<Option<Progress>>,
    begun: Notify,
    is_abandoned: AtomicBool,
    abandoning: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    since: Instant,
    last: Instant,
    bytes: u64,
}

impl Stream {
    /// Returns the stream that the current task runs, if any.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Records that the response is ready. The client has to read it from now on.
    pub(super) fn begin(&self) {
        let now = Instant::now();
        *self.progress() = Some(Progress { since: now, last: now, bytes: 0 });
        self.begun.notify_one();
    }

    /// Records that hyper took more of the response, because it had room.
    pub(super) fn progressed(&self, bytes: usize) {
        if self.progress().is_none() {
            self.begin();
        }
        if let Some(progress) = &mut *self.progress() {
            progress.last = Instant::now();
            progress.bytes += bytes as u64;
        }
    }

    /// Records that hyper has room and the response has no more bytes for now, as the stream of events often has. The
    /// client has nothing to read until there are more.
    pub(super) fn idle(&self) {
        *self.progress() = None;
    }

    /// Resets the stream.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
        self.abandoning.notify_one();
    }

    async fn abandoned(&self) {
        while !self.is_abandoned.load(Ordering::Relaxed) {
            self.abandoning.notified().await;
        }
    }

    /// Completes when the client exceeds the limits.
    async fn overdue(&self, limits: WriteLimits) {
        loop {
            let Some(progress) = *self.progress() else {
                self.begun.notified().await;
                continue;
            };
            let deadline = limits.deadline(progress.since, progress.last, progress.bytes);
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    fn progress(&self) -> MutexGuard<'_, Option<Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
