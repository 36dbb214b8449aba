//! Questions and answers: what a reader of events can ask, whatever store holds them, in their wire shapes.

use serde::Serialize;

use crate::event::{Currency, EventType, Timestamp};

/// A span of time: `from` inclusive, `to` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// First moment.
    pub from: Timestamp,
    /// First moment that is not in it.
    pub to: Timestamp,
}

/// Ascending or descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Smallest or oldest first.
    #[default]
    Ascending,
    /// Largest or newest first.
    Descending,
}

/// The events of one user, in time order.
#[derive(Debug, Clone)]
pub struct JourneyQuery {
    /// Whose.
    pub user_id: String,
    /// Only events in this span; `None` for an open side.
    pub from: Option<Timestamp>,
    /// Exclusive end.
    pub to: Option<Timestamp>,
    /// Only these types; all when empty.
    pub types: Vec<EventType>,
    /// By `occurredAt`, then by event id.
    pub order: Order,
    /// How many at most.
    pub limit: usize,
    /// `next_cursor` of the page before.
    pub cursor: Option<JourneyCursor>,
}

/// The last event of a page; the next page begins behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JourneyCursor {
    /// Its time.
    pub occurred_at: Timestamp,
    /// Its id.
    pub event_id: crate::event::EventId,
}

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
    /// `next_cursor` of the page before.
    pub cursor: Option<UsersCursor>,
}

/// What users can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// The last user of a page; the next page begins behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersCursor {
    /// The value that it was sorted by (milliseconds, a count, or millionths; 0 for `UserSort::UserId`).
    pub value: i128,
    /// Its id.
    pub user_id: String,
}

/// A bucket of a time series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Interval {
    /// Clock hours.
    Hour,
    /// Calendar days.
    Day,
    /// Weeks that begin on Monday.
    Week,
    /// Calendar months.
    Month,
}

/// The figures of a shop over a span of time.
#[derive(Debug, Clone)]
pub struct StatsQuery {
    /// What is counted.
    pub range: TimeRange,
    /// Where days begin and end.
    pub tz: jiff::tz::TimeZone,
    /// Buckets of the series.
    pub interval: Interval,
}

/// A page of a journey.
#[derive(Debug, Clone, Default)]
pub struct JourneyPage {
    /// In the order asked for.
    pub events: Vec<crate::event::Event>,
    /// Where the next page begins, if there is more.
    pub next: Option<JourneyCursor>,
}

/// A page of users.
#[derive(Debug, Clone, Default)]
pub struct UsersPage {}

/// Figures.
#[derive(Debug, Clone, Default)]
pub struct Stats {}
