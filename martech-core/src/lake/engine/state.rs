//! The mutable state in memory: the hot table, the ids that are in no file yet, the live files.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use hashbrown::HashMap;

use super::{
    job::Job,
    throttle::{Room, Step, Throttle},
};
use crate::{
    event::{EventKey, Fingerprint},
    lake::{
        files::live::Version,
        rows::hot::{Chunk, EncodedKey, Hot, Known},
    },
};

/// The state behind one lock. The lock is held briefly: no file is read or written under it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The table that takes rows as they become durable.
    pub(crate) active: Hot,
    /// The table that is being written to files.
    pub(crate) frozen: Option<Arc<Hot>>,
    pub(crate) version: Arc<Version>,
    /// Ids of the active table and of batches on their way to the journal.
    ids: HashMap<EventKey, UnflushedKey>,
    /// Ids of the frozen table.
    frozen_ids: HashMap<EventKey, UnflushedKey>,
    /// Batches on their way to the journal, oldest first.
    in_flight: VecDeque<InFlight>,
    /// The size of these batches, in bytes.
    in_flight_bytes: usize,
    next_ticket: Ticket,
    /// The speed of rolls, by which batches are slowed down while a roll runs.
    throttle: Throttle,
    /// The time at which the oldest event of the active table became durable.
    pub(crate) active_since: Option<Instant>,
    /// The error of the last roll, if it failed.
    pub(crate) roll_error: Option<String>,
    /// The time and error of a failed write to the journal, until a later write succeeds.
    pub(crate) write_error: Option<(Instant, String)>,
    pub(crate) closed: bool,
    /// The channel of the roll worker, once it runs.
    pub(crate) roller: Option<mpsc::Sender<Job>>,
}

/// The time for which a failed write is reported, unless a later write succeeds.
const WRITE_ERROR_STANDS: Duration = Duration::from_secs(10);

/// The number of a batch, in the order in which batches go to the journal.
pub(crate) type Ticket = u64;

/// An event that is in no file yet.
#[derive(Debug, Clone, Copy)]
struct UnflushedKey {
    ticket: Ticket,
    print: Fingerprint,
}

#[derive(Debug)]
struct InFlight {
    ticket: Ticket,
    keys: Vec<(EventKey, Fingerprint)>,
    bytes: usize,
}

/// The treatment of the active table in a roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActiveTable {
    /// Freeze it, so that its rows are rolled.
    Freeze,
    /// The active table gathers more rows. Only a frozen table is rolled.
    Keep,
}

impl State {
    pub(crate) fn new(version: Version, roll_bytes: usize) -> Self {
        Self { version: Arc::new(version), next_ticket: 1, throttle: Throttle::new(roll_bytes), ..Self::default() }
    }

    /// Returns what is known about each event of a batch without reading files. Returns `None` while another batch with
    /// one of these events is on its way to the journal, because it is not known yet whether that batch becomes
    /// durable.
    pub(crate) fn lookup(&self, keys: &[EncodedKey]) -> Option<Vec<Option<Known>>> {
        let durable_before = self.in_flight.front().map_or(self.next_ticket, |batch| batch.ticket);
        let mut all = Vec::with_capacity(keys.len());
        for event in keys {
            let mut known = None;
            for key in event.candidates() {
                let Some(unflushed) = self.unflushed(&key) else { continue };
                if unflushed.ticket >= durable_before {
                    return None;
                }
                known = known.max(event.compare_stored(key, unflushed.print));
            }
            all.push(known);
        }
        Some(all)
    }

    /// Returns an event that is in no file.
    fn unflushed(&self, key: &EventKey) -> Option<UnflushedKey> {
        self.ids.get(key).or_else(|| self.frozen_ids.get(key)).copied()
    }

