//! Comparison of an event with a stored document.

use mongodb::bson::{RawBsonRef, RawDocument};

use super::field;
use crate::event::{Deed, Event, Timestamp};

/// Whether an event is a resend of the event in the document with the same id.
pub(crate) fn is_again(event: &Event, stored: &RawDocument) -> bool {
    deed_of(stored).is_some_and(|stored| event.deed().is_again(&stored, event.estimated_time))
}

/// Reads the deed (user, type, time) of a document. Returns `None` if the document is not an event.
fn deed_of(stored: &RawDocument) -> Option<Deed<'_>> {
    let get = |name| stored.get(name).ok().flatten();
    let text = |name| get(name).and_then(RawBsonRef::as_str);
    Some(Deed {
        user_id: text(field::USER)?,
        event_type: text(field::TYPE)?,
        occurred_at: Timestamp::from_millis(get(field::OCCURRED)?.as_datetime()?.timestamp_millis()),
    })
}
