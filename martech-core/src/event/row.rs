//! The encoding of events in a journal and in the lake's hot table.
//!
//! A batch is a sequence of rows. Each row is the event id followed by the other fields in postcard's format
//! (variable-length integers, length-prefixed text).

use serde::{Deserialize, Serialize};

use super::{Currency, Event, EventId, EventType, Facts, Money, Timestamp};

/// An event in its stored form, with borrowed text.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Row<'a> {
    /// Encoded before the other fields, because serde would process it byte by byte.
    #[serde(skip)]
    pub(crate) id: [u8; 16],
    pub(crate) user_id: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) occurred_at: i64,
    pub(crate) received_at: i64,
    #[serde(borrow)]
    pub(crate) anonymous_id: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) session_id: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) properties: Option<&'a str>,
    /// In millionths.
    pub(crate) order_value: Option<i64>,
    #[serde(borrow)]
    pub(crate) currency: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) page: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) product: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) search: Option<&'a str>,
}

impl<'a> Row<'a> {
    /// Creates the row of an event.
    pub(crate) fn of(event: &'a Event) -> Self {
        Self {
            id: *event.id.0.as_bytes(),
            user_id: &event.user_id,
            event_type: event.event_type.as_str(),
            occurred_at: event.occurred_at.millis(),
            received_at: event.received_at.millis(),
            anonymous_id: event.anonymous_id.as_deref(),
            session_id: event.session_id.as_deref(),
            properties: event.properties.as_deref(),
            order_value: event.facts.order_value.map(Money::micros),
            currency: event.facts.currency.as_ref().map(Currency::as_str),
            page: event.facts.page.as_deref(),
            product: event.facts.product.as_deref(),
            search: event.facts.search.as_deref(),
        }
    }

    /// Appends the encoded row to `bytes`.
    pub(crate) fn encode(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.extend_from_slice(&self.id);
        postcard::to_extend(self, bytes).expect("writing a row to a vector cannot fail")
    }

    /// Fails if the row holds a type or a time that no event can have.
    pub(crate) fn check(&self) -> Result<(), BadRow> {
        self.parse_type()?;
        self.check_times()
    }

    fn parse_type(&self) -> Result<EventType, BadRow> {
        EventType::parse(self.event_type).map_err(|_| BadRow::Type(self.event_type.to_owned()))
    }

    fn check_times(&self) -> Result<(), BadRow> {
        match [self.occurred_at, self.received_at].into_iter().find(|time| !is_on_calendar(*time)) {
            Some(time) => Err(BadRow::Time(time)),
            None => Ok(()),
        }
    }

    /// Decodes the row at the start of `bytes`. Returns the row and the remaining bytes.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), postcard::Error> {
        let (id, rest) = take_id(bytes)?;
        let (row, rest) = postcard::take_from_bytes(rest)?;
        Ok((Self { id, ..row }, rest))
    }

    /// Converts the row to an event. Rows do not record whether the time is [estimated](Event::estimated_time); the
    /// result says that it is not.
    pub(crate) fn to_event(self) -> Result<Event, BadRow> {
        self.check_times()?;
        let event_type = self.parse_type()?;
        let currency = |text: &str| text.parse::<Currency>().map_err(|_| BadRow::Currency(text.to_owned()));
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Event {
            id: EventId::from_bytes(self.id),
            user_id: self.user_id.to_owned(),
            event_type,
            occurred_at: Timestamp::from_millis(self.occurred_at),
            estimated_time: false,
            received_at: Timestamp::from_millis(self.received_at),
            anonymous_id: owned(self.anonymous_id),
            session_id: owned(self.session_id),
            properties: owned(self.properties),
            facts: Facts {
                order_value: self.order_value.map(Money::from_micros),
                currency: self.currency.map(currency).transpose()?,
                page: owned(self.page),
                product: owned(self.product),
                search: owned(self.search),
            },
        })
    }
}

/// Splits the id off the start of a row.
pub(crate) fn take_id(bytes: &[u8]) -> Result<([u8; 16], &[u8]), postcard::Error> {
    let (id, rest) = bytes.split_first_chunk().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    Ok((*id, rest))
}

/// An error for bytes that are not the row of an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRow {
    #[error(transparent)]
    Encoding(#[from] postcard::Error),
    #[error("invalid event type {0:?}")]
    Type(String),
    #[error("invalid currency code {0:?}")]
    Currency(String),
    #[error("time {0} ms is outside the years -9999 to 9999")]
    Time(i64),
}

/// Returns whether a time in milliseconds has a date, so that its event can be written to the file of a day.
pub(crate) fn is_on_calendar(millis: i64) -> bool {
    jiff::Timestamp::from_millisecond(millis).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventRules;

    #[test]
    fn check_rejects_invalid_types_and_times() {
        let event = Event::builder("u", EventType::PURCHASE).build(&EventRules::default()).unwrap();
        let row = Row::of(&event);
        assert!(row.check().is_ok());
        assert!(matches!(Row { event_type: "no type", ..row }.check(), Err(BadRow::Type(_))));
        assert!(matches!(Row { occurred_at: i64::MIN, ..row }.check(), Err(BadRow::Time(_))));
        assert!(matches!(Row { received_at: i64::MAX, ..row }.check(), Err(BadRow::Time(_))));
    }
}
