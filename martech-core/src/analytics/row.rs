use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::symbols::{Interner, Symbol, Symbols};
use crate::event::{Event, Money};

/// The data that statistics need from one event, small and without strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Milliseconds since the epoch.
    pub occurred_at: i64,
    /// [`session_key`] of the session id; 0 when the event has none.
    pub session: u64,
    /// Millionths of `currency`; meaningless if that is [`Symbol::NONE`].
    pub order_value: i64,
    /// A symbol of [`Symbols::types`].
    pub event_type: Symbol,
    /// A symbol of [`Symbols::currencies`]; set exactly when the event has an order value.
    pub currency: Symbol,
    /// A symbol of [`Symbols::pages`].
    pub page: Symbol,
    /// A symbol of [`Symbols::products`].
    pub product: Symbol,
    /// A symbol of [`Symbols::searches`].
    pub search: Symbol,
}

impl Row {
    /// Creates a row with only a time and a type.
    pub const fn new(occurred_at: i64, event_type: Symbol) -> Self {
        Self {
            occurred_at,
            session: 0,
            order_value: 0,
            event_type,
            currency: Symbol::NONE,
            page: Symbol::NONE,
            product: Symbol::NONE,
            search: Symbol::NONE,
        }
    }

    /// Creates the row of an event, with its strings interned in `symbols`.
    pub fn of(event: &Event, symbols: &mut Symbols) -> Self {
        let facts = &event.facts;
        let symbol = |text: &Option<String>, interner: &mut Interner<Arc<str>>| {
            text.as_ref().map_or(Symbol::NONE, |text| interner.intern(text))
        };
        Self {
            occurred_at: event.occurred_at.millis(),
            session: event.session_id.as_deref().map_or(0, session_key),
            order_value: facts.order_value.map_or(0, Money::micros),
            event_type: symbols.types.intern(event.event_type.as_str()),
            currency: facts.currency.map_or(Symbol::NONE, |currency| symbols.currencies.intern(currency)),
            page: symbol(&facts.page, &mut symbols.pages),
            product: symbol(&facts.product, &mut symbols.products),
            search: symbol(&facts.search, &mut symbols.searches),
        }
    }

    /// Returns whether the event is an order.
    pub fn is_order(&self) -> bool {
        self.event_type == Symbols::PURCHASE
    }

    /// Returns the currency and the millionths of an order that has a value.
    pub(crate) fn value(&self) -> Option<(Symbol, i64)> {
        (self.is_order() && self.currency != Symbol::NONE).then_some((self.currency, self.order_value))
    }
}

/// Returns the key that stands for a session id among the sessions of one user: its XXH3-64 hash, never 0.
///
/// Two ids of one user collide with a probability of 2^-64.
pub fn session_key(session_id: &str) -> u64 {
    xxh3_64(session_id.as_bytes()).max(1)
}
