//! Conversion of encoded rows to rows for analytics.

use std::sync::Arc;

use super::row;
use crate::{
    analytics::{Interner, Row, Symbol, Symbols, session_key},
    event::Currency,
};

/// Converts an event to a row for analytics.
pub(crate) fn to_row(row: &row::Row<'_>, symbols: &mut Symbols) -> Row {
    let text = |interner: &mut Interner<Arc<str>>, text: Option<&str>| match text {
        Some(text) => interner.intern(text),
        None => Symbol::NONE,
    };
    Row {
        occurred_at: row.occurred_at,
        session: row.session_id.map_or(0, session_key),
        order_value: row.order_value.unwrap_or(0),
        event_type: symbols.types.intern(row.event_type),
        currency: row.currency.map_or(Symbol::NONE, |code| currency_of(code, &mut symbols.currencies)),
        page: text(&mut symbols.pages, row.page),
        product: text(&mut symbols.products, row.product),
        search: text(&mut symbols.searches, row.search),
    }
}

pub(crate) fn currency_of(code: &str, currencies: &mut Interner<Currency>) -> Symbol {
    code.parse().map_or(Symbol::NONE, |currency| currencies.intern(currency))
}
