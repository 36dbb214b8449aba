use std::{borrow::Cow, num::NonZero};

use super::{
    Batch, Currency, ErrorCode, Event, EventError, EventId, EventIdError, EventType, EventTypes, InvalidTimestamp,
    MILLIS_PER_DAY, Sender, Timestamp,
    error::excerpt,
    facts::Candidates,
    id::{is_blank, is_placeholder},
    json::{BLANKS, Scanned, Scanner, Text, Value, replace_lone_surrogates},
};
use crate::setters::setters;

/// The maximum size of one event's JSON text, in bytes.
pub const MAX_EVENT_BYTES: usize = 32 * 1024;
/// The maximum nesting depth of objects and arrays in one event. The event itself is level one, `properties` is level
/// two.
pub const MAX_DEPTH: usize = 32;
/// The maximum length of a user, anonymous or session id, in characters.
pub const MAX_ID_CHARS: usize = 128;

/// How far in the future an event may lie, to tolerate wrong clocks and time zones.
const MAX_AHEAD_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// From this difference on, the sender's clock counts as wrong rather than its request as slow.
const SKEW_MILLIS: u64 = 60 * 1000;

/// Numbers below this (March 1973 as milliseconds, the year 5138 as seconds) are assumed to be seconds sent by mistake.
const SMALLEST_MILLIS: u64 = 100_000_000_000;

/// Accepted and ignored, so that the events of a journey can be sent again.
const IGNORED: &str = "receivedAt";
const FIELDS: &str = "eventId, userId, type, occurredAt, anonymousId, sessionId, properties";

/// The rules for parsing events: accepted types, default currency, maximum age.
///
/// ```
/// use martech_core::event::{EventRules, Timestamp};
///
/// let json = r#"{"userId": "u1", "type": "purchase", "occurredAt": "2026-11-22T10:15:00Z", "properties": {"total": 12.5}}"#;
/// let event = EventRules::default().parse(json, Timestamp::from_millis(1_795_400_000_000))?;
/// assert_eq!(event.facts.order_value.unwrap().to_string(), "12.50");
/// assert_eq!(event.facts.currency.unwrap().as_str(), "USD");
/// # Ok::<(), martech_core::event::EventError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRules {
    /// The accepted event types.
    pub types: EventTypes,
    /// The currency of orders that name none.
    pub currency: Currency,
    /// The maximum age of events from [public](Sender::is_public) senders, in days. Unlimited if `None`.
    pub public_days: Option<NonZero<u32>>,
}

/// Accepts the known types and events of any age. The currency is US dollars.
impl Default for EventRules {
    fn default() -> Self {
        Self { types: EventTypes::known(), currency: Currency::USD, public_days: None }
    }
}

setters! {
    EventRules {
        types: EventTypes,
        currency: Currency,
        public_days: into Option<NonZero<u32>>,
    }
}

impl EventRules {
    /// Parses one event of a [trusted](Sender::Trusted) sender from the text of a JSON object.
    ///
    /// # Errors
    /// Fails with the first fault found.
    pub fn parse(&self, json: &str, received_at: Timestamp) -> Result<Event, EventError> {
        self.parse_shifted(json, Receipt { sender: Sender::Trusted, received_at, shift: 0 })
    }

    /// Parses the events of a batch independently, in their order. The iterator is lazy: each event is parsed when it
    /// is reached.
    ///
    /// Ids from public senders are mapped [into a namespace](Sender::id).
    ///
    /// If `sentAt` differs from `received_at` by a minute or more, the sender's clock is assumed to be wrong by that
    /// much: every `occurredAt` is shifted by the difference and marked as estimated.
    pub fn parse_batch(
        &self,
        batch: &Batch<'_>,
        received_at: Timestamp,
        sender: Sender,
    ) -> impl ExactSizeIterator<Item = Result<Event, EventError>> {
        let off = batch.sent_at.map_or(0, |sent_at| received_at.millis().saturating_sub(sent_at.millis()));
        let shift = if off.unsigned_abs() >= SKEW_MILLIS { off } else { 0 };
        let receipt = Receipt { sender, received_at, shift };
        let items = batch.items.iter();
        items.map(move |item| item.clone().and_then(|json| self.parse_shifted(json, receipt)))
    }

