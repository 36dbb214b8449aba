//! Where accepted events go that the store will not have: a file that can be imported again.
//!
//! Nobody is waiting for the fate of these events. Where somebody is, they are told, and nothing comes here.

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

use martech_core::event::Event;

use crate::{
    periodic::every,
    telemetry::{PERIOD, Sampler},
};

const FILE: &str = "dead-letters.ndjson";
/// A store that refuses everything must not fill the disk with what it refused.
const MAX_BYTES: u64 = 256 << 20;

/// An append-only NDJSON file of events, made when the first one comes, readable by its owner alone.
#[derive(Debug)]
pub(crate) struct DeadLetterFile {
    path: PathBuf,
    open: Mutex<Option<Open>>,
    kept: AtomicU64,
    lost: AtomicU64,
    lines: Sampler<Ended>,
}

/// How it ended with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ended {
    Kept,
    Lost,
}

/// What became of the events of this run that came here.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DeadLetterCounts {
    pub(crate) kept: u64,
    /// Those that could not be written.
    pub(crate) lost: u64,
    /// The size of the file, once something was written.
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
    /// Must be called inside a tokio runtime.
    pub(crate) fn new(data_dir: &Path) -> Arc<Self> {
        let file = Arc::new(Self {
            path: data_dir.join(FILE),
            open: Mutex::new(None),
            kept: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            lines: Sampler::default(),
        });
        tokio::spawn(every(PERIOD, Arc::downgrade(&file), async |file: Arc<Self>| file.tell_suppressed()));
        file
    }

    /// Writes an event as a line that `martech-server import` and `POST /events` take. The reason goes to the log, unless there are
    /// too many.
    pub(crate) fn write(&self, event: &Event, reason: &dyn Display) {
        let kept = self.append(event);
        let (ended, counter) = if kept.is_ok() { (Ended::Kept, &self.kept) } else { (Ended::Lost, &self.lost) };
        counter.fetch_add(1, Ordering::Relaxed);
        if !self.lines.admit(ended, |ended| ended) {
            return;
        }
        let path = self.path.display();
        match kept {
            Ok(()) => {
                tracing::error!(event_id = %event.id, %reason, %path, "an event was not stored; it is in the file")
            }
            Err(error) => {
                tracing::error!(event_id = %event.id, %reason, %path, %error, "an event was not stored and is lost");
            }
        }
    }

    fn tell_suppressed(&self) {
        let path = self.path.display();
        for (ended, events) in self.lines.suppressed() {
            match ended {
                Ended::Kept => tracing::error!(events, %path, "further events were not stored; they are in the file"),
                Ended::Lost => tracing::error!(events, %path, "further events were not stored and are lost"),
            }
        }
    }

    /// What came here.
    pub(crate) fn counts(&self) -> DeadLetterCounts {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeadLetterCounts {
            kept: count(&self.kept),
            lost: count(&self.lost),
            bytes: open.as_ref().map_or(0, |open| open.len),
        }
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Open { file, .. }) = &*open
            && let Err(error) = file.sync_data()
        {
            tracing::error!(path = %self.path.display(), %error, "the file may lose what was written to it");
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
