//! What changes in memory: the hot table, the ids that are in no file yet, the live files.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use hashbrown::HashMap;

use super::{
    files::Version,
    hot::{Chunk, EncodedKey, Hot, Known},
    pace::{Pace, Room, Step},
    roll::Fresh,
    waiting::Waiting,
    worker::Message,
};
use crate::event::{EventKey, Fingerprint};

/// Guarded by one lock that is held for short whiles only: no file is read or written under it.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Takes what becomes durable.
    pub(super) active: Hot,
    /// Is being written to files.
    pub(super) frozen: Option<Arc<Hot>>,
    /// Has no place in a roll yet.
    pub(super) waiting: Arc<Waiting>,
    pub(super) version: Arc<Version>,
    /// Ids of the active table and of what is on its way to the journal.
    ids: HashMap<EventKey, Place>,
    /// Ids of the frozen table.
    frozen_ids: HashMap<EventKey, Place>,
    /// Batches on their way to the journal, oldest first.
    in_flight: VecDeque<InFlight>,
    /// What those have of bytes.
    departed_bytes: usize,
    next_ticket: Ticket,
    /// How the rolls get on.
    pace: Pace,
    /// When the oldest event of the active table came.
    pub(super) active_since: Option<Instant>,
    /// The last roll failed, and why.
    pub(super) roll_error: Option<String>,
    /// The last write to the journal failed: when, and why.
    pub(super) write_error: Option<(Instant, String)>,
    pub(super) closed: bool,
    /// The worker that rolls, once it runs.
    pub(super) roller: Option<mpsc::Sender<Message>>,
}

/// How long a failed write counts as trouble, unless one succeeds.
const WRITE_ERROR_STANDS: Duration = Duration::from_secs(10);

/// Numbers the batches in the order in which they go to the journal.
pub(super) type Ticket = u64;

/// An event that is in no file yet.
#[derive(Debug, Clone, Copy)]
struct Place {
    ticket: Ticket,
    print: Fingerprint,
}

#[derive(Debug)]
struct InFlight {
    ticket: Ticket,
    keys: Vec<(EventKey, Fingerprint)>,
    bytes: usize,
}

impl State {
    pub(super) fn new(version: Version, roll_bytes: usize) -> Self {
        Self { version: Arc::new(version), next_ticket: 1, pace: Pace::new(roll_bytes), ..Self::default() }
    }

    /// What is known of each event of a batch without looking into files; `None` while one of them is on its way to the
    /// journal in another batch, of which it is not known yet whether it will be durable.
    pub(super) fn know(&self, keys: &[EncodedKey]) -> Option<Vec<Option<Known>>> {
        let durable_before = self.in_flight.front().map_or(self.next_ticket, |batch| batch.ticket);
        let mut all = Vec::with_capacity(keys.len());
        for event in keys {
            let mut known = None;
            for key in event.candidates() {
                let Some(place) = self.place(&key) else { continue };
                if place.ticket >= durable_before {
                    return None;
                }
                known = known.max(event.beside(key, place.print));
            }
            all.push(known);
        }
        Some(all)
    }

    /// An event that is in no file. What waits came before all batches that are on their way.
    fn place(&self, key: &EventKey) -> Option<Place> {
        let known = self.ids.get(key).or_else(|| self.frozen_ids.get(key)).copied();
        known.or_else(|| Some(Place { ticket: 0, print: self.waiting.print(key)? }))
    }