    fn parse_shifted(&self, json: &str, receipt: Receipt) -> Result<Event, EventError> {
        let json = json.trim_matches(BLANKS);
        check_size(json.len())?;
        let mut draft = Draft::default();
        let scanned = draft.scan(json);
        let id = event_id(draft.event_id).map(|id| id.map(|id| receipt.sender.id(id)));
        let known_id = id.as_ref().ok().copied().flatten();
        let event_type = draft.event_type;
        let event = match scanned {
            Ok(()) => id.and_then(|id| self.event(Fields { id, ..draft.fields()? }, receipt)),
            Err(error) => Err(*error),
        };
        event.map_err(|error| {
            let name = string("type", event_type).ok().flatten();
            let event_type = name.and_then(|name| self.types.get(&name));
            EventError { event_id: known_id, event_type, ..error }
        })
    }

    /// Checks the fields of an event and extracts its facts.
    pub(super) fn event(&self, fields: Fields<'_>, receipt: Receipt) -> Result<Event, EventError> {
        let identifier = |field, id: Option<_>| id.map(|id| identifier(field, id)).transpose();
        let user_id = identifier("userId", fields.user_id)?;
        let anonymous_id = identifier("anonymousId", fields.anonymous_id)?;
        let session_id = identifier("sessionId", fields.session_id)?;
        let user_id = user_id.or_else(|| anonymous_id.clone()).ok_or_else(|| {
            EventError::new(ErrorCode::MissingField, "an event needs a userId, or at least an anonymousId").at("userId")
        })?;
        let event_type = self.event_type(fields.event_type)?;
        let Receipt { received_at, shift, sender } = receipt;
        let explicit = fields.occurred_at.map(|sent| occurred_at(sent, receipt, self.public_days)).transpose()?;
        let facts = fields.candidates.facts(&event_type, self.currency, sender)?;
        Ok(Event {
            id: fields.id.unwrap_or_else(EventId::new_v7),
            user_id,
            event_type,
            occurred_at: explicit.unwrap_or(received_at),
            estimated_time: explicit.is_none() || shift != 0,
            received_at,
            anonymous_id,
            session_id,
            properties: fields.properties,
            facts,
        })
    }

    fn event_type(&self, name: Option<Cow<'_, str>>) -> Result<EventType, EventError> {
        const FIELD: &str = "type";
        let Some(name) = name else {
            return Err(EventError::new(ErrorCode::MissingField, "an event needs a type, such as page_view").at(FIELD));
        };
        let unknown = || EventError::new(ErrorCode::UnknownType, self.types.refusal(&name)).at(FIELD);
        self.types.get(&name).ok_or_else(unknown)
    }
}

/// The sender and arrival time of an event, and the correction of the sender's clock in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt {
    pub(super) sender: Sender,
    pub(super) received_at: Timestamp,
    pub(super) shift: i64,
}

/// The fields of an event. They have the right types, and their content is not checked yet.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) id: Option<EventId>,
    pub(super) user_id: Option<Cow<'a, str>>,
    pub(super) event_type: Option<Cow<'a, str>>,
    pub(super) occurred_at: Option<Timestamp>,
    pub(super) anonymous_id: Option<Cow<'a, str>>,
    pub(super) session_id: Option<Cow<'a, str>>,
    /// The text of a JSON object.
    pub(super) properties: Option<String>,
    pub(super) candidates: Candidates<'a>,
}

/// The fields of an event, as slices of the text.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    event_id: Value<'a>,
    user_id: Value<'a>,
    event_type: Value<'a>,
    occurred_at: Value<'a>,
    anonymous_id: Value<'a>,
    session_id: Value<'a>,
    properties: Value<'a>,
    candidates: Candidates<'a>,
    /// Whether the properties may hold a lone surrogate.
    halves: bool,
    /// The first unknown field.
    unknown: Option<Text<'a>>,
}

