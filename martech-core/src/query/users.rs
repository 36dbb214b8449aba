use std::{cmp::Ordering, str::FromStr};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Order, QueryError, cursor};
use crate::{
    event::{Currency, MoneySum, Timestamp},
    setters::setters,
};

/// A query for users and their statistics.
///
/// ```
/// use martech_core::query::{UserSort, UsersQuery};
///
/// let best = UsersQuery::default().sort(UserSort::Revenue).limit(10);
/// assert!(best.cursor.is_none());
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UsersQuery {
    /// Prefix of the user ids to include. Includes all if empty.
    pub prefix: String,
    /// Sort key.
    pub sort: UserSort,
    /// Sort order. Ties are ordered by user id, ascending.
    pub order: Order,
    /// Currency that `UserSort::Revenue` compares.
    pub currency: Currency,
    /// Maximum number of users.
    pub limit: usize,
    /// The `next` of the previous page.
    pub cursor: Option<UsersCursor>,
}

impl UsersQuery {
    /// Compares two users by their sort values and ids.
    pub(crate) fn rank(&self, left: (i128, &str), right: (i128, &str)) -> Ordering {
        match self.sort {
            UserSort::UserId => self.order.apply(left.1.cmp(right.1)),
            _ => self.order.apply(left.0.cmp(&right.0)).then_with(|| left.1.cmp(right.1)),
        }
    }
}

/// Requests the hundred users who were seen last.
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

setters! {
    UsersQuery {
        prefix: into String,
        sort: UserSort,
        order: Order,
        currency: Currency,
        limit: usize,
        cursor: into Option<UsersCursor>,
    }
}

/// The key that users are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(rename_all = "camelCase"))]
pub enum UserSort {
    /// User id.
    UserId,
    /// Time of the first event.
    FirstSeen,
    /// Time of the last event.
    LastSeen,
    /// Number of events.
    Events,
    /// Number of orders.
    Orders,
    /// Revenue in one currency.
    Revenue,
}

impl UserSort {
    /// Returns the name used in a query string.
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

/// The position of the last user of a page. The next page begins after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersCursor {
    /// Sort value of the user (milliseconds, a count, or millionths; 0 for `UserSort::UserId`).
    pub value: i128,
    /// Id of the user.
    pub user_id: String,
}

const KIND: &str = "users";

impl UsersCursor {
    /// Returns the pair that [`UsersQuery::rank`] compares.
    pub(crate) fn key(&self) -> (i128, &str) {
        (self.value, &self.user_id)
    }

    /// Encodes the cursor as opaque text, bound to the sort and order of its query, and to the currency if users are
    /// sorted by revenue.
    pub fn encode(&self, sort: UserSort, order: Order, currency: Currency) -> String {
        cursor::encode(KIND, &binding(sort, order, &currency), &[&self.value, &self.user_id])
    }

    /// Decodes the output of [`encode`](Self::encode).
    ///
    /// # Errors
    /// Fails for text that is not a cursor, and for a cursor with another binding or of another kind of query.
    pub fn decode(text: &str, sort: UserSort, order: Order, currency: Currency) -> Result<Self, QueryError> {
        let [value, user_id] = cursor::decode(text, KIND, &binding(sort, order, &currency))?;
        Ok(Self { value: cursor::field(&value)?, user_id })
    }
}

fn binding(sort: UserSort, order: Order, currency: &Currency) -> [&str; 3] {
    let currency = if sort == UserSort::Revenue { currency.as_str() } else { "" };
    [sort.as_str(), order.as_str(), currency]
}

/// A page of users, as a store returns it. [`UsersQuery::answer`] converts it to its wire shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsersPage {
    /// Users in the requested order.
    pub users: Vec<UserRow>,
    /// Number of users that match the prefix, over all pages.
    pub total: u64,
    /// Start of the next page, if there is one.
    pub next: Option<UsersCursor>,
}

/// A page of users: `{"users": [...], "total", "nextCursor"?}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Users {
    /// Users in the requested order.
    pub users: Vec<UserRow>,
    /// Number of users that match the prefix, over all pages.
    pub total: u64,
    /// Cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl UsersQuery {
    /// Converts a page that answers this query to its wire shape.
    pub fn answer(&self, page: UsersPage) -> Users {
        let UsersPage { users, total, next } = page;
        let next_cursor = next.map(|next| next.encode(self.sort, self.order, self.currency));
        Users { users, total, next_cursor }
    }
}

/// The statistics of one user, over all events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UserRow {
    /// The user id.
    pub user_id: String,
    /// Time of the first event.
    pub first_seen: Timestamp,
    /// Time of the last event.
    pub last_seen: Timestamp,
    /// Number of events.
    pub events: u64,
    /// Number of sessions.
    pub sessions: u64,
    /// Number of purchases.
    pub orders: u64,
    /// Revenue by currency, ordered by currency code.
    pub revenue: Vec<CurrencyAmount>,
}

/// An exact sum of money in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurrencyAmount {
    /// Currency code.
    pub currency: Currency,
    /// Amount as a decimal string with at least the decimals of the currency by ISO 4217: none for JPY, three for KWD.
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
