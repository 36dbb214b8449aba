//! Lanes: per-handle buffers in front of the open batch, which reduce contention between busy producers.
//!
//! A handle that pushes repeatedly into the same open batch is granted room in it: a number of places and bytes, which
//! count as taken from then on. The handle fills them under the lane's own lock. When the last place is filled, the
//! lane hands its events over to the batch as one run with its own cell.
//!
//! An operation that needs all events, or room that is granted and unused, *calls in* the lanes first: their events
//! join the batch, and the grants end. Grants therefore change neither the statistics nor the time of a flush:
//! `capacity` and `max_batch` are exact, and no event in a lane is older than the batch.
//!
//! Lock order: queue, lane.

use std::sync::{Arc, PoisonError};

use super::{
    FlushReason,
    batch::{Batch, Load},
    receipt::{BatchCell, Receipt},
};
use crate::sync::{Mutex, MutexGuard};

/// Maximum number of places in a grant; more would save little.
const MAX_PLACES: usize = 64;
/// Minimum number of places in a grant; fewer would save nothing.
const MIN_PLACES: usize = 4;
/// Maximum number of lanes with a grant, because calling them in holds the queue's lock.
const MAX_LANES: usize = 64;

/// The lane of one handle. Aligned so that no two lanes share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Lane<E> {
    state: Mutex<State<E>>,
    attended: bool,
}

#[derive(Debug)]
struct State<E> {
    grant: Option<Grant>,
    /// Events that fill the grant; empty without a grant.
    events: Vec<E>,
    /// Sequence of the batch into which the handle last pushed outside a grant.
    visited: Option<u64>,
}

#[derive(Debug)]
struct Grant {
    whole: Load,
    left: Load,
    cell: Arc<BatchCell>,
}

/// A free place in a lane for an event of `bytes` bytes. Holds the lane's lock.
pub(super) struct Vacancy<'a, E> {
    state: MutexGuard<'a, State<E>>,
    bytes: usize,
}

impl<E> Vacancy<'_, E> {
    /// Whether this is the last place, after which the lane must be handed over.
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

    /// Whether the handle is [attended](super::EventSink::attended).
    pub(super) fn is_attended(&self) -> bool {
        self.attended
    }

    /// Returns a place for an event of `bytes` bytes, if the grant has room.
    #[inline]
    pub(super) fn vacancy(&self, bytes: usize) -> Option<Vacancy<'_, E>> {
        let state = self.lock();
        let room = state.grant.as_ref()?.left;
        Load { events: 1, bytes }.fits(room).then_some(Vacancy { state, bytes })
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        // No application code runs under this lock, so a panic cannot leave the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open batch, and the lanes with a grant in it.
#[derive(Debug)]
pub(super) struct Open<E> {
    batch: Batch<E>,
    lanes: Vec<Arc<Lane<E>>>,
    /// Total of all grants, used or not. Together with the batch they never exceed `max_batch` events.
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

    /// Number of events in the batch, counting granted places as filled.
    pub(super) fn len(&self) -> usize {
        self.batch.events.len() + self.granted.events
    }

    pub(super) fn due(&self, interval: std::time::Duration) -> Option<tokio::time::Instant> {
        self.batch.opened_at.checked_add(interval)
    }

    /// Grants a part of `room` to a lane without a grant, if its handle has pushed into this batch before and the part
    /// is large enough. `bytes` is the size of the event that was just pushed.
    pub(super) fn grant(&mut self, lane: &Arc<Lane<E>>, bytes: usize, room: Load) {
        let mut state = lane.lock();
        if state.visited.replace(self.batch.sequence) != Some(self.batch.sequence) || self.lanes.len() == MAX_LANES {
            return;
        }
        // Leaves room for other handles.
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

    /// Ends the grant of a lane, if it has one. Returns the load of the events that the lane adds to the batch.
    pub(super) fn hand_over(&mut self, lane: &Arc<Lane<E>>) -> Load {
        match self.lanes.iter().position(|granted| Arc::ptr_eq(granted, lane)) {
            Some(index) => {
                let lane = self.lanes.swap_remove(index);
                self.end_grant(&lane)
            }
            None => Load::default(),
        }
    }

    /// Ends all grants. Returns the load of the events that the lanes add to the batch.
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

    /// Returns the batch. The lanes must have been called in.
    pub(super) fn into_batch(mut self, reason: FlushReason) -> Batch<E> {
        debug_assert!(self.lanes.is_empty());
        self.batch.reason = reason;
        self.batch
    }
}