impl<'a> Draft<'a> {
    /// Scans the event once. After an error, the fields before it are set.
    pub(super) fn scan(&mut self, json: &'a str) -> Scanned<()> {
        let mut scanner = Scanner::strict(json, MAX_DEPTH);
        if scanner.enter(b'{')?.is_none() {
            let value = scanner.value()?;
            scanner.end()?;
            let message = format!("an event must be a JSON object, not {}", value.kind());
            return Err(Box::new(EventError::new(ErrorCode::WrongType, message)));
        }
        while let Some(name) = scanner.next_key()? {
            let field = match &*name.text() {
                "eventId" => &mut self.event_id,
                "userId" => &mut self.user_id,
                "type" => &mut self.event_type,
                "occurredAt" => &mut self.occurred_at,
                "anonymousId" => &mut self.anonymous_id,
                "sessionId" => &mut self.session_id,
                "properties" => {
                    self.scan_properties(&mut scanner)?;
                    continue;
                }
                other => {
                    if other != IGNORED {
                        self.unknown.get_or_insert(name);
                    }
                    scanner.value()?;
                    continue;
                }
            };
            *field = scanner.value()?;
        }
        scanner.end()
    }

    fn scan_properties(&mut self, scanner: &mut Scanner<'a>) -> Scanned<()> {
        let Some(start) = scanner.enter(b'{')? else {
            self.properties = scanner.value()?;
            return Ok(());
        };
        while let Some(name) = scanner.next_key()? {
            let value = scanner.value()?;
            self.candidates.note(&name.text(), value);
        }
        self.properties = Value::Object(scanner.since(start));
        self.halves = scanner.has_halves();
        Ok(())
    }

    /// Returns the fields, without the id.
    pub(super) fn fields(self) -> Result<Fields<'a>, EventError> {
        if let Some(name) = self.unknown {
            let name = excerpt(&name.text());
            let message = format!("unknown field {name:?}; the fields of an event are {FIELDS}");
            return Err(EventError::new(ErrorCode::UnknownField, message).at(name));
        }
        Ok(Fields {
            id: None,
            user_id: string("userId", self.user_id)?,
            event_type: string("type", self.event_type)?,
            occurred_at: timestamp("occurredAt", self.occurred_at)?,
            anonymous_id: string("anonymousId", self.anonymous_id)?,
            session_id: string("sessionId", self.session_id)?,
            properties: match self.properties {
                Value::Null => None,
                Value::Object(text) if self.halves => Some(replace_lone_surrogates(text).into_owned()),
                Value::Object(text) => Some(text.to_owned()),
                other => return Err(wrong_type("properties", "a JSON object", other)),
            },
            candidates: self.candidates,
        })
    }
}

/// Checks the number of bytes that an event has as JSON.
pub(super) fn check_size(bytes: usize) -> Result<(), EventError> {
    if bytes <= MAX_EVENT_BYTES {
        return Ok(());
    }
    let message = format!("an event has at most {MAX_EVENT_BYTES} bytes of JSON; this one has {bytes}");
    Err(EventError::new(ErrorCode::EventTooLarge, message))
}

fn event_id(value: Value<'_>) -> Result<Option<EventId>, EventError> {
    const FIELD: &str = "eventId";
    let Some(text) = string(FIELD, value)? else { return Ok(None) };
    EventId::from_text(&text).map(Some).map_err(|error| {
        let code = match error {
            EventIdError::TooLong => ErrorCode::TooLong,
            EventIdError::Empty | EventIdError::Nil => ErrorCode::EmptyValue,
            EventIdError::Placeholder => ErrorCode::NotAnId,
        };
        EventError::new(code, error.to_string()).at(FIELD)
    })
}