    /// Takes note of events that now go to the journal.
    pub(super) fn depart(&mut self, keys: Vec<(EventKey, Fingerprint)>, bytes: usize) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.ids.extend(keys.iter().map(|(key, print)| (*key, Place { ticket, print: *print })));
        self.in_flight.push_back(InFlight { ticket, keys, bytes });
        self.departed_bytes += bytes;
        ticket
    }

    /// A batch is durable: makes it visible.
    pub(super) fn arrive(&mut self, ticket: Ticket, chunk: Arc<Chunk>, sequence: u64) {
        self.land(ticket);
        self.write_error = None;
        self.active_since.get_or_insert_with(Instant::now);
        self.active.push(chunk, sequence);
    }

    /// A batch did not become durable: forgets it.
    pub(super) fn fail(&mut self, ticket: Ticket, error: &dyn std::error::Error) {
        self.write_error = Some((Instant::now(), error.to_string()));
        for (key, _) in self.land(ticket) {
            self.ids.remove(&key);
            self.frozen_ids.remove(&key);
        }
    }

    fn land(&mut self, ticket: Ticket) -> Vec<(EventKey, Fingerprint)> {
        let position = self.in_flight.iter().position(|batch| batch.ticket == ticket);
        let Some(batch) = position.and_then(|position| self.in_flight.remove(position)) else { return Vec::new() };
        self.departed_bytes -= batch.bytes;
        batch.keys
    }

    /// Why nothing is taken or rolled, when that is so.
    pub(super) fn trouble(&self, journal_stopped: bool) -> Option<String> {
        if journal_stopped {
            return Some("the journal failed and takes nothing any more; restart to go on".to_owned());
        }
        // An old failure says nothing of now: whoever waits for this to pass may have stopped sending.
        let recent = self.write_error.as_ref().filter(|(when, _)| when.elapsed() < WRITE_ERROR_STANDS);
        recent.map(|(_, error)| error.clone()).or_else(|| self.roll_error.clone())
    }

    pub(super) fn is_anything_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Begins a roll; gives what it is about, the frozen table and what waits, where there is any. The active table is set aside
    /// for it where that is wanted, unless it is empty.
    pub(super) fn begin_roll(&mut self, fresh: Fresh) -> Option<(Option<Arc<Hot>>, Arc<Waiting>)> {
        if fresh == Fresh::Roll && self.frozen.is_none() && self.active.rows > 0 {
            self.frozen = Some(Arc::new(std::mem::take(&mut self.active)));
            self.active_since = None;
            self.frozen_ids = std::mem::take(&mut self.ids);
            // What is on its way lands in the new active table.
            for InFlight { ticket, keys, .. } in &self.in_flight {
                self.ids.extend(keys.iter().map(|(key, print)| (*key, Place { ticket: *ticket, print: *print })));
            }
        }
        if self.frozen.is_none() && self.waiting.is_empty() {
            return None;
        }
        let (bytes, gathered) = (self.frozen.as_ref().map_or(0, |frozen| frozen.bytes), self.gathered());
        self.pace.begin(Instant::now(), bytes, gathered);
        Some((self.frozen.clone(), self.waiting.clone()))
    }

    /// When the hot table can take more, which gathers while a roll runs. When rolls fail, the journal's bound decides.
    pub(super) fn room(&self, now: Instant) -> Room {
        if self.roll_error.is_some() { Room::Now } else { self.pace.room(now, self.gathered()) }
    }

    /// The roll has come so far.
    pub(super) fn rolls_on(&mut self, step: Step) {
        let gathered = self.gathered();
        self.pace.step(Instant::now(), step, gathered);
    }

    /// The bytes that the next roll will have, as far as they are there.
    fn gathered(&self) -> usize {
        self.active.bytes + self.departed_bytes
    }

    /// What was rolled is in the files of `version`: the frozen table, where there was one, but for what is `left` waiting. Gives
    /// what this replaces.
    pub(super) fn thaw(&mut self, version: Version, with_frozen: bool, left: Waiting) -> impl Sized + use<> {
        self.pace.end(Instant::now());
        // What was in the way of the journal is so no longer.
        self.write_error = None;
        let frozen = with_frozen.then(|| (self.frozen.take(), mem::take(&mut self.frozen_ids)));
        (mem::replace(&mut self.version, Arc::new(version)), mem::replace(&mut self.waiting, Arc::new(left)), frozen)
    }
}
