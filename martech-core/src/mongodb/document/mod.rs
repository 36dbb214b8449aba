//! Conversion between events and documents. The format is the [table](super#the-document) in the parent module.

mod bson;
mod number;
mod properties;
mod same;

use mongodb::bson::{RawBsonRef, RawDocument};

pub(super) use self::{
    number::Decimal,
    properties::{Content, Unfit},
    same::is_resend,
};
use crate::{
    analytics::{Row, Symbol, Symbols, session_key},
    event::{Currency, Event, EventId, EventType, Facts, Money, Timestamp},
};

pub(super) use self::bson::{ARRAY, DOCUMENT, INT64, begin, boolean, end, name, position, string};

/// Field names.
pub(super) mod field {
    pub(crate) const ID: &str = "_id";
    pub(crate) const USER: &str = "userId";
    pub(crate) const TYPE: &str = "type";
    pub(crate) const OCCURRED: &str = "occurredAt";
    pub(crate) const RECEIVED: &str = "receivedAt";
    pub(crate) const ANONYMOUS: &str = "anonymousId";
    pub(crate) const SESSION: &str = "sessionId";
    pub(crate) const VALUE: &str = "orderValue";
    pub(crate) const MICROS: &str = "orderValueMicros";
    pub(crate) const CURRENCY: &str = "currency";
    pub(crate) const PAGE: &str = "page";
    pub(crate) const PRODUCT: &str = "product";
    pub(crate) const SEARCH: &str = "searchTerm";
    pub(crate) const PROPERTIES: &str = "properties";
    pub(crate) const PROPERTIES_TEXT: &str = "propertiesText";
}

/// How properties are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As a document.
    Document,
    /// As their JSON text, for servers that refuse something in the document.
    Text,
}

/// Writes an event as a document. Without `decimals`, no Decimal128 is written. On error the caller must truncate
/// `out`.
pub(super) fn write(event: &Event, form: Form, decimals: bool, out: &mut Vec<u8>) -> Result<Content, Unfit> {
    let mark = begin(out);
    bson::uuid(out, field::ID, event.id);
    string(out, field::USER, &event.user_id);
    string(out, field::TYPE, event.event_type.as_str());
    bson::date(out, field::OCCURRED, event.occurred_at.millis());
    bson::date(out, field::RECEIVED, event.received_at.millis());
    let facts = &event.facts;
    for (name, text) in [(field::ANONYMOUS, &event.anonymous_id), (field::SESSION, &event.session_id)] {
        text.iter().for_each(|text| string(out, name, text));
    }
    if let Some(value) = facts.order_value.filter(|_| !decimals) {
        bson::int64(out, field::MICROS, value.micros());
    } else if let Some(value) = facts.order_value {
        let bits = Decimal::of_micros(value.micros().into()).money_bits();
        bson::decimal(out, field::VALUE, bits.expect("an i64 has fewer digits than a Decimal128"));
    }
    facts.currency.iter().for_each(|currency| string(out, field::CURRENCY, currency.as_str()));
    for (name, text) in [(field::PAGE, &facts.page), (field::PRODUCT, &facts.product), (field::SEARCH, &facts.search)] {
        text.iter().for_each(|text| string(out, name, text));
    }
    let mut content = Content::Plain;
    if let Some(json) = &event.properties {
        let start = out.len();
        if form == Form::Document {
            name(out, DOCUMENT, field::PROPERTIES);
            content = properties::write(json, out)?;
        }
        if form == Form::Text || content == Content::Decimal && !decimals {
            out.truncate(start);
            string(out, field::PROPERTIES_TEXT, json);
            content = Content::Plain;
        }
    }
    end(out, mark);
    Ok(content)
}

/// Error for a document that is not an event.
#[derive(Debug, Clone)]
pub(super) struct NotAnEvent {
    /// The document's `_id` if it is readable, otherwise `unknown`.
    pub(super) id: String,
    pub(super) why: String,
}

/// Reads a whole event. Unknown fields are ignored.
pub(super) fn read(document: &RawDocument) -> Result<Event, NotAnEvent> {
    event(document).map_err(|why| not_an_event(document, why))
}

fn not_an_event(document: &RawDocument, why: String) -> NotAnEvent {
    let id = match document.get(field::ID) {
        Ok(Some(RawBsonRef::Binary(id))) => uuid::Uuid::from_slice(id.bytes).ok().map(|id| id.to_string()),
        Ok(Some(id)) => Some(format!("{id:?}")),
        _ => None,
    };
    NotAnEvent { id: id.unwrap_or_else(|| "unknown".to_owned()), why }
}

