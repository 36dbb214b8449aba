//! Forwards frames from the journal to the store. One task, the forwarder, reads frames and pushes their events into
//! the inner sink. Another task, the settler, awaits the outcomes in journal order and advances the watermark.

use std::{future::pending, pin::pin, sync::Arc, thread, time::Duration};

use tokio::{
    select,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep, sleep_until},
};

use super::{
    frame::{self, Head},
    record::Record,
    shared::{Load, Shared},
    watermark::WatermarkFile,
};
use crate::{
    journal::{self, Journal, JournalError},
    sink::{BatchReceipt, EventSink, Outcome},
    store::{Appended, Rejection, Step, Steps, in_full},
};

/// Bytes of frames read from the journal at once.
const READ_BYTES: usize = 256 << 10;
/// Interval between saves of the watermark. After a crash, the frames forwarded since the last save are sent to the
/// store again.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// Delay before new frames are read, so that frames arriving close together are read together: reading each one alone
/// costs a good part of what writing it cost. The store receives them a little later.
const LINGER: Duration = Duration::from_millis(5);
/// Pause after a failed read of the journal.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// Number of bytes per permit for frames in flight.
const ROOM_UNIT: usize = 1 << 10;

/// Limits of the forwarding tasks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Maximum bytes of frames in memory.
    pub(super) in_flight: usize,
    /// Maximum number of events pushed into the inner sink at once.
    pub(super) chunk: usize,
    /// Bytes of forwarded frames after which the journal is trimmed.
    pub(super) trim: u64,
}

/// The two tasks, and the signal that stops them.
#[derive(Debug)]
pub(super) struct Tasks {
    stop: watch::Sender<bool>,
    forwarder: JoinHandle<()>,
    settler: JoinHandle<()>,
}

impl Tasks {
    pub(super) fn start<E: Record>(
        shared: &Arc<Shared>,
        sink: EventSink<E>,
        watermark: WatermarkFile,
        bounds: Bounds,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        // Limited by the permits for frames in flight.
        let (flights, landing) = mpsc::unbounded_channel();
        let units = (bounds.in_flight / ROOM_UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let forwarder = Forwarder {
            shared: shared.clone(),
            sink,
            stopped,
            flights,
            room: Arc::new(Semaphore::new(units)),
            units,
            chunk: bounds.chunk,
        };
        let settler = Settler {
            shared: shared.clone(),
            file: watermark,
            saved: shared.progress().forwarded,
            trim: bounds.trim,
            untrimmed: 0,
        };
        Self { stop, forwarder: tokio::spawn(forwarder.run()), settler: tokio::spawn(settler.run(landing)) }
    }

    /// Cancels appends in flight, saves the watermark, and returns when the store is no longer in use.
    pub(super) async fn end(self) {
        self.stop.send_replace(true);
        for task in [self.forwarder, self.settler] {
            if let Err(panic) = task.await {
                tracing::error!(%panic, "spool task failed");
            }
        }
    }
}

/// Guard of a task. If the task panics, forwarding halts and all waiters are notified.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.halt("a spool task panicked; see the log".to_owned());
        }
    }
}

/// A frame in flight to the store.
struct Flight {
    sequence: u64,
    load: Load,
    /// Empty for missing frames.
    receipts: Vec<BatchReceipt>,
    _room: Option<OwnedSemaphorePermit>,
}

struct Forwarder<E> {
    shared: Arc<Shared>,
    sink: EventSink<E>,
    /// Set to `true` to stop; closed when all handles of the spool are gone.
    stopped: watch::Receiver<bool>,
    flights: mpsc::UnboundedSender<Flight>,
    room: Arc<Semaphore>,
    units: usize,
    chunk: usize,
}

