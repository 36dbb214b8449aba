//! The state behind the sink's lock: waiting batches, free room, and counters. Nothing here waits, and nothing here
//! runs application code.

mod filling;
mod flushing;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

pub(super) use self::flushing::Next;
use super::{
    FlushReason, Poison, Refusal, SinkConfig, SinkStats,
    batch::{Batch, Load},
    drain::DrainRate,
    receipt::BatchCell,
    reservation::OpenBatch,
};

/// Kind of caller that asks for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Gets an error when there is no room.
    TryPush,
    /// Waits when there is no room.
    Push,
    /// The first of the waiting pushes.
    FirstWaiting,
}

#[derive(Debug)]
enum Phase {
    Open,
    Closing,
    Poisoned(Poison),
}

#[derive(Debug)]
pub(super) struct Queue<E> {
    max_batch: usize,
    min_concurrent_batch: usize,
    flush_interval: Duration,
    /// Time that a batch gathers events while no caller awaits their receipts; at least `flush_interval`.
    linger: Duration,
    capacity: Load,
    max_spares: usize,
    /// Wakes a flush slot.
    work: Arc<Notify>,

    phase: Phase,
    /// `None` instead of an empty batch.
    open: Option<OpenBatch<E>>,
    /// Flush the open batch as soon as a slot is free, because the sink is full.
    backpressure: bool,
    /// A flush slot knows that the open batch is large enough to be flushed next to other batches.
    is_known_large: bool,
    /// Number of batches that are being appended, except those that wait for a retry.
    appending: usize,
    sealed: VecDeque<Batch<E>>,
    /// All batches that are open, sealed or in flight, by sequence.
    unsettled: BTreeMap<u64, Unsettled>,
    next_sequence: u64,
    /// Empty vectors for reuse.
    spares: Vec<Vec<E>>,
    /// Events that `close` returns, by batch.
    returned: BTreeMap<u64, Vec<E>>,

    /// Total of accepted and unsettled events, except those still in local buffers.
    held: Load,
    /// Number of waiting pushes.
    waiting: usize,
    /// Total load of the waiting pushes.
    waiting_load: Load,
    /// Number of flush slots to wake once the lock is released.
    wakes: usize,
    /// Totals. [`Queue::stats`] fills in the fields that describe the present.
    totals: SinkStats,
    drain: DrainRate,
    /// Time of the store's last decision about an event, or of the last change from idle to busy.
    progress: Instant,
}

#[derive(Debug)]
struct Unsettled {
    opened_at: Instant,
    cell: Arc<BatchCell>,
}

impl<E> Queue<E> {
    /// `work` wakes the flush slots.
    pub(super) fn new(config: &SinkConfig, work: Arc<Notify>, now: Instant) -> Self {
        let max_batch = config.max_batch.min(config.capacity);
        Self {
            max_batch,
            min_concurrent_batch: config.min_concurrent_batch.min(max_batch),
            flush_interval: config.flush_interval,
            linger: config.linger.max(config.flush_interval),
            capacity: Load { events: config.capacity, bytes: config.capacity_bytes },
            // Enough for a full sink.
            max_spares: config.capacity / max_batch + 1,
            work,
            phase: Phase::Open,
            open: None,
            backpressure: false,
            is_known_large: false,
            appending: 0,
            sealed: VecDeque::new(),
            unsettled: BTreeMap::new(),
            next_sequence: 0,
            spares: Vec::new(),
            returned: BTreeMap::new(),
            held: Load::default(),
            waiting: 0,
            waiting_load: Load::default(),
            wakes: 0,
            totals: SinkStats::default(),
            drain: DrainRate::new(now),
            progress: now,
        }
    }

    // Admission.

