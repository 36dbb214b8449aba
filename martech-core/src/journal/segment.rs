//! One segment: a file named after its first sequence, a header of 36 bytes, then frames.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic |
//! | 4 | version |
//! | 4 | marker of the frames |
//! | 8 | first sequence, as in the name |
//! | 8 | the newest sequence given before this segment was made |
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

/// Length of a segment's header: where its first frame begins.
pub(super) const HEADER_LEN: u64 = HEADER as u64;

const HEADER: usize = 36;
const MAGIC: [u8; 8] = *b"MTJOURN\n";
const VERSION: u32 = 1;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Begins each frame.
    pub(super) marker: u32,
    /// The sequence of the first frame.
    pub(super) first: u64,
    /// The newest sequence given before; less than `first - 1` when sequences were skipped on purpose.
    pub(super) previous: u64,
}

/// Why a header cannot be used.
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

/// The path of the segment that begins with a sequence.
pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// The first sequence in a segment's name; `None` for other files.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".log")?;
    let well_formed = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let first = well_formed.then(|| digits.parse().ok()).flatten()?;
    (1..=MAX_SEQUENCE).contains(&first).then_some(first)
}

/// Why a segment could not be made.
#[derive(Debug)]
pub(super) enum CreateError {
    /// Nothing of it is left; making it may be tried again.
    Undone(io::Error),
    /// It is unknown what the disk holds.
    Unknown(io::Error),
}

/// Makes an empty segment; it and its directory entry are durable when this returns.
pub(super) fn create(fs: &dyn FileSystem, dir: &Path, header: &Header) -> Result<Arc<dyn File>, CreateError> {
    let path = path(dir, header.first);
    let file = fs.create(&path).map_err(CreateError::Undone)?;
    // A file left behind would pass for a segment when the journal is opened again.
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

/// What writer, readers and trimming share of a segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The sequence in its name.
    pub(super) first: u64,
    /// What in it is older is no frame: `first`, or more when frames of an older segment reach further.
    pub(super) oldest: u64,
    pub(super) marker: u32,
    /// What was found damaged, and reported, when the journal was opened; ascending.
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

    /// Everything before this offset is durable.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The newest sequence in it that is durable; the one before `first` when it is empty.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Publishes what became durable.
    pub(super) fn advance(&self, end: u64, last: u64) {
        self.last.store(last, Ordering::Release);
        self.end.store(end, Ordering::Release);
    }

    /// How many bytes it holds beyond its header: what counts towards the journal's capacity.
    pub(super) fn load(&self) -> u64 {
        self.end().saturating_sub(HEADER_LEN)
    }

    /// Whether the damage at `offset` was known when the journal was opened.
    pub(super) fn knows_damage_at(&self, offset: u64) -> bool {
        self.damaged.iter().any(|range| range.contains(&offset))
    }
}
