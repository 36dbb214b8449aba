//! Ids of events whose records have none.

use martech_core::event::EventId;
use uuid::Builder;
use xxhash_rust::xxh3::xxh3_128;

/// Makes ids from content and position: the same record at the same place of a file always gets the same one.
///
/// The id is a UUIDv8 (RFC 9562) around the XXH3-128, big-endian, of
/// the bytes `martech import 1`, the record's number (from 1, header and blank lines not counted; eight bytes,
/// little-endian), the event's type, a zero byte, and the record's text without its line end.
/// The file's name, its compression, its kind of line ends, and how columns are mapped have no part in it.
/// The type has: two files of the same columns, imported as events of two types, are two sets of events.
#[derive(Debug, Default)]
pub(crate) struct IdMaker {
    buffer: Vec<u8>,
}

impl IdMaker {
    pub(crate) fn id(&mut self, record: &str, number: u64, event_type: &str) -> EventId {
        self.buffer.clear();
        self.buffer.extend_from_slice(b"martech import 1");
        self.buffer.extend_from_slice(&number.to_le_bytes());
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
        assert_eq!(id.to_string(), "f394e1b1-c9e4-8302-8b25-6b5c16640471");
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
