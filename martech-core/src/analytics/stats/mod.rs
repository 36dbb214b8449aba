use std::sync::Arc;

use super::{row::Row, symbols::Symbols};
use crate::query::{QueryError, Stats, StatsQuery, TimeRange};

/// How many pages, products and searches are listed.
pub const TOP_ROWS: usize = 10;

/// A checked question for figures: its buckets, and the period before.
#[derive(Debug, Clone)]
pub struct StatsPlan {}

impl StatsPlan {
    /// Checks a question. Wrong are an empty range, and one of more than
    /// [`MAX_BUCKETS`](super::MAX_BUCKETS) buckets.
    pub fn new(_query: &StatsQuery) -> Result<Self, QueryError> {
        unimplemented!()
    }

    /// What is to be read: the range and the period before.
    pub fn span(&self) -> TimeRange {
        unimplemented!()
    }
}

/// Counts events for [`Stats`].
#[derive(Debug)]
pub struct StatsAccumulator {}

impl StatsAccumulator {
    /// Nothing counted yet.
    pub fn new(_plan: Arc<StatsPlan>) -> Self {
        unimplemented!()
    }

    /// The symbols that this accumulator's rows speak in.
    pub fn symbols(&mut self) -> &mut Symbols {
        unimplemented!()
    }

    /// Counts one user: all their events of the [span](StatsPlan::span), in time order (events outside of it are
    /// passed over). To be called once per user, in any order of users.
    pub fn user(&mut self, _rows: &[Row]) {
        unimplemented!()
    }

    /// Counts a user whose first event ever was at `first_seen` (milliseconds), if that was in the range or in the
    /// period before. To be called once per user.
    pub fn new_user(&mut self, _first_seen: i64) {
        unimplemented!()
    }

    /// Adds what another accumulator of the same plan has counted of other users.
    pub fn merge(&mut self, _other: Self) {
        unimplemented!()
    }

    /// The answer.
    pub fn finish(self) -> Stats {
        unimplemented!()
    }
}