/// Checks a `userId`, `anonymousId` or `sessionId`.
fn identifier(field: &str, text: Cow<'_, str>) -> Result<String, EventError> {
    let refuse = |code, why: &str| Err(EventError::new(code, format!("{field} {why}")).at(field));
    if is_blank(&text) {
        return refuse(ErrorCode::EmptyValue, "must not be empty or blank; leave it out if it is not known");
    }
    if is_placeholder(&text) {
        let why =
            format!("is {text:?}, which JavaScript produces from a missing value; leave it out if it is not known");
        return refuse(ErrorCode::NotAnId, &why);
    }
    if text.len() > MAX_ID_CHARS && text.chars().nth(MAX_ID_CHARS).is_some() {
        return refuse(ErrorCode::TooLong, &format!("has at most {MAX_ID_CHARS} characters"));
    }
    if text.chars().any(char::is_control) {
        return refuse(ErrorCode::InvalidCharacter, "must not contain control characters");
    }
    if text.trim().len() != text.len() {
        return refuse(ErrorCode::InvalidCharacter, "must not begin or end with white space");
    }
    Ok(text.into_owned())
}

fn string<'a>(field: &str, value: Value<'a>) -> Result<Option<Cow<'a, str>>, EventError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.text())),
        other => Err(wrong_type(field, "a string", other)),
    }
}

pub(super) fn wrong_type(field: &str, right: &str, value: Value<'_>) -> EventError {
    EventError::new(ErrorCode::WrongType, format!("{field} must be {right}, not {}", value.kind())).at(field)
}

/// Corrects and checks the time of an event.
fn occurred_at(sent: Timestamp, receipt: Receipt, public_days: Option<NonZero<u32>>) -> Result<Timestamp, EventError> {
    const FIELD: &str = "occurredAt";
    let Receipt { sender, received_at, shift } = receipt;
    let time = Timestamp::from_millis(sent.millis().saturating_add(shift));
    let corrected = if shift == 0 { "" } else { ", after the correction by sentAt," };
    if time.millis() < 0 {
        let message = format!("{FIELD} is {time}{corrected} and must not be before 1970-01-01T00:00:00.000Z");
        return Err(EventError::new(ErrorCode::OccurredAtTooEarly, message).at(FIELD));
    }
    if let Some(days) = public_days.filter(|_| sender.is_public())
        && time.millis() < received_at.millis().saturating_sub(i64::from(days.get()) * MILLIS_PER_DAY)
    {
        let message = format!(
            "{FIELD} is {time}{corrected} and must be at most {days} days before {received_at}, when the event was \
             received; older events need a secret key"
        );
        return Err(EventError::new(ErrorCode::OccurredAtTooOld, message).at(FIELD));
    }
    if time.millis() > received_at.millis().saturating_add(MAX_AHEAD_MILLIS) {
        let message = format!(
            "{FIELD} is {time}{corrected} and must be at most 24 hours after {received_at}, when the event was received"
        );
        return Err(EventError::new(ErrorCode::OccurredAtInFuture, message).at(FIELD));
    }
    Ok(time)
}

/// Parses a time: RFC 3339, or milliseconds since 1970 as a number or a string of digits.
pub(super) fn timestamp(field: &str, value: Value<'_>) -> Result<Option<Timestamp>, EventError> {
    let refuse = |input: &str, why: &str| {
        Err(EventError::new(ErrorCode::InvalidTime, format!("{field} is {:?}: {why}", excerpt(input))).at(field))
    };
    let text = match value {
        Value::Number(number) => Cow::Borrowed(number),
        other => match string(field, other)? {
            Some(text) => text,
            None => return Ok(None),
        },
    };
    if let Some(millis) = millis(&text) {
        if millis.unsigned_abs() < SMALLEST_MILLIS {
            return refuse(&text, "too small for milliseconds since 1970; seconds must be multiplied by 1000");
        }
        return Ok(Some(Timestamp::from_millis(millis)));
    }
    text.parse()
        .map(Some)
        .or_else(|error: InvalidTimestamp| refuse(&text, &format!("{error}, nor milliseconds since 1970")))
}

/// Parses a whole number. A fraction, which the clocks of some languages produce, is truncated.
fn millis(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let number = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    whole.parse().ok().filter(|_| number)
}

#[cfg(test)]
mod tests;
