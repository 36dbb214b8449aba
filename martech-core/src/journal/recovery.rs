//! Recovery: opening a journal finds the durable frames, cuts off a torn tail, and sets damaged bytes aside.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use super::{
    JournalError, frame,
    listing::{self, Candidate},
    quarantine,
    scan::{Scanned, Scanner},
    segment::{self, CreateError, HEADER_LEN, Header, Segment},
    shared::Active,
};
use crate::fs::{self, Cursor, File, FileSystem};

/// Findings when a journal was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Recovery {
    /// Number of valid frames.
    pub frames: u64,
    /// Bytes cut from the end of the newest segment, where a write was interrupted.
    pub truncated_bytes: u64,
    /// Bytes that are not valid frames although frames or segments follow, in the order of the journal.
    pub damaged: Vec<Damage>,
    /// Assigned sequences that are no longer present, ascending.
    pub missing: Vec<RangeInclusive<u64>>,
}

impl Recovery {
    /// Returns whether nothing was damaged or missing. A torn tail does not count, because it was never acknowledged.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty()
    }
}

/// Damaged bytes. They stay in their segment until it is trimmed, and readers skip them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Damage {
    /// The segment.
    pub segment: PathBuf,
    /// Offset of the damage in the segment, in bytes.
    pub offset: u64,
    /// Length of the damage in bytes.
    pub len: u64,
    /// Path of the copy in `quarantine/`; `None` if it could not be made.
    pub quarantined: Option<PathBuf>,
    /// `true` if the copy already existed, from an earlier opening.
    pub known: bool,
}

/// A journal that is ready for writing.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) active: Active,
    pub(super) segments: BTreeMap<u64, Arc<Segment>>,
    pub(super) recovery: Recovery,
}

pub(super) fn recover(fs: &dyn FileSystem, dir: &Path) -> Result<Recovered, JournalError> {
    fs.create_dir_all(dir).map_err(JournalError::at(dir))?;
    remove_unfinished(fs, dir)?;
    let mut candidates = listing::list(fs, dir)?;
    let blank = candidates.pop_if(|newest| newest.is_blank());
    let mut pass = Pass::new(fs, dir, &candidates)?;
    let mut active = None;
    let count = candidates.len();
    for (index, candidate) in candidates.iter().enumerate() {
        active = pass.take(candidate, index + 1 == count)?;
    }
    let active = match blank {
        Some(blank) => pass.finish_blank(blank, active)?,
        None => match active {
            Some(active) => active,
            None => pass.begin()?,
        },
    };
    fs.sync_dir(dir).map_err(JournalError::at(dir))?;
    pass.segments.insert(active.segment.first, active.segment.clone());
    Ok(Recovered { active, segments: pass.segments, recovery: pass.recovery })
}

/// Removes unfinished copies of segments.
fn remove_unfinished(fs: &dyn FileSystem, dir: &Path) -> Result<(), JournalError> {
    let entries = fs.list(dir).map_err(JournalError::at(dir))?;
    for entry in entries.iter().filter(|entry| !entry.is_dir && is_unfinished(&entry.path)) {
        // Failure is ignored, because a leftover copy only takes space.
        let _ = fs.remove(&entry.path);
    }
    Ok(())
}

/// Whether `path` is an unfinished copy of a segment.
fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tmp")
        && segment::first_of(&path.with_extension("")).is_some()
}

/// One pass over the segments, oldest first.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    fs: &'a dyn FileSystem,
    dir: &'a Path,
    /// The journal's marker, once known.
    marker: Option<u32>,
    /// Lowest sequence that may come next.
    next: u64,
    segments: BTreeMap<u64, Arc<Segment>>,
    recovery: Recovery,
}

/// Content of a segment.
#[derive(Debug)]
pub(super) struct Content {
    file: Arc<dyn File>,
    marker: Option<u32>,
    /// Lowest sequence of a valid frame; older frames count as damage.
    oldest: u64,
    /// Ascending.
    pub(super) damaged: Vec<Range<u64>>,
    /// The interrupted write at the end, if any.
    pub(super) torn: Option<Range<u64>>,
    /// Start of the interrupted write, or else the end of the content without trailing zeros, which the next frames
    /// would have overwritten.
    pub(super) end: u64,
    /// `true` if the segment is the newest and can be written.
    writable: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(fs: &'a dyn FileSystem, dir: &'a Path, candidates: &[Candidate]) -> Result<Self, JournalError> {
        let marker = listing::marker_of(fs, candidates)?;
        Ok(Self { fs, dir, marker, next: 1, segments: BTreeMap::new(), recovery: Recovery::default() })
    }

