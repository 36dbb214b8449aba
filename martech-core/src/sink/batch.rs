//! A batch: the events of one append, and the cells that publish their outcomes.

use std::{ops::Range, sync::Arc};

use tokio::time::Instant;

use super::{
    BatchTiming, EventOutcome, FlushReason,
    receipt::{BatchCell, Part, Receipt},
    urgency::Urgency,
};
use crate::store::Steps;

/// A number of events and their size in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

impl Load {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { events: self.events.saturating_add(other.events), bytes: self.bytes.saturating_add(other.bytes) }
    }

    /// Subtracts, saturating at zero.
    pub(super) fn minus(self, other: Self) -> Self {
        Self { events: self.events.saturating_sub(other.events), bytes: self.bytes.saturating_sub(other.bytes) }
    }

    pub(super) fn fits(self, room: Self) -> bool {
        self.events <= room.events && self.bytes <= room.bytes
    }
}

#[derive(Debug)]
pub(super) struct Batch<E> {
    pub(super) sequence: u64,
    pub(super) events: Vec<E>,
    pub(super) bytes: usize,
    pub(super) opened_at: Instant,
    /// The reason for the flush; final once the batch is sealed or taken.
    pub(super) reason: FlushReason,
    /// Time at which a flush slot took the batch; `None` before that.
    pub(super) taken_at: Option<Instant>,
    /// Whether the batch is being appended, and not waiting for a retry.
    pub(super) is_appending: bool,
    /// Timing steps that the store reported for this batch.
    pub(super) steps: Steps,
    /// Never empty. The lengths add up to the number of events in the batch when it was taken.
    runs: Vec<Run>,
    /// Positions of events pushed by awaited handles, ascending.
    awaited: Vec<Range<usize>>,
    /// `None` if the sink does not linger.
    urgency: Option<Arc<Urgency>>,
}

/// Consecutive events whose receipts watch the same cell.
#[derive(Debug)]
struct Run {
    cell: Arc<BatchCell>,
    len: usize,
}

impl<E> Batch<E> {
    /// Creates an empty batch that reuses `events`, which must be empty.
    pub(super) fn new(sequence: u64, events: Vec<E>, opened_at: Instant, urgency: Option<Arc<Urgency>>) -> Self {
        debug_assert!(events.is_empty());
        let runs = vec![Run { cell: Arc::new(BatchCell::new(urgency.clone())), len: 0 }];
        Self {
            sequence,
            events,
            bytes: 0,
            opened_at,
            reason: FlushReason::Due,
            taken_at: None,
            is_appending: false,
            steps: Steps::default(),
            runs,
            awaited: Vec::new(),
            urgency,
        }
    }

    /// Records that a flush slot took the batch.
    pub(super) fn taken(mut self, now: Instant) -> Self {
        self.taken_at = Some(now);
        self.is_appending = true;
        // Callers that await receipts from now on need not wake a slot.
        self.make_urgent();
        self
    }

    pub(super) fn load(&self) -> Load {
        Load { events: self.events.len(), bytes: self.bytes }
    }

    /// Returns a cell for a run of events that join the batch later.
    pub(super) fn new_cell(&self) -> Arc<BatchCell> {
        Arc::new(BatchCell::new(self.urgency.clone()))
    }

    /// Whether the batch should be flushed without lingering.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgency.as_ref().is_none_or(|urgency| urgency.is_urgent())
    }

    /// Ends the linger of the batch. Returns whether it lingered before.
    pub(super) fn make_urgent(&self) -> bool {
        self.urgency.as_ref().is_some_and(|urgency| urgency.mark())
    }

    /// Returns the cell of the first run, which is resolved last.
    pub(super) fn cell(&self) -> &Arc<BatchCell> {
        &self.runs[0].cell
    }

    #[inline]
    pub(super) fn add(&mut self, event: E, bytes: usize, awaited: bool) -> Receipt {
        self.mark_awaited(1, awaited);
        self.events.push(event);
        let (cell, first) = self.extend_run(1, bytes);
        Receipt::new(cell, first)
    }

    pub(super) fn add_all(&mut self, events: impl Iterator<Item = E>, load: Load, awaited: bool) -> Part {
        self.mark_awaited(load.events, awaited);
        self.events.extend(events);
        let (cell, first) = self.extend_run(load.events, load.bytes);
        Part::new(cell, first, load.events)
    }

    /// Like [`add_all`](Self::add_all) for the first events of a batch: `events` becomes the batch's vector.
    pub(super) fn adopt(&mut self, events: Vec<E>, load: Load, awaited: bool) -> Part {
        debug_assert!(self.events.is_empty());
        self.mark_awaited(load.events, awaited);
        self.events = events;
        let (cell, first) = self.extend_run(load.events, load.bytes);
        Part::new(cell, first, load.events)
    }

    /// Appends events whose receipts watch `cell` instead of the batch's own cell.
    pub(super) fn append(&mut self, events: &mut Vec<E>, bytes: usize, cell: Arc<BatchCell>, awaited: bool) {
        self.mark_awaited(events.len(), awaited);
        self.runs.push(Run { cell, len: events.len() });
        self.bytes += bytes;
        self.events.append(events);
    }

    /// Records whether the next `len` events come from an awaited handle.
    #[inline]
    fn mark_awaited(&mut self, len: usize, awaited: bool) {
        if !awaited {
            return;
        }
        let next = self.events.len();
        match self.awaited.last_mut() {
            Some(last) if last.end == next => last.end += len,
            _ => self.awaited.push(next..next + len),
        }
    }

    /// Whether an awaited handle pushed the event at `index`, a position in the batch as it was taken.
    pub(super) fn is_awaited(&self, index: usize) -> bool {
        let behind = self.awaited.partition_point(|range| range.start <= index);
        self.awaited[..behind].last().is_some_and(|range| index < range.end)
    }

    fn extend_run(&mut self, len: usize, bytes: usize) -> (Arc<BatchCell>, usize) {
        self.bytes += bytes;
        let last = self.runs.len() - 1;
        let run = &mut self.runs[last];
        let first = run.len;
        run.len += len;
        (run.cell.clone(), first)
    }

    /// Publishes every outcome without waking the waiters. `exceptions` lists the events that are not stored, ascending
    /// by position.
    pub(super) fn publish(&self, mut exceptions: Vec<(usize, EventOutcome)>, now: Instant) {
        // `events` is incomplete here: dead-lettered and returned events have been removed from it.
        let mut start: usize = self.runs.iter().map(|run| run.len).sum();
        let timing = self.taken_at.map(|taken| BatchTiming {
            taken: taken.into_std(),
            settled: now.into_std(),
            events: start,
            steps: self.steps,
        });
        // In reverse, because all cells must be resolved once the batch's own cell, the first, is.
        for Run { cell, len } in self.runs.iter().rev() {
            start -= len;
            let own = exceptions.split_off(exceptions.partition_point(|(index, _)| *index < start));
            cell.publish(own.into_iter().map(|(index, outcome)| (index - start, outcome)).collect(), timing);
        }
    }

    /// Wakes all waiters. Must be called after [`publish`](Self::publish).
    pub(super) fn wake(&self) {
        self.runs.iter().for_each(|run| run.cell.wake());
    }
}
