//! Reads durable frames back, one segment at a time.

use std::{io, sync::Arc};

use bytes::Bytes;

use super::{
    error::JournalError,
    scan::{Scanned, Scanner},
    segment::Segment,
    shared::Shared,
};

/// A frame read back from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The sequence: counts up by one from 1 over the whole life of the journal.
    pub sequence: u64,
    /// The appended payload.
    pub payload: Bytes,
}

/// Keeps one file open, so a segment that is trimmed in the meantime is still read to its end.
#[derive(Debug)]
pub(super) struct Reader {
    shared: Arc<Shared>,
    after: u64,
    position: Option<Position>,
    failed: bool,
}

#[derive(Debug)]
struct Position {
    segment: Arc<Segment>,
    scanner: Scanner,
    /// `true` once a newer segment has been seen. From then on the end of this segment is final.
    sealed: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, after: u64) -> Self {
        Self { shared, after, position: None, failed: false }
    }

    fn step(&mut self) -> Result<Option<Frame>, JournalError> {
        loop {
            let mut position = match self.position.take() {
                Some(position) => position,
                None => self.open(self.first_segment())?,
            };
            let step = position.next(self.after);
            let (first, sealed) = (position.segment.first, position.sealed);
            let position = self.position.insert(position);
            if let Some(frame) = step? {
                self.after = frame.sequence;
                return Ok(Some(frame));
            }
            match self.shared.segment_behind(first) {
                None => return Ok(None),
                Some(next) if sealed => self.position = Some(self.open(next)?),
                Some(_) => position.sealed = true,
            }
        }
    }

    /// Opens a segment, or the oldest one after it if the segment was trimmed in the meantime.
    fn open(&self, mut segment: Arc<Segment>) -> Result<Position, JournalError> {
        loop {
            match self.shared.fs.open(&segment.path) {
                Ok(file) => {
                    let scanner = Scanner::new(file, segment.marker, segment.oldest);
                    return Ok(Position { segment, scanner, sealed: false });
                }
                Err(error) => {
                    let trimmed = !self.shared.segments().contains_key(&segment.first);
                    segment = match self.shared.segment_behind(segment.first) {
                        Some(next) if trimmed && error.kind() == io::ErrorKind::NotFound => next,
                        _ => return Err(JournalError::at(&segment.path)(error)),
                    };
                }
            }
        }
    }

    /// Returns the segment that holds the first wanted frame, or the oldest segment if that frame was trimmed.
    fn first_segment(&self) -> Arc<Segment> {
        let segments = self.shared.segments();
        let wanted = segments.range(..=self.after.saturating_add(1)).next_back();
        let (_, segment) = wanted.or_else(|| segments.first_key_value()).expect("there is always an active segment");
        segment.clone()
    }
}

impl Position {
    /// Returns the next frame of this segment that is newer than `after`.
    fn next(&mut self, after: u64) -> Result<Option<Frame>, JournalError> {
        let segment = &self.segment;
        loop {
            match self.scanner.next(segment.end()).map_err(JournalError::at(&segment.path))? {
                Some(Scanned::Frame { sequence }) if sequence > after => {
                    return Ok(Some(Frame { sequence, payload: Bytes::copy_from_slice(self.scanner.payload()) }));
                }
                Some(Scanned::Frame { .. }) => {}
                Some(Scanned::Damage(range)) if segment.knows_damage_at(range.start) => {}
                Some(Scanned::Damage(range)) => {
                    let (offset, len) = (range.start, range.end - range.start);
                    return Err(JournalError::Damaged { path: segment.path.clone(), offset, len });
                }
                None => return Ok(None),
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Frame, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let step = self.step();
        // The scanner has moved past damage. Any other error would repeat forever.
        self.failed = matches!(&step, Err(error) if !matches!(error, JournalError::Damaged { .. }));
        step.transpose()
    }
}
