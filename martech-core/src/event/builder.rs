use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Event, EventError, EventId, EventRules, EventType, Sender, Timestamp,
    parse::{Draft, Fields, Receipt, check_size},
};

/// Builds an event in Rust, under the same [rules](EventRules) as events from JSON.
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
    event_type: EventType,
    id: Option<EventId>,
    user_id: Option<String>,
    anonymous_id: Option<String>,
    session_id: Option<String>,
    occurred_at: Option<Timestamp>,
    received_at: Option<Timestamp>,
    properties: Map<String, Value>,
}

impl EventBuilder {
    /// Starts an event of a known user.
    pub fn new(user_id: impl Into<String>, event_type: EventType) -> Self {
        Self { user_id: Some(user_id.into()), ..Self::of_type(event_type) }
    }

    /// Starts an event on a device whose user is not known.
    pub fn anonymous(anonymous_id: impl Into<String>, event_type: EventType) -> Self {
        Self::of_type(event_type).anonymous_id(anonymous_id)
    }

    /// Sets the id. Generated if not set.
    #[must_use]
    pub fn id(mut self, id: EventId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets the time of the event. Defaults to the time of arrival.
    #[must_use]
    pub fn occurred_at(mut self, time: Timestamp) -> Self {
        self.occurred_at = Some(time);
        self
    }

    /// Sets the time of arrival. Defaults to now.
    #[must_use]
    pub fn received_at(mut self, time: Timestamp) -> Self {
        self.received_at = Some(time);
        self
    }

    /// Sets the device or browser.
    #[must_use]
    pub fn anonymous_id(mut self, id: impl Into<String>) -> Self {
        self.anonymous_id = Some(id.into());
        self
    }

    /// Sets the visit.
    #[must_use]
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
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
    pub fn build(self, rules: &EventRules) -> Result<Event, EventError> {
        let (id, event_type) = (self.id, self.event_type.clone());
        self.check(rules).map_err(|error| {
            let event_type = rules.types.get(event_type.as_str());
            EventError { event_id: id, event_type, ..error }
        })
    }

    fn check(self, rules: &EventRules) -> Result<Event, EventError> {
        let texts = [&self.user_id, &self.anonymous_id, &self.session_id].into_iter().flatten();
        let text_bytes = texts.map(String::len).sum::<usize>() + self.event_type.as_str().len();
        // Events are stored with their properties as JSON, and a path in an error begins with `properties`.
        let properties = match self.properties {
            none if none.is_empty() => "{}".to_owned(),
            some => format!("{{\"properties\":{}}}", Value::Object(some)),
        };
        check_size(properties.len() + text_bytes)?;
        let mut draft = Draft::default();
        draft.scan(&properties).map_err(|error| *error)?;
        let fields = Fields {
            id: self.id,
            user_id: self.user_id.map(Cow::Owned),
            anonymous_id: self.anonymous_id.map(Cow::Owned),
            session_id: self.session_id.map(Cow::Owned),
            event_type: Some(Cow::Borrowed(self.event_type.as_str())),
            occurred_at: self.occurred_at,
            ..draft.fields()?
        };
        let received_at = self.received_at.unwrap_or_else(Timestamp::now);
        rules.event(fields, Receipt { sender: Sender::Trusted, received_at, shift: 0 })
    }

    fn of_type(event_type: EventType) -> Self {
        Self {
            event_type,
            id: None,
            user_id: None,
            anonymous_id: None,
            session_id: None,
            occurred_at: None,
            received_at: None,
            properties: Map::new(),
        }
    }
}