fn event(document: &RawDocument) -> Result<Event, String> {
    let (mut id, mut user_id, mut event_type, mut occurred_at, mut received_at) = (None, None, None, None, None);
    let (mut anonymous_id, mut session_id, mut json, mut facts) = (None, None, None, Facts::default());
    for element in document {
        let (name, value) = element.map_err(|error| error.to_string())?;
        let name = name.as_str();
        match name {
            field::ID => id = Some(id_of(value).ok_or("_id is not a UUID")?),
            field::USER => user_id = Some(owned(name, value)?),
            field::TYPE => {
                event_type = Some(EventType::parse(&owned(name, value)?).map_err(|error| error.to_string())?)
            }
            field::OCCURRED => occurred_at = Some(time(name, value)?),
            field::RECEIVED => received_at = Some(time(name, value)?),
            field::ANONYMOUS => anonymous_id = Some(owned(name, value)?),
            field::SESSION => session_id = Some(owned(name, value)?),
            field::VALUE => facts.order_value = Some(money(value)?),
            field::MICROS => facts.order_value = Some(micros(value)?),
            field::CURRENCY => facts.currency = Some(currency(value)?),
            field::PAGE => facts.page = Some(owned(name, value)?),
            field::PRODUCT => facts.product = Some(owned(name, value)?),
            field::SEARCH => facts.search = Some(owned(name, value)?),
            field::PROPERTIES => {
                let document = value.as_document().ok_or("properties is not a document")?;
                json = Some(properties::read(document).map_err(|error| format!("properties: {error}"))?);
            }
            field::PROPERTIES_TEXT => json = Some(owned(name, value)?),
            _ => {}
        }
    }
    let missing = |name: &str| format!("{name} is missing");
    Ok(Event {
        id: id.ok_or_else(|| missing(field::ID))?,
        user_id: user_id.ok_or_else(|| missing(field::USER))?,
        event_type: event_type.ok_or_else(|| missing(field::TYPE))?,
        occurred_at: occurred_at.ok_or_else(|| missing(field::OCCURRED))?,
        estimated_time: false,
        received_at: received_at.ok_or_else(|| missing(field::RECEIVED))?,
        anonymous_id,
        session_id,
        properties: json,
        facts,
    })
}

/// Returns the sort key of a document: the event's time and its id.
pub(super) fn time_and_id(document: &RawDocument) -> Result<(Timestamp, EventId), NotAnEvent> {
    let (mut at, mut id) = (None, None);
    for element in document {
        let Ok((name, value)) = element else { break };
        match name.as_str() {
            field::ID => id = id_of(value),
            field::OCCURRED => at = time(field::OCCURRED, value).ok(),
            _ => continue,
        }
        if let (Some(at), Some(id)) = (at, id) {
            return Ok((at, id));
        }
    }
    Err(not_an_event(document, "_id is not a UUID, or occurredAt is not a date".to_owned()))
}

/// Returns a document's user id and its row for statistics. The document may be a projection to those fields.
pub(super) fn row<'a>(document: &'a RawDocument, symbols: &mut Symbols) -> Result<(&'a str, Row), NotAnEvent> {
    let mut figures = || -> Result<_, String> {
        let (mut user, mut at, mut event_type, mut money_of, mut currency_of) = (None, None, None, 0, Symbol::NONE);
        let mut row = Row::new(0, Symbol::NONE);
        for element in document {
            let (name, value) = element.map_err(|error| error.to_string())?;
            let name = name.as_str();
            match name {
                field::USER => user = Some(text(name, value)?),
                field::OCCURRED => at = Some(time(name, value)?),
                field::TYPE => event_type = Some(symbols.types.intern(text(name, value)?)),
                field::SESSION => row.session = session_key(text(name, value)?),
                field::VALUE => money_of = money(value)?.micros(),
                field::MICROS => money_of = micros(value)?.micros(),
                field::CURRENCY => currency_of = symbols.currencies.intern(currency(value)?),
                field::PAGE => row.page = symbols.pages.intern(text(name, value)?),
                field::PRODUCT => row.product = symbols.products.intern(text(name, value)?),
                field::SEARCH => row.search = symbols.searches.intern(text(name, value)?),
                _ => {}
            }
        }
        row.occurred_at = at.ok_or("occurredAt is missing")?.millis();
        row.event_type = event_type.ok_or("type is missing")?;
        (row.order_value, row.currency) = (money_of, currency_of);
        Ok((user.ok_or("userId is missing")?, row))
    };
    figures().map_err(|why| not_an_event(document, why))
}

/// Reads an event id from a binary value of 16 bytes.
pub(super) fn id_of(value: RawBsonRef<'_>) -> Option<EventId> {
    Some(EventId::from_bytes(value.as_binary()?.bytes.try_into().ok()?))
}

/// Converts a number of any BSON type exactly.
pub(super) fn decimal_of(value: RawBsonRef<'_>) -> Option<Decimal> {
    match value {
        RawBsonRef::Int32(number) => Some(Decimal::new(number < 0, number.unsigned_abs().into(), 0)),
        RawBsonRef::Int64(number) => Some(Decimal::new(number < 0, number.unsigned_abs().into(), 0)),
        RawBsonRef::Double(number) => Decimal::of_double(number),
        RawBsonRef::Decimal128(number) => Decimal::of_bits(u128::from_le_bytes(number.bytes())),
        _ => None,
    }
}

fn text<'a>(name: &str, value: RawBsonRef<'a>) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("{name} is not a string"))
}

fn owned(name: &str, value: RawBsonRef<'_>) -> Result<String, String> {
    text(name, value).map(str::to_owned)
}

fn time(name: &str, value: RawBsonRef<'_>) -> Result<Timestamp, String> {
    let date = value.as_datetime().ok_or_else(|| format!("{name} is not a date"))?;
    Ok(Timestamp::from_millis(date.timestamp_millis()))
}

fn money(value: RawBsonRef<'_>) -> Result<Money, String> {
    let micros = decimal_of(value).and_then(Decimal::to_micros).and_then(|micros| i64::try_from(micros).ok());
    Ok(Money::from_micros(micros.ok_or("orderValue is not an amount of money")?))
}

fn micros(value: RawBsonRef<'_>) -> Result<Money, String> {
    let micros =
        decimal_of(value).and_then(|number| number.coefficient_at(0)).and_then(|micros| i64::try_from(micros).ok());
    Ok(Money::from_micros(micros.ok_or("orderValueMicros is not a whole number")?))
}

fn currency(value: RawBsonRef<'_>) -> Result<Currency, String> {
    text(field::CURRENCY, value)?.parse().map_err(|_| "currency is not a currency code".to_owned())
}

#[cfg(test)]
mod tests;
