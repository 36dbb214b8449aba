use serde_json::{Map, Value};

use super::{Event, EventError, EventId, EventRules, EventType, Timestamp};

/// Builds an event in Rust. The builder produces JSON and parses it like any other event, so the same rules apply.
///
/// ```
/// use martech_core::event::{Event, EventRules, EventType};
///
/// let event = Event::builder("u1", EventType::PURCHASE)
///     .session_id("visit-7")
///     .property("total", "12.50")
///     .property("items", 3)
///     .build(&EventRules::default())?;
/// assert_eq!(event.facts.order_value.unwrap().to_string(), "12.50");
/// # Ok::<(), martech_core::event::EventError>(())
/// ```
#[derive(Debug, Clone)]
pub struct EventBuilder {
    fields: Map<String, Value>,
    properties: Map<String, Value>,
    received_at: Option<Timestamp>,
}

impl EventBuilder {
    /// Starts an event of a known user.
    pub fn new(user_id: impl Into<String>, event_type: EventType) -> Self {
        Self::of_type(event_type).field("userId", user_id)
    }

    /// Starts an event on a device whose user is not known.
    pub fn anonymous(anonymous_id: impl Into<String>, event_type: EventType) -> Self {
        Self::of_type(event_type).anonymous_id(anonymous_id)
    }

    /// Sets the id. Generated if not set.
    #[must_use]
    pub fn id(self, id: EventId) -> Self {
        self.field("eventId", id.to_string())
    }

    /// Sets the time of the event. Defaults to the time of arrival.
    #[must_use]
    pub fn occurred_at(self, time: Timestamp) -> Self {
        self.field("occurredAt", time.to_string())
    }

    /// Sets the time of arrival. Defaults to now.
    #[must_use]
    pub fn received_at(mut self, time: Timestamp) -> Self {
        self.received_at = Some(time);
        self
    }

    /// Sets the device or browser.
    #[must_use]
    pub fn anonymous_id(self, id: impl Into<String>) -> Self {
        self.field("anonymousId", id)
    }

    /// Sets the visit.
    #[must_use]
    pub fn session_id(self, id: impl Into<String>) -> Self {
        self.field("sessionId", id)
    }

    /// Adds a property. The last value of a name wins. Pass money as a decimal string; a float that is not finite (such
    /// as `NaN`) becomes `null`.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// Validates the event and extracts its facts.
    ///
    /// # Errors
    /// Fails under the same conditions as [`EventRules::parse`].
    pub fn build(mut self, rules: &EventRules) -> Result<Event, EventError> {
        if !self.properties.is_empty() {
            self.fields.insert("properties".to_owned(), Value::Object(self.properties));
        }
        let json = Value::Object(self.fields).to_string();
        rules.parse(&json, self.received_at.unwrap_or_else(Timestamp::now))
    }

    fn of_type(event_type: EventType) -> Self {
        let new = Self { fields: Map::new(), properties: Map::new(), received_at: None };
        new.field("type", event_type.as_str())
    }

    fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.insert(name.to_owned(), Value::String(value.into()));
        self
    }
}
