//! Reservations: room in the open batch that a busy handle fills without the queue's lock.
//!
//! A handle that pushes repeatedly into the same open batch gets a reservation in it: a number of events and bytes,
//! which count as taken from then on. The handle fills the reservation through its local buffer, under the buffer's own
//! lock. When the reservation is full, the events join the batch as one run with its own cell. A reservation is as
//! large as the number of events that the handle has pushed into the batch so far. Handles that push little therefore
//! take little room from others, and a busy handle soon takes the queue's lock only once for every 64 events.
//!
//! An operation that needs all events, or room that is reserved and unused, *collects* the buffers first: their events
//! join the batch, and the reservations end. Reservations therefore change neither the statistics nor the time of a
//! flush: `capacity` and `max_batch` are exact, and no event in a buffer is older than the batch.
//!
//! Lock order: queue, local buffer.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    batch::{Batch, Load},
    flush::FlushReason,
    receipt::{BatchCell, Receipt},
};
use crate::sync::{Mutex, MutexGuard};

/// Maximum number of events in a reservation; more would save little.
const MAX_EVENTS: usize = 64;
/// Minimum number of events in a reservation; fewer would save nothing.
const MIN_EVENTS: usize = 4;
/// Maximum number of reservations, because collecting them holds the queue's lock.
const MAX_RESERVATIONS: usize = 64;

/// The local buffer of one handle. Aligned so that no two buffers share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct LocalBuffer<E> {
    state: Mutex<BufferState<E>>,
    awaited: bool,
}

#[derive(Debug)]
struct BufferState<E> {
    reservation: Option<Reservation>,
    /// Events that fill the reservation; empty without one.
    events: Vec<E>,
    /// Sequence of the batch into which the handle last pushed outside a reservation.
    last_batch: Option<u64>,
    /// Number of events that the handle has pushed into that batch.
    pushed: usize,
}

#[derive(Debug)]
struct Reservation {
    whole: Load,
    left: Load,
    cell: Arc<BatchCell>,
}

/// Room in a reservation for an event of `bytes` bytes. Holds the buffer's lock.
pub(super) struct ReservedSlot<'a, E> {
    state: MutexGuard<'a, BufferState<E>>,
    bytes: usize,
}

impl<E> ReservedSlot<'_, E> {
    /// Whether this is the last event of the reservation, after which the buffer must be taken over.
    #[inline]
    pub(super) fn is_last(&self) -> bool {
        self.state.reservation.as_ref().is_some_and(|reservation| reservation.left.events == 1)
    }

    #[inline]
    pub(super) fn fill(mut self, event: E) -> Receipt {
        let BufferState { reservation, events, .. } = &mut *self.state;
        let reservation = reservation.as_mut().expect("the slot is part of a reservation");
        let receipt = Receipt::new(reservation.cell.clone(), events.len());
        events.push(event);
        reservation.left.events -= 1;
        reservation.left.bytes -= self.bytes;
        receipt
    }
}

impl<E> LocalBuffer<E> {
    pub(super) fn new(awaited: bool) -> Self {
        Self {
            state: Mutex::new(BufferState { reservation: None, events: Vec::new(), last_batch: None, pushed: 0 }),
            awaited,
        }
    }

    /// Whether the handle is [awaited](super::EventSink::awaited).
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Returns a slot for an event of `bytes` bytes, if the reservation has room.
    #[inline]
    pub(super) fn slot(&self, bytes: usize) -> Option<ReservedSlot<'_, E>> {
        let state = self.lock();
        let room = state.reservation.as_ref()?.left;
        Load { events: 1, bytes }.fits(room).then_some(ReservedSlot { state, bytes })
    }

    fn lock(&self) -> MutexGuard<'_, BufferState<E>> {
        // No application code runs under this lock, so a panic cannot leave the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open batch, and the buffers with a reservation in it.
#[derive(Debug)]
pub(super) struct OpenBatch<E> {
    batch: Batch<E>,
    buffers: Vec<Arc<LocalBuffer<E>>>,
    /// Total of all reservations, used or not. Together with the batch they never exceed `max_batch` events.
    reserved: Load,
}

