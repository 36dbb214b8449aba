use std::{collections::BTreeMap, str::FromStr};

use jiff::tz::TimeZone;
use serde::Serialize;

use super::{CurrencyAmount, Interval, LocalTime, QueryError, TimeRange, WeekStart};
use crate::setters::setters;

/// A query for the statistics of a shop over a range of time.
///
/// ```
/// use martech_core::query::{Compare, Interval, StatsQuery, TimeRange, parse_instant, parse_time_zone};
///
/// let tz = parse_time_zone("Europe/Berlin")?;
/// let range =
///     TimeRange { from: parse_instant("from", "2026-11-01", &tz)?, to: parse_instant("to", "2026-12-01", &tz)? };
/// let query = StatsQuery::new(range).tz(tz).interval(Interval::Week).compare(Compare::PreviousYear);
/// # Ok::<(), martech_core::query::QueryError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StatsQuery {
    /// The time range.
    pub range: TimeRange,
    /// The time zone of local days.
    pub tz: TimeZone,
    /// Width of the buckets of the series.
    pub interval: Interval,
    /// The first day of a week, for [`Interval::Week`].
    pub week_start: WeekStart,
    /// The period to compare the range with.
    pub compare: Compare,
}

impl StatsQuery {
    /// Creates a query for the statistics of a range, by days in UTC, compared with the previous period.
    pub fn new(range: TimeRange) -> Self {
        Self {
            range,
            tz: TimeZone::UTC,
            interval: Interval::Day,
            week_start: WeekStart::default(),
            compare: Compare::default(),
        }
    }
}

setters! {
    StatsQuery {
        tz: TimeZone,
        interval: Interval,
        week_start: WeekStart,
        compare: Compare,
    }
}

/// The period that a range is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Compare {
    /// The local days before, as many as the range has. If the range ends within its last day, the period ends at the
    /// same time of its last day. If the range does not begin at local midnight, the period is the same duration before
    /// the range.
    #[default]
    PreviousPeriod,
    /// The same local dates and times one year earlier.
    ///
    /// February 29 has no counterpart. A range that begins on it is compared from February 28 on. A range that ends on
    /// it is compared up to the same time on March 1, so that February 28 is not lost; or on February 28, if the range
    /// begins on the same day.
    ///
    /// The period overlaps a range that is longer than a year. Events in both count in both.
    PreviousYear,
    /// No period.
    None,
}

impl FromStr for Compare {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "previousPeriod" => Ok(Self::PreviousPeriod),
            "previousYear" => Ok(Self::PreviousYear),
            "none" => Ok(Self::None),
            _ => Err(QueryError::new("compare", "must be previousPeriod, previousYear or none")),
        }
    }
}

/// Statistics over a range, the same statistics for the compared period, and breakdowns.
///
/// A *session* is a `sessionId` of one user or, for events that have none, a run of a user's events with no gap over 30
/// minutes. An *order* is a `purchase`. Distinct counts are exact.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Stats {
    /// Inclusive start of the range.
    pub from: LocalTime,
    /// Exclusive end of the range.
    pub to: LocalTime,
    /// Name of the time zone, or its UTC offset if it has no IANA name.
    pub tz: String,
    /// Width of the buckets of `series`.
    pub interval: Interval,
    /// Totals over the whole range.
    pub totals: Totals,
    /// Totals and series of the period that the range is compared with. Absent if it is compared with none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<ComparedPeriod>,
    /// Counts by event type, most events first, then by name.
    pub by_type: Vec<TypeRow>,
    /// One entry per bucket in time order, including empty buckets.
    pub series: Vec<SeriesBucket>,
    /// The most frequent pages, products and search terms.
    pub top: TopLists,
}

/// Totals over a span of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Totals {
    /// Number of events.
    pub events: u64,
    /// Distinct users with an event.
    pub users: u64,
    /// Users whose first event ever lies in the span.
    pub new_users: u64,
    /// Sessions with an event in the span.
    pub sessions: u64,
    /// Number of purchases.
    pub orders: u64,
    /// Sum of the order values, by currency.
    pub revenue: Vec<CurrencyAmount>,
    /// Average order value, by currency: revenue divided by the number of orders that have a value in the currency,
    /// rounded half to even to the millionth.
    pub average_order_value: Vec<CurrencyAmount>,
    /// Revenue per user, by currency: revenue divided by `users`, rounded half to even to the millionth.
    pub revenue_per_user: Vec<CurrencyAmount>,
    /// Conversion rate: sessions with at least one purchase in the span, divided by sessions, rounded to six decimals.
    /// Absent if there are no sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion: Option<f64>,
}

/// Statistics of the period that the range is compared with.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ComparedPeriod {
    /// Inclusive start of the period.
    pub from: LocalTime,
    /// Exclusive end of the period.
    pub to: LocalTime,
    /// Totals over the period.
    #[serde(flatten)]
    pub totals: Totals,
    /// One entry per bucket in time order, including empty buckets. The buckets are made as those of the range, so
    /// their number can differ: a period can have one more month or, when clocks change, one more hour.
    pub series: Vec<ComparedBucket>,
}

/// Counts of one event type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TypeRow {
    /// Name of the event type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Number of events.
    pub events: u64,
    /// Distinct users with such an event.
    pub users: u64,
}

/// Totals of one bucket of the period that the range is compared with. There are no counts by event type.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ComparedBucket {
    /// Start of the bucket in the calendar. The first bucket may start before the period; only events in the period are
    /// counted.
    pub start: LocalTime,
    /// Totals of the bucket.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Totals of one bucket.
///
/// A session counts in the bucket of its first event in the range, so the sessions of the buckets add up to the total.
/// The conversion of a bucket is that of the sessions which count in it: an order counts even if it comes in a later
/// bucket of the range. All other figures are those of the events in the bucket.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SeriesBucket {
    /// Start of the bucket in the calendar. The first bucket may start before the range; only events in the range are
    /// counted.
    pub start: LocalTime,
    /// Totals of the bucket.
    #[serde(flatten)]
    pub totals: Totals,
    /// Number of events by type. Types without events in the bucket are left out.
    pub by_type: BTreeMap<String, u64>,
}

/// The most frequent pages, products and search terms: ten of each, ties by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopLists {
    /// Pages by views.
    pub pages: Vec<PageRow>,
    /// Products by events.
    pub products: Vec<ProductRow>,
    /// Search terms by searches.
    pub searches: Vec<SearchRow>,
    /// Present and true if the distinct names of a kind exceed a memory limit of 32 MiB, so that some are not counted
    /// in these lists.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

/// Counts of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PageRow {
    /// The page.
    pub page: String,
    /// Number of its `page_view` events.
    pub views: u64,
    /// Distinct users who viewed it.
    pub users: u64,
}

/// Counts of one product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProductRow {
    /// The product.
    pub product: String,
    /// Number of events of any type that name the product.
    pub events: u64,
    /// Number of purchases that name the product.
    pub orders: u64,
    /// Distinct users with such an event.
    pub users: u64,
}

/// Counts of one search term.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SearchRow {
    /// The search term.
    pub term: String,
    /// Number of its `search` events.
    pub searches: u64,
    /// Distinct users who searched for it.
    pub users: u64,
}
