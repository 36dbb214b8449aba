//! Whether an event is the one that a document holds.

use mongodb::bson::{RawBsonRef, RawDocument};

use super::{decimal_of, field, properties};
use crate::event::Event;

/// The fields in which an event differs from the document that has its id; none where it is the same event.
///
/// When it was received does not count, nor does its time where that is
/// [estimated](Event::estimated_time). The order of the names in an object does not count, since a
/// sender that builds the event anew may write them in another one.
pub(crate) fn differences(event: &Event, stored: &RawDocument) -> Vec<&'static str> {
    let text = |name| stored.get(name).ok().flatten().and_then(RawBsonRef::as_str);
    let mut differing = Vec::new();
    let mut note = |name, same: bool| {
        if !same {
            differing.push(name);
        }
    };
    note(field::USER, text(field::USER) == Some(event.user_id.as_str()));
    note(field::TYPE, text(field::TYPE) == Some(event.event_type.as_str()));
    let at = stored.get(field::OCCURRED).ok().flatten().and_then(RawBsonRef::as_datetime);
    let at = at.map(|date| date.timestamp_millis());
    note(field::OCCURRED, event.estimated_time || at == Some(event.occurred_at.millis()));
    note(field::ANONYMOUS, text(field::ANONYMOUS) == event.anonymous_id.as_deref());
    note(field::SESSION, text(field::SESSION) == event.session_id.as_deref());
    note(field::PROPERTIES, same_properties(event.properties.as_deref(), stored));
    differing
}

fn same_properties(json: Option<&str>, stored: &RawDocument) -> bool {
    let get = |name| stored.get(name).ok().flatten();
    let stored_text = get(field::PROPERTIES_TEXT).and_then(RawBsonRef::as_str);
    let (Some(json), true) = (json, get(field::PROPERTIES).is_some() || stored_text.is_some()) else {
        return json.is_none() && get(field::PROPERTIES).is_none() && stored_text.is_none();
    };
    if stored_text == Some(json) {
        return true;
    }
    let (mut own, mut other) = (Vec::new(), Vec::new());
    if properties::write(json, &mut own).is_err() {
        return false;
    }
    let other = match (get(field::PROPERTIES), stored_text) {
        (Some(RawBsonRef::Document(document)), _) => document.as_bytes(),
        (_, Some(text)) if properties::write(text, &mut other).is_ok() => &other,
        _ => return false,
    };
    if own == other {
        return true;
    }
    match (RawDocument::from_bytes(&own), RawDocument::from_bytes(other)) {
        (Ok(own), Ok(other)) => same_documents(own, other),
        _ => false,
    }
}

/// The same names with the same values, in whatever order.
fn same_documents(left: &RawDocument, right: &RawDocument) -> bool {
    let (Some(left), Some(right)) = (by_name(left), by_name(right)) else { return false };
    let same = |(left, right): (&(&str, RawBsonRef<'_>), &(&str, RawBsonRef<'_>))| {
        left.0 == right.0 && same_values(left.1, right.1)
    };
    left.len() == right.len() && left.iter().zip(&right).all(same)
}

fn by_name(document: &RawDocument) -> Option<Vec<(&str, RawBsonRef<'_>)>> {
    let mut elements = Vec::new();
    for pair in document {
        let (name, value) = pair.ok()?;
        elements.push((name.as_str(), value));
    }
    elements.sort_by_key(|element| element.0);
    Some(elements)
}

fn same_values(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> bool {
    match (left, right) {
        (RawBsonRef::Document(left), RawBsonRef::Document(right)) => same_documents(left, right),
        (RawBsonRef::Array(left), RawBsonRef::Array(right)) => {
            let (mut left, mut right) = (left.into_iter(), right.into_iter());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return true,
                    (Some(Ok(left)), Some(Ok(right))) if same_values(left, right) => {}
                    _ => return false,
                }
            }
        }
        _ => match (decimal_of(left), decimal_of(right)) {
            // A zero is a zero, whatever its sign.
            (Some(left), Some(right)) => left == right || left.coefficient == 0 && right.coefficient == 0,
            _ => left == right,
        },
    }
}
