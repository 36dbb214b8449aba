//! What the figures need of an event's properties, and where it is found.
//!
//! Only the top level of `properties` is looked at. Names are taken in the order in which they stand here, and the
//! first one that is present and not null counts.
//!
//! | fact | of events | names | value |
//! |---|---|---|---|
//! | order value | `purchase` | `revenue`, `total`, `value` | a number, or a string with a decimal number |
//! | currency | `purchase` with an order value | `currency` | a code like `USD`; without one, the configured currency |
//! | page | all | `page`, `path`, `url` | a string, or a number as its text |
//! | product | all | `productId`, `product_id`, `sku`, `product` | a string, or a number as its text |
//! | search term | `search` | `query`, `q`, `search`, `term` | a string, or a number as its text |
//!
//! - The currency of an event without a secret key must be a code of ISO 4217: figures are kept for each currency, and anybody can make codes up.
//! - An order value or a currency that is malformed rejects the event, since a figure would be wrong without a word.
//!   An order value has six decimals (what is finer is rounded half to even), may be negative, and is
//!   below a trillion.
//! - A page, product or search term that is empty or of another kind counts as absent, and the next name is tried.
//!   It is cut after 512 characters; the properties themselves keep all of it.

use std::str::FromStr;

use super::{Currency, ErrorCode, EventError, EventType, Money, Sender, error::excerpt, json::Value};

/// What the figures need of an event's properties, taken out once when it comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Value of the order, for a purchase.
    pub order_value: Option<Money>,
    /// Currency of `order_value`; there exactly when that is.
    pub currency: Option<Currency>,
    /// The page that was looked at.
    pub page: Option<String>,
    /// The product that it is about.
    pub product: Option<String>,
    /// What was searched for.
    pub search: Option<String>,
}

impl Facts {
    /// A page, product or search term is cut after this many characters.
    pub const MAX_CHARS: usize = 512;

    /// The properties that can hold the value of an order, first choice first.
    pub const ORDER_VALUE: [&'static str; 3] = [NAMES[0], NAMES[1], NAMES[2]];

    /// Whether a property of this name can hold a page, a product or a search term: a number there stands for its text.
    pub fn is_text(name: &str) -> bool {
        NAMES[PAGE.start..].contains(&name)
    }

    /// The properties that are taken for the same fact where they stand beside `name`.
    pub fn before(name: &str) -> &'static [&'static str] {
        let own = NAMES.iter().position(|candidate| *candidate == name);
        let facts = [ORDER_VALUE, PAGE, PRODUCT, SEARCH];
        let found = own.and_then(|own| Some((own, facts.into_iter().find(|names| names.contains(&own))?)));
        found.map_or(&[], |(own, names)| &NAMES[names.start..own])
    }
}

/// A fact and the properties that can hold it, first choice first.
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

/// The properties that facts can be in, noted while the event is read.
#[derive(Debug, Default)]
pub(super) struct Candidates<'a>([Value<'a>; NAMES.len()]);

impl<'a> Candidates<'a> {
    /// Keeps a property if it is of use.
    pub(super) fn note(&mut self, name: &str, value: Value<'a>) {
        if let Some(index) = NAMES.iter().position(|candidate| *candidate == name) {
            self.0[index] = value;
        }
    }

    /// Takes the facts out.
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
            let why = "ISO 4217 does not list it; other codes need a secret key".to_owned();
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

/// Why a property cannot be read, and what it says.
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

/// Reads a property of a string, or also of a number.
fn parse<T: FromStr<Err: ToString>>(value: Value<'_>, number: bool) -> Result<T, Malformed> {
    let text = match value {
        Value::String(text) => text.text(),
        Value::Number(text) if number => text.into(),
        other => {
            let why = if number { "it must be a number or a string with one" } else { "it must be a string" };
            return Err(Malformed { why: why.to_owned(), input: other.kind().to_owned() });
        }
    };
    text.parse().map_err(|error: T::Err| Malformed { why: error.to_string(), input: format!("{:?}", excerpt(&text)) })
}