impl<E: Record> Forwarder<E> {
    async fn run(mut self) {
        let _alarm = Alarm(self.shared.clone());
        let mut stopped = self.stopped.clone();
        select! {
            reason = self.forward() => self.shared.halt(reason),
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
        // Unstored events stay in the journal.
        let _ = self.sink.close(Duration::ZERO).await;
    }

    /// Forwards frames until this is no longer possible. Returns the reason.
    async fn forward(&mut self) -> String {
        let mut read = self.shared.progress().forwarded;
        let mut backlog = Backlog::new(&self.shared.journal, read);
        loop {
            // Created before the check, so that no signal in between is lost.
            let arrived = self.shared.arrived.notified();
            let durable = self.shared.progress().durable;
            if read >= durable {
                arrived.await;
                sleep(LINGER).await;
                continue;
            }
            let some = spawn_blocking(move || {
                let some = backlog.take(durable);
                (backlog, some)
            });
            let Ok((rest, some)) = some.await else { return "reading the journal failed; see the log".to_owned() };
            backlog = rest;
            if some.damage > 0 {
                self.shared.progress().damage += some.damage;
            }
            for frame in some.frames {
                let sequence = frame.sequence;
                if let Err(reason) = self.send(frame).await {
                    return reason;
                }
                read = sequence;
            }
            match some.end {
                End::More => {}
                End::Through => {
                    if read < durable {
                        tracing::error!(from = read + 1, through = durable, "spool frames are missing");
                        self.depart(Flight {
                            sequence: durable,
                            load: Load::default(),
                            receipts: Vec::new(),
                            _room: None,
                        });
                        read = durable;
                    }
                }
                End::Failed(error) => {
                    tracing::error!(error = in_full(&error), "cannot read the spool; retrying");
                    sleep(READ_PAUSE).await;
                    backlog = Backlog::new(&self.shared.journal, read);
                }
            }
        }
    }

    /// Pushes the events of a frame into the inner sink once there is room.
    async fn send(&self, frame: journal::Frame) -> Result<(), String> {
        let journal::Frame { sequence, mut payload } = frame;
        let bytes = payload.len();
        let units = (bytes / ROOM_UNIT + 1).min(self.units);
        let room = self.room.clone().acquire_many_owned(units as u32).await.map_err(|error| error.to_string())?;
        let unreadable = |error| format!("cannot read frame {sequence} of the spool: {error}");
        let head = Head::take(&mut payload).map_err(unreadable)?;
        let mut events = frame::decode::<E>(head, payload).map_err(unreadable)?.into_iter();
        if head.events > 0 {
            self.shared.departed(head.spooled_at);
        }
        let mut receipts = Vec::with_capacity(events.len().div_ceil(self.chunk));
        while events.len() > 0 {
            let chunk = events.by_ref().take(self.chunk).collect();
            receipts.push(self.sink.push_batch(chunk).await.map_err(|error| in_full(error.refusal()))?);
        }
        let load = Load::of_frame(head.events, bytes);
        self.depart(Flight { sequence, load, receipts, _room: Some(room) });
        Ok(())
    }

    fn depart(&self, flight: Flight) {
        // The send fails if the settler has stopped. The frame then stays in the journal.
        let _ = self.flights.send(flight);
    }
}

/// Reads the frames of the journal, a few at a time.
struct Backlog {
    frames: Box<dyn Iterator<Item = Result<journal::Frame, JournalError>> + Send>,
    /// A frame read past the requested sequence.
    next: Option<journal::Frame>,
}

/// The result of one read.
struct Taken {
    frames: Vec<journal::Frame>,
    /// Number of damaged parts that were skipped.
    damage: u64,
    end: End,
}

/// Reason why a read ended.
enum End {
    /// The limit of one read was reached.
    More,
    /// No frames are left up to the requested sequence.
    Through,
    Failed(JournalError),
}

impl Backlog {
    fn new(journal: &Journal, after: u64) -> Self {
        Self { frames: journal.read(after), next: None }
    }

