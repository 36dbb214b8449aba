//! Segment format: a file named after its first sequence, with a header of 36 bytes, then frames. Integers are
//! little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | magic |
//! | 4 | version |
//! | 4 | marker of the frames |
//! | 8 | first sequence, as in the name |
//! | 8 | newest sequence assigned before this segment was created |
//! | 4 | CRC32C of the above |

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::frame::{MAX_SEQUENCE, NO_MARKER};
use crate::fs::{File, FileSystem};

/// Length of a segment's header in bytes, and offset of its first frame.
pub(super) const HEADER_LEN: u64 = HEADER as u64;

const HEADER: usize = 36;
const MAGIC: [u8; 8] = *b"MTJOURN\n";
const VERSION: u32 = 1;

/// Header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Marker at the start of each frame.
    pub(super) marker: u32,
    /// Sequence of the first frame.
    pub(super) first: u64,
    /// Newest sequence assigned before; less than `first - 1` if sequences were skipped on purpose.
    pub(super) previous: u64,
}

/// Reason why a header cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Damaged,
    Version(u32),
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.marker.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.previous.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..32]);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER]) -> Result<Self, BadHeader> {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let marker = u32_at(12);
        if bytes[..8] != MAGIC || u32_at(32) != crc32c::crc32c(&bytes[..32]) || marker == NO_MARKER {
            return Err(BadHeader::Damaged);
        }
        match u32_at(8) {
            VERSION => Ok(Self { marker, first: u64_at(16), previous: u64_at(24) }),
            version => Err(BadHeader::Version(version)),
        }
    }
}

/// Returns the path of the segment that begins with `first`.
pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// Returns the first sequence from a segment's name; `None` for other files.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".log")?;
    let well_formed = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let first = well_formed.then(|| digits.parse().ok()).flatten()?;
    (1..=MAX_SEQUENCE).contains(&first).then_some(first)
}

/// Reason why a segment could not be created.
#[derive(Debug)]
pub(super) enum CreateError {
    /// Nothing of the segment is left, so creation may be retried.
    Undone(io::Error),
    /// The state of the disk is unknown.
    Unknown(io::Error),
}

/// Creates an empty segment. The file and its directory entry are durable when this returns.
pub(super) fn create(fs: &dyn FileSystem, dir: &Path, header: &Header) -> Result<Arc<dyn File>, CreateError> {
    let path = path(dir, header.first);
    let file = fs.create(&path).map_err(CreateError::Undone)?;
    // A leftover file would pass for a segment when the journal is opened again.
    let undo = || fs.remove(&path);
    if let Err(error) = file.write_all_at(&header.encode(), 0) {
        return Err(if undo().is_ok() { CreateError::Undone(error) } else { CreateError::Unknown(error) });
    }
    if let Err(error) = file.sync().and_then(|()| fs.sync_dir(dir)) {
        // The header can still be read, but may never reach the disk.
        let _ = undo();
        return Err(CreateError::Unknown(error));
    }
    Ok(file)
}

/// State of a segment shared by the writer, readers and trimming.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// First sequence, as in the file name.
    pub(super) first: u64,
    /// Lowest sequence of a valid frame; older frames count as damage. Equal to `first`, or greater if frames of an
    /// older segment reach further.
    pub(super) oldest: u64,
    pub(super) marker: u32,
    /// Ranges that were found damaged, and reported, when the journal was opened; ascending.
    pub(super) damaged: Vec<Range<u64>>,
    end: AtomicU64,
    last: AtomicU64,
}

impl Segment {
    pub(super) fn new(path: PathBuf, first: u64, marker: u32) -> Self {
        Self {
            path,
            first,
            oldest: first,
            marker,
            damaged: Vec::new(),
            end: AtomicU64::new(HEADER_LEN),
            last: AtomicU64::new(first - 1),
        }
    }

    /// Offset up to which everything is durable.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Newest durable sequence of the segment; the one before `first` if the segment is empty.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Publishes the new durable end.
    pub(super) fn advance(&self, end: u64, last: u64) {
        self.last.store(last, Ordering::Release);
        self.end.store(end, Ordering::Release);
    }

    /// Number of bytes after the header, which count towards the journal's capacity.
    pub(super) fn load(&self) -> u64 {
        self.end().saturating_sub(HEADER_LEN)
    }

    /// Whether the damage at `offset` was known when the journal was opened.
    pub(super) fn knows_damage_at(&self, offset: u64) -> bool {
        self.damaged.iter().any(|range| range.contains(&offset))
    }
}
