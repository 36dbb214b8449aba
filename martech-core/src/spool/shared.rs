//! Progress of a spool: durable frames, forwarded frames, and waiters.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot, watch};

use super::availability::Availability;
use crate::{
    event::Timestamp,
    fs::Lock,
    journal::{FRAME_OVERHEAD, Journal},
    store::{Appended, Step, Steps, StoreError},
};

/// A caller that waits until the store has a frame, and the sync that made the frame durable.
pub(super) type Waiter = (oneshot::Sender<Answer>, Step);

/// The outcome of a frame, and the timings of its steps.
pub(super) type Answer = Result<(Appended, Steps), StoreError>;

/// A number of events and the bytes that they take in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Load {
    /// Returns the load of a frame with `events` events and a payload of `payload` bytes.
    pub(super) fn of_frame(events: u64, payload: usize) -> Self {
        Self { events, bytes: (payload + FRAME_OVERHEAD) as u64 }
    }
}

/// State shared by the handles and tasks of a spool.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) availability: Availability,
    progress: Mutex<Progress>,
    /// Signals the forwarder that there are new frames.
    pub(super) arrived: Notify,
    /// Signals changes of the progress or the availability.
    pulse: watch::Sender<()>,
    /// Lock on the folder, held until the last task has ended.
    lock: Mutex<Option<Lock>>,
}

#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Newest durable frame that the forwarder may read. Its waiter is registered by then.
    pub(super) durable: u64,
    /// The watermark: the store has all up to this frame.
    pub(super) forwarded: u64,
    /// Load that the store does not have yet.
    pub(super) behind: Load,
    /// Times of spooling of the frames in flight to the store.
    in_flight: VecDeque<Timestamp>,
    waiters: BTreeMap<u64, Waiter>,
    /// `true` once waiters get no more answers from the store.
    ended: bool,
    /// Number of damaged parts of the journal.
    pub(super) damage: u64,
    /// Reason why forwarding has halted, if it has.
    pub(super) halted: Option<String>,
    pub(super) closed: bool,
}

impl Progress {
    /// Returns the progress of a spool that was just opened.
    pub(super) fn new(durable: u64, forwarded: u64, behind: Load, damage: u64) -> Self {
        Self { durable, forwarded, behind, damage, ..Self::default() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.forwarded >= self.durable
    }

    /// Time of spooling of the oldest frame in flight, which the store does not have yet.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.in_flight.front().copied()
    }
}

impl Shared {
    pub(super) fn new(journal: Journal, progress: Progress, lock: Lock) -> Self {
        Self {
            journal,
            availability: Availability::default(),
            progress: Mutex::new(progress),
            arrived: Notify::new(),
            pulse: watch::Sender::new(()),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Locks the progress, ignoring poisoning: no code under this lock leaves it half changed.
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pulse(&self) {
        self.pulse.send_replace(());
    }

    /// Waits until `is_so` holds. Checked again after each change of the progress or the availability.
    pub(super) async fn until(&self, is_so: impl Fn(&Progress) -> bool) {
        let mut pulse = self.pulse.subscribe();
        loop {
            // Marked before the check, so that no change in between is missed.
            pulse.mark_unchanged();
            if is_so(&self.progress()) || pulse.changed().await.is_err() {
                return;
            }
        }
    }

    /// Records that a frame is durable. Must be called in the order of sequences.
    pub(super) fn durable(&self, sequence: u64, load: Load, waiter: Option<Waiter>) {
        let mut progress = self.progress();
        progress.durable = sequence;
        progress.behind.events += load.events;
        progress.behind.bytes += load.bytes;
        if let Some(waiter) = waiter.filter(|_| !progress.ended) {
            progress.waiters.insert(sequence, waiter);
        }
        drop(progress);
        self.arrived.notify_one();
    }

    /// Records that a frame with events is in flight to the store.
    pub(super) fn departed(&self, spooled_at: Timestamp) {
        self.progress().in_flight.push_back(spooled_at);
    }

    /// Records that the store has a frame, and answers its waiter. Must be called in the order of sequences.
    pub(super) fn forwarded(&self, sequence: u64, load: Load, appended: Appended, forwarding: Option<Step>) {
        let mut progress = self.progress();
        // Missing frames were never in flight.
        if load.events > 0 {
            progress.in_flight.pop_front();
        }
        progress.behind.events = progress.behind.events.saturating_sub(load.events);
        progress.behind.bytes = progress.behind.bytes.saturating_sub(load.bytes);
        let waiter = progress.waiters.remove(&sequence);
        progress.advance(sequence);
        drop(progress);
        if let Some((waiter, synced)) = waiter {
            let steps = Steps { synced: Some(synced), forwarded: forwarding };
            // The receiver may have been dropped.
            let _ = waiter.send(Ok((appended, steps)));
        }
        self.pulse();
    }

    /// Halts forwarding for the rest of this process. The content of the journal stays there.
    pub(super) fn halt(&self, reason: String) {
        tracing::error!(reason, "forwarding stopped; events stay in the spool");
        self.progress().halted.get_or_insert(reason);
        self.dismiss();
    }

    /// Drops all waiters, because the store will not answer them any more.
    pub(super) fn dismiss(&self) {
        let mut progress = self.progress();
        progress.ended = true;
        progress.waiters.clear();
        drop(progress);
        self.pulse();
    }

    pub(super) fn unlock(&self) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Progress {
    /// Advances the watermark.
    fn advance(&mut self, sequence: u64) {
        self.forwarded = self.forwarded.max(sequence);
        if self.is_done() {
            // Lost frames no longer count as backlog.
            self.behind = Load::default();
        }
    }
}
