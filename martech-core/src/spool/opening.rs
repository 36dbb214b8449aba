//! Opening a spool: lock, journal, watermark, and the backlog of an earlier run.

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

/// Maximum length of a segment, the unit in which disk space is freed.
/// Opens or creates the spool in `options.dir`. Blocks on the disk, and reads the journal.
pub(super) fn open(options: &SpoolOptions) -> Result<(Shared, WatermarkFile), SpoolError> {
    let SpoolOptions { dir, fs, capacity_bytes, .. } = options;
    fs.create_dir_all(dir).map_err(at(dir))?;
    let lock = lock(&**fs, dir)?;
    let (journal, recovery) = Journal::open(fs.clone(), &journal_dir(dir), JournalOptions::new(*capacity_bytes))?;
    for damage in &recovery.damaged {
        tracing::error!(?damage, "set aside a damaged part of the spool; its events are missing");
    }
    for missing in &recovery.missing {
        tracing::error!(?missing, "spool frames are missing");
    }
    let watermark = WatermarkFile::new(fs.clone(), dir);
    let forwarded = watermark.load().map_err(at(dir))?;
    // Frames up to the watermark were durable. If they are lost, no new frame may take their sequences, because it
    // would count as forwarded.
    journal.start_at_least(forwarded + 1)?;
    let durable = journal.stats().last_sequence.max(forwarded);
    let damage = recovery.damaged.len().max(recovery.missing.len()) as u64;
    let progress = Progress::new(durable, forwarded, measure(&journal, forwarded, dir)?, damage);
    Ok((Shared::new(journal, progress, lock), watermark))
}

/// Locks the spool for this process.
pub(super) fn lock(fs: &dyn FileSystem, dir: &Path) -> Result<Lock, SpoolError> {
    fs.lock(&dir.join("LOCK")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => SpoolError::Locked(dir.to_owned()),
        _ => at(dir)(error),
    })
}

pub(super) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

/// Measures the backlog of an earlier run.
fn measure(journal: &Journal, after: u64, dir: &Path) -> Result<Load, SpoolError> {
    let mut left = Load::default();
    for frame in journal.read(after) {
        let mut frame = match frame {
            // The forwarder reports the damage when it reads this part again.
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
