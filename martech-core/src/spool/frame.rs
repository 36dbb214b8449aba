//! Encoding of a batch as frames of the journal. Integers are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | version, 1 |
//! | 8 | time of spooling in milliseconds since 1970-01-01 UTC, signed |
//! | 4 | number of events |
//! | 4 and the event, for each | length of the event, then its [record](super::Record) |

use bytes::{Buf, Bytes};

use super::record::{Record, RecordError};
use crate::{event::Timestamp, store::Rejection};

const VERSION: u8 = 1;
const HEADER_LEN: usize = 13;

/// Payload length from which a frame accepts no further event, so that little is read back at once.
const FULL: usize = 1 << 20;

/// An encoded frame, and the positions of its events.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) payload: Vec<u8>,
    /// Positions of its events in the batch, ascending.
    pub(super) positions: Vec<usize>,
}

/// Encodes a batch as frames, in its order. Returns the frames, and a rejection for each event that cannot be encoded.
pub(super) fn encode<E: Record>(batch: &[E], now: Timestamp) -> (Vec<Frame>, Vec<Rejection>) {
    let (mut frames, mut rejected) = (Vec::<Frame>::new(), Vec::new());
    for (index, event) in batch.iter().enumerate() {
        let frame = match frames.last_mut() {
            Some(frame) if frame.payload.len() < FULL => frame,
            _ => {
                frames.push(Frame::new(now));
                frames.last_mut().expect("one was added")
            }
        };
        if let Err(error) = frame.push(index, event) {
            rejected.push(Rejection::unfit(index, error.to_string()));
        }
    }
    frames.retain(|frame| !frame.positions.is_empty());
    for frame in &mut frames {
        let count = frame.positions.len() as u32;
        frame.payload[9..HEADER_LEN].copy_from_slice(&count.to_le_bytes());
    }
    (frames, rejected)
}

impl Frame {
    fn new(now: Timestamp) -> Self {
        let mut payload = vec![VERSION];
        payload.extend_from_slice(&now.millis().to_le_bytes());
        payload.extend_from_slice(&[0; 4]);
        Self { payload, positions: Vec::new() }
    }

    fn push(&mut self, position: usize, event: &impl Record) -> Result<(), RecordError> {
        let start = self.payload.len();
        self.payload.extend_from_slice(&[0; 4]);
        let written = event.write(&mut self.payload).and_then(|()| {
            u32::try_from(self.payload.len() - start - 4)
                .map_err(|_| RecordError::new("the event is larger than 4 GiB"))
        });
        match written {
            Ok(len) => {
                self.payload[start..start + 4].copy_from_slice(&len.to_le_bytes());
                self.positions.push(position);
                Ok(())
            }
            Err(error) => {
                self.payload.truncate(start);
                Err(error)
            }
        }
    }
}

/// The head of a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) spooled_at: Timestamp,
    pub(super) events: u64,
}

impl Head {
    /// Decodes the head, and leaves the rest in `payload`.
    pub(super) fn take(payload: &mut Bytes) -> Result<Self, RecordError> {
        if payload.len() < HEADER_LEN {
            return Err(RecordError::new("the frame is too short"));
        }
        match payload.get_u8() {
            VERSION => {}
            version => return Err(RecordError::new(format!("unknown version {version}; expected {VERSION}"))),
        }
        let spooled_at = Timestamp::from_millis(payload.get_i64_le());
        Ok(Self { spooled_at, events: payload.get_u32_le().into() })
    }
}

/// Decodes the events after the head.
pub(super) fn decode<E: Record>(head: Head, mut payload: Bytes) -> Result<Vec<E>, RecordError> {
    // Limits the reservation, because the count may be damaged.
    let mut events = Vec::with_capacity(payload.len().min(head.events as usize));
    while !payload.is_empty() {
        let len = payload.try_get_u32_le().map_err(|_| RecordError::new("the frame is truncated"))? as usize;
        if payload.len() < len {
            return Err(RecordError::new("the frame is truncated"));
        }
        events.push(E::read(&payload.split_to(len))?);
    }
    if events.len() as u64 == head.events {
        Ok(events)
    } else {
        Err(RecordError::new(format!("the frame has {} events, but its header says {}", events.len(), head.events)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(frame: Frame) -> Result<Vec<String>, RecordError> {
        let mut payload = Bytes::from(frame.payload);
        let head = Head::take(&mut payload)?;
        assert_eq!(head.spooled_at.millis(), 7);
        decode(head, payload)
    }

    #[test]
    fn batch_is_encoded_as_frames_of_bounded_length() {
        let long = "x".repeat(300_000);
        let batch: Vec<String> = (0..10).map(|number| format!("{number}{long}")).collect();
        let (frames, rejected) = encode(&batch, Timestamp::from_millis(7));
        assert!(rejected.is_empty());
        assert_eq!(
            frames.iter().flat_map(|frame| frame.positions.clone()).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        );
        assert!(frames.len() == 3 && frames.iter().all(|frame| frame.payload.len() < FULL + 400_000));
        let events: Vec<String> = frames.into_iter().flat_map(|frame| decoded(frame).unwrap()).collect();
        assert_eq!(events, batch);
        assert!(encode::<String>(&[], Timestamp::from_millis(7)).0.is_empty());
    }

    #[test]
    fn rejects_only_events_that_cannot_be_encoded() {
        #[derive(serde::Deserialize)]
        struct Odd(u32);
        impl serde::Serialize for Odd {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if self.0.is_multiple_of(2) {
                    Err(serde::ser::Error::custom("it is even"))
                } else {
                    serializer.serialize_u32(self.0)
                }
            }
        }
        let (frames, rejected) = encode(&[Odd(0), Odd(1), Odd(2), Odd(3)], Timestamp::from_millis(7));
        assert_eq!(rejected.iter().map(|rejection| rejection.index).collect::<Vec<_>>(), [0, 2]);
        assert!(rejected[0].reason.contains("even"), "{}", rejected[0].reason);
        assert_eq!(frames[0].positions, [1, 3]);
        assert!(encode(&[Odd(0)], Timestamp::from_millis(7)).0.is_empty(), "no frame without an event");
    }

    #[test]
    fn decoding_rejects_invalid_bytes() {
        let (mut frames, _) = encode(&["a".to_owned(), "b".to_owned()], Timestamp::from_millis(7));
        let payload = frames.remove(0).payload;
        let read = |payload: Vec<u8>| decoded(Frame { payload, positions: vec![] });
        assert_eq!(read(payload.clone()).unwrap(), ["a", "b"]);
        for len in 0..payload.len() {
            assert!(read(payload[..len].to_vec()).is_err(), "the first {len} bytes");
        }
        let mut newer = payload.clone();
        newer[0] = 2;
        assert!(read(newer).unwrap_err().to_string().contains("version 2"));
        let mut more = payload.clone();
        more[9] = 3;
        assert!(read(more).unwrap_err().to_string().contains("2 events, but its header says 3"));
    }
}
