//! State that the threads of the test share.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Longer than any step of the test takes. A test that waits this long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// An activity that a kill may interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// A single event is being sent.
    Single,
    /// A batch is being sent.
    Batch,
    /// `martech-server import` is running.
    Import,
    /// `POST /admin/roll`
    Roll,
    /// `POST /admin/compact`
    Compaction,
    /// A query is running.
    Query,
}

impl Activity {
    pub(crate) const ALL: [Self; 6] =
        [Self::Single, Self::Batch, Self::Import, Self::Roll, Self::Compaction, Self::Query];
}

#[derive(Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    server: Option<Server>,
    runs: u32,
    /// The server was told to stop. From now on it may reject requests, and need not store the events that it buffers.
    ending: bool,
    /// Runs that ended cleanly by SIGTERM, and so stored their buffered events.
    ended_well: HashSet<u32>,
    stopped: bool,
    /// The number of events that were reported as durable.
    acknowledged: u64,
    /// By activity: how many have begun in total, and how many are running.
    begun: [u64; Activity::ALL.len()],
    under_way: [u64; Activity::ALL.len()],
}

/// A running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    /// The number of the run, from 1.
    pub(crate) run: u32,
}

impl Board {
    /// Publishes a new server.
    pub(crate) fn open(&self, addr: SocketAddr) -> Server {
        let mut state = self.state();
        state.runs += 1;
        let server = Server { addr, run: state.runs };
        state.server = Some(server);
        state.ending = false;
        self.changed.notify_all();
        server
    }

    /// Marks the server as stopping.
    pub(crate) fn end(&self) {
        self.change(|state| state.ending = true);
    }

    /// Removes the server. `ended_well` says whether it ended cleanly.
    pub(crate) fn close(&self, ended_well: bool) {
        self.change(|state| {
            if let Some(server) = state.server.take().filter(|_| ended_well) {
                state.ended_well.insert(server.run);
            }
        });
    }

    pub(crate) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Stops all threads when the result is dropped, also by a panic.
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

    /// Waits for a server. Returns `None` if the test is stopping.
    pub(crate) fn server(&self) -> Option<Server> {
        let state = self.wait_while(|state| state.server.is_none() && !state.stopped);
        state.server.filter(|_| !state.stopped)
    }

    /// Returns whether this run is still serving and has not been told to stop.
    pub(crate) fn is_serving(&self, server: Server) -> bool {
        let state = self.state();
        state.server == Some(server) && !state.ending
    }

    pub(crate) fn ended_well(&self, run: u32) -> bool {
        self.state().ended_well.contains(&run)
    }

    /// Runs `work`, and registers it as an activity that a kill may interrupt.
    pub(crate) fn during<T>(&self, activity: Activity, work: impl FnOnce() -> T) -> T {
        self.change(|state| {
            state.begun[activity as usize] += 1;
            state.under_way[activity as usize] += 1;
        });
        let done = work();
        self.change(|state| state.under_way[activity as usize] -= 1);
        done
    }

    /// Returns the activities that are running now.
    pub(crate) fn under_way(&self) -> Vec<Activity> {
        let state = self.state();
        Activity::ALL.into_iter().filter(|activity| state.under_way[*activity as usize] > 0).collect()
    }

    /// Waits until `events` more events are acknowledged.
    pub(crate) fn await_more(&self, events: u64) {
        let goal = self.acknowledged() + events;
        drop(self.wait_while(|state| state.acknowledged < goal && !state.stopped));
    }

    /// Waits until the next start of an activity, and then for `delay`. This is the randomly chosen moment of a kill.
    pub(crate) fn await_into(&self, activity: Activity, delay: Duration) {
        let before = self.state().begun[activity as usize];
        let state = self.wait_while(|state| state.begun[activity as usize] == before && !state.stopped);
        drop(self.changed.wait_timeout_while(state, delay, |state| !state.stopped));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn wait_while(&self, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, condition);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "timed out waiting for other threads");
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
