//! Which frames go to disk together.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::{Committed, JournalError};

/// A group ends before it grows beyond this, or beyond a segment; one frame may be longer.
const GROUP_BYTES: u64 = 8 << 20;
/// The longest wait for one more frame.
const MAX_LULL: Duration = Duration::from_micros(500);

/// A frame that waits to become durable.
pub(super) struct Pending {
    pub(super) payload: bytes::Bytes,
    /// Length of the whole frame.
    pub(super) bytes: u64,
    pub(super) done: Done,
}

/// Answers the one who submitted a frame.
pub(super) type Done = Box<dyn FnOnce(Result<Committed, JournalError>) + Send>;

/// Takes frames from the queue, group by group.
///
/// Callers who wait for their answer come back right after it, one by one. A writer that went off with the first of
/// them would make the rest wait for another sync, and every second group would be of one frame. So a group stays open
/// until as many are there as were waiting when the last one became durable, or until frames cease to come for a
/// sixteenth of the time that took, or for a quarter of it at most. A lone caller never waits.
pub(super) struct Gatherer<'a> {
    queue: &'a Receiver<Pending>,
    limit: u64,
    held: Option<Pending>,
    /// How many frames may be about to come.
    expected: usize,
    /// How long the last group took to become durable.
    pace: Duration,
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(queue: &'a Receiver<Pending>, segment_bytes: u64) -> Self {
        Self { queue, limit: GROUP_BYTES.min(segment_bytes), held: None, expected: 0, pace: Duration::ZERO }
    }

    /// Waits for the next group and puts it into `group`; gives its length in bytes. `None` when there will be none.
    pub(super) fn next(&mut self, group: &mut Vec<Pending>) -> Option<u64> {
        let first = self.held.take().or_else(|| self.queue.recv().ok())?;
        let mut bytes = first.bytes;
        group.push(first);
        let end = Instant::now() + self.pace / 4;
        while let Some(pending) = self.one_more(group.len() < self.expected, end) {
            if bytes + pending.bytes > self.limit {
                self.held = Some(pending);
                break;
            }
            bytes += pending.bytes;
            group.push(pending);
        }
        Some(bytes)
    }

    fn one_more(&self, wait: bool, end: Instant) -> Option<Pending> {
        let here = self.queue.try_recv().ok();
        let lull = || Instant::now() + (self.pace / 16).min(MAX_LULL);
        here.or_else(|| wait.then(|| self.queue.recv_deadline(end.min(lull())).ok()).flatten())
    }

    /// A group of so many frames took so long, and is about to be answered.
    pub(super) fn committed(&mut self, frames: usize, pace: Duration) {
        self.expected = frames + self.queue.len() + usize::from(self.held.is_some());
        self.pace = pace;
    }
}
