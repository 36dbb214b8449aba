use std::fmt;

use serde::{Serialize, Serializer};

use super::{EventId, EventType};

/// An error returned for an event that is rejected. The message says what was wrong, where, and what would be valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EventError {
    /// The error code, for programs.
    pub code: ErrorCode,
    /// Dotted path of the field at fault (`properties.total`), if there is one.
    pub field: Option<String>,
    /// The message, for people. Input that it quotes is truncated.
    pub message: String,
    /// The id of the event, if it could be parsed.
    pub event_id: Option<EventId>,
    /// The type of the event, if it could be parsed and is accepted.
    pub event_type: Option<EventType>,
}

impl EventError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, field: None, message: message.into(), event_id: None, event_type: None }
    }

    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl From<Box<EventError>> for EventError {
    fn from(error: Box<EventError>) -> Self {
        *error
    }
}

/// The kind of fault of an [`EventError`], serialized as its [name](Self::as_str).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `malformed_json`: the text is not JSON. `NaN` and `Infinity` are not JSON.
    MalformedJson,
    /// `invalid_utf8`: the text is not UTF-8.
    InvalidUtf8,
    /// `empty_batch`: the body has no events.
    EmptyBatch,
    /// `too_many_events`: the body has more events than the limit.
    TooManyEvents,
    /// `event_too_large`: the JSON of one event is longer than [`MAX_EVENT_BYTES`](super::MAX_EVENT_BYTES).
    EventTooLarge,
    /// `too_deep`: objects and arrays are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// `duplicate_key`: an object has the same key twice.
    DuplicateKey,
    /// `unknown_field`: events have no such field.
    UnknownField,
    /// `missing_field`: a required field is absent or null.
    MissingField,
    /// `wrong_type`: the field does not accept a value of this JSON type.
    WrongType,
    /// `empty_value`: the text is empty or only white space, or the id is the nil UUID.
    EmptyValue,
    /// `not_an_id`: the id is `undefined`, `null`, `NaN` or `[object ...]`, which JavaScript produces from a missing
    /// value.
    NotAnId,
    /// `too_long`: the text has too many characters.
    TooLong,
    /// `invalid_character`: the text has a character that is not allowed there.
    InvalidCharacter,
    /// `unknown_type`: the event type is not accepted.
    UnknownType,
    /// `invalid_time`: the value is not a time, or is ambiguous.
    InvalidTime,
    /// `occurred_at_too_early`: the time is before 1970.
    OccurredAtTooEarly,
    /// `occurred_at_too_old`: the time is older than a [public](super::Sender::is_public) sender may report.
    OccurredAtTooOld,
    /// `occurred_at_in_future`: the time is more than a day after arrival.
    OccurredAtInFuture,
    /// `invalid_amount`: the value is not a decimal number, or is out of range.
    InvalidAmount,
    /// `invalid_currency`: the value is not a currency code, or not one that the sender may use.
    InvalidCurrency,
}

impl ErrorCode {
    /// Returns the name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::EmptyBatch => "empty_batch",
            Self::TooManyEvents => "too_many_events",
            Self::EventTooLarge => "event_too_large",
            Self::TooDeep => "too_deep",
            Self::DuplicateKey => "duplicate_key",
            Self::UnknownField => "unknown_field",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::EmptyValue => "empty_value",
            Self::NotAnId => "not_an_id",
            Self::TooLong => "too_long",
            Self::InvalidCharacter => "invalid_character",
            Self::UnknownType => "unknown_type",
            Self::InvalidTime => "invalid_time",
            Self::OccurredAtTooEarly => "occurred_at_too_early",
            Self::OccurredAtTooOld => "occurred_at_too_old",
            Self::OccurredAtInFuture => "occurred_at_in_future",
            Self::InvalidAmount => "invalid_amount",
            Self::InvalidCurrency => "invalid_currency",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Returns at most 64 characters of input for an error message, with control characters replaced.
pub(crate) fn excerpt(input: &str) -> String {
    const LIMIT: usize = 64;
    let mut chars = input.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut text: String = chars.by_ref().take(LIMIT).collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}
