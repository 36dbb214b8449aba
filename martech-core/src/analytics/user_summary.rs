use super::{row::Row, session::Sessions, symbols::Symbols};
use crate::{
    event::{Currency, Money, MoneySum, Timestamp},
    query::{CurrencyAmount, UserRow, UserSort},
};

/// The aggregate of one user's events, which can be merged with that of other events of the same user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSummary {
    /// Time of the first event.
    pub first_seen: Timestamp,
    /// Time of the last event.
    pub last_seen: Timestamp,
    /// Number of events.
    pub events: u64,
    /// Number of purchases.
    pub orders: u64,
    /// Sums of the order values, one per currency, ascending by currency.
    pub revenue: Vec<(Currency, MoneySum)>,
    /// Sessions.
    pub sessions: Sessions,
}

impl UserSummary {
    /// Summarizes one user's events, which must be in time order. Returns `None` if there are none.
    ///
    /// # Panics
    /// Panics if an order's currency is not a symbol of `symbols`.
    pub fn from_rows(rows: &[Row], symbols: &Symbols) -> Option<Self> {
        let (first, last) = (rows.first()?, rows.last()?);
        let mut summary = Self {
            first_seen: Timestamp::from_millis(first.occurred_at),
            last_seen: Timestamp::from_millis(last.occurred_at),
            events: rows.len() as u64,
            orders: 0,
            revenue: Vec::new(),
            sessions: Sessions::from_rows(rows),
        };
        for row in rows.iter().filter(|row| row.is_order()) {
            summary.orders += 1;
            if let Some((currency, micros)) = row.value() {
                let currency = symbols.currencies.get(currency).expect("rows refer only to symbols of their own table");
                summary.add_revenue(*currency, Money::from_micros(micros).into());
            }
        }
        Some(summary)
    }

    /// Adds other events of the same user. The result equals the summary of all events together.
    pub fn merge(&mut self, other: &Self) {
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.events += other.events;
        self.orders += other.orders;
        for (currency, amount) in &other.revenue {
            self.add_revenue(*currency, *amount);
        }
        self.sessions.merge(&other.sessions);
    }

    fn add_revenue(&mut self, currency: Currency, amount: MoneySum) {
        match self.revenue.binary_search_by_key(&currency, |(currency, _)| *currency) {
            Ok(index) => self.revenue[index].1 += amount,
            Err(index) => self.revenue.insert(index, (currency, amount)),
        }
    }

    /// Returns the revenue in one currency.
    pub fn revenue_in(&self, currency: Currency) -> MoneySum {
        let found = self.revenue.binary_search_by_key(&currency, |(currency, _)| *currency);
        found.map_or(MoneySum::default(), |index| self.revenue[index].1)
    }

    /// Returns the value that users are sorted by, as used in [`UsersCursor`](crate::query::UsersCursor).
    pub fn sort_value(&self, sort: UserSort, currency: Currency) -> i128 {
        match sort {
            UserSort::UserId => 0,
            UserSort::FirstSeen => self.first_seen.millis().into(),
            UserSort::LastSeen => self.last_seen.millis().into(),
            UserSort::Events => self.events.into(),
            UserSort::Orders => self.orders.into(),
            UserSort::Revenue => self.revenue_in(currency).micros(),
        }
    }

    /// Converts the summary to a row of an answer.
    pub fn to_row(&self, user_id: String) -> UserRow {
        UserRow {
            user_id,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            events: self.events,
            sessions: self.sessions.count(),
            orders: self.orders,
            revenue: self
                .revenue
                .iter()
                .map(|(currency, amount)| CurrencyAmount { currency: *currency, amount: *amount })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
