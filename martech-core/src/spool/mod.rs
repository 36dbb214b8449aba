//! A spool: events are durable on this machine at once, and go on to a store that may be slow, full or away.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use martech_core::{MemoryStore, Store, spool::{SpoolOptions, Spooled}};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?; let dir = dir.path();
//! let far_away: MemoryStore<String> = MemoryStore::new();
//! let spool = Spooled::open(SpoolOptions::new(dir), far_away.clone(), |letter| eprintln!("{}", letter.reason)).await?;
//!
//! spool.append(&["a page view".to_owned()]).await?; // durable from here on, and on its way
//! spool.forwarded().await;                          // or wait until the store has it
//! assert_eq!(far_away.events(), ["a page view"]);
//!
//! let status = spool.close(Duration::from_secs(5)).await; // what is left is forwarded by the next run
//! assert_eq!(status.behind_events, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Design
//! - A [`Spooled`] store is a [journal](crate::journal), and two tasks behind it. [`append`](Store::append) writes a batch
//!   as a frame and answers when that is durable: all of it is `stored`, since what is a duplicate only the store behind
//!   knows. [`Spooled::stored`] answers when the store has the events, and says what it said.
//! - One task reads the journal, frame after frame, and hands the events to an inner [`EventSink`], which brings them to
//!   the store in large batches, several at once, and retries for as long as it takes. There is no other way to the store,
//!   so a backlog of an hour is forwarded just as the events of this second are.
//! - Another task waits for what becomes of the frames, in their order, and moves the *watermark*: the store has everything
//!   up to there. Batches may finish out of order; the watermark does not pass one that is open.
//! - The watermark goes to a file once a second, and the journal is trimmed behind it.
//!
//! # Invariants
//! - An event that was acknowledged is in the journal until the store has said what became of it.
//! - An event that the store refuses for good goes to the dead-letter handler before the watermark passes it.
//! - Memory holds at most [`in_flight_bytes`](SpoolOptions::in_flight_bytes) of the backlog, however long that is.
//! - One process at a time has a spool open.
//!
//! # Failures
//! | what fails | what happens |
//! |---|---|
//! | the store is slow or away | the journal grows up to [`capacity_bytes`](SpoolOptions::capacity_bytes); then appends are answered with [`Advice::RetryAfter`](crate::store::Advice). Nothing is dropped |
//! | the disk is full, or refuses a write | the same, for as long as it lasts |
//! | an fsync | the journal takes nothing any more; what is in it is still forwarded |
//! | the process is killed | the next run forwards what is behind the last watermark that was saved. What was forwarded since, in a second or so, is sent again: a store that knows its events by an id makes duplicates of it |
//! | the store says [`Advice::Fatal`](crate::store::Advice), or panics | nothing is forwarded any more in this process; the rest stays in the journal, and [`SpoolStatus`] says why |
//! | frames are damaged | they are set aside, counted and reported as the [journal](crate::journal) does it; what follows is forwarded |
//! | frames hold other events than these | nothing is forwarded any more; they stay |

mod error;
mod forward;
mod frame;
mod inspect;
mod link;
mod opening;
mod record;
mod shared;
mod status;
mod watermark;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, task::spawn_blocking, time::timeout};

pub use self::{
    error::SpoolError,
    inspect::{SpoolInspection, inspect},
    record::{Record, RecordError},
    status::SpoolStatus,
};
use self::{
    forward::{Bounds, Tasks},
    link::Linked,
    shared::{Load, Shared},
};
use crate::{
    event::Timestamp,
    fs::{Disk, FileSystem},
    journal::JournalStats,
    sink::{DeadLetter, DeadLetterReason, EventSink, RetryPolicy, SinkConfig, SinkStats},
    store::{Appended, Steps, Store, StoreError},
};

/// Where a spool lies and how large its parts may grow.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// Its folder; made when missing.
    pub dir: PathBuf,
    /// The file system that it lies on.
    pub fs: Arc<dyn FileSystem>,
    /// What the journal may take of the disk; 1 GiB.
    pub capacity_bytes: u64,
    /// How much of the backlog is in memory at once, as the journal counts it; 16 MiB. One frame, which is a batch or a
    /// MiB of it, may be more.
    pub in_flight_bytes: usize,
    /// How events are brought to the store. There is no deadline: it is retried for as long as it takes.
    pub sink: SinkConfig,
}

