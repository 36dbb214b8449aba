//! The writer thread: takes all waiting frames, writes them together, syncs once, and answers every caller.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Instant,
};

use crossbeam_channel::Receiver;

use super::{
    Committed, JournalError, frame,
    group::{Gatherer, Pending},
    segment::HEADER_LEN,
    shared::{Active, Shared},
};
use crate::store::Step;

/// Maximum number of frames waiting for the writer thread.
pub(super) const QUEUE_FRAMES: usize = 4096;

/// Runs until every sender is gone and all submitted frames are answered.
pub(super) fn run(shared: &Arc<Shared>, frames: &Receiver<Pending>) {
    let _stop = PoisonOnPanic(shared);
    let mut gatherer = Gatherer::new(frames, shared.options.segment_bytes);
    let mut group = Vec::new();
    let mut staging = Vec::new();
    while let Some(bytes) = gatherer.next(&mut group) {
        let start = Instant::now();
        let outcome = commit(shared, &group, bytes, &mut staging);
        gatherer.committed(group.len(), start.elapsed());
        if outcome.is_err() {
            shared.release(bytes);
        }
        shared.dequeued(group.len() as u64, bytes);
        answer(&mut group, &outcome);
    }
}

/// Makes a group durable. Returns the result for its first frame.
fn commit(shared: &Shared, group: &[Pending], bytes: u64, staging: &mut Vec<u8>) -> Result<Committed, JournalError> {
    let mut active = shared.active();
    shared.check()?;
    if active.len > HEADER_LEN && active.len + bytes > shared.options.segment_bytes {
        let next = active.next;
        shared.rotate(&mut active, next)?;
    }
    let sequence = active.next;
    if let Err(error) = write(&active, group, staging) {
        return Err(take_back(shared, &mut active, error));
    }
    make_ahead(&mut active, bytes, shared.options.segment_bytes);
    let from = Instant::now();
    if let Err(error) = active.file.sync() {
        // The kernel may have marked the pages as clean without writing them, so a second sync would prove nothing.
        // Truncating keeps them from being read if the journal is opened again before the machine restarts.
        let _ = active.file.truncate(active.len);
        return Err(shared.poison(error));
    }
    active.len += bytes;
    active.next += group.len() as u64;
    active.segment.advance(active.len, active.next - 1);
    shared.counters.groups.fetch_add(1, Ordering::Relaxed);
    let synced = Step { from, to: Instant::now() };
    shared.counters.synced(1, synced);
    Ok(Committed { sequence, synced })
}

/// Payloads up to this length are copied behind their header, and written together with neighboring frames.
const COPIED: usize = 4 << 10;

fn write(active: &Active, group: &[Pending], staging: &mut Vec<u8>) -> io::Result<()> {
    staging.clear();
    let mut end = active.len;
    for (sequence, Pending { payload, .. }) in (active.next..).zip(group) {
        staging.extend_from_slice(&frame::header(active.segment.marker, sequence, payload));
        if payload.len() <= COPIED {
            staging.extend_from_slice(payload);
            continue;
        }
        for part in [&staging[..], payload] {
            active.file.write_all_at(part, end)?;
            end += part.len() as u64;
        }
        staging.clear();
    }
    active.file.write_all_at(staging, end)
}

/// Number of bytes preallocated after the frames.
const AHEAD: u64 = 256 << 10;
/// Maximum length of a group after which zeros are written: syncing a growing file then costs more than writing the
/// bytes twice.
const SMALL_GROUP: u64 = 32 << 10;
static ZEROS: [u8; AHEAD as usize] = [0; AHEAD as usize];

/// Preallocates zeros after a small group, once in a while, for the next groups to overwrite. Their syncs then store
/// only data, and no new length or blocks.
fn make_ahead(active: &mut Active, group_bytes: u64, segment_bytes: u64) {
    let end = active.len + group_bytes;
    if end <= active.file_len {
        return;
    }
    active.file_len = end;
    let room = AHEAD.min(segment_bytes.saturating_sub(end));
    // Failure is harmless: on a full disk the frames keep the remaining space, and partly written zeros are ignored.
    if group_bytes <= SMALL_GROUP && active.file.write_all_at(&ZEROS[..room as usize], end).is_ok() {
        active.file_len = end + room;
    }
}

/// Durably cuts off the remains of a failed write, so that no later power loss brings them back.
fn take_back(shared: &Shared, active: &mut Active, cause: io::Error) -> JournalError {
    tracing::warn!(error = %cause, segment = %active.segment.path.display(), "failed to write a group of frames");
    let file = &active.file;
    let cut = match file.len() {
        Ok(len) if len == active.len => Ok(()),
        _ => file.truncate(active.len).and_then(|()| file.sync()),
    };
    active.file_len = active.len;
    match cut {
        Ok(()) => JournalError::write(cause),
        Err(error) => shared.poison(error),
    }
}

/// Answers in the order of sequences. A panic in a callback does not affect the frame.
fn answer(group: &mut Vec<Pending>, outcome: &Result<Committed, JournalError>) {
    for (index, Pending { payload, done, .. }) in group.drain(..).enumerate() {
        drop(payload);
        let result = outcome.clone().map(|first| Committed { sequence: first.sequence + index as u64, ..first });
        if panic::catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
            tracing::error!("journal callback panicked");
        }
    }
}

/// Poisons the journal if the writer thread panics, so that callers do not mistake the defect for a slow disk.
struct PoisonOnPanic<'a>(&'a Shared);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.poison(io::Error::other("the writer thread panicked"));
        }
    }
}
