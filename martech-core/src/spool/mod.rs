//! A spool: events are durable on this machine at once, and are forwarded to a store that may be slow, full or
//! unreachable.
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
//! spool.append(&["a page view".to_owned()]).await?; // durable from here on, forwarded soon
//! spool.forwarded().await;                          // waits until the store has it
//! assert_eq!(far_away.events(), ["a page view"]);
//!
//! let status = spool.close(Duration::from_secs(5)).await; // the next run forwards the rest
//! assert_eq!(status.behind_events, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Design
//! - A [`Spooled`] store is a [journal](crate::journal) with two tasks behind it. [`append`](Store::append) writes a
//!   batch as frames and answers when they are durable: all events count as `stored`, because only the store behind the
//!   spool knows duplicates. [`Spooled::stored`] answers when the store has the events, with that store's answer.
//! - One task reads the journal frame by frame, and pushes the events into an inner [`EventSink`], which appends them
//!   to the store in large batches, several at once, and retries without a deadline. There is no other path to the
//!   store, so a backlog of an hour and the events of this second are forwarded in the same way.
//! - Another task awaits the outcomes of the frames in order, and advances the *watermark*: the store has everything up
//!   to it. Batches may finish out of order; the watermark does not pass an open one.
//! - The watermark is saved to a file once a second, and the journal is trimmed up to it.
//!
//! # Invariants
//! - An acknowledged event is in the journal until the store has decided about it.
//! - An event that the store rejects permanently goes to the dead-letter handler before the watermark passes it.
//! - Memory holds at most [`in_flight_bytes`](SpoolOptions::in_flight_bytes) of the backlog, regardless of its size.
//! - Only one process at a time has a spool open.
//!
//! # Failures
//! | failure | effect |
//! |---|---|
//! | the store is slow or unreachable | the journal grows up to [`capacity_bytes`](SpoolOptions::capacity_bytes); then appends fail with [`Advice::RetryAfter`](crate::store::Advice). Nothing is dropped |
//! | the disk is full, or a write fails | the same, for as long as it lasts |
//! | an fsync | the journal accepts nothing more; its content is still forwarded |
//! | the process is killed | the next run forwards everything after the last saved watermark. Frames forwarded since then, in about a second, are sent again: a store that identifies events by an id reports them as duplicates |
//! | the store answers [`Advice::Fatal`](crate::store::Advice), or panics | forwarding halts in this process; the rest stays in the journal, and [`SpoolStatus`] has the reason |
//! | damaged frames | they are set aside, counted and reported as described in the [journal](crate::journal); later frames are forwarded |
//! | frames with events of another type | forwarding halts; the frames stay in the journal |

mod availability;
mod error;
mod forward;
mod frame;
mod inspect;

mod observed;
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
    inspect::{SpoolInspection, UnreadableFrame, inspect},
    record::{Record, RecordError},
    status::SpoolStatus,
};
use self::{
    forward::{Bounds, Tasks},
    observed::Observed,
    shared::{Load, Shared},
};
#[doc(inline)]
pub use crate::journal::{DamagedBytes, Inspection, JournalError, JournalStats};
use crate::{
    event::Timestamp,
    fs::{Disk, FileSystem},
    journal::JournalOptions,
    setters::setters,
    sink::{DeadLetter, DeadLetterReason, EventSink, RetryPolicy, SinkConfig, SinkStats},
    store::{Appended, Steps, Store, StoreError},
};

/// Location and limits of a spool.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SpoolOptions {
    /// Folder of the spool; created if missing.
    pub dir: PathBuf,
    /// File system of the folder.
    pub fs: Arc<dyn FileSystem>,
    /// Maximum size of the journal on disk, in bytes; default 1 GiB.
    pub capacity_bytes: u64,
    /// Maximum bytes of the backlog in memory, as the journal counts them; default 16 MiB. A single frame, which holds
    /// a batch or about 1 MiB of it, may be larger.
    pub in_flight_bytes: usize,
    /// Settings of the inner sink. The spool overrides two of them: retries have no deadline, and `capacity_bytes` is
    /// unlimited.
    pub sink: SinkConfig,
}

