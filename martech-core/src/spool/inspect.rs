//! Looking at a spool without opening it: nothing on the disk is changed.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;

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

/// What lies in the folder of a spool.
#[derive(Debug, Clone, Default)]
pub struct SpoolInspection {
    /// The store has everything up to this frame.
    pub forwarded: u64,
    /// Events behind that.
    pub behind_events: u64,
    /// Frames behind that which hold no events of this type, by sequence, and why.
    pub unreadable: Vec<(u64, String)>,
    /// Of the journal itself.
    pub journal: Inspection,
}

impl SpoolInspection {
    /// Whether everything in it can be forwarded.
    pub fn is_sound(&self) -> bool {
        self.unreadable.is_empty() && self.journal.damaged.is_empty() && self.lost().next().is_none()
    }

    /// The frames that the store does not have and that are no longer there.
    pub fn lost(&self) -> impl Iterator<Item = std::ops::RangeInclusive<u64>> {
        let behind = |missing: &std::ops::RangeInclusive<u64>| *missing.end() > self.forwarded;
        self.journal.missing.iter().filter(move |missing| behind(missing)).cloned()
    }
}

/// Reads all of the spool in `dir`; `None` where there is none.
///
/// # Errors
/// When a process has it open, or a file cannot be read.
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
                Err(reason) => found.unreadable.push((sequence, reason)),
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
