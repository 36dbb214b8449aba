//! Read-only inspection of a spool: nothing on disk is changed.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use super::{
    Record, SpoolError,
    frame::{self, Head},
    opening::{journal_dir, lock},
    watermark::WatermarkFile,
};
use crate::{
    fs::{FileSystem, ReadOnly},
    journal::{self, Inspection},
};

/// Content of a spool's folder.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SpoolInspection {
    /// The watermark: the store has everything up to this frame.
    pub forwarded: u64,
    /// Number of events after the watermark.
    pub behind_events: u64,
    /// Frames after the watermark that hold no events of this type.
    pub unreadable: Vec<UnreadableFrame>,
    /// Inspection of the journal.
    pub journal: Inspection,
}

/// A frame of a spool that holds no events of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnreadableFrame {
    /// The sequence of the frame in the journal.
    pub sequence: u64,
    /// The problem with the frame.
    pub reason: String,
}

impl SpoolInspection {
    /// Returns whether everything in the spool can be forwarded.
    pub fn is_sound(&self) -> bool {
        self.unreadable.is_empty() && self.journal.damaged.is_empty() && self.lost().next().is_none()
    }

    /// Returns the sequences of missing frames, as ranges that end after the watermark.
    pub fn lost(&self) -> impl Iterator<Item = std::ops::RangeInclusive<u64>> {
        let behind = |missing: &std::ops::RangeInclusive<u64>| *missing.end() > self.forwarded;
        self.journal.missing.iter().filter(move |missing| behind(missing)).cloned()
    }
}

/// Reads the whole spool in `dir`. Returns `None` if the folder does not exist.
///
/// # Errors
/// Returns [`SpoolError::Locked`] when a process has the spool open, and other errors when a file cannot be read.
pub fn inspect<E: Record>(fs: &Arc<dyn FileSystem>, dir: &Path) -> Result<Option<SpoolInspection>, SpoolError> {
    let fs: Arc<dyn FileSystem> = Arc::new(ReadOnly(fs.clone()));
    match fs.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        listed => listed.map_err(|source| SpoolError::Io { path: dir.to_owned(), source })?,
    };
    let _lock = lock(&*fs, dir)?;
    let watermark = WatermarkFile::new(fs.clone(), dir);
    let forwarded = watermark.load().map_err(|source| SpoolError::Io { path: dir.to_owned(), source })?;
    let mut found = SpoolInspection { forwarded, ..SpoolInspection::default() };
    let journal = journal::inspect(&*fs, &journal_dir(dir), |sequence, payload| {
        if sequence > forwarded {
            match events_of::<E>(payload) {
                Ok(events) => found.behind_events += events,
                Err(reason) => found.unreadable.push(UnreadableFrame { sequence, reason }),
            }
        }
    })?;
    Ok(Some(SpoolInspection { journal, ..found }))
}

fn events_of<E: Record>(payload: &[u8]) -> Result<u64, String> {
    let mut payload = Bytes::copy_from_slice(payload);
    let head = Head::take(&mut payload).map_err(|error| error.to_string())?;
    frame::decode::<E>(head, payload).map_err(|error| error.to_string())?;
    Ok(head.events)
}
