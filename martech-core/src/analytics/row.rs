use xxhash_rust::xxh3::xxh3_64;

use super::symbols::{Symbol, Symbols};

/// What the figures need of one event, small and without strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Milliseconds since the epoch.
    pub occurred_at: i64,
    /// [`session_key`] of the session id; 0 when the event has none.
    pub session: u64,
    /// Millionths of `currency`; means nothing when that is [`Symbol::NONE`].
    pub order_value: i64,
    /// In [`Symbols::types`].
    pub event_type: Symbol,
    /// In [`Symbols::currencies`]; there exactly when the event has an order value.
    pub currency: Symbol,
    /// In [`Symbols::pages`].
    pub page: Symbol,
    /// In [`Symbols::products`].
    pub product: Symbol,
    /// In [`Symbols::searches`].
    pub search: Symbol,
}

impl Row {
    /// An event of a type at a time, of which nothing else is known.
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

    /// Whether it is an order.
    pub fn is_order(&self) -> bool {
        self.event_type == Symbols::PURCHASE
    }

    /// Currency and millionths, where it is an order that has a value.
    pub(crate) fn value(&self) -> Option<(Symbol, i64)> {
        (self.is_order() && self.currency != Symbol::NONE).then_some((self.currency, self.order_value))
    }
}

/// Stands for a session id among the sessions of one user: its XXH3, never 0.
///
/// Two ids of one user share a key with a chance of 2^-64.
pub fn session_key(session_id: &str) -> u64 {
    session_key_of(session_id.as_bytes())
}

/// [`session_key`] of a text that need not be looked at as one.
pub(crate) fn session_key_of(session_id: &[u8]) -> u64 {
    xxh3_64(session_id).max(1)
}
