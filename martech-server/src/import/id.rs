//! Generates ids for events whose records have none.

use martech_core::event::EventId;
use uuid::Builder;
use xxhash_rust::xxh3::xxh3_128;

/// Derives ids from content. Equal records get the same id wherever they are, except that the second of two equal
/// records in one file gets another id than the first. An export that overlaps the previous one, or has its rows in
/// another order, therefore adds only new records.
///
/// The id is a UUIDv8 (RFC 9562) from the big-endian XXH3-128 of these bytes: `martech import 2`, the number of equal
/// records before this one in the file (eight bytes, little-endian), the type of the event, a zero byte, and the UTF-8
/// text of the record without its line end.
///
/// The file name, compression, encoding, line ends and column mapping do not affect the id. The type does: two files
/// with the same columns, imported as two event types, are two sets of events.
#[derive(Debug, Default)]
pub(crate) struct IdMaker {
    buffer: Vec<u8>,
}

impl IdMaker {
    /// Returns the id of a record. `ordinal` is the number of equal records before it.
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
    fn id_format_is_stable() {
        let id = IdMaker::default().id("00001 19970101 1 11.77", 1, "purchase");
        assert_eq!(id.0.get_version_num(), 8);
        assert_eq!(id.to_string(), "dabf4302-5318-8f65-9a0f-5952ccf166f3");
    }

    #[test]
    fn id_depends_on_record_ordinal_and_type() {
        let mut maker = IdMaker::default();
        let id = maker.id("a", 1, "purchase");
        assert_eq!(id, maker.id("a", 1, "purchase"));
        assert_ne!(id, maker.id("a", 2, "purchase"));
        assert_ne!(id, maker.id("b", 1, "purchase"));
        assert_ne!(id, maker.id("a", 1, "search"));
    }
}
