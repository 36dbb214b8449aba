//! An independent implementation of the journal and catalog formats in docs/design/formats.md, so that targets can
//! create valid files and predict their contents.

pub const SEGMENT_HEADER: usize = 36;
const FRAME_HEADER: usize = 20;
const MAX_SEQUENCE: u64 = 1 << 62;

/// Header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub version: u32,
    pub marker: u32,
    pub first: u64,
    pub previous: u64,
}

impl Header {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = b"MTJOURN\n".to_vec();
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&self.marker.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.previous.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Returns whether this can be the header of the segment whose first sequence is `first`.
    pub fn fits(&self, first: u64) -> bool {
        self.marker != 0 && self.first == first && self.previous < first
    }

    /// Decodes the header at the start of `bytes`. `None` if its checksum does not match.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let header = Self {
            version: u32_at(bytes, 8)?,
            marker: u32_at(bytes, 12)?,
            first: u64_at(bytes, 16)?,
            previous: u64_at(bytes, 24)?,
        };
        (header.encode() == bytes.get(..SEGMENT_HEADER)?).then_some(header)
    }
}

pub fn frame(marker: u32, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let (marker, length, sequence) =
        (marker.to_le_bytes(), (payload.len() as u32).to_le_bytes(), sequence.to_le_bytes());
    let checksum = crc32c::crc32c(&[&marker[..], &length, &sequence, payload].concat());
    [&marker[..], &length, &checksum.to_le_bytes(), &sequence, payload].concat()
}

/// Returns sequence and payload of the valid frame at the start of `bytes`.
pub fn frame_at(bytes: &[u8], marker: u32) -> Option<(u64, &[u8])> {
    let (length, sequence) = (u32_at(bytes, 4)? as usize, u64_at(bytes, 12)?);
    let whole = bytes.get(..FRAME_HEADER.checked_add(length)?)?;
    let payload = &whole[FRAME_HEADER..];
    let sound = marker != 0 && (1..=MAX_SEQUENCE).contains(&sequence) && frame(marker, sequence, payload) == whole;
    sound.then_some((sequence, payload))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Returns the file name of the segment whose first sequence is `first`.
pub fn segment_name(first: u64) -> String {
    format!("{first:020}.log")
}
