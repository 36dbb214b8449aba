//! Comparison of an event with a stored document.

use mongodb::bson::{RawBsonRef, RawDocument};

use super::field;
use crate::event::{Event, Signature, Timestamp};

/// Whether an event is a resend of the event in the document with the same id.
pub(crate) fn is_resend(event: &Event, stored: &RawDocument) -> bool {
    signature_of(stored).is_some_and(|stored| event.signature().is_resend(&stored, event.estimated_time))
}

/// Reads the signature (user, type, time) of a document. Returns `None` if the document is not an event.
fn signature_of(stored: &RawDocument) -> Option<Signature<'_>> {
    let get = |name| stored.get(name).ok().flatten();
    let text = |name| get(name).and_then(RawBsonRef::as_str);
    Some(Signature {
        user_id: text(field::USER)?,
        event_type: text(field::TYPE)?,
        occurred_at: Timestamp::from_millis(get(field::OCCURRED)?.as_datetime()?.timestamp_millis()),
    })
}
