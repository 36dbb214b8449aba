//! The state behind the sink's lock: waiting batches, free room, and counters. Nothing here waits, and nothing here
//! runs application code.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    EventOutcome, FlushReason, Poison, Refusal, SinkConfig, SinkStats,
    batch::{Batch, Load},
    drain::DrainRate,
    lane::{Lane, Open},
    receipt::{BatchCell, BatchReceipt, Receipt},
    stats::Tally,
};

/// Kind of caller that asks for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Returns with an error when there is no room.
    Passing,
    /// Joins the waiting pushes when there is no room.
    Newcomer,
    /// First of the waiting pushes.
    Head,
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
    flush_interval: Duration,
    capacity: Load,
    max_spares: usize,

    phase: Phase,
    /// `None` instead of an empty batch.
    open: Option<Open<E>>,
    /// Flush the open batch as soon as a slot is free, without waiting for its interval.
    hurry: bool,
    sealed: VecDeque<Batch<E>>,
    /// All batches that are open, sealed or in flight, by sequence.
    unsettled: BTreeMap<u64, Unsettled>,
    next_sequence: u64,
    /// Empty vectors for reuse.
    spares: Vec<Vec<E>>,
    /// Events that `close` returns, by batch.
    returned: BTreeMap<u64, Vec<E>>,

    /// Total of accepted and unsettled events, except those still in lanes.
    held: Load,
    /// Number of waiting pushes.
    waiting: usize,
    /// Total load of the waiting pushes.
    line: Load,
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
    pub(super) fn new(config: &SinkConfig, now: Instant) -> Self {
        Self {
            max_batch: config.max_batch.min(config.capacity),
            flush_interval: config.flush_interval,
            capacity: Load { events: config.capacity, bytes: config.capacity_bytes },
            // Enough for a full sink.
            max_spares: config.capacity / config.max_batch.min(config.capacity) + 1,
            phase: Phase::Open,
            open: None,
            hurry: false,
            sealed: VecDeque::new(),
            unsettled: BTreeMap::new(),
            next_sequence: 0,
            spares: Vec::new(),
            returned: BTreeMap::new(),
            held: Load::default(),
            waiting: 0,
            line: Load::default(),
            wakes: 0,
            totals: SinkStats::default(),
            drain: DrainRate::new(now),
            progress: now,
        }
    }

    // Admission.

    /// Checks that there is room for `load`. On `Ok` the caller must add the events under the same lock.
    #[inline]
    pub(super) fn check(&mut self, load: Load, place: Place) -> Result<(), Refusal> {
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
        if load.fits(self.room(place)) {
            return Ok(());
        }
        self.call_in();
        if load.fits(self.room(place)) { Ok(()) } else { Err(self.full(load, place)) }
    }

    /// Returns the room that is neither held nor granted. Only the head may use the room that waiting pushes need.
    fn room(&self, place: Place) -> Load {
        let granted = self.open.as_ref().map_or(Load::default(), Open::granted);
        let room = self.capacity.minus(self.held).minus(granted);
        if place == Place::Head { room } else { room.minus(self.line) }
    }

    fn full(&mut self, load: Load, place: Place) -> Refusal {
        if place == Place::Passing {
            self.totals.refused += 1;
        }
        // A full sink does not wait for its batch to grow.
        if self.open.is_some() && !self.hurry {
            self.hurry = true;
            self.wakes += 1;
        }
        Refusal::Full { retry_after: self.retry_after(load) }
    }

    /// Estimates the time until `load` finds room, with all waiting pushes served first.
    fn retry_after(&self, load: Load) -> Duration {
        let missing = self.held.plus(self.line).plus(load).minus(self.capacity);
        let bytes_per_event = self.held.bytes as f64 / self.held.events.max(1) as f64;
        let events = (missing.events as f64).max(missing.bytes as f64 / bytes_per_event.max(1.0));
        self.drain.time_for(events, Instant::now())
    }

    /// Adds an event from the handle with this lane. [`check`](Self::check) must have returned `Ok`.
    #[inline]
    pub(super) fn add(&mut self, event: E, bytes: usize, lane: &Arc<Lane<E>>) -> Receipt {
        // Earlier events of the same handle come first.
        self.hand_over(lane);
        self.accept(Load { events: 1, bytes });
        let receipt = self.open().batch().add(event, bytes, lane.is_attended());
        self.seal_if_full();
        self.grant(lane, bytes);
        receipt
    }

    /// Adds events with their sizes. [`check`](Self::check) must have returned `Ok`.
    pub(super) fn add_batch(&mut self, events: Vec<E>, sizes: &[usize], lane: &Arc<Lane<E>>) -> BatchReceipt {
        self.hand_over(lane);
        debug_assert_eq!(events.len(), sizes.len());
        let whole = Load { events: events.len(), bytes: sizes.iter().sum() };
        let mut parts = Vec::new();
        if whole.events > 0 && whole.events <= self.max_batch && self.open.is_none() {
            self.accept(whole);
            parts.push(self.open_with(Vec::new()).batch().adopt(events, whole, lane.is_attended()));
            self.seal_if_full();
            return BatchReceipt::new(parts);
        }
        let (mut events, mut sizes) = (events.into_iter(), sizes);
        while !sizes.is_empty() {
            let max_batch = self.max_batch;
            let open = self.open();
            let len = sizes.len().min(max_batch - open.len());
            let load = Load { events: len, bytes: sizes[..len].iter().sum() };
            parts.push(open.batch().add_all(events.by_ref().take(len), load, lane.is_attended()));
            sizes = &sizes[len..];
            self.accept(load);
            self.seal_if_full();
        }
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

    /// Returns the open batch, with at least one free place. Opens a batch if necessary.
    fn open(&mut self) -> &mut Open<E> {
        if self.open.as_ref().is_some_and(|open| open.len() == self.max_batch) {
            self.call_in();
        }
        match self.open {
            Some(ref mut open) => open,
            None => {
                let events = self.spares.pop().unwrap_or_default();
                self.open_with(events)
            }
        }
    }

    fn open_with(&mut self, events: Vec<E>) -> &mut Open<E> {
        let batch = Batch::new(self.next_sequence, events, Instant::now());
        self.next_sequence += 1;
        let unsettled = Unsettled { opened_at: batch.opened_at, cell: batch.cell().clone() };
        self.unsettled.insert(batch.sequence, unsettled);
        // One slot either takes the batch or sets a timer for it.
        self.wakes += 1;
        self.hurry = false;
        self.open.insert(Open::new(batch))
    }

    fn seal_if_full(&mut self) {
        if self.open.as_mut().is_some_and(|open| open.batch().events.len() == self.max_batch) {
            self.seal(FlushReason::Full);
        }
    }

    fn seal(&mut self, reason: FlushReason) {
        self.call_in_open();
        if let Some(open) = self.open.take() {
            self.sealed.push_back(open.into_batch(reason));
            self.wakes += 1;
        }
    }

    // Lanes.

    /// Takes over the events of a full lane, and grants it new room.
    pub(super) fn renew(&mut self, lane: &Arc<Lane<E>>, bytes: usize) {
        self.hand_over(lane);
        self.grant(lane, bytes);
    }

    /// Grants room to the lane of a handle that has just pushed an event of `bytes` bytes.
    fn grant(&mut self, lane: &Arc<Lane<E>>, bytes: usize) {
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        let mut room = self.room(Place::Newcomer);
        if let Some(open) = &mut self.open {
            room.events = room.events.min(self.max_batch - open.len());
            open.grant(lane, bytes, room);
        }
    }

    /// Takes over the events of one lane, and ends its grant.
    fn hand_over(&mut self, lane: &Arc<Lane<E>>) {
        if let Some(open) = &mut self.open {
            let brought = open.hand_over(lane);
            self.accept(brought);
            self.seal_if_full();
        }
    }

    /// Takes over the events of all lanes and ends their grants, so that `held` counts every event and the rest of the
    /// room is free.
    fn call_in(&mut self) {
        self.call_in_open();
        self.seal_if_full();
    }

    fn call_in_open(&mut self) {
        if let Some(open) = &mut self.open {
            let brought = open.call_in();
            self.accept(brought);
        }
    }

    // Waiting pushes.

    pub(super) fn join_line(&mut self, load: Load) {
        self.waiting += 1;
        self.line = self.line.plus(load);
    }

    pub(super) fn leave_line(&mut self, load: Load) {
        self.waiting -= 1;
        self.line = self.line.minus(load);
    }

    /// Whether any push waits for room.
    pub(super) fn has_line(&self) -> bool {
        self.waiting > 0
    }

    /// Returns the number of flush slots to wake, and resets it.
    pub(super) fn take_wakes(&mut self) -> usize {
        mem::take(&mut self.wakes)
    }

    // Flushing.

    pub(super) fn next(&mut self, now: Instant) -> Next<E> {
        if let Some(batch) = self.sealed.pop_front() {
            return Next::Flush(batch.taken(now));
        }
        let Some(open) = &self.open else {
            return if matches!(self.phase, Phase::Open) { Next::Wait(None) } else { Next::End };
        };
        let due = open.due(self.flush_interval);
        let is_due = due.is_some_and(|due| due <= now);
        let reason = match self.phase {
            Phase::Open if is_due => FlushReason::Due,
            Phase::Open if self.hurry => FlushReason::Pressed,
            Phase::Open => return Next::Wait(due),
            Phase::Closing | Phase::Poisoned(_) => FlushReason::Closing,
        };
        self.call_in_open();
        match self.open.take() {
            Some(open) => Next::Flush(open.into_batch(reason).taken(now)),
            None => Next::Wait(None),
        }
    }

    /// Seals the open batch, and returns the cells of all unsettled batches.
    pub(super) fn barrier(&mut self) -> Vec<Arc<BatchCell>> {
        self.seal(FlushReason::Asked);
        self.unsettled.values().map(|unsettled| unsettled.cell.clone()).collect()
    }

    /// Removes a settled batch, updates the counters and resolves the cells, as one step for all who take the lock.
    pub(super) fn settle(&mut self, batch: &Batch<E>, load: Load, exceptions: Vec<(usize, EventOutcome)>) {
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
        self.call_in();
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Closing;
        }
    }

    /// Accepts no more events, for the given reason. Returns `false` if the queue was already poisoned.
    pub(super) fn poison(&mut self, poison: Poison) -> bool {
        self.call_in();
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

    pub(super) fn count_retry(&mut self) {
        self.totals.retries += 1;
    }

    pub(super) fn stats(&mut self) -> SinkStats {
        self.call_in();
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
