//! How far a spool has come: what is durable, what the store has, who waits for it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot, watch};

use super::link::Link;
use crate::{
    event::Timestamp,
    fs::Lock,
    journal::{FRAME_OVERHEAD, Journal},
    store::{Appended, Step, StoreError},
};

/// Who waits until the store has a frame, and when that was synced here.
pub(super) type Waiter = (oneshot::Sender<Result<Appended, StoreError>>, Step);

/// Events and the bytes that they take in the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Load {
    /// Of a frame of so many events with such a payload.
    pub(super) fn of_frame(events: u64, payload: usize) -> Self {
        Self { events, bytes: (payload + FRAME_OVERHEAD) as u64 }
    }
}

/// What a spool's handles and tasks have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) link: Link,
    progress: Mutex<Progress>,
    /// The forwarder waits for frames.
    pub(super) arrived: Notify,
    /// Something of the progress or of the link has changed.
    pulse: watch::Sender<()>,
    /// Held until the last task has ended.
    lock: Mutex<Option<Lock>>,
}

#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The newest frame that is durable and that the forwarder may read: who waits for it is in the list by then.
    pub(super) durable: u64,
    /// The watermark: the store has all up to this frame.
    pub(super) forwarded: u64,
    /// What the store does not have yet.
    pub(super) behind: Load,
    /// Frames on their way to the store: when they were spooled.
    in_flight: VecDeque<Timestamp>,
    waiters: BTreeMap<u64, Waiter>,
    /// Nobody hears of the store any more.
    ended: bool,
    /// Parts of the journal that could not be read.
    pub(super) damage: u64,
    /// Why nothing is forwarded any more, when that is so.
    pub(super) halted: Option<String>,
    pub(super) closed: bool,
}

impl Progress {
    /// Of a spool that has just been opened.
    pub(super) fn new(durable: u64, forwarded: u64, behind: Load, damage: u64) -> Self {
        Self { durable, forwarded, behind, damage, ..Self::default() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.forwarded >= self.durable
    }

    /// When the oldest frame was spooled that the store does not have.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.in_flight.front().copied()
    }
}

impl Shared {
    pub(super) fn new(journal: Journal, progress: Progress, lock: Lock) -> Self {
        Self {
            journal,
            link: Link::default(),
            progress: Mutex::new(progress),
            arrived: Notify::new(),
            pulse: watch::Sender::new(()),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// No code that holds this lock can leave the progress half changed.
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pulse(&self) {
        self.pulse.send_replace(());
    }

    /// Returns when the progress, or the link, is as wanted.
    pub(super) async fn until(&self, is_so: impl Fn(&Progress) -> bool) {
        let mut pulse = self.pulse.subscribe();
        loop {
            // Seen before looking, so that no change in between is missed.
            pulse.mark_unchanged();
            if is_so(&self.progress()) || pulse.changed().await.is_err() {
                return;
            }
        }
    }

    /// A frame is durable. Called in the order of sequences.
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

    /// A frame that has events is on its way to the store.
    pub(super) fn departed(&self, spooled_at: Timestamp) {
        self.progress().in_flight.push_back(spooled_at);
    }

    /// The store has a frame. Called in the order of sequences.
    pub(super) fn forwarded(&self, sequence: u64, load: Load, mut appended: Appended) {
        let mut progress = self.progress();
        // Frames that are missing have not departed.
        if load.events > 0 {
            progress.in_flight.pop_front();
        }
        progress.behind.events = progress.behind.events.saturating_sub(load.events);
        progress.behind.bytes = progress.behind.bytes.saturating_sub(load.bytes);
        let waiter = progress.waiters.remove(&sequence);
        progress.advance(sequence);
        drop(progress);
        if let Some((waiter, synced)) = waiter {
            appended.steps.synced = Some(synced);
            // Who waited may have gone.
            let _ = waiter.send(Ok(appended));
        }
        self.pulse();
    }

    /// Nothing will be forwarded any more in the life of this process. What is in the journal stays there.
    pub(super) fn halt(&self, reason: String) {
        tracing::error!(reason, "events are spooled, and not forwarded any more");
        self.progress().halted.get_or_insert(reason);
        self.dismiss();
    }

    /// Those who wait will not hear of the store any more.
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
    /// Moves the watermark.
    fn advance(&mut self, sequence: u64) {
        self.forwarded = self.forwarded.max(sequence);
        if self.is_done() {
            // What damage took away is not behind for ever.
            self.behind = Load::default();
        }
    }
}