impl<E> OpenBatch<E> {
    pub(super) fn new(batch: Batch<E>) -> Self {
        Self { batch, buffers: Vec::new(), reserved: Load::default() }
    }

    pub(super) fn batch(&mut self) -> &mut Batch<E> {
        &mut self.batch
    }

    pub(super) fn reserved(&self) -> Load {
        self.reserved
    }

    /// Number of events in the batch, counting reservations as filled.
    pub(super) fn len(&self) -> usize {
        self.batch.events.len() + self.reserved.events
    }

    /// Returns the time at which the batch has waited long enough: for `interval` if it is urgent, else for `linger`.
    pub(super) fn due(&self, interval: Duration, linger: Duration) -> Option<Instant> {
        self.batch.opened_at.checked_add(if self.batch.is_urgent() { interval } else { linger })
    }

    /// Counts an event that a handle pushed outside a reservation. Returns whether the handle has pushed enough events
    /// into this batch for a reservation.
    #[inline]
    pub(super) fn is_busy(&self, buffer: &LocalBuffer<E>) -> bool {
        let mut state = buffer.lock();
        if state.last_batch.replace(self.batch.sequence) != Some(self.batch.sequence) {
            state.pushed = 0;
        }
        state.pushed += 1;
        state.pushed >= MIN_EVENTS && self.buffers.len() < MAX_RESERVATIONS
    }

    /// Reserves a part of `room` for a [busy](Self::is_busy) handle without a reservation, if the part is large enough.
    /// `bytes` is the size of the event that was just pushed.
    pub(super) fn reserve(&mut self, buffer: &Arc<LocalBuffer<E>>, bytes: usize, room: Load) {
        let mut state = buffer.lock();
        // Leaves room for other handles.
        let events = state.pushed.min(room.events / 4).min(MAX_EVENTS);
        let whole = Load { events, bytes: bytes.saturating_mul(2 * events).min(room.bytes / 4) };
        if events < MIN_EVENTS || whole.bytes < bytes.saturating_mul(MIN_EVENTS) {
            return;
        }
        debug_assert!(state.reservation.is_none() && state.events.is_empty());
        state.reservation = Some(Reservation { whole, left: whole, cell: self.batch.new_cell() });
        state.events.reserve(events);
        self.reserved = self.reserved.plus(whole);
        self.buffers.push(buffer.clone());
    }

    /// Ends the reservation of a buffer, if it has one. Returns the load of the events that join the batch.
    #[inline]
    pub(super) fn take_from(&mut self, buffer: &Arc<LocalBuffer<E>>) -> Load {
        if buffer.lock().reservation.is_none() {
            return Load::default();
        }
        self.buffers.retain(|reserved| !Arc::ptr_eq(reserved, buffer));
        self.end_reservation(buffer)
    }

    /// Ends all reservations. Returns the load of the events that join the batch.
    pub(super) fn collect(&mut self) -> Load {
        let mut joined = Load::default();
        while let Some(buffer) = self.buffers.pop() {
            joined = joined.plus(self.end_reservation(&buffer));
        }
        debug_assert_eq!(self.reserved, Load::default());
        joined
    }

    fn end_reservation(&mut self, buffer: &LocalBuffer<E>) -> Load {
        let mut state = buffer.lock();
        let Some(Reservation { whole, left, cell }) = state.reservation.take() else { return Load::default() };
        let joined = whole.minus(left);
        state.pushed += joined.events;
        if joined.events > 0 {
            self.batch.append(&mut state.events, joined.bytes, cell, buffer.awaited);
        }
        self.reserved = self.reserved.minus(whole);
        joined
    }

    /// Returns the batch. The buffers must have been collected.
    pub(super) fn into_batch(mut self, reason: FlushReason) -> Batch<E> {
        debug_assert!(self.buffers.is_empty());
        self.batch.reason = reason;
        self.batch
    }
}
