//! Group commit: selects the frames that are written and synced together.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::error::JournalError;
use crate::store::Step;

/// Maximum length of a group in bytes, also limited by the segment length. A single frame may be longer.
const GROUP_BYTES: u64 = 8 << 20;
/// The longest wait for one more frame.
const MAX_LULL: Duration = Duration::from_micros(500);

/// A durable frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    pub(crate) sequence: u64,
    /// The sync that made the frame and the rest of its group durable.
    pub(crate) synced: Step,
}

/// A frame waiting to become durable.
pub(super) struct Pending {
    pub(super) payload: bytes::Bytes,
    /// Length of the whole frame in bytes.
    pub(super) bytes: u64,
    pub(super) done: Done,
}

/// Callback with the result for a submitted frame.
pub(super) type Done = Box<dyn FnOnce(Result<Committed, JournalError>) + Send>;

/// Takes frames from the queue in groups.
///
/// Callers that wait for an answer submit again right after it, one by one. If the writer took only the first of them,
/// the rest would wait for another sync, and every second group would be a single frame. A group therefore stays open
/// until it has as many frames as were waiting when the last group became durable. The group closes earlier if no frame
/// arrives for a sixteenth of the last commit time or 500 µs, whichever is less, and after a quarter of the last commit
/// time at the latest. A lone caller never waits.
pub(super) struct Gatherer<'a> {
    queue: &'a Receiver<Pending>,
    limit: u64,
    held: Option<Pending>,
    /// Number of frames that may arrive soon.
    expected: usize,
    /// Time that the last group took to become durable.
    pace: Duration,
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(queue: &'a Receiver<Pending>, segment_bytes: u64) -> Self {
        Self { queue, limit: GROUP_BYTES.min(segment_bytes), held: None, expected: 0, pace: Duration::ZERO }
    }

    /// Waits for the next group and appends it to `group`. Returns its length in bytes; `None` when the queue is
    /// closed.
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

    /// Records the size of the last group and its commit time. Must be called before the group is answered.
    pub(super) fn committed(&mut self, frames: usize, pace: Duration) {
        self.expected = frames + self.queue.len() + usize::from(self.held.is_some());
        self.pace = pace;
    }
}
