use super::{row::Row, session::Sessions, symbols::Symbols};
use crate::{
    event::{Currency, MoneySum, Timestamp},
    query::{UserRow, UserSort},
};

/// What is known of one user, in a form that can be joined with that of other events of that user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSummary {
    /// Time of the first event.
    pub first_seen: Timestamp,
    /// Time of the last event.
    pub last_seen: Timestamp,
    /// How many events.
    pub events: u64,
    /// How many purchases.
    pub orders: u64,
    /// Sums of the order values, ascending by currency, each once.
    pub revenue: Vec<(Currency, MoneySum)>,
    /// Sessions.
    pub sessions: Sessions,
}

impl UserSummary {
    /// Of one user's events, which are in time order; `None` when there are none.
    pub fn from_rows(_rows: &[Row], _symbols: &Symbols) -> Option<Self> {
        unimplemented!()
    }

    /// Adds other events of the same user: the result is what all events together would have given.
    pub fn merge(&mut self, _other: &Self) {
        unimplemented!()
    }

    /// What was spent in one currency.
    pub fn revenue_in(&self, currency: Currency) -> MoneySum {
        let found = self.revenue.binary_search_by_key(&currency, |(currency, _)| *currency);
        found.map_or(MoneySum::default(), |index| self.revenue[index].1)
    }

    /// The value that users are sorted by, as [`UsersCursor`](crate::query::UsersCursor) has it.
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

    /// As an answer shows it.
    pub fn to_row(&self, _user_id: String) -> UserRow {
        unimplemented!()
    }
}
