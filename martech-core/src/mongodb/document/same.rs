//! Whether an event is the one that a document holds.

use mongodb::bson::{RawBsonRef, RawDocument};

use super::field;
use crate::event::{Deed, Event, Timestamp};

/// Whether an event is that of the document with its id, sent again.
pub(crate) fn is_again(event: &Event, stored: &RawDocument) -> bool {
    deed_of(stored).is_some_and(|stored| event.deed().is_again(&stored, event.estimated_time))
}

/// What a document says of who did what and when; `None` where it is none of an event.
fn deed_of(stored: &RawDocument) -> Option<Deed<'_>> {
    let get = |name| stored.get(name).ok().flatten();
    let text = |name| get(name).and_then(RawBsonRef::as_str);
    Some(Deed {
        user_id: text(field::USER)?,
        event_type: text(field::TYPE)?,
        occurred_at: Timestamp::from_millis(get(field::OCCURRED)?.as_datetime()?.timestamp_millis()),
    })
}
