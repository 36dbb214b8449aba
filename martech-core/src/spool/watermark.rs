//! The watermark: the frame up to which the store has everything, kept in a file beside the journal.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    fs::{FileSystem, replace},
    journal::MAX_SEQUENCE,
};

/// A file with one line: the sequence, and the CRC32C of its digits in hexadecimal.
#[derive(Debug, Clone)]
pub(super) struct WatermarkFile {
    fs: Arc<dyn FileSystem>,
    path: PathBuf,
}

impl WatermarkFile {
    pub(super) fn new(fs: Arc<dyn FileSystem>, dir: &Path) -> Self {
        Self { fs, path: dir.join("forwarded") }
    }

    /// Returns the sequence; 0 if the file is missing or damaged. More frames than necessary are then forwarded again,
    /// and none is skipped.
    pub(super) fn load(&self) -> io::Result<u64> {
        let file = match self.fs.open_to_read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            opened => opened?,
        };
        let mut line = vec![0; file.len()?.min(64) as usize];
        file.read_exact_at(&mut line, 0)?;
        let sequence = parse(&line);
        if sequence.is_none() {
            tracing::warn!(path = %self.path.display(), "watermark file is damaged; forwarded events are sent again");
        }
        Ok(sequence.unwrap_or(0))
    }

    /// Replaces the file. The new content is durable when this returns.
    pub(super) fn save(&self, sequence: u64) -> io::Result<()> {
        replace(&*self.fs, &self.path, line(sequence).as_bytes())
    }
}

fn line(sequence: u64) -> String {
    let digits = sequence.to_string();
    format!("{digits} {:08x}\n", crc32c::crc32c(digits.as_bytes()))
}

fn parse(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    let sequence = text.split(' ').next()?.parse().ok()?;
    // At least one more frame must fit after the watermark.
    (sequence < MAX_SEQUENCE && line(sequence) == text).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Disk;

    #[test]
    fn loads_saved_sequence_and_treats_damage_as_zero() {
        let dir = tempfile::tempdir().unwrap();
        let file = WatermarkFile::new(Arc::new(Disk), dir.path());
        assert_eq!(file.load().unwrap(), 0);
        for sequence in [1, 41, MAX_SEQUENCE - 1] {
            file.save(sequence).unwrap();
            assert_eq!(file.load().unwrap(), sequence);
        }
        let path = dir.path().join("forwarded");
        let line = std::fs::read_to_string(&path).unwrap();
        let beyond = self::line(u64::MAX);
        for damaged in
            [line.replacen('4', "3", 1), line.trim_end().to_owned(), format!("+{line}"), beyond, String::new()]
        {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(file.load().unwrap(), 0);
        }
    }
}
