//! The write-ahead log: segmented append-only files with group commit.
//!
//! ```
//! # use std::sync::Arc;
//! # use martech_core::{fs::Disk, journal::{Journal, JournalOptions}};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?; let dir = dir.path();
//! let options = JournalOptions { segment_bytes: 16 << 20, capacity_bytes: 512 << 20 };
//! let (journal, recovery) = Journal::open(Arc::new(Disk), dir, options)?;
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
//!   header and then frames. Only the newest, the active one, is written.
//! - One thread writes. It takes all that waits, up to 8 MiB, writes it one behind the other, syncs once, and answers everyone.
//!   While it waits for the disk the next group gathers, so the more callers there are the fewer syncs each costs. When
//!   there are several it waits a moment for those it has just answered; see `group.rs`.
//! - Nothing waits in line without bound: 4,096 frames or 64 MiB, then [`JournalError::Busy`]. Nothing lies on disk
//!   without bound: `capacity_bytes`, then [`JournalError::Full`]. An empty journal takes one frame of any size allowed.
//! - Frames begin with a marker that is drawn at random when the journal is made and then kept, so that a reader can find
//!   the next frame behind damage, and nobody can write a payload that passes for a frame.
//!
//! # Invariants
//! - A frame that was acknowledged was synced, and so was the directory entry of its segment.
//! - Sequences count up by one from 1 and are never given twice to acknowledged frames. The active segment is never
//!   removed, so its name carries the sequence even when everything is trimmed. A frame that fails takes no sequence.
//! - Between two groups the active file ends where its durable frames end, or has zeros behind them, which small groups
//!   write over: a sync that need not store a new length and new blocks is about half as long. A frame never begins with
//!   zeros, so they are told from a torn write.
//! - Readers see what is durable and nothing else.
//! - Segments are removed oldest first, so what remains has no hole.
//!
//! # Failures
//! | what fails | what happens |
//! |---|---|
//! | a write (EIO, ENOSPC, cut short) | the file is cut back to its durable end and synced; the group fails with [`JournalError::Write`] or [`JournalError::NoSpace`]; the journal goes on |
//! | that cutting back | poisoned |
//! | an fsync, of a file or the directory | poisoned. It is never tried again: the kernel may have thrown the pages away and would say that all is well |
//! | making a segment | as with a write when nothing of it is left, else poisoned |
//! | removing a segment | the trim fails; the next one tries again |
//! | the callback of a frame panics | logged; the journal goes on |
//! | the process is killed | opening finds whole frames that nobody was told of, and keeps them: an append that was not answered may be there |
//! | the power fails in a write | the torn tail is cut when the journal is opened, and counted; zeros behind it are not |
//! | a bit flips | only the frame that it hits is lost. Its bytes are copied to `quarantine/`, counted and reported, its sequence is reported missing, what follows is read |
//! | a bit flips in the newest frame | it cannot be told from a torn write and is cut as one; its sequence is given again. Who keeps a watermark calls [`Journal::start_at_least`] |
//! | a segment's header | the frames are found by the marker of the other segments, or of its own first frame; when the only segment has lost both, all of it is set aside, and the journal goes on behind it |
//!
//! A poisoned journal answers all who wait and all who come with [`JournalError::Poisoned`]; what was durable before can
//! still be read.

mod error;
mod frame;
mod group;
mod inspect;
mod quarantine;
mod reader;
mod recovery;
mod scan;
mod segment;
mod shared;
mod trim;
mod writer;

use std::{
    fmt, io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use crossbeam_channel::{Sender, TrySendError};

pub use self::{
    error::JournalError,
    inspect::{DamagedBytes, Inspection, inspect},
    recovery::{Damage, Recovery},
};
use self::{group::Pending, reader::Reader, shared::Shared};
use crate::{fs::FileSystem, store::Step};

/// What a frame takes of the disk besides its payload, in bytes.
pub(crate) const FRAME_OVERHEAD: usize = frame::HEADER_LEN;
/// The greatest that a frame can have.
pub(crate) const MAX_SEQUENCE: u64 = frame::MAX_SEQUENCE;

/// Sizes of a journal.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// A new segment begins before the current one grows beyond this; one frame may be longer.
    pub segment_bytes: u64,
    /// What the frames of all segments together, and those that wait, may take; beyond it [`JournalError::Full`].
    pub capacity_bytes: u64,
}

/// A write-ahead log. Cheap to clone. Dropping the last clone waits until everything submitted is answered.
///
/// ```
/// # use std::sync::{Arc, mpsc};
/// # use martech_core::{fs::Disk, journal::{Journal, JournalOptions}};
/// # let dir = tempfile::tempdir()?; let dir = dir.path();
/// # let options = JournalOptions { segment_bytes: 16 << 20, capacity_bytes: 512 << 20 };
/// let (journal, _) = Journal::open(Arc::new(Disk), dir, options)?;
/// let (done, answers) = mpsc::channel();
/// journal.submit("an event", move |result| drop(done.send(result)))?; // needs no async runtime
/// assert_eq!(answers.recv()??, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