impl SpoolOptions {
    /// Returns the default options for a folder.
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

setters! {
    SpoolOptions {
        fs: Arc<dyn FileSystem>,
        capacity_bytes: u64,
        in_flight_bytes: usize,
        sink: SinkConfig,
    }
}

/// A spool in front of a store, and itself a store. Cloning is cheap, and all clones share one spool. Requires a tokio
/// runtime.
///
/// Dropping the last clone ends the spool without waiting; prefer [`close`](Self::close).
pub struct Spooled<S, E> {
    handle: Arc<Handle<S, E>>,
}

struct Handle<S, E> {
    shared: Arc<Shared>,
    store: Arc<S>,
    /// Kept for its statistics.
    sink: EventSink<E>,
    capacity_bytes: u64,
    tasks: Mutex<Option<Tasks>>,
}

impl<S: Store<E>, E: Record> Spooled<S, E> {
    /// Opens or creates a spool, and starts to forward events left by an earlier run.
    ///
    /// `rejected` receives the events that the store rejects permanently. The handler should keep them durably, because
    /// the spool forgets them when it returns.
    ///
    /// # Errors
    /// Returns an error when another process has the spool open, when the folder cannot be used or does not hold a
    /// spool, or when the settings of the sink are invalid.
    pub async fn open(
        options: SpoolOptions,
        store: S,
        rejected: impl Fn(DeadLetter<E>) + Send + Sync + 'static,
    ) -> Result<Self, SpoolError> {
        let SpoolOptions { capacity_bytes, in_flight_bytes, sink: mut config, .. } = options.clone();
        config.retry = RetryPolicy { deadline: Duration::MAX, ..config.retry };
        // Memory is bounded earlier, by the permits for frames in flight.
        config.capacity_bytes = usize::MAX;
        let chunk = config.max_batch.min(config.capacity);

        let opened = spawn_blocking(move || opening::open(&options)).await;
        let (shared, watermark) = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let (shared, store) = (Arc::new(shared), Arc::new(store));
        let sink = EventSink::builder()
            .config(config)
            .dead_letters(move |letter| {
                // All other events are still in the journal.
                if matches!(letter.reason, DeadLetterReason::Rejected { .. }) {
                    rejected(letter);
                }
            })
            .build(Observed { store: store.clone(), shared: shared.clone() })?;
        let bounds =
            Bounds { in_flight: in_flight_bytes, chunk, trim: JournalOptions::new(capacity_bytes).segment_bytes };
        let tasks = Mutex::new(Some(Tasks::start(&shared, sink.clone(), watermark, bounds)));
        Ok(Self { handle: Arc::new(Handle { shared, store, sink, capacity_bytes, tasks }) })
    }

    /// Returns a store that writes to this spool, and answers when the store behind it has the events, with that
    /// store's answer.
    ///
    /// When that takes longer than `limit`, the answer is an error that asks for a retry. The events are durable
    /// nevertheless, and will be forwarded.
    pub fn stored(&self, limit: Duration) -> Stored<S, E> {
        Stored { spool: self.clone(), limit }
    }

    /// Returns the store behind the spool.
    pub fn store(&self) -> &S {
        &self.handle.store
    }

    /// Returns the status of the spool.
    pub fn status(&self) -> SpoolStatus {
        let Handle { shared, sink, capacity_bytes, .. } = &*self.handle;
        let (journal, sink, connection) = (shared.journal.stats(), sink.stats(), shared.availability.connection());
        let progress = shared.progress();
        let age = |since: Timestamp| Duration::from_millis((Timestamp::now().millis() - since.millis()).max(0) as u64);
        SpoolStatus {
            connected: connection.connected,
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
            error: progress.halted.clone().or(connection.error),
            halted: progress.halted.is_some(),
            poisoned: journal.poisoned,
        }
    }

    /// Returns statistics of the journal.
    pub fn journal(&self) -> JournalStats {
        self.handle.shared.journal.stats()
    }

    /// Returns statistics of the inner sink.
    pub fn sink(&self) -> SinkStats {
        self.handle.sink.stats()
    }

    /// Waits until the store has, at some moment after the call, everything that is durable here. Also returns when
    /// forwarding has halted or the spool is closed.
    pub async fn forwarded(&self) {
        self.handle.shared.until(|progress| progress.is_done() || progress.halted.is_some() || progress.closed).await;
    }

    /// Closes the spool: accepts nothing more, forwards its content while `limit` lasts and the store answers, ends,
    /// and releases the folder. The next run forwards the rest; the returned status shows how much that is.
    pub async fn close(&self, limit: Duration) -> SpoolStatus {
        let shared = &self.handle.shared;
        shared.progress().closed = true;
        let done =
            shared.until(|progress| progress.is_done() || progress.halted.is_some() || shared.availability.is_down());
        // The status shows whether this finished in time.
        let _ = timeout(limit, done).await;
        let tasks = self.handle.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tasks) = tasks {
            tasks.end().await;
            shared.unlock();
        }
        self.status()
    }

    /// Makes a batch durable. If `wait` is set, the answer waits for the store.
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
                    // The receiver is gone if the append was dropped.
                    let _ = waiter.send(Ok((Appended::all(load.events as usize), steps)));
                }
                Err(error) => {
                    let _ = waiter.send(Err(error.into()));
                }
            })?;
            answers.push((positions, answer));
        }
        for (positions, answer) in answers {
            let answer = answer.await.map_err(|_| StoreError::retry("the spool was closed; the events stay in it"))?;
            let (part, steps) = answer?;
            steps.report();
            appended.stored += part.stored;
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

/// Answers when the batch is durable in the journal.
impl<S: Store<E>, E: Record> Store<E> for Spooled<S, E> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        self.spool(batch, false).await
    }
}

/// A spool that answers when the store behind it has the events; see [`Spooled::stored`].
pub struct Stored<S, E> {
    spool: Spooled<S, E>,
    limit: Duration,
}

impl<S: Store<E>, E: Record> Store<E> for Stored<S, E> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        timeout(self.limit, self.spool.spool(batch, true)).await.unwrap_or_else(|_| {
            Err(StoreError::retry_after(
                Duration::from_secs(5),
                "the events are durable in the spool but not yet in the store",
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
        Self { spool: self.spool.clone(), limit: self.limit }
    }
}

impl<S, E> fmt::Debug for Spooled<S, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Spooled").field("journal", &self.handle.shared.journal).finish_non_exhaustive()
    }
}

impl<S, E> fmt::Debug for Stored<S, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stored").field("spool", &self.spool).field("limit", &self.limit).finish()
    }
}
