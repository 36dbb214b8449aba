//! The write-ahead log: segmented append-only files with group commit.
//!
//! ```
//! # use std::sync::Arc;
//! # use martech_core::{fs::Disk, journal::{Journal, JournalOptions}};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?; let dir = dir.path();
//! let (journal, recovery) = Journal::open(Arc::new(Disk), dir, JournalOptions::new(512 << 20))?;
//! assert!(recovery.is_sound());
//! let sequence = journal.append(b"an event".to_vec()).await?; // durable from here on
//! for frame in journal.read(sequence - 1) {
//!     assert_eq!(frame?.payload, &b"an event"[..]);
//! }
//! journal.trim(sequence)?;
//! # Ok(()) }
//! ```
//!
//! # Design
//! - A journal is a folder of segments, each named after its first sequence: `00000000000000000001.log`. A segment is a
//!   header followed by frames. Only the newest segment, the active one, is written.
//! - Group commit: one thread takes all waiting frames, up to 8 MiB, writes them one after the other, syncs once, and
//!   answers every caller. The next group collects while the thread waits for the disk, so more callers mean fewer
//!   syncs per frame. With several callers, the thread briefly waits for those that it has just answered; see
//!   `group.rs`.
//! - Queue and disk usage are bounded. When 4,096 frames or 64 MiB wait, further frames fail with
//!   [`JournalError::Busy`]. When `capacity_bytes` are used, they fail with [`JournalError::Full`]. An empty journal
//!   accepts one frame of any allowed size.
//! - Every frame begins with a marker, which is chosen at random when the journal is created and never changes. Readers
//!   use the marker to find the next frame after damage, and no client can write a payload that passes for a frame.
//!
//! # Invariants
//! - An acknowledged frame has been synced, and so has the directory entry of its segment.
//! - Sequences count up by one from 1 and are never assigned twice to acknowledged frames. The active segment is never
//!   removed, so its name carries the sequence even when everything is trimmed. A failed frame takes no sequence.
//! - Between two groups the active file ends where its durable frames end, or continues with zeros that small groups
//!   overwrite: a sync that does not store a new length and new blocks takes about half as long. A frame never begins
//!   with zeros, so they differ from a torn write.
//! - Readers see only durable frames.
//! - Segments are removed oldest first, so the remaining sequences have no gap.
//!
//! # Failures
//! | failure | effect |
//! |---|---|
//! | a write (EIO, ENOSPC, short write) | the file is cut back to its durable end and synced; the group fails with [`JournalError::Write`] or [`JournalError::NoSpace`]; the journal continues |
//! | cutting the file back | the journal is poisoned |
//! | an fsync of a file or the directory | the journal is poisoned. The fsync is never retried: the kernel may have dropped the pages and would report success |
//! | creating a segment | like a write if nothing of the segment is left, otherwise the journal is poisoned |
//! | removing a segment | the trim fails; the next trim retries |
//! | a panic in the callback of a frame | logged; the journal continues |
//! | the process is killed | opening finds complete frames that were not acknowledged, and keeps them: an unanswered append may be present |
//! | power loss during a write | the torn tail is cut off and counted when the journal is opened; zeros after it are not counted |
//! | a flipped bit | only the affected frame is lost. Its bytes are copied to `quarantine/`, counted and reported, its sequence is reported missing, and later frames are read |
//! | a flipped bit in the newest frame | cut off like a torn write, because the two are indistinguishable; the sequence is assigned again. Owners that keep a watermark call [`Journal::start_at_least`] |
//! | a damaged segment header | the frames are found by the marker of the other segments, or of the segment's own first frame; if the only segment has lost both, all of it is set aside, and the journal continues after it |
//!
//! A poisoned journal answers all waiting and new callers with [`JournalError::Poisoned`]. Frames that were durable
//! before can still be read.

