//! Ids of events whose records have none.

use martech_core::event::EventId;
use uuid::Builder;
use xxhash_rust::xxh3::xxh3_128;

/// Makes ids from content: the same record gets the same one wherever it stands, and the second of two equal records in a file
/// another one than the first. So an export that overlaps the one before, or has its rows in another order, adds what is new.
///
/// The id is a UUIDv8 (RFC 9562) around the XXH3-128, big-endian, of
/// the bytes `martech import 2`, how many equal records stood before in the file (eight bytes, little-endian), the event's type,
/// a zero byte, and the record's text without its line end, as UTF-8.
/// The file's name, its compression, its encoding, its kind of line ends, and how columns are mapped have no part in it.
/// The type has: two files of the same columns, imported as events of two types, are two sets of events.
#[derive(Debug, Default)]
pub(crate) struct IdMaker {
    buffer: Vec<u8>,
}

impl IdMaker {
    /// `ordinal`: how many equal records stood before.
    pub(crate) fn id(&mut self, record: &str, ordinal: u64, event_type: &str) -> EventId {
        self.buffer.clear();
        self.buffer.extend_from_slice(b"martech import 2");
        self.buffer.extend_from_slice(&ordinal.to_le_bytes());
        self.buffer.extend_from_slice(event_type.as_bytes());
        self.buffer.push(0);
        self.buffer.extend_from_slice(record.as_bytes());
        EventId(Builder::from_custom_bytes(xxh3_128(&self.buffer).to_be_bytes()).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_the_same_forever() {
        let id = IdMaker::default().id("00001 19970101 1 11.77", 1, "purchase");
        assert_eq!(id.0.get_version_num(), 8);
        assert_eq!(id.to_string(), "dabf4302-5318-8f65-9a0f-5952ccf166f3");
    }

    #[test]
    fn every_part_counts() {
        let mut maker = IdMaker::default();
        let id = maker.id("a", 1, "purchase");
        assert_eq!(id, maker.id("a", 1, "purchase"));
        assert_ne!(id, maker.id("a", 2, "purchase"));
        assert_ne!(id, maker.id("b", 1, "purchase"));
        assert_ne!(id, maker.id("a", 1, "search"));
    }
}
