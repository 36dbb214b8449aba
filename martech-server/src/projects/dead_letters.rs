//! Dead letters: accepted events that the store rejects go to a file, which can be imported again.
//!
//! The senders of these events have already received their response. If a sender still waits, it gets the rejection
//! instead and nothing is written here. The log of rejections lists dead letters too.

use std::{
    fmt::Display,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use martech_core::{
    event::{Event, Timestamp},
    sink::{DeadLetter, DeadLetterReason},
};

use super::rejects::{RejectedRequest, Rejection, Rejects};
use crate::{
    observability::{PERIOD, Sampler},
    util::every,
};

const FILE: &str = "dead-letters.ndjson";
/// The maximum size of the file. A store that rejects everything must not fill the disk.
const MAX_BYTES: u64 = 256 << 20;
const NOT_STORED: &str = "the store did not take the accepted event in time; the dead-letter file contains it";

/// An append-only NDJSON file of events with mode 0600. The first event creates it.
#[derive(Debug)]
pub(crate) struct DeadLetterFile {
    path: PathBuf,
    open: Mutex<Option<Open>>,
    kept: AtomicU64,
    lost: AtomicU64,
    lines: Sampler<Outcome>,
    rejects: Arc<Rejects>,
}

/// The outcome of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    Kept,
    Lost,
}

/// Counts of dead letters since the start of the process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DeadLetterCounts {
    pub(crate) kept: u64,
    /// Events that could not be written.
    pub(crate) lost: u64,
    /// The size of the file; 0 until this process has written to it.
    pub(crate) bytes: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    len: u64,
}

impl std::iter::Sum for DeadLetterCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, counts| Self {
            kept: sum.kept + counts.kept,
            lost: sum.lost + counts.lost,
            bytes: sum.bytes + counts.bytes,
        })
    }
}

impl DeadLetterFile {
    /// Returns a handle for the file in a folder. Must be called in a Tokio runtime, where it starts a task that logs
    /// suppressed lines.
    pub(crate) fn new(data_dir: &Path) -> Arc<Self> {
        let file = Arc::new(Self {
            path: data_dir.join(FILE),
            open: Mutex::new(None),
            kept: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            lines: Sampler::default(),
            rejects: Arc::default(),
        });
        tokio::spawn(every(PERIOD, Arc::downgrade(&file), async |file: Arc<Self>| file.tell_suppressed()));
        file
    }

    /// Returns the log of the rejections of the project.
    pub(super) fn rejects(&self) -> &Arc<Rejects> {
        &self.rejects
    }

    /// Writes a dead letter, and adds it to the log of rejections.
    pub(super) fn keep(&self, letter: &DeadLetter<Event>) {
        let (code, message) = match &letter.reason {
            DeadLetterReason::Rejected { code, reason } => (code.clone().into(), reason.to_string().into()),
            _ => ("not_stored".into(), NOT_STORED.into()),
        };
        let event_type = Some(letter.event.event_type.clone());
        let rejection = Rejection { code, message, field: None, index: None, event_type, count: 1 };
        self.rejects.add(&RejectedRequest::default(), [rejection], Timestamp::now());
        self.write(&letter.event, &letter.reason);
    }

    /// Appends an event as a line that `martech-server import` and `POST /events` accept. Logs the reason, within a
    /// limit of lines.
    pub(crate) fn write(&self, event: &Event, reason: &dyn Display) {
        let kept = self.append(event);
        let (outcome, counter) = if kept.is_ok() { (Outcome::Kept, &self.kept) } else { (Outcome::Lost, &self.lost) };
        counter.fetch_add(1, Ordering::Relaxed);
        if !self.lines.admit(outcome, |outcome| outcome) {
            return;
        }
        let path = self.path.display();
        match kept {
            Ok(()) => {
                tracing::error!(event_id = %event.id, %reason, %path, "an event was not stored; the file contains it")
            }
            Err(error) => {
                tracing::error!(event_id = %event.id, %reason, %path, %error, "an event was not stored and is lost");
            }
        }
    }

    fn tell_suppressed(&self) {
        let path = self.path.display();
        for (outcome, events) in self.lines.suppressed() {
            match outcome {
                Outcome::Kept => {
                    tracing::error!(events, %path, "further events were not stored; the file contains them")
                }
                Outcome::Lost => tracing::error!(events, %path, "further events were not stored and are lost"),
            }
        }
    }

    /// Returns the counts and the size of the file.
    pub(crate) fn counts(&self) -> DeadLetterCounts {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeadLetterCounts {
            kept: count(&self.kept),
            lost: count(&self.lost),
            bytes: open.as_ref().map_or(0, |open| open.len),
        }
    }

    /// Flushes written events to disk.
    pub(crate) fn sync(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Open { file, .. }) = &*open
            && let Err(error) = file.sync_data()
        {
            tracing::error!(path = %self.path.display(), %error, "cannot sync the dead-letter file");
        }
    }

    fn append(&self, event: &Event) -> io::Result<()> {
        let mut line = Vec::new();
        event.write_ndjson(&mut line)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            let len = file.metadata()?.len();
            *open = Some(Open { file, len });
        }
        let Some(open) = open.as_mut() else { return Ok(()) };
        if open.len + line.len() as u64 > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the dead-letter file is full; move it away"));
        }
        open.file.write_all(&line)?;
        open.len += line.len() as u64;
        Ok(())
    }
}