    /// Returns the sequence after the newest assigned one, as far as is known.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn into_recovery(self) -> Recovery {
        self.recovery
    }

    /// Processes a segment. Returns the active segment if this is the newest and can be written.
    fn take(&mut self, candidate: &Candidate, newest: bool) -> Result<Option<Active>, JournalError> {
        let Candidate { path, first, .. } = candidate;
        let content = self.scan(candidate, newest, &mut |_, _| {})?;
        let Content { file, marker, oldest, damaged, torn, end, writable } = content;
        if let Some(torn) = torn {
            self.recovery.truncated_bytes += torn.end - torn.start;
        }
        for range in &damaged {
            self.set_aside(path, &file, range);
        }
        let file = if writable { self.renew(path, file, end).map_err(JournalError::at(path))? } else { file };
        let mut segment = Segment::new(path.clone(), *first, marker.unwrap_or(frame::NO_MARKER));
        segment.oldest = oldest;
        segment.damaged = damaged;
        let segment = self.keep(*first, end, segment);
        Ok(writable.then(|| Active::new(file, segment, end, self.next)))
    }

    /// Reads a segment to its end, and changes nothing on disk. Calls `each` for every valid frame.
    pub(super) fn scan(
        &mut self,
        candidate: &Candidate,
        newest: bool,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<Content, JournalError> {
        let Candidate { path, first, len, header } = candidate;
        self.follow(*first, header.map_or(first - 1, |header| header.previous));
        let failed = || JournalError::at(path);
        let file = self.fs.open(path).map_err(failed())?;
        let marker = header.map(|header| header.marker).or(self.marker);

        let mut damaged = Vec::new();
        if header.is_none() {
            push(&mut damaged, 0..HEADER_LEN.min(*len));
        }
        let (oldest, frames_before) = (self.next, self.recovery.frames);
        let mut end = HEADER_LEN.min(*len);
        if let Some(marker) = marker {
            let mut scanner = Scanner::new(file.clone(), marker, oldest);
            while let Some(step) = scanner.next(*len).map_err(failed())? {
                match step {
                    Scanned::Frame { sequence } => {
                        self.miss_until(sequence);
                        self.next = sequence + 1;
                        self.recovery.frames += 1;
                        each(sequence, scanner.payload());
                        end = scanner.position();
                    }
                    Scanned::Damage(range) => {
                        let is_last = range.end == *len;
                        let range = if is_last { without_zeros(&file, range).map_err(failed())? } else { range };
                        end = range.end;
                        push(&mut damaged, range);
                    }
                }
            }
        } else {
            let range = without_zeros(&file, end..*len).map_err(failed())?;
            end = range.end;
            push(&mut damaged, range);
        }

        // A segment without a valid header or frame is more than a torn write, and stays as it is.
        let writable = newest && (header.is_some() || self.recovery.frames > frames_before);
        let torn = damaged.pop_if(|range| writable && range.end == end);
        let end = torn.as_ref().map_or(end, |torn| torn.start);
        Ok(Content { file, marker, oldest, damaged, torn, end, writable })
    }

    /// Registers a segment that ends at `end` as the predecessor of the next one.
    pub(super) fn keep(&mut self, first: u64, end: u64, segment: Segment) -> Arc<Segment> {
        segment.advance(end, self.next - 1);
        let segment = Arc::new(segment);
        self.segments.insert(first, segment.clone());
        segment
    }

    /// Makes the content of a segment up to `end` durable, and cuts off the rest.
    ///
    /// Data written by a killed process may not be on disk yet. If its sync failed, or that of an earlier opening, the
    /// next sync can succeed without writing anything. Syncing a copy proves that the data is durable.
    fn renew(&self, path: &Path, file: Arc<dyn File>, end: u64) -> io::Result<Arc<dyn File>> {
        let copied = fs::replace_with(self.fs, path, |copy| {
            io::copy(&mut Cursor::new(file.clone(), 0).take(end), &mut Cursor::new(copy.clone(), 0)).map(drop)
        });
        match copied {
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                // The journal must open on a full disk, because trimming is what frees space.
                tracing::warn!(%error, segment = %path.display(), "no space to rewrite the newest segment");
                file.truncate(end)?;
                file.sync()?;
                Ok(file)
            }
            copied => copied.and_then(|()| self.fs.open(path)),
        }
    }

    /// Continues with a segment that begins at `first`; `previous` was the newest sequence when it was created.
    fn follow(&mut self, first: u64, previous: u64) {
        if let Some((_, before)) = self.segments.last_key_value() {
            before.advance(before.end(), before.last().max(previous));
            self.miss_until(previous + 1);
        }
        self.next = self.next.max(first);
    }

    /// Records all sequences from `next` to the one before `sequence` as missing.
    fn miss_until(&mut self, sequence: u64) {
        if self.next < sequence {
            self.recovery.missing.push(self.next..=sequence - 1);
            self.next = sequence;
        }
    }

    fn set_aside(&mut self, path: &Path, file: &Arc<dyn File>, range: &Range<u64>) {
        let (quarantined, known) = match quarantine::set_aside(self.fs, self.dir, path, file, range) {
            Ok((copy, known)) => (Some(copy), known),
            Err(error) => {
                // Not fatal: the bytes are still in the segment, and the journal must open on a full disk.
                tracing::warn!(%error, segment = %path.display(), "cannot copy damaged bytes");
                (None, false)
            }
        };
        let (offset, len) = (range.start, range.end - range.start);
        self.recovery.damaged.push(Damage { segment: path.to_owned(), offset, len, quarantined, known });
    }

    /// Completes or removes a segment whose creation was interrupted.
    fn finish_blank(&mut self, blank: Candidate, active: Option<Active>) -> Result<Active, JournalError> {
        self.recovery.truncated_bytes += blank.len;
        if blank.first < self.next {
            // Creation failed, and its sequences were assigned to frames of the previous segment.
            self.fs.remove(&blank.path).map_err(JournalError::at(&blank.path))?;
            return active.map_or_else(|| self.begin(), Ok);
        }
        // Earlier frames were durable before this segment was created, so no sequence is missing in between.
        let header = Header { marker: self.marker(), first: blank.first, previous: self.next - 1 };
        let restore = || -> io::Result<_> {
            let file = self.fs.open(&blank.path)?;
            file.truncate(0)?;
            file.write_all_at(&header.encode(), 0)?;
            file.sync()?;
            Ok(file)
        };
        let file = restore().map_err(JournalError::at(&blank.path))?;
        Ok(empty(file, blank.path, &header))
    }

    /// Creates a segment after the existing ones, none of which can be written.
    fn begin(&mut self) -> Result<Active, JournalError> {
        let newest = self.segments.last_key_value().map_or(0, |(first, _)| *first);
        self.follow(newest + 1, newest);
        let header = Header { marker: self.marker(), first: self.next, previous: self.next - 1 };
        let path = segment::path(self.dir, header.first);
        let file = segment::create(self.fs, self.dir, &header).map_err(|error| match error {
            CreateError::Undone(error) | CreateError::Unknown(error) => JournalError::at(&path)(error),
        })?;
        Ok(empty(file, path, &header))
    }

    /// Returns the journal's marker. A new marker is random, so that no payload can be crafted to look like a frame.
    fn marker(&mut self) -> u32 {
        *self.marker.get_or_insert_with(|| fastrand::u32(1..))
    }
}

fn empty(file: Arc<dyn File>, path: PathBuf, header: &Header) -> Active {
    let segment = Arc::new(Segment::new(path, header.first, header.marker));
    Active::new(file, segment, HEADER_LEN, header.first)
}

/// Returns a range without the zeros at its end.
fn without_zeros(file: &Arc<dyn File>, range: Range<u64>) -> io::Result<Range<u64>> {
    let mut buffer = vec![0; 64 << 10];
    let (mut at, mut end) = (range.start, range.start);
    while at < range.end {
        let wanted = buffer.len().min((range.end - at) as usize);
        file.read_exact_at(&mut buffer[..wanted], at)?;
        if let Some(last) = buffer[..wanted].iter().rposition(|byte| *byte != 0) {
            end = at + last as u64 + 1;
        }
        at += wanted as u64;
    }
    Ok(range.start..end)
}

/// Adds a range, merging it with the last one if they touch.
fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}
