//! Hands batches to flush slots, and settles them.

use std::{mem, sync::Arc};

use tokio::time::Instant;

use super::{Phase, Queue};
use crate::sink::{
    EventOutcome, FlushReason,
    batch::{Batch, Load},
    receipt::BatchCell,
    stats::Tally,
};

/// Next step of a flush slot.
#[derive(Debug)]
pub(in crate::sink) enum Next<E> {
    Flush(Batch<E>),
    /// Wait for a wake-up, or until this time.
    Wait(Option<Instant>),
    /// No more batches will come.
    End,
}

impl<E> Queue<E> {
    pub(in crate::sink) fn next(&mut self, now: Instant) -> Next<E> {
        if let Some(batch) = self.sealed.pop_front() {
            return self.flush(batch, now);
        }
        let Some(open) = &self.open else {
            return if matches!(self.phase, Phase::Open) { Next::Wait(None) } else { Next::End };
        };
        let due = open.due(self.flush_interval, self.linger);
        let is_due = due.is_some_and(|due| due <= now);
        let reason = match self.phase {
            Phase::Open if self.backpressure => FlushReason::Backpressure,
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
    pub(in crate::sink) fn pause(&mut self) {
        self.totals.retries += 1;
        self.appending -= 1;
        if self.open.is_some() {
            self.wakes += 1;
        }
    }

    /// Records that a batch is appended again.
    pub(in crate::sink) fn resume(&mut self) {
        self.appending += 1;
    }

    /// Seals the open batch, and returns the cells of all unsettled batches.
    pub(in crate::sink) fn barrier(&mut self) -> Vec<Arc<BatchCell>> {
        self.seal(FlushReason::Requested);
        self.unsettled.values().map(|unsettled| unsettled.cell.clone()).collect()
    }

    /// Removes a settled batch, updates the counters and resolves the cells, as one step for all who take the lock.
    pub(in crate::sink) fn settle(&mut self, batch: &Batch<E>, load: Load, exceptions: Vec<(usize, EventOutcome)>) {
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
    pub(in crate::sink) fn give_back(&mut self, sequence: u64, events: Vec<E>) {
        if !events.is_empty() {
            self.returned.insert(sequence, events);
        }
    }

    /// Takes the events that `close` returns, in the order of acceptance.
    pub(in crate::sink) fn take_returned(&mut self) -> Vec<E> {
        mem::take(&mut self.returned).into_values().flatten().collect()
    }

    /// Keeps an empty vector for reuse, unless there are enough or it is unusually large.
    pub(in crate::sink) fn recycle(&mut self, spare: Vec<E>) {
        debug_assert!(spare.is_empty());
        if self.spares.len() < self.max_spares && spare.capacity() <= self.max_batch.saturating_mul(2) {
            self.spares.push(spare);
        }
    }
}
