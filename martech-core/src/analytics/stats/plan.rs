use super::compared::compared;
use crate::{
    analytics::{Calendar, Row},
    query::{QueryError, StatsQuery, TimeRange},
};

/// A validated statistics query: its buckets, the compared period, and what to read.
#[derive(Debug, Clone)]
pub struct StatsPlan {
    pub(super) query: StatsQuery,
    pub(super) current: Planned,
    pub(super) compared: Option<Planned>,
    spans: Vec<TimeRange>,
}

/// A period and its buckets.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) range: TimeRange,
    pub(super) calendar: Calendar,
}

impl StatsPlan {
    /// Validates a query.
    ///
    /// # Errors
    /// Fails if the range is empty, leaves the years -9999 to 9999, or has more than
    /// [`MAX_BUCKETS`](crate::analytics::MAX_BUCKETS) buckets, or if the calendar has no year before it to compare
    /// with.
    pub fn new(query: &StatsQuery) -> Result<Self, QueryError> {
        let (interval, week) = (query.interval, query.week_start);
        let calendar = Calendar::new(query.range, interval, week, &query.tz)?;
        let current = Planned { range: query.range, calendar };
        let compared = match compared(query)? {
            Some(range) => Some(Planned { range, calendar: Calendar::compared(range, interval, week, &query.tz)? }),
            None => None,
        };
        let spans = joined(compared.as_ref().map(|compared| compared.range), query.range);
        Ok(Self { query: query.clone(), current, compared, spans })
    }

    /// Returns the period that the range is [compared](StatsQuery::compare) with. It begins before the range. It may be
    /// empty at the edge of the calendar.
    pub fn compared(&self) -> Option<TimeRange> {
        self.compared.as_ref().map(|compared| compared.range)
    }

    /// Returns the spans of time to read, one or two, in order: the compared period and the range. They are apart from
    /// each other, and none is empty.
    pub fn spans(&self) -> &[TimeRange] {
        &self.spans
    }
}

impl Planned {
    /// Returns those of a user's rows, which are in time order, that lie in the period.
    pub(super) fn rows<'a>(&self, rows: &'a [Row]) -> &'a [Row] {
        let before = |time: crate::event::Timestamp| rows.partition_point(|row| row.occurred_at < time.millis());
        let (begin, end) = (before(self.range.from), before(self.range.to));
        &rows[begin..end]
    }
}

/// Joins the spans of a period and of the range after it if nothing is between them.
fn joined(compared: Option<TimeRange>, range: TimeRange) -> Vec<TimeRange> {
    match compared {
        Some(compared) if compared.to < range.from && compared.from < compared.to => vec![compared, range],
        Some(compared) if range.from <= compared.to => vec![TimeRange { from: compared.from, ..range }],
        _ => vec![range],
    }
}
