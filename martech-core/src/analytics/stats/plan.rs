use jiff::{ToSpan, civil::Date, tz::TimeZone};

use crate::{
    analytics::Calendar,
    event::Timestamp,
    query::{QueryError, StatsQuery, TimeRange, start_of_day},
};

/// A validated statistics query: its buckets and the previous period.
#[derive(Debug, Clone)]
pub struct StatsPlan {
    pub(super) query: StatsQuery,
    pub(super) previous: TimeRange,
    pub(super) calendar: Calendar,
}

impl StatsPlan {
    /// Validates a query.
    ///
    /// # Errors
    /// Fails if the range is empty, leaves the years -9999 to 9999, or has more than
    /// [`MAX_BUCKETS`](crate::analytics::MAX_BUCKETS) buckets.
    pub fn new(query: &StatsQuery) -> Result<Self, QueryError> {
        let calendar = Calendar::new(query.range, query.interval, &query.tz)?;
        let previous = TimeRange { from: previous_from(query.range, &query.tz), to: query.range.from };
        Ok(Self { query: query.clone(), previous, calendar })
    }

    /// Returns the previous period, which ends where the range begins. It has as many local days if the range begins
    /// and ends with a local day, and otherwise the same duration.
    pub fn previous(&self) -> TimeRange {
        self.previous
    }

    /// Returns the span to read: the previous period and the range.
    pub fn span(&self) -> TimeRange {
        TimeRange { from: self.previous.from, to: self.query.range.to }
    }
}

fn previous_from(range: TimeRange, tz: &TimeZone) -> Timestamp {
    let by_days = || {
        let (first, end) = (day_beginning_at(range.from, tz)?, day_beginning_at(range.to, tz)?);
        let days = first.until(end).ok()?.get_days();
        start_of_day(first.checked_sub(days.days()).ok()?, tz)
    };
    // If a place skipped whole days, the preceding days may not exist.
    by_days().filter(|from| *from < range.from).unwrap_or_else(|| {
        let (from, to) = (range.from.millis(), range.to.millis());
        Timestamp::from_millis((2 * from - to).max(jiff::Timestamp::MIN.as_millisecond()))
    })
}

fn day_beginning_at(time: Timestamp, tz: &TimeZone) -> Option<Date> {
    let date = tz.to_datetime(time.into()).date();
    (start_of_day(date, tz)? == time).then_some(date)
}
