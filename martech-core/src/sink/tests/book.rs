//! What the model knows of a sink from the outside: what was accepted, who waits, and what was said of each event.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::time::Instant;

use super::{super::batch::Load, *};

/// The size of an event, as the sink is told.
pub(super) fn size_of(event: &u32) -> usize {
    1 + *event as usize % 7
}

pub(super) fn load_of(events: &[u32]) -> Load {
    Load { events: events.len(), bytes: events.iter().map(size_of).sum() }
}

/// What a receipt said of an event.
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

/// A receipt of either kind.
pub(super) type Slip = Pin<Box<dyn Future<Output = Vec<EventOutcome>> + Send>>;

pub(super) fn slip(receipt: Receipt) -> Slip {
    Box::pin(async move { vec![receipt.await] })
}

pub(super) fn batch_slip(receipt: BatchReceipt) -> Slip {
    Box::pin(async move {
        let outcome = receipt.await;
        (0..outcome.len()).map(|index| outcome.get(index).unwrap()).collect()
    })
}

/// Polls once, for nobody.
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
pub(super) struct Book {
    /// Every accepted event.
    pub(super) entries: BTreeMap<u32, Entry>,
    /// The same in the order in which they were accepted.
    pub(super) order: Vec<u32>,
    /// Receipts that the model keeps.
    pub(super) slips: Vec<(Vec<u32>, Slip)>,
    /// What those want to bring who stand in line.
    pub(super) line: Load,
    pub(super) in_line: usize,
    /// Events whose receipts knew before the dead-letter handler.
    pub(super) told_too_early: Vec<u32>,
    /// Someone has called for the end.
    pub(super) closed: bool,
    /// What closing gave back, by call.
    pub(super) unstored: Vec<Vec<u32>>,
}

impl Book {
    pub(super) fn accept(&mut self, handle: usize, events: Vec<u32>, slip: Slip) {
        for event in &events {
            assert!(!self.closed, "a closed sink takes event {event}");
            let entry = Entry { handle, at: Instant::now(), fate: None };
            assert!(self.entries.insert(*event, entry).is_none(), "event {event} is accepted twice");
            self.order.push(*event);
        }
        self.slips.push((events, slip));
    }

    pub(super) fn tell(&mut self, events: &[u32], outcomes: &[EventOutcome]) {
        assert_eq!(events.len(), outcomes.len());
        for (event, outcome) in events.iter().zip(outcomes) {
            let entry = self.entries.get_mut(event).unwrap();
            assert_eq!(entry.fate.replace(Fate::of(outcome)), None);
        }
    }

    /// Looks at every receipt that is kept.
    pub(super) fn read_slips(&mut self) {
        for (events, mut slip) in std::mem::take(&mut self.slips) {
            match poll_once(slip.as_mut()) {
                Poll::Ready(outcomes) => self.tell(&events, &outcomes),
                Poll::Pending => self.slips.push((events, slip)),
            }
        }
    }

    /// Events of which a kept receipt says nothing yet.
    pub(super) fn open(&self) -> BTreeSet<u32> {
        self.slips.iter().flat_map(|(events, _)| events.iter().copied()).collect()
    }

    fn count(&self, fate: Fate) -> u64 {
        self.entries.values().filter(|entry| entry.fate == Some(fate)).count() as u64
    }

    /// The sink's figures, the receipts and the dead letters tell the same, at this moment.
    pub(super) fn check(&mut self, stats: &SinkStats, letters: &Letters) {
        self.read_slips();
        assert!(self.told_too_early.is_empty(), "{:?}", self.told_too_early);
        assert_conserved(stats);
        assert_eq!(stats.accepted, self.order.len() as u64, "{stats:?}");
        assert_eq!(stats.waiting, self.in_line as u64, "{stats:?}");

        let settled = stats.accepted - stats.pending;
        assert!(stats.flushes.total() <= settled && (stats.flushes.total() > 0) == (settled > 0), "{stats:?}");
        assert!(stats.pending > 0 || (stats.oldest, stats.stalled) == <(Duration, Duration)>::default(), "{stats:?}");

        // The model does not know of an event whose receipt was dropped or given away, or is for others as well.
        let single = self.slips.iter().filter(|(events, _)| events.len() == 1);
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
            assert!((known..=known + silent as u64).contains(&counted), "{fate:?}: {known} are told, {stats:?}");
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

    /// Of each handle, the events keep the order in which they were accepted.
    pub(super) fn check_order(&self, events: &[u32]) {
        let rank: BTreeMap<u32, usize> = self.order.iter().enumerate().map(|(rank, event)| (*event, rank)).collect();
        let mut last = BTreeMap::new();
        for event in events {
            let before = last.insert(self.entries[event].handle, rank[event]);
            assert!(before.is_none_or(|before| before < rank[event]), "{event} is out of order in {events:?}");
        }
    }
}
