//! The model's view of a sink from the outside: accepted events, waiting pushes, and the outcome of each event.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::time::Instant;

use super::{super::batch::Load, *};

/// Size of an event as reported to the sink.
pub(super) fn size_of(event: &u32) -> usize {
    1 + *event as usize % 7
}

pub(super) fn load_of(events: &[u32]) -> Load {
    Load { events: events.len(), bytes: events.iter().map(size_of).sum() }
}

/// Outcome of an event according to its receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Stored,
    Duplicate,
    Rejected,
    DeadLettered,
    Returned,
}

impl Fate {
    fn of(outcome: &EventOutcome) -> Self {
        match outcome {
            Ok(Outcome::Stored) => Self::Stored,
            Ok(Outcome::Duplicate) => Self::Duplicate,
            Ok(Outcome::Rejected { .. }) => Self::Rejected,
            Err(NotStored::Returned) => Self::Returned,
            Err(NotStored::RetriesExhausted(_) | NotStored::Poisoned(_)) => Self::DeadLettered,
        }
    }
}

/// A receipt of an event or a batch.
pub(super) type HeldReceipt = Pin<Box<dyn Future<Output = Vec<EventOutcome>> + Send>>;

pub(super) fn held_receipt(receipt: Receipt) -> HeldReceipt {
    Box::pin(async move { vec![receipt.await] })
}

pub(super) fn held_batch_receipt(receipt: BatchReceipt) -> HeldReceipt {
    Box::pin(async move {
        let outcome = receipt.await;
        (0..outcome.len()).map(|index| outcome.get(index).unwrap()).collect()
    })
}

/// Polls once with a no-op waker.
pub(super) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) handle: usize,
    pub(super) at: Instant,
    pub(super) fate: Option<Fate>,
}

#[derive(Default)]
pub(super) struct Ledger {
    /// Every accepted event.
    pub(super) entries: BTreeMap<u32, Entry>,
    /// The accepted events in the order of acceptance.
    pub(super) order: Vec<u32>,
    /// Receipts held by the model, with their events.
    pub(super) held_receipts: Vec<(Vec<u32>, HeldReceipt)>,
    /// Total load of the waiting pushes.
    pub(super) waiting_load: Load,
    pub(super) waiting: usize,
    /// Events whose receipt resolved before the dead-letter handler was called.
    pub(super) told_too_early: Vec<u32>,
    /// `true` once a `close` was called.
    pub(super) closed: bool,
    /// Events returned by `close`, by call.
    pub(super) unstored: Vec<Vec<u32>>,
}

impl Ledger {
    pub(super) fn accept(&mut self, handle: usize, events: Vec<u32>, held_receipt: HeldReceipt) {
        for event in &events {
            assert!(!self.closed, "a closed sink takes event {event}");
            let entry = Entry { handle, at: Instant::now(), fate: None };
            assert!(self.entries.insert(*event, entry).is_none(), "event {event} is accepted twice");
            self.order.push(*event);
        }
        self.held_receipts.push((events, held_receipt));
    }

    pub(super) fn tell(&mut self, events: &[u32], outcomes: &[EventOutcome]) {
        assert_eq!(events.len(), outcomes.len());
        for (event, outcome) in events.iter().zip(outcomes) {
            let entry = self.entries.get_mut(event).unwrap();
            assert_eq!(entry.fate.replace(Fate::of(outcome)), None);
        }
    }

    /// Polls every held receipt.
    pub(super) fn poll_receipts(&mut self) {
        for (events, mut held_receipt) in std::mem::take(&mut self.held_receipts) {
            match poll_once(held_receipt.as_mut()) {
                Poll::Ready(outcomes) => self.tell(&events, &outcomes),
                Poll::Pending => self.held_receipts.push((events, held_receipt)),
            }
        }
    }

    /// Events whose held receipts are pending.
    pub(super) fn open(&self) -> BTreeSet<u32> {
        self.held_receipts.iter().flat_map(|(events, _)| events.iter().copied()).collect()
    }

    fn count(&self, fate: Fate) -> u64 {
        self.entries.values().filter(|entry| entry.fate == Some(fate)).count() as u64
    }

    /// Checks that statistics, receipts and dead letters agree at this moment.
    pub(super) fn check(&mut self, stats: &SinkStats, letters: &Letters) {
        self.poll_receipts();
        assert!(self.told_too_early.is_empty(), "{:?}", self.told_too_early);
        assert_conserved(stats);
        assert_eq!(stats.accepted, self.order.len() as u64, "{stats:?}");
        assert_eq!(stats.waiting, self.waiting as u64, "{stats:?}");

        let settled = stats.accepted - stats.pending;
        assert!(stats.flushes.total() <= settled && (stats.flushes.total() > 0) == (settled > 0), "{stats:?}");
        assert!(stats.pending > 0 || (stats.oldest, stats.stalled) == <(Duration, Duration)>::default(), "{stats:?}");

        // The model does not know the state of an event whose receipt was dropped, was given away, or is shared with
        // other events.
        let single = self.held_receipts.iter().filter(|(events, _)| events.len() == 1);
        let open: BTreeSet<u32> = single.map(|(events, _)| events[0]).collect();
        let silent = self.entries.iter().filter(|(event, entry)| entry.fate.is_none() && !open.contains(event)).count();
        let told = [
            (stats.stored, Fate::Stored),
            (stats.duplicates, Fate::Duplicate),
            (stats.rejected, Fate::Rejected),
            (stats.dead_lettered, Fate::DeadLettered),
            (stats.returned, Fate::Returned),
        ];
        for (counted, fate) in told {
            let known = self.count(fate);
            assert!(
                (known..=known + silent as u64).contains(&counted),
                "{fate:?}: {known} outcomes are reported, {stats:?}"
            );
        }
        let pending = load_of(&open.iter().copied().collect::<Vec<_>>());
        assert!(stats.pending >= pending.events as u64 && stats.pending_bytes >= pending.bytes as u64, "{stats:?}");
        if silent == 0 {
            assert_eq!((stats.pending, stats.pending_bytes), (pending.events as u64, pending.bytes as u64));
        }

        let letters = letters.events();
        for (event, entry) in &self.entries {
            if matches!(entry.fate, Some(Fate::Rejected | Fate::DeadLettered)) {
                assert!(letters.contains(event), "{event} is not with the dead letters, as its receipt says");
            }
        }
    }

    /// Checks that the events of each handle are in the order of acceptance.
    pub(super) fn check_order(&self, events: &[u32]) {
        let rank: BTreeMap<u32, usize> = self.order.iter().enumerate().map(|(rank, event)| (*event, rank)).collect();
        let mut last = BTreeMap::new();
        for event in events {
            let before = last.insert(self.entries[event].handle, rank[event]);
            assert!(before.is_none_or(|before| before < rank[event]), "{event} is out of order in {events:?}");
        }
    }
}