    /// Checks that there is room for `load`. On `Ok` the caller must add the events under the same lock.
    #[inline]
    pub(super) fn check(&mut self, load: Load, caller: Caller) -> Result<(), Refusal> {
        match &self.phase {
            Phase::Open => {}
            Phase::Closing => return Err(Refusal::Closed),
            Phase::Poisoned(poison) => return Err(Refusal::Poisoned(poison.clone())),
        }
        if !load.fits(self.capacity) {
            return Err(Refusal::TooLarge {
                events: load.events,
                bytes: load.bytes,
                capacity: self.capacity.events,
                capacity_bytes: self.capacity.bytes,
            });
        }
        if load.fits(self.room(caller)) {
            return Ok(());
        }
        self.collect();
        if load.fits(self.room(caller)) { Ok(()) } else { Err(self.full(load, caller)) }
    }

    /// Returns the room that is neither held nor reserved. Only the first waiting push may use the room that waiting
    /// pushes need.
    fn room(&self, caller: Caller) -> Load {
        let reserved = self.open.as_ref().map_or(Load::default(), OpenBatch::reserved);
        let room = self.capacity.minus(self.held).minus(reserved);
        if caller == Caller::FirstWaiting { room } else { room.minus(self.waiting_load) }
    }

    fn full(&mut self, load: Load, caller: Caller) -> Refusal {
        if caller == Caller::TryPush {
            self.totals.refused += 1;
        }
        // A full sink does not wait for its batch to grow.
        if self.open.is_some() && !self.backpressure {
            self.backpressure = true;
            self.wakes += 1;
        }
        Refusal::Full { retry_after: self.retry_after(load) }
    }

    /// Estimates the time until `load` finds room, with all waiting pushes served first.
    fn retry_after(&self, load: Load) -> Duration {
        let missing = self.held.plus(self.waiting_load).plus(load).minus(self.capacity);
        let bytes_per_event = self.held.bytes as f64 / self.held.events.max(1) as f64;
        let events = (missing.events as f64).max(missing.bytes as f64 / bytes_per_event.max(1.0));
        self.drain.time_for(events, Instant::now())
    }

    // Waiting pushes.

    pub(super) fn add_waiting(&mut self, load: Load) {
        self.waiting += 1;
        self.waiting_load = self.waiting_load.plus(load);
    }

    pub(super) fn remove_waiting(&mut self, load: Load) {
        self.waiting -= 1;
        self.waiting_load = self.waiting_load.minus(load);
    }

    /// Whether any push waits for room.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Returns the number of flush slots to wake, and resets it.
    pub(super) fn take_wakes(&mut self) -> usize {
        mem::take(&mut self.wakes)
    }

    // Shutdown.

    /// Accepts no more events. Held events are still flushed.
    pub(super) fn close(&mut self) {
        self.collect();
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Closing;
        }
    }

    /// Accepts no more events, for the given reason. Returns `false` if the queue was already poisoned.
    pub(super) fn poison(&mut self, poison: Poison) -> bool {
        self.collect();
        let first = self.poisoned().is_none();
        if first {
            self.phase = Phase::Poisoned(poison);
        }
        first
    }

    pub(super) fn poisoned(&self) -> Option<&Poison> {
        match &self.phase {
            Phase::Poisoned(poison) => Some(poison),
            Phase::Open | Phase::Closing => None,
        }
    }

    /// Removes and returns every batch that no slot has taken.
    pub(super) fn take_waiting(&mut self) -> Vec<Batch<E>> {
        self.seal(FlushReason::Closing);
        mem::take(&mut self.sealed).into()
    }

    // Statistics.

    pub(super) fn stats(&mut self) -> SinkStats {
        self.collect();
        let now = Instant::now();
        let since = |time: Instant| now.saturating_duration_since(time);
        // Sequences follow the order in which batches were opened.
        let oldest = self.unsettled.values().next().map_or(Duration::ZERO, |first| since(first.opened_at));
        SinkStats {
            pending: self.held.events as u64,
            pending_bytes: self.held.bytes as u64,
            waiting: self.waiting as u64,
            drain_per_second: self.drain.per_second() as u64,
            oldest,
            stalled: if self.held.events == 0 { Duration::ZERO } else { since(self.progress) },
            ..self.totals
        }
    }
}
