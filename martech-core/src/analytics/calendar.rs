use jiff::{
    ToSpan,
    civil::Date,
    tz::{Offset, TimeZone},
};

use crate::{
    event::Timestamp,
    query::{Interval, QueryError, TimeRange, WeekStart, start_of_day},
};

/// The maximum number of buckets in a series.
pub const MAX_BUCKETS: usize = 10_000;
/// The maximum number of buckets of a compared period. It can have more than the range: the hours of a leap day, of
/// clock changes, and of a first and a last bucket that the range has in part.
const MAX_COMPARED: usize = MAX_BUCKETS + 100;

const HOUR_MILLIS: i64 = 3_600_000;

/// The buckets of a range in a time zone, following local clocks and calendars. Days have 23 or 25 hours when clocks
/// change, and months have 28 to 31 days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Start of each bucket in milliseconds, ascending. The first is not after the start of the range.
    starts: Vec<i64>,
}

impl Calendar {
    /// Divides a range into buckets.
    ///
    /// - An hour ends at the next full hour of the local clock, or when the clock changes. An hour that a clock change
    ///   repeats has two buckets. If the offset from UTC is not a whole number of hours, local hours start between
    ///   those of UTC.
    /// - Weeks begin on the day `week`.
    /// - Days, weeks and months start at the [start of their first day](start_of_day). A day that a place skipped has
    ///   no bucket.
    ///
    /// # Errors
    /// Fails if the range is empty, leaves the years -9999 to 9999, or has more than [`MAX_BUCKETS`] buckets.
    pub fn new(range: TimeRange, interval: Interval, week: WeekStart, tz: &TimeZone) -> Result<Self, QueryError> {
        if range.from >= range.to {
            return Err(QueryError::new("to", "must be later than from"));
        }
        if [range.from, range.to].iter().any(|edge| jiff::Timestamp::from_millisecond(edge.millis()).is_err()) {
            return Err(QueryError::new("from", "from and to must lie in the years -9999 to 9999"));
        }
        Self::of(range, interval, week, tz, MAX_BUCKETS)
    }

    /// Divides a compared period, which lies on the calendar, into buckets. An empty period has none.
    pub(super) fn compared(
        range: TimeRange,
        interval: Interval,
        week: WeekStart,
        tz: &TimeZone,
    ) -> Result<Self, QueryError> {
        if range.from >= range.to { Ok(Self::default()) } else { Self::of(range, interval, week, tz, MAX_COMPARED) }
    }

    fn of(
        range: TimeRange,
        interval: Interval,
        week: WeekStart,
        tz: &TimeZone,
        most: usize,
    ) -> Result<Self, QueryError> {
        let mut starts = Starts { range, starts: Vec::new(), most };
        match interval {
            Interval::Hour => starts.hours(tz)?,
            _ => starts.dates(first_date(range.from, interval, week, tz), interval, tz)?,
        }
        Ok(Self { starts: starts.starts })
    }

    /// Returns the start of each bucket in the calendar, in milliseconds. The first may lie before the range.
    pub fn starts(&self) -> &[i64] {
        &self.starts
    }

    /// Returns the index of the bucket that contains a moment of the range: the last bucket that starts no later.
    pub fn bucket_of(&self, millis: i64) -> usize {
        self.starts.partition_point(|start| *start <= millis).saturating_sub(1)
    }

    /// Same as [`bucket_of`](Self::bucket_of), but fast if the result is `hint` or the next index.
    #[inline]
    pub(super) fn bucket_near(&self, millis: i64, hint: usize) -> usize {
        let start = |index: usize| self.starts.get(index).copied().unwrap_or(i64::MAX);
        if millis < start(hint) {
            self.bucket_of(millis)
        } else if millis < start(hint + 1) {
            hint
        } else if millis < start(hint + 2) {
            hint + 1
        } else {
            self.bucket_of(millis)
        }
    }
}

/// The bucket starts collected so far.
struct Starts {
    range: TimeRange,
    starts: Vec<i64>,
    /// The maximum number of buckets.
    most: usize,
}

impl Starts {
    /// Adds the next start. Returns `Ok(false)` if the range ends before it.
    fn push(&mut self, start: i64) -> Result<bool, QueryError> {
        if start >= self.range.to.millis() {
            return Ok(false);
        }
        // The previous bucket is empty or ends before the range.
        let replaces = self.starts.last().is_some_and(|last| start <= *last || start <= self.range.from.millis());
        let last = if replaces { self.starts.pop() } else { None };
        if self.starts.len() == self.most {
            let message = format!("too fine for this range: the result would have more than {MAX_BUCKETS} buckets");
            return Err(QueryError::new("interval", message));
        }
        self.starts.push(last.map_or(start, |last| last.max(start)));
        Ok(true)
    }

    fn hours(&mut self, tz: &TimeZone) -> Result<(), QueryError> {
        let from = jiff::Timestamp::from(self.range.from);
        let mut offset = tz.to_offset(from);
        // `preceding` excludes the given moment, but a change at `from` itself counts too.
        let changed = tz.preceding(from + 1.nanosecond()).next().map(|change| change.timestamp().as_millisecond());
        let mut start = floor_hour(from.as_millisecond(), offset).max(changed.unwrap_or(i64::MIN));
        let mut changes = tz.following(from).map(|change| (change.timestamp().as_millisecond(), change.offset()));
        let mut change = changes.next();
        while self.push(start)? {
            let full_hour = floor_hour(start, offset) + HOUR_MILLIS;
            match change {
                Some((at, new_offset)) if at <= full_hour => {
                    // Some transitions change only the name of the zone.
                    start = if new_offset == offset { full_hour } else { at };
                    offset = new_offset;
                    change = changes.next();
                }
                _ => start = full_hour,
            }
        }
        Ok(())
    }

    fn dates(&mut self, mut date: Date, interval: Interval, tz: &TimeZone) -> Result<(), QueryError> {
        let step = match interval {
            Interval::Month => 1.month(),
            Interval::Week => 1.week(),
            Interval::Day | Interval::Hour => 1.day(),
        };
        loop {
            let start = match start_of_day(date, tz) {
                Some(start) => start,
                // At the edges of the calendar, the first bucket starts with the range and the last stays open.
                None if self.starts.is_empty() => self.range.from,
                None => return Ok(()),
            };
            if !self.push(start.millis())? {
                return Ok(());
            }
            match date.checked_add(step) {
                Ok(next) => date = next,
                Err(_) => return Ok(()),
            }
        }
    }
}

/// Returns the first day of the bucket that contains a moment.
fn first_date(from: Timestamp, interval: Interval, week: WeekStart, tz: &TimeZone) -> Date {
    let date = tz.to_datetime(from.into()).date();
    match interval {
        Interval::Month => date.first_of_month(),
        Interval::Week => date.checked_sub(date.weekday().since(week.weekday()).days()).unwrap_or(date),
        Interval::Day | Interval::Hour => date,
    }
}

/// Rounds down to a full hour of a clock that is `offset` ahead of UTC.
fn floor_hour(millis: i64, offset: Offset) -> i64 {
    let local = millis + i64::from(offset.seconds()) * 1000;
    millis - local.rem_euclid(HOUR_MILLIS)
}

#[cfg(test)]
pub(in crate::analytics) mod tests;
