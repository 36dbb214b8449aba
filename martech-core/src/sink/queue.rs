//! What stands behind the lock: the batches that wait, what room is left, and the counters. Nothing here waits, and
//! nothing here runs the application's code.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    EventOutcome, Poison, Refusal, SinkConfig, SinkStats,
    drain::DrainRate,
    receipt::{BatchCell, BatchReceipt, Part, Receipt},
    stats::Tally,
};

/// Events and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// A run of events that go to the store together.
#[derive(Debug)]
pub(super) struct Batch<E> {
    pub(super) sequence: u64,
    pub(super) events: Vec<E>,
    pub(super) bytes: usize,
    pub(super) cell: Arc<BatchCell>,
    opened_at: Instant,
}

/// Who asks for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// One who will go away when there is none.
    Passing,
    /// One who will stand in line when there is none.
    Newcomer,
    /// The first in line.
    Head,
}

/// What a flush slot should do.
#[derive(Debug)]
pub(super) enum Next<E> {
    Flush(Batch<E>),
    /// Nothing yet: wait for a wake-up, and no longer than this.
    Wait(Option<Instant>),
    /// Nothing any more.
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
    /// Never empty.
    open: Option<Batch<E>>,
    /// The open batch goes as soon as a slot is free, without waiting for its interval.
    hurry: bool,
    sealed: VecDeque<Batch<E>>,
    /// All batches that are open, sealed or in flight.
    unsettled: BTreeMap<u64, Arc<BatchCell>>,
    next_sequence: u64,
    /// Emptied vectors, for batches to come.
    spares: Vec<Vec<E>>,
    /// Events that closing gives back, by batch.
    returned: BTreeMap<u64, Vec<E>>,

    /// All that is accepted and not settled.
    held: Load,
    /// Pushes in line.
    waiting: usize,
    /// Flush slots to wake up once the lock is released.
    wakes: usize,
    /// Totals; the fields that describe the present are filled in by [`Queue::stats`].
    totals: SinkStats,
    drain: DrainRate,
}

impl<E> Queue<E> {
    pub(super) fn new(config: &SinkConfig, now: Instant) -> Self {
        Self {
            max_batch: config.max_batch.min(config.capacity),
            flush_interval: config.flush_interval,
            capacity: Load { events: config.capacity, bytes: config.capacity_bytes },
            max_spares: config.max_concurrent_flushes.saturating_add(1),
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
            wakes: 0,
            totals: SinkStats::default(),
            drain: DrainRate::new(now),
        }
    }

    // Admission.

