//! State shared by the handles, the writer thread and the readers of one journal.

use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::{
    error::JournalError,
    frame,
    options::JournalOptions,
    segment::{self, CreateError, Segment},
    stats::JournalStats,
};
use crate::{
    fs::{File, FileSystem},
    store::Step,
    timing::TotalTime,
};

/// Maximum number of bytes waiting for the writer thread.
const QUEUE_BYTES: u64 = 64 << 20;

/// The segment being written.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) file: Arc<dyn File>,
    pub(super) segment: Arc<Segment>,
    /// End of the durable frames. Between two groups, only zeros can follow.
    pub(super) len: u64,
    /// Lower bound of the file's length. A group that ends before this overwrites zeros.
    pub(super) file_len: u64,
    /// Sequence of the next frame.
    pub(super) next: u64,
}

impl Active {
    /// Creates the state for a file that ends where its frames do.
    pub(super) fn new(file: Arc<dyn File>, segment: Arc<Segment>, len: u64, next: u64) -> Self {
        Self { file, segment, len, file_len: len, next }
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) fs: Arc<dyn FileSystem>,
    pub(super) dir: PathBuf,
    pub(super) options: JournalOptions,
    pub(super) counters: Counters,
    /// Locked while a group is written, and while the active segment changes.
    active: Mutex<Active>,
    /// Locked while segments are removed. The writer does not take this lock.
    pub(super) trimming: Mutex<()>,
    /// Segments by first sequence; the last one is active. Never locked during file access.
    segments: Mutex<BTreeMap<u64, Arc<Segment>>>,
    poison: OnceLock<Arc<io::Error>>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Bytes of frames, on disk and waiting; bounded by the capacity.
    load: AtomicU64,
    queued_bytes: AtomicU64,
    queued_frames: AtomicU64,
    pub(super) groups: AtomicU64,
    fsyncs: AtomicU64,
    fsync_time: TotalTime,
}

impl Counters {
    /// Records calls of fsync and the time they took.
    pub(super) fn synced(&self, fsyncs: u64, step: Step) {
        self.fsyncs.fetch_add(fsyncs, Ordering::Relaxed);
        self.fsync_time.add(step.to - step.from);
    }
}

impl Shared {
    pub(super) fn new(
        fs: Arc<dyn FileSystem>,
        dir: PathBuf,
        options: JournalOptions,
        active: Active,
        segments: BTreeMap<u64, Arc<Segment>>,
    ) -> Self {
        let counters = Counters::default();
        counters.load.store(segments.values().map(|segment| segment.load()).sum(), Ordering::Release);
        Self {
            fs,
            dir,
            options,
            counters,
            active: Mutex::new(active),
            trimming: Mutex::new(()),
            segments: Mutex::new(segments),
            poison: OnceLock::new(),
        }
    }

    pub(super) fn active(&self) -> MutexGuard<'_, Active> {
        lock(&self.active)
    }

    pub(super) fn segments(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Segment>>> {
        lock(&self.segments)
    }

    /// Returns the oldest segment that begins after `first`.
    pub(super) fn segment_behind(&self, first: u64) -> Option<Arc<Segment>> {
        let segments = self.segments();
        segments.range((Bound::Excluded(first), Bound::Unbounded)).next().map(|(_, segment)| segment.clone())
    }

    /// Fails if the journal is poisoned.
    pub(super) fn check(&self) -> Result<(), JournalError> {
        match self.poison.get() {
            Some(cause) => Err(JournalError::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Stops the journal permanently. The first cause is kept.
    pub(super) fn poison(&self, cause: io::Error) -> JournalError {
        tracing::error!(error = %cause, dir = %self.dir.display(), "journal stopped after a disk failure");
        JournalError::Poisoned { cause: self.poison.get_or_init(|| Arc::new(cause)).clone() }
    }

    /// Reserves room for a frame, on disk and in the queue. Returns the length of the frame in bytes.
    pub(super) fn admit(&self, payload_len: usize) -> Result<u64, JournalError> {
        self.check()?;
        if payload_len > frame::MAX_PAYLOAD {
            return Err(JournalError::TooLarge { len: payload_len, max: frame::MAX_PAYLOAD });
        }
        let bytes = (frame::HEADER_LEN + payload_len) as u64;
        if !reserve(&self.counters.load, bytes, self.options.capacity_bytes) {
            return Err(JournalError::Full);
        }
        if !reserve(&self.counters.queued_bytes, bytes, QUEUE_BYTES) {
            self.release(bytes);
            return Err(JournalError::Busy);
        }
        self.counters.queued_frames.fetch_add(1, Ordering::AcqRel);
        Ok(bytes)
    }

    /// Records that frames have left the queue.
    pub(super) fn dequeued(&self, frames: u64, bytes: u64) {
        self.counters.queued_frames.fetch_sub(frames, Ordering::AcqRel);
        self.counters.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Frees the room of frames that are not, or no longer, on disk.
    pub(super) fn release(&self, bytes: u64) {
        self.counters.load.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Creates a new active segment whose first frame will have the sequence `first`. On an error the old segment stays
    /// active.
    pub(super) fn rotate(&self, active: &mut Active, first: u64) -> Result<(), JournalError> {
        let header = segment::Header { marker: active.segment.marker, first, previous: active.next - 1 };
        let from = Instant::now();
        let file = segment::create(&*self.fs, &self.dir, &header).map_err(|error| match error {
            CreateError::Undone(error) => JournalError::write(error),
            CreateError::Unknown(error) => self.poison(error),
        })?;
        self.counters.synced(2, Step { from, to: Instant::now() });
        let segment = Arc::new(Segment::new(segment::path(&self.dir, first), first, header.marker));
        self.segments().insert(first, segment.clone());
        // Frees unused preallocated zeros. Failure is harmless, because opening ignores the zeros.
        if active.file_len > active.len {
            let _ = active.file.truncate(active.len);
        }
        *active = Active::new(file, segment, segment::HEADER_LEN, first);
        Ok(())
    }

    pub(super) fn stats(&self) -> JournalStats {
        let segments = self.segments();
        let count = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        JournalStats {
            capacity_bytes: self.options.capacity_bytes,
            bytes: segments.values().map(|segment| segment.end()).sum(),
            segments: segments.len(),
            first_sequence: segments.first_key_value().map_or(0, |(first, _)| *first),
            last_sequence: segments.last_key_value().map_or(0, |(_, segment)| segment.last()),
            queued_frames: count(&self.counters.queued_frames),
            queued_bytes: count(&self.counters.queued_bytes),
            groups: count(&self.counters.groups),
            fsyncs: count(&self.counters.fsyncs),
            fsync_time: self.counters.fsync_time.get(),
            poisoned: self.poison.get().is_some(),
        }
    }
}

/// Adds to a counter unless the sum exceeds the limit. An empty counter accepts any amount.
fn reserve(counter: &AtomicU64, bytes: u64, limit: u64) -> bool {
    let add = |held: u64| (held == 0 || held.saturating_add(bytes) <= limit).then(|| held + bytes);
    counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok()
}

/// Locks a mutex, ignoring poisoning: a panic cannot leave the guarded state half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
