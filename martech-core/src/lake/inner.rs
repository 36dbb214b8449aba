//! State that all handles and workers of a lake share.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    LakeOptions, LakeStatus,
    dedupe::Dedupe,
    error::{LakeError, Result},
    files::{Shared, Version},
    hot::{Chunk, Hot},
    publish::Files,
    roll::Fresh,
    state::{State, Ticket},
    work::Work,
    worker::Message,
};
use crate::{fs::Lock, journal::Journal};

pub(super) struct Inner {
    pub(super) options: LakeOptions,
    pub(super) shared: Arc<Shared>,
    pub(super) journal: Journal,
    pub(super) dedupe: Dedupe,
    /// Held through an admission, so that batches reach the journal in the order of their lookups.
    pub(super) admission: Mutex<()>,
    state: Mutex<State>,
    /// Notified when the state changes, for example when a batch becomes durable or a roll ends.
    pub(super) progress: Condvar,
    /// Held while files are added or retired. Lock order: this lock before the lock of the state.
    pub(super) files: Mutex<Files>,
    pub(super) lock: Mutex<Option<Lock>>,
    pub(super) found: Found,
    pub(super) rolls: Work,
    pub(super) compactions: Work,
    /// Permits of queries that read all events of a time range. Each such query uses one thread per core and much
    /// memory.
    pub(super) scans: Arc<Semaphore>,
    /// Permits of the other queries.
    pub(super) lookups: Arc<Semaphore>,
}

/// Damage of the journal that was found when the lake was opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) damage: u64,
    pub(super) cut_bytes: u64,
}

const SCANS: usize = 1;
const LOOKUPS: usize = 8;

impl fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lake").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The view of a reader: one state of the hot table and of the files.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) hot: Vec<Arc<Hot>>,
    pub(super) version: Arc<Version>,
}

impl Inner {
    pub(super) fn new(
        options: LakeOptions,
        shared: Arc<Shared>,
        journal: Journal,
        state: State,
        files: Files,
        lock: Lock,
        found: Found,
    ) -> Self {
        Self {
            dedupe: Dedupe::new(shared.layout.clone(), options.dedupe_memory),
            admission: Mutex::new(()),
            options,
            shared,
            journal,
            state: Mutex::new(state),
            progress: Condvar::new(),
            files: Mutex::new(files),
            lock: Mutex::new(Some(lock)),
            found,
            rolls: Work::default(),
            compactions: Work::default(),
            scans: Arc::new(Semaphore::new(SCANS)),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    /// Locks the state. Code that holds this lock never leaves the state half changed, so poisoning by a panic is
    /// ignored.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a durable batch visible, and wakes the roll worker if it has something to do.
    pub(super) fn arrive(&self, state: &mut State, ticket: Ticket, chunk: Arc<Chunk>, sequence: u64) {
        let before = state.active.bytes;
        state.arrive(ticket, chunk, sequence);
        let is_full = |bytes: usize| bytes >= self.options.roll_bytes;
        if (before == 0 || (is_full(state.active.bytes) && !is_full(before)))
            && let Some(roller) = &state.roller
        {
            // The send fails only if the worker was stopped.
            let _ = roller.send(Message::Look);
        }
    }

    /// Returns the time until a roll is due. Returns `None` if there is nothing to roll.
    pub(super) fn roll_due_in(&self) -> Option<Duration> {
        let state = self.state();
        if state.waiting.is_empty() { self.active_due_in(&state) } else { Some(Duration::ZERO) }
    }

    /// Returns whether a roll should take the active table now.
    pub(super) fn fresh(&self) -> Fresh {
        if self.active_due_in(&self.state()) == Some(Duration::ZERO) { Fresh::Roll } else { Fresh::Wait }
    }

    fn active_due_in(&self, state: &State) -> Option<Duration> {
        if state.active.bytes >= self.options.roll_bytes {
            return Some(Duration::ZERO);
        }
        state.active_since.map(|since| self.options.roll_age.saturating_sub(since.elapsed()))
    }

    /// Waits for a change of the state.
    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.progress.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change of the state, for at most `time`.
    pub(super) fn wait_for<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.progress.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        let state = self.state();
        if state.closed {
            return Err(LakeError::Closed);
        }
        let waiting = (!state.waiting.is_empty()).then(|| state.waiting.hot());
        let hot = waiting.into_iter().chain(&state.frozen).cloned().chain([Arc::new(state.active.clone())]).collect();
        Ok(Snapshot { hot, version: state.version.clone() })
    }

    pub(super) fn status(&self) -> LakeStatus {
        let journal = self.journal.stats();
        let dedupe_bytes = self.dedupe.memory();
        let state = self.state();
        let frozen = state.frozen.as_ref().map_or(0, |hot| hot.rows);
        let hot_events = (state.active.rows + frozen + state.waiting.hot().rows) as u64;
        let files = state.version.events();
        let (rows, bytes) =
            files.fold((0, 0), |(rows, bytes), file| (rows + file.entry.rows, bytes + file.entry.bytes));
        LakeStatus {
            events: hot_events + rows,
            hot_events,
            waiting_days: state.waiting.days() as u64,
            files: state.version.events().count() as u64,
            file_bytes: bytes + state.version.users.iter().map(|file| file.entry.bytes).sum::<u64>(),
            journal_bytes: journal.bytes,
            dedupe_bytes,
            journal_damage: self.found.damage,
            journal_cut_bytes: self.found.cut_bytes,
            rolls: self.rolls.stats(),
            compactions: self.compactions.stats(),
            error: state.trouble(journal.poisoned),
        }
    }
}