mod error;
mod frame;
mod group;
mod inspect;
mod listing;
mod options;
mod quarantine;
mod reader;
mod recovery;
mod scan;
mod segment;
mod shared;
mod stats;
mod trim;
mod writer;

use std::{
    fmt, io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use crossbeam_channel::{Sender, TrySendError};

pub use self::{
    error::JournalError,
    inspect::{DamagedBytes, Inspection, inspect},
    options::JournalOptions,
    reader::Frame,
    recovery::{Damage, Recovery},
    stats::JournalStats,
};
use self::{
    group::{Committed, Pending},
    reader::Reader,
    shared::Shared,
};
use crate::fs::FileSystem;

/// Disk space per frame besides its payload, in bytes.
pub(crate) const FRAME_OVERHEAD: usize = frame::HEADER_LEN;
/// Maximum sequence of a frame.
pub(crate) const MAX_SEQUENCE: u64 = frame::MAX_SEQUENCE;

/// A write-ahead log. Cloning is cheap. Dropping the last clone blocks until every submitted frame is answered.
///
/// ```
/// # use std::sync::{Arc, mpsc};
/// # use martech_core::{fs::Disk, journal::{Journal, JournalOptions}};
/// # let dir = tempfile::tempdir()?; let dir = dir.path();
/// let (journal, _) = Journal::open(Arc::new(Disk), dir, JournalOptions::new(512 << 20))?;
/// let (done, answers) = mpsc::channel();
/// journal.submit("an event", move |result| drop(done.send(result)))?; // needs no async runtime
/// assert_eq!(answers.recv()??, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

impl Journal {
    /// Opens or creates the journal in `dir`. Cuts off a torn tail, sets damaged bytes aside, and reads the whole
    /// journal once.
    ///
    /// The caller must ensure that a folder is open in only one journal at a time.
    ///
    /// # Errors
    /// Returns [`JournalError::Io`] when a file or directory cannot be read or written, and
    /// [`JournalError::UnsupportedVersion`] for a segment of a newer format.
    pub fn open(
        fs: Arc<dyn FileSystem>,
        dir: &Path,
        options: JournalOptions,
    ) -> Result<(Self, Recovery), JournalError> {
        let recovered = recovery::recover(&*fs, dir)?;
        let shared = Arc::new(Shared::new(fs, dir.to_owned(), options, recovered.active, recovered.segments));
        let (sender, receiver) = crossbeam_channel::bounded(writer::QUEUE_FRAMES);
        let thread = thread::Builder::new().name("journal".to_owned()).spawn({
            let shared = shared.clone();
            move || writer::run(&shared, &receiver)
        });
        let writer = Some(Writer { sender, thread: thread.map_err(JournalError::at(dir))? });
        Ok((Self { handle: Arc::new(Handle { shared, writer }) }, recovered.recovery))
    }

    /// Ensures that the next frame's sequence is at least `sequence`, skipping sequences if necessary.
    ///
    /// Intended for owners that store a sequence elsewhere: opening cuts off a damaged end of the journal, and without
    /// this call the sequences of those frames would be assigned again.
    ///
    /// # Errors
    /// Returns an error when a new segment is needed and cannot be created, or when the journal is poisoned.
    pub fn start_at_least(&self, sequence: u64) -> Result<(), JournalError> {
        let shared = &self.handle.shared;
        let mut active = shared.active();
        shared.check()?;
        if active.next < sequence {
            shared.rotate(&mut active, sequence.min(frame::MAX_SEQUENCE))?;
        }
        Ok(())
    }

    /// Submits a payload to the writer thread and returns at once.
    ///
    /// `done` runs on that thread, in the order of sequences: with the frame's sequence once the frame is durable, or
    /// with an error. Keep `done` quick, because the next group waits for it.
    ///
    /// # Errors
    /// Returns [`Full`](JournalError::Full), [`Busy`](JournalError::Busy), [`TooLarge`](JournalError::TooLarge) or
    /// [`Poisoned`](JournalError::Poisoned). `done` is then dropped without being called.
    pub fn submit(
        &self,
        payload: impl Into<Bytes>,
        done: impl FnOnce(Result<u64, JournalError>) + Send + 'static,
    ) -> Result<(), JournalError> {
        self.submit_timed(payload, |result| done(result.map(|committed| committed.sequence)))
    }

    /// Like [`submit`](Self::submit), and also reports the sync.
    pub(crate) fn submit_timed(
        &self,
        payload: impl Into<Bytes>,
        done: impl FnOnce(Result<Committed, JournalError>) + Send + 'static,
    ) -> Result<(), JournalError> {
        let (shared, payload) = (&self.handle.shared, payload.into());
        let bytes = shared.admit(payload.len())?;
        let writer = self.handle.writer.as_ref().expect("only dropping the handle takes the writer");
        writer.sender.try_send(Pending { payload, bytes, done: Box::new(done) }).map_err(|refused| {
            shared.dequeued(1, bytes);
            shared.release(bytes);
            match refused {
                TrySendError::Full(_) => JournalError::Busy,
                TrySendError::Disconnected(_) => shared.poison(writer_is_gone()),
            }
        })
    }

    /// Appends a payload, waits until it is durable, and returns its sequence. If the future is dropped, the frame may
    /// or may not be written.
    ///
    /// # Errors
    /// Returns the errors of [`submit`](Self::submit), and [`Write`](JournalError::Write) or
    /// [`NoSpace`](JournalError::NoSpace) when the frame could not be written.
    pub async fn append(&self, payload: impl Into<Bytes>) -> Result<u64, JournalError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // The receiver is gone if the future was dropped.
        self.submit(payload, |result| drop(sender.send(result)))?;
        receiver.await.unwrap_or_else(|_| Err(self.handle.shared.poison(writer_is_gone())))
    }

    /// Returns an iterator over the durable frames after the sequence `after`. Reading blocks on the disk.
    ///
    /// Memory is bounded by 256 KiB or one frame, whichever is larger. `None` means that there are no more frames at
    /// the moment; later calls continue with frames that became durable since. Frames that are trimmed in the meantime
    /// may or may not be skipped.
    ///
    /// Damage that was not there when the journal was opened yields one [`JournalError::Damaged`], and reading
    /// continues after it. Any other error ends the iterator.
    pub fn read(&self, after: u64) -> Box<dyn Iterator<Item = Result<Frame, JournalError>> + Send> {
        Box::new(Reader::new(self.handle.shared.clone(), after))
    }

    /// Removes the segments in which no frame is newer than `through`; their bytes are free when this returns. Blocks
    /// on the disk, and on the group that is being written, if there is one.
    ///
    /// # Errors
    /// Returns an error when a segment cannot be removed, when the replacement of the active segment cannot be created,
    /// or when the journal is poisoned.
    pub fn trim(&self, through: u64) -> Result<(), JournalError> {
        trim::trim(&self.handle.shared, through)
    }

    /// Returns statistics of the journal.
    pub fn stats(&self) -> JournalStats {
        self.handle.shared.stats()
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.handle.shared;
        formatter.debug_struct("Journal").field("dir", &shared.dir).field("stats", &shared.stats()).finish()
    }
}

/// State owned by all clones of a journal.
struct Handle {
    shared: Arc<Shared>,
    writer: Option<Writer>,
}

struct Writer {
    sender: Sender<Pending>,
    thread: JoinHandle<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(Writer { sender, thread }) = self.writer.take() else { return };
        drop(sender);
        // A callback on the writer thread may own the last clone. That thread must not join itself, and ends on its
        // own.
        if thread.thread().id() != thread::current().id() {
            // A panic of the thread was reported and has poisoned the journal.
            let _ = thread.join();
        }
    }
}

fn writer_is_gone() -> io::Error {
    io::Error::other("the writer thread has ended")
}
