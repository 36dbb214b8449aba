//! The content of a lake's journal.

use std::path::PathBuf;

use bytes::Bytes;

use crate::{
    event::EventKey,
    journal::{self, Inspection, JournalError},
    lake::{
        error::{Context, Result},
        files::{catalog::Persisted, layout::Layout},
        rows::{hot::Chunk, row::key_of, window::Days},
    },
};

/// The result of reading the journal.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) inspection: Inspection,
    /// The events in the journal, ascending by day.
    pub(crate) events: Vec<JournalEvent>,
    /// Sequences of frames that do not hold events.
    pub(crate) strange: Vec<u64>,
    /// The file that could not be read, and why. Nothing after it was read.
    pub(crate) unreadable: Option<(PathBuf, String)>,
}

/// The part of a journal event that is kept in memory: a fraction of its bytes in the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalEvent {
    pub(crate) key: EventKey,
    /// Whether the event is in no file yet, according to the catalog.
    pub(crate) hot: bool,
}

impl Found {
    /// Reads the whole journal. `persisted` states which rows are in files, according to the catalog.
    pub(crate) fn read(layout: &Layout, persisted: &Persisted) -> Result<Self> {
        let mut found = Self::default();
        let mut newest = 0;
        let inspected = journal::inspect(&*layout.fs, &layout.journal(), |frame, payload| {
            newest = frame;
            match Chunk::decode(Bytes::copy_from_slice(payload)) {
                Ok(chunk) => {
                    let event = |key: EventKey| JournalEvent { key, hot: !persisted.holds(frame, key.day) };
                    found.events.extend(chunk.rows().map(|row| event(key_of(&row))));
                }
                Err(_) => found.strange.push(frame),
            }
        });
        match inspected {
            Ok(inspection) => found.inspection = inspection,
            Err(JournalError::Io { path, cause }) => {
                found.unreadable = Some((path, cause.to_string()));
                let entries = layout.fs.list(&layout.journal()).context("cannot list", layout.journal())?;
                found.inspection.segments =
                    entries.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.path).collect();
                found.inspection.newest = newest;
            }
            Err(other) => return Err(other.into()),
        }
        found.events.sort_by_key(|event| event.key.day);
        Ok(found)
    }

    /// Returns the events of these days.
    pub(crate) fn of_days(&self, days: Days) -> &[JournalEvent] {
        let from = self.events.partition_point(|event| event.key.day < days.first());
        let to = self.events.partition_point(|event| event.key.day <= days.last());
        &self.events[from..to]
    }
}
