use std::{cmp::Ordering, str::FromStr};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Order, QueryError, cursor};
use crate::event::{Currency, MoneySum, Timestamp};

/// Which users, in which order.
#[derive(Debug, Clone)]
pub struct UsersQuery {
    /// Only ids that begin so.
    pub prefix: String,
    /// By what.
    pub sort: UserSort,
    /// Ties go by user id, ascending.
    pub order: Order,
    /// Currency by which `UserSort::Revenue` compares.
    pub currency: Currency,
    /// How many at most.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<UsersCursor>,
}

impl UsersQuery {
    /// Which of two users comes first, by the value that they are sorted by, and their ids.
    pub(crate) fn rank(&self, left: (i128, &str), right: (i128, &str)) -> Ordering {
        match self.sort {
            UserSort::UserId => self.order.apply(left.1.cmp(right.1)),
            _ => self.order.apply(left.0.cmp(&right.0)).then_with(|| left.1.cmp(right.1)),
        }
    }
}

/// The hundred users who came last.
impl Default for UsersQuery {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            sort: UserSort::LastSeen,
            order: Order::Descending,
            currency: Currency::USD,
            limit: 100,
            cursor: None,
        }
    }
}

/// What users can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(rename_all = "camelCase"))]
pub enum UserSort {
    /// Their id.
    UserId,
    /// Their first event.
    FirstSeen,
    /// Their last event.
    LastSeen,
    /// How many events.
    Events,
    /// How many orders.
    Orders,
    /// How much they spent in one currency.
    Revenue,
}

impl UserSort {
    /// The name in a query string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserId => "userId",
            Self::FirstSeen => "firstSeen",
            Self::LastSeen => "lastSeen",
            Self::Events => "events",
            Self::Orders => "orders",
            Self::Revenue => "revenue",
        }
    }
}

impl FromStr for UserSort {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::UserId, Self::FirstSeen, Self::LastSeen, Self::Events, Self::Orders, Self::Revenue]
            .into_iter()
            .find(|sort| sort.as_str() == text)
            .ok_or_else(|| QueryError::new("sort", "must be userId, firstSeen, lastSeen, events, orders or revenue"))
    }
}

/// The last user of a page; the next page begins behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersCursor {
    /// The value that it was sorted by (milliseconds, a count, or millionths; 0 for `UserSort::UserId`).
    pub value: i128,
    /// Its id.
    pub user_id: String,
}

const KIND: &str = "users";

impl UsersCursor {
    /// What [`UsersQuery::rank`] compares.
    pub(crate) fn key(&self) -> (i128, &str) {
        (self.value, &self.user_id)
    }

    /// As opaque text, bound to the sort and order of the query that it comes from,
    /// and to the currency where users are sorted by revenue.
    pub fn encode(&self, sort: UserSort, order: Order, currency: Currency) -> String {
        cursor::encode(KIND, &binding(sort, order, &currency), &[&self.value, &self.user_id])
    }

    /// Reads what [`encode`](Self::encode) made; refuses a cursor that is bound to anything else.
    pub fn decode(text: &str, sort: UserSort, order: Order, currency: Currency) -> Result<Self, QueryError> {
        let [value, user_id] = cursor::decode(text, KIND, &binding(sort, order, &currency))?;
        Ok(Self { value: cursor::field(&value)?, user_id })
    }
}

fn binding(sort: UserSort, order: Order, currency: &Currency) -> [&str; 3] {
    let currency = if sort == UserSort::Revenue { currency.as_str() } else { "" };
    [sort.as_str(), order.as_str(), currency]
}

/// A page of users, as a store gives it. [`UsersQuery::answer`] makes its wire shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsersPage {
    /// In the order asked for.
    pub users: Vec<UserRow>,
    /// How many users the prefix selects, over all pages.
    pub total: u64,
    /// Where the next page begins, if there is more.
    pub next: Option<UsersCursor>,
}

/// A page of users on the wire: `{"users": [...], "total", "nextCursor"?}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Users {
    /// In the order asked for.
    pub users: Vec<UserRow>,
    /// How many users the prefix selects, over all pages.
    pub total: u64,
    /// Where the next page begins, if there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl UsersQuery {
    /// The wire shape of a page that answers this query.
    pub fn answer(&self, page: UsersPage) -> Users {
        let UsersPage { users, total, next } = page;
        let next_cursor = next.map(|next| next.encode(self.sort, self.order, self.currency));
        Users { users, total, next_cursor }
    }
}

/// What is known of one user, over all events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserRow {
    /// Who.
    pub user_id: String,
    /// Time of the first event.
    pub first_seen: Timestamp,
    /// Time of the last event.
    pub last_seen: Timestamp,
    /// How many events.
    pub events: u64,
    /// How many sessions.
    pub sessions: u64,
    /// How many purchases.
    pub orders: u64,
    /// What they spent, by currency, ordered by its code.
    pub revenue: Vec<CurrencyAmount>,
}

/// An exact sum of money in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurrencyAmount {
    /// Which.
    pub currency: Currency,
    /// How much, as a decimal string with at least the decimals of the currency by ISO 4217: none for JPY, three for KWD.
    pub amount: MoneySum,
}

impl Serialize for CurrencyAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut amount = serializer.serialize_struct("CurrencyAmount", 2)?;
        amount.serialize_field("currency", &self.currency)?;
        amount.serialize_field("amount", &self.amount.in_currency(self.currency).to_string())?;
        amount.end()
    }
}
