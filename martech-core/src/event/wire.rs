use std::{borrow::Cow, io};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::{Event, EventId, EventType, Timestamp};

/// Serializes the event as a journey shows it, for JSON:
/// `{"eventId", "type", "occurredAt", "receivedAt", "sessionId"?, "anonymousId"?, "properties"?}`.
/// The user is left out, because a journey names its user once. The properties are the text received.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_with(None, self.properties.as_deref(), serializer)
    }
}

/// An event with its user, for JSON: the fields of a journey, and `userId` after `eventId`. The JSON has no line breaks.
#[derive(Debug, Clone, Copy)]
pub struct UserEvent<'a>(pub &'a Event);

impl Serialize for UserEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(event) = self;
        event.serialize_with(Some(&event.user_id), event.properties_line().as_deref(), serializer)
    }
}

impl Event {
    fn serialize_with<S: Serializer>(
        &self,
        user_id: Option<&str>,
        properties: Option<&str>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("eventId", &self.id)?;
        if let Some(user_id) = user_id {
            map.serialize_entry("userId", user_id)?;
        }
        map.serialize_entry("type", &self.event_type)?;
        map.serialize_entry("occurredAt", &self.occurred_at)?;
        map.serialize_entry("receivedAt", &self.received_at)?;
        if let Some(id) = &self.session_id {
            map.serialize_entry("sessionId", id)?;
        }
        if let Some(id) = &self.anonymous_id {
            map.serialize_entry("anonymousId", id)?;
        }
        if let Some(properties) = properties {
            let raw: &RawValue = serde_json::from_str(properties).map_err(serde::ser::Error::custom)?;
            map.serialize_entry("properties", raw)?;
        }
        map.end()
    }

    /// Returns the properties without line breaks. In JSON they occur only between tokens, so a space can replace them.
    fn properties_line(&self) -> Option<Cow<'_, str>> {
        self.properties.as_deref().map(|text| match text.contains(['\n', '\r']) {
            true => Cow::Owned(text.replace(['\n', '\r'], " ")),
            false => Cow::Borrowed(text),
        })
    }

    /// Writes the event as one line of NDJSON in the format that `POST /events` accepts, including the line break.
    ///
    /// # Errors
    /// Returns the errors of `out`. Returns `InvalidData` or `UnexpectedEof` if the event was not parsed and its
    /// properties are not JSON.
    pub fn write_ndjson(&self, mut out: impl io::Write) -> io::Result<()> {
        let properties = self.properties_line();
        let line = Line {
            event_id: self.id,
            user_id: &self.user_id,
            r#type: &self.event_type,
            occurred_at: self.occurred_at,
            anonymous_id: self.anonymous_id.as_deref(),
            session_id: self.session_id.as_deref(),
            properties: properties.as_deref().map(serde_json::from_str).transpose()?,
        };
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")
    }
}

/// The JSON form in which events are sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    event_id: EventId,
    user_id: &'a str,
    r#type: &'a EventType,
    occurred_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::event::{Event, EventRules, EventType, Timestamp, UserEvent};

    #[test]
    fn event_with_its_user_has_the_fields_of_a_journey_in_one_line() {
        let event = Event::builder("u", EventType::SEARCH).anonymous_id("a").session_id("s");
        let mut event = event.property("query", "boots").build(&EventRules::default()).unwrap();
        event.properties = Some("{\"query\":\r\n\"boots\\n\"}".to_owned());
        let line = serde_json::to_string(&UserEvent(&event)).unwrap();
        assert!(!line.contains(['\n', '\r']), "{line}");
        let mut expected = serde_json::to_value(&event).unwrap();
        expected["userId"] = json!("u");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
    }

    #[test]
    fn ndjson_line_parses_back_to_the_same_event() {
        let rules = EventRules::default();
        let received_at = Timestamp::from_millis(1_760_000_100_000);
        let json = r#"{"userId":"u","anonymousId":"a","sessionId":"s","type":"purchase","occurredAt":1760000000000,
            "properties":{"total": 12.50,
                "note":"two\nlines", "huge":1e999}}"#;
        let event = rules.parse(json, received_at).unwrap();
        let mut line = Vec::new();
        event.write_ndjson(&mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        let mut again = rules.parse(line.trim_end(), received_at).unwrap();
        again.properties = event.properties.clone();
        assert_eq!(again, event);
        assert!(line.contains(r#""huge":1e999"#) && line.contains(r#""total": 12.50"#));
    }
}
