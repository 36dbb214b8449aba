//! Fills the open batch: with events, and with reservations of handles that push often.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Caller, Phase, Queue, Unsettled};
use crate::sink::{
    FlushReason,
    batch::{Batch, Load},
    receipt::{BatchReceipt, Receipt},
    reservation::{LocalBuffer, OpenBatch},
    urgency::Urgency,
};

impl<E> Queue<E> {
    /// Adds an event from the handle with this buffer. [`check`](Self::check) must have returned `Ok`.
    #[inline]
    pub(in crate::sink) fn add(&mut self, event: E, bytes: usize, buffer: &Arc<LocalBuffer<E>>) -> Receipt {
        // Earlier events of the same handle come first.
        self.take_from(buffer);
        self.accept(Load { events: 1, bytes });
        let receipt = self.open(buffer).batch().add(event, bytes, buffer.is_awaited());
        self.seal_if_full();
        self.reserve(buffer, bytes);
        self.wake_if_large();
        receipt
    }

    /// Adds events with their sizes. [`check`](Self::check) must have returned `Ok`.
    pub(in crate::sink) fn add_batch(
        &mut self,
        events: Vec<E>,
        sizes: &[usize],
        buffer: &Arc<LocalBuffer<E>>,
    ) -> BatchReceipt {
        self.take_from(buffer);
        debug_assert_eq!(events.len(), sizes.len());
        let whole = Load { events: events.len(), bytes: sizes.iter().sum() };
        let mut parts = Vec::new();
        if whole.events > 0 && whole.events <= self.max_batch && self.open.is_none() {
            self.accept(whole);
            parts.push(self.open_with(Vec::new(), buffer).batch().adopt(events, whole, buffer.is_awaited()));
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
            parts.push(open.batch().add_all(events.by_ref().take(len), load, buffer.is_awaited()));
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
                if buffer.is_awaited() && open.batch().make_urgent() {
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
        if buffer.is_awaited() {
            batch.make_urgent();
        }
        self.next_sequence += 1;
        let unsettled = Unsettled { opened_at: batch.opened_at, cell: batch.cell().clone() };
        self.unsettled.insert(batch.sequence, unsettled);
        // One slot either takes the batch or sets a timer for it.
        self.wakes += 1;
        self.backpressure = false;
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

    pub(super) fn seal(&mut self, reason: FlushReason) {
        self.collect_open();
        if let Some(open) = self.open.take() {
            let batch = open.into_batch(reason);
            batch.make_urgent();
            self.sealed.push_back(batch);
            self.wakes += 1;
        }
    }

    /// Takes over the events of a handle whose reservation is full, and makes a new one.
    pub(in crate::sink) fn renew(&mut self, buffer: &Arc<LocalBuffer<E>>, bytes: usize) {
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
    pub(super) fn collect(&mut self) {
        self.collect_open();
        self.seal_if_full();
    }

    pub(super) fn collect_open(&mut self) {
        if let Some(open) = &mut self.open {
            let joined = open.collect();
            self.accept(joined);
        }
    }
}