impl SpoolOptions {
    /// The defaults, in a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            fs: Arc::new(Disk),
            capacity_bytes: 1 << 30,
            in_flight_bytes: 16 << 20,
            sink: SinkConfig::default(),
        }
    }
}

/// A spool in front of a store, itself a store. Cheap to clone; all clones are one spool. Needs a tokio runtime.
///
/// When the last clone is dropped it ends without waiting; [`close`](Self::close) is the better way.
pub struct Spooled<S, E> {
    handle: Arc<Handle<S, E>>,
}

struct Handle<S, E> {
    shared: Arc<Shared>,
    store: Arc<S>,
    /// For its figures.
    sink: EventSink<E>,
    capacity_bytes: u64,
    tasks: Mutex<Option<Tasks>>,
}

impl<S: Store<E>, E: Record> Spooled<S, E> {
    /// Opens or makes a spool, and begins to forward what an earlier run left.
    ///
    /// `rejected` gets the events that the store refuses for good. It should keep them durably: the spool forgets them
    /// when it returns.
    ///
    /// # Errors
    /// When another process has it open, when its folder cannot be used, or what lies there is no spool.
    pub async fn open(
        options: SpoolOptions,
        store: S,
        rejected: impl Fn(DeadLetter<E>) + Send + Sync + 'static,
    ) -> Result<Self, SpoolError> {
        let SpoolOptions { capacity_bytes, in_flight_bytes, sink: mut config, .. } = options.clone();
        config.retry = RetryPolicy { deadline: Duration::MAX, ..config.retry };
        // Room is counted before events are made of frames.
        config.capacity_bytes = usize::MAX;
        let chunk = config.max_batch.min(config.capacity);

        let opened = spawn_blocking(move || opening::open(&options)).await;
        let (shared, watermark) = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let (shared, store) = (Arc::new(shared), Arc::new(store));
        let sink = EventSink::builder()
            .config(config)
            .dead_letters(move |letter| {
                // All others are still in the journal.
                if matches!(letter.reason, DeadLetterReason::Rejected { .. }) {
                    rejected(letter);
                }
            })
            .build(Linked { store: store.clone(), shared: shared.clone() })?;
        let bounds = Bounds { in_flight: in_flight_bytes, chunk, trim: opening::segment_bytes(capacity_bytes) };
        let tasks = Mutex::new(Some(Tasks::start(&shared, sink.clone(), watermark, bounds)));
        Ok(Self { handle: Arc::new(Handle { shared, store, sink, capacity_bytes, tasks }) })
    }

    /// The same spool as a store that answers when the store behind it has the events, and says what that one said.
    ///
    /// When that takes longer than `patience`, the answer is an error that asks for a retry; the events are durable all
    /// the same, and on their way.
    pub fn stored(&self, patience: Duration) -> Stored<S, E> {
        Stored { spool: self.clone(), patience }
    }

    /// The store behind.
    pub fn store(&self) -> &S {
        &self.handle.store
    }

    /// How it is.
    pub fn status(&self) -> SpoolStatus {
        let Handle { shared, sink, capacity_bytes, .. } = &*self.handle;
        let (journal, sink, link) = (shared.journal.stats(), sink.stats(), shared.link.state());
        let progress = shared.progress();
        let age = |since: Timestamp| Duration::from_millis((Timestamp::now().millis() - since.millis()).max(0) as u64);
        SpoolStatus {
            connected: link.connected,
            behind_events: progress.behind.events,
            behind_bytes: progress.behind.bytes,
            behind: progress.oldest().map_or(Duration::ZERO, age),
            bytes: journal.bytes,
            capacity_bytes: *capacity_bytes,
            stored: sink.stored,
            duplicates: sink.duplicates,
            rejected: sink.rejected,
            retries: sink.retries,
            damage: progress.damage,
            error: progress.halted.clone().or(link.error),
            halted: progress.halted.is_some(),
            poisoned: journal.poisoned,
        }
    }

    /// Figures of its journal.
    pub fn journal(&self) -> JournalStats {
        self.handle.shared.journal.stats()
    }

