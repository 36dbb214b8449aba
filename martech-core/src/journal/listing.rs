//! Lists the segments in the folder of a journal.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    JournalError, frame,
    scan::{Scanned, Scanner},
    segment::{self, BadHeader, HEADER_LEN, Header},
};
use crate::fs::{File, FileSystem};

/// A segment found in the directory.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) first: u64,
    pub(super) len: u64,
    pub(super) header: Option<Header>,
}

impl Candidate {
    /// Whether the creation of the segment was interrupted. Frames are written only after a durable header.
    pub(super) fn is_blank(&self) -> bool {
        self.header.is_none() && self.len <= HEADER_LEN
    }
}

/// Lists the segments, in the order of their names, which is the order of their sequences.
pub(super) fn list(fs: &dyn FileSystem, dir: &Path) -> Result<Vec<Candidate>, JournalError> {
    let entries = fs.list(dir).map_err(JournalError::at(dir))?;
    let files = entries.into_iter().filter(|entry| !entry.is_dir);
    let named = files.filter_map(|entry| Some((segment::first_of(&entry.path)?, entry.path)));
    let mut candidates = named.map(|(first, path)| candidate(fs, path, first)).collect::<Result<Vec<_>, _>>()?;
    candidates.sort_by_key(|candidate| candidate.first);
    Ok(candidates)
}

fn candidate(fs: &dyn FileSystem, path: PathBuf, first: u64) -> Result<Candidate, JournalError> {
    let read = || -> io::Result<_> {
        let file = fs.open(&path)?;
        let len = file.len()?;
        let mut bytes = [0; HEADER_LEN as usize];
        if len < HEADER_LEN {
            return Ok((len, Err(BadHeader::Damaged)));
        }
        file.read_exact_at(&mut bytes, 0)?;
        Ok((len, Header::decode(&bytes)))
    };
    match read().map_err(JournalError::at(&path))? {
        (_, Err(BadHeader::Version(version))) => Err(JournalError::UnsupportedVersion { path, version }),
        (len, header) => {
            // An implausible header counts as damaged even if its checksum is correct: its `previous` must not hide
            // frames.
            let header = header.ok().filter(|header| header.first == first && header.previous < first);
            Ok(Candidate { path, first, len, header })
        }
    }
}

/// Returns the most likely marker for segments with a damaged header: that of the newest intact header, or else that of
/// the oldest segment with a valid first frame.
pub(super) fn marker_of(fs: &dyn FileSystem, candidates: &[Candidate]) -> Result<Option<u32>, JournalError> {
    let headers = candidates.iter().rev().filter_map(|candidate| candidate.header);
    let mut marker = headers.map(|header| header.marker).next();
    for Candidate { path, len, .. } in candidates {
        if marker.is_none() {
            marker =
                fs.open(path).and_then(|file| marker_of_first_frame(&file, *len)).map_err(JournalError::at(path))?;
        }
    }
    Ok(marker)
}

/// Returns the marker of a segment's first frame, if that frame is valid.
fn marker_of_first_frame(file: &Arc<dyn File>, len: u64) -> io::Result<Option<u32>> {
    let mut bytes = [0; 4];
    if len < HEADER_LEN + frame::HEADER_LEN as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut bytes, HEADER_LEN)?;
    let marker = u32::from_le_bytes(bytes);
    let first = Scanner::new(file.clone(), marker, 1).next(len)?;
    Ok(matches!(first, Some(Scanned::Frame { .. })).then_some(marker))
}
