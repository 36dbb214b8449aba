use jiff::tz::TimeZone;

use crate::query::{Interval, QueryError, TimeRange};

/// The most buckets that a series may have.
pub const MAX_BUCKETS: usize = 10_000;

/// The buckets of a range in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    range: TimeRange,
    /// Start of each bucket in milliseconds, ascending; the first is not after the begin of the range.
    starts: Vec<i64>,
}

impl Calendar {
    /// Cuts a range into buckets.
    pub fn new(_range: TimeRange, _interval: Interval, _tz: &TimeZone) -> Result<Self, QueryError> {
        unimplemented!()
    }

    /// Where each bucket begins in the calendar, in milliseconds; the first may begin before the range.
    pub fn starts(&self) -> &[i64] {
        &self.starts
    }

    /// The bucket that a moment of the range lies in.
    pub fn bucket_of(&self, _millis: i64) -> usize {
        unimplemented!()
    }
}
