//! The engine: the parts that all handles and background threads of a lake share.

pub(crate) mod counters;
pub(crate) mod job;
pub(crate) mod opening;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod throttle;

use std::{
    fmt, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::{
    counters::Work,
    job::Job,
    state::{ActiveTable, State, Ticket},
    status::LakeStatus,
};
use super::{
    error::{LakeError, Result},
    files::{
        dedupe::Dedupe,
        set::{Change, FileSet},
    },
    options::LakeOptions,
    permits::QueryPermits,
    rows::hot::Chunk,
    snapshot::Snapshot,
};
use crate::{fs::Lock, journal::Journal};

pub(crate) struct Engine {
    pub(crate) options: LakeOptions,
    pub(crate) journal: Journal,
    pub(crate) dedupe: Dedupe,
    /// Persisted through an admission, so that batches reach the journal in the order of their lookups.
    pub(crate) admission: Mutex<()>,
    state: Mutex<State>,
    /// Notified when the state changes, for example when a batch becomes durable or a roll ends.
    pub(crate) progress: Condvar,
    pub(crate) files: FileSet,
    pub(crate) lock: Mutex<Option<Lock>>,
    pub(crate) journal_damage: JournalDamage,
    pub(crate) rolls: Work,
    pub(crate) compactions: Work,
    pub(crate) permits: QueryPermits,
}

/// Damage of the journal that was found when the lake was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalDamage {
    pub(crate) damage: u64,
    pub(crate) cut_bytes: u64,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lake").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new(
        options: LakeOptions,
        journal: Journal,
        state: State,
        files: FileSet,
        lock: Lock,
        journal_damage: JournalDamage,
    ) -> Self {
        Self {
            dedupe: Dedupe::new(files.layout().clone(), options.dedupe_memory),
            admission: Mutex::new(()),
            permits: QueryPermits::new(options.scan_limit.clone()),
            options,
            journal,
            state: Mutex::new(state),
            progress: Condvar::new(),
            files,
            lock: Mutex::new(Some(lock)),
            journal_damage,
            rolls: Work::default(),
            compactions: Work::default(),
        }
    }

    /// Locks the state. Code that holds this lock never leaves the state half changed, so poisoning by a panic is
    /// ignored.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state if no other thread has locked it.
    pub(crate) fn try_state(&self) -> Option<MutexGuard<'_, State>> {
        self.state.try_lock().ok()
    }

    /// Makes a durable batch visible, and wakes the roll worker if it has something to do.
    pub(crate) fn complete_write(&self, state: &mut State, ticket: Ticket, chunk: Arc<Chunk>, sequence: u64) {
        let before = state.active.bytes;
        state.complete_write(ticket, chunk, sequence);
        let is_full = |bytes: usize| bytes >= self.options.roll_bytes;
        if (before == 0 || (is_full(state.active.bytes) && !is_full(before)))
            && let Some(roller) = &state.roller
        {
            // The send fails only if the worker was stopped.
            let _ = roller.send(Job::Due);
        }
    }

    /// Returns the time until a roll is due. Returns `None` if there is nothing to roll.
    pub(crate) fn roll_due_in(&self) -> Option<Duration> {
        self.active_due_in(&self.state())
    }

    /// Returns whether a roll should take the active table now.
    pub(crate) fn active_table(&self) -> ActiveTable {
        if self.active_due_in(&self.state()) == Some(Duration::ZERO) { ActiveTable::Freeze } else { ActiveTable::Keep }
    }

    fn active_due_in(&self, state: &State) -> Option<Duration> {
        if state.active.bytes >= self.options.roll_bytes {
            return Some(Duration::ZERO);
        }
        state.active_since.map(|since| self.options.roll_age.saturating_sub(since.elapsed()))
    }

    /// Waits for a change of the state.
    pub(crate) fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.progress.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change of the state, for at most `time`.
    pub(crate) fn wait_for<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.progress.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Publishes a change of the live files that retires some of them.
    pub(crate) fn replace_files(&self, change: Change) -> Result<()> {
        let retired = change.retire.clone();
        // The old version is dropped outside the lock of the state: with its last reader, its files are removed from
        // disk.
        let mut before = None;
        self.files
            .publish(change, |version| before = Some(mem::replace(&mut self.state().version, Arc::new(version))))?;
        drop(before);
        self.dedupe.remove_indexes(retired);
        Ok(())
    }

    /// Returns whether the lake is being closed. Background work then stops.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let state = self.state();
        if state.closed {
            return Err(LakeError::Closed);
        }
        let hot = state.frozen.iter().cloned().chain([Arc::new(state.active.clone())]).collect();
        Ok(Snapshot { hot, version: state.version.clone() })
    }

    pub(crate) fn status(&self) -> LakeStatus {
        let journal = self.journal.stats();
        let dedupe_bytes = self.dedupe.memory();
        let state = self.state();
        let frozen = state.frozen.as_ref().map_or(0, |hot| hot.rows);
        let hot_events = (state.active.rows + frozen) as u64;
        let files = state.version.events();
        let (rows, bytes) =
            files.fold((0, 0), |(rows, bytes), file| (rows + file.entry.rows, bytes + file.entry.bytes));
        LakeStatus {
            events: hot_events + rows,
            hot_events,
            files: state.version.events().count() as u64,
            file_bytes: bytes + state.version.users.iter().map(|file| file.entry.bytes).sum::<u64>(),
            journal_bytes: journal.bytes,
            dedupe_bytes,
            journal_damage: self.journal_damage.damage,
            journal_cut_bytes: self.journal_damage.cut_bytes,
            rolls: self.rolls.stats(),
            compactions: self.compactions.stats(),
            error: state.trouble(journal.poisoned),
        }
    }
}
