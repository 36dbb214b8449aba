//! Frame format: a header of 20 bytes, then the payload. Integers are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 4 | marker, random for each journal |
//! | 4 | length of the payload |
//! | 4 | CRC32C of marker, length, sequence and payload |
//! | 8 | sequence |

/// Length of a frame's header in bytes.
pub(super) const HEADER_LEN: usize = 20;
/// Maximum length of a payload in bytes.
pub(super) const MAX_PAYLOAD: usize = 64 << 20;
/// Maximum sequence, low enough that additions to it cannot overflow.
pub(super) const MAX_SEQUENCE: u64 = 1 << 62;

/// Invalid marker. No frame begins with zeros, so neither preallocated zeros nor a lost header can pass for a frame.
pub(super) const NO_MARKER: u32 = 0;

/// Encodes the header for `payload`, which must be at most [`MAX_PAYLOAD`] bytes long.
pub(super) fn header(marker: u32, sequence: u64, payload: &[u8]) -> [u8; HEADER_LEN] {
    let length = u32::try_from(payload.len()).expect("a payload's length was checked when it was submitted");
    let mut header = [0; HEADER_LEN];
    header[..4].copy_from_slice(&marker.to_le_bytes());
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..12].copy_from_slice(&checksum(marker, length, sequence, payload).to_le_bytes());
    header[12..].copy_from_slice(&sequence.to_le_bytes());
    header
}

/// A decoded header, not yet verified against its payload.
#[derive(Debug)]
pub(super) struct Header {
    marker: u32,
    length: u32,
    checksum: u32,
    pub(super) sequence: u64,
}

impl Header {
    /// Returns `None` if `bytes` cannot be the header of a frame with this marker.
    pub(super) fn decode(bytes: &[u8; HEADER_LEN], marker: u32) -> Option<Self> {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let header = Self {
            marker: u32_at(0),
            length: u32_at(4),
            checksum: u32_at(8),
            sequence: u64::from(u32_at(12)) | u64::from(u32_at(16)) << 32,
        };
        let plausible = header.marker == marker
            && marker != NO_MARKER
            && header.payload_len() <= MAX_PAYLOAD
            && (1..=MAX_SEQUENCE).contains(&header.sequence);
        plausible.then_some(header)
    }

    pub(super) fn payload_len(&self) -> usize {
        self.length as usize
    }

    /// Whether the checksum matches the header and the payload.
    pub(super) fn fits(&self, payload: &[u8]) -> bool {
        self.checksum == checksum(self.marker, self.length, self.sequence, payload)
    }
}

fn checksum(marker: u32, length: u32, sequence: u64, payload: &[u8]) -> u32 {
    let mut head = [0; 16];
    head[..4].copy_from_slice(&marker.to_le_bytes());
    head[4..8].copy_from_slice(&length.to_le_bytes());
    head[8..].copy_from_slice(&sequence.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&head), payload)
}
