//! One stream of an HTTP/2 connection: a request and its answer.
//!
//! A client that closes the window of a stream keeps the answer in memory, for as long as it likes, while the connection may be as
//! busy as any. The timers of the connection see nothing of that. So each stream has the deadline that an answer over HTTP/1 has.
//! hyper runs each stream as a task of its own; a task that is dropped resets its stream.

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

/// Runs the streams of HTTP/2 connections.
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
                    tracing::debug!("a stream was reset: its client does not read the answer");
                }
                () = stream.given_up() => {}
            }
        }));
    }
}

/// How far the answer of a stream has come.
#[derive(Debug, Default)]
pub(super) struct Stream {
    progress: Mutex<Option<Progress>>,
    begun: Notify,
    is_given_up: AtomicBool,
    giving_up: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    since: Instant,
    last: Instant,
    bytes: u64,
}

impl Stream {
    /// The stream of this task, where it is one.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// The answer is there. From now on its client has to read it.
    pub(super) fn begin(&self) {
        let now = Instant::now();
        *self.progress() = Some(Progress { since: now, last: now, bytes: 0 });
        self.begun.notify_one();
    }

    /// hyper has taken more of the answer, since there was room for what it had.
    pub(super) fn got_on(&self, bytes: usize) {
        if let Some(progress) = &mut *self.progress() {
            progress.last = Instant::now();
            progress.bytes += bytes as u64;
        }
    }

    /// Has the stream reset.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.giving_up.notify_one();
    }

    async fn given_up(&self) {
        while !self.is_given_up.load(Ordering::Relaxed) {
            self.giving_up.notified().await;
        }
    }

    /// Completes when the client takes longer than it may.
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