    /// Records the events of a batch that goes to the journal.
    pub(crate) fn begin_write(&mut self, keys: Vec<(EventKey, Fingerprint)>, bytes: usize) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.ids.extend(keys.iter().map(|(key, print)| (*key, UnflushedKey { ticket, print: *print })));
        self.in_flight.push_back(InFlight { ticket, keys, bytes });
        self.in_flight_bytes += bytes;
        ticket
    }

    /// Makes a durable batch visible.
    pub(crate) fn complete_write(&mut self, ticket: Ticket, chunk: Arc<Chunk>, sequence: u64) {
        self.remove_in_flight(ticket);
        self.write_error = None;
        self.active_since.get_or_insert_with(Instant::now);
        self.active.push(chunk, sequence);
    }

    /// Forgets a batch that did not become durable.
    pub(crate) fn fail_write(&mut self, ticket: Ticket, error: &dyn std::error::Error) {
        self.write_error = Some((Instant::now(), error.to_string()));
        for (key, _) in self.remove_in_flight(ticket) {
            self.ids.remove(&key);
            self.frozen_ids.remove(&key);
        }
    }

    fn remove_in_flight(&mut self, ticket: Ticket) -> Vec<(EventKey, Fingerprint)> {
        let position = self.in_flight.iter().position(|batch| batch.ticket == ticket);
        let Some(batch) = position.and_then(|position| self.in_flight.remove(position)) else { return Vec::new() };
        self.in_flight_bytes -= batch.bytes;
        batch.keys
    }

    /// Returns why the lake accepts no events or cannot roll, if that is so.
    pub(crate) fn trouble(&self, journal_stopped: bool) -> Option<String> {
        if journal_stopped {
            return Some("the journal failed and no longer accepts events; restart to continue".to_owned());
        }
        // Clients that wait for recovery may have stopped sending, so no later write would clear an old failure.
        let recent = self.write_error.as_ref().filter(|(when, _)| when.elapsed() < WRITE_ERROR_STANDS);
        recent.map(|(_, error)| error.clone()).or_else(|| self.roll_error.clone())
    }

    pub(crate) fn is_anything_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Begins a roll, and returns the frozen table. Returns `None` if there is nothing to roll. With
    /// [`ActiveTable::Freeze`], an active table with rows is frozen first, unless a table is frozen already.
    pub(crate) fn begin_roll(&mut self, fresh: ActiveTable) -> Option<Arc<Hot>> {
        if fresh == ActiveTable::Freeze && self.frozen.is_none() && self.active.rows > 0 {
            self.frozen = Some(Arc::new(std::mem::take(&mut self.active)));
            self.active_since = None;
            self.frozen_ids = std::mem::take(&mut self.ids);
            // Batches on their way land in the new active table.
            for InFlight { ticket, keys, .. } in &self.in_flight {
                self.ids
                    .extend(keys.iter().map(|(key, print)| (*key, UnflushedKey { ticket: *ticket, print: *print })));
            }
        }
        let frozen = self.frozen.clone()?;
        let gathered = self.gathered();
        self.throttle.begin(Instant::now(), frozen.bytes, gathered);
        Some(frozen)
    }

    /// Returns when the hot table can take a batch while a roll runs. If rolls fail, only the capacity of the journal
    /// limits it.
    pub(crate) fn room(&self, now: Instant) -> Room {
        if self.roll_error.is_some() { Room::Now } else { self.throttle.room(now, self.gathered()) }
    }

    /// Records the progress of the roll.
    pub(crate) fn record_progress(&mut self, step: Step) {
        let gathered = self.gathered();
        self.throttle.step(Instant::now(), step, gathered);
    }

    /// Returns the bytes that have gathered for the next roll.
    fn gathered(&self) -> usize {
        self.active.bytes + self.in_flight_bytes
    }

    /// Ends a roll: the files of `version` hold the frozen table. Returns the replaced state, to be dropped outside the
    /// lock.
    pub(crate) fn finish_roll(&mut self, version: Version) -> impl Sized + use<> {
        self.throttle.end(Instant::now());
        // The roll makes room in the journal, so an earlier failure to write no longer applies.
        self.write_error = None;
        (mem::replace(&mut self.version, Arc::new(version)), self.frozen.take(), mem::take(&mut self.frozen_ids))
    }
}
