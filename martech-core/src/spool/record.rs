//! Encoding of events in a spool.

use serde::{Serialize, de::DeserializeOwned};

use crate::event::{Event, row::Row};

/// An event type that a spool can hold.
///
/// Every type that serde can serialize and deserialize is a record, encoded as [MessagePack](https://msgpack.org) with
/// field names: a field added later with `#[serde(default)]` does not prevent older events from being read. [`Event`]
/// has its own encoding, because its JSON omits what a journey need not show.
pub trait Record: Sized + Send + Sync + 'static {
    /// Appends the encoded event to `out`.
    ///
    /// # Errors
    /// Returns an error when the event cannot be encoded. Only this event is then rejected.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), RecordError>;

    /// Decodes bytes written by [`write`](Self::write).
    ///
    /// # Errors
    /// Returns an error when the bytes are those of another type.
    fn read(bytes: &[u8]) -> Result<Self, RecordError>;
}

/// Error when an event cannot be written to a spool, or when its bytes cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(String);

impl RecordError {
    /// Returns an error with the given reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl<E: Serialize + DeserializeOwned + Send + Sync + 'static> Record for E {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        rmp_serde::encode::write_named(out, self).map_err(|error| RecordError::new(error.to_string()))
    }

    fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        rmp_serde::from_slice(bytes).map_err(|error| RecordError::new(error.to_string()))
    }
}

/// Encoding: one byte, 1 if the time is estimated and else 0, then the row.
impl Record for Event {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        let row = Row::of(self);
        row.check().map_err(|error| RecordError::new(error.to_string()))?;
        out.push(self.estimated_time.into());
        *out = row.encode(std::mem::take(out));
        Ok(())
    }

    fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let (estimated, bytes) = bytes.split_first().ok_or_else(|| RecordError::new("the record is empty"))?;
        let (row, rest) = Row::decode(bytes).map_err(|error| RecordError::new(error.to_string()))?;
        if *estimated > 1 || !rest.is_empty() {
            return Err(RecordError::new("not the bytes of an event"));
        }
        let event = row.to_event().map_err(|error| RecordError::new(error.to_string()))?;
        Ok(Event { estimated_time: *estimated == 1, ..event })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::event::{EventRules, EventType};

    fn written(record: &impl Record) -> Vec<u8> {
        let mut bytes = b"before".to_vec();
        record.write(&mut bytes).unwrap();
        bytes.split_off(6)
    }

    #[test]
    fn event_round_trips_with_all_fields() {
        let rules = EventRules::default();
        let event = Event::builder("u", EventType::PURCHASE)
            .anonymous_id("a")
            .session_id("s")
            .property("total", "12.50")
            .property("currency", "EUR")
            .property("sku", "cup")
            .property("page", "/cups");
        for estimated_time in [false, true] {
            let event = Event { estimated_time, ..event.clone().build(&rules).unwrap() };
            assert_eq!(Event::read(&written(&event)).unwrap(), event);
        }
        let bare = Event::builder("u", EventType::PAGE_VIEW).build(&rules).unwrap();
        assert_eq!(Event::read(&written(&bare)).unwrap(), bare);
        assert!(Event::read(&[]).is_err() && Event::read(&written(&bare)[1..]).is_err());
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "camelCase")]
    enum Click {
        Link { at: f64, to: Option<String> },
        Other(Rest),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Rest {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(flatten)]
        more: BTreeMap<String, u64>,
    }

    #[test]
    fn serde_types_of_all_shapes_round_trip() {
        let more = BTreeMap::from([("x".to_owned(), u64::MAX)]);
        for click in [
            Click::Link { at: 0.1 + 0.2, to: None },
            Click::Link { at: f64::NEG_INFINITY, to: Some("é\0".to_owned()) },
            Click::Other(Rest { name: None, more: more.clone() }),
            Click::Other(Rest { name: Some(String::new()), more }),
        ] {
            assert_eq!(Click::read(&written(&click)).unwrap(), click);
        }
        assert!(Click::read(b"\x93abc").is_err());
    }
}
