//! Read-only inspection of a journal: nothing on disk is changed.

use std::{
    io,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    JournalError, listing, quarantine,
    recovery::Pass,
    segment::{HEADER_LEN, Segment},
};
use crate::fs::FileSystem;

/// Content of a journal's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inspection {
    /// Segments, oldest first. Never empty once a journal was opened in the folder.
    pub segments: Vec<PathBuf>,
    /// Number of valid frames.
    pub frames: u64,
    /// Bytes of all segments, without the trailing zeros of a segment that was being written.
    pub bytes: u64,
    /// Bytes at the end of the newest segment that opening will cut off: an interrupted write.
    pub torn: Option<DamagedBytes>,
    /// Bytes that are not valid frames although frames or segments follow.
    pub damaged: Vec<DamagedBytes>,
    /// Assigned sequences that are no longer present, ascending. Trimmed sequences are not included.
    pub missing: Vec<RangeInclusive<u64>>,
    /// Newest sequence assigned before the oldest segment was created.
    pub trimmed: u64,
    /// Newest assigned sequence, as far as is known.
    pub newest: u64,
    /// Copies of damaged bytes that were made when the journal was opened before.
    pub quarantined: Vec<PathBuf>,
}

impl Inspection {
    /// Returns whether the journal holds nothing more than a newly created one.
    pub fn is_blank(&self) -> bool {
        let headers = self.segments.len() as u64 * HEADER_LEN;
        self.frames == 0 && self.damaged.is_empty() && self.missing.is_empty() && self.bytes <= headers
    }
}

/// A range of bytes of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DamagedBytes {
    /// The segment.
    pub segment: PathBuf,
    /// Half-open range of offsets in bytes.
    pub range: Range<u64>,
}

/// Reads the whole journal in `dir`, which must not be open elsewhere. Calls `each` with the sequence and the payload
/// of every valid frame, in order. Returns an empty [`Inspection`] if the folder does not exist.
///
/// # Errors
/// Returns [`JournalError::Io`] when a file or directory cannot be read, and [`JournalError::UnsupportedVersion`] for a
/// segment of a newer format.
pub fn inspect(fs: &dyn FileSystem, dir: &Path, mut each: impl FnMut(u64, &[u8])) -> Result<Inspection, JournalError> {
    match fs.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Inspection::default()),
        listed => listed.map_err(JournalError::at(dir))?,
    };
    let mut candidates = listing::list(fs, dir)?;
    let mut found = Inspection {
        segments: candidates.iter().map(|candidate| candidate.path.clone()).collect(),
        quarantined: quarantine::copies(fs, dir).map_err(JournalError::at(dir))?,
        ..Inspection::default()
    };
    found.trimmed =
        candidates.first().map_or(0, |oldest| oldest.header.map_or(oldest.first - 1, |header| header.previous));
    let blank = candidates.pop_if(|newest| newest.is_blank());
    let mut pass = Pass::new(fs, dir, &candidates)?;
    let count = candidates.len();
    for (index, candidate) in candidates.iter().enumerate() {
        let content = pass.scan(candidate, index + 1 == count, &mut each)?;
        let bytes = |range: &Range<u64>| DamagedBytes { segment: candidate.path.clone(), range: range.clone() };
        found.damaged.extend(content.damaged.iter().map(bytes));
        found.torn = content.torn.as_ref().map(bytes);
        found.bytes += content.torn.map_or(content.end, |torn| torn.end);
        pass.keep(candidate.first, content.end, Segment::new(candidate.path.clone(), candidate.first, 0));
    }
    found.bytes += blank.as_ref().map_or(0, |blank| blank.len);
    found.torn = blank.map(|blank| DamagedBytes { range: 0..blank.len, segment: blank.path }).or(found.torn);
    found.newest = pass.next() - 1;
    let recovery = pass.into_recovery();
    (found.frames, found.missing) = (recovery.frames, recovery.missing);
    Ok(found)
}
