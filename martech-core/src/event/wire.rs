use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::Event;

/// An event as a journey shows it, meant for JSON:
/// `{"eventId", "type", "occurredAt", "receivedAt", "sessionId"?, "anonymousId"?, "properties"?}`.
/// The user is not in it: a journey names its user once. The properties are the text that came in.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("eventId", &self.id)?;
        map.serialize_entry("type", &self.event_type)?;
        map.serialize_entry("occurredAt", &self.occurred_at)?;
        map.serialize_entry("receivedAt", &self.received_at)?;
        if let Some(id) = &self.session_id {
            map.serialize_entry("sessionId", id)?;
        }
        if let Some(id) = &self.anonymous_id {
            map.serialize_entry("anonymousId", id)?;
        }
        if let Some(properties) = &self.properties {
            let raw: &RawValue = serde_json::from_str(properties).map_err(serde::ser::Error::custom)?;
            map.serialize_entry("properties", raw)?;
        }
        map.end()
    }
}
