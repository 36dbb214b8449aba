//! Opening a spool: lock, journal, watermark, and what an earlier run left.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    SpoolError, SpoolOptions,
    frame::Head,
    shared::{Load, Progress, Shared},
    watermark::WatermarkFile,
};
use crate::{
    fs::{FileSystem, Lock},
    journal::{Journal, JournalError, JournalOptions},
};

/// At most this much of the disk is given back at once.
const SEGMENT_BYTES: u64 = 16 << 20;

/// The journal of a spool makes segments of this length.
pub(super) fn segment_bytes(capacity: u64) -> u64 {
    SEGMENT_BYTES.min(capacity / 4).max(1)
}

/// Opens or makes the spool in `options.dir`. Blocks on the disk, and reads all that was not forwarded.
pub(super) fn open(options: &SpoolOptions) -> Result<(Shared, WatermarkFile), SpoolError> {
    let SpoolOptions { dir, fs, capacity_bytes, .. } = options;
    fs.create_dir_all(dir).map_err(at(dir))?;
    let lock = lock(&**fs, dir)?;
    let journal_options =
        JournalOptions { segment_bytes: segment_bytes(*capacity_bytes), capacity_bytes: *capacity_bytes };
    let (journal, recovery) = Journal::open(fs.clone(), &journal_dir(dir), journal_options)?;
    for damage in &recovery.damaged {
        tracing::error!(?damage, "a part of the spool is damaged; it was set aside, its events are missing");
    }
    for missing in &recovery.missing {
        tracing::error!(?missing, "these frames of the spool are missing");
    }
    let watermark = WatermarkFile::new(fs.clone(), dir);
    let forwarded = watermark.load().map_err(at(dir))?;
    // The frames up to the watermark were durable. Where they are gone, no new one may take their sequence: it would
    // pass for forwarded.
    journal.start_at_least(forwarded + 1)?;
    let durable = journal.stats().last_sequence.max(forwarded);
    let damage = recovery.damaged.len().max(recovery.missing.len()) as u64;
    let progress = Progress::new(durable, forwarded, measure(&journal, forwarded, dir)?, damage);
    Ok((Shared::new(journal, progress, lock), watermark))
}

/// The spool is this process's own, or nobody else's.
pub(super) fn lock(fs: &dyn FileSystem, dir: &Path) -> Result<Lock, SpoolError> {
    fs.lock(&dir.join("LOCK")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => SpoolError::Locked(dir.to_owned()),
        _ => at(dir)(error),
    })
}

pub(super) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

/// What an earlier run left.
fn measure(journal: &Journal, after: u64, dir: &Path) -> Result<Load, SpoolError> {
    let mut left = Load::default();
    for frame in journal.read(after) {
        let mut frame = match frame {
            // Reading reports it again, when it is forwarded.
            Err(JournalError::Damaged { .. }) => continue,
            frame => frame?,
        };
        let payload = frame.payload.len();
        let head = Head::take(&mut frame.payload).map_err(|error| SpoolError::Foreign {
            path: dir.to_owned(),
            sequence: frame.sequence,
            reason: error.to_string(),
        })?;
        let load = Load::of_frame(head.events, payload);
        left = Load { events: left.events + load.events, bytes: left.bytes + load.bytes };
    }
    Ok(left)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SpoolError + use<'_> {
    move |source| SpoolError::Io { path: path.to_owned(), source }
}
