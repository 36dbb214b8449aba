//! A handle's own way into the open batch, so that busy producers seldom meet.
//!
//! A handle that comes to the same open batch again and again is granted room in it: a few places and bytes, which count
//! as taken from then on. It fills them under a lock of its own, and brings the events to the batch together, as a run
//! with a cell of its own, when the last place is filled. Whoever needs all that is there, or room that others hold and do
//! not use, *calls in* the lanes: their events join the batch, and the grants end. So a grant changes neither what is
//! counted nor when a batch goes: capacity and `max_batch` are exact, and no event in a lane is older than the batch.
//!
//! Locks are taken in this order: queue, lane.

use std::sync::{Arc, PoisonError};

use super::{
    FlushReason,
    batch::{Batch, Load},
    receipt::{BatchCell, Receipt},
};
use crate::sync::{Mutex, MutexGuard};

/// No grant is larger; a larger one would save little.
const MAX_PLACES: usize = 64;
/// No grant is smaller; a smaller one would save nothing.
const MIN_PLACES: usize = 4;
/// How many lanes have grants at a time, since calling them in takes time under the queue's lock.
const MAX_LANES: usize = 64;

/// A handle's lane. Aligned so that no two share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Lane<E> {
    state: Mutex<State<E>>,
    attended: bool,
}

#[derive(Debug)]
struct State<E> {
    grant: Option<Grant>,
    /// What the grant was used for; empty without one.
    events: Vec<E>,
    /// The batch to which the handle last brought an event itself.
    visited: Option<u64>,
}

#[derive(Debug)]
struct Grant {
    whole: Load,
    left: Load,
    cell: Arc<BatchCell>,
}

/// A place in a lane that has room for an event of so many bytes.
pub(super) struct Vacancy<'a, E> {
    state: MutexGuard<'a, State<E>>,
    bytes: usize,
}

impl<E> Vacancy<'_, E> {
    /// Whether the lane should be handed over when this is filled.
    #[inline]
    pub(super) fn is_last(&self) -> bool {
        self.state.grant.as_ref().is_some_and(|grant| grant.left.events == 1)
    }

    #[inline]
    pub(super) fn fill(mut self, event: E) -> Receipt {
        let State { grant, events, .. } = &mut *self.state;
        let grant = grant.as_mut().expect("there is a vacancy");
        let receipt = Receipt::new(grant.cell.clone(), events.len());
        events.push(event);
        grant.left.events -= 1;
        grant.left.bytes -= self.bytes;
        receipt
    }
}

impl<E> Lane<E> {
    pub(super) fn new(attended: bool) -> Self {
        Self { state: Mutex::new(State { grant: None, events: Vec::new(), visited: None }), attended }
    }

    /// Whether its handle is [attended](super::EventSink::attended).
    pub(super) fn is_attended(&self) -> bool {
        self.attended
    }

    /// Room for an event of so many bytes, if the grant has it.
    #[inline]
    pub(super) fn vacancy(&self, bytes: usize) -> Option<Vacancy<'_, E>> {
        let state = self.lock();
        let room = state.grant.as_ref()?.left;
        Load { events: 1, bytes }.fits(room).then_some(Vacancy { state, bytes })
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        // No foreign code runs under the lock, so what a panic would leave behind is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The batch that is being filled, and the lanes with room in it.
#[derive(Debug)]
pub(super) struct Open<E> {
    batch: Batch<E>,
    lanes: Vec<Arc<Lane<E>>>,
    /// The grants, used or not. Together with the batch they are never more than `max_batch` events.
    granted: Load,
}

impl<E> Open<E> {
    pub(super) fn new(batch: Batch<E>) -> Self {
        Self { batch, lanes: Vec::new(), granted: Load::default() }
    }

    pub(super) fn batch(&mut self) -> &mut Batch<E> {
        &mut self.batch
    }

    pub(super) fn granted(&self) -> Load {
        self.granted
    }

    /// How many events the batch has, counting granted places as filled.
    pub(super) fn len(&self) -> usize {
        self.batch.events.len() + self.granted.events
    }

    pub(super) fn due(&self, interval: std::time::Duration) -> Option<tokio::time::Instant> {
        self.batch.opened_at.checked_add(interval)
    }

    /// Grants a part of `room` to a lane that has none, if its handle has come before and the part is worth the while.
    /// `bytes` is the size of an event that it brought.
    pub(super) fn grant(&mut self, lane: &Arc<Lane<E>>, bytes: usize, room: Load) {
        let mut state = lane.lock();
        if state.visited.replace(self.batch.sequence) != Some(self.batch.sequence) || self.lanes.len() == MAX_LANES {
            return;
        }
        // A part, since others come as well.
        let events = (room.events / 4).min(MAX_PLACES);
        let whole = Load { events, bytes: bytes.saturating_mul(2 * events).min(room.bytes / 4) };
        if events < MIN_PLACES || whole.bytes < bytes.saturating_mul(MIN_PLACES) {
            return;
        }
        debug_assert!(state.grant.is_none() && state.events.is_empty());
        state.grant = Some(Grant { whole, left: whole, cell: Arc::default() });
        state.events.reserve(events);
        self.granted = self.granted.plus(whole);
        self.lanes.push(lane.clone());
    }

    /// Ends the grant of a lane, if it has one; gives the load of the events that it brings.
    pub(super) fn hand_over(&mut self, lane: &Arc<Lane<E>>) -> Load {
        match self.lanes.iter().position(|granted| Arc::ptr_eq(granted, lane)) {
            Some(index) => {
                let lane = self.lanes.swap_remove(index);
                self.end_grant(&lane)
            }
            None => Load::default(),
        }
    }

    /// Ends all grants; gives the load of the events that the lanes bring.
    pub(super) fn call_in(&mut self) -> Load {
        let mut brought = Load::default();
        while let Some(lane) = self.lanes.pop() {
            brought = brought.plus(self.end_grant(&lane));
        }
        debug_assert_eq!(self.granted, Load::default());
        brought
    }

    fn end_grant(&mut self, lane: &Lane<E>) -> Load {
        let mut state = lane.lock();
        let Some(Grant { whole, left, cell }) = state.grant.take() else { return Load::default() };
        let brought = whole.minus(left);
        if brought.events > 0 {
            self.batch.append(&mut state.events, brought.bytes, cell, lane.attended);
        }
        self.granted = self.granted.minus(whole);
        brought
    }

    /// The batch, once the lanes are called in.
    pub(super) fn into_batch(mut self, reason: FlushReason) -> Batch<E> {
        debug_assert!(self.lanes.is_empty());
        self.batch.reason = reason;
        self.batch
    }
}
