//! The hot table: events that are durable in the journal and not yet in a file.

use std::sync::Arc;

use bytes::Bytes;

use super::row::{BadRow, Row, RowHead, key_of, print_of, user_hash};
use crate::event::{Event, EventKey, Fingerprint};

/// A batch of encoded rows. The journal and the hot table use the same bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chunk {
    bytes: Bytes,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    start: u32,
    user: u64,
}

impl Chunk {
    /// Decodes the rows of a journal frame.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, BadRow> {
        let mut slots = Vec::new();
        let mut rest: &[u8] = &bytes;
        while !rest.is_empty() {
            let start = (bytes.len() - rest.len()) as u32;
            let (row, behind) = Row::decode(rest)?;
            row.check()?;
            slots.push(Slot { start, user: user_hash(row.user_id) });
            rest = behind;
        }
        Ok(Self { bytes, slots })
    }

    /// Returns the rows for which `wanted` returns `true`.
    pub(crate) fn filtered(&self, wanted: impl Fn(&RowHead<'_>) -> bool) -> Self {
        let (mut bytes, mut slots) = (Vec::new(), Vec::new());
        for (index, _) in self.heads().enumerate().filter(|(_, row)| wanted(row)) {
            slots.push(Slot { start: bytes.len() as u32, user: self.slots[index].user });
            bytes.extend_from_slice(self.raw(index));
        }
        Self { bytes: bytes.into(), slots }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns the memory in use, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.slots.len() * size_of::<Slot>()
    }

    pub(crate) fn row(&self, index: usize) -> Row<'_> {
        let start = self.slots[index].start as usize;
        let (row, _) = Row::decode(&self.bytes[start..]).expect("rows of a chunk were decoded or encoded before");
        row
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }

    /// Returns the key and the fingerprint of each event.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (EventKey, Fingerprint)> {
        self.rows().map(|row| (key_of(&row), print_of(&row)))
    }

    pub(crate) fn heads(&self) -> impl Iterator<Item = RowHead<'_>> {
        let head = |slot: &Slot| RowHead::decode(&self.bytes[slot.start as usize..]);
        self.slots.iter().map(move |slot| head(slot).expect("rows of a chunk were decoded or encoded before"))
    }

    /// Returns the bytes of a row.
    fn raw(&self, index: usize) -> &[u8] {
        let end = self.slots.get(index + 1).map_or(self.bytes.len(), |next| next.start as usize);
        &self.bytes[self.slots[index].start as usize..end]
    }

    /// Returns the rows of one user, in order of arrival.
    fn rows_of(&self, user: u64) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).filter(move |&index| self.slots[index].user == user).map(|index| self.row(index))
    }
}

/// Events on their way into the store: encoded, with the data that admission needs of each.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    pub(crate) keys: Vec<EncodedKey>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct EncodedKey {
    pub(crate) key: EventKey,
    pub(crate) print: Fingerprint,
    /// The sender did not state the time, so the same event may be stored under an adjacent day.
    pub(crate) estimated: bool,
}

impl EncodedKey {
    /// Returns the keys under which the event may already be stored.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = EventKey> {
        self.key.candidates(self.estimated)
    }

    /// Compares this event with a stored one that has `key`, which is one of the [candidates](Self::candidates).
    pub(crate) fn compare_stored(&self, key: EventKey, stored: Fingerprint) -> Option<Known> {
        if self.print.is_resend(stored, self.estimated) {
            return Some(Known::Duplicate);
        }
        // On an adjacent day, another event may have the same id.
        (key == self.key).then_some(Known::Conflict)
    }
}

/// What is known about an event whose key is already stored. The greater variant takes precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Known {
    /// Another event has its id.
    Conflict,
    /// The event is stored.
    Duplicate,
}

/// The bytes of an encoded row besides its text: the id, two times, lengths, and an amount.
const FIXED_BYTES: usize = 48;

impl Encoded {
    /// Encodes the rows of a batch, one after another.
    pub(crate) fn new(batch: &[Event]) -> Self {
        let text = |event: &Event| event.size() - size_of::<Event>();
        let mut encoded = Self {
            bytes: Vec::with_capacity(batch.iter().map(|event| text(event) + FIXED_BYTES).sum()),
            slots: Vec::with_capacity(batch.len()),
            keys: Vec::with_capacity(batch.len()),
        };
        for event in batch {
            let row = Row::of(event);
            let user = user_hash(row.user_id);
            encoded.slots.push(Slot { start: encoded.bytes.len() as u32, user });
            let print = Fingerprint::new(user, row.event_type, event.occurred_at);
            encoded.keys.push(EncodedKey { key: key_of(&row), print, estimated: event.estimated_time });
            encoded.bytes = row.encode(encoded.bytes);
        }
        encoded
    }

    /// Returns the chunk of all rows except those at `dropped` (ascending).
    pub(crate) fn into_chunk_without(self, dropped: &[usize]) -> Chunk {
        if dropped.is_empty() {
            return Chunk { bytes: self.bytes.into(), slots: self.slots };
        }
        let mut dropped = dropped.iter().copied().peekable();
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut slots = Vec::with_capacity(self.slots.len());
        for (index, slot) in self.slots.iter().enumerate() {
            if dropped.next_if_eq(&index).is_some() {
                continue;
            }
            let end = self.slots.get(index + 1).map_or(self.bytes.len(), |next| next.start as usize);
            slots.push(Slot { start: bytes.len() as u32, user: slot.user });
            bytes.extend_from_slice(&self.bytes[slot.start as usize..end]);
        }
        Chunk { bytes: bytes.into(), slots }
    }
}

/// Chunks in the order of the journal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hot {
    pub(crate) chunks: Vec<Arc<Chunk>>,
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    /// The newest journal frame in it.
    pub(crate) sequence: u64,
}

impl Hot {
    pub(crate) fn push(&mut self, chunk: Arc<Chunk>, sequence: u64) {
        self.rows += chunk.len();
        self.bytes += chunk.size();
        self.sequence = sequence;
        self.chunks.push(chunk);
    }

    /// Returns the rows of one user, in order of arrival.
    pub(crate) fn rows_of<'a>(&'a self, user_id: &'a str) -> impl Iterator<Item = Row<'a>> {
        let user = user_hash(user_id);
        self.chunks.iter().flat_map(move |chunk| chunk.rows_of(user)).filter(move |row| row.user_id == user_id)
    }
}
