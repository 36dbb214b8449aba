//! Writes the records that cannot become events to a file, for a person to review.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Seek, Write},
    path::{Path, PathBuf},
};

use martech_core::event::EventError;
use serde::Serialize;

/// Number of bytes kept of the text of a record.
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
    /// The text of the record. Invalid UTF-8 is shown as U+FFFD.
    raw: &'a str,
}

/// Path of the rejects file.
#[derive(Debug, Clone)]
pub(crate) enum RejectsPath {
    /// A path from an option. The file is written only if there are rejects; otherwise it does not change.
    Given(PathBuf),
    /// A path beside the input. An existing file is from an earlier import.
    Beside(PathBuf),
    /// The same, and the maximum size of the file in bytes. Further rejects are only counted.
    Bounded(PathBuf, u64),
}

impl RejectsPath {
    pub(crate) fn path(&self) -> &Path {
        let (Self::Given(path) | Self::Beside(path) | Self::Bounded(path, _)) = self;
        path
    }
}

/// The rejects file of one import. It is created when the first reject is written.
pub(crate) struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    /// The bytes that the file may still grow.
    left: u64,
    omitted: u64,
    /// The next line.
    line: Vec<u8>,
}

impl Rejects {
    /// Starts without rejects. Removes the file beside the input that an earlier import left.
    pub(crate) fn begin(path: RejectsPath) -> io::Result<Self> {
        if let RejectsPath::Beside(path) | RejectsPath::Bounded(path, _) = &path
            && fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
        {
            fs::remove_file(path)?;
        }
        Ok(Self::of(&path, None, 0))
    }

    /// Resumes after the first `length` bytes of an interrupted import. Returns `None` if the file is shorter.
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
        Ok(Some(Self::of(&path, Some(file), length)))
    }

    fn of(path: &RejectsPath, file: Option<File>, length: u64) -> Self {
        let left = if let RejectsPath::Bounded(_, most) = path { most.saturating_sub(length) } else { u64::MAX };
        Self { path: path.path().to_owned(), file: file.map(BufWriter::new), left, omitted: 0, line: Vec::new() }
    }

    pub(crate) fn write(&mut self, line: u64, record: u64, reason: &Reason, raw: &[u8]) -> io::Result<()> {
        if self.omitted > 0 {
            self.omitted += 1;
            return Ok(());
        }
        let raw = String::from_utf8_lossy(&raw[..raw.len().min(MAX_RAW)]);
        self.line.clear();
        serde_json::to_writer(&mut self.line, &Reject { line, record, reason, raw: &raw })?;
        self.line.push(b'\n');
        let Some(left) = self.left.checked_sub(self.line.len() as u64) else {
            self.omitted = 1;
            return Ok(());
        };
        self.left = left;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(File::create(&self.path)?)),
        };
        file.write_all(&self.line)
    }

    /// Returns the number of rejects that the file has no room for.
    pub(crate) fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Makes all rejects durable and returns the length of the file.
    pub(crate) fn sync(&mut self) -> io::Result<u64> {
        let Some(file) = &mut self.file else { return Ok(0) };
        file.flush()?;
        let metadata = file.get_ref().metadata()?;
        // Pipes and devices cannot be synced.
        if metadata.is_file() {
            file.get_ref().sync_data()?;
        }
        Ok(metadata.len())
    }

    /// Returns the path of the file, if the file was created.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|_| self.path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_rejects_beyond_the_maximum_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects");
        let mut rejects = Rejects::begin(RejectsPath::Bounded(path.clone(), 1000)).unwrap();
        let reason = Reason::new("column_count", "1 column instead of 2");
        (1..=100).for_each(|record| rejects.write(record + 1, record, &reason, b"x").unwrap());
        // A shorter record does not fill the rest, so that the file is the beginning of all rejects.
        rejects.write(102, 101, &Reason::new("a", ""), b"").unwrap();
        assert_eq!(rejects.sync().unwrap(), fs::metadata(&path).unwrap().len());
        let lines = fs::read_to_string(&path).unwrap().lines().count() as u64;
        assert!((8..=12).contains(&lines), "{lines}");
        assert_eq!(lines + rejects.omitted(), 101);
        assert!(fs::metadata(&path).unwrap().len() <= 1000);
    }
}
