//! The places in an event that a value of a record can fill.

use std::{fmt, str::FromStr};

/// A field of an event that takes a single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    EventId,
    UserId,
    Type,
    OccurredAt,
    AnonymousId,
    SessionId,
}

impl Field {
    pub(crate) const ALL: [Self; 6] =
        [Self::EventId, Self::UserId, Self::Type, Self::OccurredAt, Self::AnonymousId, Self::SessionId];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EventId => "eventId",
            Self::UserId => "userId",
            Self::Type => "type",
            Self::OccurredAt => "occurredAt",
            Self::AnonymousId => "anonymousId",
            Self::SessionId => "sessionId",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// A place in an event: a field, or a property by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A field of the event itself.
    Field(Field),
    /// A path below `properties`. The empty path is the whole object.
    Property(Vec<String>),
}

/// The text names no place in an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an event field; expected eventId, userId, type, occurredAt, anonymousId, sessionId, properties or properties.NAME"
)]
pub(crate) struct UnknownTarget(String);

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(field) = Field::named(text) {
            return Ok(Self::Field(field));
        }
        if text == "properties" {
            return Ok(Self::Property(Vec::new()));
        }
        match text.strip_prefix("properties.") {
            Some(path) if path.split('.').all(|name| !name.is_empty()) => {
                Ok(Self::Property(path.split('.').map(str::to_owned).collect()))
            }
            _ => Err(UnknownTarget(text.to_owned())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field.name()),
            Self::Property(path) => {
                f.write_str("properties")?;
                path.iter().try_for_each(|name| write!(f, ".{name}"))
            }
        }
    }
}
