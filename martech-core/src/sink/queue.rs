//! The state behind the sink's lock: waiting batches, free room, and counters. Nothing here waits, and nothing here
//! runs application code.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    EventOutcome, FlushReason, Poison, Refusal, SinkConfig, SinkStats,
    batch::{Batch, Load},
    drain::DrainRate,
    receipt::{BatchCell, BatchReceipt, Receipt},
    reservation::{LocalBuffer, OpenBatch},
    stats::Tally,
    urgency::Urgency,
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

/// Next step of a flush slot.
#[derive(Debug)]
pub(super) enum Next<E> {
    Flush(Batch<E>),
    /// Wait for a wake-up, or until this time.
    Wait(Option<Instant>),
    /// No more batches will come.
    End,
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
    pressed: bool,
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
            pressed: false,
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
        if self.open.is_some() && !self.pressed {
            self.pressed = true;
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

    /// Adds an event from the handle with this buffer. [`check`](Self::check) must have returned `Ok`.
    #[inline]
    pub(super) fn add(&mut self, event: E, bytes: usize, buffer: &Arc<LocalBuffer<E>>) -> Receipt {
        // Earlier events of the same handle come first.
        self.take_from(buffer);
        self.accept(Load { events: 1, bytes });
        let receipt = self.open(buffer).batch().add(event, bytes, buffer.is_attended());
        self.seal_if_full();
        self.reserve(buffer, bytes);
        self.wake_if_large();
        receipt
    }

    /// Adds events with their sizes. [`check`](Self::check) must have returned `Ok`.
    pub(super) fn add_batch(&mut self, events: Vec<E>, sizes: &[usize], buffer: &Arc<LocalBuffer<E>>) -> BatchReceipt {
        self.take_from(buffer);
        debug_assert_eq!(events.len(), sizes.len());
        let whole = Load { events: events.len(), bytes: sizes.iter().sum() };
        let mut parts = Vec::new();
        if whole.events > 0 && whole.events <= self.max_batch && self.open.is_none() {
            self.accept(whole);
            parts.push(self.open_with(Vec::new(), buffer).batch().adopt(events, whole, buffer.is_attended()));
            self.seal_if_full();
            self.wake_if_large();
            return BatchReceipt::new(parts);
        }
        let (mut events, mut sizes) = (events.into_iter(), sizes);
        while !sizes.is_empty() {
            let max_batch = self.max_batch;
            let open = self.open(buffer);
            let len = sizes.len().min(max_batch - open.len());
            let load = Load { events: len, bytes: sizes[..len].iter().sum() };
            parts.push(open.batch().add_all(events.by_ref().take(len), load, buffer.is_attended()));
            sizes = &sizes[len..];
            self.accept(load);
            self.seal_if_full();
        }
        self.wake_if_large();
        BatchReceipt::new(parts)
    }

    fn accept(&mut self, load: Load) {
        if self.held.events == 0 {
            let now = Instant::now();
            self.drain.busy(now);
            self.progress = now;
        }
        self.held.events += load.events;
        self.held.bytes += load.bytes;
        self.totals.accepted += load.events as u64;
    }

    /// Returns the open batch for an event of the handle with this buffer. The batch has room for at least one event.
    /// Opens a batch if necessary.
    fn open(&mut self, buffer: &LocalBuffer<E>) -> &mut OpenBatch<E> {
        if self.open.as_ref().is_some_and(|open| open.len() == self.max_batch) {
            self.collect();
        }
        match self.open {
            Some(ref mut open) => {
                if buffer.is_attended() && open.batch().make_urgent() {
                    self.wakes += 1;
                }
                open
            }
            None => {
                let events = self.spares.pop().unwrap_or_default();
                self.open_with(events, buffer)
            }
        }
    }

    fn open_with(&mut self, events: Vec<E>, buffer: &LocalBuffer<E>) -> &mut OpenBatch<E> {
        let urgency = (self.linger > self.flush_interval).then(|| Arc::new(Urgency::new(self.work.clone())));
        let batch = Batch::new(self.next_sequence, events, Instant::now(), urgency);
        if buffer.is_attended() {
            batch.make_urgent();
        }
        self.next_sequence += 1;
        let unsettled = Unsettled { opened_at: batch.opened_at, cell: batch.cell().clone() };
        self.unsettled.insert(batch.sequence, unsettled);
        // One slot either takes the batch or sets a timer for it.
        self.wakes += 1;
        self.pressed = false;
        self.is_known_large = false;
        self.open.insert(OpenBatch::new(batch))
    }

    /// Wakes a flush slot once the open batch is large enough to be flushed next to other batches.
    fn wake_if_large(&mut self) {
        let Some(open) = &self.open else { return };
        if self.appending > 0 && !self.is_known_large && open.len() >= self.min_concurrent_batch {
            self.is_known_large = true;
            self.wakes += 1;
        }
    }

    fn seal_if_full(&mut self) {
        if self.open.as_mut().is_some_and(|open| open.batch().events.len() == self.max_batch) {
            self.seal(FlushReason::Full);
        }
    }

    fn seal(&mut self, reason: FlushReason) {
        self.collect_open();
        if let Some(open) = self.open.take() {
            let batch = open.into_batch(reason);
            batch.make_urgent();
            self.sealed.push_back(batch);
            self.wakes += 1;
        }
    }

    // Reservations.

    /// Takes over the events of a handle whose reservation is full, and makes a new one.
    pub(super) fn renew(&mut self, buffer: &Arc<LocalBuffer<E>>, bytes: usize) {
        self.take_from(buffer);
        self.reserve(buffer, bytes);
        self.wake_if_large();
    }

    /// Reserves room for a handle that has just pushed an event of `bytes` bytes, if it pushes often.
    fn reserve(&mut self, buffer: &Arc<LocalBuffer<E>>, bytes: usize) {
        if !self.open.as_ref().is_some_and(|open| open.is_busy(buffer)) || !matches!(self.phase, Phase::Open) {
            return;
        }
        let mut room = self.room(Caller::Push);
        if let Some(open) = &mut self.open {
            room.events = room.events.min(self.max_batch - open.len());
            open.reserve(buffer, bytes, room);
        }
    }

    /// Takes over the events of one buffer, and ends its reservation.
    fn take_from(&mut self, buffer: &Arc<LocalBuffer<E>>) {
        if let Some(open) = &mut self.open {
            let joined = open.take_from(buffer);
            if joined.events > 0 {
                self.accept(joined);
                self.seal_if_full();
            }
        }
    }

    /// Takes over the events of all buffers and ends their reservations, so that `held` counts every event and the rest
    /// of the room is free.
    fn collect(&mut self) {
        self.collect_open();
        self.seal_if_full();
    }

    fn collect_open(&mut self) {
        if let Some(open) = &mut self.open {
            let joined = open.collect();
            self.accept(joined);
        }
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

    // Flushing.

    pub(super) fn next(&mut self, now: Instant) -> Next<E> {
        if let Some(batch) = self.sealed.pop_front() {
            return self.flush(batch, now);
        }
        let Some(open) = &self.open else {
            return if matches!(self.phase, Phase::Open) { Next::Wait(None) } else { Next::End };
        };
        let due = open.due(self.flush_interval, self.linger);
        let is_due = due.is_some_and(|due| due <= now);
        let reason = match self.phase {
            Phase::Open if self.pressed => FlushReason::Pressed,
            // The slot that is appending takes the batch afterwards, and a push wakes another slot if the batch grows.
            Phase::Open if is_due && self.appending > 0 && open.len() < self.min_concurrent_batch => {
                return Next::Wait(None);
            }
            Phase::Open if is_due => FlushReason::Due,
            Phase::Open => return Next::Wait(due),
            Phase::Closing | Phase::Poisoned(_) => FlushReason::Closing,
        };
        self.collect_open();
        match self.open.take() {
            Some(open) => self.flush(open.into_batch(reason), now),
            None => Next::Wait(None),
        }
    }

    fn flush(&mut self, batch: Batch<E>, now: Instant) -> Next<E> {
        self.appending += 1;
        Next::Flush(batch.taken(now))
    }

    /// Records that a batch waits for a retry. Another slot may then flush a batch of any size.
    pub(super) fn pause(&mut self) {
        self.totals.retries += 1;
        self.appending -= 1;
        if self.open.is_some() {
            self.wakes += 1;
        }
    }

    /// Records that a batch is appended again.
    pub(super) fn resume(&mut self) {
        self.appending += 1;
    }

    /// Seals the open batch, and returns the cells of all unsettled batches.
    pub(super) fn barrier(&mut self) -> Vec<Arc<BatchCell>> {
        self.seal(FlushReason::Asked);
        self.unsettled.values().map(|unsettled| unsettled.cell.clone()).collect()
    }

    /// Removes a settled batch, updates the counters and resolves the cells, as one step for all who take the lock.
    pub(super) fn settle(&mut self, batch: &Batch<E>, load: Load, exceptions: Vec<(usize, EventOutcome)>) {
        self.appending -= usize::from(batch.is_appending);
        let tally = Tally::new(load.events, &exceptions);
        self.totals.add(tally);
        self.totals.flushes.count(batch.reason, tally.flush_outcome());
        self.held.events -= load.events;
        self.held.bytes -= load.bytes;
        let now = Instant::now();
        self.drain.settled(load.events, now);
        if tally.is_progress() {
            self.progress = now;
        }
        self.unsettled.remove(&batch.sequence);
        batch.publish(exceptions, now);
    }

    /// Keeps events for the caller of `close`.
    pub(super) fn give_back(&mut self, sequence: u64, events: Vec<E>) {
        if !events.is_empty() {
            self.returned.insert(sequence, events);
        }
    }

    /// Takes the events that `close` returns, in the order of acceptance.
    pub(super) fn take_returned(&mut self) -> Vec<E> {
        mem::take(&mut self.returned).into_values().flatten().collect()
    }

    /// Keeps an empty vector for reuse, unless there are enough or it is unusually large.
    pub(super) fn recycle(&mut self, spare: Vec<E>) {
        debug_assert!(spare.is_empty());
        if self.spares.len() < self.max_spares && spare.capacity() <= self.max_batch.saturating_mul(2) {
            self.spares.push(spare);
        }
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