    /// Figures of the way from the journal to the store.
    pub fn sink(&self) -> SinkStats {
        self.handle.sink.stats()
    }

    /// Returns when the store has all that is durable here at some moment after the call, or when nothing is forwarded
    /// any more.
    pub async fn forwarded(&self) {
        self.handle.shared.until(|progress| progress.is_done() || progress.halted.is_some() || progress.closed).await;
    }

    /// Takes nothing any more, forwards what it has for as long as `patience` lasts and the store answers, ends, and
    /// releases the folder. What is left is forwarded by the next run; the status says how much that is.
    pub async fn close(&self, patience: Duration) -> SpoolStatus {
        let shared = &self.handle.shared;
        shared.progress().closed = true;
        let done = shared.until(|progress| progress.is_done() || progress.halted.is_some() || shared.link.is_down());
        // Whether it was in time, the status says.
        let _ = timeout(patience, done).await;
        let tasks = self.handle.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tasks) = tasks {
            tasks.end().await;
            shared.unlock();
        }
        self.status()
    }

    /// Makes a batch durable; `wait` says whether the answer waits for the store.
    async fn spool(&self, batch: &[E], wait: bool) -> Result<Appended, StoreError> {
        if self.handle.shared.progress().closed {
            return Err(StoreError::fatal("the spool is closed"));
        }
        let (frames, rejected) = frame::encode(batch, Timestamp::now());
        let mut appended = Appended { rejected, ..Appended::default() };
        let mut answers = Vec::with_capacity(frames.len());
        for frame::Frame { payload, positions } in frames {
            let (waiter, answer) = oneshot::channel();
            let load = Load::of_frame(positions.len() as u64, payload.len());
            let shared = self.handle.shared.clone();
            self.handle.shared.journal.submit_timed(payload, move |result| match result {
                Ok(committed) if wait => shared.durable(committed.sequence, load, Some((waiter, committed.synced))),
                Ok(committed) => {
                    shared.durable(committed.sequence, load, None);
                    let steps = Steps { synced: Some(committed.synced), forwarded: None };
                    // Nobody waits any more when the append was dropped.
                    let _ = waiter.send(Ok(Appended { steps, ..Appended::all(load.events as usize) }));
                }
                Err(error) => {
                    let _ = waiter.send(Err(error.into()));
                }
            })?;
            answers.push((positions, answer));
        }
        for (positions, answer) in answers {
            let part = answer.await.map_err(|_| StoreError::retry("the spool ends; the events stay in it"))??;
            appended.stored += part.stored;
            appended.steps = appended.steps.and(part.steps);
            appended.duplicates.extend(part.duplicates.into_iter().map(|index| positions[index]));
            for mut rejection in part.rejected {
                rejection.index = positions[rejection.index];
                appended.rejected.push(rejection);
            }
        }
        appended.rejected.sort_by_key(|rejection| rejection.index);
        Ok(appended)
    }
}

/// Answers when the batch is durable here.
impl<S: Store<E>, E: Record> Store<E> for Spooled<S, E> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        self.spool(batch, false).await
    }
}

/// A spool that answers when the store behind it has the events; see [`Spooled::stored`].
pub struct Stored<S, E> {
    spool: Spooled<S, E>,
    patience: Duration,
}

impl<S: Store<E>, E: Record> Store<E> for Stored<S, E> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        timeout(self.patience, self.spool.spool(batch, true)).await.unwrap_or_else(|_| {
            Err(StoreError::retry_after(
                Duration::from_secs(5),
                "the events are durable and on their way, and the store does not have them yet",
            ))
        })
    }
}

impl<S, E> Clone for Spooled<S, E> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone() }
    }
}

impl<S, E> Clone for Stored<S, E> {
    fn clone(&self) -> Self {
        Self { spool: self.spool.clone(), patience: self.patience }
    }
}

impl<S, E> fmt::Debug for Spooled<S, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Spooled").field("journal", &self.handle.shared.journal).finish_non_exhaustive()
    }
}

impl<S, E> fmt::Debug for Stored<S, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stored").field("spool", &self.spool).field("patience", &self.patience).finish()
    }
}