/// What a journal holds and has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// On disk, all segments.
    pub bytes: u64,
    /// What it may take, as the options say.
    pub capacity_bytes: u64,
    /// How many segments there are.
    pub segments: usize,
    /// Sequence at which the oldest segment begins.
    pub first_sequence: u64,
    /// Sequence of the newest durable frame, trimmed or not; 0 when there was none yet.
    pub last_sequence: u64,
    /// Frames that are not durable yet.
    pub queued_frames: u64,
    /// The bytes of those.
    pub queued_bytes: u64,
    /// Groups of frames made durable.
    pub groups: u64,
    /// Calls of fsync, for groups, new segments and directories.
    pub fsyncs: u64,
    /// How long those took, all together.
    pub fsync_time: Duration,
    /// Whether it has stopped after a failure of its disk.
    pub poisoned: bool,
}

/// A frame as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counts up by one from 1, over the whole life of the journal.
    pub sequence: u64,
    /// What was appended.
    pub payload: Bytes,
}

/// A frame that is durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    pub(crate) sequence: u64,
    /// The sync that made it so, and its neighbours.
    pub(crate) synced: Step,
}

impl Journal {
    /// Opens or makes the journal in `dir`, cutting a torn tail and setting damage aside. Reads all of it once.
    ///
    /// Only one journal at a time may be open in a folder; to see to that is the caller's part.
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

    /// Sees to it that the next frame's sequence is at least `sequence`, skipping some if need be.
    ///
    /// For an owner who remembers a sequence of its own: a damaged end of the journal is cut off when it is opened, and
    /// without this the sequences of the frames that were there would be given again.
    pub fn start_at_least(&self, sequence: u64) -> Result<(), JournalError> {
        let shared = &self.handle.shared;
        let mut active = shared.active();
        shared.check()?;
        if active.next < sequence {
            shared.rotate(&mut active, sequence.min(frame::MAX_SEQUENCE))?;
        }
        Ok(())
    }

    /// Hands a payload to the writer thread and returns at once; `done` runs on that thread, in the order of
    /// sequences, when the frame is durable (with its sequence) or could not be made so. `done` should be quick: the
    /// next group waits for it.
    ///
    /// On `Err` here ([`Full`](JournalError::Full), [`Busy`](JournalError::Busy),
    /// [`TooLarge`](JournalError::TooLarge), [`Poisoned`](JournalError::Poisoned)) `done` is dropped without being
    /// called.
    pub fn submit(
        &self,
        payload: impl Into<Bytes>,
        done: impl FnOnce(Result<u64, JournalError>) + Send + 'static,
    ) -> Result<(), JournalError> {
        self.submit_timed(payload, |result| done(result.map(|committed| committed.sequence)))
    }

    /// The same, telling of the sync as well.
    pub(crate) fn submit_timed(
        &self,
        payload: impl Into<Bytes>,
        done: impl FnOnce(Result<Committed, JournalError>) + Send + 'static,
    ) -> Result<(), JournalError> {
        let (shared, payload) = (&self.handle.shared, payload.into());
        let bytes = shared.admit(payload.len())?;
        let writer = self.handle.writer.as_ref().expect("the writer is taken only by the drop of the handle");
        writer.sender.try_send(Pending { payload, bytes, done: Box::new(done) }).map_err(|refused| {
            shared.dequeued(1, bytes);
            shared.release(bytes);
            match refused {
                TrySendError::Full(_) => JournalError::Busy,
                TrySendError::Disconnected(_) => shared.poison(writer_is_gone()),
            }
        })
    }

    /// Appends a payload and waits until it is durable. When the future is dropped the frame may be there or not.
    pub async fn append(&self, payload: impl Into<Bytes>) -> Result<u64, JournalError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // Nobody may be listening any more, which is no concern of the journal.
        self.submit(payload, |result| drop(sender.send(result)))?;
        receiver.await.unwrap_or_else(|_| Err(self.handle.shared.poison(writer_is_gone())))
    }

    /// Reads the durable frames behind a sequence, one after another. Blocks on the disk.
    ///
    /// Memory is bounded by 256 KiB or one frame, whichever is more. `None` says that there is nothing more at the
    /// moment: asked again later, the iterator goes on with what has become durable since. Frames that are trimmed
    /// meanwhile are skipped or not. Damage that was not there when the journal was opened gives one
    /// [`JournalError::Damaged`], and reading goes on behind it; any other error ends the reading.
    pub fn read(&self, after: u64) -> Box<dyn Iterator<Item = Result<Frame, JournalError>> + Send> {
        Box::new(Reader::new(self.handle.shared.clone(), after))
    }

    /// Removes the segments in which no frame is newer than `through`; their bytes are free when this returns.
    /// Blocks on the disk, and for the group that is being written, if there is one.
    pub fn trim(&self, through: u64) -> Result<(), JournalError> {
        trim::trim(&self.handle.shared, through)
    }

    /// Figures.
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

/// What all clones of a journal hold together.
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
        // A callback may own the last clone. It runs on the writer thread, which then ends by itself.
        if thread.thread().id() != thread::current().id() {
            // Its panic, if there was one, has poisoned the journal and was reported then.
            let _ = thread.join();
        }
    }
}

fn writer_is_gone() -> io::Error {
    io::Error::other("the writer thread has ended")
}
