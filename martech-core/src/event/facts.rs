//! The properties that statistics are computed from, and the names under which they are found.
//!
//! Only the top level of `properties` is searched. Names are tried in the order of the table, and the first one that is
//! present and not null is used.
//!
//! | fact | event types | names | value |
//! |---|---|---|---|
//! | order value | `purchase` | `revenue`, `total`, `value` | a number, or a string with a decimal number |
//! | currency | `purchase` with an order value | `currency` | a code like `USD`; defaults to the configured currency |
//! | page | all | `page`, `path`, `url` | a string, or a number as its text |
//! | product | all | `productId`, `product_id`, `sku`, `product` | a string, or a number as its text |
//! | search term | `search` | `query`, `q`, `search`, `term` | a string, or a number as its text |
//!
//! - The currency of an event without a secret key must be an ISO 4217 code or the configured currency. Statistics are
//!   kept per currency, and anyone could invent codes.
//! - A malformed order value or currency rejects the event, because otherwise a sum would silently be wrong. An order
//!   value has six decimals (finer digits are rounded half to even), may be negative, and is below a trillion.
//! - A page, product or search term that is empty or of another JSON type counts as absent, and the next name is tried.
//!   The value is truncated to 512 characters; the properties keep all of it.

use std::str::FromStr;

use super::{Currency, ErrorCode, EventError, EventType, Money, Sender, error::excerpt, json::Value};

/// The facts that statistics need from an event's properties, extracted once on arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Value of the order, for a purchase.
    pub order_value: Option<Money>,
    /// Currency of `order_value`; present exactly when that is.
    pub currency: Option<Currency>,
    /// The page viewed.
    pub page: Option<String>,
    /// The product concerned.
    pub product: Option<String>,
    /// The search term.
    pub search: Option<String>,
}

impl Facts {
    /// The maximum length of a page, product or search term, in characters. Longer text is truncated.
    pub const MAX_CHARS: usize = 512;

    /// The properties that can hold an order value, in order of preference.
    pub const ORDER_VALUE: [&'static str; 3] = [NAMES[0], NAMES[1], NAMES[2]];

    /// Returns whether a property of this name can hold a page, a product or a search term. A number in such a property
    /// stands for its text.
    pub fn is_text(name: &str) -> bool {
        NAMES[PAGE.start..].contains(&name)
    }

    /// Returns the properties that take precedence over `name` for the same fact.
    pub fn before(name: &str) -> &'static [&'static str] {
        let own = NAMES.iter().position(|candidate| *candidate == name);
        let facts = [ORDER_VALUE, PAGE, PRODUCT, SEARCH];
        let found = own.and_then(|own| Some((own, facts.into_iter().find(|names| names.contains(&own))?)));
        found.map_or(&[], |(own, names)| &NAMES[names.start..own])
    }
}

/// The positions in `NAMES` of the properties that can hold a fact, in order of preference.
type Names = std::ops::Range<usize>;

static NAMES: [&str; 15] = [
    "revenue",
    "total",
    "value",    // ORDER_VALUE
    "currency", // CURRENCY
    "page",
    "path",
    "url", // PAGE
    "productId",
    "product_id",
    "sku",
    "product", // PRODUCT
    "query",
    "q",
    "search",
    "term", // SEARCH
];
const ORDER_VALUE: Names = 0..3;
const CURRENCY: usize = 3;
const PAGE: Names = 4..7;
const PRODUCT: Names = 7..11;
const SEARCH: Names = 11..15;

/// The properties that can hold facts, collected while the event is scanned.
#[derive(Debug, Default)]
pub(super) struct Candidates<'a>([Value<'a>; NAMES.len()]);

impl<'a> Candidates<'a> {
    /// Keeps a property if it can hold a fact.
    pub(super) fn note(&mut self, name: &str, value: Value<'a>) {
        if let Some(index) = NAMES.iter().position(|candidate| *candidate == name) {
            self.0[index] = value;
        }
    }

    /// Extracts the facts.
    pub(super) fn facts(
        &self,
        event_type: &EventType,
        configured: Currency,
        sender: Sender,
    ) -> Result<Facts, EventError> {
        let order_value = if *event_type == EventType::PURCHASE { self.order_value()? } else { None };
        let currency = order_value.map(|_| self.currency(configured, sender)).transpose()?;
        let search = if *event_type == EventType::SEARCH { self.text(SEARCH) } else { None };
        Ok(Facts { order_value, currency, page: self.text(PAGE), product: self.text(PRODUCT), search })
    }

    fn order_value(&self) -> Result<Option<Money>, EventError> {
        let Some(index) = ORDER_VALUE.into_iter().find(|index| self.0[*index] != Value::Null) else { return Ok(None) };
        parse(self.0[index], true).map(Some).map_err(|why| why.into_error(ErrorCode::InvalidAmount, NAMES[index]))
    }

    fn currency(&self, configured: Currency, sender: Sender) -> Result<Currency, EventError> {
        let value = match self.0[CURRENCY] {
            Value::Null => return Ok(configured),
            value => value,
        };
        let refuse = |why: Malformed| why.into_error(ErrorCode::InvalidCurrency, NAMES[CURRENCY]);
        let currency: Currency = parse(value, false).map_err(refuse)?;
        if sender.is_public() && currency != configured && Currency::iso_4217(currency.as_str()).is_err() {
            let why = "not listed in ISO 4217; other codes need a secret key".to_owned();
            return Err(refuse(Malformed { why, input: format!("{:?}", currency.as_str()) }));
        }
        Ok(currency)
    }

    fn text(&self, mut names: Names) -> Option<String> {
        let text = |value| match value {
            Value::String(text) => Some(cut(&text.text())),
            Value::Number(number) => Some(cut(number)),
            _ => None,
        };
        names.find_map(|index| text(self.0[index]).filter(|text| !text.is_empty()))
    }
}

fn cut(text: &str) -> String {
    let end = text.char_indices().nth(Facts::MAX_CHARS).map_or(text.len(), |(end, _)| end);
    text[..end].to_owned()
}

/// The reason that a property cannot be parsed, and its value.
struct Malformed {
    why: String,
    input: String,
}

impl Malformed {
    fn into_error(self, code: ErrorCode, name: &str) -> EventError {
        let field = format!("properties.{name}");
        EventError::new(code, format!("{field} is {}: {}", self.input, self.why)).at(field)
    }
}

/// Parses a string property or, if `number` is set, also a number.
fn parse<T: FromStr<Err: ToString>>(value: Value<'_>, number: bool) -> Result<T, Malformed> {
    let text = match value {
        Value::String(text) => text.text(),
        Value::Number(text) if number => text.into(),
        other => {
            let why = if number { "must be a number or a string with a number" } else { "must be a string" };
            return Err(Malformed { why: why.to_owned(), input: other.kind().to_owned() });
        }
    };
    text.parse().map_err(|error: T::Err| Malformed { why: error.to_string(), input: format!("{:?}", excerpt(&text)) })
}