    /// Reads frames up to the sequence `through`. Blocks on the disk.
    fn take(&mut self, through: u64) -> Taken {
        let mut some = Taken { frames: Vec::new(), damage: 0, end: End::More };
        let mut bytes = 0;
        while bytes < READ_BYTES {
            let frame = match self.next.take().map(Ok).or_else(|| self.frames.next()) {
                Some(Ok(frame)) if frame.sequence <= through => frame,
                Some(Ok(beyond)) => {
                    self.next = Some(beyond);
                    some.end = End::Through;
                    break;
                }
                Some(Err(error @ JournalError::Damaged { .. })) => {
                    tracing::error!(error = in_full(&error), "part of the spool is damaged; its events are missing");
                    some.damage += 1;
                    continue;
                }
                Some(Err(error)) => {
                    some.end = End::Failed(error);
                    break;
                }
                None => {
                    some.end = End::Through;
                    break;
                }
            };
            bytes += frame.payload.len();
            some.frames.push(frame);
        }
        some
    }
}

struct Settler {
    shared: Arc<Shared>,
    file: WatermarkFile,
    /// The watermark in the file.
    saved: u64,
    /// Bytes of forwarded frames after which the journal is trimmed.
    trim: u64,
    untrimmed: u64,
}

impl Settler {
    async fn run(mut self, mut flights: mpsc::UnboundedReceiver<Flight>) {
        let _alarm = Alarm(self.shared.clone());
        let mut save_at: Option<Instant> = None;
        loop {
            let next = async {
                let flight = flights.recv().await?;
                Some((flight.sequence, flight.load, settled(flight.receipts).await))
            };
            let mut next = pin!(next);
            let landed = loop {
                select! {
                    landed = &mut next => break landed,
                    () = due(save_at) => {
                        self.save().await;
                        save_at = None;
                    }
                }
            };
            match landed {
                Some((sequence, load, Ok((appended, forwarding)))) => {
                    self.shared.forwarded(sequence, load, appended, forwarding);
                    self.untrimmed += load.bytes;
                    if self.untrimmed >= self.trim {
                        // Saves and trims at once, because callers that find the journal full wait for this.
                        self.save().await;
                        save_at = None;
                    } else {
                        save_at.get_or_insert_with(|| Instant::now() + SAVE_INTERVAL);
                    }
                }
                Some((_, _, Err(reason))) => {
                    // The inner sink is closed or poisoned. The forwarder notices this as well.
                    tracing::debug!(reason, "the rest of the spool stays in place");
                    break;
                }
                None => break,
            }
        }
        self.shared.dismiss();
        self.save().await;
    }

    /// Saves the watermark, and trims the journal if enough frames were forwarded.
    async fn save(&mut self) {
        let forwarded = self.shared.progress().forwarded;
        if forwarded == self.saved {
            return;
        }
        let trims = self.untrimmed >= self.trim;
        let (file, journal) = (self.file.clone(), self.shared.journal.clone());
        let done = spawn_blocking(move || {
            file.save(forwarded).map_err(|error| format!("cannot save the watermark of the spool: {error}"))?;
            if trims { journal.trim(forwarded).map_err(|error| in_full(&error)) } else { Ok(()) }
        });
        match done.await {
            Ok(Ok(())) => {
                self.saved = forwarded;
                if trims {
                    self.untrimmed = 0;
                }
            }
            Ok(Err(error)) => tracing::warn!(error, "forwarded events stay in the spool for now"),
            Err(panic) => tracing::error!(%panic, "saving the watermark failed"),
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// Combines the outcomes of a frame's events into a store's answer. Returns `Err` if the inner sink gave up some of
/// them. Also returns when the store appended them.
async fn settled(receipts: Vec<BatchReceipt>) -> Result<(Appended, Option<Step>), String> {
    let (mut appended, mut forwarding) = (Appended::default(), Steps::default());
    let mut before = 0;
    for receipt in receipts {
        let outcome = receipt.await;
        appended.stored += outcome.stored();
        let forwarded = outcome.timing().map(|timing| Step { from: timing.taken, to: timing.settled });
        forwarding = forwarding.and(Steps { forwarded, synced: None });
        let len = outcome.len();
        for (index, outcome) in outcome.into_exceptions() {
            match outcome {
                Ok(Outcome::Stored) => appended.stored += 1,
                Ok(Outcome::Duplicate) => appended.duplicates.push(before + index),
                Ok(Outcome::Rejected { code, reason }) => {
                    appended.rejected.push(Rejection { index: before + index, code, reason: reason.to_string() });
                }
                Err(error) => return Err(in_full(&error)),
            }
        }
        before += len;
    }
    Ok((appended, forwarding.forwarded))
}
