use std::fmt;

use serde::{Serialize, Serializer};

use super::{EventId, EventType};

/// An event that is not taken: what was wrong, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EventError {
    /// For programs.
    pub code: ErrorCode,
    /// Dotted path of the field (`properties.total`), where one is to blame.
    pub field: Option<String>,
    /// For people. Input that it quotes is cut to a short piece.
    pub message: String,
    /// The id of the event, where it could be read.
    pub event_id: Option<EventId>,
    /// The type of the event, where it could be read and is taken.
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

/// What kind of fault an [`EventError`] is; on the wire the [name](Self::as_str).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `malformed_json`: the text is not JSON (`NaN` and `Infinity` are not either).
    MalformedJson,
    /// `invalid_utf8`: the text is not UTF-8.
    InvalidUtf8,
    /// `empty_batch`: a body without a single event.
    EmptyBatch,
    /// `too_many_events`: more events in one body than are taken at once.
    TooManyEvents,
    /// `event_too_large`: the JSON of one event is longer than [`MAX_EVENT_BYTES`](super::MAX_EVENT_BYTES).
    EventTooLarge,
    /// `too_deep`: objects and arrays are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// `duplicate_key`: an object names the same key twice.
    DuplicateKey,
    /// `unknown_field`: an event has no such field.
    UnknownField,
    /// `missing_field`: a required field is absent, or null.
    MissingField,
    /// `wrong_type`: the value is of another JSON type than the field takes.
    WrongType,
    /// `empty_value`: an empty text, or one of white space, where there must be one.
    EmptyValue,
    /// `not_an_id`: `undefined`, `null`, `NaN` or `[object ...]`, which JavaScript makes of a missing value, as an id.
    NotAnId,
    /// `too_long`: a text of too many characters.
    TooLong,
    /// `invalid_character`: a character that is not allowed here.
    InvalidCharacter,
    /// `unknown_type`: this event type is not taken.
    UnknownType,
    /// `invalid_time`: not a time, or not one that can be told for certain.
    InvalidTime,
    /// `occurred_at_too_early`: before 1970.
    OccurredAtTooEarly,
    /// `occurred_at_too_old`: longer ago than a [public](super::Sender::is_public) sender may say.
    OccurredAtTooOld,
    /// `occurred_at_in_future`: more than a day after its arrival.
    OccurredAtInFuture,
    /// `invalid_amount`: not a decimal number, or out of range.
    InvalidAmount,
    /// `invalid_currency`: not a currency code.
    InvalidCurrency,
}

impl ErrorCode {
    /// The name that stands on the wire.
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

/// A piece of input for an error message: at most 64 characters of it, without control characters.
pub(crate) fn excerpt(input: &str) -> String {
    const LIMIT: usize = 64;
    let mut chars = input.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut text: String = chars.by_ref().take(LIMIT).collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}