    /// Whether there is room. On `Ok` the caller adds the events under the same lock.
    #[inline]
    pub(super) fn check(&mut self, load: Load, place: Place) -> Result<(), Refusal> {
        match &self.phase {
            Phase::Open => {}
            Phase::Closing => return Err(Refusal::Closed),
            Phase::Poisoned(poison) => return Err(Refusal::Poisoned(poison.clone())),
        }
        let Load { events, bytes } = self.capacity;
        if load.events > events || load.bytes > bytes {
            return Err(Refusal::TooLarge {
                events: load.events,
                bytes: load.bytes,
                capacity: events,
                capacity_bytes: bytes,
            });
        }
        let fits = load.events <= events - self.held.events && load.bytes <= bytes - self.held.bytes;
        let in_turn = place == Place::Head || self.waiting == 0;
        if fits && in_turn { Ok(()) } else { Err(self.full(load, place)) }
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

    /// When a load should find room, with those who wait served before it.
    fn retry_after(&self, load: Load) -> Duration {
        let events = (self.held.events + self.waiting + load.events).saturating_sub(self.capacity.events) as f64;
        let bytes = self.held.bytes.saturating_add(load.bytes).saturating_sub(self.capacity.bytes) as f64;
        let bytes_per_event = self.held.bytes as f64 / self.held.events.max(1) as f64;
        self.drain.time_for(events.max(bytes / bytes_per_event.max(1.0)), Instant::now())
    }

    /// Adds an event; [`check`](Self::check) said that it fits.
    #[inline]
    pub(super) fn add(&mut self, event: E, bytes: usize) -> Receipt {
        self.accept(Load { events: 1, bytes });
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let events = self.spares.pop().unwrap_or_default();
                self.open(events)
            }
        };
        let index = open.events.len();
        open.events.push(event);
        open.bytes += bytes;
        let receipt = Receipt::new(open.cell.clone(), index);
        if index + 1 == self.max_batch {
            self.seal();
        }
        receipt
    }

    /// Adds events, with the size of each; [`check`](Self::check) said that they fit.
    pub(super) fn add_batch(&mut self, events: Vec<E>, sizes: &[usize]) -> BatchReceipt {
        debug_assert_eq!(events.len(), sizes.len());
        self.accept(Load { events: events.len(), bytes: sizes.iter().sum() });
        let mut parts = Vec::new();
        if self.open.is_none() && !events.is_empty() && events.len() <= self.max_batch {
            let len = events.len();
            let open = self.open(events);
            open.bytes = sizes.iter().sum();
            parts.push(Part::new(open.cell.clone(), 0, len));
            if len == self.max_batch {
                self.seal();
            }
            return BatchReceipt::new(parts);
        }
        let (mut events, mut sizes) = (events.into_iter(), sizes);
        while !sizes.is_empty() {
            let max_batch = self.max_batch;
            let open = match &mut self.open {
                Some(open) => open,
                None => {
                    let events = self.spares.pop().unwrap_or_default();
                    self.open(events)
                }
            };
            let first = open.events.len();
            let len = sizes.len().min(max_batch - first);
            open.events.extend(events.by_ref().take(len));
            open.bytes += sizes[..len].iter().sum::<usize>();
            parts.push(Part::new(open.cell.clone(), first, len));
            sizes = &sizes[len..];
            if first + len == max_batch {
                self.seal();
            }
        }
        BatchReceipt::new(parts)
    }

    fn accept(&mut self, load: Load) {
        if self.held.events == 0 {
            self.drain.busy(Instant::now());
        }
        self.held.events += load.events;
        self.held.bytes += load.bytes;
        self.totals.accepted += load.events as u64;
    }

    fn open(&mut self, events: Vec<E>) -> &mut Batch<E> {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let cell = Arc::new(BatchCell::default());
        self.unsettled.insert(sequence, cell.clone());
        // One slot either takes it or sets its alarm for it.
        self.wakes += 1;
        self.hurry = false;
        self.open.insert(Batch { sequence, events, bytes: 0, cell, opened_at: Instant::now() })
    }

    fn seal(&mut self) {
        if let Some(batch) = self.open.take() {
            self.sealed.push_back(batch);
            self.wakes += 1;
        }
    }

    pub(super) fn join_line(&mut self) {
        self.waiting += 1;
    }

    pub(super) fn leave_line(&mut self) {
        self.waiting -= 1;
    }

    /// Whether the head of a line watches for room.
    pub(super) fn has_line(&self) -> bool {
        self.waiting > 0
    }

    /// How many flush slots have something new to look at.
    pub(super) fn take_wakes(&mut self) -> usize {
        mem::take(&mut self.wakes)
    }

    // Flushing.

    pub(super) fn next(&mut self, now: Instant) -> Next<E> {
        if let Some(batch) = self.sealed.pop_front() {
            return Next::Flush(batch);
        }
        let Some(open) = &self.open else {
            return if matches!(self.phase, Phase::Open) { Next::Wait(None) } else { Next::End };
        };
        let due = open.opened_at.checked_add(self.flush_interval);
        let now_or_never = self.hurry || !matches!(self.phase, Phase::Open);
        match self.open.take_if(|_| now_or_never || due.is_some_and(|due| due <= now)) {
            Some(batch) => Next::Flush(batch),
            None => Next::Wait(due),
        }
    }

    /// Seals the open batch, and names all batches that have unsettled events.
    pub(super) fn barrier(&mut self) -> Vec<Arc<BatchCell>> {
        self.seal();
        self.unsettled.values().cloned().collect()
    }

    /// Takes a batch off the books and resolves its cell, all at once for anyone who looks.
    pub(super) fn settle(&mut self, batch: &Batch<E>, load: Load, exceptions: Vec<(usize, EventOutcome)>) {
        self.totals.add(Tally::new(load.events, &exceptions));
        self.held.events -= load.events;
        self.held.bytes -= load.bytes;
        self.drain.settled(load.events, Instant::now());
        self.unsettled.remove(&batch.sequence);
        batch.cell.publish(exceptions);
    }

    /// Keeps events for the one who closes.
    pub(super) fn give_back(&mut self, sequence: u64, events: Vec<E>) {
        if !events.is_empty() {
            self.returned.insert(sequence, events);
        }
    }

    /// Events that closing gives back, in the order in which they were accepted.
    pub(super) fn take_returned(&mut self) -> Vec<E> {
        mem::take(&mut self.returned).into_values().flatten().collect()
    }

    /// Keeps an emptied vector for later, unless it is one too many or unusually large.
    pub(super) fn recycle(&mut self, spare: Vec<E>) {
        debug_assert!(spare.is_empty());
        if self.spares.len() < self.max_spares && spare.capacity() <= self.max_batch.saturating_mul(2) {
            self.spares.push(spare);
        }
    }

    // The end.

    /// Takes no more events. What is held is still flushed.
    pub(super) fn close(&mut self) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Closing;
        }
    }

    /// Takes no more events, for this reason. `false` when another reason came first.
    pub(super) fn poison(&mut self, poison: Poison) -> bool {
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

    /// Takes out every batch that no slot has taken.
    pub(super) fn take_waiting(&mut self) -> Vec<Batch<E>> {
        self.seal();
        mem::take(&mut self.sealed).into()
    }

    // Figures.

    pub(super) fn count_retry(&mut self) {
        self.totals.retries += 1;
    }

    pub(super) fn stats(&self) -> SinkStats {
        SinkStats {
            pending: self.held.events as u64,
            pending_bytes: self.held.bytes as u64,
            waiting: self.waiting as u64,
            drain_per_second: self.drain.per_second() as u64,
            ..self.totals
        }
    }
}
