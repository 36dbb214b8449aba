//! Records that cannot be events, kept for the person who has to see to them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Seek, Write},
    path::{Path, PathBuf},
};

use martech_core::event::EventError;
use serde::Serialize;

/// How much of a record's text is kept.
const MAX_RAW: usize = 64 * 1024;

/// Why a record is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Reason {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    message: String,
}

impl Reason {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), field: None, message: message.into() }
    }

    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<EventError> for Reason {
    fn from(error: EventError) -> Self {
        Self { code: error.code.as_str().to_owned(), field: error.field, message: error.message }
    }
}

/// A line of the rejects file.
#[derive(Serialize)]
struct Reject<'a> {
    line: u64,
    record: u64,
    #[serde(flatten)]
    reason: &'a Reason,
    /// The record as it was found; what is not UTF-8 shows as U+FFFD.
    raw: &'a str,
}

/// Where the rejects of a file go.
#[derive(Debug, Clone)]
pub(crate) enum RejectsPath {
    /// Where an option says. It is written when there are rejects, and left alone otherwise.
    Given(PathBuf),
    /// Beside the file. What stands there is of an earlier import.
    Beside(PathBuf),
}

impl RejectsPath {
    pub(crate) fn path(&self) -> &Path {
        let (Self::Given(path) | Self::Beside(path)) = self;
        path
    }
}

/// The rejects file of one import; it is made when there is something to write.
pub(crate) struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Rejects {
    /// Begins anew: what an earlier import left beside the file is removed.
    pub(crate) fn begin(path: RejectsPath) -> io::Result<Self> {
        if let RejectsPath::Beside(path) = &path
            && fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
        {
            fs::remove_file(path)?;
        }
        Ok(Self { path: path.path().to_owned(), file: None })
    }

    /// Goes on behind the first `length` bytes of an interrupted import; `None` when they are not there.
    pub(crate) fn resume(path: RejectsPath, length: u64) -> io::Result<Option<Self>> {
        let mut file = match OpenOptions::new().write(true).open(path.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if length == 0 { Self::begin(path).map(Some) } else { Ok(None) };
            }
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() < length {
            return Ok(None);
        }
        if length == 0 {
            return Self::begin(path).map(Some);
        }
        file.set_len(length)?;
        file.seek(io::SeekFrom::End(0))?;
        Ok(Some(Self { path: path.path().to_owned(), file: Some(BufWriter::new(file)) }))
    }

    pub(crate) fn write(&mut self, line: u64, record: u64, reason: &Reason, raw: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(File::create(&self.path)?)),
        };
        let raw = String::from_utf8_lossy(&raw[..raw.len().min(MAX_RAW)]);
        serde_json::to_writer(&mut *file, &Reject { line, record, reason, raw: &raw })?;
        file.write_all(b"\n")
    }

    /// Makes all of it durable and tells its length.
    pub(crate) fn sync(&mut self) -> io::Result<u64> {
        let Some(file) = &mut self.file else { return Ok(0) };
        file.flush()?;
        let metadata = file.get_ref().metadata()?;
        // A pipe or a device has nothing to sync.
        if metadata.is_file() {
            file.get_ref().sync_data()?;
        }
        Ok(metadata.len())
    }

    /// The file, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|_| self.path.as_path())
    }
}
