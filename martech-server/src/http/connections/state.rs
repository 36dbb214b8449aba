//! The state of one connection that other tasks can see.

use std::{
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{task::AbortHandle, time::Instant};

/// Times are stored as microseconds since this instant.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// State of a connection. A connection is idle, which includes a partly sent request head, or it owes a response.
#[derive(Debug)]
pub(super) struct ConnectionState {
    /// Requests whose responses hyper has not fully taken.
    in_flight: AtomicU32,
    /// True while a write waits for the client.
    is_blocked: AtomicBool,
    /// Time at which the connection opened, a response ended or a blocked write completed, whichever came last.
    since: AtomicU64,
    task: OnceLock<AbortHandle>,
    is_closed: AtomicBool,
}

impl ConnectionState {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            in_flight: AtomicU32::new(0),
            is_blocked: AtomicBool::new(false),
            since: AtomicU64::new(micros()),
            task: OnceLock::new(),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Sets the task that [`close`](Self::close) aborts.
    pub(super) fn set_task(&self, task: AbortHandle) {
        // Each connection sets it once.
        let _ = self.task.set(task);
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }

    pub(super) fn set_blocked(&self, is_blocked: bool) {
        if !is_blocked {
            self.since.store(micros(), Relaxed);
        }
        self.is_blocked.store(is_blocked, Relaxed);
    }

    /// Returns the time since which the connection has been idle, or `None` if it owes a response or is closed.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_busy = self.in_flight.load(Relaxed) > 0 || self.is_blocked.load(Relaxed) || self.is_closed.load(Relaxed);
        (!is_busy).then(|| *START + Duration::from_micros(self.since.load(Relaxed)))
    }

    /// Returns whether [`close`](Self::close) was called.
    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }

    /// Closes the connection, even if it owes a response.
    pub(super) fn close(&self) {
        if let Some(task) = self.task.get() {
            self.is_closed.store(true, Relaxed);
            task.abort();
        }
    }
}

/// Guard of a request whose response hyper has not fully taken.
#[derive(Debug)]
pub(super) struct InFlight(Arc<ConnectionState>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.since.store(micros(), Relaxed);
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

fn micros() -> u64 {
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn is_idle_unless_it_owes_a_response() {
        let state = ConnectionState::new();
        assert!(state.idle_since().is_some());
        let (first, second) = (state.begin(), state.begin());
        drop(first);
        assert!(state.idle_since().is_none());
        drop(second);
        assert!(state.idle_since().is_some());
        state.set_blocked(true);
        assert!(state.idle_since().is_none());
        state.set_blocked(false);
        assert!(state.idle_since().is_some());

        let task = tokio::spawn(std::future::pending::<()>());
        state.set_task(task.abort_handle());
        state.close();
        assert!(state.idle_since().is_none());
        assert!(task.await.unwrap_err().is_cancelled());
    }
}
