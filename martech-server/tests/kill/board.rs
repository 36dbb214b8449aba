//! What the threads of the test tell each other.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Longer than anything here takes; a test that gets here hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a kill may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// One event is on its way.
    Single,
    /// A list of events is.
    Batch,
    /// `martech-server import` runs.
    Import,
    /// `POST /admin/roll`
    Roll,
    /// `POST /admin/compact`
    Compaction,
    /// Something is asked.
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
    /// The server was told to end: it may refuse, and what it buffers from now on it need not store.
    ending: bool,
    /// Runs that ended by SIGTERM, and so stored what was buffered.
    ended_well: HashSet<u32>,
    stopped: bool,
    /// Events that somebody knows to be durable.
    acknowledged: u64,
    /// By activity: how many were begun ever, and how many go on.
    begun: [u64; Activity::ALL.len()],
    under_way: [u64; Activity::ALL.len()],
}

/// A running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    /// Counts the runs.
    pub(crate) run: u32,
}

impl Board {
    /// There is a server.
    pub(crate) fn open(&self, addr: SocketAddr) -> Server {
        let mut state = self.state();
        state.runs += 1;
        let server = Server { addr, run: state.runs };
        state.server = Some(server);
        state.ending = false;
        self.changed.notify_all();
        server
    }

    /// It will soon be none any more.
    pub(crate) fn end(&self) {
        self.change(|state| state.ending = true);
    }

    /// There is none any more.
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

    /// Ends all threads when the one that holds this ends in any way.
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
    pub(crate) fn server(&self) -> Option<Server> {
        let state = self.wait_while(|state| state.server.is_none() && !state.stopped);
        state.server.filter(|_| !state.stopped)
    }

    /// Whether this run still serves, and has not been told to end.
    pub(crate) fn is_serving(&self, server: Server) -> bool {
        let state = self.state();
        state.server == Some(server) && !state.ending
    }

    pub(crate) fn ended_well(&self, run: u32) -> bool {
        self.state().ended_well.contains(&run)
    }

    /// Does something that a kill may meet.
    pub(crate) fn during<T>(&self, activity: Activity, work: impl FnOnce() -> T) -> T {
        self.change(|state| {
            state.begun[activity as usize] += 1;
            state.under_way[activity as usize] += 1;
        });
        let done = work();
        self.change(|state| state.under_way[activity as usize] -= 1);
        done
    }

    /// What goes on now.
    pub(crate) fn under_way(&self) -> Vec<Activity> {
        let state = self.state();
        Activity::ALL.into_iter().filter(|activity| state.under_way[*activity as usize] > 0).collect()
    }

    /// Waits until so many more events are acknowledged.
    pub(crate) fn await_more(&self, events: u64) {
        let goal = self.acknowledged() + events;
        drop(self.wait_while(|state| state.acknowledged < goal && !state.stopped));
    }

    /// Waits until so long after an activity begins: the moment of a kill, chosen by chance.
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
        assert!(!timeout.timed_out(), "nothing happens any more");
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
