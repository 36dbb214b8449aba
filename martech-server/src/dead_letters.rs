//! Where accepted events go that the store will not have: a file that can be imported again.

use std::{
    fmt::Display,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use martech_core::event::Event;

const FILE: &str = "dead-letters.ndjson";
/// A store that refuses everything must not fill the disk with what it refused.
const MAX_BYTES: u64 = 256 << 20;

/// An append-only NDJSON file of events, made when the first one comes, readable by its owner alone.
#[derive(Debug)]
pub(crate) struct DeadLetterFile {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    len: u64,
}

impl DeadLetterFile {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE), open: Mutex::new(None) }
    }

    /// Writes an event as a line that `martech-server import` and `POST /events` take; the reason goes to the log.
    pub(crate) fn write(&self, event: &Event, reason: &dyn Display) {
        let kept = self.append(event);
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
