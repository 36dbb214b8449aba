//! What the threads of the test tell each other.

use std::{
    net::SocketAddr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Longer than anything here takes; a test that gets here hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    addr: Option<SocketAddr>,
    stopped: bool,
    /// Events that some sender knows to be durable.
    acknowledged: u64,
}

impl Board {
    /// There is a server.
    pub(crate) fn open(&self, addr: SocketAddr) {
        self.change(|state| state.addr = Some(addr));
    }

    /// There is none any more.
    pub(crate) fn close(&self) {
        self.change(|state| state.addr = None);
    }

    pub(crate) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Ends the threads when the one that holds this ends in any way.
    pub(crate) fn stop_on_drop(&self) -> impl Drop {
        struct Stop<'a>(&'a Board);

        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.stop();
            }
        }
        Stop(self)
    }

    pub(crate) fn acknowledge(&self, events: usize) {
        self.change(|state| state.acknowledged += events as u64);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.state().acknowledged
    }

    /// Waits for a server; nothing when the test is to end.
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        let waits = |state: &mut State| state.addr.is_none() && !state.stopped;
        let state = self.wait_while(waits);
        state.addr.filter(|_| !state.stopped)
    }

    /// Waits until so many more events are acknowledged.
    pub(crate) fn await_more(&self, events: u64) {
        let goal = self.acknowledged() + events;
        drop(self.wait_while(|state| state.acknowledged < goal));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn wait_while(&self, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, condition);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "nothing happens any more");
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
