use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::{CurrencyAmount, Interval, LocalTime, TimeRange};

/// The figures of a shop over a span of time.
#[derive(Debug, Clone)]
pub struct StatsQuery {
    /// What is counted.
    pub range: TimeRange,
    /// Where days begin and end.
    pub tz: TimeZone,
    /// Buckets of the series.
    pub interval: Interval,
}

/// Figures over a range, the same figures for the period before, and what they are made of.
///
/// A *session* is a `sessionId` of one user or, among the events that have none, a user's run of events with no
/// gap over 30 minutes. An *order* is a `purchase`. Distinct counts are exact.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// First moment of the range.
    pub from: LocalTime,
    /// First moment that is not in it.
    pub to: LocalTime,
    /// Name of the time zone.
    pub tz: String,
    /// Width of the buckets of [`series`](Self::series).
    pub interval: Interval,
    /// Over the whole range.
    pub totals: Totals,
    /// The period before: as many local days when the range begins and ends at local midnights, else as long a time.
    pub previous: PreviousTotals,
    /// By event type, most events first, then by name.
    pub by_type: Vec<TypeRow>,
    /// One entry per bucket, empty ones too, in time order.
    pub series: Vec<SeriesBucket>,
    /// Most seen pages, products and searches.
    pub top: TopLists,
}

/// Figures over a span of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Events.
    pub events: u64,
    /// Distinct users with an event.
    pub users: u64,
    /// Users whose first event ever lies in the span.
    pub new_users: u64,
    /// Sessions with an event in the span.
    pub sessions: u64,
    /// Purchases.
    pub orders: u64,
    /// Sum of the order values, by currency.
    pub revenue: Vec<CurrencyAmount>,
    /// Per currency: revenue divided by the number of orders that have a value in it,
    /// rounded half to even to the millionth.
    pub average_order_value: Vec<CurrencyAmount>,
    /// Sessions with at least one purchase in the span, divided by sessions, rounded to six decimals;
    /// absent when there are no sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion: Option<f64>,
}

/// [`Totals`] of the period before.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PreviousTotals {
    /// First moment of the period.
    pub from: LocalTime,
    /// First moment that is not in it.
    pub to: LocalTime,
    /// Its figures.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Events of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TypeRow {
    /// Name of the type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Events.
    pub events: u64,
    /// Distinct users with such an event.
    pub users: u64,
}

/// Figures of one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SeriesBucket {
    /// Where the bucket begins in the calendar. The first may begin before the range; only what lies in the range
    /// is counted.
    pub start: LocalTime,
    /// Events.
    pub events: u64,
    /// Distinct users with an event in the bucket.
    pub users: u64,
    /// Users whose first event ever lies in the bucket.
    pub new_users: u64,
    /// Sessions whose first event in the range lies in the bucket; they add up to the total.
    pub sessions: u64,
    /// Purchases.
    pub orders: u64,
    /// Sum of the order values, by currency.
    pub revenue: Vec<CurrencyAmount>,
    /// Events by type; types without an event in the bucket are left out.
    pub by_type: BTreeMap<String, u64>,
}

/// The most frequent pages, products and searches: ten of each, ties by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TopLists {
    /// By views.
    pub pages: Vec<PageRow>,
    /// By events.
    pub products: Vec<ProductRow>,
    /// By searches.
    pub searches: Vec<SearchRow>,
    /// Present and true when the different names of a kind take so much memory
    /// ([`MAX_NAME_BYTES`](crate::analytics::MAX_NAME_BYTES)) that some are not counted in these lists.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageRow {
    /// Which.
    pub page: String,
    /// Its `page_view` events.
    pub views: u64,
    /// Distinct users who viewed it.
    pub users: u64,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProductRow {
    /// Which.
    pub product: String,
    /// Events of any type that name it.
    pub events: u64,
    /// Purchases that name it.
    pub orders: u64,
    /// Distinct users with such an event.
    pub users: u64,
}

/// A search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SearchRow {
    /// What was searched for.
    pub term: String,
    /// Its `search` events.
    pub searches: u64,
    /// Distinct users who searched for it.
    pub users: u64,
}
